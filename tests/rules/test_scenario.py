"""Cases run on real judges: timers, bad data, outages, clocks, re-zeroing; and what is compared with what came."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cases import Case
from rules.cases.expects import NORMAL, Active, Never, Reaches
from rules.cases.series import CLOCK, NOTHING, REBOOT, Slot, format_series, parse_series
from rules.model import AlarmRule, LevelRule, PointInfo
from rules.ruleset import build_ruleset
from rules.scenario import Move, compare, levels_at, run_case, span

RIVER = AlarmRule(
    "river",
    (
        LevelRule("yellow", "g.level > 2.4 m", 600.0, "g.level < 2.3 m", 1800.0),
        LevelRule("red", "g.level > 3 m", 0.0),
    ),
)


def case(series, *alarms, interval_s=300.0, expects=(), unit="m", **more):
    texts = {"g.level": series} if isinstance(series, str) else series
    points = [PointInfo(name, unit, 3 * interval_s, **more) for name in texts]
    slots = {name: parse_series(text) for name, text in texts.items()}
    return Case("a case", interval_s, slots, texts, tuple(expects), build_ruleset(points, alarms or [RIVER]))


def moves(series, *alarms, **more):
    return [(move.at_s, move.level) for move in run_case(case(series, *alarms, **more))]


def one(when, **more):
    return AlarmRule("a", (LevelRule("yellow", when, **more),))


# --- running -----------------------------------------------------------------------------------------------------


def test_slot_k_is_read_at_k_intervals():
    assert moves("1x4 5 1", one("g.level > 2 m"), interval_s=60.0) == [(240.0, "yellow"), (300.0, NORMAL)]


def test_timers_run_out_between_readings_at_their_own_time():
    assert moves("5x10", one("g.level > 2 m", for_s=77.0), interval_s=60.0) == [(77.0, "yellow")]
    assert moves("2.1+0.05x40") == [(2700.0, "yellow"), (5700.0, "red")]


def test_the_case_goes_on_for_its_last_interval():
    assert moves("5x2", one("g.level > 2 m", for_s=119.0), interval_s=60.0) == [(119.0, "yellow")]
    assert moves("5x2", one("g.level > 2 m", for_s=121.0), interval_s=60.0) == []


def test_readings_of_one_slot_are_one_step():
    both = one("a.x > 1 and b.x > 1")
    assert moves({"a.x": "0 2 0", "b.x": "2 0 2"}, both, unit="") == []
    assert moves({"a.x": "0 2 0", "b.x": "0 2 0"}, both, unit="", interval_s=1.0) == [(1.0, "yellow"), (2.0, NORMAL)]


def test_without_a_reading_the_value_holds_until_it_is_stale():
    gone = one("not good(g.level)")
    assert moves("5 _x9", gone, interval_s=60.0) == [(180.0, "yellow")]
    assert moves("5 bad 5", gone, interval_s=60.0) == [(60.0, "yellow"), (120.0, NORMAL)]
    assert moves("5 stale _ 5", gone, interval_s=60.0) == [(60.0, "yellow"), (180.0, NORMAL)]


def test_over_range_alarms_and_never_clears():
    assert moves("1 5 overx5", one("g.level > 4 m", clear="g.level < 3 m")) == [(300.0, "yellow")]
    assert moves("1 over 1", one("over_range(g.level)")) == [(300.0, "yellow"), (600.0, NORMAL)]


def test_missing_data_counts_as_an_alarm_where_it_shall():
    alarm = replace(one("g.level > 9 m"), on_missing="alarm")
    assert moves("1x3 _x9", alarm, interval_s=60.0) == [(300.0, "yellow")]


def test_a_reboot_loses_the_readings_of_its_slot_and_pauses_delays():
    alarm = one("g.level > 2 m", for_s=210.0)
    assert moves("5x9", alarm, interval_s=60.0) == [(210.0, "yellow")]
    assert moves("5x2 @reboot 5x9", alarm, interval_s=60.0) == [(270.0, "yellow")]
    assert moves("5x2 @rebootx3 5x9", alarm, interval_s=60.0) == [(390.0, "yellow")]
    lost = {"a.x": "0 0 2 0 0", "b.x": "0 0 @reboot 0 0"}
    assert moves(lost, one("a.x > 1 or b.x > 1"), unit="") == []


def test_a_reboot_keeps_what_is_active():
    assert moves("2.5x4 @reboot 2.5x4 2.2x9") == [(600.0, "yellow"), (2700.0 + 1800.0, NORMAL)]


def test_a_jump_of_the_clock_changes_nothing():
    assert moves("2.1+0.05x20 @clock+1h 3.2x9") == moves("2.1+0.05x20 _ 3.2x9")


def test_rezero_takes_the_newest_number_as_base():
    tilt = AlarmRule("a", (LevelRule("yellow", "g.level - baseline(g.level) > 1 m"),))
    assert moves("1 2 @rezero 2.5 3.5", tilt, interval_s=60.0) == [(240.0, "yellow")]
    assert moves("1 2 @rezero 2.5 2.9", tilt, interval_s=60.0) == []


def test_whoever_looks_sees_the_judge_right_behind_each_move_and_at_the_times_asked():
    seen = []
    run_case(case("1 5 1"), [450.0, 0.0], lambda judge, at_s: seen.append((at_s, judge.level(0))))
    assert seen == [(0.0, 0), (300.0, 2), (450.0, 2), (600.0, 0)]


def test_a_week_of_minutes_takes_far_less_than_two_seconds():
    week = case({"g.level": "2.1+0.0002x10080", "h.level": "1x10080"}, RIVER, interval_s=60.0)
    start = time.process_time()
    assert [move.level for move in run_case(week)] == ["yellow", "red"]
    assert time.process_time() - start < 1.5


# --- comparing ---------------------------------------------------------------------------------------------------

CAME = [
    Move(60.0, "river", NORMAL, "yellow"),
    Move(120.0, "river", "yellow", "red"),
    Move(180.0, "river", "red", NORMAL),
]


def failures(*expects):
    return [(f.number, f.at_s, f.expected, f.came) for f in compare(case("1", expects=expects), CAME)]


def test_levels_are_those_behind_the_step_of_that_time():
    assert levels_at(CAME, 59.0) == {}
    assert levels_at(CAME, 60.0) == {"river": "yellow"}
    assert levels_at(CAME, 500.0) == {}


def test_the_exact_set_is_compared():
    assert failures(Active(0.0, 0.0, {}), Active(60.0, 60.0, {"river": "yellow"}), Active(200.0, 200.0, {})) == []
    assert failures(Active(60.0, 60.0, {})) == [(0, 60.0, "nothing active", "river yellow")]
    assert failures(Active(0.0, 0.0, {"river": "red"})) == [(0, 0.0, "river red", "nothing active")]
    assert failures(Active(60.0, 60.0, {"river": "red"})) == [(0, 60.0, "river red", "river yellow")]


def test_a_span_fails_where_it_first_differs():
    assert failures(Active(60.0, 119.0, {"river": "yellow"})) == []
    assert failures(Active(60.0, 120.0, {"river": "yellow"})) == [(0, 120.0, "river yellow", "river red")]


def test_never_is_a_level_or_one_above():
    assert failures(Never(0.0, 119.0, {"river": "red"}), Never(180.0, 999.0, {"river": "yellow"})) == []
    assert failures(Never(0.0, 999.0, {"river": "red"})) == [(0, 120.0, "river never red", "river red")]
    assert failures(Never(0.0, 999.0, {"river": "yellow"})) == [(0, 60.0, "river never", "river yellow")]
    assert failures(Never(130.0, 999.0, {"river": "yellow"})) == [(0, 130.0, "river never", "river red")]


def test_a_level_is_reached_at_its_first_time():
    assert failures(Reaches(60.0, 60.0, "river", "yellow"), Reaches(100.0, 200.0, "river", "red")) == []
    assert failures(Reaches(150.0, 200.0, "river", NORMAL)) == []
    assert failures(Reaches(0.0, 59.0, "river", "yellow")) == [
        (0, 59.0, "river yellow between 0 s and 59 s", "at 1 min")
    ]
    early = failures(Reaches(70.0, 90.0, "river", "yellow"))
    assert early == [(0, 60.0, "river yellow between 1 min 10 s and 1 min 30 s", "at 1 min")]


def test_a_level_that_is_passed_over_is_reached():
    expects = [Reaches(0.0, 300.0, "river", "yellow"), Reaches(301.0, 600.0, "river", "red")]
    passed = case("1 5 1", expects=expects)
    found = compare(passed, run_case(passed))
    assert [(failure.number, failure.came) for failure in found] == [(1, "at 5 min")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "1 min 30 s"), (3600, "1 h"), (0.25, "0.25 s"), (183600.5, "2 d 3 h 0.5 s")],
)
def test_times_are_said_as_a_case_would_write_them(seconds, text):
    assert span(seconds) == text


# --- properties --------------------------------------------------------------------------------------------------

levels = st.floats(1.5, 4.0).map(lambda value: round(value, 2))
tokens = st.one_of(levels.map(str), st.just("bad"), st.builds("{}x{}".format, levels, st.integers(2, 9)))
texts = st.lists(tokens, min_size=1, max_size=12).map(" ".join)
delays = st.integers(0, 90).map(lambda tens: tens * 10.0 + 7.0)


@settings(max_examples=60, deadline=None)
@given(texts, delays, delays, st.data())
def test_a_reboot_anywhere_shifts_what_follows_by_its_outage_and_nothing_else(text, for_s, clear_for_s, data):
    rule = LevelRule("yellow", "g.level > 2.4 m", for_s, "g.level < 2.3 m", clear_for_s)
    alarm = AlarmRule("a", (rule, LevelRule("red", "g.level > 3 m", clear_for_s)))
    whole = case(text, alarm, interval_s=60.0)
    slots = list(whole.series["g.level"])
    at = data.draw(st.integers(0, len(slots)))
    cut = replace(whole, series={"g.level": [*slots[:at], Slot(REBOOT), *slots[at:]]})
    expected = [
        move if move.at_s < at * 60.0 else move._replace(at_s=move.at_s + 60.0)
        for move in run_case(whole)
        if at < len(slots) or move.at_s < at * 60.0
    ]
    assert [move for move in run_case(cut) if at < len(slots) or move.at_s < at * 60.0] == expected


def _random_case(points, alarms, steps):
    """Steps on an even grid, as a case: a slot a step, all values as the judge would be given them."""
    words = {0: "reading", 1: "reading", 2: "over"}
    slots = {p: [] for p in range(len(points))}
    for _, samples in steps:
        given = {sample.point: sample for sample in samples}
        for p, column in slots.items():
            quality = given[p].quality if p in given else None
            word = NOTHING if quality is None else words.get(quality, "bad")
            column.append(Slot(word, given[p].value if word in words.values() else 0.0))
    named = {points[p].name: column for p, column in slots.items()}
    return Case("random", 5.0, named, {}, (), build_ruleset(points, alarms))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_any_rules_move_alike_up_to_an_outage_and_under_jumps_of_the_clock(
    points, random_rules, random_series, seed, data
):
    whole = _random_case(points, random_rules(seed, 4), random_series(seed, 40))
    before = run_case(whole)
    name = data.draw(st.sampled_from([point.name for point in points]))
    at = data.draw(st.integers(0, 39))

    def with_slot(slot):
        column = list(whole.series[name])
        column[at] = slot
        return run_case(replace(whole, series={**whole.series, name: column}))

    assert with_slot(Slot(CLOCK, 3600.0)) == with_slot(Slot(NOTHING))
    cut = with_slot(Slot(REBOOT))
    assert [move for move in cut if move.at_s < at * 5.0] == [move for move in before if move.at_s < at * 5.0]


@given(texts)
def test_what_is_run_is_what_is_written(text):
    written = format_series(parse_series(text))
    assert run_case(case(written)) == run_case(case(text))
