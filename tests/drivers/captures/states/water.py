"""Level, pressure and rain: states of the virtual devices and what they mean."""

from __future__ import annotations

import math

from hil.devices.water import KellerPressure
from tests.drivers.captures.made import Recording, State


def keller(pressure_bar: float, temperature_c: float):
    def become(device: KellerPressure) -> None:
        device.pressure_bar, device.temperature_c = pressure_bar, temperature_c

    return become


RECORDINGS = [
    Recording(
        "keller-30",
        KellerPressure(),
        "the maker's communication protocol of series 30 and 40",
        (
            State(keller(0.25, 15.5), "pressure 0.25 bar good\ntemperature 15.5 degC good"),
            State(keller(math.inf, math.nan), "pressure 10 bar over_range\ntemperature - degC bad"),
        ),
        section="point.pressure = { low = 0.0, high = 10.0 }",
    ),
]
