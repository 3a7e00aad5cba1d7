"""Lines through windows: what they project, and how motion that accelerates is seen to fail (Fukuzono 1985)."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.judge import Judge, build_ruleset
from rules.model import GOOD, AlarmRule, LevelRule, PointInfo, Sample


def judge_of(*texts, unit="mm", stale=7200.0):
    point = PointInfo("a.x", unit, stale)
    return Judge(build_ruleset([point], [AlarmRule(f"r{k}", (LevelRule("red", t),)) for k, t in enumerate(texts)]), 0.0)


def seen(judge, alarm=0):
    """The number left of the comparison, None when unknown, inf as the page says it: no upper bound, none shown."""
    part = judge.explain(alarm)[0]["parts"]["parts"][0]
    return part["value"]


def truth(judge, alarm=0):
    return judge.explain(alarm)[0]["truth"]


@settings(max_examples=60, deadline=None)
@given(slope=st.floats(-5, 5), start=st.floats(-100, 100), limit=st.floats(-300, 300), steps=st.integers(15, 40))
def test_time_to_a_limit_of_a_straight_line(slope, start, limit, steps):
    judge = judge_of(f"time_to(a.x, {limit:.6f} mm, 100 s) < 1 h")
    for k in range(steps):
        judge.step(10.0 * k, [Sample(0, start + slope * 10.0 * k, GOOD)])
    way = float(f"{limit:.6f}") - (start + slope * 10.0 * (steps - 1))
    if abs(slope) < 1e-3 or abs(way) < 1e-3:  # as good as level, or there
        return
    if way / slope < 0.0:  # it moves away, or has passed
        assert truth(judge) == "false"
        assert seen(judge) is None
    else:
        assert seen(judge) == pytest.approx(way / slope, rel=1e-4, abs=1e-2)


def test_a_falling_river_below_its_limit_never_reaches_it_and_a_level_one_neither():
    judge = judge_of("time_to(a.x, 300 mm, 100 s) < 2 h", "time_to(a.x, 0 mm, 100 s) < 2 h")
    for k in range(20):
        judge.step(10.0 * k, [Sample(0, 250.0 - k, GOOD)])
    assert (truth(judge, 0), truth(judge, 1)) == ("false", "true")
    judge = judge_of("time_to(a.x, 300 mm, 100 s) < 2 h")
    for k in range(20):
        judge.step(10.0 * k, [Sample(0, 250.0, GOOD)])
    assert truth(judge) == "false"


def slide(failure_s, constant, t):
    """Displacement whose inverse velocity falls to zero in a line at `failure_s`."""
    return -math.log(failure_s - t) / constant


@pytest.mark.parametrize("noise_mm", [0.0, 0.02])
@pytest.mark.parametrize("period_s", [60.0, 600.0])
def test_time_to_failure_of_a_slide(period_s, noise_mm):
    """Twelve hours of acceleration: from six hours before the end the time left is known to a fifth."""
    chance, failure = random.Random(5), 48 * 3600.0
    judge = judge_of("time_to_failure(a.x, 12 h) < 6 h", "fit(a.x, 12 h) > 80 %")
    t = 0.0
    while t < failure - 3 * 3600.0:
        judge.step(t, [Sample(0, 20.0 * slide(failure, 1.0, t) + chance.gauss(0, noise_mm), GOOD)])
        left = failure - t
        if t > 24 * 3600.0 and left < 6 * 3600.0:
            assert seen(judge, 0) == pytest.approx(left, rel=0.35)
            assert seen(judge, 1) > 0.8
        t += period_s


def test_steady_creep_and_a_slope_at_rest_fail_at_no_time():
    for still in (lambda _: 5.0, lambda t: 0.001 * t, lambda t: 20.0 * math.sqrt(t)):  # none, constant, slowing down
        judge = judge_of("time_to_failure(a.x, 12 h) < 100 d", "fit(a.x, 12 h) > 80 %")
        for k in range(200):
            judge.step(600.0 * k, [Sample(0, still(600.0 * k), GOOD)])
        assert truth(judge, 0) == "false"
    chance = random.Random(1)
    judge = judge_of("time_to_failure(a.x, 12 h) < 6 h and fit(a.x, 12 h) > 80 %")
    raised = 0
    for k in range(2000):  # nothing but noise
        raised += len(judge.step(600.0 * k, [Sample(0, chance.gauss(0, 1), GOOD)]).changes) > 0
    assert raised <= 4


def test_a_trend_needs_its_coverage():
    judge = judge_of("rate(a.x, 1 h) > 1 mm/h", "time_to_failure(a.x, 1 h) < 1 h", stale=300.0)
    for k in range(20):
        judge.step(60.0 * k, [Sample(0, float(k), GOOD)])
    assert (truth(judge, 0), truth(judge, 1)) == ("unknown", "unknown")
    for k in range(20, 60):
        judge.step(60.0 * k, [Sample(0, float(k), GOOD)])
    assert truth(judge, 0) == "true"
    judge.step(60.0 * 59 + 301.0, ())
    assert (truth(judge, 0), truth(judge, 1)) == ("unknown", "unknown")
