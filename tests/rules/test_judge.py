"""What judgement means: delays, hysteresis, levels, latches, missing data, restarts."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers.api
from rules import model
from rules.engine import kernel
from rules.judge import Judge, SnapshotError, build_ruleset
from rules.model import BAD, COMM_FAULT, GOOD, OVER_RANGE, AlarmRule, LevelRule, PointInfo, Sample, Truth

X = PointInfo("a.x", "mm", 10.0, 0.0, 100.0)


def judge_of(*levels, points=(X,), **alarm):
    return Judge(build_ruleset(points, [AlarmRule("r", tuple(levels), **alarm)]), 0.0)


def x(value, quality=GOOD):
    return [Sample(0, value, quality)]


def moves(verdict):
    return [(change.previous, change.level) for change in verdict.changes]


def test_quality_codes_are_those_of_the_drivers():
    assert [(q.name, q.value) for q in drivers.api.Quality] == [
        (name, getattr(model, name))
        for name in ("GOOD", "UNCERTAIN", "OVER_RANGE", "UNDER_RANGE", "INHIBITED", "BAD", "COMM_FAULT")
    ]


def test_on_delay_hysteresis_and_off_delay():
    judge = judge_of(LevelRule("red", "a.x > 50 mm", 5.0, "a.x < 40 mm", 3.0))
    verdict = judge.step(0.0, x(60))
    assert (moves(verdict), verdict.deadline, judge.pending) == ([], 5.0, True)
    assert moves(judge.step(4.9, ())) == []
    assert moves(judge.step(5.0, ())) == [(0, 1)]
    assert not judge.pending
    assert moves(judge.step(6.0, x(45))) == []  # inside the band
    assert judge.step(7.0, x(39)).deadline == 10.0
    assert moves(judge.step(8.0, x(45))) == []
    judge.step(9.0, x(39))
    assert moves(judge.step(30.0, ())) == [(1, 0)]


def test_false_resets_the_delay_unknown_pauses_it():
    judge = judge_of(LevelRule("red", "a.x > 50 mm", 5.0))
    judge.step(0.0, x(60))
    judge.step(3.0, x(10))
    judge.step(4.0, x(60))
    judge.step(7.0, x(math.nan, BAD))  # 3 s have passed
    assert moves(judge.step(100.0, ())) == []
    assert judge.step(100.0, x(60)).deadline == 102.0
    assert moves(judge.step(102.0, ())) == [(0, 1)]


def test_a_late_step_tells_what_happened_at_its_own_time():
    """Up at 5, stale at 10: both lie before the step."""
    judge = judge_of(LevelRule("red", "a.x > 50 mm", 5.0), on_missing="clear")
    judge.step(0.0, x(60))
    assert moves(judge.step(1000.0, ())) == [(0, 1), (1, 0)]


def test_highest_active_level_counts():
    judge = judge_of(LevelRule("yellow", "a.x > 20 mm"), LevelRule("red", "a.x > 50 mm", 2.0))
    assert moves(judge.step(0.0, x(60))) == [(0, 1)]
    assert moves(judge.step(2.0, x(60))) == [(1, 2)]
    assert moves(judge.step(3.0, x(30))) == [(2, 1)]
    assert moves(judge.step(4.0, x(10))) == [(1, 0)]


@pytest.mark.parametrize(("mode", "after"), [("hold", 1), ("alarm", 1), ("clear", 0)])
def test_missing_data_while_active(mode, after):
    judge = judge_of(LevelRule("red", "a.x > 50 mm"), on_missing=mode)
    assert moves(judge.step(0.0, x(60))) == [(0, 1)]
    judge.step(1.0, x(0.0, COMM_FAULT))
    judge.step(10_000.0, ())
    assert judge.level(0) == after


def test_the_sensor_that_raised_it_may_die_without_clearing_it():
    points = (X, PointInfo("b.y", "mm", 10.0))
    judge = judge_of(LevelRule("red", "a.x > 50 mm or b.y > 50 mm", 0.0, "a.x < 40 mm"), points=points)
    assert moves(judge.step(0.0, [Sample(0, 10.0, GOOD), Sample(1, 60.0, GOOD)])) == [(0, 1)]
    assert moves(judge.step(1.0, [Sample(0, 10.0, GOOD), Sample(1, 0.0, COMM_FAULT)])) == []
    assert moves(judge.step(2.0, [Sample(0, 10.0, GOOD), Sample(1, 30.0, GOOD)])) == [(1, 0)]


def test_missing_counts_as_true_only_when_stale():
    judge = judge_of(LevelRule("red", "a.x > 50 mm", 3.0), on_missing="alarm")
    judge.step(0.0, x(10))
    assert moves(judge.step(2.0, x(0.0, COMM_FAULT))) == []
    assert moves(judge.step(12.9, ())) == []
    assert moves(judge.step(13.1, ())) == [(0, 1)]  # stale after 10 s, then 3 s of on-delay


def test_a_reading_in_the_very_instant_is_in_time():
    judge = judge_of(LevelRule("red", "not good(a.x)"))
    for t in range(0, 100, 10):
        assert moves(judge.step(float(t), x(5))) == []
    assert moves(judge.step(101.0, ())) == [(0, 1)]


def test_a_sensor_that_never_answers_is_missing_not_fine():
    judge = judge_of(LevelRule("red", "not good(a.x) or age(a.x) > 30 s"))
    assert moves(judge.step(9.0, ())) == []
    assert moves(judge.step(11.0, ())) == [(0, 1)]


def test_over_range_alarms_and_never_clears():
    judge = judge_of(LevelRule("red", "a.x > 50 mm"))
    assert moves(judge.step(0.0, x(100.0, OVER_RANGE))) == [(0, 1)]
    wide = PointInfo("a.x", "mm", 10.0)
    lower = judge_of(LevelRule("red", "a.x < 200 mm"), LevelRule("top", "a.x > 200 mm"), points=(wide,))
    assert moves(lower.step(0.0, x(150.0))) == [(0, 1)]
    assert moves(lower.step(1.0, x(100.0, OVER_RANGE))) == []  # may be 150 or 1500: neither true nor cleared
    banded = judge_of(LevelRule("red", "over_range(a.x)", 0.0, "a.x < 120 mm"), points=(wide,))
    banded.step(0.0, x(100.0, OVER_RANGE))
    assert banded.explain(0)[0]["clear_truth"] == "unknown"
    assert banded.level(0) == 1


def test_nan_that_calls_itself_good_is_missing():
    judge = judge_of(LevelRule("red", "a.x > 50 mm or good(a.x) and not a.x > 50 mm"))
    assert moves(judge.step(0.0, x(math.nan))) == []
    assert moves(judge.step(0.0, x(-math.inf))) == []
    assert judge.explain(0)[0]["truth"] == "unknown"


def test_vote_is_three_valued():
    points = [PointInfo(f"{name}.x", "mm", 10.0) for name in "abc"]
    judge = judge_of(LevelRule("red", "vote(2, a.x > 5 mm, b.x > 5 mm, c.x > 5 mm)"), points=points)

    def truth(*values):
        judge.step(
            judge.now_s + 1.0, [Sample(k, v or 0.0, GOOD if v is not None else BAD) for k, v in enumerate(values)]
        )
        return judge.explain(0)[0]["truth"]

    assert truth(9, 9, None) == "true"
    assert truth(9, 1, None) == "unknown"
    assert truth(1, 1, None) == "false"
    assert truth(9, None, None) == "unknown"
    assert truth(1, None, 9) == "unknown"


def test_latch_lets_go_only_by_reset_and_only_when_clear():
    judge = judge_of(LevelRule("red", "a.x > 50 mm", 0.0, "a.x < 40 mm", 5.0), latch=True)
    judge.step(0.0, x(60))
    judge.step(1.0, x(30))
    assert moves(judge.reset(0, 3.0)) == []
    assert not judge.clearable(0)
    judge.step(6.0, ())
    assert (judge.level(0), judge.clearable(0)) == (1, True)
    judge.step(7.0, x(0.0, BAD))  # what was clean air is now unknown
    assert not judge.clearable(0)
    assert moves(judge.reset(0, 7.0)) == []
    judge.step(8.0, x(30))
    assert moves(judge.reset(0, 8.0)) == [(1, 0)]


def test_deadline_of_age():
    judge = judge_of(LevelRule("red", "age(a.x) > 4 s"))
    verdict = judge.step(0.0, x(5))
    assert verdict.deadline == pytest.approx(4.0)
    assert moves(judge.step(verdict.deadline, ())) == [(0, 1)]
    assert moves(judge.step(5.0, x(5))) == [(1, 0)]


def test_explain_is_json_with_values_and_readings():
    judge = judge_of(LevelRule("red", "a.x > 50 mm and rise(a.x, 1 min) > 2 mm"))
    judge.step(0.0, x(60))
    level = judge.explain(0)[0]
    assert level["truth"] == "false" or level["truth"] == "unknown"
    assert level["parts"]["parts"][0]["truth"] == "true"
    assert level["readings"] == [
        {"point": "a.x", "value": 60.0, "unit": "mm", "quality": 0, "stale": False, "age_s": 0.0}
    ]


def test_many_samples_of_one_step_and_time_that_goes_back():
    judge = judge_of(LevelRule("red", "a.x > 50 mm"))
    assert moves(judge.step(5.0, x(10) + x(60) + x(10))) == [(0, 1), (1, 0)]
    judge.step(3.0, x(60))
    assert judge.now_s == 5.0


# --- properties ---------------------------------------------------------------------------------------------------


def history(judge, series, extra=()):
    """Everything that a series brings about: (time of the step, alarm, previous, level), and the deadlines."""
    found, empty = [], sorted(extra)
    for t, samples in series:
        while empty and empty[0] <= t:
            found += judge.step(empty.pop(0), ()).changes
        found += judge.step(t, samples).changes
    return found


def state_of(judge):
    return judge._num.tobytes(), judge._ints[: judge._out].tobytes()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_extra_steps_change_nothing(random_rules, random_series, points, seed):
    ruleset = build_ruleset(points, random_rules(seed, 6))
    series = random_series(seed + 1, 60)
    chance = random.Random(seed)
    extra = [chance.uniform(0, series[-1][0]) for _ in range(50)] + [t for t, _ in series[::3]]
    plain, often = Judge(ruleset, 0.0), Judge(ruleset, 0.0)
    one, two = history(plain, series), history(often, series, extra)
    assert one == two
    assert plain.snapshot() == often.snapshot()
    assert plain.step(plain.now_s, ()).deadline == often.step(plain.now_s, ()).deadline
    # ... nor does waking up at every deadline, as the guard does
    woken, found = Judge(ruleset, 0.0), []
    for t, samples in series:
        while (verdict := woken.step(woken.now_s, ())).deadline is not None and verdict.deadline <= t:
            found += verdict.changes
            found += woken.step(verdict.deadline, ()).changes
        found += verdict.changes
        found += woken.step(t, samples).changes
    assert found == one


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_generated_functions_agree_with_the_walk_over_the_tree(random_rules, random_series, points, seed):
    ruleset = build_ruleset(points, random_rules(seed, 4))
    judge, other = Judge(ruleset, 0.0), Judge(ruleset, 0.0)
    tab = judge._tab
    for t, samples in random_series(seed, 40):
        assert judge.step(t, samples) == other.step(t, samples)
        for a, pairs in enumerate(ruleset.trees):
            levels = judge.explain(a)
            for (when, _), level in zip(pairs, levels, strict=True):
                c = ruleset.plan.condition(when)
                state = (tab, judge._par, judge._num[:], judge._ints[:])
                truth, _ = kernel.condition(*state, c, judge.now_s)
                assert Truth(truth).name.lower() == level["truth"], level["when"]
    for a in range(4):  # looking forgets what is over, and nothing else
        other.explain(a)
    assert judge.snapshot() == other.snapshot()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 59))
def test_restart_is_a_moment_of_missing_data(random_rules, random_series, points, seed, cut):
    """Snapshot and restore at any point: as if every reading had been missing from then until the next.

    Left out: what knows something of missing data (good, age), and times over such truths: after a restart they are
    unknown, which is the safer side.
    """
    asks = ("good", "age", "held", "within", "share")
    alarms = [
        alarm
        for alarm in random_rules(seed, 20, "hold")
        if not any(word in level.when + (level.clear or "") for word in asks for level in alarm.levels)
    ]
    plain = ("held(a.level > 50 mm, 10 s)", "within(b.level > 5 cm, 30 s)", "share(a.level > 50 mm, 40 s) > 40 %")
    alarms += [AlarmRule(text, (LevelRule("red", text, 2.0, None, 3.0),)) for text in plain]
    ruleset = build_ruleset(points, alarms)
    series = random_series(seed + 2, 60)
    whole = Judge(ruleset, 0.0)
    history(whole, series[:cut])
    then = whole.now_s
    restored = Judge(ruleset, then)
    restored.restore(whole.snapshot(), then)
    levels = [whole.level(a) for a in range(len(alarms))]
    assert [restored.level(a) for a in range(len(alarms))] == levels
    missing = whole.step(then, [Sample(p, math.nan, COMM_FAULT) for p in range(5)])
    assert all(change.level > change.previous for change in missing.changes)
    after = [(then, [Sample(p, 50.0 - 45.0 * (p == 1), GOOD) for p in range(5)]), *series[cut:]]
    if not missing.changes:  # the missing moment itself can raise what only bounds were needed for
        assert history(whole, after) == history(restored, after)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_alarm_clears_on_missing_data(random_series, points, seed):
    """Under `hold`, with conditions on values: from the moment all data is gone nothing moves down."""
    chance = random.Random(seed)
    texts = [
        "a.level > {} mm", "avg(a.level, 15 s) > {} mm", "max(b.level, 40 s) > {} mm", "a.level - b.level > {} mm",
        "min(a.level, 4 s) > {} mm or b.level > 20 mm", "vote(2, a.level > {} mm, b.level > 30 mm, r.flow > 200 mm/h)",
        "last(a.level, 15 s) > {} mm", "not a.level < {} mm", "held(a.level > {} mm, 3 s)",
        "fall(a.level, 40 s) > {} mm",
    ]  # fmt: skip
    alarms = [
        AlarmRule(f"r{k}", (LevelRule("red", text.format(chance.randrange(5, 90)), chance.choice([0.0, 2.0])),))
        for k, text in enumerate(texts)
    ]
    judge = Judge(build_ruleset(points, alarms), 0.0)
    history(judge, random_series(seed, 50))
    now = judge.now_s
    judge.step(now, [Sample(p, 0.0, COMM_FAULT) for p in range(5)])
    levels = [judge.level(k) for k in range(len(texts))]
    for k in range(200):
        quality = chance.choice([COMM_FAULT, BAD, model.UNDER_RANGE, model.INHIBITED])
        judge.step(now + k * 3.0, [Sample(chance.randrange(5), chance.uniform(0, 100), quality)])
    after = [judge.level(k) for k in range(len(texts))]
    assert all(b >= a for a, b in zip(levels, after, strict=True)), (levels, after)


@settings(max_examples=80, deadline=None)
@given(spent=st.floats(0.0, 9.9), outage=st.floats(0.0, 1e6), before=st.floats(0.5, 20.0), timers_only=st.booleans())
def test_an_outage_never_makes_an_alarm_earlier(spent, outage, before, timers_only):
    rule = LevelRule("red", "a.x > 50 mm", 10.0)
    judge = judge_of(rule)
    judge.step(before, x(10))
    judge.step(before, x(60))
    judge.step(before + spent, x(60))
    fresh = judge_of(rule)
    now = before + spent + outage
    if timers_only:
        fresh.restore_timers(judge.timers(), now)
    else:
        fresh.restore(judge.snapshot(), now)
    assert moves(fresh.step(now + 5.0, ())) == []  # not while nothing is known
    verdict = fresh.step(now + 5.0, x(60))
    assert verdict.changes == ()
    fires = now + 5.0 + (10.0 - spent)
    first = now + 5.0
    while first + 1.0 < fires - 1e-6:
        first += 1.0
        assert moves(fresh.step(first, x(60))) == []
    assert moves(fresh.step(fires + 0.001, ())) == [(0, 1)]


def test_unchanged_rules_keep_their_state_in_a_reload():
    keep = AlarmRule("keep", (LevelRule("red", "avg(a.x, 1 min) > 50 mm", 10.0),))
    gone = AlarmRule("gone", (LevelRule("red", "a.x > 1 mm"),))
    old = Judge(build_ruleset([X], [gone, keep]), 0.0)
    for t in range(0, 66, 2):
        old.step(float(t), x(60))
    assert (old.level(0), old.level(1)) == (1, 1)
    other = PointInfo("b.y", "mm", 10.0)
    changed = AlarmRule("gone", (LevelRule("red", "a.x > 2 mm"),))
    new = Judge(build_ruleset([other, X], [keep, changed]), 66.0)
    new.restore(old.snapshot(), 66.0)
    assert (new.level(0), new.level(1)) == (1, 1), "what sounds goes on, though its rule changed"
    verdict = new.step(66.0, [Sample(1, 60.0, GOOD)])
    assert verdict.changes == ()
    assert new.explain(0)[0]["truth"] == "true"  # the window is still full


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_snapshots_raise_and_leave_the_judge_fresh(data):
    judge = judge_of(LevelRule("red", "avg(a.x, 10 s) > 50 mm", 5.0))
    for t in range(30):
        judge.step(float(t), x(60))
    for good in (judge.snapshot(), judge.timers()):
        bad = bytearray(good)
        if data.draw(st.booleans()):
            bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del bad[data.draw(st.integers(0, len(bad) - 1)) :]
        if bytes(bad) == good:
            continue
        fresh = judge_of(LevelRule("red", "avg(a.x, 10 s) > 50 mm", 5.0))
        untouched = state_of(fresh)
        with pytest.raises(SnapshotError):
            fresh.restore(bytes(bad), 40.0)
        with pytest.raises(SnapshotError):
            fresh.restore_timers(bytes(bad), 40.0)
        assert state_of(fresh) == untouched


def test_a_changed_rule_keeps_what_is_active_until_it_clears_it_and_latches_stay():
    old = Judge(
        build_ruleset([X], [AlarmRule("a", (LevelRule("yellow", "a.x > 10 mm"), LevelRule("red", "a.x > 50 mm")))]), 0.0
    )
    old.step(1.0, x(60))
    assert old.level(0) == 2
    moved = AlarmRule("a", (LevelRule("red", "a.x > 80 mm"),), latch=True)
    new = Judge(build_ruleset([X], [moved]), 2.0)
    new.restore_timers(old.timers(), 2.0)
    assert new.level(0) == 1, "red, though it is the first level now"
    assert new.step(3.0, x(60)).changes == ()
    assert new.level(0) == 1, "latched"
    assert new.reset(0, 4.0).changes == [(0, 1, 0)]
