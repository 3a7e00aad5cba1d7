"""Supervision against an obvious reference, and the cases a technician meets."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rules.model import BAD, COMM_FAULT, GOOD, Sample
from rules.supervision import Supervised, Supervision

LEVEL = Supervised("pit.level", "pit", "sensors", stale_after_s=10.0, flat_after_s=60.0, max_step=5.0)


def test_a_point_never_read_is_lost_after_its_stale_time() -> None:
    watched = Supervision([LEVEL], 100.0)
    assert watched.deadline == 110.0
    assert watched.step(109.9, [], {}) == []
    assert watched.step(110.0, [], {}) == [0]
    assert watched.fault(0) == "no reading yet"


def test_bad_readings_do_not_keep_a_point_alive_and_tell_why() -> None:
    watched = Supervision([LEVEL], 0.0)
    watched.step(1.0, [Sample(0, 3.0, GOOD)], {})
    watched.step(6.0, [Sample(0, math.nan, BAD)], {0: "NaN from the device"})
    assert watched.step(11.0, [Sample(0, math.nan, COMM_FAULT)], {0: "no answer"}) == [0]
    assert watched.fault(0) == "no answer"
    assert watched.step(12.0, [Sample(0, 3.0, GOOD)], {}) == [0]
    assert watched.fault(0) == ""


def test_stuck_and_jumping_are_told_and_end() -> None:
    watched = Supervision([LEVEL], 0.0)
    for second in range(0, 62, 2):
        changed = watched.step(float(second), [Sample(0, 3.0, GOOD)], {})
    assert changed == [0]
    assert watched.fault(0) == "stuck"
    watched.step(62.0, [Sample(0, 20.0, GOOD)], {})
    assert watched.fault(0) == "jumping"
    watched.step(70.0, [Sample(0, 20.5, GOOD)], {})
    watched.step(72.5, [], {})
    assert watched.fault(0) == ""


@given(
    st.lists(
        st.tuples(st.floats(0.01, 8.0), st.booleans(), st.sampled_from([1.0, 2.0, 30.0])), min_size=1, max_size=60
    ),
    st.lists(st.floats(0.0, 1.0), max_size=10),
)
def test_extra_steps_of_time_change_no_outcome(gaps: list[tuple[float, bool, float]], cuts: list[float]) -> None:
    plain, poked = Supervision([LEVEL], 0.0), Supervision([LEVEL], 0.0)
    at_s = 0.0
    for gap, usable, value in gaps:
        for cut in sorted(cuts):
            poked.step(at_s + cut * gap, [], {})
        at_s += gap
        sample = Sample(0, value, GOOD if usable else BAD)
        plain.step(at_s, [sample], {0: "" if usable else "bad"})
        poked.step(at_s, [sample], {0: "" if usable else "bad"})
        assert plain.fault(0) == poked.fault(0)


@given(st.lists(st.tuples(st.floats(0.01, 15.0), st.booleans()), min_size=1, max_size=60))
def test_lost_exactly_when_no_usable_reading_is_younger_than_the_stale_time(gaps: list[tuple[float, bool]]) -> None:
    point = Supervised("a.b", "a", "bus", stale_after_s=10.0)
    watched = Supervision([point], 0.0)
    at_s = usable_s = 0.0
    for gap, usable in gaps:
        at_s += gap
        if usable:
            usable_s = at_s
        watched.step(at_s, [Sample(0, 1.0, GOOD if usable else BAD)], {0: "" if usable else "bad"})
        assert bool(watched.fault(0)) == (at_s - usable_s >= 10.0 or at_s >= usable_s + 10.0)
        assert watched.deadline is None or watched.deadline > at_s
