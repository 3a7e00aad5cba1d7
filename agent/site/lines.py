"""Checks what is shared on a line: one master for each port, unit ids, speed and parity, room for the polls."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from drivers.api import Description
from drivers.modbus import LineSection
from rules.ruleset import Ruleset

from .document import Document
from .model import AlarmConfig, BusConfig, DeviceConfig, OutputConfig
from .places import Path
from .problems import listed
from .validate import checked, named

FULL, BUSY = 1.0, 0.7  # share of a line's time

_SHIFTING = re.compile(r"/dev/tty(USB|ACM)\d+")
_DEFAULT_PORT = 502  # Modbus TCP


@dataclass(frozen=True, slots=True)
class Load:
    """What one device or output takes of a line's time, as shares of it: 1.0 is all of it."""

    name: str
    wire: float  # bytes and the silence between frames: what no device can do without
    slowest: float  # and each reply as late as the device may send it


def read_buses(document: Document) -> dict[str, LineSection]:
    """The sections of all buses; two masters on one port and port names that shift are told."""
    sections = {}
    for name, raw in named(document, "bus").items():
        told = len(document.errors)
        section = checked(document, LineSection, raw, ("bus", name))
        if section is not None and len(document.errors) == told:  # a wrong speed must not be compared with devices
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


def load_of(
    name: str,
    description: Description,
    section: LineSection,
    every_s: float,
    periods: Mapping[str, float] | None = None,
) -> Load:
    """The load of polling a device, or writing an output and reading it back, once in `every_s` seconds.

    `periods`: of points that have their own; a request is made as often as the most frequent of its points needs.
    """
    if section.framing == "rtu":  # behind a converter on the network lies a serial line as well
        section = section.model_copy(update={"host": None})
    wire = slowest = 0.0
    for exchange in description.exchanges:
        own = [(periods or {}).get(point, every_s) for point in exchange.points or periods or ()]
        period_s = min(own, default=every_s)
        wire_s = (exchange.request_bytes + exchange.reply_bytes) * section.character_s + section.gap_s
        wire += wire_s / period_s
        slowest += (wire_s + exchange.device_s) / period_s
    return Load(name, wire, slowest)


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
            _check_framing(document, (kind, thing.name), thing.description, thing.bus, sections[thing.bus])
            _check_speed(document, (kind, thing.name), thing.description, thing.bus, sections[thing.bus])
    _check_units(document, devices, outputs)
    _check_places(document, devices, outputs)
    _check_inlets(document, sections, devices)
    buses = {}
    for name, section in sections.items():
        loads = [
            *(load_of(d.name, d.description, section, d.period_s, _periods(d)) for d in devices if d.bus == name),
            *(load_of(o.name, o.description, section, o.reassert_s) for o in outputs if o.bus == name),
        ]
        _check_load(document, name, section, loads)
        buses[name] = BusConfig(name, section, sum(x.wire for x in loads), sum(x.slowest for x in loads))
    return buses


def _periods(device: DeviceConfig, burst_s: float = math.inf, points: Collection[str] = ()) -> dict[str, float]:
    return {
        name.partition(".")[2]: min(point.period_s, burst_s) if name in points else point.period_s
        for name, point in device.points.items()
    }


def warn_bursts(
    document: Document,
    sections: Mapping[str, LineSection],
    devices: Iterable[DeviceConfig],
    alarms: Iterable[AlarmConfig],
    ruleset: Ruleset,
) -> None:
    """Tell which bursts a line can't keep up with: their polls come as often as it allows."""
    devices = list(devices)
    for alarm in alarms:
        if not alarm.burst:
            continue
        burst_s = min(alarm.burst.values())
        points = {ruleset.points[index].name for index in ruleset.used_points(alarm.index)}
        for name, section in sections.items():
            own = [device for device in devices if device.bus == name]
            if not any(point in points for device in own for point in device.points):
                continue
            loads = [load_of(d.name, d.description, section, d.period_s, _periods(d, burst_s, points)) for d in own]
            if (wire := sum(load.wire for load in loads)) > FULL:
                message = f"has a burst of {burst_s:g} s that takes {wire:.0%} of the time of bus {name}"
                document.warn(("alarm", alarm.name), message, "polls will come as often as the line allows")


def _is_serial(section: LineSection) -> bool:
    return section.host is None or section.framing == "rtu"


def _endpoint(section: LineSection) -> str:
    if section.host is not None:
        return f"{section.host.lower()}:{section.port or _DEFAULT_PORT}"
    try:
        return os.path.realpath(str(section.port))
    except (OSError, ValueError):
        return str(section.port)


def _check_framing(document: Document, path: Path, known: Description, bus: str, section: LineSection) -> None:
    if not known.framings:
        document.error((*path, "bus"), f"got bus {bus}, expected none: it says itself where its line is")
    elif section.carries not in known.framings:
        can = listed(f'"{framing}"' for framing in known.framings)
        message = f'got bus {bus} with framing "{section.carries}", expected a bus with {can}'
        document.error((*path, "bus"), message, "instruments with and without Modbus need lines of their own")


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


def _check_places(document: Document, devices: list[DeviceConfig], outputs: list[OutputConfig]) -> None:
    """Two outputs on one coil or pin would switch each other, and an input there would fight an output."""
    seen: dict[tuple[object, ...], str] = {}
    for device in devices:
        for point in getattr(device.section, "point", {}).values():
            if (pin := getattr(point, "pin", None)) is not None:
                first = seen.setdefault(("pin", pin), f"device {device.name}")
                if first != f"device {device.name}":
                    document.error(("device", device.name), f"got pin {pin}, which {first} uses too, expected its own")
    for output in outputs:
        section = output.section
        kind = next((key for key in ("pin", "coil", "channel") if hasattr(section, key)), None)
        if kind is None:
            continue
        number, unit = getattr(section, kind), output.description.unit_id
        place = ("pin", number) if kind == "pin" else (output.bus, unit, kind, number)
        first = seen.setdefault(place, f"output {output.name}")
        if first != f"output {output.name}":
            told = f"{kind} {number}" if kind == "pin" else f"{kind} {number} of unit {unit} on bus {output.bus}"
            message = f"got {told}, which {first} uses too, expected a place of its own"
            document.error(("output", output.name, kind), message)


def _check_inlets(document: Document, sections: Mapping[str, LineSection], devices: list[DeviceConfig]) -> None:
    """Stations that report on their own share an endpoint only by one protocol, each once, and never with a bus."""
    buses = {_endpoint(section): f"bus {name}" for name, section in sections.items()}
    users: dict[str, DeviceConfig] = {}
    stations: dict[tuple[str, str], str] = {}
    for device in devices:
        endpoint = getattr(device.section, "endpoint", None)
        if endpoint is None:
            continue
        path, place = ("device", device.name), endpoint.place
        if place in buses:
            document.error(path, f"got {endpoint.where}, which {buses[place]} uses, expected a port of its own")
        first = users.setdefault(place, device)
        if (first.driver_name, getattr(first.section, "endpoint", None)) != (device.driver_name, endpoint):
            message = f"got {endpoint.where}, which device {first.name} uses otherwise, expected its driver and speed"
            document.error(path, message)
        station = str(getattr(device.section, "station", "")).lower()
        if (other := stations.setdefault((place, station), device.name)) != device.name:
            document.error((*path, "station"), f"got {station}, which {other} has too, expected every station once")


def _check_load(document: Document, name: str, section: LineSection, loads: list[Load]) -> None:
    """Refuse what can't fit even if every device answered at once; warn where slow answers leave too little."""
    wire, slowest = sum(load.wire for load in loads), sum(load.slowest for load in loads)
    path = ("bus", name)
    if wire > FULL:
        heaviest = ", ".join(f"{x.name} {x.wire:.0%}" for x in sorted(loads, key=lambda x: -x.wire)[:3])
        message = f"got polls that take {wire:.0%} of the line's time at {section.baudrate} baud (most: {heaviest})"
        document.error(path, f"{message}, expected at most 100%", "poll less often, or use another bus")
    elif slowest > BUSY:
        heaviest = ", ".join(f"{x.name} {x.slowest:.0%}" for x in sorted(loads, key=lambda x: -x.slowest)[:3])
        message = f"polls take {slowest:.0%} of the line's time when every device answers at its slowest"
        document.warn(path, f"{message} (most: {heaviest}), {wire:.0%} on the wire alone", "poll less often")
