"""Slopes and structures: states of the virtual devices, and the readings that follow from them, written by hand."""

from __future__ import annotations

from hil.devices.motion import Inclinometer, Vibration
from hil.devices.structure import (
    BiaxialInclinometer,
    BolinWire,
    ChengtuoLaser,
    FeishangWire,
    KunpengDisplacement,
    KunpengLaser,
    SanzhiTilt,
    ShengdiLevel,
    VibratingWire,
    ZhichuanBox,
    ZhongdaLevel,
)
from tests.drivers.captures.made import Recording, State, put

GLINK = "a collector's public parser, zdjcyun/Glink script/"
GRAVITY = "acceleration-x 0 m/s^2 good\nacceleration-y 0 m/s^2 good\nacceleration-z 9.8066499 m/s^2 good\n"


class OddByte(ZhichuanBox):
    """A byte of X that no number of this coding has: 0xA5 hundredths."""

    def image(self, table: str) -> dict[int, int]:
        return {**super().image(table), 1: 0xA500} if table == "holding" else {}


class OddSign(ZhichuanBox):
    """A sign of Y that nobody has described."""

    def image(self, table: str) -> dict[int, int]:
        return {**super().image(table), 2: 0x7000} if table == "holding" else {}


WIRE = "frequency 900 Hz good\ntemperature 30 degC good"
NO_WIRE = "frequency - Hz bad\ntemperature 30 degC good"
HUM = "frequency 50 Hz good\ntemperature 30 degC good"
WIRE_STATES = (put(frequency_hz=900.0, temperature_c=30.0), put(frequency_hz=0.0), put(frequency_hz=50.0))

RECORDINGS = (
    Recording(
        "witmotion-inclinometer",
        Inclinometer(),
        "WitMotion WitStandardModbus_WT901C485 REG.h",
        (
            State(
                put(roll_deg=45.0, pitch_deg=-22.5, yaw_deg=90.0, temperature_c=-5.25),
                f"{GRAVITY}roll 45 deg good\npitch -22.5 deg good\nyaw 90 deg good\ntemperature -5.25 degC good",
            ),
            State(
                put(roll_deg=0.0, pitch_deg=180 / 32768, yaw_deg=0.0),
                f"{GRAVITY}roll 0 deg good\npitch 0.0054931641 deg good\nyaw 0 deg good\ntemperature -5.25 degC good",
            ),
        ),
    ),
    Recording(
        "wtvb01-485",
        Vibration(),
        "its manual v2.5",
        (
            State(
                put(velocity_mm_s=[3, 0, 12], displacement_um=[250, 0, 900], frequency_hz=[12.5, 5.0, 49.9]),
                f"{GRAVITY}velocity-x 3 mm/s good\nvelocity-y 0 mm/s good\nvelocity-z 12 mm/s good\n"
                "displacement-x 250 um good\ndisplacement-y 0 um good\ndisplacement-z 900 um good\n"
                "frequency-x 12.5 Hz good\nfrequency-y 5 Hz good\nfrequency-z 49.9 Hz good\ntemperature 20 degC good",
            ),
            State(
                put(frequency_hz=[2.0, 5.0, 0.0]),
                f"{GRAVITY}velocity-x 0 mm/s uncertain\nvelocity-y 0 mm/s good\nvelocity-z 0 mm/s uncertain\n"
                "displacement-x 0 um uncertain\ndisplacement-y 0 um good\ndisplacement-z 0 um uncertain\n"
                "frequency-x 2 Hz good\nfrequency-y 5 Hz good\nfrequency-z 0 Hz good\ntemperature 20 degC good",
            ),
        ),
    ),
    Recording(
        "biaxial-inclinometer",
        BiaxialInclinometer(),
        "a public minimalmodbus driver",
        (
            State(put(x_deg=1.234, y_deg=-0.567), "x 1.234 deg good\ny -0.567 deg good"),
            State(put(x_deg=-66.0, y_deg=0.001), "x -66 deg good\ny 0.001 deg good"),
        ),
        section="unit_id = 1",
        baudrate=38400,
    ),
    Recording(
        "sanzhi-yingke-tilt",
        SanzhiTilt(),
        GLINK + "SzykInclinometer.js",
        (
            State(
                put(x_deg=0.15, y_deg=-12.34, temperature_c=-3.5),
                "x 0.15 deg good\ny -12.34 deg good\ntemperature -3.5 degC good",
            ),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "zhichuan-box-inclinometer",
        ZhichuanBox(),
        GLINK + "ZcBoxSurvey.js",
        (
            State(put(x_deg=1.2345, y_deg=-123.4567), "x 1.2345 deg good\ny -123.4567 deg good"),
            State(put(x_deg=-0.0001, y_deg=999.9999), "x -0.0001 deg good\ny 999.9999 deg good"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "zhichuan-box-inclinometer-odd-byte",
        OddByte(2.0, 3.5),
        GLINK + "ZcBoxSurvey.js, with a byte that is out of place",
        (State(put(), "x - deg bad\ny 3.5 deg good"),),
        map="zhichuan-box-inclinometer",
        section="unit_id = 1",
    ),
    Recording(
        "zhichuan-box-inclinometer-odd-sign",
        OddSign(2.0, 3.5),
        GLINK + "ZcBoxSurvey.js, with a sign that it does not describe",
        (State(put(), "x 2 deg good\ny - deg bad"),),
        map="zhichuan-box-inclinometer",
        section="unit_id = 1",
    ),
    Recording(
        "shengdi-static-level",
        ShengdiLevel(),
        GLINK + "SdStaticLevel.js",
        (
            State(put(level_mm=123.5), "level 123.5 mm good"),
            State(put(level_mm=-2.25), "level -2.25 mm good"),
            State(put(level_mm=float("nan")), "level - mm bad"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "zhongda-static-level",
        ZhongdaLevel(),
        GLINK + "ZdStaticLevelPrivate.js",
        (
            State(put(level_mm=4903 / 9.80665), "level 499.96686 mm good"),  # 4903 Pa
            State(put(level_mm=-100.0), "level -100.03416 mm good"),  # -981 Pa
            State(put(level_mm=9999.0), "level - mm bad"),  # 32767: at the end of what the register holds
        ),
        section="unit_id = 1",
    ),
    Recording(
        "bolin-wire-displacement",
        BolinWire(),
        GLINK + "BlCable.js",
        (State(put(displacement_mm=512.34), "displacement 512.34 mm good"),),
        section="unit_id = 1",
    ),
    Recording(
        "feishang-wire-displacement",
        FeishangWire(),
        GLINK + "FsCable.js, without its mistake",
        (
            State(put(displacement_mm=812.5), "displacement 812.5 mm good"),
            State(put(displacement_mm=-3.2), "displacement -3.2 mm good"),
        ),
        section="unit_id = 1",
        notes="Its source would give 3.2 mm for the second poll.",
    ),
    Recording(
        "kunpeng-displacement",
        KunpengDisplacement(),
        GLINK + "KpCommon.js",
        (State(put(displacement_mm=25.07), "displacement 25.07 mm good"),),
        section="unit_id = 1",
    ),
    Recording(
        "chengtuo-laser",
        ChengtuoLaser(),
        GLINK + "CtLaser.js",
        (
            State(put(distance_mm=12345.6), "distance 12345.6 mm good"),
            State(put(distance_mm=0.0), "distance - mm bad"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "kunpeng-laser",
        KunpengLaser(),
        GLINK + "KpLaser.js",
        (
            State(put(distance_mm=150000.0), "distance 150000 mm good"),
            State(put(distance_mm=0.0), "distance - mm bad"),
        ),
        section="unit_id = 1",
    ),
    Recording(
        "kunpeng-strain-gauge",
        VibratingWire(),
        GLINK + "KpStrainGauge.js",
        (
            # 0.0016 * (900^2 - 800^2) = 272; the steel is 10 degrees warmer than t0: 272 - 1.5 * 10 = 257
            State(WIRE_STATES[0], f"strain 272 ustrain good\nstrain-corrected 257 ustrain good\n{WIRE}"),
            State(WIRE_STATES[1], f"strain - ustrain bad\nstrain-corrected - ustrain bad\n{NO_WIRE}"),
            State(WIRE_STATES[2], f"strain - ustrain bad\nstrain-corrected - ustrain bad\n{HUM}"),
        ),
        section="unit_id = 1\nconstants = { f0 = 800.0, kt = -1.5 }",
        notes="No wire, then a converter that has locked on to the hum of the mains.",
    ),
    Recording(
        "kunpeng-strain-gauge-embedded",
        VibratingWire(),
        GLINK + "KpStrainGauge.js",
        (
            # 0.002 * (900^2 - 1000^2) = -380: compression
            State(WIRE_STATES[0], f"strain -380 ustrain good\nstrain-corrected -380 ustrain good\n{WIRE}"),
            State(
                put(temperature_c=-60.0),
                "strain -380 ustrain good\nstrain-corrected - ustrain under_range\nfrequency 900 Hz good\n"
                "temperature -60 degC under_range",
            ),
        ),
        map="kunpeng-strain-gauge",
        section="unit_id = 1\nconstants = { k = 0.002, f0 = 1000.0 }",
        notes="A broken thermistor takes away the corrected strain only.",
    ),
    Recording(
        "kunpeng-piezometer",
        VibratingWire(),
        GLINK + "KpWireWaterPress.js and KpWireWaterLevel.js",
        (
            # -0.002 * 0.0005383 * (900^2 - 1000^2) = 0.20455 MPa = 20.873 m of water at 9.8 m/s2
            State(WIRE_STATES[0], f"pressure 0.204554 MPa good\nhead 20.8728571429 m good\n{WIRE}"),
            State(WIRE_STATES[1], f"pressure - MPa bad\nhead - m bad\n{NO_WIRE}"),
        ),
        section="unit_id = 1\nconstants = { k1 = -0.002, f0 = 1000.0 }",
    ),
    Recording(
        "kunpeng-vibrating-wire",
        VibratingWire(),
        GLINK + "KpWireCommon.js",
        (
            # 0.001 * (900^2 - 800^2) + 0.05 * (900 - 800) + 0.2 * (30 - 20) = 170 + 5 + 2
            State(WIRE_STATES[0], f"value 177 kN good\n{WIRE}"),
            State(WIRE_STATES[1], f"value - kN bad\n{NO_WIRE}"),
        ),
        section='unit_id = 1\nconstants = { a = 0.001, b = 0.05, f0 = 800.0, kt = 0.2 }\npoint.value = { unit = "kN" }',
    ),
)
