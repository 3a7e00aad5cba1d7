"""Units on virtual lines for tests of the line client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.devices.base import Device
from hil.line import VirtualLine
from hil.tcp import VirtualTcp


class Numbers(Device):
    """Every register tells its own address, so that no value can be taken for another's."""

    reply_s = 0.0

    def __init__(self) -> None:
        self.written: list[tuple[str, int, int]] = []
        self.coils = dict.fromkeys(range(64), 0)

    @staticmethod
    def word(table: str, address: int) -> int:
        return address * 7 + (3 if table == "holding" else 11) & 0xFFFF

    def image(self, table: str) -> dict[int, int]:
        if table in {"coil", "discrete"}:
            return self.coils
        return {address: self.word(table, address) for address in range(1000)}

    def store(self, table: str, address: int, value: int) -> None:
        self.written.append((table, address, value))
        if table == "coil":
            self.coils[address] = value


@pytest.fixture
def numbers() -> Callable[[], Numbers]:
    return Numbers


@pytest.fixture
def serial_line(tmp_path: Path) -> Iterator[VirtualLine]:
    """Units 3 and 4 on a line that answers at once."""
    with VirtualLine(tmp_path / "port", {3: Numbers(), 4: Numbers()}, baudrate=115200, timed=False) as line:
        yield line


@pytest.fixture(params=["tcp", "rtu"])
def tcp_line(request: pytest.FixtureRequest) -> Iterator[VirtualTcp]:
    """Units 3 and 4 behind a TCP port, in either framing."""
    with VirtualTcp({3: Numbers(), 4: Numbers()}, framing=request.param) as line:
        yield line


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a test's coroutine within 18 s."""

    def runner(coroutine: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(18):
                await coroutine

        asyncio.run(limited())

    return runner
