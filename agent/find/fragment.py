"""Writes what a scan found as a piece of a site file, ready to be pasted and checked. Pure text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping

from agent.find.place import bus_keys
from agent.find.result import Unit
from drivers.find.port import HostPort, SerialPort, Settings
from drivers.registers import RegisterMap

PERIOD_S = 10


def fragment(port: SerialPort | HostPort, units: Iterable[Unit], maps: Mapping[str, RegisterMap]) -> str:
    """A `[bus.x]` table for each setting, and a `[device.x]` table for each unit; unknown units as comments."""
    by_settings: dict[Settings, list[Unit]] = {}
    for unit in units:
        by_settings.setdefault(unit.settings, []).append(unit)
    lines: list[str] = []
    if len(by_settings) > 1:
        lines += [
            "# Units were found at several settings. A line has one: set all units to it, or use a line for each.",
            "",
        ]
    for settings, found in by_settings.items():
        bus = "found" if len(by_settings) == 1 else f"found-{settings.baudrate}-{settings.parity}".lower()
        lines += [f"[bus.{bus}]", *bus_keys(port, settings.baudrate, settings.parity), ""]
        for unit in found:
            lines += [*_device(port.path, bus, unit, maps, apart=len(by_settings) > 1), ""]
    return "\n".join(lines)


def _device(port: str, bus: str, unit: Unit, maps: Mapping[str, RegisterMap], *, apart: bool) -> list[str]:
    name = f"unit-{unit.unit_id}" + (f"-{unit.settings.baudrate}{unit.settings.parity}".lower() if apart else "")
    keys = [f"[device.{name}]", f'bus = "{bus}"', f"unit_id = {unit.unit_id}"]
    period = f'period = "{PERIOD_S} s"'
    if unit.model is None:
        others = [line for one in unit.likenesses[:3] for line in _comment(f"perhaps {one.model}: {one.title}")]
        line = unit.settings
        serial = f" --baud {line.baudrate} --parity {line.parity}" if line.baudrate else ""
        found = f"# unit {unit.unit_id} is of no known model; find out with"
        probe = f"# tocsin probe {port} --unit {unit.unit_id}{serial}"
        return [found, probe, *others, *(f"# {key}" for key in (*keys, 'map = "..."', period))]
    register_map = maps[unit.model.model]
    told = _comment(f"{unit.model.word} {unit.model.title}: {'; '.join(unit.model.reasons)}")
    if unit.readings:
        told += _comment(f"reads now: {', '.join(unit.readings)}")
    constants = {name: one for name, one in register_map.constant.items() if one.value is None}
    needed = [line for name, one in constants.items() for line in _comment(f"{name}: {one.note}; {one.allowed}")]
    if constants:
        needed.append(f"# constants = {{ {', '.join(f'{name} = ...' for name in constants)} }}")
    if unit.late:
        keys.append(f'max_reply = "{math.ceil(20 * unit.elapsed_s) / 10:g} s"')
    device = [*keys, f'map = "{unit.model.model}"', period]
    if other := _other_settings(unit.settings, register_map):
        return [*told, *_comment(other), *(f"# {key}" for key in device)]
    return [*told, *device, *needed]


def _other_settings(settings: Settings, register_map: RegisterMap) -> str:
    """Why a site file would refuse this model at these settings, "" when it would not."""
    device = register_map.device
    slow = settings.baudrate and device.baudrates and settings.baudrate not in device.baudrates
    odd = settings.baudrate and device.parity not in {"", settings.parity}
    if not (slow or odd):
        return ""
    known = f"{', '.join(map(str, device.baudrates))} {device.parity}".rstrip()
    return f"its map knows only {known}: another model? If it is this one, copy the map and add {settings}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 77)]
