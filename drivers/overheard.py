"""Recognises frames that nobody here asked for: another master's requests, broadcasts, answers to others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from drivers.frames import is_whole_rtu


class Overheard(NamedTuple):
    """One sound RTU frame of somebody else. A "broadcast" is a request to unit id 0, which nobody answers."""

    kind: Literal["request", "reply", "broadcast"]
    unit_id: int
    function: int
    data: bytes


def overheard(data: bytes) -> list[Overheard]:
    """The sound frames in `data`, in order; bytes that belong to none are skipped."""
    found: list[Overheard] = []
    at = 0
    while at + 4 < len(data):
        frame = _frame_at(data, at, found[-1] if found else None)
        if frame is None:
            at += 1
        else:
            found.append(frame)
            at += len(frame.data)
    return found


def _frame_at(data: bytes, at: int, before: Overheard | None) -> Overheard | None:
    unit_id, function = data[at], data[at + 1]
    asked = before is not None and before.kind == "request" and before[1:3] == (unit_id, function & 0x7F)
    # A write and its echo look alike, so do some reads of bits and their answers: what follows a request answers it.
    sizes = sorted(_sizes(data, at), key=lambda one: (one[0] == "request") == asked)
    for kind, size in sizes:
        frame = data[at : at + size]
        if len(frame) == size and is_whole_rtu(frame):
            if unit_id == 0:
                return Overheard("broadcast", 0, function, frame) if kind == "request" else None
            return Overheard("request" if kind == "request" else "reply", unit_id, function & 0x7F, frame)
    return None


def _sizes(data: bytes, at: int) -> Iterator[tuple[str, int]]:
    """What a frame of this function may be, and how long (Modbus application protocol 1.1b3, chapter 6)."""
    function = data[at + 1]
    if function & 0x80:
        yield "reply", 5
    elif function in {1, 2, 3, 4}:
        yield "request", 8
        yield "reply", 5 + data[at + 2]
    elif function in {5, 6}:
        yield "request", 8
        yield "reply", 8
    elif function in {15, 16}:
        yield "reply", 8
        if at + 6 < len(data):
            yield "request", 9 + data[at + 6]
