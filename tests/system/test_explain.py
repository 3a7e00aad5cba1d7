"""The morning after: a real agent, killed in between, and what can be said and proven of what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.town import SITE, Town

TRIAL = """
[alarm.trial]
title = { en = "Level over its baseline" }
shadow = true
plan = "flood"
[alarm.trial.level.red]
when = "pit.level - baseline(pit.level) > 10 cm"
@uplink@
"""


def tocsin(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line, with no agent to ask."""
    argv = [sys.executable, "-m", "agent.cli", *words]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, env=environment)


def replayed(town: Town) -> list[dict[str, Any]]:
    """Every record of an alarm, judged again from what is on the card."""
    done = tocsin("replay", "--all", "--state", str(town.state), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A flood, kill -9 while the siren sounds, a re-zero, kill -9 again, and a flood on trial."""
    with Town(site=SITE.replace("@uplink@", TRIAL), uplink=False) as town:
        pit = town.rig.device("pit")
        pit.level_mm = 450
        town.wait(lambda: town.alarm("flood") == "red", why="the flood is judged")
        town.kill(town.agent)
        town.start_agent()
        pit.level_mm = 100
        town.wait(lambda: town.alarm("flood") == "normal", why="it is over")
        refused = town.cli("rezero", "gas.nothing", "--why", "moved")
        assert refused.returncode == 1
        assert "no point is called" in refused.stderr
        done = town.cli("rezero", "pit.level", "--why", "the sensor was moved", "--value", "2 cm")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "pit.level: baseline 20 mm, before none\n"
        town.kill(town.agent)
        town.start_agent()
        pit.level_mm = 140
        town.wait(lambda: town.alarm("trial") == "red", why="12 cm over the baseline, which survived")
        yield town


def test_everything_is_judged_again_bit_for_bit_through_kills_and_a_re_zero(town: Town) -> None:
    found = replayed(town)
    assert (found[0]["alarm"], found[0]["level"]) == ("flood", "red")
    assert ("trial", "red") in [(row["alarm"], row["level"]) for row in found]
    assert {row["result"] for row in found} == {"same"}, found
    assert len({row["from"]["run"] for row in found}) == 3


def test_why_it_sounded_in_two_languages(town: Town) -> None:
    number = next(row["seq"] for row in replayed(town) if row["level"] == "red")
    told = tocsin("explain", str(number), "--state", str(town.state)).stdout
    assert "Flooding（flood）：正常 → 红色" in told
    assert "红色的条件已连续成立 0.2 秒" in told
    assert "✓ pit.level > 40 cm   450 mm, limit 400 mm, 50 mm above" in told
    proof = tocsin("replay", str(number), "--state", str(town.state), "--lang", "zh").stdout
    assert "逐位相同" in proof


def test_why_it_does_not_sound(town: Town) -> None:
    told = town.cli("explain", "flood", "--state", str(town.state)).stdout
    assert "yellow is not raised: its condition is false." in told
    assert "✗ pit.level > 15 cm   140 mm, limit 150 mm, 10 mm to go" in told
    assert "上一次报警" in told
    told = town.cli("explain", "gas", "--state", str(town.state), "--lang", "en").stdout
    assert "The journal has no activation of it." in told


def test_status_tells_of_baselines_and_of_what_is_on_trial(town: Town) -> None:
    status = town.status()
    assert status["points"]["pit.level"]["baseline"] == 20.0
    trial = status["alarms"]["trial"]["trial"]
    assert (trial["activations"], trial["level"], trial["last"]["highest"]) == (1, "red", "red")
    screen = town.cli("status").stdout
    assert "On trial (shadow)" in screen
    assert "shadow: sounds nothing" in screen
    assert town.siren.relay.history
    assert not any(change.on for change in list(town.siren.relay.history)[-1:])
