"""Every capture of a talker, said again on a pty or a connection to the real driver: answers and readings, in order."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import pytest

from drivers.api import Reading
from drivers.registry import instrument_driver
from hil.capture import Golden
from hil.telemetry.mouth import SerialMouth, TcpMouth
from hil.telemetry.talk import Talk

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.cap"))


def told(reading: Reading, units: dict[str, str]) -> tuple[str, float, str, str]:
    return reading.point, pytest.approx(reading.value), units[reading.point], reading.quality.name.lower()


def wanted(golden: Golden) -> tuple[str, float | None, str, str]:
    return golden.pattern, golden.value, golden.unit, golden.quality


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_gets_its_answers_and_gives_its_goldens(path: Path, tmp_path: Path, free_port: int) -> None:
    talk = Talk.load(path)
    assert talk.header["made"], "a capture says how it was made"
    tcp = talk.header["line"] == "tcp"
    mouth: Any = TcpMouth(free_port) if tcp else SerialMouth(tmp_path / "port")
    driver = instrument_driver(talk.header["driver"])
    where = {"listen": f"127.0.0.1:{free_port}"} if tcp else {"port": str(mouth.path)}
    section = driver.Section.model_validate({**tomllib.loads(talk.header["section"]), **where})
    units = {point.name: point.unit for point in driver.describe(section, tmp_path).points}

    async def check() -> None:
        if not tcp:
            mouth.replug()
        async with asyncio.timeout(15), driver.connect("station", section, None, tmp_path) as station:
            station.wait_s = 0.1
            if tcp:
                await asyncio.to_thread(mouth.replug)
            else:
                await asyncio.sleep(0.05)  # the port is opened in a thread
            for turn in talk.turns:
                mouth.send(turn.said)
                answer = await asyncio.to_thread(mouth.receive, 1.0 if turn.answers else 0.1)
                assert turn.is_answer(answer), answer.hex(" ")
                readings = await station.poll() if turn.goldens else []
                assert sorted(told(r, units) for r in readings) == sorted(map(wanted, turn.goldens))
            assert await station.poll() == (), "nothing comes twice"
        mouth.unplug()

    asyncio.run(check())
