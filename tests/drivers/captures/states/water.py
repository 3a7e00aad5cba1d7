"""Level, pressure, rain, wind: states of the virtual devices and the readings that follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hil.devices.level import ComplementRadar, KellerNanolevel, Mxs485, SeeedLevel, Submersible, Ultrasonic14
from hil.devices.water import KellerPressure, RadarLevel, TippingRain
from hil.devices.weather import (
    ComWinTopAir,
    ComWinTopStation,
    KunpengRain,
    OpticalRain,
    ZhixiangyuRain,
    ZhixiangyuWind,
)
from tests.drivers.captures.made import Recording, State


def become(**attributes: object) -> Callable[[Any], None]:
    """Set attributes of the device."""

    def change(device: Any) -> None:
        for name, value in attributes.items():
            setattr(device, name, value)

    return change


# 0.25 bar of water at 15.5 degC (999.021 kg/m3 by Jones and Harris) is 25000 / (999.021 * 9.80665) m.
KELLER = (
    State(
        become(pressure_bar=0.25, temperature_c=15.5),
        "pressure 0.25 bar good\ndepth 2.551793 m good\ntemperature 15.5 degC good",
    ),
    State(
        become(pressure_bar=math.inf, temperature_c=15.5),
        "pressure 1000 bar over_range\ndepth 10200 m over_range\ntemperature 15.5 degC good",
    ),
    State(
        become(pressure_bar=0.25, temperature_c=math.nan),
        "pressure 0.25 bar good\ndepth - m bad\ntemperature - degC bad",
    ),
    State(
        become(pressure_bar=-math.inf, temperature_c=-10.25),
        "pressure - bar under_range\ndepth - m under_range\ntemperature -10.25 degC good",
    ),
)

WEATHER = """
wind-speed 12.34 m/s good
wind-force 6 - good
wind-octant 3 - good
wind-direction 135 deg good
humidity 81.5 percent good
temperature -3.7 degC good
noise 62.1 dB(A) good
pm2-5 35 ug/m^3 good
pm10 70 ug/m^3 good
pressure 100.9 kPa good
illuminance 123456 lx good
rain 7.4 mm good
"""

RECORDINGS = [
    Recording(
        "keller-30",
        KellerPressure(),
        "the maker's communication protocol of series 30 and 40",
        KELLER,
    ),
    Recording(
        "keller-nanolevel",
        KellerNanolevel(),
        "the EnviroDIY KellerModbus library",
        KELLER,
    ),
    Recording(
        "hlk-ld8001h",
        RadarLevel(level_mm=350, install_cm=500),
        "public drivers for the HLK-LD8001H and SEN0676",
        (
            State(become(), "level 350 mm good\ndistance 4650 mm good\ninstall-height 500 cm good"),
            State(become(level_mm=4900), "level 4850 mm good\ndistance 150 mm good\ninstall-height 500 cm good"),
            State(become(install_cm=0), "level - mm bad\ndistance 5000 mm good\ninstall-height 0 cm good"),
        ),
        baudrate=115200,
    ),
    Recording(
        "qdy30a",
        Submersible(1.234, unit_code=17, decimals=1),
        "public copies of the maker's MODBUS.pdf",
        (
            State(become(), "level 1.234 m good\nunit-code 17 - good"),
            State(become(level_m=-0.025, decimals=0), "level -0.02 m good\nunit-code 17 - good"),
            State(become(level_m=1.234, unit_code=18), "level - m bad\nunit-code 18 - good"),
        ),
        section="constants = { unit_m = 0.01, unit_code = 17 }",
        notes="The second state is rounded to whole centimetres by the device; in the third somebody changed its unit.",
    ),
    Recording(
        "seeed-s-yw-01b",
        SeeedLevel(2.5),
        "a public driver for the S-LLE-01 and a public copy of its sheet",
        (
            State(become(), "level 2.5 m good\nunit-code 17 - good"),
            State(become(level_m=-0.0125), "level -0.0125 m good\nunit-code 17 - good"),
        ),
        section="constants = { unit_m = 0.01, unit_code = 17 }",
    ),
    Recording(
        "dfrobot-urm14",
        Ultrasonic14(842.6),
        "the maker's example sketches",
        (
            State(
                become(temperature_c=-5.5, noise=17),
                "distance 842.6 mm good\ntemperature -5.5 degC good\nmode 0 - good\nnoise 17 - good",
            ),
            State(
                become(distance_mm=6553.5),
                "distance - mm bad\ntemperature -5.5 degC good\nmode 0 - good\nnoise 17 - good",
            ),
            State(
                become(distance_mm=842.6, control=0x04),
                "distance - mm bad\ntemperature -5.5 degC good\nmode 1 - good\nnoise 17 - good",
            ),
        ),
        baudrate=19200,
        notes="In the second state the transducer is unplugged; in the third somebody left it in passive mode.",
    ),
    Recording(
        "dfrobot-urm14-triggered",
        Ultrasonic14(300.0, passive=True),
        "the maker's example sketches",
        (
            State(become(), "distance 300 mm good\ntemperature 20 degC good\nnoise 0 - good"),
            State(become(distance_mm=512.3), "distance 512.3 mm good\ntemperature 20 degC good\nnoise 0 - good"),
        ),
        baudrate=19200,
        notes="Each poll writes the control register and waits: without that the second distance would be the first.",
    ),
    Recording(
        "mxs485",
        Mxs485(2000.0, switches=5),
        "the published firmware",
        (
            State(become(), "distance 2000 mm good\ndistance-ramp 2000 mm good\nsensor 1 - good"),
            State(become(distance_mm=2346), "distance 2350 mm good\ndistance-ramp 2010 mm good\nsensor 1 - good"),
            State(become(silent=True), "distance - mm inhibited\ndistance-ramp - mm inhibited\nsensor 0 - good"),
        ),
        section="unit_id = 5",
    ),
    Recording(
        "field-radar-1003",
        ComplementRadar(1250),
        "a public script that reads one",
        (
            State(become(), "level 1250 mm good"),
            State(become(level_mm=0), "level 0 mm good"),
            State(become(level_mm=50_000), "level 50000 mm over_range"),
            State(become(level_mm=65_535), "level - mm bad"),
        ),
        baudrate=4800,
    ),
    Recording(
        "sen0575",
        TippingRain(),
        "the maker's library",
        (
            State(become(), "total 0 mm good\ntips 0 count good\nrunning-time 0 min good"),
            State(
                lambda gauge: gauge.pour(2500 * 0.2794 + 0.1),
                "total 698.5 mm good\ntips 2500 count good\nrunning-time 0 min good",
            ),
        ),
        notes="2500 tips are 6985000 in register 8 and 9: beyond 16 bits, so that a swapped word would show.",
    ),
    Recording(
        "l-rain-485",
        OpticalRain(37, 40_000),
        "a public example sketch",
        (State(become(), "rain-24h 37 mm good\nilluminance 40000 lx good"),),
    ),
    Recording(
        "kunpeng-rain",
        KunpengRain(37),
        "a public collector's parser",
        (
            State(become(), "rain 7.4 mm good"),
            State(become(tips=65_535), "rain 13107 mm good"),
            State(become(tips=65_536), "rain 0 mm good"),
        ),
        section="unit_id = 1",
        notes="From the second to the third state one tip fell, and the counter wrapped.",
    ),
    Recording(
        "zhixiangyu-rain",
        ZhixiangyuRain(12.5, 345.75),
        "a public collector's parser",
        (
            State(become(), "rain-first 12.5 mm good\nrain-second 345.75 mm good"),
            State(become(first_mm=math.nan), "rain-first - mm bad\nrain-second 345.75 mm good"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "zhixiangyu-wind",
        ZhixiangyuWind(8.25, 271.5),
        "a public collector's parser",
        (
            State(become(), "speed 8.25 m/s good\ndirection 271.5 deg good"),
            State(become(speed_m_s=80.0), "speed 80 m/s over_range\ndirection 271.5 deg good"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "cwt-th",
        ComWinTopAir(-12.3, 55.5),
        "the maker's own tool",
        (State(become(), "humidity 55.5 percent good\ntemperature -12.3 degC good"),),
        baudrate=4800,
    ),
    Recording(
        "cwt-weather-station",
        ComWinTopStation(wind_step=0.01, rain_step=0.1),
        "the maker's own tool and a public driver",
        (
            State(
                become(
                    wind_m_s=12.34, wind_deg=135, beaufort=6, humidity=81.5, temperature_c=-3.7, noise_db=62.1,
                    pm2_5=35, pm10=70, pressure_kpa=100.9, lux=123_456, rain_mm=7.4,
                ),
                WEATHER,
            ),
        ),
        section="constants = { wind_step = 0.01, rain_step = 0.1 }",
        baudrate=4800,
    ),
]  # fmt: skip
