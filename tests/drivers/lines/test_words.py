"""Numbers and words: round trips in every type and order, and formulas that can do no harm."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.words import compile_formula, number_of, word_count, words_of

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
RANGES = {
    "u16": (0, 2**16 - 1), "i16": (-(2**15), 2**15 - 1), "u32": (0, 2**32 - 1), "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1), "i64": (-(2**63), 2**63 - 1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("order", "words"),
    [("ABCD", [0x0102, 0x0304]), ("CDAB", [0x0304, 0x0102]), ("BADC", [0x0201, 0x0403]), ("DCBA", [0x0403, 0x0201])],
)
def test_orders_are_the_bytes_on_the_wire(order, words):
    assert number_of(words, "u32", order) == 0x01020304
    assert words_of(0x01020304, "u32", order) == words


@given(st.sampled_from(sorted(RANGES)), st.sampled_from(ORDERS), st.data())
def test_whole_numbers_come_back(number_type, order, data):
    number = data.draw(st.integers(*RANGES[number_type]))
    words = words_of(number, number_type, order)
    assert len(words) == word_count(number_type)
    assert number_of(words, number_type, order) == number


@given(st.sampled_from(["f32", "f64"]), st.sampled_from(ORDERS), st.floats(width=32))
def test_floats_come_back_with_nan_and_infinity(number_type, order, number):
    back = number_of(words_of(number, number_type, order), number_type, order)
    assert back == number or (math.isnan(back) and math.isnan(number))


@given(st.sampled_from(sorted(RANGES)), st.sampled_from([-1, 1]))
def test_what_does_not_fit_is_refused(number_type, side):
    low, high = RANGES[number_type]
    with pytest.raises(ValueError, match="does not fit"):
        words_of(high + 1 if side > 0 else low - 1, number_type)
    with pytest.raises(ValueError, match="does not fit"):
        words_of(math.nan, number_type)


def test_midas_concentration_low_word_first():
    high, low = struct.unpack(">HH", struct.pack(">f", 12.5))
    assert number_of([low, high], "f32", "CDAB") == 12.5


@given(st.integers(0, 65535))
def test_formulas(raw):
    assert compile_formula("65535 - raw")(raw) == 65535 - raw
    assert compile_formula("(raw & 0xFF00) / 256 + (raw >> 8) * 2")(raw) == (raw & 0xFF00) / 256 + (raw >> 8) * 2
    assert compile_formula("-raw ** 2 // 3 % 7")(raw) == -(raw**2) // 3 % 7


@pytest.mark.parametrize(
    "text",
    [
        "True", "__import__('os')", "raw.real", "x + 1", "raw if raw else 1", "9 ** 9 ** 9", "1 << raw", "raw ** 99",
        "raw +", "'a'", "[raw]",
    ],
)  # fmt: skip
def test_formulas_that_are_not_arithmetic(text):
    with pytest.raises(ValueError, match="decode ="):
        compile_formula(text)
