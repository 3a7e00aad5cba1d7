"""Judges what a line says while nobody here asks: another master, talkers, text, or nothing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

from drivers.find.port import Heard
from drivers.overheard import Overheard, overheard

Verdict = Literal["silent", "master", "units", "text", "unreadable"]
_TEXT_SHARE = 0.9  # of printable bytes, from which it is text


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was heard in a while. `asked`: how often a foreign master asked each (unit id, function)."""

    verdict: Verdict
    size: int = 0  # bytes
    asked: Counter[tuple[int, int]] | None = None
    answered: frozenset[int] = frozenset()  # unit ids of sound answers
    period_s: float | None = None  # from one request of the master to the same one again
    sample: bytes = b""  # the beginning, where it is no Modbus

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else is speaking, so that asking would disturb."""
        return self.verdict != "silent"


def judge(heard: Sequence[Heard]) -> Traffic:
    """What these bytes, heard at one speed, are."""
    data = b"".join(piece.data for piece in heard)
    if not data:
        return Traffic("silent")
    frames = overheard(data)
    asked = Counter((frame.unit_id, frame.function) for frame in frames if frame.kind != "reply")
    answered = frozenset(frame.unit_id for frame in frames if frame.kind == "reply")
    if asked:
        return Traffic("master", len(data), asked, answered, _period_s(heard, frames))
    if answered:
        return Traffic("units", len(data), None, answered)
    printable = sum(byte in b"\r\n\t" or 32 <= byte < 127 for byte in data)
    text = printable >= _TEXT_SHARE * len(data) and len(data) >= 4
    return Traffic("text" if text else "unreadable", len(data), sample=data[:120])


def _period_s(heard: Sequence[Heard], frames: Sequence[Overheard]) -> float | None:
    """Median time between two equal requests; a piece of bytes is dated by the moment it was there."""
    starts: dict[bytes, list[float]] = {}
    for piece in heard:
        for frame in frames:
            if frame.kind == "request" and frame.data in piece.data:
                times = starts.setdefault(frame.data, [])
                if not times or times[-1] != piece.mono_s:
                    times.append(piece.mono_s)
    steps = [later - sooner for times in starts.values() for sooner, later in pairwise(times)]
    return median(steps) if steps else None
