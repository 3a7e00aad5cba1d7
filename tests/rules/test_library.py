"""Models by name and by file, and their binding to points and figures: what fits, what does not, in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.library import BindErrors, ModelErrors, bind, load_model, names, own_inputs, own_points
from rules.library.figures import lookup_table, measure
from rules.library.modelfile import read_model
from rules.model import AlarmRule, PointInfo
from rules.ruleset import build_ruleset

MODEL = """
[model]
title = { zh = "河道水位", en = "River stage" }
text = { zh = "水位", en = "Stage" }
hazard = "flood"
latch = true
on_missing = "alarm"
[input.level]
unit = "m"
kinds = ["gauge"]
low = "0 m"
high = "900 cm"
[input.rain]
unit = "mm"
kinds = ["counter", "increment", "running_total", "intensity"]
many = true
least = 0
[input.gate]
unit = ""
states = ["open", "closed"]
[parameter.limit]
unit = "m"
low = "1 m"
high = "5 m"
authority = true
[parameter.lag]
unit = "min"
default = "10 min"
source = "example"
[parameter.strong]
unit = "mm"
default = "20 mm"
source = "example"
authority = true
[table.curve]
x = ["0 m", "100 cm"]
y = ["10 mm", "2 cm"]
[level.yellow]
when = "level > limit"
for = "lag"
clear = "level < limit - 5 cm"
clear_for = "30 min"
[level.red]
when = "any(each(rain, increase(rain, 1 h) > strong)) and state(gate) == 'closed'"
clear = "level < lookup(curve, level)"
"""
LEVEL = PointInfo("gauge.level", "mm", 60.0)
RAIN = PointInfo("rain.total", "cm", 60.0, kind="counter")
INTENSITY = PointInfo("radar.rain", "mm/h", 60.0, kind="intensity")
GATE = PointInfo("weir.gate", "", 60.0, states={"closed": 7, "open": 3})
POINTS = (LEVEL, RAIN, INTENSITY, GATE)
INPUTS = {"level": "gauge.level", "gate": "weir.gate"}


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "river.toml"
    file.write_text(MODEL, encoding="utf-8")
    return load_model(file)


def told(error):
    return [str(problem) for problem in error.value.problems]


def test_a_file_becomes_a_model(model):
    assert (model.name, model.hazard, model.latch, model.on_missing) == ("river", "flood", True, "alarm")
    assert [level.level for level in model.levels] == ["yellow", "red"]
    assert (model.inputs["level"].low, model.inputs["level"].high) == (0.0, 9.0)
    assert (model.parameters["limit"].default, model.parameters["limit"].high) == (None, 5.0)
    assert (model.tables["curve"].x_unit, model.tables["curve"].xs) == ("m", (0.0, 1.0))
    assert (model.tables["curve"].y_unit, model.tables["curve"].ys) == ("mm", (10.0, 20.0))


def test_bound_levels_have_the_sites_points_and_figures(model):
    bound = bind(model, {**INPUTS, "rain": ["rain.total", "radar.rain"]}, {"limit": "240 cm", "lag": "20 s"}, POINTS)
    assert [(rule.level, rule.for_s, rule.clear_for_s) for rule in bound.levels] == [
        ("yellow", 20, 1800),
        ("red", 0, 0),
    ]
    assert bound.names.points["rain"] == ("rain.total", "radar.rain")
    assert bound.names.many == {"rain"}
    assert dict(bound.names.quantities) == {"limit": "240 cm", "lag": "20 s", "strong": "20 mm"}
    assert (bound.defaults, bound.unset) == (("strong",), ("strong",))
    assert (bound.latch, bound.on_missing) == (True, "alarm")
    rules = [AlarmRule("river", bound.levels, bound.on_missing, bound.latch, bound.names)]
    assert build_ruleset(POINTS, rules).used_points(0) == {0, 1, 2, 3}


def test_what_left_out_levels_use_need_not_be_given(model):
    bound = bind(model, {"level": "gauge.level"}, {"limit": "2 m"}, POINTS, ["yellow"])
    assert [rule.level for rule in bound.levels] == ["yellow"]
    assert set(bound.names.points) == {"level"}
    assert bound.unset == ()


def test_one_name_may_stand_where_many_are_taken_and_none_where_none_are_needed(model):
    assert bind(model, {**INPUTS, "rain": "rain.total"}, {"limit": "2 m"}, POINTS).names.points["rain"] == (
        "rain.total",
    )
    assert bind(model, INPUTS, {"limit": "2 m"}, POINTS).names.points["rain"] == ()


@pytest.mark.parametrize(
    ("inputs", "parameters", "words"),
    [
        (
            {"level": "gauge.levle"},
            {},
            'inputs.level: got "gauge.levle", expected a point (device.point) in m; did you',
        ),
        ({"level": "rain.total"}, {}, "inputs.level: got rain.total, which is of kind counter, expected one of gauge"),
        ({"level": ["gauge.level"]}, {}, "inputs.level: got an array, expected a point (device.point) in m"),
        ({"level": None}, {}, "inputs.level: got nothing, expected a point (device.point) in m"),
        ({"level": "weir.gate"}, {}, "inputs.level: got weir.gate in no unit, expected a point (device.point) in m"),
        ({"gate": "gauge.level"}, {}, "inputs.gate: got gauge.level, which has no states, expected open, closed among"),
        (
            {"rain": "gauge.level"},
            {},
            "inputs.rain: got gauge.level, which is of kind gauge, expected one of counter, in",
        ),
        ({"rain": ["rain.total"] * 2}, {}, 'inputs.rain[1]: got "rain.total" twice, expected each point once'),
        (
            {"rian": "rain.total"},
            {},
            "inputs.rian: got an unknown name, expected one of level, rain, gate; did you mean r",
        ),
        (
            {},
            {"limit": None},
            "parameters.limit: got nothing, expected a quantity in m: the model has no default for it",
        ),
        ({}, {"limit": "90 cm"}, 'parameters.limit: got "90 cm", expected at least 1 m'),
        ({}, {"limit": "5.01 m"}, 'parameters.limit: got "5.01 m", expected at most 5 m'),
        ({}, {"limit": 2}, 'parameters.limit: got 2, expected a quantity such as "2.5 m"'),
        ({}, {"limit": "2 kg"}, 'parameters.limit: got "2 kg", expected a quantity in m'),
        (
            {},
            {"limit": "2 mm/fortnight"},
            "parameters.limit: got \"2 mm/fortnight\", expected a quantity: unit 'fortnight'",
        ),
        (
            {},
            {"limt": "2 m"},
            "parameters.limt: got an unknown name, expected one of limit, lag, strong; did you mean lim",
        ),
    ],
)
def test_what_does_not_fit_is_told(model, inputs, parameters, words):
    given_inputs = {name: to for name, to in {**INPUTS, **inputs}.items() if to is not None}
    figures = {name: value for name, value in {"limit": "2 m", **parameters}.items() if value is not None}
    with pytest.raises(BindErrors) as caught:
        bind(model, given_inputs, figures, POINTS)
    (line,) = told(caught)
    assert line.startswith(words)


def test_all_mistakes_of_a_binding_are_told_at_once(model):
    with pytest.raises(BindErrors) as caught:
        bind(model, {"gate": "gauge.level"}, {"lag": "1 m"}, POINTS, ["yellow", "rod", "red"])
    assert [line.split(":")[0] for line in told(caught)] == [
        "levels[1]", "inputs.level", "inputs.gate", "parameters.limit", "parameters.lag",
    ]  # fmt: skip
    with pytest.raises(BindErrors, match="levels: got none, expected one of yellow, red"):
        bind(model, {}, {}, POINTS, [])


def test_own_points_stand_for_the_inputs(model):
    points = own_points(model, 60.0, {"rain": 2})
    assert [point.name for point in points] == ["level", "rain.1", "rain.2", "gate"]
    assert [point.kind for point in points] == ["gauge", "counter", "counter", "gauge"]
    assert {(point.stale_after_s, point.baseline) for point in points} == {(180.0, "first")}
    assert points[0].high == 9.0
    bound = bind(model, own_inputs(model, {"rain": 2}), {"limit": "2 m"}, points)
    rules = [AlarmRule("river", bound.levels, names=bound.names)]
    assert build_ruleset(points, rules).used_points(0) == {0, 1, 2, 3}


def test_names_and_the_nearest_one():
    assert "river-stage" in names()
    with pytest.raises(ModelErrors, match="did you mean river-stage"):
        load_model("river-stge")
    with pytest.raises(ModelErrors, match="can't be read"):
        load_model("absent.toml")


@pytest.mark.parametrize("name", names())
def test_each_model_of_the_library_has_its_words_and_sources(name):
    model = load_model(name)
    for texts in (model.title, model.text):
        assert all(texts.get(language, "").strip() for language in ("zh", "en"))
    for thing in (*model.inputs.values(), *model.parameters.values()):
        assert {"zh", "en"} <= thing.title.keys(), thing.name
    assert model.sources
    assert model.cases


@pytest.mark.parametrize("name", names())
def test_each_model_of_the_library_binds_to_points_of_its_own(name):
    """With every figure at its default, or at a bound of what a site may give where there is none."""
    model = load_model(name)
    counts = {wanted.name: max(wanted.least, 2) for wanted in model.inputs.values() if wanted.many}
    points = own_points(model, 60.0, counts)
    figures = {
        parameter.name: f"{parameter.low or parameter.high or 1:g} {parameter.unit}"
        for parameter in model.parameters.values()
        if parameter.default is None
    }
    bound = bind(model, own_inputs(model, counts), {**figures, **dict(model.case_parameters)}, points)
    assert [rule.level for rule in bound.levels] == [level.level for level in model.levels]
    assert set(bound.unset) <= set(bound.defaults)
    assert build_ruleset(points, [AlarmRule(name, bound.levels, names=bound.names)]).used_points(0)


def test_a_model_that_is_no_toml_tells_its_line(tmp_path):
    with pytest.raises(ModelErrors) as caught:
        read_model(tmp_path / "m.toml", b"[model]\ntitle = {\n")
    assert (caught.value.line, caught.value.problems[0].message.split(":")[0]) == (2, "not TOML")
    with pytest.raises(ModelErrors) as caught:
        read_model(tmp_path / "m.toml", b"[model]\nhazard = '\xff'\n")
    assert str(caught.value).endswith("m.toml:2: got byte 0xff, expected UTF-8 text")


def test_temperatures_and_their_differences_are_told_apart():
    assert measure("20 degC", "degC") == 20.0
    assert measure("293.15 K", "degC") == pytest.approx(20.0)
    assert measure("5 K", "delta_degC") == 5.0
    with pytest.raises(ValueError, match="a difference of temperatures in K"):
        measure("5 degC", "K")
    with pytest.raises(ValueError, match="a temperature in degC"):
        measure("5 delta_degC", "degC")


@pytest.mark.parametrize("value", ["1e999 m", math.nan, math.inf])
def test_a_figure_is_finite(value):
    with pytest.raises(ValueError, match="expected a finite number"):
        measure(value, "m" if isinstance(value, str) else "")


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8, unique=True).map(sorted), st.data())
def test_rising_knots_of_any_numbers_are_a_table(xs, data):
    ys = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(xs), max_size=len(xs)))
    table, problems = lookup_table("t", {"x": [f"{x!r} mm" for x in xs], "y": ys})
    assert problems == []
    assert (table.xs, table.ys, table.x_unit, table.y_unit) == (tuple(xs), tuple(ys), "mm", "")
    back, problems = lookup_table("t", {"x": [f"{x!r} mm" for x in reversed(xs)], "y": ys})
    assert back is None
    assert len(problems) == len(xs) - 1


@pytest.mark.parametrize("value", ["7", "-1", "nan", "[[]]", "{ a = { b = 1 } }", '"?"', "false", '""', '["1 m", 3]'])
def test_any_value_of_another_kind_is_refused_or_borne(value, tmp_path):
    """Each key of a model in turn: never anything but a model or ModelErrors, and most are refused."""
    lines = MODEL.splitlines()
    refused = 0
    for number, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        if equals:
            spoilt = "\n".join([*lines[:number], f"{key} = {value}", *lines[number + 1 :]])
            try:
                model = read_model(tmp_path / "m.toml", spoilt.encode())
            except ModelErrors:
                refused += 1
            else:
                assert own_points(model, 60.0, {"rain": 1})
    assert refused > 20
