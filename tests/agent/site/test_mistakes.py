"""What is told of a site that is wrong: all of it, where it stands, in words that help."""

import os
import random

import pytest

from agent.config import ConfigErrors, Site, load_site


def told(path):
    with pytest.raises(ConfigErrors) as caught:
        load_site(path)
    return caught.value


def test_every_mistake_is_told_at_once_and_in_its_place(data):
    golden = data / "wrong.txt"
    errors = told(data / "wrong" / "site.toml")
    lines = [str(problem) for problem in (*errors.problems, *errors.warnings)]
    text = "".join(line.replace(f"{data}{os.sep}wrong{os.sep}", "") + "\n" for line in lines)
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert len(errors.problems) > 60


def test_the_column_of_an_expression_is_its_place_in_the_file(edited):
    path = edited(("kitchen-gas.ch4 > 20 %LEL", "kitchen-gas.ch5 > 20 %LEL"), file="rules.d/gas.toml")
    (problem,) = told(path).problems
    line = (path.parent / "rules.d/gas.toml").read_text(encoding="utf-8").splitlines()[problem.line - 1]
    assert problem.file.name == "gas.toml"
    assert line[problem.column - 1 :].startswith("kitchen-gas.ch5")
    assert problem.hint == "did you mean kitchen-gas.ch4?"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"[site]\nid = 'x", 2, "not TOML"),
        (b"[site]\nid = 'a'\nid = 'b'\n", 3, "not TOML: cannot overwrite a value"),
        (b"[site]\nid = 'a'\n[site]\n", 3, "not TOML"),
        (b"[site]\nname.zh = '\xff'\n", 2, "got byte 0xff, expected UTF-8 text"),
        (b"a = " + b"[" * 5000, 1, "nested too deeply"),
        (b"", 1, "got nothing, expected a table [site]"),
        (b"site = 3\n", 1, "got 3, expected a table"),
        (b"include = 3\n[site]\nid='a'\n", 1, "expected an array of file names"),
        (b"include = ['\\u0000']\n[site]\nid='a'\n", 1, "include"),
        (b"include = [\"\\u0000*\"]\ndevice = 3\n[site]\nid='a'\n", 2, "expected tables [device.NAME]"),
        (b"[site]\nid='a'\n[device]\nx=3\n[bus]\ny=[]\n[output]\nz=''\n", 4, "got 3, expected a table"),
        (b'[site]\nid=\'a\'\n[bus.b]\nport="\\u0000"\n[bus.c]\nport="\\u0000"\n', 6, "already uses"),
    ],
)
def test_files_that_are_hardly_sites(tmp_path, content, line, words):
    path = tmp_path / "site.toml"
    path.write_bytes(content)
    problems = told(path).problems
    assert any(problem.line == line and words in str(problem) for problem in problems), [str(p) for p in problems]


def test_a_file_that_is_not_there(tmp_path):
    (problem,) = told(tmp_path / "absent.toml").problems
    assert "can't be read" in problem.message
    (problem,) = told(tmp_path).problems
    assert "can't be read" in problem.message


def test_an_included_file_includes_nothing(edited):
    path = edited(("[plan.gas]", "include = ['x.toml']\n[plan.gas]"), file="rules.d/gas.toml")
    (problem,) = told(path).problems
    assert (problem.file.name, problem.line, problem.key) == ("gas.toml", 1, "include")


def test_the_same_name_in_two_files_names_both_places(edited):
    path = edited(("[alarm.hot-kitchen]", "[alarm.underpass-flood]"), file="rules.d/gas.toml")
    (problem,) = told(path).problems
    assert "given twice" in problem.message
    assert "flood.toml:19" in problem.message
    assert (problem.file.name, problem.line) == ("gas.toml", 16)


def test_a_wrong_device_is_told_once_and_not_again_by_each_rule(edited):
    path = edited(('map = "maps/radar.toml"', 'map = "maps/rader.toml"'))
    (problem,) = told(path).problems
    assert problem.key == "device.underpass.map"


def test_a_wrong_bus_is_told_once(edited):
    path = edited(("baudrate = 9600", "baudrate = 96"))
    (problem,) = told(path).problems
    assert str(problem).endswith("site.toml:17: bus.sensors.baudrate: got 96, expected at least 300")


WORDS = [
    "",
    "]",
    "[",
    '"',
    "'",
    "=",
    "3",
    "-1",
    "{",
    "}",
    "\n",
    "é",
    "\x00",
    "1e999",
    "nan",
    '"unlimited"',
    "{}",
    "[]",
    ".",
    "#",
]


def outcome(path):
    """The type of what loading ends in; errors have their places."""
    try:
        return type(load_site(path))
    except ConfigErrors as errors:
        problems = errors.problems
    assert problems
    assert all(problem.line >= 1 and str(problem) for problem in problems)
    return ConfigErrors


@pytest.mark.parametrize("seed", range(8))
def test_no_garbling_ends_in_anything_but_a_site_or_config_errors(whole, seed):
    rng = random.Random(seed)
    files = [whole, *whole.parent.glob("rules.d/*.toml"), *whole.parent.glob("maps/*.toml")]
    outcomes = set()
    for _ in range(60):
        file = rng.choice(files)
        good = file.read_text(encoding="utf-8")
        at = rng.randrange(len(good))
        kind = rng.randrange(4)
        if kind == 0:  # a piece is lost
            bad = good[:at] + good[at + rng.randrange(1, 40) :]
        elif kind == 1:  # a piece is put in
            bad = good[:at] + rng.choice(WORDS) + good[at:]
        elif kind == 2:  # a line is lost
            lines = good.splitlines(keepends=True)
            del lines[rng.randrange(len(lines))]
            bad = "".join(lines)
        else:  # a value is another one
            lines = good.splitlines()
            number = rng.choice([n for n, line in enumerate(lines) if " = " in line])
            lines[number] = lines[number].split(" = ")[0] + " = " + (rng.choice(WORDS) or "0")
            bad = "\n".join(lines)
        file.write_text(bad, encoding="utf-8")
        outcomes.add(outcome(whole))
        file.write_text(good, encoding="utf-8")
    assert outcomes == {Site, ConfigErrors}


def test_every_single_value_of_another_type_is_borne(whole):
    """Each key of the site file in turn gets a number, a list, a table: refused or harmless, never a crash."""
    good = whole.read_text(encoding="utf-8")
    lines = good.splitlines()
    refused = 0
    for number, line in enumerate(lines):
        if " = " not in line:
            continue
        for value in ("7", "[[]]", "{ a = { b = 1 } }", '"?"', "false"):
            spoilt = [*lines[:number], f"{line.split(' = ')[0]} = {value}", *lines[number + 1 :]]
            whole.write_text("\n".join(spoilt), encoding="utf-8")
            refused += outcome(whole) is ConfigErrors
    assert refused > 200


def test_two_things_on_one_pin_or_coil(edited):
    pins = """
[device.contacts]
driver = "gpio-input"
period = "1 s"
[device.contacts.point.door]
pin = 17
active_low = true
title = { zh = "门", en = "door" }
[output.lamp]
driver = "gpio"
pin = 17
active_low = false
max_on = "1 min"
min_off = "1 s"
max_starts_per_hour = 60
[uplink]
"""
    path = edited(("coil = 1", "coil = 0"), ("[uplink]\n", pins))
    problems = [(problem.key, problem.message) for problem in told(path).problems]
    taken = "which output roof-siren uses too, expected a place of its own"
    assert problems == [
        ("output.barrier.coil", f"got coil 0 of unit 1 on bus actuators, {taken}"),
        ("output.lamp.pin", "got pin 17, which device contacts uses too, expected a place of its own"),
    ]
