"""From what a technician types to a port that can be searched, and to the name it should have in a site file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from drivers.find.port import HostPort, SerialPort

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})")


def port_at(text: str) -> SerialPort | HostPort:
    """A serial port, or "HOST:PORT" of a Modbus TCP gateway. Opens nothing."""
    found = _HOST.fullmatch(text)
    if found and not Path(text).exists():
        return HostPort(found[1].strip("[]"), int(found[2]))
    return SerialPort(text)


def lasting_name(path: str, by_id: Path = Path("/dev/serial/by-id")) -> str:
    """The name of a port that stays when adapters are replugged, where there is one, else the path as it is."""
    try:
        real = os.path.realpath(path)
        names = sorted(by_id.iterdir())
    except OSError:
        return path
    return next((str(name) for name in names if os.path.realpath(name) == real), path)


def bus_keys(port: SerialPort | HostPort, baudrate: int, parity: str) -> list[str]:
    """The lines of a `[bus.x]` table for this port."""
    if isinstance(port, HostPort):
        host, _, number = port.path.rpartition(":")
        return [f'host = "{host}"', f"port = {number}"]
    keys = [f'port = "{lasting_name(port.path)}"', f"baudrate = {baudrate}"]
    return keys + ([f'parity = "{parity}"'] if parity != "N" else [])
