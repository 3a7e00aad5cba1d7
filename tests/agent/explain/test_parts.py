"""Conditions taken apart: long ones, models' names, votes over many points, what is not known and why."""

from __future__ import annotations

from typing import Any

from agent.explain.parts import Line, amount, lines_of, span_of
from rules.judge import Judge, build_ruleset
from rules.model import AlarmRule, LevelRule, Names, PointInfo, Sample

POINTS = [PointInfo(f"{name}.ppm", "ppm", 60.0) for name in "abc"]
GIVEN = Names({"gas": ("a.ppm", "b.ppm", "c.ppm")}, frozenset({"gas"}), {"danger": "25 ppm"})


def lines(when: str, *values: float | None, language: str = "en", names: Names = GIVEN) -> list[Line]:
    judge = Judge(build_ruleset(POINTS, [AlarmRule("one", (LevelRule("red", when),), names=names)]), 0.0)
    for at_s in range(30):
        judge.step(float(at_s), [Sample(p, value, 0) for p, value in enumerate(values) if value is not None])
    (level,) = judge.explain(0)
    readings: dict[str, Any] = {reading["point"]: reading for reading in level["readings"]}
    return list(lines_of(level["when"], level["parts"], readings, language))


def test_a_vote_names_each_of_its_points() -> None:
    told = lines("vote(2, each(gas, gas > danger))", 30.0, 20.0, None)
    assert [(line.depth, line.text, line.truth) for line in told] == [
        (0, "vote(2, each(gas, gas > danger))", "unknown"),
        (1, "gas > danger", "true"),
        (1, "gas > danger", "false"),
        (1, "gas > danger", "unknown"),
    ]
    assert told[1].details == ("30 ppm", "limit 25 ppm", "5 ppm above", "a.ppm")
    assert told[2].details == ("20 ppm", "limit 25 ppm", "5 ppm to go", "b.ppm")
    assert told[3].details == ("not known: c.ppm is never read",)


def test_a_limit_on_the_left_reads_the_same_way_round() -> None:
    _, low, high = lines("19 ppm < a.ppm < 23 ppm", 25.0)
    assert low.details == ("25 ppm", "limit 19 ppm", "6 ppm above")
    assert high.details == ("25 ppm", "limit 23 ppm", "still 2 ppm above")


def test_a_window_with_too_little_in_it() -> None:
    (line,) = lines("avg(a.ppm, 10 min) > 20 ppm", 30.0, language="zh")
    assert line.truth == "unknown"
    assert line.details[0] == "无法判断：最近 10 分钟内的可用数据不足"


def test_what_the_language_rewrites_is_told_as_it_was_written() -> None:
    told = lines("age(a.ppm) < 5 s and held(a.ppm > 10 ppm, 10 s)", 30.0)
    assert [(line.depth, line.text, line.truth) for line in told] == [
        (0, "age(a.ppm) < 5 s and held(a.ppm > 10 ppm, 10 s)", "true"),
        (1, "age(a.ppm) < 5 s", "true"),
        (1, "held(a.ppm > 10 ppm, 10 s)", "true"),
        (2, "a.ppm > 10 ppm", "true"),
    ]


def test_a_long_part_is_told_by_what_it_asks_of_its_parts() -> None:
    long = "a.ppm > 10 ppm or b.ppm > 10 ppm or c.ppm > 10 ppm or a.ppm + b.ppm > 15 ppm"
    told = lines(f"a.ppm < 50 ppm\n  and ({long})", 5.0, 6.0, 7.0)
    assert told[0].text == f"a.ppm < 50 ppm and ({long})"
    assert [line.text for line in told if line.depth == 1] == ["a.ppm < 50 ppm", "any of:"]
    assert told[-1].details == ("11 ppm", "limit 15 ppm", "4 ppm to go", "a.ppm = 5 ppm", "b.ppm = 6 ppm")


def test_a_difference_of_rounding_is_no_distance() -> None:
    (line,) = lines("a.ppm - b.ppm >= 0.3 ppm", 2.3 - 2**-52, 2.0)
    assert line.details[2] == "no further from it than rounding"


def test_amounts_and_spans() -> None:
    assert [amount(value, "mm", "en") for value in (450.0, 0.1 + 0.2, 1234567.0, None)] == [
        "450 mm", "0.3 mm", "1235000 mm", "no value",
    ]  # fmt: skip
    assert [span_of(seconds, "en") for seconds in (0.2, 90, 600, 7201, 200_000)] == [
        "0.2 s", "90 s", "10 min", "2 h", "2.31 d",
    ]  # fmt: skip
