"""Supervision of points: lost, stuck and jumping ones are found without being asked for. Pure; judgement seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from rules.model import GOOD, OVER_RANGE, UNCERTAIN, Sample


@dataclass(frozen=True, slots=True)
class Supervised:
    """What supervision needs to know of a point."""

    name: str
    device: str
    bus: str
    stale_after_s: float
    flat_after_s: float | None = None  # unchanged for longer: stuck
    max_step: float | None = None  # a larger change between two readings: jumping


@dataclass(slots=True)
class _Watch:
    value: float = math.nan
    quality: int = GOOD
    reason: str = "no reading yet"
    usable_s: float = 0.0  # latest usable reading
    changed_s: float = 0.0  # latest change of value
    jumped_until_s: float = -math.inf
    scheduled_s: float = math.inf  # when time alone may change its fault: at the latest looked at then
    fault: str = ""


class Supervision:
    """Watches every point; `step` gives the points whose fault began, changed or ended."""

    def __init__(self, points: Sequence[Supervised], now_s: float) -> None:
        self.points = points
        self._watches = [_Watch(usable_s=now_s, changed_s=now_s) for _ in points]
        self._due: list[tuple[float, int]] = []  # one entry a point; a reading leaves it, to be looked at again then
        for index, point in enumerate(points):
            self._schedule(index, now_s + point.stale_after_s)

    @property
    def deadline(self) -> float | None:
        """When a point may become lost or stuck by time alone."""
        return self._due[0][0] if self._due else None

    def fault(self, index: int) -> str:
        """Why the point can't be relied on, "" when it can."""
        return self._watches[index].fault

    def step(self, at_s: float, samples: Iterable[Sample], reasons: Mapping[int, str]) -> list[int]:
        """Take in the readings of one poll and the passing of time. Returns the indexes whose fault changed."""
        touched = {sample.point for sample in samples}
        for sample in samples:
            self._take(at_s, sample, reasons.get(sample.point, ""))
        while self._due and self._due[0][0] <= at_s:
            index = heappop(self._due)[1]
            self._watches[index].scheduled_s = math.inf
            touched.add(index)
        changed = []
        for index in sorted(touched):
            watch = self._watches[index]
            fault, due_s = self._judge(at_s, self.points[index], watch)
            self._schedule(index, due_s)
            if fault != watch.fault:
                watch.fault = fault
                changed.append(index)
        return changed

    def _schedule(self, index: int, due_s: float) -> None:
        watch = self._watches[index]
        if due_s < watch.scheduled_s:
            if watch.scheduled_s < math.inf:  # sooner than thought: the old entry goes
                self._due.remove((watch.scheduled_s, index))
                heapify(self._due)
            watch.scheduled_s = due_s
            heappush(self._due, (due_s, index))

    def _take(self, at_s: float, sample: Sample, reason: str) -> None:
        watch, point = self._watches[sample.point], self.points[sample.point]
        watch.quality, watch.reason = sample.quality, reason
        if sample.quality not in (GOOD, UNCERTAIN, OVER_RANGE):
            return
        watch.usable_s = at_s
        if sample.value != watch.value:
            if point.max_step is not None and abs(sample.value - watch.value) > point.max_step:
                watch.jumped_until_s = at_s + point.stale_after_s
            watch.value, watch.changed_s = sample.value, at_s

    def _judge(self, at_s: float, point: Supervised, watch: _Watch) -> tuple[str, float]:
        """The point's fault now, and when it may change without a reading (infinity: only a reading changes it)."""
        lost_s = watch.usable_s + point.stale_after_s
        if at_s >= lost_s:
            return watch.reason or "no reading", math.inf
        if at_s < watch.jumped_until_s:
            return "jumping", min(watch.jumped_until_s, lost_s)
        stuck_s = math.inf if point.flat_after_s is None else watch.changed_s + point.flat_after_s
        return ("stuck", lost_s) if at_s >= stuck_s else ("", min(stuck_s, lost_s))
