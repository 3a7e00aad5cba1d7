"""Stations and a fire panel at the real agent: captures said to it, a fire from the frame to the alarm."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from hil.follower import NoAnswer, ask
from hil.processes import Child, free_port
from hil.telemetry import fire
from hil.telemetry.fire import FireTransmitter
from hil.telemetry.mouth import SerialMouth, TcpMouth
from hil.telemetry.talk import Talk

CAPTURES = sorted((Path(__file__).parents[1] / "drivers" / "telemetry" / "captures").glob("*.cap"))
SITE = """
[site]
id = "telemetry"
languages = ["en"]
[device.tower]
driver = "gb26875"
listen = "127.0.0.1:{port}"
station = "4711"
period = "1 s"
stale_after = "1 h"
point.fire = {{ state = "fire" }}
[alarm.fire]
title = {{ en = "Fire in the tower" }}
[alarm.fire.level.red]
when = 'state(tower.fire) == "on"'
for = "0 s"
"""


@dataclass
class Speaker:
    """A capture, and where the agent hears it."""

    name: str
    talk: Talk
    mouth: SerialMouth | TcpMouth

    @property
    def site(self) -> str:
        section = tomllib.loads(self.talk.header["section"])
        points = section.pop("point")
        port = self.mouth.port if isinstance(self.mouth, TcpMouth) else str(self.mouth.path)
        where = f'listen = "127.0.0.1:{port}"' if isinstance(port, int) else f'port = "{port}"'
        keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
        tables = "\n".join(
            f"point.{name} = {{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in table.items())} }}"
            for name, table in points.items()
        )
        head = f'[device.{self.name}]\ndriver = "{self.talk.header["driver"]}"\nstale_after = "1 h"\n'
        return f'{head}period = "500 ms"\n{where}\n{keys}\n{tables}\n'


class Agent:
    """The agent as a process, asked over its socket."""

    def __init__(self, directory: Path, text: str) -> None:
        site, self.socket = directory / "site.toml", directory / "control.sock"
        site.write_text(text, encoding="utf-8")
        argv = [sys.executable, "-m", "agent.cli", "guard", str(site), "--state", str(directory / "state")]
        self.child = Child("agent", [*argv, "--socket", str(self.socket), "--no-jit"], directory / "agent.log")

    def until(self, right: Callable[[dict[str, Any]], bool], within_s: float = 15.0) -> dict[str, Any]:
        """Its status once it is right."""
        until_s, status = time.monotonic() + within_s, {}
        while time.monotonic() < until_s and self.child.code is None:
            try:
                status = ask(self.socket, {"do": "status"})
            except NoAnswer:
                time.sleep(0.05)
                continue
            if right(status):
                return status
            time.sleep(0.01)
        raise AssertionError(f"{status.get('points')} {status.get('alarms')} {self.child.last_words}")


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tocsin-telemetry-") as name:
        yield Path(name)


def test_the_agent_answers_stations_reads_them_and_sounds_at_a_fire(
    directory: Path, figure: Callable[[str], None]
) -> None:
    speakers, port = [], free_port()
    with ExitStack() as stack:
        for path in CAPTURES:
            talk = Talk.load(path)
            mouth: SerialMouth | TcpMouth = TcpMouth(free_port())
            if talk.header["line"] != "tcp":
                mouth = stack.enter_context(SerialMouth(directory / path.stem))
            speakers.append(Speaker(path.stem, talk, mouth))
        agent = Agent(directory, SITE.format(port=port) + "".join(speaker.site for speaker in speakers))
        stack.enter_context(agent.child)
        agent.until(lambda status: bool(status["points"]))
        for speaker in speakers:
            if isinstance(speaker.mouth, TcpMouth):
                stack.enter_context(speaker.mouth)
        goldens = 0
        for turn in range(max(len(speaker.talk.turns) for speaker in speakers)):
            for speaker in (s for s in speakers if turn < len(s.talk.turns)):
                said = speaker.talk.turns[turn]
                speaker.mouth.send(said.said)
                assert said.is_answer(speaker.mouth.receive(3.0 if said.answers else 0.05)), speaker.name
                for golden in said.goldens:
                    wanted = f"{speaker.name}.{golden.pattern}", golden.value, golden.quality.replace("_", "-")
                    agent.until(lambda status, w=wanted: point(status, w[0]) == (pytest.approx(w[1]), w[2]))  # type: ignore[misc] # bound now
                    goldens += 1
        confirmed_ms, alarm_ms = fire_from_frame_to_alarm(agent, port)
    figure(f"telemetry: {len(speakers)} captures, {goldens} goldens at the real agent")
    figure(f"telemetry: a fire is confirmed {confirmed_ms:.0f} ms after its frame, an alarm after {alarm_ms:.0f} ms")
    assert confirmed_ms < 1000
    assert alarm_ms < 1500


def point(status: dict[str, Any], name: str) -> tuple[float, str]:
    return status["points"][name]["value"], status["points"][name]["quality"]


def fire_from_frame_to_alarm(agent: Agent, port: int) -> tuple[float, float]:
    panel, now = FireTransmitter(4711), datetime.now(timezone(timedelta(hours=8)))
    with TcpMouth(port) as mouth:
        mouth.send(panel.component(now, (10, 2), fire.NORMAL))
        assert panel.answered(mouth.receive(3.0))
        agent.until(lambda status: point(status, "tower.fire") == (0.0, "good"))
        started_s = time.monotonic()
        mouth.send(panel.component(now, (10, 2), fire.NORMAL | fire.FIRE, text="二层走廊烟感"))
        assert panel.answered(mouth.receive(3.0)) == (fire.CONFIRM, 2)
        confirmed_s = time.monotonic() - 0.02  # the silence that ends an answer
        agent.until(lambda status: status["alarms"]["fire"]["level"] == "red")
        return 1000 * (confirmed_s - started_s), 1000 * (time.monotonic() - started_s)
