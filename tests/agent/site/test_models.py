"""Alarms made of models, lookup tables, recorded instruments, resets and baselines: what a site becomes of them."""

import io
import json
import shutil

import pytest
from rich.console import Console

from agent.check import check, dependences
from agent.config import ConfigErrors, keep_good, load_good, load_site
from rules.library import bind

MODEL = """
[model]
title = { zh = "水位", en = "Level" }
text = { zh = "水位", en = "Level" }
hazard = "waterlogging"
on_missing = "alarm"
latch = true
[input.level]
unit = "mm"
[parameter.limit]
unit = "mm"
low = "0 mm"
[parameter.lag]
unit = "s"
default = "30 s"
authority = true
source = "example"
[level.red]
when = "level > limit"
for = "lag"
[level.yellow]
when = "level > limit - 100 mm"
"""
ALARM = """
[alarm.level]
plan = "flood"
model = "models/level.toml"
inputs = { level = "underpass.level" }
parameters = { limit = "40 cm", lag = "20 s" }
[device.gauge]
driver = "recorded"
period = "10 min"
[device.gauge.point.rain]
unit = "mm"
kind = "running_total"
reset = "hh:51"
wrap = "10 cm"
high = "2 m"
[device.gauge.point.tilt]
unit = "deg"
baseline = "first"
[device.gauge.point.crack]
unit = "mm"
baseline = "1.23 cm"
[table.curve]
x = ["0 deg", "1 deg"]
y = ["10 cm", "200 mm"]
[alarm.looking-up]
shadow = true
level.red.when = "underpass.level > lookup(curve, gauge.tilt)"
[uplink]
"""


@pytest.fixture
def site_file(whole):
    """The whole site with an alarm of a model of its own, and one that looks up."""
    (whole.parent / "models").mkdir()
    (whole.parent / "models" / "level.toml").write_text(MODEL, encoding="utf-8")
    whole.write_text(whole.read_text(encoding="utf-8").replace("[uplink]\n", ALARM), encoding="utf-8")
    return whole


def change(path, *changes):
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def line_of(path, words):
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(words))


def told(path):
    with pytest.raises(ConfigErrors) as caught:
        load_site(path)
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_an_alarm_has_its_models_levels_and_defaults(site_file):
    site = load_site(site_file)
    alarm = site.alarms["level"]
    assert [(rule.level, rule.for_s) for rule in alarm.rule.levels] == [("yellow", 0.0), ("red", 20.0)]
    assert (alarm.rule.on_missing, alarm.rule.latch, alarm.hazard) == ("alarm", True, "waterlogging")
    assert dict(alarm.title) == {"zh": "水位", "en": "Level"}
    assert alarm.model.parameters == {"limit": "40 cm", "lag": "20 s"}
    assert site.ruleset.used_points(alarm.index) == {list(site.points).index("underpass.level")}


def test_the_site_may_say_otherwise(site_file):
    change(
        site_file,
        ('model = "models', 'latch = false\non_missing = "hold"\nhazard = "flood"\nlevels = ["red"]\nmodel = "models'),
        ("[alarm.level]\n", '[alarm.level]\ntitle = { zh = "桥下", en = "Bridge" }\n'),
    )
    alarm = load_site(site_file).alarms["level"]
    assert [rule.level for rule in alarm.rule.levels] == ["red"]
    assert (alarm.rule.on_missing, alarm.rule.latch, alarm.hazard) == ("hold", False, "flood")
    assert alarm.title["en"] == "Bridge"
    assert alarm.model.levels == ("red",)


def test_a_model_can_be_bound_again_with_other_figures(site_file):
    site = load_site(site_file)
    use = site.alarms["level"].model
    again = bind(use.model, use.inputs, {**use.parameters, "limit": "50 cm"}, site.ruleset.points, use.levels)
    assert again.names.quantities["limit"] == "50 cm"
    assert again.levels == use.bound.levels


def test_a_language_that_a_model_does_not_speak_gets_english(site_file):
    (site_file.parent / "models" / "level.toml").write_text(MODEL.replace('zh = "水位", en', "en"), encoding="utf-8")
    assert load_site(site_file).alarms["level"].title["zh"] == "Level"


def test_points_have_resets_wraps_and_baselines(site_file):
    site = load_site(site_file)
    rain, tilt, crack = (site.points[f"gauge.{name}"] for name in ("rain", "tilt", "crack"))
    assert (rain.reset, rain.wrap, rain.high, rain.kind) == ((3600.0, 3060.0), 100.0, 2000.0, "running_total")
    assert (tilt.baseline, crack.baseline) == ("first", 12.3)
    infos = {info.name: info for info in site.ruleset.points}
    assert (infos["gauge.rain"].reset, infos["gauge.crack"].baseline) == (rain.reset, 12.3)
    change(site_file, ('"hh:51"', '"08:00"'))
    assert load_site(site_file).points["gauge.rain"].reset == (86400.0, 28800.0)
    assert site.timezone == "Asia/Shanghai"


def test_recorded_instruments_and_figures_that_are_not_set_are_doubtful(site_file):
    change(site_file, (', lag = "20 s"', ""))
    lines = [str(warning).replace(f"{site_file.parent}/", "") for warning in load_site(site_file).warnings]
    figures = (
        f"site.toml:{line_of(site_file, 'parameters = { limit')}: alarm.level.parameters: "
        'keeps the model\'s lag = "30 s", which the local authority must set'
    )
    recorded = (
        f"site.toml:{line_of(site_file, '[device.gauge]') + 1}: device.gauge.driver: "
        "has recordings only and never gives a reading live: what depends on it is not protected"
    )
    assert lines == [figures, recorded]


def test_a_time_zone_that_is_none(site_file):
    change(site_file, ('admin_code = "440304"', 'timezone = "Asia/Shangai"'))
    (line,) = told(site_file)
    assert line.startswith('site.toml:8: site.timezone: got "Asia/Shangai", expected an IANA time zone such as')
    assert line.endswith("; did you mean Asia/Shanghai?")


def test_levels_that_the_site_does_not_have(site_file):
    change(site_file, ("languages =", 'levels = ["green", "yellow", "orange", "blue"]\nlanguages ='))
    line = next(line for line in told(site_file) if "alarm.level." in line)
    assert line == (
        f"site.toml:{line_of(site_file, 'model = ')}: alarm.level.model: got the levels red of level, "
        "expected some of green, yellow, orange, blue; levels = [...] says which are used"
    )


def test_a_mistake_in_a_models_condition_is_told_in_its_file_with_each_alarm_that_bound_it(site_file):
    (site_file.parent / "models" / "level.toml").write_text(MODEL.replace("> limit -", "> limt -"), encoding="utf-8")
    again = ALARM[: ALARM.index("[device.gauge]")].replace("alarm.level", "alarm.b")
    change(site_file, ("[device.gauge]\n", f"{again}[device.gauge]\n"))
    assert told(site_file) == [
        "models/level.toml:22:17: level.yellow.when: there is no input, parameter or table limt; did you mean limit?; "
        f"bound by alarm.{alarm} at site.toml:{line_of(site_file, f'[alarm.{alarm}]')}"
        for alarm in ("level", "b")
    ]


def test_a_figure_that_makes_no_sense_is_told_with_the_models_condition(site_file):
    change(site_file, ('limit = "40 cm"', 'limit = "90 m"'))
    lines = told(site_file)
    bound = f"bound by alarm.level at site.toml:{line_of(site_file, '[alarm.level]')} with limit = 90 m"
    assert [line.split(": ")[:2] for line in lines] == [
        ["models/level.toml:19:9", "level.red.when"],
        ["models/level.toml:22:9", "level.yellow.when"],
    ]
    assert all("can never be true" in line and line.endswith(bound) for line in lines)


def test_a_baseline_that_nobody_has_set_is_doubtful(site_file):
    change(
        site_file,
        ("underpass.level > lookup(curve, gauge.tilt)", "avg(gauge.tilt - baseline(gauge.tilt), 1 h) > 1 deg"),
    )
    assert not any("needs the baseline" in warning.message for warning in load_site(site_file).warnings)
    change(site_file, ('baseline = "first"\n', ""))
    (warning,) = [
        doubt for doubt in load_site(site_file).warnings if "needs the baseline of gauge.tilt" in doubt.message
    ]
    assert (warning.key, warning.line) == ("alarm.looking-up.level.red.when", line_of(site_file, "level.red.when"))
    line = site_file.read_text(encoding="utf-8").splitlines()[warning.line - 1]
    assert line[warning.column - 1 :].startswith("baseline(gauge.tilt)")


def test_a_wrong_device_is_not_told_again_by_the_alarms_that_bind_it(site_file):
    change(site_file, ('map = "maps/radar.toml"', 'map = "maps/rader.toml"'))
    assert [line.split(": ")[1] for line in told(site_file)] == ["device.underpass.map"]


def test_a_table_that_no_condition_uses_is_doubtful(site_file):
    change(site_file, ("lookup(curve, gauge.tilt)", "3 m"))
    warnings = {warning.key: warning.message for warning in load_site(site_file).warnings}
    assert warnings["table.curve"] == "is used by no condition"


def test_an_absolute_model_is_doubtful(site_file):
    change(site_file, ('"models/level.toml"', f'"{site_file.parent}/models/level.toml"'))
    assert any("alarm.level.model: has an absolute path" in str(warning) for warning in load_site(site_file).warnings)


def test_models_are_of_the_sites_files_digest_and_kept_copy(site_file, tmp_path):
    site = load_site(site_file)
    assert site_file.parent / "models" / "level.toml" in site.files
    keep_good(site, tmp_path / "good")
    model = site_file.parent / "models" / "level.toml"
    model.write_text(MODEL + "# another\n", encoding="utf-8")
    assert load_site(site_file).digest != site.digest
    shutil.rmtree(site_file.parent)
    again = load_good(tmp_path / "good")
    assert (again.digest, again.ruleset.digest) == (site.digest, site.ruleset.digest)
    assert again.alarms["level"].model.model.title == site.alarms["level"].model.model.title


def test_models_of_the_library_come_with_the_software_and_count_for_the_digest(site_file, tmp_path, monkeypatch):
    change(
        site_file,
        ('"models/level.toml"', '"combustible-gas"'),
        ('level = "underpass.level"', 'gas = ["kitchen-gas.ch4"]'),
        ('limit = "40 cm", lag = "20 s"', 'first_limit = "10 %LEL", second_limit = "25 %LEL"'),
    )
    site = load_site(site_file)
    assert all(file.name != "combustible-gas.toml" for file in site.files)
    copy = keep_good(site, tmp_path / "good")
    assert not list(copy.rglob("combustible-gas.toml"))
    assert load_good(tmp_path / "good").digest == site.digest


def test_looking_back_further_than_the_journal_keeps_is_doubtful(site_file):
    change(
        site_file,
        ('critical = "128 MB"', 'telemetry = "1 MB"'),
        ("level.red.when = ", 'level.red.clear = "max(underpass.level, 1 h) < 1 m"\nlevel.red.when = '),
        ("underpass.level > lookup", "avg(max(underpass.level, 2 h), 12 h) > lookup"),
    )
    (site_file.parent / "models" / "level.toml").write_text(
        MODEL.replace('"level > limit"', '"streak(level > limit, 3, 7 h)"'), encoding="utf-8"
    )
    lines = [str(warning).replace(f"{site_file.parent}/", "") for warning in load_site(site_file).warnings]
    kept = (
        "and the journal keeps about 6.17 h of readings at this site's 4.5 a second: "
        "replay can't show it whole; give [storage] more telemetry"
    )
    own = line_of(site_file, "level.red.when")
    bound = f"bound by alarm.level at site.toml:{line_of(site_file, '[alarm.level]')}"
    assert [line for line in lines if "looks back" in line] == [
        f"site.toml:{own}:19: alarm.looking-up.level.red.when: looks back 14 h, {kept}",
        f"models/level.toml:19:9: level.red.when: looks back 21 h, {kept}; {bound}",
    ]


def test_check_shows_models_with_who_set_their_figures(site_file, capsys):
    change(site_file, (', lag = "20 s"', ""))
    out = Console(file=io.StringIO(), width=200)
    assert check(site_file, out) == 0
    text = " ".join(out.file.getvalue().replace("│", " ").split())
    assert "level level level underpass.level limit 40 cm the site" in text
    assert "lag 30 s the model (example): for the local authority to set" in text
    assert "curve 0, 1 deg 100, 200 mm" not in text  # in the unit of the first knot
    assert "curve 0, 1 deg 10, 20 cm" in text
    assert "looking-up red underpass.level > lookup(curve, gauge.tilt) on trial" in text
    assert capsys.readouterr().err.count("warning: ") == 2


def test_check_tells_machines_the_same(site_file):
    change(site_file, (', lag = "20 s"', ""))
    out = Console(file=io.StringIO())
    assert check(site_file, out, json=True) == 0
    body = json.loads(out.file.getvalue())
    alarms = {alarm["name"]: alarm for alarm in body["alarms"]}
    assert alarms["level"]["model"] == {
        "name": "level",
        "inputs": {"level": ["underpass.level"]},
        "parameters": {
            "limit": {"value": "40 cm", "by": "site", "to_set": False},
            "lag": {"value": "30 s", "by": "model", "to_set": True},
        },
    }
    assert (alarms["looking-up"]["shadow"], alarms["looking-up"]["model"]) == (True, None)
    assert body["tables"] == [{"name": "curve", "x_unit": "deg", "y_unit": "cm", "x": [0.0, 1.0], "y": [10.0, 20.0]}]


def test_an_alarm_that_sees_with_recordings_only_is_weak(site_file):
    change(site_file, ("[alarm.looking-up]\nshadow = true", '[alarm.looking-up]\nplan = "flood"'))
    weak = [words for item in dependences(load_site(site_file)) for words in item.weak]
    assert "looking-up has only recordings of gauge" in weak
