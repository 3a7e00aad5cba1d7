"""Gas detectors and air: states of the virtual devices, and the readings that follow from them, written by hand."""

from __future__ import annotations

from hil.devices.air import KunpengTemperature, KunpengTemperatureHumidity
from hil.devices.gas import BUMP_TEST, MONITORING, FukaiteGas, GasModule, Midas
from hil.devices.receiver import OtisReceiver
from tests.drivers.captures.made import Recording, State, put

MODULE = GasModule("CH4", "%LEL", decimals=1)
MODULE.min_poll_s = 0
MODULE_AIR = "full-scale 100 %LEL good\ngas 11 - good\ntemperature 25 degC good\nhumidity 60 percent good\n"

MIDAS_REST = """\
relay-3 0 - good
heartbeats 0 - good
temperature 21 degC good
cell-life 8000 h good
flow 500 cm^3/min good
low-alarm-limit 25 ppm good
high-alarm-limit 50 ppm good
"""
SOUND = "fault 0 - good\nfault-number 0 - good\n"
QUIET = "low-alarm 0 - good\nhigh-alarm 0 - good\nrelay-1 0 - good\nrelay-2 0 - good\n"


class StillMidas(Midas):
    """A Midas whose clock stands, so that each recording has the same bytes."""

    def now_s(self) -> float:
        return 0.0


StillMidas.__doc__ = Midas.__doc__


def overcome(midas: Midas) -> None:
    """More gas than it can measure: fault m10 with a reading that means little."""
    midas.state, midas.fault, midas.fault_number, midas.concentration = MONITORING, 1, 10, 90.0


def two_heads(receiver: OtisReceiver) -> None:
    receiver.hear(1, 12.5, age_s=40)
    receiver.hear(2, 3.5, gas="CO", age_s=10)
    receiver.hear(3, 20.9, gas="O2", age_s=10)
    receiver.mode[3] = "calibration"
    receiver.age_s[3] = 1


def silent_and_faulty(receiver: OtisReceiver) -> None:
    receiver.age_s[0] = 181  # still says 12.5
    receiver.age_s[1] = 60
    receiver.fault[1] = 11
    receiver.fault[2] = 9


def of_its_source(receiver: OtisReceiver) -> None:
    # What a real receiver held for channel 6 on 2026-01-06, mode register included, while its screen said "Normal".
    receiver.hear(6, 0.0, battery_v=23.0, age_s=23)
    receiver.mode[5] = "off"


OTIS_SOURCE = "a register list of the OI-7032 in a public monitoring project"
FUKAITE_SOURCE = "the comments of a public driver, sqzhaozhao/Test gas_sensor.c"
GLINK = "a collector's public parser, zdjcyun/Glink script/"

RECORDINGS = (
    Recording(
        "gas-6in1",
        MODULE,
        "the module's protocol description",
        (
            State(put(concentration=12.3), f"concentration 12.3 %LEL good\nstatus 1 - good\n{MODULE_AIR}"),
            State(put(decimals=0, concentration=51.0), f"concentration 51 %LEL good\nstatus 6 - good\n{MODULE_AIR}"),
            State(
                put(decimals=2, concentration=150.0),
                f"concentration 100 %LEL over_range\nstatus 8 - good\n{MODULE_AIR}",
            ),
            State(
                put(state="warm-up", concentration=0.0),
                f"concentration - %LEL inhibited\nstatus 0 - good\n{MODULE_AIR}",
            ),
            State(put(state="sensor-fault"), f"concentration - %LEL bad\nstatus 3 - good\n{MODULE_AIR}"),
            State(
                put(state="needs-calibration", concentration=4.2, temperature_c=-10.0),
                "concentration 4.2 %LEL uncertain\nstatus 9 - good\n" + MODULE_AIR.replace("e 25 d", "e -10 d"),
            ),
            State(
                put(state="", unit="ppm", decimals=0, temperature_c=25.0),
                "concentration - %LEL bad\nfull-scale - %LEL bad\nstatus 1 - good\n" + MODULE_AIR.split("\n", 1)[1],
            ),
        ),
        section='point.concentration = { unit = "%LEL" }',
        notes="The unit changes between two polls of the last states: what was %LEL is ppm, and is refused.",
    ),
    Recording(
        "honeywell-midas",
        StillMidas(),
        "numat/midas (state words, layout, word order, faults)",
        (
            State(
                put(concentration=3.25),
                f"concentration 3.25 ppm good\nstate 1 - good\n{SOUND}{QUIET}{MIDAS_REST}",
            ),
            State(
                put(state=BUMP_TEST, concentration=18.0),
                f"concentration - ppm inhibited\nstate 6 - good\n{SOUND}{QUIET}{MIDAS_REST}",
            ),
            State(
                put(state=MONITORING, concentration=60.0),
                f"concentration 60 ppm good\nstate 1 - good\n{SOUND}" + QUIET.replace(" 0 ", " 1 ") + MIDAS_REST,
            ),
            State(
                overcome,
                "concentration 90 ppm over_range\nstate 1 - good\nfault 1 - good\nfault-number 10 - good\n"
                + QUIET.replace(" 0 ", " 1 ")
                + MIDAS_REST.replace("relay-3 0", "relay-3 1"),
            ),
            State(
                put(fault=2, fault_number=44, concentration=0.0),
                "concentration - ppm bad\nstate 1 - good\nfault 2 - good\nfault-number 44 - good\n"
                + QUIET.replace(" 0 ", " 1 ")
                + MIDAS_REST.replace("relay-3 0", "relay-3 1"),
            ),
        ),
        tcp=True,
    ),
    Recording(
        "otis-oi7032",
        OtisReceiver(),
        OTIS_SOURCE,
        (
            State(
                two_heads,
                "reading-1 12.5 %LEL good\nreading-2 3.5 ppm good\nreading-3 20.9 %vol good\n"
                "reading-4 - %LEL inhibited\nage-1 40 s good\nage-2 10 s good\nage-3 10 s good\nage-4 1 s good\n"
                "battery-* 3.6 V good",
            ),
            State(
                silent_and_faulty,
                "reading-1 - %LEL bad\nreading-2 3.5 ppm uncertain\nreading-3 - %vol bad\nreading-4 - %LEL inhibited\n"
                "age-1 181 s good\nage-2 60 s good\nage-3 10 s good\nage-4 1 s good\n"
                "battery-1 - V bad\nbattery-* 3.6 V good",
            ),
        ),
        section='only = ["reading-1", "reading-2", "reading-3", "reading-4", "age-1", "age-2", "age-3", "age-4", '
        '"battery-1", "battery-2", "battery-3"]\n'
        'point.reading-2 = { unit = "ppm" }\npoint.reading-3 = { unit = "%vol" }',
        notes="In the second poll head 1 has been silent for 181 s; its last 12.5 %LEL still stands there.",
    ),
    Recording(
        "otis-oi7032-channel-6",
        OtisReceiver(),
        OTIS_SOURCE,
        (State(of_its_source, "reading-6 0 %LEL good\nbattery-6 23 V good\nage-6 23 s good"),),
        map="otis-oi7032",
        section='only = ["reading-6", "battery-6", "age-6"]',
        notes="The values of channel 6 are those that the source read from a real receiver.",
    ),
    Recording(
        "otis-oi7032-whole",
        OtisReceiver(),
        OTIS_SOURCE,
        (
            State(
                two_heads,
                "reading-1 12.5 %LEL good\n"
                "age-1 40 s good\nage-2 10 s good\nage-3 10 s good\nage-4 1 s good\n"
                "battery-1 3.6 V good\nbattery-2 3.6 V good\nbattery-3 3.6 V good\nbattery-4 0 V good\n"
                "reading-4 - %LEL inhibited\nreading-* - %LEL bad\nbattery-* - V bad\nage-* 65535 s good",
            ),
        ),
        map="otis-oi7032",
        notes="All 32 channels in three requests. Heads for other gases are BAD until the site says their unit.",
    ),
    Recording(
        "fukaite-gas",
        FukaiteGas(),
        FUKAITE_SOURCE,
        (
            State(put(concentration=100.0, resolution=1), "concentration 100 ppm good"),
            State(put(concentration=1000.0, resolution=0), "concentration 1000 ppm good"),
            State(put(concentration=10.0, resolution=2), "concentration 10 ppm good"),
            State(put(concentration=0.0, resolution=7), "concentration - ppm bad"),
        ),
        notes="The first three are the examples of the source: 1000 with resolution 1, 0 and 2.",
    ),
    Recording(
        "fukaite-oxygen",
        FukaiteGas(oxygen=True),
        FUKAITE_SOURCE,
        (
            State(put(concentration=20.9), "oxygen 20.9 %vol good"),
            State(put(concentration=128.0), "oxygen 128 %vol over_range"),
        ),
        notes="128 % is what the source's own example would give; it is never taken for air.",
    ),
    Recording(
        "kunpeng-temperature",
        KunpengTemperature(),
        GLINK + "KpTem.js",
        (
            State(put(temperature_c=21.5), "temperature 21.5 degC good"),
            State(put(temperature_c=-12.3), "temperature -12.3 degC good"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "kunpeng-temperature-humidity",
        KunpengTemperatureHumidity(),
        GLINK + "KpTemHum.js",
        (
            State(put(temperature_c=31.4, humidity=88.8), "temperature 31.4 degC good\nhumidity 88.8 percent good"),
            State(put(temperature_c=-0.5, humidity=100.0), "temperature -0.5 degC good\nhumidity 100 percent good"),
        ),
        section="unit_id = 1",
    ),
)
