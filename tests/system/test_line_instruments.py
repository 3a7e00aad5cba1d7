"""Instruments without Modbus under the real agent: every capture as its goldens say, an alarm, a port pulled."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.replay import Capture, Replay, Scene
from hil.devices.speakers import MaxBotixRange, MojiangGauge, MojiangRain, SdiAdapter, SdiSensor
from hil.follower import NoAnswer, ask
from hil.processes import Child
from hil.spoken import SpokenLine

CAPTURES = sorted((Path(__file__).parents[1] / "drivers" / "rawlines" / "captures").glob("*.cap"))
WITHIN_S = 15.0
OWN = """
[bus.radar]
port = "{radar}"
framing = "raw"
[bus.wells]
port = "{wells}"
framing = "raw"
[device.culvert]
driver = "line"
map = "maxbotix-hrxl"
bus = "radar"
period = "500 ms"
stale_after = "1500 ms"
[device.well-1]
driver = "line"
map = "sdi12-one-value"
bus = "wells"
address = "1"
period = "500 ms"
[device.well-2]
driver = "line"
map = "sdi12-one-value"
bus = "wells"
address = "2"
period = "500 ms"
[bus.mojiang]
port = "{mojiang}"
framing = "raw"
[device.tilt]
driver = "line"
map = "mojiang"
bus = "mojiang"
address = "284C3D9A03000060"
period = "500 ms"
[device.rain]
driver = "line"
map = "mojiang-rain"
bus = "mojiang"
address = "28F40402CC04C65B"
period = "500 ms"
[alarm.culvert]
[alarm.culvert.level.red]
when = "culvert.distance < 50 cm"
"""


@dataclass
class Said:
    """One scene of a capture on a line of its own."""

    name: str
    capture: Capture
    scene: Scene
    section: str
    line: Replay

    @property
    def site(self) -> str:
        settings = self.capture.settings
        bus = f'port = "{self.line.path}"\nframing = "raw"\nbaudrate = {settings["baudrate"]}\n'
        device = f'driver = "line"\nbus = "{self.name}"\nperiod = "500 ms"\nstale_after = "30 s"\n{self.section}\n'
        return f"[bus.{self.name}]\n{bus}[device.{self.name}]\n{device}"

    def differences(self, points: dict[str, Any]) -> list[str]:
        """Goldens that the agent's points are not."""
        wrong = []
        for golden in self.scene.goldens:
            point = points[f"{self.name}.{golden.pattern}"]
            same = golden.value is None or (
                point["value"] is not None and math.isclose(point["value"], golden.value, rel_tol=1e-6)
            )
            if point["quality"].replace("_", "-") != golden.quality or not same:
                wrong.append(f"{self.name}: {golden} is {point}")
        return wrong


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tocsin-lines-") as temporary:
        yield Path(temporary)


@pytest.fixture
def said(directory: Path) -> Iterator[list[Said]]:
    with ExitStack() as stack:
        found = []
        for path in CAPTURES:
            capture = Capture.load(path)
            heading = next(line for line in path.read_text().splitlines() if line.startswith("# Section:"))
            section = heading.partition(":")[2].strip().replace(", ", "\n")
            for number, scene in enumerate(capture.scenes):
                name = f"{path.stem}-{number}"
                line = stack.enter_context(Replay(directory / name, scene))
                found.append(Said(name, capture, scene, section, line))
        yield found


def status_of(socket: Path) -> dict[str, Any] | None:
    try:
        return ask(socket, {"do": "status"})
    except NoAnswer:
        return None


def waited_for(socket: Path, agent: Child, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first status that is as wanted."""
    until_s, status = time.monotonic() + WITHIN_S, None
    while time.monotonic() < until_s and agent.code is None:
        status = status_of(socket)
        if status and wanted(status):
            return status
        time.sleep(0.05)
    raise AssertionError(f"{status}\n{agent.last_words}")


def test_every_capture_and_faults(directory: Path, said: list[Said], figure: Callable[[str], None]) -> None:
    radar = MaxBotixRange()
    wells = SdiAdapter(SdiSensor("1", (1.0,)), SdiSensor("2", (2.0,)))
    site, socket = directory / "site.toml", directory / "control.sock"
    own = OWN.format(radar=directory / "radar", wells=directory / "wells", mojiang=directory / "mojiang")
    told_the_time = MojiangGauge(), MojiangRain()  # no two questions are alike, so there is no capture of them
    told_the_time[1].hours[5] = 42
    head = '[site]\nid = "lines"\nlanguages = ["en"]\n'
    site.write_text(head + own + "".join(each.site for each in said), encoding="utf-8")
    argv = [sys.executable, "-m", "agent.cli", "guard", str(site), "--state", str(directory / "state")]
    with (
        SpokenLine(directory / "radar", radar) as line,
        SpokenLine(directory / "wells", wells),
        SpokenLine(directory / "mojiang", *told_the_time),
        Child("agent", [*argv, "--socket", str(socket), "--no-jit"], directory / "agent.log") as agent,
    ):
        waited_for(socket, agent, lambda status: not [w for each in said for w in each.differences(status["points"])])
        status = waited_for(socket, agent, lambda status: status["points"]["culvert.distance"]["value"] == 1234)
        assert status["points"]["well-1.value"]["value"] == 1.0
        assert status["points"]["well-2.value"]["value"] == 2.0
        waited_for(socket, agent, lambda status: status["points"]["tilt.value"]["value"] == pytest.approx(326.76))
        waited_for(socket, agent, lambda status: status["points"]["rain.today"]["value"] == pytest.approx(4.2))
        radar.distance_mm = 450
        waited_for(socket, agent, lambda status: status["alarms"]["culvert"]["level"] == "red")
        line.unplug()
        status = waited_for(socket, agent, lambda s: s["points"]["culvert.distance"]["quality"] == "comm-fault")
        assert status["alarms"]["culvert"]["level"] == "red"  # missing data never clears
        line.replug()
        replugged_s = time.monotonic()
        waited_for(socket, agent, lambda s: s["points"]["culvert.distance"]["quality"] == "good")
        back_s = time.monotonic() - replugged_s
        assert back_s < 5
        figure(
            f"line instruments: {len(said)} scenes of {len(CAPTURES)} captures as golden; port back in {back_s:.1f} s"
        )
