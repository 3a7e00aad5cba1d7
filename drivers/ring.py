"""Owns the last frames of a line, as they were sent and heard; bounded, and read by whoever traces. Decodes nothing."""

from __future__ import annotations

import time
from collections import deque
from typing import Literal, NamedTuple

Way = Literal[">", "<", "?"]  # sent by us, came back, heard while nobody waited


class Frame(NamedTuple):
    """Bytes that passed the line together. `number` counts from 1 and never repeats."""

    number: int
    mono_ns: int  # ">": when it was sent; "<": when its last byte had come, or nothing more was waited for
    way: Way
    data: bytes  # b"" after "<": silence
    fault: str = ""  # why what came back was no answer


class Ring:
    """The newest frames of a line. Cheap enough to be always on."""

    def __init__(self, size: int = 512) -> None:
        self._frames: deque[Frame] = deque(maxlen=size)
        self._count = 0

    def add(self, mono_ns: int, request: bytes, raw: bytes, elapsed_s: float, fault: str = "") -> None:
        """One exchange that ended at `mono_ns`; the oldest frames are forgotten."""
        self._keep(mono_ns - int(elapsed_s * 1e9), ">", request, "")
        self._keep(mono_ns, "<", raw, fault)

    def overheard(self, data: bytes) -> None:
        """Bytes that nobody waited for."""
        self._keep(time.monotonic_ns(), "?", data, "")

    def after(self, number: int = 0) -> list[Frame]:
        """Frames newer than `number`, oldest first; a gap in the numbers shows that some were forgotten meanwhile."""
        return [frame for frame in self._frames if frame.number > number] if number < self._count else []

    def _keep(self, mono_ns: int, way: Way, data: bytes, fault: str) -> None:
        self._count += 1
        self._frames.append(Frame(self._count, mono_ns, way, data, fault))
