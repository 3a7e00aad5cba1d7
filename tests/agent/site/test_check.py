"""`tocsin check`: greppable problems on stderr, tables for people, JSON for machines, exit codes."""

import io
import json
import re

from rich.console import Console

from agent.check import check, dependences
from agent.config import load_site


def console():
    return Console(file=io.StringIO(), width=160)


def test_a_right_site_shows_what_depends_on_what(data, capsys):
    out = console()
    assert check(data / "whole" / "site.toml", out) == 0
    text = out.file.getvalue()
    for words in (
        "underpass.level",
        "0 .. 5",
        "rise(underpass.level, 10 min)",
        "siren-current.current > 0.5 A in 2 s",
        "What each hazard and zone depends on",
        "underpass-flood sees with underpass alone",
        "is right",
    ):
        assert words in text
    assert capsys.readouterr().err == ""


def test_a_wrong_site_tells_greppable_lines_and_exits_with_2(data, capsys):
    out = console()
    assert check(data / "wrong" / "site.toml", out) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 60
    assert all(re.match(r"[^:]+\.toml:\d+(:\d+)?: ", line) for line in lines[:-1])
    assert re.search(r"site.toml: \d+ errors; the site can't be used", lines[-1])
    assert out.file.getvalue() == ""


def test_warnings_are_marked_and_do_not_refuse(edited, capsys):
    path = edited(("/dev/serial/by-id/usb-FTDI_rs485a", "/dev/ttyUSB0"))
    assert check(path, console()) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r".*site\.toml:16: warning: bus\.sensors\.port: ", line)


def test_json_has_everything(data, capsys):
    out = console()
    assert check(data / "whole" / "site.toml", out, json=True) == 0
    body = json.loads(out.file.getvalue())
    assert body["ok"]
    assert {bus["name"] for bus in body["buses"]} == {"sensors", "actuators"}
    assert [alarm["devices"] for alarm in body["alarms"]] == [["underpass"], ["kitchen-gas"], ["kitchen-gas"]]
    out = console()
    assert check(data / "wrong" / "site.toml", out, json=True) == 2
    body = json.loads(out.file.getvalue())
    assert not body["ok"]
    assert {"file", "line", "column", "key", "message", "hint"} == set(body["errors"][0])
    assert capsys.readouterr().err == ""


def test_brackets_of_the_site_are_not_markup(edited):
    path = edited(("积水深度", "[red]积水[/red]"))
    out = console()
    assert check(path, out) == 0
    assert "[red]积水[/red]" in out.file.getvalue()


def test_what_nobody_hears_is_said(edited):
    path = edited(('plan = "gas"', 'hazard = "gas"'), file="rules.d/gas.toml")
    gas = next(item for item in dependences(load_site(path)) if item.hazard == "gas")
    assert gas.outputs == ()
    assert "kitchen-gas is heard by nobody" in gas.weak
