"""Rows of readings, and how rows of equal time become one. Knows neither files nor what a value means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.backtest import Steps

from .marks import ABOVE, ABSENT, GOOD, QUALITY
from .zones import SECOND_NS, Mask, Times

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Row k was recorded at `at_ns[k]` (UTC) and has the cells `first[k]` to `first[k + 1]`."""

    at_ns: Times
    first: Numbers  # one more than rows, rising from 0
    point: NDArray[np.int32]
    value: NDArray[np.float64]
    mark: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.at_ns)

    def row_of_cell(self) -> Numbers:
        """For each cell its row."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def slice(self, start: int, end: int) -> Rows:
        """Rows `start` to `end`, without copying cells."""
        a, b = int(self.first[start]), int(self.first[end])
        first = self.first[start : end + 1] - a
        return Rows(self.at_ns[start:end], first, self.point[a:b], self.value[a:b], self.mark[a:b])

    def only(self, keep: Mask) -> Rows:
        """The rows that are to be kept."""
        cells = np.repeat(keep, np.diff(self.first))
        sizes = np.diff(self.first)[keep]
        return Rows(self.at_ns[keep], _first(sizes), self.point[cells], self.value[cells], self.mark[cells])


NO_ROWS = Rows(
    np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float64), np.empty(0, np.int8)
)


def _first(sizes: Numbers) -> Numbers:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_ROWS
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(part.first[-1] for part in parts[:-1])])
    first = [part.first[1:] + offset for part, offset in zip(parts, offsets, strict=True)]
    return Rows(
        np.concatenate([part.at_ns for part in parts]),
        np.concatenate([np.zeros(1, np.int64), *first]),
        np.concatenate([part.point for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.mark for part in parts]),
    )


class Merged(NamedTuple):
    """Rows of rising time, each point at most once in each, and what became of the cells and rows that were given."""

    rows: Rows
    same: NDArray[np.int32]  # points of cells that said what a kept one of the same time says
    other: NDArray[np.int32]  # points of cells that said something else
    used: Mask  # per given row: whether a cell of it was kept
    contradicted: Mask  # per given row: whether a cell of it said something else


def merge_equal_times(given: Rows) -> Merged:
    """One row for each time, its points in rising order.

    Of cells for the same point and time the first usable one is kept, otherwise the first. `given` has no absent cells.
    """
    times, place = np.unique(given.at_ns, return_inverse=True)
    row = given.row_of_cell()
    width = int(given.point.max(initial=0)) + 1
    key = place[row] * width + given.point
    unusable = (given.mark > ABOVE).astype(np.int64)
    order = np.argsort(key * 2 + unusable, kind="stable")
    in_order = key[order]
    first_of_key = np.ones(len(order), bool)
    first_of_key[1:] = in_order[1:] != in_order[:-1]
    kept, lost = order[first_of_key], order[~first_of_key]
    winner = kept[np.cumsum(first_of_key) - 1][~first_of_key]
    equal = (given.mark[lost] == given.mark[winner]) & (
        (given.value[lost] == given.value[winner]) | (np.isnan(given.value[lost]) & np.isnan(given.value[winner]))
    )
    used, contradicted = np.zeros(len(given), bool), np.zeros(len(given), bool)
    used[row[kept]] = True
    contradicted[row[lost[~equal]]] = True
    steps, sizes = np.unique(in_order[first_of_key] // width, return_counts=True)
    rows = Rows(times[steps], _first(sizes), given.point[kept], given.value[kept], given.mark[kept])
    return Merged(rows, given.point[lost[equal]], given.point[lost[~equal]], used, contradicted)


def without_absent(rows: Rows) -> Rows:
    """The same rows, some now perhaps empty, without cells that hold no reading."""
    present = rows.mark != ABSENT
    if present.all():
        return rows
    sizes = np.bincount(rows.row_of_cell()[present], minlength=len(rows))
    return Rows(rows.at_ns, _first(sizes), rows.point[present], rows.value[present], rows.mark[present])


def rising(rows: Rows) -> bool:
    """Whether no time comes twice."""
    return bool((np.diff(rows.at_ns) > 0).all())


def pieces(rows: Rows, most_cells: int) -> Iterator[Rows]:
    """The rows in parts of at most so many cells (or one row)."""
    start = 0
    while start < len(rows):
        end = int(np.searchsorted(rows.first, rows.first[start] + most_cells, side="right")) - 1
        end = max(end, start + 1)
        yield rows.slice(start, end)
        start = end


def steps_of(rows: Rows) -> Steps:
    """Rows as judgement takes them; judgement time is seconds since 1970-01-01 UTC."""
    quality = QUALITY[rows.mark] if rows.mark.any() else np.full(len(rows.mark), GOOD, np.int64)
    return Steps(seconds(rows.at_ns), rows.first, rows.point.astype(np.int64), rows.value, quality)


def seconds(at_ns: Times) -> NDArray[np.float64]:
    """Nanoseconds as seconds, rounded once: the same instant is the same number wherever it was read."""
    whole, rest = np.divmod(at_ns, SECOND_NS)
    return whole + rest / SECOND_NS
