"""Whatever type, order and scale a device uses, a shown value finds it; two values leave hardly anything else."""

from __future__ import annotations

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.find.decodings import ORDERS, Expected, candidates, confirmed, is_sane, places, text_of
from drivers.words import word_count, words_of

KINDS = ("u16", "i16", "u32", "i32", "f32", "f64")
WORD = st.integers(0, 0xFFFF)


def cells_of(words, at=0, table="holding"):
    return {(table, at + i): word for i, word in enumerate(words)}


def sea(seed, count=40):
    """Registers of another device: small numbers, zeros, a few large ones."""
    rng = random.Random(seed)
    return [rng.choice([0, rng.randrange(300), rng.randrange(5000), rng.randrange(0x10000)]) for _ in range(count)]


@settings(max_examples=60)
@given(st.sampled_from(KINDS), st.sampled_from(ORDERS), st.integers(101, 9999), st.integers(0, 2), st.randoms())
def test_a_value_is_found_in_any_type_and_order(kind, order, number, decimals, rng):
    value = number / 10**decimals
    held = value if kind[0] == "f" else number
    words, address = sea(rng.random(), 12), rng.randrange(8)
    words[address : address + word_count(kind)] = words_of(held, kind, order)
    found = candidates(cells_of(words), Expected(value, 0.5 * 10**-decimals))
    # A plainer type may give the same number: the low word of a 32-bit one.
    here = [one for one in found if address <= one.address < address + word_count(kind)]
    assert any(math.isclose(one.value, value, rel_tol=1e-6) for one in here)
    assert found == sorted(found, key=lambda one: -one.score)


def test_a_second_value_leaves_the_truth():
    words = sea(7)
    before, after = words.copy(), [word + (word % 3) for word in words]
    before[11:13], after[11:13] = words_of(1.253, "f32", "CDAB"), words_of(1.402, "f32", "CDAB")
    first = candidates(cells_of(before), Expected(1.25, 0.005))
    assert first
    left = confirmed(first, cells_of(after), Expected(1.40, 0.005))
    # The high word alone makes a float to two digits, so the one that begins there is as good until more are shown.
    assert {(one.address, one.type, one.order) for one in left} <= {(11, "f32", "CDAB"), (12, "f32", "ABCD")}
    assert left[0].word == "very likely"
    (truth,) = confirmed(candidates(cells_of(before), Expected(1.253, 5e-4)), cells_of(after), Expected(1.402, 5e-4))
    assert (truth.address, truth.order) == (11, "CDAB")


def test_a_value_that_stays_proves_nothing_more():
    cells = cells_of([0, 1250, 0])
    first = candidates(cells, Expected(1.25, 0.005))
    assert confirmed(first, cells, Expected(1.25, 0.005))[0].score == first[0].score


def test_scales_of_known_makers():
    shown = {
        "65535 minus": (65535 - 1250, Expected(1250, 0.5)),
        "fifths": (63, Expected(12.6, 0.05)),
        "from -50": (725, Expected(22.5, 0.05)),
        "180 degrees": (round(12.34 / 180 * 32768), Expected(12.34, 0.005)),
    }
    for what, (word, expected) in shown.items():
        why = [one.scale.why for one in candidates(cells_of([word]), expected)]
        assert any(what in told for told in why), (what, why)


def test_plain_before_odd():
    (best, *_) = candidates(cells_of([0, 1250]), Expected(1250, 0.5))
    assert (best.address, best.type, best.scale.factor) == (1, "u16", 1)
    assert candidates(cells_of([1]), Expected(1.25, 0.005)) == []


def test_negative_numbers_are_found_as_signed():
    (best, *_) = candidates(cells_of([0x10000 - 215]), Expected(-21.5, 0.05))
    assert (best.type, best.scale.factor) == ("i16", 0.1)


@given(st.lists(WORD, max_size=12), st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-6, 1e3))
def test_any_registers_and_any_value_are_borne(words, value, tolerance):
    for one in candidates(cells_of(words), Expected(value, tolerance)):
        step = 0 if one.type[0] == "f" else abs(one.scale.factor)
        assert abs(one.value - value) <= max(tolerance, step / 2) * 1.0001
    for place in places(cells_of(words), "holding"):
        assert len(place.numbers) == 2 * 2 + 6 * 4
        [is_sane(number) for number in place.numbers.values()]
    text_of(cells_of(words), "holding")


def test_wide_numbers_need_all_their_registers():
    cells = {("holding", 0): 1, ("holding", 2): 3}
    numbers = places(cells, "holding")[0].numbers
    assert numbers["u16", "ABCD"] == 1
    assert numbers["u32", "ABCD"] is None


def test_names_in_registers():
    words = [0x4B45, 0x4C4C, 0x4552, 0x2D33, 7, 0x4142]
    assert text_of(cells_of(words, 100), "holding") == [(100, "KELLER-3")]
