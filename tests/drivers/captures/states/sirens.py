"""Supplies, meters and loudspeakers: states of the virtual devices, and the readings that follow, written by hand."""

from __future__ import annotations

from hil.devices.power import AcMeter, DcMeter, En54Supply, NetworkSpeaker
from tests.drivers.captures.made import Recording, State, put

SUPPLY_FLAGS = """\
output-fuse 0 - good
overload 0 - good
battery-undercharged 0 - good
charger-fault 0 - good
battery-cut-off 0 - good
external-fault 0 - good
battery-hot 0 - good
battery-resistance-high 0 - good
"""


def on_battery(supply: En54Supply) -> None:
    """The mains are cut, the battery is nearly empty and cold, the door is open."""
    supply.mains, supply.faults = False, {7, 15}
    supply.output_mv, supply.battery_mv = 22_800, 22_650
    supply.charging_ma, supply.battery_ma = 0, 1_250
    supply.temperature_c, supply.opened = -7, True


def without_battery(supply: En54Supply) -> None:
    supply.mains, supply.faults, supply.opened = True, {12, 13}, False
    supply.output_mv, supply.battery_mv, supply.battery_ma, supply.resistance_mohm = 27_300, 0, 0, -1
    supply.temperature_c = 24


RECORDINGS = [
    Recording(
        "pzem-017",
        DcMeter(25.61, 0.0),
        "the PZEM-003/017 manual",
        (
            State(
                put(),
                "voltage 25.61 V good\ncurrent 0 A good\npower 0 W good\nhigh-voltage 0 - good\nlow-voltage 0 - good",
            ),
            # A 24 V battery under a siren's load: more than 65535 tenths of a watt, so that swapped words would show.
            State(
                put(voltage_v=24.0, current_a=290.0, low_limit_v=24.5),
                "voltage 24 V good\ncurrent 290 A good\npower 6960 W good\n"
                "high-voltage 0 - good\nlow-voltage 65535 - good",
            ),
        ),
    ),
    Recording(
        "pzem-016",
        AcMeter(231.4, 0.35),
        "the PZEM-014/016 manual",
        (
            State(put(), "voltage 231.4 V good\ncurrent 0.35 A good\npower 81 W good\nfrequency 50 Hz good"),
            State(
                put(voltage_v=200.0, current_a=70.0, frequency_hz=49.8),
                "voltage 200 V good\ncurrent 70 A good\npower 14000 W good\nfrequency 49.8 Hz good",
            ),
            State(
                put(voltage_v=270.0, current_a=0.0),
                "voltage 270 V over_range\ncurrent 0 A good\npower 0 W good\nfrequency 49.8 Hz good",
            ),
        ),
    ),
    Recording(
        "pulsar-en54c",
        En54Supply(),
        "the maker's Modbus protocol 1.1",
        (
            State(
                put(),
                SUPPLY_FLAGS + "mains-fault 0 - good\nbattery-low 0 - good\nbattery-missing 0 - good\n"
                "battery-failed 0 - good\ncover 0 - good\noutput-voltage 27.3 V good\nbattery-voltage 27.1 V good\n"
                "charging-current 0.15 A good\nbattery-current 0 A good\nbattery-resistance 0.062 ohm good\n"
                "temperature 24 degC good\ntamper 0 - good",
            ),
            State(
                on_battery,
                SUPPLY_FLAGS + "mains-fault 1 - good\nbattery-low 1 - good\nbattery-missing 0 - good\n"
                "battery-failed 0 - good\ncover 1 - good\noutput-voltage 22.8 V good\nbattery-voltage 22.65 V good\n"
                "charging-current 0 A good\nbattery-current 1.25 A good\nbattery-resistance 0.062 ohm good\n"
                "temperature -7 degC good\ntamper 1 - good",
            ),
            State(
                without_battery,
                SUPPLY_FLAGS + "mains-fault 0 - good\nbattery-low 0 - good\nbattery-missing 1 - good\n"
                "battery-failed 1 - good\ncover 0 - good\noutput-voltage 27.3 V good\nbattery-voltage 0 V good\n"
                "charging-current 0 A good\nbattery-current 0 A good\nbattery-resistance - ohm bad\n"
                "temperature 24 degC good\ntamper 0 - good",
            ),
        ),
        parity="E",
    ),
    Recording(
        "federal-signal-informer",
        NetworkSpeaker(),
        "the Informer-IP manual, table of coil registers",
        (
            State(put(), "activation 0 - good\ninput-* 1 - good\nclock 0 - good"),
            State(
                put(detected=True, inputs_open=[True, False, True, True], clock_failed=True),
                "activation 1 - good\ninput-2 0 - good\ninput-* 1 - good\nclock 1 - good",
            ),
        ),
        tcp=True,
    ),
]
