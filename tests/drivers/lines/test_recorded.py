"""An instrument that is not there yet: it has points, and never a reading."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.api import Kind, NotPresent
from drivers.recorded import RecordedSection
from drivers.registry import instrument_driver

POINTS = {"rain": {"unit": "mm", "kind": "running_total"}, "hatch": {"states": {"open": 0, "closed": 1}}}


def test_its_points_are_those_declared():
    driver = instrument_driver("recorded")
    described = driver.describe(RecordedSection(point=POINTS), Path())
    rain, hatch = described.points
    assert (rain.name, rain.unit, rain.kind, hatch.states) == (
        "rain",
        "mm",
        Kind.RUNNING_TOTAL,
        {"open": 0, "closed": 1},
    )
    assert (described.live, described.exchanges) == (False, ())


def test_it_never_gives_a_reading():
    async def poll_twice():
        driver = instrument_driver("recorded")
        for _ in range(2):
            async with driver.connect("gauge", RecordedSection(point=POINTS), None, Path()) as gauge:
                assert gauge.name == "gauge"
                with pytest.raises(NotPresent, match="recordings of it only"):
                    await gauge.poll()

    asyncio.run(poll_twice())


@pytest.mark.parametrize(
    "section", [{}, {"point": {}}, {"point": {"a": {"kind": "gague"}}}, {"point": {"a": {"u": 1}}}]
)
def test_what_is_no_declaration_is_refused(section):
    with pytest.raises(ValidationError):
        RecordedSection.model_validate(section)
