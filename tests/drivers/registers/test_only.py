"""Of a device with many points a site reads those it wants, with what they can't be told without."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.instrument import ModbusDriver, site_map
from drivers.registers import plan

DRIVER = ModbusDriver()
HERE = Path()


def section(*only: str):
    return DRIVER.Section.model_validate({"map": "otis-oi7032", "only": only})


def test_points_that_are_wanted_and_no_others():
    assert [point.name for point in DRIVER.describe(section("reading-7", "battery-7"), HERE).points] == [
        "reading-7",
        "battery-7",
    ]
    assert len(DRIVER.describe(section(), HERE).points) == 96


def test_what_they_need_is_read_too_and_not_shown():
    register_map = site_map(section("reading-7"), HERE)
    assert set(register_map.point) == {"reading-7", "age-7", "mode-7", "gas-7", "fault-7"}
    assert register_map.point["age-7"].hidden
    cells = {block.address + i for block in plan(register_map) for i in range(block.count)}
    assert cells == {0x2C, 0x2D, 0x66, 0xC6, 0x106, 0x126}
    assert not site_map(section("reading-7", "age-7"), HERE).point["age-7"].hidden


def test_a_wrong_name_is_told_with_the_nearest():
    with pytest.raises(ValueError, match="only: otis-oi7032 has no point 'readng-7'; nearest: reading-7"):
        DRIVER.describe(section("readng-7"), HERE)
    with pytest.raises(ValueError, match="no point 'mode-7'"):  # hidden: not one itself
        DRIVER.describe(section("mode-7"), HERE)
