"""Virtual lines for searches, fast enough for tests: 115200 baud, kept at the pace of the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.find.port import SerialPort, Settings
from hil.devices import Device
from hil.line import VirtualLine

FAST = Settings(115200)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., tuple[VirtualLine, SerialPort]]]:
    """A line with these units, and a port on it that is tuned right."""
    with ExitStack() as stack:

        def up(units: dict[int, Device], baudrate: int = 115200, parity: str = "N") -> tuple[VirtualLine, SerialPort]:
            line = stack.enter_context(VirtualLine(tmp_path / "line", units, baudrate=baudrate, parity=parity))
            port = stack.enter_context(SerialPort(str(line.path)))
            return line, port

        yield up
