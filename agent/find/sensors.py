"""Finds SDI-12 sensors behind an adapter and says what they call themselves. Measures nothing, changes no address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from drivers import sdi12
from drivers.api import NotPresent
from drivers.modbus import LineSection
from drivers.rawline import RawLine, open_raw
from drivers.sdi12 import Identity

_FRAGMENT = """
[bus.sdi12]
{where}
framing = "raw"
"""
_DEVICE = """
[device.sensor-{address}]
driver = "line"
map = "sdi12-one-value"                   # {maker} {model}: `tocsin maps sdi-12` lists those that are known
bus = "sdi12"
address = "{address}"
period = "30 s"
"""


def find_sensors(port: str, baudrate: int, console: Console, progress: Console, *, deep: bool, as_json: bool) -> int:
    """Show the sensors on PORT and a piece of a site file for them. The exit code: 1 when there is none."""
    section = _section(port, baudrate)
    try:
        found = asyncio.run(_found(section, progress, deep=deep))
    except NotPresent as error:
        progress.print(error.reason, markup=False)
        return 1
    if as_json:
        console.print_json(json.dumps([identity._asdict() for identity in found]))
    elif found:
        _show(found, section, console)
    else:
        progress.print("No sensor answers: the adapter's own speed (--baud), its supply of 12 V, the data wire?")
    return 0 if found else 1


def _section(port: str, baudrate: int) -> LineSection:
    host, colon, number = port.rpartition(":")
    if colon and number.isdigit() and not port.startswith("/"):
        return LineSection.model_validate({"host": host, "port": int(number), "framing": "raw"})
    return LineSection.model_validate({"port": port, "baudrate": baudrate, "framing": "raw"})


async def _found(section: LineSection, progress: Console, *, deep: bool) -> list[Identity]:
    async with open_raw("scan", section) as line:
        alone = None if deep else await sdi12.only_one(line)
        if alone is None:
            return await _each(line, track(sdi12.ADDRESSES, "asking each address", console=progress, transient=True))
        progress.print(f"One answer to ?!; where there may be more, --deep asks all {len(sdi12.ADDRESSES)} addresses.")
        return await _each(line, alone)


async def _each(line: RawLine, addresses: Iterable[str]) -> list[Identity]:
    told = [await sdi12.identify(line, address) for address in addresses]
    return [identity for identity in told if identity is not None]


def _show(found: list[Identity], section: LineSection, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("address", "SDI-12", "maker", "model", "firmware", "serial or other"):
        table.add_column(head)
    for sensor in found:
        version = f"{sensor.version[:1]}.{sensor.version[1:]}"
        table.add_row(sensor.address, version, *(Text(part) for part in sensor[2:]))
    console.print(table)
    where = f'host = "{section.host}"\nport = {section.port}' if section.host else f'port = "{section.port}"'
    if section.host is None:
        where += f"\nbaudrate = {section.baudrate}"
    devices = "".join(_DEVICE.format(address=s.address, maker=s.maker, model=s.model) for s in found)
    console.print(_FRAGMENT.format(where=where) + devices, markup=False, highlight=False, soft_wrap=True)
