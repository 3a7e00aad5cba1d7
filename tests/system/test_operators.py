"""What people do at the command line of a running agent, and what people who may not are told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest

from tests.system.town import Town

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def test_acknowledge_silence_shelve_and_reset(town: Town) -> None:
    pit, gas = town.rig.device("pit"), town.rig.device("gas")
    pit.level_mm = 450
    town.wait(lambda: town.siren.sounding, 10, "it sounds")

    acknowledged = town.cli("ack", "flood")
    assert acknowledged.returncode == 0, acknowledged.stderr
    assert acknowledged.stdout == "flood: red, acknowledged\n"
    time.sleep(0.5)
    assert town.siren.sounding, "acknowledging never stops the public siren"
    assert town.cli("ack", "flood").returncode == 1, "there is nothing left to acknowledge"

    assert town.cli("silence", "flood", "--for", "1 min").stdout == "flood: red, acknowledged, silenced\n"
    town.wait(lambda: not town.siren.sounding, 5, "silenced")
    assert town.protection("flood") == "blind"
    pit.level_mm = 20
    town.wait(lambda: town.alarm("flood") == "normal", 10, "it clears")
    pit.level_mm = 450
    town.wait(lambda: town.siren.sounding, 10, "silence covers one occurrence")
    pit.level_mm = 20
    town.wait(lambda: town.alarm("flood") == "normal" and not town.siren.sounding, 10, "it clears")

    assert town.cli("shelve", "flood", "--for", "9 h", "--why", "too long").returncode == 1
    assert "needs" in town.cli("shelve", "flood", "--for", "1 h", "--why", " ").stderr
    assert town.cli("shelve", "flood", "--for", "soon", "--why", "a test").returncode == 2
    assert town.cli("shelve", "gas", "--for", "1 h", "--why", "a test").returncode == 0
    gas.concentration = 40.0
    town.wait(lambda: town.alarm("gas") == "red", 10, "judged, though shelved")
    time.sleep(1.0)
    assert not town.siren.sounding
    assert town.cli("unshelve", "gas").returncode == 0
    town.wait(lambda: town.siren.sounding, 5, "brought back")

    gas.concentration = 0.0
    town.wait(lambda: town.status()["points"]["gas.concentration"]["value"] == 0, 10)
    time.sleep(1.0)
    assert town.alarm("gas") == "red", "latched"
    assert town.siren.sounding
    reset = town.cli("reset", "gas")
    assert (reset.returncode, reset.stdout.split(",")[0]) == (0, "gas: normal"), reset.stderr
    town.wait(lambda: not town.siren.sounding, 5, "reset")

    told = town.wait(lambda: town.at_platform("alarm", alarm="gas", event="reset"), 10)[0]
    assert told["body"]["who"] == "root"
    shelved = town.at_platform("alarm", alarm="gas", event="shelved")[0]
    assert shelved["body"]["why"].startswith("a test")


def test_an_unknown_alarm_is_answered_with_those_there_are(town: Town) -> None:
    asked = town.cli("ack", "floood")
    assert asked.returncode == 1
    assert "flood" in asked.stderr
    assert "gas" in asked.stderr


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_stranger_may_ask_but_not_act(town: Town) -> None:
    town.rig.device("pit").level_mm = 450
    town.wait(lambda: town.siren.sounding, 10, "it sounds")
    records = len([r for r in town.journalled().values() if r.kind == "alarm"])
    asked = town.cli("status", "--json", before=NOBODY)
    if "Permission denied" in asked.stderr and not asked.stdout:
        pytest.skip("this Python can't be run by others")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["site"]["id"] == "town"
    for words in (
        ("ack", "flood"),
        ("silence", "flood"),
        ("reset", "flood"),
        ("shelve", "flood", "--for", "1 h", "--why", "noise"),
        ("unshelve", "flood"),
    ):
        refused = town.cli(*words, before=NOBODY)
        assert refused.returncode == 1
        assert "may ask but not act" in refused.stderr
        assert "tocsin-operators" in refused.stderr
    assert town.siren.sounding
    assert town.ask("alarms")["flood"]["state"] == "unacknowledged"
    assert len([r for r in town.journalled().values() if r.kind == "alarm"]) == records


def test_status_is_json_and_says_blind_when_a_sensor_is_pulled(town: Town, figure: Callable[[str], None]) -> None:
    town.wait(lambda: (town.status()["uplink"] or {}).get("age_s") is not None, 10, "the link has reported")
    told = json.loads(town.cli("status", "--json").stdout)
    for key in ("site", "points", "alarms", "outputs", "protection", "buses", "journal", "uplink", "judging", "clock"):
        assert key in told
    assert {entry["alarm"]: entry["status"] for entry in told["protection"]} == {
        "flood": "protected",
        "gas": "protected",
    }
    assert told["journal"]["files"]["critical.db"]["state"] == "ok"
    assert told["uplink"]["phase"] == "up"
    assert set(json.loads(town.cli("alarms", "--json").stdout)) == {"flood", "gas"}
    assert "blind" not in town.cli("status").stdout

    town.rig.lines["sensors"].units.pop(3)
    pulled_s = time.monotonic()
    town.wait(lambda: town.protection("flood") == "blind", 10, "blind")
    blind_s = time.monotonic() - pulled_s
    line = next(line for line in town.cli("status").stdout.splitlines() if "blind" in line)
    assert "flood" in line
    assert "pit.level" in line
    figure(f"sensor pulled: blind {blind_s:.1f} s later")
