"""From a `[bus.x]` table to the open line of its kind; the one place that knows all kinds."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from drivers.modbus import LineSection, ModbusLine, open_line
from drivers.rawline import RawLine, open_raw


def open_bus(name: str, section: LineSection) -> AbstractAsyncContextManager[ModbusLine | RawLine]:
    """A line for as long as the context lasts. Opening never fails: its drivers are told NotPresent."""
    return open_raw(name, section) if section.framing == "raw" else open_line(name, section)
