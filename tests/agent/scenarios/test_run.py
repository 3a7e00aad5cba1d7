"""`tocsin test`: what it writes for cases that hold, that fail, and that can't be read; the pages' examples are run."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from agent.scenarios.load import load_scenarios
from agent.scenarios.run import run_files
from agent.site.problems import ConfigErrors

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
MODEL = """
[model]
title = { zh = "泄漏", en = "Leak" }
text = { zh = "泄漏。", en = "A leak." }
hazard = "gas"
[input.sensor]
unit = "ppm"
many = true
[parameter.limit]
unit = "ppm"
[level.yellow]
when = "any(each(sensor, sensor > limit))"
[[case]]
name = "one of two"
interval = "10 s"
[case.parameters]
limit = "5 ppm"
[case.series]
"sensor.1" = "1x9"
"sensor.2" = "1 2 9x7"
[[case.expect]]
at = "10 s"
alarms = {}
[[case.expect]]
at = "20 s"
alarms = { leak = "yellow" }
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page's example files in a directory of their own, which is the current one."""
    for text, name in re.findall(r"```toml\n(# (\S+)\n.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(*files, width=80, **more):
    out, err = io.StringIO(), io.StringIO()
    console, errors = Console(file=out, width=width), Console(file=err, width=width)
    code = run_files([Path(file) for file in files], console, errors, **{"json": False, **more})
    return code, out.getvalue(), err.getvalue()


# --- cases that hold or fail -------------------------------------------------------------------------------------


def test_the_example_of_the_page_holds(page):
    assert run("flood.toml") == (0, "4 cases in 1 file: all as expected\n", "")


def test_the_example_of_the_page_fails_as_the_page_shows(page):
    edit(page / "pit.toml", 'for = "60 s"', 'for = "90 s"')
    code, out, err = run("flood.toml")
    shown = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
    assert out == shown
    assert (code, err) == (1, "")


def test_a_failure_fits_the_terminal_and_can_be_ascii(page, monkeypatch):
    edit(page / "pit.toml", 'for = "60 s"', 'for = "90 s"')
    for width in (48, 80):
        _, out, _ = run("flood.toml", width=width)
        assert all(cell_len(line) <= width for line in out.splitlines()[1:]), width
    monkeypatch.setenv("TERM", "linux")
    assert run("flood.toml")[1].isascii()


def test_why_says_which_part_decided(page):
    edit(page / "flood.toml", 'alarms = { flood = "red" }', 'alarms = { flood = "yellow" }')
    out = run("flood.toml")[1]
    assert "expected  flood yellow" in out
    assert "came      flood red" in out
    assert "why       flood red: the condition is true" in out
    assert "underpass.level > 40 cm: 450 mm > 400 mm" in out
    edit(page / "flood.toml", 'at = "6 min"\nalarms = {}', 'at = "6 min"\nalarms = { flood = "red" }')
    assert "why       flood red: the condition is false" in run("flood.toml")[1]


def test_why_says_what_keeps_an_alarm(page):
    edit(
        page / "flood.toml", 'from = "3 min"\nto = "16 min"\nalarms = { flood = "yellow" }', 'at = "8 min"\nalarms = {}'
    )
    out = run("flood.toml")[1]
    assert "flood yellow: it stays: the condition is unknown now" in out
    assert "underpass.level > 15 cm: ? > 150 mm" in out


def test_for_machines(page):
    edit(page / "pit.toml", 'for = "60 s"', 'for = "90 s"')
    code, out, _ = run("flood.toml", json=True)
    told = json.loads(out)
    assert code == 1
    assert not told["ok"]
    assert [case["ok"] for case in told["cases"]] == [True, True, True, False]
    last = told["cases"][3]
    assert last["file"] == "flood.toml"
    assert last["moves"] == [{"at_s": 130.0, "alarm": "flood", "previous": "normal", "level": "yellow"}]
    (failure,) = last["failures"]
    line = (page / "flood.toml").read_text(encoding="utf-8").splitlines()[failure["line"] - 1]
    assert line == "[[case.expect]]"
    assert failure["came"] == "at 2 min 10 s"


def test_a_model_carries_its_own_cases(tmp_path):
    file = tmp_path / "leak.toml"
    file.write_text(MODEL, encoding="utf-8")
    assert run(file)[:2] == (0, "1 case in 1 file: all as expected\n")


def test_a_file_of_cases_may_be_about_a_model(tmp_path):
    (tmp_path / "leak.toml").write_text(MODEL, encoding="utf-8")
    cases = MODEL[MODEL.index("[[case]]") :].replace('[case.parameters]\nlimit = "5 ppm"\n', "")
    file = tmp_path / "cases.toml"
    file.write_text('rules = "leak.toml"\nparameters = { limit = "5 ppm" }\n' + cases, encoding="utf-8")
    assert run(file, tmp_path / "leak.toml")[:2] == (0, "2 cases in 2 files: all as expected\n")


def test_a_model_of_the_library_goes_by_its_name():
    code, out, _ = run("river-stage")
    assert code == 0
    assert re.fullmatch(r"\d+ cases in 1 file: all as expected\n", out)


# --- files that can't be used ------------------------------------------------------------------------------------


def mistakes(file):
    with pytest.raises(ConfigErrors) as error:
        load_scenarios(file)
    return [str(problem).replace(f"{file.parent}{os.sep}", "") for problem in error.value.problems]


def test_mistakes_have_file_line_column_and_key(page):
    edit(page / "flood.toml", "0x5 100+50x8", "0x5 stal 100+50x8")
    edit(page / "flood.toml", 'level = "normal"', 'level = "norma"')
    (told,) = mistakes(page / "flood.toml")
    assert told.startswith("flood.toml:8:26: case[0].series.underpass.level: got stal, expected a number, 92x10, ")
    assert told.endswith("; did you mean stale?")
    edit(page / "flood.toml", "0x5 stal 100+50x8", "0x5 100+50x8")
    assert mistakes(page / "flood.toml") == [
        'flood.toml:22: case[0].expect[3].level: got "norma", expected one of yellow, red, normal; did you mean normal?'
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('rules = "pit.toml"', "", "flood.toml:1: rules: got nothing, expected a site file, a model's file or one of"),
        ('rules = "pit.toml"', "rules = 3", "flood.toml:2: rules: got 3, expected a site file"),
        ('"pit.toml"', '"pti.toml"', 'flood.toml:2: rules: got "pti.toml", expected a site file'),
        ('"pit.toml"', '"river-stag"', "did you mean river-stage?"),
        ("rules", "rule", "flood.toml:2: rule: got an unknown key, expected one of case, parameters, rules; did"),
        ('"pit.toml"', '"pit.toml"\nparameters = { a = "1" }', "flood.toml:3: parameters: got it for a site"),
        ('"pit.toml"', '"pit.toml"\nparameters = 1', "flood.toml:3: parameters: got 1, expected a table"),
        ("[[case]]", "[[case]", "flood.toml:4:7: not TOML"),
    ],
)  # fmt: skip
def test_mistakes_of_a_file(page, old, new, told):
    edit(page / "flood.toml", old, new)
    assert told in "\n".join(mistakes(page / "flood.toml"))


def test_mistakes_of_the_site_are_told_where_they_stand(page):
    edit(page / "pit.toml", "underpass.level > 40 cm", "underpass.levle > 40 cm")
    (told,) = mistakes(page / "flood.toml")
    assert told.startswith("pit.toml:20:9: alarm.flood.level.red.when: ")


def test_a_file_that_is_not_there_may_be_misspelt(page):
    assert mistakes(Path("floood.toml"))[0].endswith("; did you mean flood.toml?")
    assert mistakes(Path("river-stag"))[0].endswith("; did you mean river-stage?")


def test_a_site_file_is_no_file_of_cases(page):
    (told,) = mistakes(page / "pit.toml")
    assert told.endswith('expected a file of cases or a model; write a file of cases that names it: rules = "pit.toml"')


def test_mistakes_of_a_model_are_told_where_they_stand(tmp_path):
    (tmp_path / "leak.toml").write_text(MODEL.replace("sensor > limit", "sensor > limi"), encoding="utf-8")
    (tmp_path / "cases.toml").write_text('rules = "leak.toml"\n' + MODEL[MODEL.index("[[case]]") :], encoding="utf-8")
    for file in ("leak.toml", "cases.toml"):
        told = mistakes(tmp_path / file)
        assert told
        assert all(line.startswith("leak.toml:") for line in told), told


def test_the_good_files_run_all_the_same(page):
    (page / "bad.toml").write_text("rules = 1\n", encoding="utf-8")
    code, out, err = run("bad.toml", "flood.toml", "absent.toml")
    assert code == 2
    assert out == "4 cases in 1 file: all as expected; 2 files can't be used, 2 errors\n"
    assert err.startswith("bad.toml:1: rules: got 1, expected a site file")
    assert "absent.toml:1: got neither a file nor the name of a model of the library" in err
    assert json.loads(run("bad.toml", json=True)[1])["errors"][0]["key"] == "rules"


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_ends_with_what_the_room_says(page):
    command = [sys.executable, "-m", "agent.cli", "test", page / "flood.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "4 cases in 1 file: all as expected\n")
    assert not done.stderr
