"""Tokens of a scenario's series: what each stands for, how it is written back, and what is said about a wrong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.cases.series import (
    BAD,
    CLOCK,
    LONGEST,
    NOTHING,
    OVER,
    READING,
    REBOOT,
    REZERO,
    STALE,
    SeriesError,
    Slot,
    format_series,
    parse_series,
)


def values(text, **more):
    return [slot.value for slot in parse_series(text, **more)]


def test_every_token_is_one_slot():
    found = parse_series("90 _ stale bad 92 over @reboot @clock+1h @rezero -3.5")
    assert [slot.what for slot in found] == [
        READING, NOTHING, STALE, BAD, READING, OVER, REBOOT, CLOCK, REZERO, READING,
    ]  # fmt: skip
    assert found[7] == Slot(CLOCK, 3600.0)
    assert found[9] == Slot(READING, -3.5)


def test_a_repetition_is_so_many_slots():
    assert values("92x3") == [92.0, 92.0, 92.0]
    assert [slot.what for slot in parse_series("_x2 stalex1 badx2 @rebootx2")] == [
        NOTHING, NOTHING, STALE, BAD, BAD, REBOOT, REBOOT,
    ]  # fmt: skip


def test_ramps_have_the_values_that_people_would_write():
    assert values("2.1+0.05x4") == [2.1, 2.15, 2.2, 2.25]
    assert values("2.1-0.05x4") == [2.1, 2.05, 2.0, 1.95]
    assert values("-1-0.5x3") == [-1.0, -1.5, -2.0]
    assert values("1e-3+1e-4x3") == [0.001, 0.0011, 0.0012]


def test_over_is_at_the_range_or_at_the_newest_number():
    assert values("92 over") == [92.0, 92.0]
    assert values("over 3", high=5.0) == [5.0, 3.0]
    assert values("7 over", high=5.0) == [7.0, 7.0]


def test_rezero_takes_the_newest_number():
    assert parse_series("1 2+1x3 _ @rezero")[-1] == Slot(REZERO, 4.0)


def test_jumps_go_both_ways():
    assert values("@clock+30min @clock-1d @clock+1.5h") == [1800.0, -86400.0, 5400.0]


def test_states_are_words_for_numbers():
    assert values("ok warm-upx2 1", states={"ok": 0, "warm-up": 1}) == [0.0, 1.0, 1.0, 1.0]


def test_tokens_stand_on_several_lines():
    assert values("1\n  2\t3\n") == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("text", "column", "got", "hint"),
    [
        ("1 stal", 2, "stal", "did you mean stale?"),
        ("1 .5", 2, ".5", "did you mean 0.5?"),
        ("2.1+0.05", 0, "2.1+0.05", "write 2.1+0.05x10 for ten readings"),
        ("92cm", 0, "92cm", "values are in the point's unit, which is not written here"),
        ("1 2 @rebot", 4, "@rebot", "did you mean @reboot?"),
        ("3x0", 0, "x0", ""),
        (f"1 3x{LONGEST}", 2, f"x{LONGEST}", ""),
        ("@clock1h", 0, "@clock1h", ""),
        ("@clock+1", 0, "@clock+1", ""),
        ("@clock+1 h", 0, "@clock+1", ""),
        ("1 @rezerox2", 2, "@rezerox2", "did you mean @rezero?"),
        ("@rezero 1", 0, "@rezero before any number", ""),
        ("over 1", 0, "over before any number", ""),
        ("1e999", 0, "1e999", ""),
        ("nan", 0, "nan", ""),
        ("", 0, "nothing", ""),
    ],
)
def test_a_wrong_token_is_told_with_its_place(text, column, got, hint):
    with pytest.raises(SeriesError) as error:
        parse_series(text)
    mistake = error.value.mistakes[0]
    assert mistake.column == column
    assert mistake.message.startswith(f"got {got}")
    assert mistake.hint == hint


def test_a_wrong_state_names_the_states():
    with pytest.raises(SeriesError) as error:
        parse_series("ok wram-up", {"ok": 0, "warm-up": 1})
    assert "the point's states ok, warm-up" in error.value.mistakes[0].message
    assert error.value.mistakes[0].hint == "did you mean warm-up?"


def test_all_mistakes_are_told_at_once():
    with pytest.raises(SeriesError) as error:
        parse_series("1 a 2 b 3 c")
    assert [mistake.column for mistake in error.value.mistakes] == [2, 6, 10]


numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: value + 0.0)
readings = st.builds(Slot, st.just(READING), numbers)
ramps = st.builds(
    lambda first, step, count: parse_series(f"{first}{step:+}x{count}"),
    st.decimals(-1000, 1000, places=2), st.decimals(-9, 9, places=3), st.integers(1, 9),
)  # fmt: skip
words = st.sampled_from([NOTHING, STALE, BAD, REBOOT]).map(Slot)
jumps = st.builds(Slot, st.just(CLOCK), st.integers(-90000, 90000).map(float))
runs = st.one_of(
    ramps, st.builds(lambda slot, count: [slot] * count, readings | words, st.integers(1, 5)), jumps.map(lambda j: [j])
)


@given(st.lists(runs, min_size=1, max_size=12))
def test_series_are_written_back_as_they_were(some):
    slots = [slot for run in some for slot in run]
    assert parse_series(format_series(slots)) == slots


@given(st.text("0123456789.+-xe_@ stalebdovrckhmin", max_size=30))
def test_any_text_is_a_series_or_has_mistakes_inside_of_it(text):
    slots, mistakes = [], ()
    try:
        slots = parse_series(text)
    except SeriesError as error:
        mistakes = error.mistakes
    assert bool(slots) != bool(mistakes)
    assert all(0 <= mistake.column <= len(text) for mistake in mistakes)
    assert not slots or parse_series(format_series(slots)) == slots
