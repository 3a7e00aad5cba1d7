"""Checks what is shared on a line: one master for each port, unit ids, speed and parity, room for the polls."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivers.api import Description
from drivers.modbus import LineSection

from .document import Document
from .model import BusConfig, DeviceConfig, OutputConfig
from .places import Path
from .problems import listed
from .validate import checked, named

FULL, BUSY = 1.0, 0.7  # share of a line's time: refused above the first, doubtful above the second

_SHIFTING = re.compile(r"/dev/tty(USB|ACM)\d+")
_DEFAULT_PORT = 502  # Modbus TCP


@dataclass(frozen=True, slots=True)
class Load:
    """What one device or output takes of a line's time."""

    path: Path
    every_s: float
    busy_s: float

    @property
    def share(self) -> float:
        """0 to 1, and above where it does not fit."""
        return self.busy_s / self.every_s


def read_buses(document: Document) -> dict[str, LineSection]:
    """The sections of all buses; two masters on one port and port names that shift are told."""
    sections = {}
    for name, raw in named(document, "bus").items():
        section = checked(document, LineSection, raw, ("bus", name))
        if section is not None:
            sections[name] = section
    masters: dict[str, str] = {}
    for name, section in sections.items():
        where = _endpoint(section)
        if where in masters:
            path = ("bus", name, "port" if section.host is None else "host")
            first = document.place(("bus", masters[where]))
            message = f"got {where}, which bus {masters[where]} at {first} already uses, expected one bus for each port"
            document.error(
                path, message, "put the devices of both on one bus: two masters on one line disturb each other"
            )
        masters.setdefault(where, name)
        if isinstance(section.port, str) and _SHIFTING.fullmatch(section.port):
            message = f'got "{section.port}", a name that may belong to another adapter after a restart'
            document.warn(("bus", name, "port"), message, "use the name under /dev/serial/by-id/ or by-path/")
    return sections


def busy_s(description: Description, section: LineSection) -> float:
    """Seconds of a line's time for one poll of a device, or one write of an output with its read-back, at slowest."""
    if section.framing == "rtu":  # behind a converter on the network lies a serial line as well
        section = section.model_copy(update={"host": None})
    return sum(
        (exchange.request_bytes + exchange.reply_bytes) * section.character_s + exchange.device_s + section.gap_s
        for exchange in description.exchanges
    )


def join_lines(
    document: Document,
    sections: Mapping[str, LineSection],
    devices: Iterable[DeviceConfig],
    outputs: Iterable[OutputConfig],
) -> dict[str, BusConfig]:
    """Buses with their loads; what can't share a line is told."""
    devices, outputs = list(devices), list(outputs)
    things: list[tuple[str, DeviceConfig | OutputConfig]] = [
        *(("device", device) for device in devices),
        *(("output", output) for output in outputs),
    ]
    for kind, thing in things:
        if thing.bus is not None:
            _check_speed(document, (kind, thing.name), thing.description, thing.bus, sections[thing.bus])
    _check_units(document, devices, outputs)
    _check_places(document, outputs)
    return {
        name: BusConfig(name, section, _check_load(document, name, section, devices, outputs))
        for name, section in sections.items()
    }


def _is_serial(section: LineSection) -> bool:
    return section.host is None or section.framing == "rtu"


def _endpoint(section: LineSection) -> str:
    if section.host is not None:
        return f"{section.host.lower()}:{section.port or _DEFAULT_PORT}"
    try:
        return os.path.realpath(str(section.port))
    except (OSError, ValueError):
        return str(section.port)


def _check_speed(document: Document, path: Path, known: Description, bus: str, section: LineSection) -> None:
    if not _is_serial(section):
        return
    if known.baudrates and section.baudrate not in known.baudrates:
        can = listed(str(rate) for rate in sorted(known.baudrates))
        message = f"got bus {bus} with {section.baudrate} baud, expected a bus with a speed the device can do: {can}"
        document.error((*path, "bus"), message)
    if known.parity and section.parity != known.parity:
        message = (
            f'got bus {bus} with parity "{section.parity}", expected one with "{known.parity}", the only one it can do'
        )
        document.error((*path, "bus"), message, "devices of different parity need lines of their own")


def _check_units(document: Document, devices: list[DeviceConfig], outputs: list[OutputConfig]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for device in devices:
        unit = device.description.unit_id
        if device.bus is None or unit is None:
            continue
        path = ("device", device.name, "unit_id")
        if (first := seen.setdefault((device.bus, unit), device.name)) != device.name:
            place = document.place(("device", first, "unit_id"))
            message = f"got {unit}, which {first} at {place} has too, expected every unit id once on bus {device.bus}"
            document.error(path, message, "both would answer at once")
    for output in outputs:
        unit = output.description.unit_id
        if output.bus is not None and unit is not None and (first := seen.get((output.bus, unit), "")):
            message = f"got {unit}, which device {first} has too: right only where both are one box"
            document.warn(("output", output.name, "unit_id"), message)


def _check_places(document: Document, outputs: list[OutputConfig]) -> None:
    """Two outputs that name the same coil or pin would switch each other."""
    seen: dict[tuple[object, ...], str] = {}
    for output in outputs:
        values = output.section.model_dump()
        place = tuple((key, values[key]) for key in ("unit_id", "coil", "channel", "pin", "chip") if key in values)
        if not any(key in values for key in ("coil", "channel", "pin")):
            continue
        first = seen.setdefault((output.bus, output.driver_name, *place), output.name)
        if first != output.name:
            told = ", ".join(f"{key} {value}" for key, value in place)
            message = f"got {told}, which output {first} switches too, expected a place of its own"
            document.error(("output", output.name), message)


def _check_load(
    document: Document,
    name: str,
    section: LineSection,
    devices: list[DeviceConfig],
    outputs: list[OutputConfig],
) -> float:
    loads = [
        *(Load(("device", d.name), d.period_s, busy_s(d.description, section)) for d in devices if d.bus == name),
        *(Load(("output", o.name), o.reassert_s, busy_s(o.description, section)) for o in outputs if o.bus == name),
    ]
    total = sum(load.share for load in loads)
    if total > BUSY:
        heaviest = sorted(loads, key=lambda load: load.share, reverse=True)[:3]
        parts = ", ".join(f"{load.path[1]} {load.share:.0%}" for load in heaviest)
        speed = f" at {section.baudrate} baud" if _is_serial(section) else ""
        message = f"got polls that take {total:.0%} of the line's time{speed} (most: {parts})"
        if total > FULL:
            document.error(("bus", name), f"{message}, expected at most 100%", "poll less often, or use another bus")
        else:
            document.warn(("bus", name), f"{message}, little is left for retries and outputs")
    return total
