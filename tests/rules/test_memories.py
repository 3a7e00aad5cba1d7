"""What rules remember without a ring of readings: streaks, fading amounts, resets of totals, baselines."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import links
from rules.judge import Judge, build_ruleset
from rules.model import BAD, GOOD, OVER_RANGE, AlarmRule, LevelRule, PointInfo, Sample, Truth


def judge_of(text, stale=1e9, **point):
    point = PointInfo("a.x", point.pop("unit", "mm"), stale, **point)
    return Judge(build_ruleset([point], [AlarmRule("r", (LevelRule("red", text),))]), 0.0)


def truth(judge):
    return Truth[judge.explain(0)[0]["truth"].upper()]


def seen(judge):
    part = judge.explain(0)[0]["parts"]["parts"][0]
    return (part["at_least"], part["at_most"]) if "at_least" in part else part["value"]


# --- streaks ------------------------------------------------------------------------------------------------------


def streak_length(hits, t, period):
    """Periods of the streak that runs at `t`; `hits` are the times (from, to) at which the condition holds."""
    start, upto = None, 0
    for begin, end in [(b, min(e, t)) for b, e in hits if b <= t]:
        if start is None or math.floor((begin - start) / period) > upto + 1:
            start = begin
        upto = math.floor((end - start) / period)
    if start is None:
        return 0
    return upto + 1 if math.floor((t - start) / period) <= upto + 1 else 0


@settings(max_examples=150, deadline=None)
@given(
    moves=st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0, 0, 1, 1, 2])), min_size=1, max_size=25),
    count=st.integers(1, 4),
)
def test_a_streak_is_true_in_every_period_since_it_began(moves, count):
    period = 24
    judge = judge_of(f"streak(a.x > 5 mm, {count}, {period} s)")
    t, sure, maybe, held = 0, [], [[0, 0]], 2  # nothing is known of what was before
    for gap, value in moves:
        for tick in range(t, t + gap):
            if tick > t:
                judge.step(float(tick), ())
            for hits, on in ((sure, held == 1), (maybe, held != 0)):
                if on:
                    hits[-1][1] = tick
            expected = Truth.FALSE
            if streak_length(sure, tick, period) >= count:
                expected = Truth.TRUE
            elif streak_length(maybe, tick, period) >= count:
                expected = Truth.UNKNOWN
            assert truth(judge) == expected, (tick, sure, maybe)
        t += gap
        for hits, on in ((sure, held == 1), (maybe, held != 0)):
            if on:
                hits[-1][1] = t
        samples = [Sample(0, (1.0, 9.0, math.nan)[value], (GOOD, GOOD, BAD)[value])]
        judge.step(float(t), samples)
        for hits, on in ((sure, value == 1), (maybe, value != 0)):
            if on:
                hits.append([t, t])
        held = value


def test_three_days_running():
    judge = judge_of("streak(a.x > 5 mm, 3, 1 d)")
    hour = 3600.0
    raised = []
    for day in range(5):
        for at, value in ((8, 6.0), (10, 1.0)):  # two hours over the limit each morning, an hour earlier every day
            t = (24 * day + at - day * 0.5) * hour
            raised += [t / hour / 24 for _ in judge.step(t, [Sample(0, value, GOOD)]).changes]
    assert raised == [57 / 24]  # told with the reading of the third day that ends it; begun in the third period at 56 h
    assert [change.level for change in judge.step(40 * 24 * hour, ()).changes] == [0]


# --- fading amounts -----------------------------------------------------------------------------------------------


def faded_sum(rates, half_life, t):
    """Of (from, to, amount per second): what is left at `t`, by the closed form of the integral."""
    lam = math.log(2) / half_life
    parts = (rate / lam * (math.exp(-lam * (t - b)) - math.exp(-lam * (t - a))) for a, b, rate in rates)
    return math.fsum(parts)


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(1, 4000), st.floats(0, 30)), min_size=2, max_size=40),
    kind=st.sampled_from(["increment", "counter", "running_total", "intensity"]),
)
def test_an_amount_fades_by_half_in_each_half_life(steps, kind):
    half_life = 3600.0
    judge = judge_of("decayed(a.x, 1 h) > 1 km", kind=kind, unit="mm/s" if kind == "intensity" else "mm")
    t, total, rates = 0.0, 0.0, []
    judge.step(0.0, [Sample(0, 0.0, GOOD)])
    for gap, amount in steps:
        if kind == "intensity":
            rates.append((t, t + gap, judge.values(0)["a.x"]))
        else:
            rates.append((t, t + gap, amount / gap))
        t += gap
        total += amount
        judge.step(t, [Sample(0, {"increment": amount, "intensity": amount}.get(kind, total), GOOD)])
        got, expected = seen(judge), faded_sum(rates, half_life, t)
        low, high = got if isinstance(got, tuple) else (got, got)
        low = 0.0 if low is None else low
        assert low == pytest.approx(expected, rel=1e-6, abs=1e-6)
        covered = 1.0 - 2.0 ** (-t / half_life)
        if abs(covered - 0.8) > 1e-6 and got is not None:
            assert (high is None) == (covered < 0.8)  # no upper bound until four fifths of the weight is covered


def test_what_fell_unseen_is_not_known_and_fades_too():
    judge = judge_of("decayed(a.x, 1 h) < 5 mm", stale=600.0, kind="increment")
    t = 0.0
    for _ in range(100):
        judge.step(t, [Sample(0, 0.0, GOOD)])
        t += 300.0
    assert truth(judge) == Truth.TRUE
    judge.step(t + 3 * 3600.0, [Sample(0, 0.0, GOOD)])
    assert truth(judge) == Truth.UNKNOWN  # three hours without a reading: any amount may have fallen
    t += 3 * 3600.0
    for _ in range(100):
        t += 300.0
        judge.step(t, [Sample(0, 0.0, GOOD)])
    assert truth(judge) == Truth.TRUE
    judge.step(t, [Sample(0, 1.0, OVER_RANGE)])
    assert truth(judge) == Truth.UNKNOWN


# --- running totals whose reset time is known -----------------------------------------------------------------------


@pytest.mark.parametrize(("known", "total"), [(True, 2.5), (False, 2.2)])
def test_a_total_that_passed_its_old_value_after_a_reset_is_counted_whole(known, total):
    """An hourly total that is reset at minute 51 (ASOS p01i): 0.3 mm at 10:50, 0.5 mm at 10:56."""
    judge = judge_of("increase(a.x, 2 h) > 1 m", kind="running_total", reset=(3600.0, 51 * 60.0))
    if known:
        judge.dated(8 * 3600.0)
    for minute, value in ((0, 0.0), (20, 0.1), (50, 0.3), (56, 0.5), (80, 2.2)):
        judge.step(60.0 * minute, [Sample(0, value, GOOD)])
    assert seen(judge)[0] == pytest.approx(total)


# --- baselines ------------------------------------------------------------------------------------------------------


def test_a_baseline_is_unknown_then_the_first_reading_then_what_an_operator_says():
    judge = judge_of("a.x - baseline(a.x) > 10 mm")
    judge.step(0.0, [Sample(0, 100.0, GOOD)])
    assert (truth(judge), judge.baseline(0)) == (Truth.UNKNOWN, None)
    assert not judge.rezero(0, 95.0, 1.0).changes
    assert (truth(judge), judge.baseline(0)) == (Truth.FALSE, 95.0)
    assert judge.rezero(0, 80.0, 2.0).changes == [(0, 0, 1)]
    with pytest.raises(ValueError, match="nan"):
        judge.rezero(0, math.nan, 3.0)
    first = judge_of("a.x - baseline(a.x) > 10 mm", baseline="first")
    first.step(0.0, [Sample(0, math.nan, BAD)])
    first.step(1.0, [Sample(0, 99.0, OVER_RANGE)])
    assert first.baseline(0) is None
    first.step(2.0, [Sample(0, 20.0, GOOD)])
    assert first.step(3.0, [Sample(0, 31.0, GOOD)]).changes == [(0, 0, 1)]
    assert first.baseline(0) == 20.0


@pytest.mark.parametrize("part", ["snapshot", "timers"])
def test_a_baseline_survives_until_the_site_file_declares_another(part):
    judge = judge_of("a.x - baseline(a.x) > 10 mm", baseline=5.0)
    judge.step(0.0, [Sample(0, 6.0, GOOD)])
    judge.rezero(0, 6.0, 1.0)
    saved = getattr(judge, part)()
    for declared, expected in ((5.0, 6.0), (7.0, 7.0)):
        again = judge_of("a.x - baseline(a.x) > 10 mm", baseline=declared)
        (again.restore if part == "snapshot" else again.restore_timers)(saved, 10.0)
        assert again.baseline(0) == expected


# --- what a reading can't change is not looked at ---------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_skipping_what_a_reading_cannot_change_changes_nothing(random_rules, random_series, points, seed):
    rules = random_rules(seed, 5)
    quick = Judge(build_ruleset(points, rules), 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(links, "constants_met", lambda *_: None)  # everything is looked at with every reading
        slow = Judge(build_ruleset(points, rules), 0.0)
    for t, samples in random_series(seed, 60):
        assert quick.step(t, samples).changes == slow.step(t, samples).changes
    assert quick.timers() == slow.timers()
