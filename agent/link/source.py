"""What the link reads of the journal, and how what was made before the clock was right is dated. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import NamedTuple, Protocol

from agent.journal.reader import BatchRow, Stream
from agent.records import Record, Stamp

RECORDS: Stream = "records"
STEPS: Stream = "steps"


class Source(Protocol):
    """The journal, read only, as `agent.journal.reader.JournalReader` gives it: two streams, each with its own epoch.

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

    def batches(self, epoch: str, after_seq: int, limit: int) -> Sequence[BatchRow]:
        """Batches of steps that end above a number, in order. A number that is left out will never come."""
        ...

    def anchors(self) -> Sequence[Stamp]:
        """Moments at which the wall clock was known to be right."""
        ...


class StepRow(NamedTuple):
    """A step as it is sent: a million readings are drained in seconds, so values become text once, by columns."""

    seq: int
    stamp: Stamp
    points: tuple[str, ...]  # names, by column of the catalogue
    columns: tuple[int, ...]  # the step's points, in its order
    values: list[str]
    qualities: list[tuple[int, int]]  # (place within the step, quality code) of those that are not good


def steps_of(batch: BatchRow, after_seq: int) -> Iterator[StepRow]:
    """The steps of a batch above a number."""
    told = batch.columns
    texts = {point: iter([number(value) for value in values]) for point, (values, _) in told.series.items()}
    codes = {point: iter(qualities) for point, (_, qualities) in told.series.items()}
    bad = any(any(qualities) for _, qualities in told.series.values())
    steps = zip(told.mono_ns, told.wall_ns, told.clock, told.shape, strict=True)
    for seq, (mono_ns, wall_ns, clock, shape) in enumerate(steps, start=batch.first_seq):
        columns = told.shapes[shape]
        values = [next(texts[point]) for point in columns]
        qualities = []
        if bad:
            read = [next(codes[point]) for point in columns]
            qualities = [(place, code) for place, code in enumerate(read) if code]
        if seq > after_seq:
            stamp = Stamp(batch.boot_id, mono_ns, wall_ns, clock)
            yield StepRow(seq, stamp, batch.points, columns, values, qualities)


def number(value: float) -> str:
    """A reading's value as JSON: whole numbers exact, others with nine significant digits, null for no number."""
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return f"{value:.9g}" if isfinite(value) else "null"


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
