"""Every capture of a Modbus instrument, said again to the real agent: what its status tells is what the goldens say."""

from __future__ import annotations

import json
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hil.capture import Capture, Golden, ReplayedLine, ReplayedTcp
from hil.follower import NoAnswer, ask
from hil.processes import Child

CAPTURES = sorted((Path(__file__).parents[1] / "drivers" / "captures").glob("*.cap"))
HEAD = '[site]\nid = "shelf"\nlanguages = ["en"]\n'


def modbus_captures() -> dict[str, Capture]:
    loaded = {path.stem: Capture.load(path) for path in CAPTURES}
    return {name: capture for name, capture in loaded.items() if capture.header.get("driver", "modbus") == "modbus"}


def section_of(capture: Capture) -> dict[str, Any]:
    """The device's table; ranges are numbers for the driver, and quantities in a site file."""
    section = tomllib.loads(capture.header["section"])
    units = {golden.pattern: golden.unit for scene in capture.scenes for golden in scene.goldens}
    for name, table in section.get("point", {}).items():
        for key in {"low", "high"} & table.keys():
            table[key] = f"{table[key]} {units[name]}"
    return section


def site_file(captures: dict[str, Capture], benches: dict[str, ReplayedLine | ReplayedTcp]) -> str:
    """A site with a bus for each capture."""
    tables = [HEAD]
    for name, capture in captures.items():
        bench = benches[name]
        where = (
            f'host = "{bench.host}"\nport = {bench.port}'
            if isinstance(bench, ReplayedTcp)
            else f'port = "{bench.path}"\nbaudrate = {bench.baudrate}\nparity = "{bench.parity}"'
        )
        keys = "".join(f"{key} = {inline(value)}\n" for key, value in section_of(capture).items())
        tables.append(f'[bus.{name}]\n{where}\n[device.{name}]\nbus = "{name}"\nperiod = "1 s"\n{keys}')
    return "".join(tables)


def inline(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(part)}" for key, part in value.items()) + " }"
    return json.dumps(value)


def differences(name: str, goldens: tuple[Golden, ...], told: dict[str, Any]) -> Iterator[str]:
    """What the status says other than the goldens."""
    own = {point.removeprefix(f"{name}."): seen for point, seen in told.items() if point.startswith(f"{name}.")}
    for point, seen in own.items():
        golden = next((golden for golden in goldens if golden.fits(point)), None)
        got = f"{name}.{point}: {seen['value']} {seen['unit']} {seen['quality']} ({seen['reason']})"
        if golden is None:
            yield f"{got}: no golden"
        elif (seen["unit"], seen["quality"].replace("-", "_")) != (golden.unit, golden.quality):
            yield f"{got}, golden: {golden.value} {golden.unit} {golden.quality}"
        elif golden.value is not None and seen["value"] != pytest.approx(golden.value, rel=2e-6, abs=1e-9):
            yield f"{got}, golden: {golden.value}"
    if not own:
        yield f"{name}: no points"


def test_captures_give_their_goldens_in_the_real_agent(tmp_path: Path, figure: Callable[[str], None]) -> None:
    captures = modbus_captures()
    last = {name: len(capture.scenes) - 1 for name, capture in captures.items()}
    with ExitStack() as stack:
        benches: dict[str, ReplayedLine | ReplayedTcp] = {
            name: stack.enter_context(
                ReplayedLine(tmp_path / name, capture) if capture.baudrate else ReplayedTcp(capture)
            )
            for name, capture in captures.items()
        }
        site, socket = tmp_path / "site.toml", tmp_path / "s"
        site.write_text(site_file(captures, benches), encoding="utf-8")
        argv = [sys.executable, "-m", "agent.cli", "run", str(site), "--no-jit"]
        argv += ["--state", str(tmp_path / "state"), "--socket", str(socket)]

        def settled(scene: Callable[[str], int]) -> list[str]:
            for name, bench in benches.items():
                bench.scene(scene(name))
            until_s, found = time.monotonic() + 12, ["the agent does not answer"]
            while found and time.monotonic() < until_s and agent.code is None:
                time.sleep(0.1)
                try:
                    told = ask(socket, {"do": "status"})["points"]
                except NoAnswer:
                    continue
                found = [
                    difference
                    for name, capture in captures.items()
                    for difference in differences(name, capture.scenes[scene(name)].goldens, told)
                ]
            return found if agent.code is None else [*found, agent.last_words]

        agent = stack.enter_context(Child("agent", argv, tmp_path / "agent.log"))
        start_s = time.monotonic()
        assert settled(lambda _: 0) == []
        assert settled(last.__getitem__) == []
        points = len(ask(socket, {"do": "status"})["points"])
        took_s = time.monotonic() - start_s
        assert {name: bench.unknown for name, bench in benches.items() if bench.unknown} == {}
    figure(f"captures in the real agent: {len(captures)} lines, {points} points as their goldens, {took_s:.1f} s")
