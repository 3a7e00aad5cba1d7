"""Explaining is looking: it changes nothing, and it sees what the generated functions see."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import kernel, windows
from rules.explain import _Walk
from rules.judge import Judge, build_ruleset
from rules.model import GOOD, OVER_RANGE, AlarmRule, LevelRule, LookupTable, Names, PointInfo, Sample

POINTS = (
    PointInfo("g.level", "m", 30.0, baseline="first"),
    PointInfo("g.rain", "mm", 30.0, kind="counter"),
    PointInfo("g.flow", "mm/h", 30.0, kind="intensity"),
    PointInfo("v.peak", "mm/s", 30.0),
    PointInfo("v.f", "Hz", 30.0),
    PointInfo("t.t", "degC", 30.0, baseline=20.0),
)
NAMES = Names(
    points={"level": ("g.level",)},
    quantities={"warning": "2.40 m", "drift": "1 mm/K"},
    tables={"din": LookupTable("din", "Hz", "mm/s", (1.0, 10.0, 50.0, 100.0), (5.0, 5.0, 15.0, 20.0))},
)
EVERYTHING = (
    "median(level, 20 s) > warning and stddev(level, 20 s) < 5 cm and fit(level, 20 s) >= 0 %",
    "decayed(g.rain, 1 min) > 3 mm or decayed(g.flow, 1 min) > 3 mm or increase(g.flow, 1 min) > 3 mm",
    "forecast(level, 20 s, 1 min) > warning and time_to(level, warning - 10 cm, 20 s) < 1 h",
    "time_to(level, last(level, 20 s) + 1 m, 20 s) < 1 h or time_to_failure(level, 20 s) < 1 d",
    "v.peak > lookup(din, v.f) or v.peak > 80 % * lookup(din, v.f) and age(v.f) < 20 s",
    "compensated(level, t.t, drift) - baseline(level) > 3 cm and not age(v.peak) > 20 s",
    "streak(level > warning, 3, 10 s) or vote(2, level > 1 m, all(g.flow > 3 mm/h, good(v.f)), over_range(level))",
)


def series(chance, count):
    t = 0.0
    for k in range(count):
        t += chance.choice([0.5, 2.0, 5.0, 9.0])
        yield (
            t,
            [
                Sample(p, chance.uniform(1.0, 30.0) + k, OVER_RANGE if p == 0 and chance.random() < 0.1 else GOOD)
                for p in range(len(POINTS))
                if chance.random() < 0.7
            ],
        )


def image(judge):
    """All state, bit for bit."""
    return judge._num.tobytes() + judge._ints.tobytes()


@settings(max_examples=15, deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_it_changes_nothing_and_agrees_with_the_generated_functions(chance):
    alarms = [AlarmRule(f"a{k}", (LevelRule("red", text),), names=NAMES) for k, text in enumerate(EVERYTHING)]
    judge = Judge(build_ruleset(POINTS, alarms), 0.0)
    for t, samples in series(chance, 25):
        judge.step(t, samples)
    before = image(judge)
    told = [judge.explain(k)[0] for k in range(len(alarms))]
    assert image(judge) == before
    json.dumps(told, allow_nan=False)
    for k, level in enumerate(told):
        row = judge._tab[windows.H_LEVELS] + k * kernel.L_ROW
        copies = judge._tab, judge._par, judge._num[:], judge._ints[:]
        truth, _ = kernel.condition(*copies, judge._tab[row + kernel.L_WHEN], judge.now_s)
        assert level["truth"] == ("false", "true", "unknown")[truth], EVERYTHING[k]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_bounds_of_windows_fed_by_terms_are_those_of_the_generated_source(seed, random_rules, random_series, points):
    """What a window is fed with is a number that both ways compute: they are bit-equal."""
    ruleset = build_ruleset(points, random_rules(seed, 2))
    judge = Judge(ruleset, 0.0)
    for t, samples in random_series(seed, 30):
        judge.step(t, samples)
    tab, par, num, ints = judge._tab, judge._par, judge._num[:], judge._ints[:]
    walk = _Walk(ruleset, (tab, par, num, ints), judge.now_s)
    for w, window in enumerate(ruleset.plan.windows):
        row = tab[windows.H_WINDOWS] + w * windows.W_ROW
        lo, hi, _ = kernel.source(tab, par, num[:], ints[:], row, judge.now_s)
        if window.source.unit is None:
            want = {0: 0.0, 1: 1.0, 2: math.nan}[int(walk.truth(window.source))]
            assert repr((lo, hi)) == repr((want, want))
        else:
            assert repr(walk.number(window.source)) == repr((lo, hi))


def test_parts_carry_what_people_ask_for():
    text = "streak(level > warning, 3, 10 s) or forecast(level, 20 s, 1 min) > 5 m or age(v.f) > 30 s"
    judge = Judge(build_ruleset(POINTS, [AlarmRule("a", (LevelRule("red", text),), names=NAMES)]), 0.0)
    for t in range(0, 60, 2):
        judge.step(float(t), [Sample(0, 2.5 + t / 100, GOOD)])
    streak, forecast, old = judge.explain(0)[0]["parts"]["parts"]
    assert (streak["truth"], streak["periods"], streak["window_s"]) == ("true", 3, 10.0)
    assert streak["parts"][0]["parts"][0]["value"] == pytest.approx(3.08)
    assert forecast["parts"][0]["horizon_s"] == 60.0
    assert forecast["parts"][0]["value"] == pytest.approx(3.08 + 0.6, abs=0.02)
    assert (old["limit_s"], old["truth"], old["point"]) == (30.0, "true", "v.f")  # never read, and that for 58 s
