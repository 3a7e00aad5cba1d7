"""Makes one recording a stream of rows of rising time; drops what can't be used, and counts it. Knows no formats."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from .ahead import WORKERS, ahead
from .batches import Batch, Recording
from .cells import flagged, read, under_flags
from .counts import EMPTY, Counts, FileCounts
from .marks import ABSENT, GOOD
from .order import BACKWARD, KEEP, LEAP, Order, Verdicts
from .plan import Plan
from .rows import NO_ROWS, Rows, merge_equal_times, rising, seconds, without_absent
from .stamps import Stamps, stamps
from .zones import LocalClock, Mask

_PEEK = 64  # a small share, to see the first row
_TILE_CELLS = 1 << 16  # cells turned from columns to rows at once: what a core's cache holds


class _Read(NamedTuple):
    """A block that is understood, but not yet in order."""

    batch: Batch
    stamps: Stamps
    rows: Rows  # still without times
    strangers: int  # rows of a long recording whose point is none of ours


class Source:
    """One recording with its plan. Can be streamed as often as one likes."""

    def __init__(self, name: str, recording: Recording, plan: Plan) -> None:
        self.name = name
        self._recording = recording
        self._plan = plan

    def stream(self, counts: Counts, pool: ThreadPoolExecutor | None = None, share: int = 1) -> Iterator[Rows]:
        """Its rows in rising time without absent cells; it holds less the more are open (`share`).

        `counts` is filled meanwhile. Raises ConfigErrors.
        """
        file = counts.files[self.name] = FileCounts(head=self._recording.head_lines)
        order, clock = Order(), LocalClock(self._plan.zone)
        for block in ahead(
            self._recording.blocks(self._plan, share), self._understand, pool if share <= WORKERS else None
        ):
            ordered = order.take(self._dated(block, clock, counts, file))
            yield from usable(ordered.rows, ordered.verdicts, counts, file)
        ordered = order.take(NO_ROWS, last=True)
        yield from usable(ordered.rows, ordered.verdicts, counts, file)
        file.repeated_hour, file.backward_jumps = clock.twice, order.falls

    def first_ns(self, counts: Counts) -> int | None:
        """The time of its first usable row, None when it has none. `counts` is thrown away by the caller."""
        return next((int(rows.at_ns[0]) for rows in self.stream(counts, share=_PEEK)), None)

    # --- a block, by any thread -----------------------------------------------------------------------------------

    def _understand(self, block: Any) -> _Read:
        batch = self._recording.batch(block, self._plan)
        times = stamps([batch.columns[at] for at in self._plan.times], self._plan.written)
        if not self._plan.long:
            return _Read(batch, times, self._wide(batch), 0)
        rows, mine = self._long(batch)
        if mine.all():
            return _Read(batch, times, rows, 0)
        times = Stamps(times.ns[mine], times.valid[mine], times.dated[mine])
        return _Read(batch, times, rows.only(mine), int((~mine).sum()))

    def _wide(self, batch: Batch) -> Rows:
        cells, n = self._plan.cells, batch.rows
        values = np.empty((n, len(cells)))
        marks = np.zeros((n, len(cells)), np.int8)
        columns = []
        for place, cell in enumerate(cells):
            value, mark = read(cell, batch.columns[cell.at])
            if cell.flags:
                value, mark = under_flags(value, mark, flagged(cell.flags, batch.columns[cell.flags.at]))
            columns.append(value)
            if mark is not None:
                marks[:, place] = mark
        tile = max(1, _TILE_CELLS // len(cells))
        for start in range(0, n, tile):
            for place, value in enumerate(columns):
                values[start : start + tile, place] = value[start : start + tile]
        points = np.tile(np.array([cell.point for cell in cells], np.int32), n)
        first = np.arange(n + 1, dtype=np.int64) * len(cells)
        return Rows(np.zeros(n, np.int64), first, points, values.reshape(-1), marks.reshape(-1))

    def _long(self, batch: Batch) -> tuple[Rows, Mask]:
        """A row for each reading, and which rows are of points of ours."""
        kinds, n = batch.columns[self._plan.names], batch.rows
        names = [(name or "").strip() for name in kinds.dictionary.to_pylist()]
        which = kinds.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values, marks = np.full(n, np.nan), np.full(n, ABSENT, np.int8)
        points, mine = np.zeros(n, np.int32), np.zeros(n, bool)
        for code, name in enumerate(names):
            places = np.flatnonzero(which == code)
            if (cell := self._plan.by_name.get(name)) is None or not len(places):
                continue
            value, mark = read(cell, batch.columns[self._plan.values].take(places))
            if cell.flags:
                value, mark = under_flags(value, mark, flagged(cell.flags, batch.columns[cell.flags.at].take(places)))
            values[places], marks[places] = value, GOOD if mark is None else mark
            points[places], mine[places] = cell.point, True
        return Rows(np.zeros(n, np.int64), np.arange(n + 1, dtype=np.int64), points, values, marks), mine

    # --- in the order of the file ---------------------------------------------------------------------------------

    def _dated(self, block: _Read, clock: LocalClock, counts: Counts, file: FileCounts) -> Rows:
        """The block's rows with their UTC; those that have none are dropped."""
        batch, times, rows, strangers = block
        file.rows += batch.rows + batch.ragged
        file.lines += batch.lines
        file.blank += batch.blank
        file.continued += batch.continued
        file.drop("too few or too many cells", batch.ragged)
        file.drop("another point", strangers)
        counts.cells(rows.point)
        local = times.valid & ~times.dated
        at_ns, known = times.ns, times.valid
        if local.any():
            utc, exists = clock.utc(times.ns[local])
            at_ns, known = at_ns.copy(), known.copy()
            at_ns[local], known[local] = utc, exists
        rows = Rows(at_ns, rows.first, rows.point, rows.value, rows.mark)
        if known.all():
            return rows
        _drop(rows, ~times.valid, "time not readable", counts, file)
        _drop(rows, times.valid & ~known, "no such local time", counts, file)
        return rows.only(known)


def _drop(rows: Rows, which: Mask, reason: str, counts: Counts, file: FileCounts) -> None:
    if which.any():
        file.drop(reason, int(which.sum()))
        counts.drop(reason, rows.only(which).point)


def usable(rows: Rows, verdicts: Verdicts, counts: Counts, file: FileCounts) -> Iterator[Rows]:
    """Rows of rising time, those of equal time as one."""
    if verdicts.any():
        _drop(rows, verdicts == BACKWARD, "time went backward", counts, file)
        _drop(rows, verdicts == LEAP, "time leapt ahead", counts, file)
        rows = rows.only(verdicts == KEEP)
    if (absent := rows.mark == ABSENT).any():
        counts.drop(EMPTY, rows.point[absent])
        rows = without_absent(rows)
        empty = np.diff(rows.first) == 0
        _drop(rows, empty, "no reading", counts, file)
        rows = rows.only(~empty)
    given = len(rows)
    if not rising(rows):
        merged = merge_equal_times(rows)
        rows = merged.rows
        counts.drop("same time, same value", merged.same)
        counts.drop("same time, another value", merged.other)
        file.drop("same time, same values", int((~merged.used & ~merged.contradicted).sum()))
        file.drop("same time, other values", int((~merged.used & merged.contradicted).sum()))
        given = int(merged.used.sum())
    if not len(rows):
        return
    file.steps += len(rows)
    file.merged += given - len(rows)
    first_s, last_s = seconds(rows.at_ns[[0, -1]]).tolist()
    file.earliest_s = first_s if file.earliest_s is None else file.earliest_s
    file.latest_s = last_s
    yield rows
