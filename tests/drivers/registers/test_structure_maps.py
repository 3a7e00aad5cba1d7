"""What gas receivers, tilt and vibrating wires must tell exactly, and what they may never pass as good."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Quality
from drivers.decode import Decoded, Decoder
from drivers.registers import RegisterMap, load_map
from hil.devices import OtisReceiver, VibratingWire, ZhichuanBox
from hil.devices.base import Device


@cache
def decoder(name: str, constants: frozenset[tuple[str, float]]) -> tuple[RegisterMap, Decoder]:
    register_map = load_map(name).with_constants(dict(constants))
    return register_map, Decoder(register_map)


def read(device: Device, name: str, **given_constants: float) -> dict[str, Decoded]:
    """What the map makes of the device, with no wire between."""
    register_map, decodes = decoder(name, frozenset(given_constants.items()))
    held = {table: device.image(table) for table in ("holding", "input")}
    cells = {cell for point in register_map.point.values() for cell in point.cells}
    return decodes.decode({(table, address): held[table][address] & 0xFFFF for table, address in cells}, {})


@given(st.integers(-9999999, 9999999))
def test_the_box_inclinometer_tells_every_angle(ten_thousandths: int) -> None:
    decoded = read(ZhichuanBox(ten_thousandths / 10000), "zhichuan-box-inclinometer")["x"]
    assert decoded.quality is Quality.GOOD
    assert decoded.value == pytest.approx(ten_thousandths / 10000, abs=1e-9)


@given(st.binary(min_size=4, max_size=4))
def test_the_box_inclinometer_takes_no_bytes_that_are_no_number(data: bytes) -> None:
    cells = {("holding", address): 0 for address in range(6)}
    cells["holding", 0] = data[0] << 8 | data[1]
    cells["holding", 1] = data[2] << 8 | data[3]
    decoded = decoder("zhichuan-box-inclinometer", frozenset())[1].decode(cells, {})["x"]
    is_number = data[0] >> 4 <= 1 and data[0] & 15 <= 9 and all(pair <= 99 for pair in data[1:])
    assert (decoded.quality is Quality.GOOD) == is_number
    assert is_number or math.isnan(decoded.value)


@given(
    age_s=st.integers(0, 0xFFFF) | st.integers(0, 200),
    max_age=st.sampled_from([1, 60, 180, 15300]),
    reading=st.floats(0, 100, width=32),
)
def test_an_old_reading_is_never_used(age_s: int, max_age: int, reading: float) -> None:
    receiver = OtisReceiver()
    receiver.hear(1, reading, age_s=age_s)
    decoded = read(receiver, "otis-oi7032", max_age=max_age)["reading-1"]
    assert decoded.quality is (Quality.GOOD if age_s <= max_age else Quality.BAD)
    if age_s > max_age:
        assert f"age-1: {age_s:g} s" in decoded.reason


@given(frequency=st.integers(0, 65535), f0=st.integers(400, 6000), k=st.sampled_from([0.0016, 0.002, -0.5]))
def test_strain_is_told_only_of_a_wire_that_rings(frequency: int, f0: int, k: float) -> None:
    hz = frequency / 10
    told = read(VibratingWire(hz), "kunpeng-strain-gauge", f0=f0, k=k)["strain"]
    if 300 <= hz <= 6500:
        assert told.quality is Quality.GOOD
        assert told.value == pytest.approx(k * hz * hz - k * f0 * f0, rel=1e-9, abs=1e-6)
    else:
        assert told.quality is Quality.BAD
        assert math.isnan(told.value)
