"""Accounts of a line and its units, for people and for whoever plans polls; judges nothing."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.api import DriverError, Refused, Timeout
from drivers.frames import Misframed
from drivers.overheard import Overheard
from drivers.wires import Outcome

_COUNTERS = {
    "crc": "crc_errors", "unit": "wrong_unit", "function": "wrong_function", "length": "wrong_length",
}  # fmt: skip


@dataclass(slots=True)
class UnitHealth:
    """What one unit has done since the line was opened. Times in seconds."""

    requests: int = 0
    ok: int = 0
    timeouts: int = 0
    crc_errors: int = 0
    wrong_unit: int = 0
    wrong_function: int = 0
    wrong_length: int = 0
    other_faults: int = 0  # noise, echo, transaction ids, a stream out of step
    exceptions: int = 0  # refusals: the unit lives
    absent: int = 0  # not asked, since port or host were not there
    late: int = 0  # frames that came after their time
    retries: int = 0  # of reads whose answer failed a check
    failures_in_a_row: int = 0
    occupied_s: float = 0.0  # of the line's time, the quiet after failures included
    last_answer_mono_ns: int | None = None
    last_error: str = ""
    last_s: float | None = None
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=100), repr=False)  # how the latest exchanges ended
    answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=256), repr=False)

    def count(self, outcome: Outcome) -> None:
        """Take one exchange into the accounts."""
        self.requests += 1
        error = outcome.error
        self.recent.append(_kind(error))
        if error is None or isinstance(error, Refused):
            self.ok += error is None
            self.exceptions += error is not None
            self.failures_in_a_row = 0
            self.last_s = outcome.elapsed_s
            self.answers_s.append(outcome.elapsed_s)
            self.last_answer_mono_ns = outcome.mono_ns
            return
        self.failures_in_a_row += 1
        self.last_error = error.reason
        match error:
            case Timeout():
                self.timeouts += 1
            case Misframed(fault=fault):
                counter = _COUNTERS.get(fault, "other_faults")
                setattr(self, counter, getattr(self, counter) + 1)
            case _:
                self.absent += 1

    @property
    def median_s(self) -> float | None:
        """Median of the last 256 answer times."""
        return statistics.median(self.answers_s) if self.answers_s else None

    @property
    def p99_s(self) -> float | None:
        """99th percentile of the last 256 answer times."""
        return sorted(self.answers_s)[len(self.answers_s) * 99 // 100] if self.answers_s else None


def _kind(error: DriverError | None) -> str:
    """How an exchange ended: "ok", "refused", "timeout", "absent", or the check that its answer failed."""
    match error:
        case None:
            return "ok"
        case Refused():
            return "refused"
        case Timeout():
            return "timeout"
        case Misframed(fault=fault):
            return fault
        case _:
            return "absent"


@dataclass(slots=True)
class LineHealth:
    """State of a line: open since, or closed since and why; what its units do; what waits."""

    is_open: bool = False
    since_mono_ns: int = 0
    reason: str = "not used yet"
    openings: int = 0
    stray_bytes: int = 0  # that nobody waited for
    foreign_requests: int = 0  # of another master
    foreign_replies: int = 0  # to it
    broadcasts: int = 0  # requests to unit id 0, which nobody answers
    foreign_units: set[int] = field(default_factory=set)  # that the other master asks
    foreign_mono_ns: int | None = None  # when it was last heard
    waiting: int = 0
    units: dict[int, UnitHealth] = field(default_factory=dict)

    def overhear(self, frames: Iterable[Overheard], mono_ns: int) -> bool:
        """Take frames of somebody else into the accounts; true when his first request was among them."""
        before = self.foreign_requests
        for frame in frames:
            self.foreign_mono_ns = mono_ns
            if frame.kind == "reply":
                self.foreign_replies += 1
                continue
            self.foreign_requests += 1
            self.broadcasts += frame.kind == "broadcast"
            if frame.unit_id:
                self.foreign_units.add(frame.unit_id)
        return before == 0 < self.foreign_requests
