"""The alarm life cycle: ISA-18.2 transitions, and what withholding may never do."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.alarm import AlarmBook, NotPossible, State


def test_raise_acknowledge_return() -> None:
    book = AlarmBook(["flood"])
    assert [t.event for t in book.move("flood", 1, 1.0)] == ["raised"]
    assert book["flood"].state is State.UNACKNOWLEDGED
    book.acknowledge("flood", "li", 2.0)
    assert book["flood"].state is State.ACKNOWLEDGED
    assert book["flood"].annunciated_level == 1, "acknowledging never silences the public"
    assert book.move("flood", 0, 3.0)[0].state is State.NORMAL


def test_return_before_acknowledgement_waits_for_it() -> None:
    book = AlarmBook(["flood"])
    book.move("flood", 2, 1.0)
    book.move("flood", 0, 2.0)
    assert book["flood"].state is State.RETURNED
    book.acknowledge("flood", "li", 3.0)
    assert book["flood"].state is State.NORMAL
    with pytest.raises(NotPossible, match="only an unacknowledged"):
        book.acknowledge("flood", "li", 4.0)


def test_rising_asks_for_a_new_acknowledgement_and_falling_does_not() -> None:
    book = AlarmBook(["flood"])
    book.move("flood", 1, 1.0)
    book.acknowledge("flood", "li", 2.0)
    assert book.move("flood", 3, 3.0)[0].event == "rose"
    assert book["flood"].state is State.UNACKNOWLEDGED
    book.acknowledge("flood", "li", 4.0)
    assert book.move("flood", 2, 5.0)[0].event == "fell"
    assert book["flood"].state is State.ACKNOWLEDGED


def test_silence_ends_by_time_by_a_higher_level_and_with_the_occurrence() -> None:
    book = AlarmBook(["flood"])
    with pytest.raises(NotPossible, match="not active"):
        book.silence("flood", "li", 60.0, 0.0)
    book.move("flood", 1, 1.0)
    book.silence("flood", "li", 60.0, 2.0)
    assert book["flood"].annunciated_level == 0
    assert [t.event for t in book.move("flood", 2, 3.0)] == ["rose", "rearmed"]
    assert book["flood"].annunciated_level == 2
    book.silence("flood", "li", 60.0, 4.0)
    assert book.deadline == 64.0
    assert [t.event for t in book.expire(64.0)] == ["rearmed"]
    book.silence("flood", "li", 60.0, 65.0)
    book.move("flood", 0, 66.0)
    book.move("flood", 2, 67.0)
    assert book["flood"].annunciated_level == 2, "silence covers one occurrence"
    with pytest.raises(NotPossible, match="10 min"):
        book.silence("flood", "li", 601.0, 68.0)


def test_shelving_needs_a_reason_and_an_end() -> None:
    book = AlarmBook(["flood"])
    with pytest.raises(NotPossible, match="reason"):
        book.shelve("flood", "li", " ", 60.0, 0.0)
    with pytest.raises(NotPossible, match="8 h"):
        book.shelve("flood", "li", "sensor cleaning", 9 * 3600.0, 0.0)
    book.shelve("flood", "li", "sensor cleaning", 60.0, 0.0)
    book.move("flood", 1, 1.0)
    assert book["flood"].withheld == "shelved"
    book.expire(60.0)
    assert book["flood"].annunciated_level == 1


def test_suppression_and_out_of_service_withhold_and_say_so() -> None:
    book = AlarmBook(["a"])
    book.move("a", 1, 0.0)
    assert book.suppress("a", "bus sensors", 1.0)[0].event == "suppressed"
    assert book.suppress("a", "bus sensors", 1.5) == []
    assert book["a"].annunciated_level == 0
    book.suppress("a", "", 2.0)
    assert book["a"].annunciated_level == 1
    book.take_out_of_service("a", "li", "rebuilding", 3.0)
    assert book["a"].withheld == "out of service"
    book.return_to_service("a", "li", 4.0)
    assert book["a"].annunciated_level == 1


def test_flood_and_chatter_are_counted() -> None:
    book = AlarmBook([f"a{i}" for i in range(12)])
    for i in range(11):
        book.move(f"a{i}", 1, float(i))
    assert book.flood
    book.expire(700.0)
    assert not book.flood
    for i in range(3):
        book.move("a11", 1, 800.0 + i)
        book.move("a11", 0, 800.5 + i)
    assert book.chattering("a11")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(NotPossible, match="there are: a, b"):
        AlarmBook(["a", "b"]).acknowledge("c", "li", 0.0)


ACTS = st.lists(
    st.tuples(st.sampled_from(["move", "ack", "shelve", "silence", "expire"]), st.integers(0, 3), st.floats(0.1, 400)),
    max_size=60,
)


@given(ACTS)
def test_a_rise_is_always_heard_and_a_snapshot_is_the_whole_state(acts: list[tuple[str, int, float]]) -> None:
    book, at_s = AlarmBook(["a"]), 0.0
    for act, level, gap in acts:
        at_s += gap
        before = book["a"].level
        covered = book["a"].shelved_level if book["a"].shelved_until_s is not None else 0
        try:
            if act == "move":
                book.move("a", level, at_s)
            elif act == "ack":
                book.acknowledge("a", "li", at_s)
            elif act == "shelve":
                book.shelve("a", "li", "why", gap, at_s)
            elif act == "silence":
                book.silence("a", "li", gap, at_s)
            else:
                book.expire(at_s)
        except NotPossible:
            continue
        if act == "move" and level > max(before, covered):
            assert book["a"].annunciated_level == level, "nothing withholds a level above the one it was set at"
        copy = AlarmBook(["a"])
        copy.restore(json.loads(json.dumps(book.snapshot())))
        assert copy.snapshot() == book.snapshot()
