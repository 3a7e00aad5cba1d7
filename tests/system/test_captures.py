"""Every capture of a Modbus instrument, said again to the real agent: its points hold the goldens, scene by scene."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hil.capture import Capture, ReplayedLine, ReplayedTcp
from hil.follower import NoAnswer, ask
from hil.processes import Child

CAPTURES = sorted((Path(__file__).parents[1] / "drivers" / "captures").glob("*.cap"))
HEAD = '[site]\nid = "captures"\nlanguages = ["en"]\n'
WITHIN_S = 15.0


@dataclass
class Instrument:
    """A capture on a line of its own."""

    name: str
    capture: Capture
    line: ReplayedLine | ReplayedTcp

    @property
    def site(self) -> str:
        section = tomllib.loads(self.capture.header["section"])
        keys = [f"{key} = {inline(value)}" for key, value in section.items()]
        if isinstance(self.line, ReplayedTcp):
            bus = f'host = "{self.line.host}"\nport = {self.line.port}'
        else:
            bus = f'port = "{self.line.path}"\nbaudrate = {self.capture.baudrate}\nparity = "{self.capture.parity}"'
        said = sum(
            len(exchange.request) + sum(len(p.data) for p in exchange.pieces) for exchange in self.capture.exchanges
        )
        period_s = max(0.5, 2 * said * 10 / (self.capture.baudrate or 9600))
        head = f'bus = "{self.name}"\nperiod = "{period_s:.1f} s"\nstale_after = "30 s"\n'
        return f"[bus.{self.name}]\n{bus}\n[device.{self.name}]\n{head}" + "\n".join(keys) + "\n"

    def differences(self, number: int, points: dict[str, Any]) -> list[str]:
        """Where the agent's points are not what the goldens of that scene say."""
        own = {
            name.removeprefix(f"{self.name}."): point
            for name, point in points.items()
            if name.startswith(f"{self.name}.")
        }
        return [
            f"{self.name}.{name}: {point}" for name, point in own.items() if not self.is_golden(number, name, point)
        ]

    def is_golden(self, number: int, name: str, point: dict[str, Any]) -> bool:
        golden = self.capture.scenes[number].golden(name)
        if golden is None or point["quality"].replace("-", "_") != golden.quality:
            return False
        return golden.value is None or point["value"] == pytest.approx(golden.value, rel=2e-6, abs=1e-9)


def inline(value: object) -> str:
    """A value of a section as TOML; of tables, their numbers too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(part)}" for key, part in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture
def instruments() -> Iterator[tuple[Path, list[Instrument]]]:
    with tempfile.TemporaryDirectory(prefix="tocsin-captures-") as temporary, ExitStack() as stack:
        directory, found = Path(temporary), []
        for path in CAPTURES:
            capture = Capture.load(path)
            if capture.header.get("driver", "modbus") == "modbus":
                line = (
                    ReplayedTcp(capture)
                    if capture.baudrate == 0
                    else ReplayedLine(directory / path.stem, capture, timed=False)
                )
                line.scene(0)
                found.append(Instrument(path.stem, capture, stack.enter_context(line)))
        yield directory, found


def test_the_agent_reads_every_instrument_as_its_capture_says(
    instruments: tuple[Path, list[Instrument]], figure: Callable[[str], None]
) -> None:
    directory, found = instruments
    site, socket = directory / "site.toml", directory / "control.sock"
    site.write_text(HEAD + "".join(instrument.site for instrument in found), encoding="utf-8")
    argv = [sys.executable, "-m", "agent.cli", "guard", str(site), "--state", str(directory / "state")]
    with Child("agent", [*argv, "--socket", str(socket), "--no-jit"], directory / "agent.log") as agent:
        scenes = max(len(instrument.capture.scenes) for instrument in found)
        for number in range(scenes):
            playing = [instrument for instrument in found if number < len(instrument.capture.scenes)]
            for instrument in playing:
                instrument.line.scene(number)
            until_s, wrong = time.monotonic() + WITHIN_S, ["nothing was read yet"]
            while wrong and time.monotonic() < until_s and agent.code is None:
                time.sleep(0.1)
                try:
                    points = ask(socket, {"do": "status"})["points"]
                except NoAnswer:
                    continue
                wrong = [line for instrument in playing for line in instrument.differences(number, points)]
            assert not wrong, "\n".join([f"scene {number}:", *wrong[:20], agent.last_words])
    points_count = sum(len(instrument.capture.scenes[0].goldens) for instrument in found)
    figure(f"captures: {len(found)} instruments, {points_count} goldens of their first scenes, {scenes} scenes")
