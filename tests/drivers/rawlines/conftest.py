"""Lines with instruments that are no Modbus, and the driver's instruments on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.line import LineDriver
from drivers.modbus import LineSection
from drivers.rawline import open_raw
from hil.spoken import SpokenLine


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a test's coroutine within 18 s."""

    def runner(coroutine: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(18):
                await coroutine

        asyncio.run(limited())

    return runner


@pytest.fixture
def on_line(tmp_path: Path):
    """An instrument of a map on a line of its own; `bus` holds more keys of the bus."""

    @asynccontextmanager
    async def connected(*speakers, bus=None, **section) -> AsyncIterator[Any]:
        driver = LineDriver()
        with SpokenLine(tmp_path / "line", *speakers) as bench:
            table = {"port": str(bench.path), "framing": "raw", **(bus or {})}
            async with open_raw("test", LineSection.model_validate(table), quiet_s=0.05) as line:
                settings = driver.Section.model_validate(section)
                async with driver.connect("device", settings, line, tmp_path) as instrument:
                    yield instrument, bench

    return connected
