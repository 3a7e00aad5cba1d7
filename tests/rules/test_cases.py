"""What a scenario's tables may say: cases bound to a site's rules or a model, every mistake told with its keys."""

import tomllib
from pathlib import Path

import pytest

from rules.cases import read_cases
from rules.cases.casetables import CaseErrors
from rules.cases.expects import Active, Never, Reaches
from rules.library import read_model
from rules.model import AlarmRule, LevelRule, PointInfo
from rules.ruleset import build_ruleset

SITE = build_ruleset(
    [
        PointInfo("gauge.level", "m", 30.0, high=5.0),
        PointInfo("pump.state", "", 30.0, states={"off": 0, "on": 1}),
        PointInfo("mains.voltage", "V", 3600.0),
    ],
    [
        AlarmRule("river", (LevelRule("yellow", "gauge.level > 2 m"), LevelRule("red", "gauge.level > 3 m"))),
        AlarmRule("pump", (LevelRule("yellow", 'gauge.level > 1 m and state(pump.state) == "off"'),)),
        AlarmRule("mains", (LevelRule("yellow", "mains.voltage < 180 V"),), on_missing="alarm"),
    ],
)
MODEL = """
[model]
title = { en = "Leak" }
text = { en = "A leak." }
hazard = "gas"
[input.sensor]
unit = "ppm"
many = true
[input.wind]
unit = "m/s"
[parameter.limit]
unit = "ppm"
[level.yellow]
when = "any(each(sensor, sensor > limit)) and wind < 5 m/s"
"""
GOOD = """
[[case]]
name = "a rise"
interval = "10 s"
[case.series]
"gauge.level" = "1x10 2.5x10"
[[case.expect]]
at = "90 s"
alarms = {}
"""


def cases(text, rules=SITE, **more):
    return read_cases(tomllib.loads(text).get("case"), rules, **more)


def problems(text, rules=SITE, **more):
    with pytest.raises(CaseErrors) as error:
        cases(text, rules, **more)
    return {
        ".".join(map(str, p.path[2:] if p.path[:1] == ("case",) else p.path)): (p.message, p.hint)
        for p in error.value.problems
    }


def model(text=MODEL):
    return read_model(Path("leak.toml"), text.encode())


# --- what is right -----------------------------------------------------------------------------------------------


def test_a_case_has_its_series_and_expectations():
    (case,) = cases(
        GOOD
        + """
[[case.expect]]
from = "100 s"
to = "150 s"
alarms = { river = "yellow" }
[[case.expect]]
never = { river = "red" }
[[case.expect]]
from = "50 s"
never = ["river"]
[[case.expect]]
alarm = "river"
level = "yellow"
between = ["90 s", "2 min"]
"""
    )
    assert (case.name, case.interval_s, case.slots, case.end_s) == ("a rise", 10.0, 20, 200.0)
    assert case.expects == (
        Active(90.0, 90.0, {}),
        Active(100.0, 150.0, {"river": "yellow"}),
        Never(0.0, 200.0, {"river": "red"}),
        Never(50.0, 200.0, {"river": "yellow"}),
        Reaches(90.0, 120.0, "river", "yellow"),
    )


def test_only_alarms_that_look_at_the_case_are_judged():
    (case,) = cases(GOOD)
    assert [alarm.name for alarm in case.ruleset.alarms] == ["river", "pump"]
    (case,) = cases(GOOD.replace("alarms = {}", "never = ['mains']").replace("at =", "to ="))
    assert [alarm.name for alarm in case.ruleset.alarms] == ["river", "pump", "mains"]


def test_a_point_is_missing_after_three_intervals_or_later_or_as_the_case_says():
    stale = {point.name: point.stale_after_s for point in cases(GOOD)[0].ruleset.points}
    assert stale == {"gauge.level": 30.0, "pump.state": 30.0, "mains.voltage": 3600.0}
    (case,) = cases(GOOD.replace("10 s", "15 min").replace("90 s", "90 min"))
    assert [point.stale_after_s for point in case.ruleset.points] == [2700.0, 2700.0, 3600.0]
    (case,) = cases(GOOD.replace("[[case.expect]]", '[case.stale_after]\n"gauge.level" = "12 s"\n[[case.expect]]'))
    assert case.ruleset.points[0].stale_after_s == 12.0


def test_a_model_has_as_many_points_as_have_series():
    text = GOOD.replace('"gauge.level" = "1x10 2.5x10"', '"sensor.1" = "1x10 9x10"\n"sensor.3" = "2x20"\nwind = "1x20"')
    (case,) = cases(text, model(), parameters={"limit": "5 ppm"})
    assert [point.name for point in case.ruleset.points] == ["sensor.1", "sensor.2", "sensor.3", "wind"]
    assert [point.stale_after_s for point in case.ruleset.points] == [30.0] * 4
    more = "[case.inputs]\nsensor = 5\n[case.stale_after]\nsensor = '1 min'\n[[case.expect]]"
    (case,) = cases(text.replace("[[case.expect]]", more), model(), parameters={"limit": "5 ppm"})
    assert [point.stale_after_s for point in case.ruleset.points] == [60.0] * 5 + [30.0]


def test_a_case_may_have_parameters_of_its_own():
    text = GOOD.replace('"gauge.level"', '"sensor.1"').replace(
        "[[case.expect]]", '[case.parameters]\nlimit = "2 ppm"\n[[case.expect]]'
    )
    (case,) = cases(text, model(), parameters={"limit": "5 ppm"})
    assert case.ruleset.alarms[0].names.quantities["limit"] == "2 ppm"


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "message", "hint"),
    [
        ('name = "a rise"', "", "name", "got nothing, expected a text", ""),
        ('name = "a rise"', "name = 3", "name", "got 3, expected a text", ""),
        ('name = "a rise"', 'name = "a"\nkind = "onst"', "kind", 'got "onst"', "did you mean onset?"),
        ('name = "a rise"', 'name = "a"\nkind = 1', "kind", "got 1, expected one of onset, boundary", ""),
        ('"10 s"', '"10"', "interval", 'got "10", expected a duration with its unit', ""),
        ('"10 s"', "10", "interval", "got 10, expected a duration with its unit", ""),
        ('"10 s"', '"0 s"', "interval", 'got "0 s", expected a duration above zero', ""),
        ("interval", "intervl", "intervl", "got an unknown key", "did you mean interval?"),
        ("interval", "intervl", "interval", "got nothing, expected a duration", ""),
        ('"gauge.level"', '"gauge.levle"', "series.gauge.levle", "there is no point", "did you mean gauge.level?"),
        ('"1x10 2.5x10"', "1", "series.gauge.level", "got 1, expected tokens", ""),
        ('"1x10 2.5x10"', '"1 stal"', "series.gauge.level", "got stal", "did you mean stale?"),
        ('"gauge.level" = "1x10 2.5x10"', "", "series", "got none, expected the series of at least one point", ""),
        ('[[case.expect]]\nat = "90 s"\nalarms = {}', "", "expect", "got nothing, expected tables [[case.expect]]", ""),
        ('at = "90 s"', "", "expect.0", "got no time", ""),
        ('"90 s"', '"90"', "expect.0.at", 'got "90", expected a duration', ""),
        ('"90 s"', '"5 min"', "expect.0.at", "expected a time from 0 s to 200 s", "add _ for slots without readings"),
        ('"90 s"', '"-1 s"', "expect.0.at", "expected a time from 0 s to 200 s", ""),
        ('at = "90 s"', 'at = "90 s"\nfrom = "1 s"', "expect.0.from", "got it beside at", ""),
        ('at = "90 s"', 'from = "2 min"\nto = "1 min"', "expect.0.to", "got an end before its start", ""),
        ("alarms = {}", "", "expect.0", "got none, expected one of alarms, never and alarm", ""),
        ("alarms = {}", 'alarms = {}\nalarm = "river"', "expect.0", "got alarms and alarm, expected one of", ""),
        ("alarms = {}", 'alarms = {}\nlevel = "red"', "expect.0.level", "got it beside alarms", ""),
        ("alarms = {}", 'alarms = ["river"]', "expect.0.alarms", "got an array", ""),
        ("alarms = {}", 'alarms = { rivr = "red" }', "expect.0.alarms.rivr", "no alarm rivr", "did you mean river?"),
        ("alarms = {}", 'alarms = { river = "reed" }', "expect.0.alarms.river", 'got "reed"', "did you mean red?"),
        ("alarms = {}", 'alarms = { pump = "red" }', "expect.0.alarms.pump", 'got "red", expected one of yellow', ""),
        ('at = "90 s"\nalarms = {}', 'never = ["rivr"]', "expect.0.never.rivr", "no alarm rivr", "did you mean river?"),
        ('at = "90 s"\nalarms = {}', "never = 3", "expect.0.never", "got 3, expected", ""),
        ('at = "90 s"\nalarms = {}', 'alarm = "river"\nlevel = "red"', "expect.0.between", "got nothing", ""),
        (
            'at = "90 s"\nalarms = {}',
            'alarm = "river"\nbetween = ["1 s", "2 s"]',
            "expect.0.level", "got nothing, expected one of yellow, red, normal", "",
        ),
        (
            'at = "90 s"\nalarms = {}',
            'alarm = "river"\nlevel = "red"\nbetween = ["3 s", "2 s"]',
            "expect.0.between", "got an end before its start", "",
        ),
        ("[[case.expect]]", "[case.stale_after]\nx = '1 s'\n[[case.expect]]", "stale_after.x", "there is no point", ""),
        (
            "[[case.expect]]",
            "[case.stale_after]\n'gauge.level' = '0 s'\n[[case.expect]]",
            "stale_after.gauge.level", 'got "0 s", expected a duration above zero', "",
        ),
        ("[[case.expect]]", "[case.parameters]\n[[case.expect]]", "parameters", "got it for a site", ""),
        ("[[case.expect]]", "[case.inputs]\n[[case.expect]]", "inputs", "got it for a site", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_key(old, new, key, message, hint):
    assert old in GOOD
    found = problems(GOOD.replace(old, new))
    assert key in found, found
    assert message in found[key][0]
    assert hint == found[key][1]


def test_a_mistake_in_a_text_has_its_column():
    with pytest.raises(CaseErrors) as error:
        cases(GOOD.replace("1x10 2.5x10", "1x10 2.5x10 oops"))
    assert error.value.problems[0].column == 12


@pytest.mark.parametrize("text", ["", "case = 3", "case = []"])
def test_a_file_needs_cases(text):
    assert "expected tables [[case]]" in problems(text)[""][0]


def test_two_cases_have_two_names():
    found = problems(GOOD + GOOD)
    assert found["name"][0].startswith('got "a rise" again')


def test_all_mistakes_of_all_cases_are_told_at_once():
    with pytest.raises(CaseErrors) as error:
        cases(GOOD.replace("10 s", "x").replace("1x10", "y") + GOOD.replace("a rise", "b").replace("90 s", "z"))
    assert [p.path[1:] for p in error.value.problems] == [
        (0, "interval"), (0, "series", "gauge.level"), (1, "expect", 0, "at"),
    ]  # fmt: skip


def test_what_a_model_is_not_given_is_told_once_and_at_the_file_where_it_stands():
    text = GOOD.replace('"gauge.level"', '"sensor.1"')
    assert "got nothing, expected a quantity in ppm" in problems(text, model())["parameters.limit"][0]
    twice = text + text.replace("a rise", "b")
    with pytest.raises(CaseErrors) as error:
        cases(twice, model(), parameters={"limit": "5 m", "limits": "5 ppm"})
    assert [p.path for p in error.value.problems] == [("parameters", "limits"), ("parameters", "limit")]


def test_inputs_that_a_model_does_not_have_are_told():
    text = GOOD.replace('"gauge.level"', '"sensor.1"').replace(
        "[[case.expect]]", "[case.inputs]\nsnsor = 2\nwind = 2\nsensor = -1\n[[case.expect]]"
    )
    found = problems(text, model(), parameters={"limit": "5 ppm"})
    assert found["inputs.snsor"] == ('got "snsor", expected one of sensor', "did you mean sensor?")
    assert "inputs.wind" in found
    assert "expected how many points there are" in found["inputs.sensor"][0]


def test_a_wrong_condition_of_a_model_is_told_at_the_model_once():
    text = GOOD.replace('"gauge.level"', '"sensor.1"')
    wrong = model(MODEL.replace("wind < 5 m/s", "wind < 5 s"))
    with pytest.raises(CaseErrors) as error:
        cases(text + text.replace("a rise", "b"), wrong, parameters={"limit": "5 ppm"})
    (problem,) = error.value.problems
    assert problem.of_rules
    assert problem.path == ("level", "yellow", "when")
    assert problem.column is not None
