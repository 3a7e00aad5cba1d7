"""Reads the gateway's own journal as history: the steps as they were judged. Never writes to it, judges nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.journal.reader import BatchRow, JournalReader
from agent.records import Stamp
from agent.site.problems import ConfigErrors, Problem
from rules.backtest import Steps
from rules.model import PointInfo

from .counts import Counts, FileCounts
from .marks import BY_QUALITY, FAULT
from .order import Order
from .rows import NO_ROWS, Rows
from .source import usable

TELEMETRY = "telemetry.db"
_BATCHES = 64  # read at once
_SAME_CLOCK_S = 0.5  # wall clocks that differ by less are one: it is slewed all the time


class _Part(NamedTuple):
    """Some steps of one boot under one wall clock."""

    boot_id: str
    steps: Steps
    marks: NDArray[np.int8]
    dated: bool  # by a clock that could be trusted, then or later; otherwise as the clock said


class JournalSource:
    """A journal's steps, for as long as it keeps them."""

    def __init__(self, directory: Path, points: Sequence[PointInfo]) -> None:
        """Raises ConfigErrors when there is no journal."""
        self.name = str(directory / TELEMETRY)
        self._directory = directory
        self._places = {point.name: place for place, point in enumerate(points)}
        reader = JournalReader(directory)
        try:
            if reader.epoch("steps") is None:
                raise self._error(reader.error or "has no epoch")
        finally:
            reader.close()

    def stretches(self, counts: Counts, most: int) -> Iterator[Steps]:
        """The steps with the judgement times, values and order they had. Raises ConfigErrors when it can't be read.

        Where judgement time began anew (its state was lost), later steps are moved behind the earlier ones: by the wall
        clock where it is known on both sides, otherwise directly.
        """
        file = counts.files[self.name] = FileCounts()
        latest_s, latest_wall_s, moved_s = -math.inf, math.nan, 0.0
        for part in _stretched(self._parts(counts, file), most):
            steps = part.steps
            if steps.at_s[0] + moved_s < latest_s:
                wall_s = float(steps.at_s[0]) + steps.wall_offset_s
                pause_s = wall_s - latest_wall_s if wall_s > latest_wall_s else 0.0
                moved_s = latest_s + pause_s - float(steps.at_s[0])
                counts.notes.append(f"{self.name}: judgement time began anew in boot {part.boot_id}")
            if moved_s:
                steps = steps._replace(at_s=steps.at_s + moved_s, wall_offset_s=steps.wall_offset_s - moved_s)
            latest_s = float(steps.at_s[-1])
            latest_wall_s = latest_s + steps.wall_offset_s
            file.steps += len(steps.at_s)
            counts.give(_rows(steps, part.marks), steps)
            yield steps

    def stream(self, counts: Counts, pool: ThreadPoolExecutor | None = None, share: int = 1) -> Iterator[Rows]:  # noqa: ARG002 - small parts anyhow
        """The steps by wall time, for merging with other recordings; those of a clock never set are dropped."""
        file = counts.files[self.name] = FileCounts()
        order = Order()
        for part in self._parts(counts, file):
            rows = _rows(part.steps, part.marks)
            if not part.dated:
                file.drop("wall time not known", len(rows))
                counts.drop("wall time not known", rows.point)
                continue
            ordered = order.take(rows)
            yield from usable(ordered.rows, ordered.verdicts, counts, file)
        ordered = order.take(NO_ROWS, last=True)
        yield from usable(ordered.rows, ordered.verdicts, counts, file)
        file.backward_jumps = order.falls

    def first_ns(self, counts: Counts) -> int | None:
        """The wall time of its first step. `counts` is thrown away by the caller."""
        return next((int(rows.at_ns[0]) for rows in self.stream(counts)), None)

    def _parts(self, counts: Counts, file: FileCounts) -> Iterator[_Part]:
        reader = JournalReader(self._directory)
        strangers: set[str] = set()
        try:
            anchors = _by_boot(reader.anchors())
            epoch = reader.epoch("steps") or ""
            after = 0
            while True:
                rows = reader.batches(epoch, after, _BATCHES)
                if reader.error and not rows:
                    raise self._error(reader.error)
                damaged = [last for stream, _, last in reader.damaged if stream == "steps"]
                seen = max([after, *damaged, *(row.seq for row in rows)])
                if seen == after:
                    break
                after = seen
                for row in rows:
                    strangers |= set(row.points) - self._places.keys()
                    if part := self._part(row, anchors.get(row.boot_id, ()), counts, file):
                        yield part
            for _, first, last in sorted(reader.damaged):
                file.rows += last - first + 1
                file.drop("damaged", last - first + 1)
        finally:
            reader.close()
        if strangers:
            counts.notes.append(f"{self.name}: points not used: {', '.join(sorted(strangers))}")

    def _part(self, row: BatchRow, anchors: Sequence[Stamp], counts: Counts, file: FileCounts) -> _Part | None:
        offset_s, dated = _wall_offset_s(row, anchors)
        note = f"{self.name}: the clock was never set in boot {row.boot_id}; times are as it said"
        if not dated and note not in counts.notes:
            counts.notes.append(note)
        steps = _steps_of(row, self._places, offset_s)
        count = len(row.columns.time_s)
        file.rows += count
        sizes = np.diff(steps.first)
        some = sizes > 0
        if not some.all():
            file.drop("another point", int((~some).sum()))
            first = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes[some])))
            steps = steps._replace(at_s=steps.at_s[some], first=first)
        if not len(steps.at_s):
            return None
        counts.cells(steps.point.astype(np.int32))
        if not math.isnan(offset_s):
            first_s, last_s = (steps.at_s[[0, -1]] + offset_s).tolist()
            file.earliest_s = min(first_s, math.inf if file.earliest_s is None else file.earliest_s)
            file.latest_s = max(last_s, -math.inf if file.latest_s is None else file.latest_s)
        known = (steps.quality >= 0) & (steps.quality < len(BY_QUALITY))
        marks = np.where(known, BY_QUALITY[np.where(known, steps.quality, 0)], FAULT).astype(np.int8)
        return _Part(row.boot_id, steps, marks, dated)

    def _error(self, reason: str) -> ConfigErrors:
        message = f"can't be read as a journal: {reason}"
        hint = "a journal is given by the agent's state directory, or the telemetry.db in it"
        return ConfigErrors([Problem(self._directory / TELEMETRY, 1, None, "", message, hint)])


def _steps_of(row: BatchRow, places: Mapping[str, int], offset_s: float) -> Steps:
    columns = row.columns
    shape = np.frombuffer(columns.shape, np.uint32)
    lengths = np.array([len(points) for points in columns.shapes], np.int64)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths[shape])))
    column = np.empty(int(first[-1]), np.int64)
    for index, points in enumerate(columns.shapes):
        starts = first[:-1][shape == index]
        column[starts[:, None] + np.arange(len(points))] = points
    # Each series has the samples of one point in the order of the steps.
    order = np.argsort(column.astype(np.int16), kind="stable")
    value, quality = np.empty(len(column)), np.empty(len(column), np.int64)
    in_order = [columns.series[point] for point in sorted(columns.series)]
    if in_order:
        value[order] = np.concatenate([np.frombuffer(values, np.float64) for values, _ in in_order])
        quality[order] = np.concatenate([np.frombuffer(codes, np.uint8) for _, codes in in_order])
    at_s = np.array(columns.time_s, np.float64)
    known = np.array([places.get(name, -1) for name in row.points] or [-1], np.int64)
    point = np.where(column < len(known), known[np.minimum(column, len(known) - 1)], -1)
    if (mine := point >= 0).all():
        return Steps(at_s, first, point, value, quality, offset_s)
    sizes = np.bincount(np.repeat(np.arange(len(at_s)), np.diff(first))[mine], minlength=len(at_s))
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return Steps(at_s, first, point[mine], value[mine], quality[mine], offset_s)


def _wall_offset_s(row: BatchRow, anchors: Sequence[Stamp]) -> tuple[float, bool]:
    """(wall time less judgement time, whether it can be trusted).

    By a stamp that could be trusted, otherwise by the nearest anchor of the boot, otherwise as the clock said.
    """
    columns = row.columns
    for index, trust in enumerate(columns.clock):
        if trust != "untrusted":
            return columns.wall_ns[index] / 1e9 - columns.time_s[index], True
    if not columns.mono_ns:
        return math.nan, False
    if not anchors:
        return columns.wall_ns[0] / 1e9 - columns.time_s[0], False
    mono_ns, time_s = columns.mono_ns[0], columns.time_s[0]
    anchor = min(anchors, key=lambda stamp: abs(stamp.mono_ns - mono_ns))
    return (anchor.wall_ns - anchor.mono_ns + mono_ns) / 1e9 - time_s, True


def _by_boot(anchors: Sequence[Stamp]) -> dict[str, list[Stamp]]:
    found: dict[str, list[Stamp]] = {}
    for anchor in anchors:
        found.setdefault(anchor.boot_id, []).append(anchor)
    return found


def _stretched(parts: Iterator[_Part], most: int) -> Iterator[_Part]:
    """Parts of one boot and wall clock put together, up to `most` samples."""
    held: list[_Part] = []
    for part in parts:
        if held and not _goes_on(held, part, most):
            yield _together(held)
            held = []
        held.append(part)
    if held:
        yield _together(held)


def _goes_on(held: Sequence[_Part], part: _Part, most: int) -> bool:
    before, after = held[0].steps.wall_offset_s, part.steps.wall_offset_s
    same_clock = abs(before - after) < _SAME_CLOCK_S or (math.isnan(before) and math.isnan(after))
    size = sum(len(each.steps.point) for each in held) + len(part.steps.point)
    rises = part.steps.at_s[0] >= held[-1].steps.at_s[-1]
    same_clock = same_clock and held[0].dated == part.dated
    return held[0].boot_id == part.boot_id and same_clock and size <= most and bool(rises)


def _together(parts: Sequence[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    all_steps = [part.steps for part in parts]
    offsets = np.cumsum([0, *(steps.first[-1] for steps in all_steps[:-1])])
    first = [steps.first[1:] + offset for steps, offset in zip(all_steps, offsets, strict=True)]
    steps = Steps(
        np.concatenate([steps.at_s for steps in all_steps]),
        np.concatenate([np.zeros(1, np.int64), *first]),
        np.concatenate([steps.point for steps in all_steps]),
        np.concatenate([steps.value for steps in all_steps]),
        np.concatenate([steps.quality for steps in all_steps]),
        all_steps[0].wall_offset_s,
    )
    marks = np.concatenate([part.marks for part in parts])
    return _Part(parts[0].boot_id, steps, marks, all(part.dated for part in parts))


def _rows(steps: Steps, marks: NDArray[np.int8]) -> Rows:
    offset_s = 0.0 if math.isnan(steps.wall_offset_s) else steps.wall_offset_s
    at_ns = np.rint((steps.at_s + offset_s) * 1e6).astype(np.int64) * 1_000
    return Rows(at_ns, steps.first, steps.point.astype(np.int32), steps.value, marks)
