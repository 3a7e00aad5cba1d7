"""What is given up when room ends, and in which order: delivered content first, alarms last; nothing without a word.

In a full file system SQLite can neither delete nor check-point (measured). Two things help: a ballast file that is
deleted to make room for the clean-up, and page quotas that are reached before the disk is full.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.records import Lane

_RUNS_MOST = 64  # ranges in one gap record
_SHARE = 20  # a clean-up drops a twentieth of the rows
_LEAST_ROWS = 20
# Given up in this order once nothing delivered is left.
_LANES = (Lane.PROTECTION, Lane.EVENT, Lane.ALARM)

Range = tuple[int, int]


class Ballast:
    """A file that does nothing but take space, so that there is some to give."""

    def __init__(self, directory: Path, size: int) -> None:
        self._path = directory / "ballast"
        self._size = size

    @property
    def present(self) -> bool:
        """Whether there is something to give."""
        return self._size == 0 or self._path.exists()

    def release(self) -> None:
        """Give the space back. Where even that fails, there is nothing more to be done."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return

    def restore(self) -> bool:
        """Take the space, if that leaves as much again for others."""
        if self.present:
            return True
        try:
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 2 * self._size:
                return False
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError:
            self.release()
            return False
        return True


@dataclass(frozen=True, slots=True)
class Drop:
    """Rows to delete: numbers from..to, and how many of these numbers the platform never had."""

    rows: tuple[int, ...]  # keys
    lane: Lane
    ranges: tuple[Range, ...]
    undelivered: int


def records_to_drop(connection: sqlite3.Connection, upto: int, *, few: bool) -> Drop | None:
    """Which records to give up next; `upto` is the highest number delivered. The newest row always stays.

    `few`: the clean-up must itself find room in the log.
    """
    (total, newest) = connection.execute("SELECT count(*), max(seq) FROM record").fetchone()
    most = _LEAST_ROWS if few else max(_LEAST_ROWS, total // _SHARE)
    for lanes, first, last, gaps in (
        (_LANES[:2], 0, upto, True),
        (_LANES[2:], 0, upto, True),
        *(((lane,), upto + 1, newest, False) for lane in _LANES),
        (_LANES, upto + 1, newest, True),  # what says that something was lost goes last of all
    ):
        marks = ",".join("?" * len(lanes))
        found = connection.execute(
            f"SELECT seq, lane FROM record WHERE lane IN ({marks}) AND seq BETWEEN ? AND ? AND seq < ? "  # noqa: S608
            "AND (? OR kind NOT IN ('gap', 'store')) ORDER BY seq LIMIT ?",
            (*lanes, first, last, newest, gaps, most),
        ).fetchall()
        if found:
            rows, ranges = _within(tuple(seq for seq, _ in found))
            return Drop(rows, Lane(found[0][1]), ranges, 0 if last <= upto else len(rows))
    return None


def batches_to_drop(connection: sqlite3.Connection, upto: int, *, few: bool) -> Drop | None:
    """Which batches of steps to give up next: the oldest, delivered or not. The newest one always stays."""
    oldest = connection.execute("SELECT first_seq, seq FROM batch ORDER BY seq LIMIT 1").fetchone()
    if oldest is None:
        return None
    (newest,) = connection.execute("SELECT max(seq) FROM batch").fetchone()
    total = (newest - oldest[0]) // (oldest[1] - oldest[0] + 1)  # about; counting would read half the file
    found = connection.execute(
        "SELECT first_seq, seq FROM batch WHERE seq < ? ORDER BY seq LIMIT ?",
        (newest, _LEAST_ROWS if few else max(_LEAST_ROWS, total // _SHARE)),
    ).fetchall()
    if not found:
        return None
    ranges = runs(found)
    undelivered = sum(last - max(first, upto + 1) + 1 for first, last in found if last > upto)
    return Drop(tuple(last for _, last in found), Lane.READING, tuple(ranges), undelivered)


def drop_marks(connection: sqlite3.Connection) -> None:
    """Delete marks that stand before the oldest steps there are, and rule sets of which no image is left."""
    connection.execute(
        "DELETE FROM mark WHERE after_seq < (SELECT first_seq - 1 FROM batch ORDER BY seq LIMIT 1)",
    )
    connection.execute("DELETE FROM ruleset WHERE digest NOT IN (SELECT rules FROM mark)")


def runs(ranges: Sequence[Range]) -> list[Range]:
    """Ascending ranges, neighbours joined."""
    joined: list[Range] = []
    for first, last in ranges:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _within(rows: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[Range, ...]]:
    """As many rows as make a gap record of bearable length."""
    joined = runs([(seq, seq) for seq in rows])[:_RUNS_MOST]
    return tuple(seq for seq in rows if seq <= joined[-1][1]), tuple(joined)
