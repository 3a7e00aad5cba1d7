"""Water in the soil: states of the virtual devices, and the readings that follow from them, written by hand."""

from __future__ import annotations

from hil.devices.soil import EsSoil, SeeedSoil, Smt100
from tests.drivers.captures.made import Recording, State, put

RECORDINGS = (
    Recording(
        "seeed-soil-mtec",
        SeeedSoil(),
        "the maker's manual V1.1 as copied in public notes",
        (
            State(
                put(water_percent=42.5, temperature_c=-3.25, us_cm=1200),
                "water-content 42.5 percent good\ntemperature -3.25 degC good\nconductivity 1200 uS/cm good",
            ),
        ),
    ),
    Recording(
        "es-sm-th-01s",
        EsSoil(),
        "public notes with frames of a real probe",
        (
            State(
                put(water_percent=18.7, temperature_c=-1.5),
                "water-content 18.7 percent good\ntemperature -1.5 degC good",
            ),
        ),
    ),
    Recording(
        "truebner-smt100",
        Smt100(),
        "slowtec/truebner-smt100, whose tests have these numbers",
        (
            State(
                put(water_percent=34.4, temperature_c=27.97, permittivity=15.2),
                "water-content 34.4 percent good\ntemperature 27.97 degC good\npermittivity 15.2 1 good",
            ),
            State(
                put(water_percent=655.35, temperature_c=-40.0, permittivity=0.99),
                "water-content 655.35 percent over_range\ntemperature -40 degC good\npermittivity 0.99 1 under_range",
            ),
        ),
        section="unit_id = 1",
        notes="What its source calls out of range, in the second poll.",
    ),
)
