"""What waits for the journal's thread: bounded by class, never blocking, never touching a file.

The loop offers, the thread takes. The lock is held for memory operations only, never while a file is written. Where
room ends, telemetry is thinned (every second of the oldest half), then events go, oldest first; every loss is counted
and told. Alarms go last of all, beyond a hundred thousand.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

from agent.records import Lane, Record, Stamp, Step

ALARMS_MOST = 100_000
EVENTS_MOST = 5_000
_STEP_BYTES, _SAMPLE_BYTES = 300, 110  # of Python objects


class Entry(NamedTuple):
    """A record on its way; `n` numbers those of one run and never repeats within it."""

    n: int
    record: Record


class Waiting(NamedTuple):
    """A step on its way, with the point names its columns mean."""

    points: tuple[str, ...]
    step: Step


@dataclass(frozen=True, slots=True)
class Loss:
    """What was dropped from memory, since the last time it was told."""

    what: str  # "reading", or a lane
    count: int
    from_mono_ns: int
    to_mono_ns: int


class Handover:
    """Bounded queues between one producer and one consumer."""

    def __init__(self, telemetry_bytes: int) -> None:
        self.wake = threading.Event()
        self.dropped: dict[str, int] = {}  # since the start, by class
        self.step_bytes = 0
        self._most_bytes = telemetry_bytes
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._alarms: deque[Entry] = deque()
        self._events: deque[Entry] = deque()
        self._steps: deque[Waiting] = deque()
        self._anchors: list[Stamp] = []
        self._blobs: dict[str, bytes] = {}
        self._promises: list[Future[None]] = []
        self._losses: dict[str, Loss] = {}

    @property
    def records(self) -> int:
        """Records waiting."""
        return len(self._alarms) + len(self._events)

    @property
    def steps(self) -> int:
        """Steps waiting."""
        return len(self._steps)

    def entry(self, record: Record) -> Entry:
        """A record with its number; either side may ask."""
        return Entry(next(self._numbers), record)

    # --- offered by the loop -----------------------------------------------------------------------------------

    def offer_record(self, record: Record) -> None:
        """Queue a record; an alarm wakes the thread."""
        entry = self.entry(record)
        with self._lock:
            queue, most = (self._alarms, ALARMS_MOST) if record.lane is Lane.ALARM else (self._events, EVENTS_MOST)
            queue.append(entry)
            if len(queue) > most:
                oldest = queue.popleft().record
                self._lose(oldest.lane.value, [oldest.stamp])
        if record.lane is Lane.ALARM:
            self.wake.set()

    def offer_step(self, points: tuple[str, ...], step: Step) -> None:
        """Queue a step; it is written with the next batch."""
        with self._lock:
            self._steps.append(Waiting(points, step))
            self.step_bytes += _cost(step)
            if self.step_bytes > self._most_bytes:
                self._thin()

    def offer_blob(self, name: str, blob: bytes) -> None:
        """Queue a state; a newer one of the same name takes its place."""
        with self._lock:
            self._blobs[name] = blob

    def offer_anchor(self, stamp: Stamp) -> None:
        """Queue a moment of trusted time."""
        with self._lock:
            self._anchors.append(stamp)

    def promise(self) -> Future[None]:
        """A future that the thread completes when everything offered so far is durable."""
        future: Future[None] = Future()
        with self._lock:
            self._promises.append(future)
        self.wake.set()
        return future

    # --- taken by the thread -------------------------------------------------------------------------------------

    def take_records(self, most: int) -> list[Entry]:
        """Alarms first, then the others, each in their order."""
        with self._lock:
            return _taken(self._alarms, most) or _taken(self._events, most)

    def take_steps(self, most_samples: int) -> list[Waiting]:
        """The oldest steps, up to about so many samples, all with the same points."""
        taken: list[Waiting] = []
        with self._lock:
            samples = 0
            while self._steps and samples < most_samples and (not taken or self._steps[0].points is taken[0].points):
                waiting = self._steps.popleft()
                samples += len(waiting.step.samples)
                self.step_bytes -= _cost(waiting.step)
                taken.append(waiting)
        return taken

    def take_blobs(self) -> dict[str, bytes]:
        """States offered since the last call."""
        with self._lock:
            blobs, self._blobs = self._blobs, {}
        return blobs

    def take_anchors(self) -> list[Stamp]:
        """Anchors offered since the last call."""
        with self._lock:
            anchors, self._anchors = self._anchors, []
        return anchors

    def take_promises(self) -> list[Future[None]]:
        """Futures to complete once all that is waiting now has been written."""
        with self._lock:
            promises, self._promises = self._promises, []
        return promises

    def take_losses(self) -> list[Loss]:
        """What was dropped since the last call."""
        with self._lock:
            losses, self._losses = self._losses, {}
        return list(losses.values())

    # -------------------------------------------------------------------------------------------------------------

    def _thin(self) -> None:
        oldest = [self._steps.popleft() for _ in range(max(2, len(self._steps) // 2) if len(self._steps) > 1 else 0)]
        thinned = oldest[::2]
        self._steps.extendleft(reversed(oldest[1::2]))
        self.step_bytes -= sum(_cost(waiting.step) for waiting in thinned)
        if thinned:
            self._lose("reading", [waiting.step.stamp for waiting in thinned])

    def _lose(self, what: str, stamps: list[Stamp]) -> None:
        self.dropped[what] = self.dropped.get(what, 0) + len(stamps)
        lost = self._losses.get(what) or Loss(what, 0, stamps[0].mono_ns, 0)
        self._losses[what] = replace(
            lost,
            count=lost.count + len(stamps),
            from_mono_ns=min(lost.from_mono_ns, *(stamp.mono_ns for stamp in stamps)),
            to_mono_ns=max(lost.to_mono_ns, *(stamp.mono_ns for stamp in stamps)),
        )


def _taken(queue: deque[Entry], most: int) -> list[Entry]:
    popleft: Callable[[], Entry] = queue.popleft
    return [popleft() for _ in range(min(most, len(queue)))]


def _cost(step: Step) -> int:
    return _STEP_BYTES + _SAMPLE_BYTES * len(step.samples)
