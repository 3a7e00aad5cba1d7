"""Other setpoints: what may be varied, what is refused, and that judging side by side is judging one by one."""

import numpy as np
import pytest

from agent.backtest.vary import VaryError, extend, parse
from agent.site.load import load_site

from .conftest import SITE, label, record

MODEL = """
[model]
title = { zh = "水位", en = "stage" }
text = { zh = "一", en = "one" }
hazard = "flood"
sources = ["example"]
[input.level]
title = { zh = "水位", en = "stage" }
unit = "m"
[parameter]
limit = { unit = "m", low = "0 m", high = "5 m", source = "example", title = { zh = "限", en = "limit" } }
above = { unit = "m", default = "1 m", high = "5 m", source = "example", title = { zh = "上", en = "above" } }
[level.yellow]
when = "level > limit"
for = "2 min"
clear_for = "3 min"
[level.red]
when = "avg(level, 5 min) > limit + above"
"""
BOUND = """
[alarm.modelled]
model = "stage.toml"
inputs = { level = "gauge.stage" }
parameters = { limit = "2 m" }
"""


@pytest.fixture
def modelled(site):
    (site.parent / "stage.toml").write_text(MODEL, encoding="utf-8")
    site.write_text(SITE + BOUND, encoding="utf-8")
    return load_site(site)


def values(site, text):
    (variation,) = parse([text], site.ruleset.alarms)
    return variation.key, variation.values


def test_a_range_is_exact(modelled):
    key, found = values(modelled, "modelled.limit=2.0 m..3.0 m/0.1 m")
    assert key == "modelled.limit"
    assert found == tuple(f"{2 + k / 10:.1f} m" for k in range(11))


def test_units_may_differ_and_the_alarm_may_be_left_out(modelled):
    assert values(modelled, "limit = 150 cm .. 2 m / 25 cm") == ("modelled.limit", ("1.50 m", "1.75 m", "2.00 m"))
    assert values(modelled, "limit=2 m, 250 cm")[1] == ("2 m", "250 cm")


def test_a_range_may_fall_and_need_not_meet_its_end(modelled):
    assert values(modelled, "limit=3 m..2.2 m/-0.3 m")[1] == ("3.0 m", "2.7 m", "2.4 m")


def test_delays_of_any_alarm_can_be_varied(modelled):
    assert values(modelled, "river.yellow.for=0 s..2 min/1 min") == ("river.yellow.for", ("0 min", "1 min", "2 min"))
    (variation,) = parse(["river.yellow.clear_for=1 min, 2 min"], modelled.ruleset.alarms)
    assert variation.now(modelled.ruleset.alarms[0]) == "180 s"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modelled.limit", "expected alarm.parameter=FROM..TO/STEP"),
        ("modelled.limitt=1 m..2 m/1 m", "did you mean modelled.limit?"),
        ("modelled.limit=1 m..2 m/0 m", "do not lead"),
        ("modelled.limit=1 m..2 m/-1 m", "do not lead"),
        ("modelled.limit=1..2/1", "no unit"),
        ("modelled.limit=1 s..2 s/1 s", "a time"),
        ("modelled.limit=1 m..2 s/1 m", "a time"),
        ("modelled.limit=fast", "a quantity with its unit"),
        ("modelled.limit=0 m..5 m/1 mm", "at most 200"),
        ("yellow.for=1 s..3 s/1 s", "several alarms have it"),
    ],
)
def test_what_can_not_be_varied_is_told(modelled, text, told):
    with pytest.raises(VaryError) as caught:
        parse([text, "nowhere.x=1 m"], modelled.ruleset.alarms)
    first, second = str(caught.value).split("\n")
    assert told in first
    assert "nowhere.x" in second, "all problems at once"


def test_a_grid_has_bounds(modelled):
    with pytest.raises(VaryError, match=r"21 x 21 = 441 combinations, at most 200"):
        parse(["limit=1 m..3 m/0.1 m", "above=1 m..3 m/0.1 m"], modelled.ruleset.alarms)
    with pytest.raises(VaryError, match="varied twice"):
        parse(["limit=1 m, 2 m", "modelled.limit=3 m"], modelled.ruleset.alarms)


def test_values_that_the_model_does_not_allow_are_told_in_their_place(modelled):
    varied = extend(modelled, parse(["limit=4 m..6 m/1 m"], modelled.ruleset.alarms))
    assert [bool(one.problem) for one in varied.combinations] == [False, False, True]
    assert "5 m" in varied.combinations[2].problem
    assert [rule.name for rule in varied.ruleset.alarms[:3]] == ["river", "rain", "modelled"]
    assert len(varied.ruleset.alarms) == 5


def test_variants_cost_no_shape_and_no_window(modelled):
    varied = extend(modelled, parse(["limit=1 m..3 m/0.1 m"], modelled.ruleset.alarms))
    assert len(varied.ruleset.plan.windows) == len(modelled.ruleset.plan.windows)
    assert varied.ruleset.tables.shapes == modelled.ruleset.tables.shapes, "so that the same compiled code judges them"


def test_side_by_side_is_one_by_one(modelled, site, judge, flood, tmp_path):
    history = record(tmp_path / "h.csv", flood)
    events = label(tmp_path / "events.csv", [(125, 180, "flood", "", "flood")])
    options = {"labels": events, "margin_s": 600.0}
    grid = judge(history, vary=("limit=1.5 m..3.5 m/1 m", "modelled.yellow.for=0 s, 5 min"), **options)["vary"]
    assert len(grid["rows"]) == 7
    assert grid["rows"][0]["values"] is None
    text = site.read_text(encoding="utf-8")
    for row in grid["rows"][1:]:
        limit, delay = row["values"].values()
        (site.parent / "stage.toml").write_text(MODEL.replace('for = "2 min"', f'for = "{delay}"'), encoding="utf-8")
        site.write_text(text.replace('limit = "2 m"', f'limit = "{limit}"'), encoding="utf-8")
        alone = judge(history, **options)
        assert row["activations"] == alone["summary"]["modelled"]["activations"]
        assert row["active_s"] == alone["summary"]["modelled"]["active_s"]
        assert row["score"] == alone["score"]["alarms"]["modelled"]
    counts = [row["activations"] for row in grid["rows"][1:]]
    assert counts != sorted(counts), "the values matter"
    assert np.all(np.diff([row["active_s"] for row in grid["rows"][1::2]]) <= 0), "a higher limit is exceeded for less"
