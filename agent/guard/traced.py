"""The last frames of a line and what is needed to read them, for `tocsin trace`. Changes nothing, decodes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from agent.guard.assemble import Guard
from agent.guard.control import Refusal, Request, text_of
from agent.site.model import DeviceConfig

MOST = 400  # frames in one answer: what the event loop may spend on it is a few milliseconds


def trace(guard: Guard, request: Request) -> dict[str, Any]:
    """Frames of `bus` newer than number `after`, with the clock; devices and settings when `after` is 0.

    A frame: [number, mono_ns, ">" sent | "<" came back | "?" overheard, bytes as hex, fault].
    Raises Refusal for a bus that is not there.
    """
    name, after = text_of(request, "bus"), request.get("after", 0)
    if name not in guard.lines:
        there = ", ".join(guard.lines) or "none"
        raise Refusal(f"no line is called {name!r}; there are: {there}")
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise Refusal(f"'after' must be the number of a frame; got {after!r}")
    line = guard.lines[name]
    fresh = line.ring.after(after)[-MOST:] if after == 0 else line.ring.after(after)[:MOST]
    frames = [[frame.number, frame.mono_ns, frame.way, frame.data.hex(), frame.fault] for frame in fresh]
    told: dict[str, Any] = {"frames": frames, "mono_ns": time.monotonic_ns(), "open": line.health.is_open}
    if after == 0:
        devices = [device for device in guard.site.devices.values() if device.bus == name]
        told |= {"line": _settings(line.section), "devices": [_device(device) for device in devices]}
    return told


def _settings(section: Any) -> Mapping[str, Any]:
    keys = ("baudrate", "bytesize", "parity", "stopbits")
    return {"carries": section.carries, "serial": section.is_serial} | {key: getattr(section, key) for key in keys}


def _device(device: DeviceConfig) -> Mapping[str, Any]:
    return {
        "name": device.name,
        "unit_id": device.description.unit_id,
        "driver": device.driver_name,
        "section": device.section.model_dump(mode="json", exclude_defaults=True),
        "base": str(device.base),
    }
