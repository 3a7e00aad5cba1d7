"""Writes what went over a line as a capture file, which the bench (hil.capture) says again on a virtual line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from agent.find.heard import Device, Exchange, Line


def capture(line: Line, exchanges: Iterable[Exchange], devices: Sequence[Device], day: date) -> str:
    """The text of a capture: its header, then requests and what came back, as late as it came."""
    named = [f"{one.name} ({one.driver} {one.section.get('map', '')})" for one in devices]
    section = devices[0].header if len(devices) == 1 else {}
    lines = [
        f"# Device: {', '.join(named) or 'unknown'}",
        f"# Line: {line.text if line.serial else 'tcp'}",
        "# Made: recorded by tocsin trace",
        f"# Date: {day.isoformat()}",
        *([f"# Driver: {devices[0].driver}"] if section else []),
        *(f"# Section: {key} = {_toml(value)}" for key, value in section.items()),
    ]
    for exchange in exchanges:
        if not exchange.request:
            lines.append(f"# heard unasked: {exchange.reply.hex(' ').upper()}")
            continue
        lines.append(f"> {_bytes(line, exchange.request)}")
        if exchange.reply:
            lines.append(f"< {line.delay_s(exchange):.3f} {exchange.reply.hex(' ').upper()}")
        if exchange.fault:
            lines.append(f"# {exchange.fault}")
    return "\n".join([*lines, ""])


def latest(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """The newest sound answer to each different request: together they are one poll."""
    sound = {one.request: one for one in exchanges if one.request and one.reply and not one.fault}
    return sorted(sound.values(), key=lambda one: one.number)


def goldens(device: Device, exchanges: Iterable[Exchange]) -> list[str]:
    """What the device read in these exchanges, as a capture says it: "= level 350 mm good"."""
    return [
        f"= {name} {one.value:.9g} {unit or '-'} {one.quality.name.lower()}"
        if math.isfinite(one.value)
        else f"= {name} - {unit or '-'} {one.quality.name.lower()}"
        for name, unit, one in device.decoded(exchanges)
    ]


def _bytes(line: Line, request: bytes) -> str:
    # On TCP the ring keeps requests as they would be on a serial line; captures of TCP have no checksum.
    return (request[:-2] if line.carries == "tcp" else request).hex(" ").upper()


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {_toml(part)}' for key, part in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
