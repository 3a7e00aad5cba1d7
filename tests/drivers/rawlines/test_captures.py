"""What line instruments said, said again: goldens of every map, and the whole contract for one of each kind."""
# ruff: noqa: RUF012 - as short as an author would write it

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from drivers.buses import open_bus
from drivers.contract import DriverContract
from drivers.line import LineDriver
from drivers.linemaps import line_map_names
from drivers.modbus import LineSection
from drivers.rawline import open_raw
from drivers.replay import Capture, Replay

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.cap"))
SAID_AS_TEXT = "sdi12-one-value"  # an example to copy
TOLD_THE_TIME = {"mojiang", "mojiang-rain"}  # no two questions are alike: see test_instruments


def section_of(path: Path) -> dict:
    heading = next(line for line in path.read_text().splitlines() if line.startswith("# Section:"))
    return tomllib.loads(f"section = {{ {heading.partition(':')[2]} }}")["section"]


def test_every_map_has_a_capture():
    assert {path.stem for path in CAPTURES} == set(line_map_names()) - TOLD_THE_TIME - {SAID_AS_TEXT}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_each_capture_gives_its_goldens(path, tmp_path, run):
    capture = Capture.load(path)
    driver = LineDriver()
    section = driver.Section.model_validate(section_of(path))
    units = {point.name: point.unit for point in driver.describe(section, tmp_path).points}

    async def check() -> None:
        for scene in capture.scenes:
            with Replay(tmp_path / "line", scene) as replay:
                table = {**capture.settings, "port": str(replay.path), "framing": "raw"}
                async with (
                    open_bus("test", LineSection.model_validate(table)) as line,
                    driver.connect("device", section, line, tmp_path) as instrument,
                ):
                    while not (readings := await instrument.poll()):
                        pass
            assert {reading.point for reading in readings} == {golden.pattern for golden in scene.goldens}
            for reading in readings:
                golden = scene.golden(reading.point)
                assert (units[reading.point], reading.quality.name.lower().replace("_", "-")) == golden[2:]
                assert golden.value is None or math.isclose(reading.value, golden.value, rel_tol=1e-6)
            assert not replay.unknown

    run(check())


class Quick(DriverContract):
    driver = "line"
    spoilings = 1

    def open_bus(self, settings):
        return open_raw("bench", LineSection.model_validate({"framing": "raw", **settings}), quiet_s=0.05)


class TestFrames(Quick):
    section = {"map": "zhongda-zdjc", "address": 5, "parameters": {"type": 3}, "max_reply": "60 ms"}
    captures = "captures/zhongda-zdjc.cap"


class TestSentences(Quick):
    section = {"map": "quick.toml"}
    captures = "captures/nmea-xdr.cap"


class TestSdi12(Quick):
    section = {"map": "vega-puls-21", "max_reply": "60 ms"}
    captures = "captures/vega-puls-21.cap"
