"""Every capture, said again on a pty or a TCP port to the real driver: each poll gives its goldens, point by point."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import pytest

from drivers.api import Reading
from drivers.instrument import ModbusDriver
from drivers.modbus import LineSection, open_line
from hil.capture import Capture, ReplayedLine, ReplayedTcp

HERE = Path(__file__).parent
CAPTURES = {path.stem: path for path in sorted(HERE.glob("*.cap"))}
DRIVER = ModbusDriver()


def section_of(capture: Capture) -> dict[str, object]:
    return tomllib.loads(capture.header["section"])


def differences(capture: Capture, number: int, readings: list[Reading], units: dict[str, str]) -> list[str]:
    """What is not as the goldens of that scene say."""
    told = []
    for reading in readings:
        golden = capture.scenes[number].golden(reading.point)
        got = f"{reading.point} {reading.value:.9g} {units[reading.point]} {reading.quality.name.lower()}"
        if golden is None:
            told.append(f"{got}: no golden")
            continue
        same_value = golden.value is None or reading.value == pytest.approx(golden.value, rel=2e-6, abs=1e-9)
        if not (same_value and units[reading.point] == golden.unit and reading.quality.name.lower() == golden.quality):
            told.append(f"{got} ({reading.reason}), golden: {golden.value} {golden.unit} {golden.quality}")
        if golden.value is None and reading.quality.usable:
            told.append(f"{got}: a value where there is none")
    return told


MODBUS = [name for name, path in CAPTURES.items() if Capture.load(path).header.get("driver", "modbus") == "modbus"]


@pytest.mark.parametrize("name", MODBUS)
def test_a_capture_gives_its_goldens(name: str, tmp_path: Path) -> None:
    capture = Capture.load(CAPTURES[name])
    assert capture.header["made"], "a capture says how it was made"
    assert any(scene.goldens for scene in capture.scenes)
    section = DRIVER.Section.model_validate(section_of(capture))
    units = {point.name: point.unit for point in DRIVER.describe(section, tmp_path).points}

    async def check() -> None:
        bench = ReplayedTcp(capture) if capture.baudrate == 0 else ReplayedLine(tmp_path / "p", capture, timed=False)
        with bench:
            where = (
                LineSection(host=bench.host, port=bench.port)
                if isinstance(bench, ReplayedTcp)
                else LineSection(port=str(bench.path), baudrate=bench.baudrate, parity=capture.parity)
            )
            async with (
                asyncio.timeout(15),
                open_line("line", where, quiet_s=0.02) as line,
                DRIVER.connect("device", section, line, tmp_path) as instrument,
            ):
                for number, scene in enumerate(capture.scenes):
                    bench.scene(number)
                    readings = list(await instrument.poll())
                    assert differences(capture, number, readings, units) == []
                    points = {reading.point for reading in readings}
                    unmet = [golden.pattern for golden in scene.goldens if not any(golden.fits(p) for p in points)]
                    assert not unmet, "goldens of points that are not there"
        assert not bench.unknown

    asyncio.run(check())
