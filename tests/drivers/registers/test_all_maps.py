"""What must hold for every map that comes with Tocsin, whatever its registers hold."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Quality
from drivers.decode import Decoded, Decoder, encode
from drivers.frames import BIT_TABLES
from drivers.registers import Cell, RegisterMap, load_map, map_names, plan
from rules.units import unit

WORDS = st.one_of(
    st.sampled_from([0, 1, 0x7F80, 0xFF80, 0x7FC0, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]), st.integers(0, 65535)
)


@cache
def settled(name: str) -> RegisterMap:
    """The map with figures for the constants that a site must give."""
    register_map = load_map(name)
    given_ = {
        key: (*constant.choices, constant.low or 1.0)[0]
        for key, constant in register_map.constant.items()
        if constant.value is None
    }
    return register_map.with_constants(given_)


@cache
def decoder(name: str) -> Decoder:
    return Decoder(settled(name))


def cells_of(register_map: RegisterMap) -> list[Cell]:
    return sorted({cell for point in register_map.point.values() for cell in point.cells})


@pytest.mark.parametrize("name", map_names())
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_a_device_holds_no_point_lies(name: str, data: st.DataObject) -> None:
    cells = cells_of(settled(name))
    seed = data.draw(st.lists(WORDS, min_size=8, max_size=8))
    image = {
        cell: word & 1 if cell[0] in BIT_TABLES else word
        for cell, word in zip(cells, seed * (len(cells) // 8 + 1), strict=False)
    }
    decoded = decoder(name).decode(image, {})
    assert set(decoded) == {point.name for point in settled(name).points}
    for point in settled(name).points:
        result = decoded[point.name]
        assert math.isfinite(result.value) or not result.quality.usable
        assert result.quality == 0 or result.reason
        if result.quality == 0:
            assert point.low is None or result.value >= point.low
            assert point.high is None or result.value <= point.high
            assert not point.states or result.value in point.states.values()


@pytest.mark.parametrize("name", map_names())
def test_units_are_known_and_reads_are_allowed(name: str) -> None:
    register_map = load_map(name)
    for point in register_map.points:
        assert unit(point.unit) if point.unit else True
    for block in plan(register_map):
        assert block.count <= (register_map.device.max_bits if block.table in BIT_TABLES else 125)
    words = {cell for point in register_map.point.values() for cell in point.cells}
    read = {(block.table, block.address + i) for block in plan(register_map) for i in range(block.count)}
    assert words <= read


@pytest.mark.parametrize("name", map_names())
def test_what_can_be_encoded_is_decoded(name: str) -> None:
    register_map = settled(name)
    for key, point in register_map.point.items():
        if point.hidden or point.valid_when or point.decode or point.states or point.type in ("bit", "bits"):
            continue
        low = point.low or 0.0
        value = 0.5 * (low + (low + 100.0 if point.high is None else point.high))
        if point.scale_from or point.unit_from or point.loop:
            continue
        image = dict.fromkeys(cells_of(register_map), 0) | dict(zip(point.cells, encode(point, value), strict=True))
        assert decoder(name).decode(image, {})[key].value == pytest.approx(value, abs=abs(point.scale), rel=1e-6)


@pytest.mark.parametrize("name", map_names())
def test_a_point_is_lost_when_what_it_needs_is_lost(name: str) -> None:
    """Whichever register can't be read, no point that is told by it keeps a value."""
    register_map = settled(name)
    failed = decoder(name)
    image = dict.fromkeys(cells_of(register_map), 0)

    for lost in register_map.point:
        decoded = failed.decode(image, {lost: Decoded(math.nan, Quality.COMM_FAULT, "no answer")})
        for key, point in register_map.point.items():
            if not point.hidden and (key == lost or lost in point.needs):
                assert not decoded[key].quality.usable
