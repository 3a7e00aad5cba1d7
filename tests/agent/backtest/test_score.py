"""Hits, misses, false alarms and lead time, by their definitions and against a slow reference."""

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.backtest.course import Course
from agent.backtest.score import Terms, false_alarms, judge_events, score


class Event(NamedTuple):
    start_s: float
    end_s: float
    alarm: str | None = None
    hazard: str | None = None
    text: str = ""


def active(*spans):
    """An alarm that was active in these times; None for an end that never came."""
    course = Course()
    for start, end in spans:
        course.move(float(start), 1)
        if end is not None:
            course.move(float(end), 0)
    return course.activations()


def scored(events, spans, margin=0.0, tolerance=0.0):
    return score(events, {"a": active(*spans)}, {"a": "flood"}, Terms(margin, tolerance))


def test_an_alarm_within_the_event_is_a_hit_and_late():
    found = scored([Event(100, 200)], [(130, 150)])
    assert (found.hits, found.misses, found.false_alarms, found.lead_s) == (1, 0, 0, (-30.0,))


def test_an_alarm_before_the_event_counts_within_the_margin():
    assert scored([Event(100, 200)], [(70, 90)]).hits == 0
    found = scored([Event(100, 200)], [(70, 90)], margin=60)
    assert (found.hits, found.lead_s, found.false_alarms) == (1, (30.0,), 0)


def test_lead_time_is_never_more_than_the_margin():
    assert scored([Event(100, 200)], [(0, 150)], margin=20).lead_s == (20.0,)
    assert scored([Event(100, 200)], [(0, 150)]).lead_s == (0.0,)


def test_an_alarm_that_ends_as_the_event_begins_is_no_hit():
    assert scored([Event(100, 200)], [(50, 100)]).hits == 0
    assert scored([Event(100, 200)], [(200, 210)]).hits == 1
    assert scored([Event(100, 200)], [(200.1, 210)]).hits == 0


def test_tolerance_forgives_late_alarms_but_makes_no_hits():
    found = scored([Event(100, 200)], [(220, 240)], tolerance=30)
    assert (found.hits, found.misses, found.false_alarms) == (0, 1, 0)
    assert scored([Event(100, 200)], [(220, 240)]).false_alarms == 1


def test_an_alarm_that_never_ends_touches_all_that_follows():
    found = scored([Event(100, 200), Event(300, 400)], [(150, None)])
    assert (found.hits, found.lead_s) == (2, (-50.0, 0.0))


def test_labels_ask_for_an_alarm_or_a_hazard():
    alarms = {"a": active((10, 20)), "b": active((30, 40))}
    hazards = {"a": "flood", "b": "gas"}
    assert score([Event(30, 40, hazard="flood")], alarms, hazards, Terms()).hits == 0
    assert score([Event(30, 40, alarm="b")], alarms, hazards, Terms()).hits == 1
    together = score([Event(30, 40, alarm="b")], alarms, hazards, Terms())
    assert together.false_alarms == 0, "nobody labelled floods, so the flood alarm is not scored"
    assert score([], alarms, hazards, Terms()).false_alarms == 2, "in a history without any event all are false"


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=8).map(
    lambda pairs: [
        (sum(gap + length + 1 for gap, length in pairs[:k]) + gap, sum(g + n + 1 for g, n in pairs[: k + 1]) - 1)
        for k, (gap, _) in enumerate(pairs)
    ]
)
events = st.lists(
    st.tuples(st.integers(0, 150), st.integers(0, 30)).map(lambda pair: Event(pair[0], pair[0] + pair[1])), max_size=6
)


@given(events, spans, st.integers(0, 10), st.integers(0, 10))
def test_score_is_what_the_definitions_say(found, given_spans, margin, tolerance):
    """Looks at every half second."""
    alarm = active(*given_spans)
    lengths = [(start, max(end, start + 0.25)) for start, end in given_spans]
    terms = Terms(margin, tolerance)
    moments = np.arange(-20, 400, 0.25)

    def on(t):
        return any(start <= t < end for start, end in lengths)

    for finding, event in zip(judge_events(found, {"a": alarm}, {"a": ""}, terms), found, strict=True):
        first = next((t for t in moments if event.start_s - margin <= t <= event.end_s and on(t)), None)
        assert finding.lead_s == (None if first is None else event.start_s - first)
    windows = [(event.start_s - margin, event.end_s + tolerance) for event in found]
    false = [
        k
        for k, (start, end) in enumerate(lengths)
        if not any(low <= t <= high for low, high in windows for t in moments if start <= t < end)
    ]
    assert false_alarms(found, "a", "", alarm, terms).tolist() == false
