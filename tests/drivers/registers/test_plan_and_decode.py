"""Block reads that tear nothing, and values that never pass as better than they are."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Quality
from drivers.decode import Decoded, Decoder, encode
from drivers.registers import DeviceModel, MapPoint, RegisterMap, parse_map, plan
from drivers.words import words_of

HEAD = '[device]\ntitle = "x"\nmaturity = "beta"\nsource = ["sheet"]\n'


def model(body: str):
    return parse_map(HEAD + body, "acme.toml")


def decoded(body: str, words: list[int], name: str = "a") -> Decoded:
    register_map = model(body)
    cells = {("holding", address): word for address, word in enumerate(words)}
    return Decoder(register_map).decode(cells, {})[name]


# --- plan ---------------------------------------------------------------------------------------------------------

TYPES = st.sampled_from(["u16", "i32", "f32", "u64"])


@given(
    points=st.lists(st.tuples(st.integers(0, 60), TYPES, st.sampled_from([None, "g", "h"])), min_size=1, max_size=12),
    max_block=st.integers(4, 125),
    gap_limit=st.integers(0, 10),
)
def test_every_point_lies_whole_in_one_read_of_allowed_size(points, max_block, gap_limit):
    table = {
        f"p{i}": MapPoint(address=address, type=number_type, order="ABCD", together=group)
        for i, (address, number_type, group) in enumerate(points)
    }
    device = DeviceModel(title="x", maturity="beta", source=("s",), max_block=max_block, gap_limit=gap_limit)
    register_map = RegisterMap(device=device, point=table)
    if list(register_map.problems()):
        return  # a group too wide for the device: refused when loaded
    blocks = plan(register_map)
    assert sorted(name for block in blocks for name in block.points) == sorted(table)
    for block in blocks:
        assert block.count <= max_block
        cells = {(block.table, block.address + i) for i in range(block.count)}
        for name in block.points:
            assert cells >= set(table[name].cells)
    for group in ("g", "h"):
        members = {name for name, point in table.items() if point.together == group}
        assert len([block for block in blocks if members & set(block.points)]) <= 1


def test_holes_are_read_only_up_to_the_gap_limit():
    points = "".join(f'[point.p{address}]\naddress = {address}\ntype = "u16"\n' for address in (0, 1, 4, 9))
    assert [(b.address, b.count) for b in plan(model(f"gap_limit = 2\n{points}"))] == [(0, 5), (9, 1)]
    assert [(b.address, b.count) for b in plan(model(f"gap_limit = 0\n{points}"))] == [(0, 2), (4, 1), (9, 1)]
    assert [(b.address, b.count) for b in plan(model(f"gap_limit = 9\nmax_block = 6\n{points}"))] == [(0, 5), (9, 1)]


# --- decode -------------------------------------------------------------------------------------------------------

POINT = '[point.a]\naddress = 0\ntype = "{}"\norder = "ABCD"\n'


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_no_float_that_is_not_finite_is_ever_usable(high, low):
    result = decoded(POINT.format("f32"), [high, low])
    number = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    if math.isfinite(number):
        assert result == Decoded(number, Quality.GOOD)
    else:
        assert result.quality is Quality.BAD
        assert result.reason


@given(
    st.sampled_from(["u16", "i16", "u32", "i32", "f32", "f64"]),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.integers(0, 30000),
    st.sampled_from([1.0, 0.1, 0.001, 2.5, -0.5]),
    st.sampled_from([0.0, -50.0, 3.25]),
)
def test_what_is_encoded_is_decoded(number_type, order, number, scale, offset):
    point = MapPoint(address=0, type=number_type, order=order, scale=scale, offset=offset)
    register_map = model('[point.a]\naddress = 0\ntype = "u16"').model_copy(update={"point": {"a": point}})
    value = number * scale + offset
    cells = {("holding", i): word for i, word in enumerate(encode(point, value))}
    assert Decoder(register_map).decode(cells, {})["a"].value == pytest.approx(value, abs=1e-6)


def test_what_can_not_be_encoded():
    with pytest.raises(ValueError, match="only be read"):
        encode(MapPoint(address=0, type="u16", decode="65535 - raw"), 1)
    with pytest.raises(ValueError, match="outside"):
        encode(MapPoint(address=0, type="u16", low=0, high=5), 6)
    with pytest.raises(ValueError, match="does not fit"):
        encode(MapPoint(address=0, type="u16"), 70000)


def test_range():
    body = '[point.a]\naddress = 0\ntype = "i16"\nscale = 0.1\nunit = "mm"\nlow = -5\nhigh = 100\n'
    assert decoded(body, [1000]) == Decoded(100.0, Quality.GOOD)
    assert decoded(body, [1001]) == Decoded(pytest.approx(100.1), Quality.OVER_RANGE, "above 100 mm")
    assert decoded(body, [65536 - 51]) == Decoded(pytest.approx(-5.1), Quality.UNDER_RANGE, "below -5 mm")


def test_sentinels_are_compared_before_scaling():
    body = (
        '[point.a]\naddress = 0\ntype = "u16"\nscale = 0.01\nhigh = 300\n'
        "invalid = [65535, 0xFFFE]\nover_range = [32767]\nunder_range = [32766]\n"
    )
    assert decoded(body, [65535]).quality is Quality.BAD
    assert "65535" in decoded(body, [65535]).reason
    assert decoded(body, [32767]) == Decoded(300.0, Quality.OVER_RANGE, "the device says: above its range")
    assert decoded(body, [32766]).quality is Quality.UNDER_RANGE
    assert decoded(body, [32765]).quality is Quality.OVER_RANGE


def test_infinities_of_a_keller_transmitter():
    body = POINT.format("f32") + "high = 10\ninvalid = [nan]\nover_range = [inf]\nunder_range = [-inf]\n"
    assert decoded(body, words_of(math.inf, "f32")) == Decoded(
        10.0, Quality.OVER_RANGE, "the device says: above its range"
    )
    assert decoded(body, words_of(-math.inf, "f32")).quality is Quality.UNDER_RANGE
    assert decoded(body, words_of(math.nan, "f32")).quality is Quality.BAD


def test_formula_polynomial_and_bits():
    assert decoded('[point.a]\naddress = 0\ntype = "u16"\ndecode = "65535 - raw"\n', [65000]).value == 535
    assert decoded('[point.a]\naddress = 0\ntype = "u16"\npolynomial = [1, 0, 0.5]\n', [4]).value == 9
    assert decoded('[point.a]\naddress = 0\ntype = "u16"\ndecode = "1 / raw"\n', [0]).quality is Quality.BAD
    assert decoded('[point.a]\naddress = 0\ntype = "bits"\nbits = [4, 5]\n', [0b100000]).value == 2


def test_unknown_states_are_bad():
    body = '[point.a]\naddress = 0\ntype = "u16"\nstates = { off = 0, on = 1 }\n'
    assert decoded(body, [1]) == Decoded(1.0, Quality.GOOD)
    assert decoded(body, [7]) == Decoded(7.0, Quality.BAD, "code 7 is none of its states")


GATED = """
[point.a]
address = 0
type = "u16"
high = 100
valid_when = [
    { point = "lamp", bad = ["out"], otherwise = "good" },
    { point = "state", good = ["on"], uncertain = ["old"], over_range = ["far"], bad = ["dead"], at_least = "full" },
]
[point.full]
address = 3
type = "u16"
[point.state]
address = 1
type = "u16"
states = { warm-up = 0, on = 1, old = 2, far = 3, dead = 4 }
[point.lamp]
address = 2
type = "u16"
states = { out = 1 }
hidden = true
"""


@pytest.mark.parametrize(
    ("words", "value", "quality", "reason"),
    [
        ([50, 1, 0, 90], 50, Quality.GOOD, ""),
        ([50, 2, 0, 90], 50, Quality.UNCERTAIN, "state: old"),
        ([50, 0, 0, 90], None, Quality.INHIBITED, "state: warm-up"),
        ([50, 9, 0, 90], None, Quality.INHIBITED, "state: code 9"),
        ([50, 4, 0, 90], None, Quality.BAD, "state: dead"),
        ([50, 1, 1, 90], None, Quality.BAD, "lamp: out"),
        ([50, 0, 1, 90], None, Quality.BAD, "lamp: out"),  # the strictest word counts
        ([50, 3, 0, 90], 100, Quality.OVER_RANGE, "state: far"),  # a sensor that reads low in too much gas
        ([50, 3, 0, 900], 900, Quality.OVER_RANGE, "state: far"),
        ([200, 1, 0, 90], 200, Quality.OVER_RANGE, "above 100"),
        ([200, 2, 0, 90], 200, Quality.OVER_RANGE, "above 100"),
    ],
)
def test_gates(words, value, quality, reason):
    result = decoded(GATED, words)
    assert (result.quality, result.reason) == (quality, reason)
    assert result.value == value if value is not None else math.isnan(result.value)


def test_a_point_whose_gate_was_not_read_is_not_told():
    register_map = model(GATED)
    failure = Decoded(math.nan, Quality.COMM_FAULT, "no answer")
    cells = {("holding", 0): 50, ("holding", 2): 0, ("holding", 3): 90}
    results = Decoder(register_map).decode(cells, {"state": failure})
    assert results["a"].quality is Quality.COMM_FAULT
    assert results["full"].quality is Quality.GOOD
    assert "lamp" not in results
