"""Each window function against an obvious, slow one that keeps every reading."""

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine.windows import CAPACITY, SLOTS
from rules.judge import Judge, build_ruleset
from rules.model import BAD, GOOD, OVER_RANGE, AlarmRule, LevelRule, PointInfo, Sample

STALE = 25.0
WINDOW = 100.0
COVER = 0.8
UNITS = {"rate": "mm/s", "share": "%", "within": None, "held": None}


class History:
    """Every reading ever, and the signal held between them."""

    def __init__(self):
        self.readings = []  # (t, value or None, over)

    def pieces(self, start, end):
        """(from, to, lo, hi) of the held signal, known parts only, within [start, end]."""
        for k, (t, value, over) in enumerate(self.readings):
            until = min(self.readings[k + 1][0] if k + 1 < len(self.readings) else math.inf, t + STALE)
            if value is None:
                continue
            a, b = max(t, start), min(until, end)
            if a < b or (t == end and a <= b):
                yield a, b, value, math.inf if over else value

    def at(self, t):
        for begin, value, over in reversed(self.readings):
            if begin <= t:
                known = value is not None and t - begin <= STALE
                return (value, math.inf if over else value) if known else None
        return None

    def good(self, t):
        return sum(b - a for a, b, _, _ in self.pieces(t - WINDOW, t))


def reference(name, history, t):
    """Bounds of the function's value at t, or None when unknown."""
    start = t - WINDOW
    pieces = list(history.pieces(start, t))
    good = history.good(t)
    now = history.at(t)
    covered = now is not None and good >= COVER * WINDOW * (1 - 1e-9)
    lows, highs = [p[2] for p in pieces], [p[3] for p in pieces]
    if name == "avg":
        integral = [sum((b - a) * x for a, b, x in ((p[0], p[1], p[k]) for p in pieces if p[1] > p[0])) for k in (2, 3)]
        return (integral[0] / good, integral[1] / good) if covered else None
    if name == "share":
        true = sum(b - a for a, b, lo, _ in pieces if lo > 50.0)
        return (true / good, true / good) if covered else (true / WINDOW, 1.0)
    if not pieces and name != "last":
        return None
    if name == "min":
        return (min(lows) if covered else -math.inf, min(highs))
    if name == "max":
        return (max(lows), max(highs) if covered else math.inf)
    if name == "rise":
        return now and (max(now[0] - min(highs), 0.0), now[1] - (min(lows) if covered else -math.inf))
    if name == "fall":
        return now and (max(max(lows) - now[1], 0.0), (max(highs) if covered else math.inf) - now[0])
    then = history.at(start)
    if name == "last":
        return then if covered else None
    if name == "change":
        return (now[0] - then[1], now[1] - then[0]) if covered and now and then else None
    inside = [(u, v, over) for u, v, over in history.readings if start < u <= t and v is not None]
    if name in ("median", "stddev"):
        some = [(v, math.inf if over else v) for _, v, over in inside] + ([then] if then else [])
        if not covered or (name == "stddev" and (len(some) < 2 or any(low != high for low, high in some))):
            return None
        if name == "median":
            return statistics.median(low for low, _ in some), statistics.median(high for _, high in some)
        return (statistics.stdev(low for low, _ in some),) * 2
    if name in ("rate", "forecast"):
        if not covered or len(inside) < 3 or any(over for _, _, over in inside):
            return None
        mean_t = sum(u for u, _, _ in inside) / len(inside)
        mean_x = sum(v for _, v, _ in inside) / len(inside)
        slope = sum((u - mean_t) * (v - mean_x) for u, v, _ in inside) / sum((u - mean_t) ** 2 for u, _, _ in inside)
        return (slope,) * 2 if name == "rate" else (mean_x + slope * (t + 30.0 - mean_t),) * 2
    raise AssertionError(name)


def judge_of(text, kind="gauge", wrap=None):
    point = PointInfo("a.x", "mm", STALE, kind=kind, wrap=wrap)
    return Judge(build_ruleset([point], [AlarmRule("r", (LevelRule("red", text),))]), 0.0)


def seen(judge):
    """Bounds of the function's value as the judge sees it."""
    part = judge.explain(0)[0]["parts"]["parts"][0]
    if "at_least" in part:
        low, high = part["at_least"], part["at_most"]
        return (-math.inf if low is None else low, math.inf if high is None else high)
    return None if part["value"] is None else (part["value"], part["value"])


def close(a, b):
    if a is None or b is None:
        return a is b
    return all(x == y or math.isclose(x, y, rel_tol=1e-7, abs_tol=1e-6) for x, y in zip(a, b, strict=True))


@st.composite
def series(draw, shortest, longest):
    """Irregular readings: gaps longer than stale_after, bad and over-range ones."""
    count = draw(st.integers(5, 60))
    t, found, edge, slot = 0.0, [], STALE, WINDOW / SLOTS
    for _ in range(count):
        t += draw(st.floats(shortest, longest)) + (draw(st.sampled_from([0.0] * 15 + [30.0, 150.0])))
        if 0.0 <= t - edge < 2 * slot:  # just after a value went stale: there the blur shows
            t = edge + 2 * slot
        value = draw(st.floats(0, 100, allow_nan=False))
        quality = draw(st.sampled_from([GOOD] * 12 + [BAD, OVER_RANGE]))
        found.append((round(t, 3), round(value, 3), quality))
        edge = t + STALE if quality != BAD else edge
    return found


@pytest.mark.parametrize(
    "name", ["avg", "min", "max", "rise", "fall", "last", "change", "rate", "share", "median", "stddev", "forecast"]
)
@settings(max_examples=40, deadline=None)
@given(readings=series(2.0, 12.0), extra=st.lists(st.floats(0, 10), min_size=60, max_size=60))
def test_slow_readings_are_exact(name, readings, extra):
    """Readings at least W/64 apart: no blur at all."""
    source = "a.x > 50 mm" if name == "share" else "a.x"
    horizon = ", 30 s" if name == "forecast" else ""
    judge, history = judge_of(f"{name}({source}, 100 s{horizon}) > 3 {UNITS.get(name, 'mm')}"), History()
    for (t, value, quality), later in zip(readings, extra, strict=False):
        judge.step(t, [Sample(0, value, quality)])
        history.readings.append((t, value if quality in (GOOD, OVER_RANGE) else None, quality == OVER_RANGE))
        if name == "share" and quality == OVER_RANGE and value <= 50.0:  # at least 50: nobody knows
            history.readings[-1] = (t, None, False)
        if t > 0.0:
            assert close(seen(judge), reference(name, history, t)), (t, seen(judge), reference(name, history, t))
        t_next = next((u for u, _, _ in readings if u > t), t + 1000.0)
        between = min(t + later, t_next - 0.001)
        # Between readings the value moves by time alone; exactly at the stale edge both answers are right.
        if between > t and abs(between - t - STALE) > 0.01:
            judge.step(between, ())
            assert close(seen(judge), reference(name, history, between)), (between, name)


@pytest.mark.parametrize("name", ["avg", "min", "max", "last"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_fast_readings_stay_within_the_stated_error(name, seed):
    """Merged segments: a value is that of a window whose start lies up to one slot earlier."""
    judge, history = judge_of(f"{name}(a.x, 20 s) > 3 mm"), History()
    chance = random.Random(seed)
    steps = [(chance.uniform(0.05, 0.5), chance.uniform(0, 100)) for _ in range(500)]
    t, slot = 0.0, 20.0 / SLOTS
    for k, (gap, value) in enumerate(steps):
        t += gap
        judge.step(t, [Sample(0, value, GOOD)])
        history.readings.append((t, value, False))
        if t < 25.0 or k % 7:
            continue
        got = seen(judge)[0]
        sure = [p[2] for p in history.pieces(t - 20.0, t)]
        maybe = [p[2] for p in history.pieces(t - 20.0 - slot - 0.5, t)]
        if name == "avg":
            mean = sum((b - a) * x for a, b, x, _ in history.pieces(t - 20.0, t)) / 20.0
            spread = max(maybe) - min(maybe)
            assert abs(got - mean) <= spread * (slot + 0.5) / 20.0
        elif name == "last":
            near = [p[2] for p in history.pieces(t - 20.0 - slot - 0.5, t - 20.0 + 1e-9)]
            assert got in near
        else:
            assert got in maybe
            assert (got <= min(sure)) if name == "min" else (got >= max(sure))


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(2.0, 12.0), st.integers(0, 30), st.integers(0, 9)), min_size=5, max_size=60),
    wrap=st.sampled_from([None, 1000.0]),
)
def test_increase_survives_wraps_restarts_and_gaps(steps, wrap):
    judge = judge_of("increase(a.x, 100 s) > 3 mm", "counter", wrap)
    t, count, added = 0.0, 900.0, []
    judge.step(0.0, [Sample(0, count, GOOD)])
    for gap, amount, event in steps:
        t += gap
        if event == 0:  # a bad reading: nothing is lost, the next good one brings it
            judge.step(t, [Sample(0, math.nan, BAD)])
            continue
        if event == 1 and wrap is None and count > 30.0:  # the device starts again at zero
            count = 0.0
        count += amount
        if wrap and count >= wrap:
            count -= wrap
        judge.step(t, [Sample(0, count, GOOD)])
        added.append((t, amount))
        total = sum(a for u, a in added if u > t - 100.0)
        got = seen(judge)
        assert got is None or math.isclose(got[0], total, abs_tol=1e-6), (t, got, total)
        assert got is not None or total == 0.0


def test_rain_of_a_long_outage_is_not_a_cloudburst():
    judge = judge_of("increase(a.x, 100 s) > 3 mm", "counter")
    judge.step(0.0, [Sample(0, 10.0, GOOD)])
    verdict = judge.step(10_000.0, [Sample(0, 60.0, GOOD)])  # 50 mm in 10,000 s: 0.5 mm in 100 s
    assert verdict.changes == ()
    assert seen(judge)[0] == pytest.approx(0.5)
    assert judge.step(10_005.0, [Sample(0, 64.0, GOOD)]).changes == [(0, 0, 1)]


def test_increments_running_totals_and_intensities():
    for kind, values, total in (
        ("increment", [1.0, 2.0, 0.5], 3.5),
        ("running_total", [10.0, 12.0, 1.5], 3.5),
        ("counter", [10.0, 12.0, 13.0], 3.0),
    ):
        judge = judge_of("increase(a.x, 20 s) > 3 mm", kind)
        for k, value in enumerate(values):
            judge.step(10.0 + 5.0 * k, [Sample(0, value, GOOD)])
        assert seen(judge)[0] == total, kind
    rain = PointInfo("a.x", "mm/h", STALE, kind="intensity")
    judge = Judge(build_ruleset([rain], [AlarmRule("r", (LevelRule("red", "increase(a.x, 20 s) > 3 mm"),))]), 0.0)
    for k in range(6):
        judge.step(5.0 * k, [Sample(0, 360.0, GOOD)])
    assert seen(judge)[0] == pytest.approx(2.0)  # 360 mm/h for 20 s


def test_within_and_held_are_exact_to_the_instant():
    point = PointInfo("a.x", "mm", 1000.0)
    rules = [
        AlarmRule("within", (LevelRule("red", "within(a.x > 50 mm, 10 s)"),)),
        AlarmRule("held", (LevelRule("red", "held(a.x > 50 mm, 4 s)"),)),
    ]
    judge = Judge(build_ruleset([point], rules), 0.0)
    judge.step(0.0, [Sample(0, 0.0, GOOD)])
    assert judge.step(20.0, [Sample(0, 60.0, GOOD)]).changes == [(0, 0, 1)]
    verdict = judge.step(21.0, ())
    assert verdict.deadline == 24.0
    assert judge.step(24.0, ()).changes == [(1, 0, 1)]
    assert judge.step(25.0, [Sample(0, 0.0, GOOD)]).changes == [(1, 1, 0)]
    assert judge.step(34.999, ()).changes == ()
    assert judge.step(35.0, ()).changes == [(0, 1, 0)]


def test_a_burst_before_an_hour_of_history_counts_at_once():
    """After a power cut the seen part of a rise is already a fact."""
    judge = judge_of("rise(a.x, 1 h) > 50 mm")
    judge.step(0.0, [Sample(0, 10.0, GOOD)])
    assert judge.step(20.0, [Sample(0, 90.0, GOOD)]).changes == [(0, 0, 1)]


def test_memory_does_not_grow_with_length_or_readings():
    judge = judge_of("avg(a.x, 8 h) > 3 mm")
    size = len(judge.snapshot())
    for k in range(3000):
        judge.step(0.1 * k, [Sample(0, 5.0 + k % 3, GOOD)])
    tab = judge._tab
    assert len(judge._num) < 2 * 4 * CAPACITY + 100
    assert len(judge.snapshot()) < size + 8 * 4 * CAPACITY
    assert len(tab) < 130
