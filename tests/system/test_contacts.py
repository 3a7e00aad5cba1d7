"""Contacts on pins under the real agent: a bucket that tips makes rain, float and door make alarms, a splash none."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil import pins
from hil.follower import NoAnswer, ask
from hil.processes import Child

WITHIN_S = 15.0
RAIN, FLOAT, DOOR = 5, 6, 13
SITE = f"""
[site]
id = "contacts"
languages = ["en"]
[device.yard]
driver = "gpio-input"
period = "200 ms"
[device.yard.point.rain]
pin = {RAIN}
active_low = true
pull = "up"
per_pulse = "0.2 mm"
[device.yard.point.float]
pin = {FLOAT}
active_low = true
pull = "up"
words = ["dry", "wet"]
debounce = "400 ms"
[device.yard.point.door]
pin = {DOOR}
active_low = false
pull = "up"
words = ["closed", "opened"]
hold = "1 s"
[alarm.cloudburst]
[alarm.cloudburst.level.yellow]
when = "increase(yard.rain, 1 min) >= 1.9 mm"
[alarm.pit]
[alarm.pit.level.red]
when = "state(yard.float) == 'wet'"
[alarm.door]
[alarm.door.level.yellow]
when = "state(yard.door) == 'opened'"
"""


def waited_for(socket: Path, agent: Child, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first status that is as wanted."""
    until_s, status = time.monotonic() + WITHIN_S, None
    while time.monotonic() < until_s and agent.code is None:
        try:
            status = ask(socket, {"do": "status"})
        except NoAnswer:
            status = None
        if status and wanted(status):
            return status
        time.sleep(0.02)
    raise AssertionError(f"{status}\n{agent.last_words}")


def test_a_bucket_a_float_and_a_door() -> None:
    with tempfile.TemporaryDirectory(prefix="tocsin-pins-") as temporary:
        directory = Path(temporary)
        board = directory / "pins"
        board.mkdir()
        pins.press(board, DOOR, 0)
        site, socket = directory / "site.toml", directory / "control.sock"
        site.write_text(SITE, encoding="utf-8")
        argv = [sys.executable, "-m", "agent.cli", "guard", str(site), "--state", str(directory / "state")]
        env = {**os.environ, "TOCSIN_GPIO_MODULE": "hil.pins", "TOCSIN_PINS": str(board)}
        with Child("agent", [*argv, "--socket", str(socket), "--no-jit"], directory / "agent.log", env=env) as agent:
            waited_for(socket, agent, lambda s: all(p["quality"] == "good" for p in s["points"].values()))
            pins.press(board, FLOAT, 0)
            time.sleep(0.1)  # a splash
            pins.press(board, FLOAT, 1)
            for _ in range(10):
                pins.pulse(board, RAIN, active_low=True, for_s=0.08)
                time.sleep(0.05)
            status = waited_for(socket, agent, lambda s: s["alarms"]["cloudburst"]["level"] == "yellow")
            assert status["points"]["yard.rain"]["value"] == 2.0
            assert status["alarms"]["pit"]["level"] == "normal"
            pins.press(board, DOOR, 1)
            time.sleep(0.05)  # opened and shut between two polls
            pins.press(board, DOOR, 0)
            waited_for(socket, agent, lambda s: s["alarms"]["door"]["level"] == "yellow")
            wet_s = time.monotonic()
            pins.press(board, FLOAT, 0)
            waited_for(socket, agent, lambda s: s["alarms"]["pit"]["level"] == "red")
            assert time.monotonic() - wet_s > 0.4
