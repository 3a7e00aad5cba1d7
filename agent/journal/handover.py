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

from agent.records import Lane, Mark, Record, Stamp, Step

ALARMS_MOST = 100_000
EVENTS_MOST = 5_000
_STEP_BYTES, _SAMPLE_BYTES = 300, 110  # of Python objects


class Entry(NamedTuple):
    """A record on its way; `n` numbers those of one run and never repeats within it."""

    n: int
    record: Record
    place: int  # steps and marks of the run that were offered before it


class Waiting(NamedTuple):
    """A step on its way, with the point names its columns mean."""

    points: tuple[str, ...]
    step: Step


class Marked(NamedTuple):
    """A mark on its way, in its place among the steps."""

    place: int
    mark: Mark


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
        self.readings = 0  # offered since the start
        self._most_bytes = telemetry_bytes
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._alarms: deque[Entry] = deque()
        self._events: deque[Entry] = deque()
        self._steps: deque[Waiting | Marked] = deque()
        self._place = 0
        self._images = 0  # waiting
        self._anchors: list[Stamp] = []
        self._blobs: dict[str, bytes] = {}
        self._promises: list[Future[None]] = []
        self._losses: dict[str, Loss] = {}

    @property
    def records(self) -> int:
        """Records waiting."""
        return len(self._alarms) + len(self._events)

    @property
    def urgent(self) -> bool:
        """Whether an alarm is waiting."""
        return bool(self._alarms)

    @property
    def steps(self) -> int:
        """Steps waiting, and marks among them."""
        return len(self._steps)

    @property
    def has_image(self) -> bool:
        """Whether an image of the judge is waiting."""
        return self._images > 0

    def entry(self, record: Record) -> Entry:
        """A record with its number; either side may ask."""
        return Entry(next(self._numbers), record, self._place)

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
            self._place += 1
            self._steps.append(Waiting(points, step))
            self.readings += len(step.samples)
            self.step_bytes += _cost(step)
            if self.step_bytes > self._most_bytes:
                self._thin()

    def offer_mark(self, mark: Mark) -> None:
        """Queue a mark, in its place between the steps. It is never thinned."""
        with self._lock:
            self._place += 1
            self._steps.append(Marked(self._place, mark))
            self._images += bool(mark.image)
            self.step_bytes += len(mark.image)

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
            while self._steps and samples < most_samples:
                waiting = self._steps[0]
                if isinstance(waiting, Marked) or (taken and waiting.points is not taken[0].points):
                    break
                self._steps.popleft()
                samples += len(waiting.step.samples)
                self.step_bytes -= _cost(waiting.step)
                taken.append(waiting)
        return taken

    def take_mark(self) -> Marked | None:
        """The mark that is next in the queue, if it is one."""
        with self._lock:
            marked = self._steps[0] if self._steps else None
            if not isinstance(marked, Marked):
                return None
            self._steps.popleft()
            self._images -= bool(marked.mark.image)
            self.step_bytes -= len(marked.mark.image)
            return marked

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
        thinned = [waiting for waiting in oldest if isinstance(waiting, Waiting)][::2]
        gone = set(map(id, thinned))
        self._steps.extendleft(waiting for waiting in reversed(oldest) if id(waiting) not in gone)
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
