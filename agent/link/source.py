"""What the link reads of the journal, and how records made before the clock was right are dated. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agent.journal_reader import StepRow, Stream
from agent.records import Record, Stamp

RECORDS: Stream = "records"
STEPS: Stream = "steps"


class Source(Protocol):
    """The journal, read only, as `agent.journal_reader.JournalReader` gives it: two streams, each with its own epoch.

    Nothing raises: an unreadable file has no epoch and no content until it is back.
    """

    damaged: set[tuple[Stream, int, int]]  # ranges whose rows failed their check

    def epoch(self, stream: Stream) -> str | None:
        """The epoch of the file as it is now; it changes when the file had to be replaced."""
        ...

    def newest(self, stream: Stream) -> int:
        """The highest number so far, 0 for none."""
        ...

    def records(self, epoch: str, after_seq: int, limit: int) -> Sequence[tuple[int, Record]]:
        """Records in order of their numbers. A number that is left out will never come."""
        ...

    def steps(self, epoch: str, after_seq: int, limit: int) -> Sequence[StepRow]:
        """Steps in order of their numbers. A number that is left out will never come."""
        ...

    def anchors(self) -> Sequence[Stamp]:
        """Moments at which the wall clock was known to be right."""
        ...


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = 253_370_764_800 * 10**9  # year 9999: what ISO 8601 can write


def iso(wall_ns: int) -> str | None:
    """Wall time in UTC with microseconds, None for what is no time at all."""
    if not -(10**18) < wall_ns < _LAST_NS:
        return None
    return (_EPOCH + timedelta(microseconds=wall_ns // 1000)).isoformat(timespec="microseconds")[:-6] + "Z"


def dated(stamp: Stamp, anchors: Iterable[Stamp]) -> Stamp:
    """The stamp, dated from the nearest trusted moment of the same boot when its own wall time was not trusted."""
    if stamp.clock == "trusted":
        return stamp
    same_boot = [anchor for anchor in anchors if anchor.boot_id == stamp.boot_id]
    if not same_boot:
        return stamp
    nearest = min(same_boot, key=lambda anchor: abs(anchor.mono_ns - stamp.mono_ns))
    return replace(stamp, wall_ns=nearest.wall_ns + stamp.mono_ns - nearest.mono_ns, clock="redated")
