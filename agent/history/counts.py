"""Counts what was read and what became of it, so that every row and every cell adds up. Prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.backtest import Steps
from rules.model import PointInfo

from .marks import ABOVE, GOOD, SOME_DOUBT, WORDS
from .rows import Rows

EMPTY = "no reading"


@dataclass(slots=True)
class PointCounts:
    """What became of the cells of one point: cells = good + uncertain + over_range + bad + dropped + empty."""

    cells: int = 0
    good: int = 0
    uncertain: int = 0
    over_range: int = 0
    bad: dict[str, int] = field(default_factory=dict)  # readings that are not usable, by reason
    dropped: dict[str, int] = field(default_factory=dict)  # cells that gave no reading, by reason
    empty: int = 0
    gaps: int = 0  # times without a reading for longer than the point's stale_after
    longest_gap_s: float = 0.0

    @property
    def readings(self) -> int:
        """What judgement was given."""
        return self.good + self.uncertain + self.over_range + sum(self.bad.values())


@dataclass(slots=True)
class FileCounts:
    """What became of the rows of one recording: rows = steps + merged + dropped.

    And of its lines behind the head, where it has any: lines = rows + blank + continued.
    """

    rows: int = 0
    steps: int = 0  # rows that became a step
    merged: int = 0  # rows that joined the step of an earlier row with the same time
    dropped: Counter[str] = field(default_factory=Counter)
    head: int = 0  # lines: before the first row
    lines: int = 0
    blank: int = 0
    continued: int = 0
    repeated_hour: int = 0  # stamps of an hour that daylight saving has twice
    backward_jumps: int = 0  # times that its clock fell back
    earliest_s: float | None = None  # of the rows used
    latest_s: float | None = None

    def drop(self, reason: str, rows: int) -> None:
        """So many rows gave nothing."""
        if rows:
            self.dropped[reason] += rows


class Counts:
    """Of a whole history, while it is read."""

    def __init__(self, points: Sequence[PointInfo]) -> None:
        self._points = points
        self._marks = np.zeros((len(points), len(WORDS)), np.int64)
        self._cells = np.zeros(len(points), np.int64)
        self._dropped: dict[str, NDArray[np.int64]] = {}
        self._stale_s = np.array([point.stale_after_s for point in points])
        self._latest_s = np.full(len(points), np.nan)
        self._gaps = np.zeros(len(points), np.int64)
        self._longest_s = np.zeros(len(points))
        self.files: dict[str, FileCounts] = {}
        self.steps = 0
        self.joined = 0  # steps of several recordings that became one
        self.notes: list[str] = []

    # --- while reading --------------------------------------------------------------------------------------------

    def cells(self, points: NDArray[np.int32]) -> None:
        """Cells of these points were read."""
        self._cells += self._of_points(points)

    def drop(self, reason: str, points: NDArray[np.int32]) -> None:
        """Cells of these points gave no reading."""
        if len(points):
            held = self._dropped.setdefault(reason, np.zeros(len(self._points), np.int64))
            held += self._of_points(points)

    def give(self, rows: Rows, steps: Steps) -> None:
        """These go to judgement."""
        self.steps += len(rows)
        if rows.mark.any():
            places = rows.point.astype(np.int64) * len(WORDS) + rows.mark
            self._marks += np.bincount(places, minlength=self._marks.size).reshape(self._marks.shape)
        else:
            self._marks[:, GOOD] += self._of_points(rows.point)
        self._look_for_gaps(rows, steps)

    def _of_points(self, points: NDArray[np.int32]) -> NDArray[np.int64]:
        return np.bincount(points, minlength=len(self._points))

    def _look_for_gaps(self, rows: Rows, steps: Steps) -> None:
        if not len(rows.point):
            return
        sizes = np.diff(rows.first)
        whole = rows.point[: sizes[0]]
        if (sizes == sizes[0]).all() and (rows.point.reshape(len(rows), -1) == whole).all():
            pauses = np.diff(steps.at_s)
            for point in whole.tolist():
                self._note_gaps(point, steps.at_s[0], steps.at_s[-1], pauses)
            return
        order = np.argsort(rows.point.astype(np.int16), kind="stable")
        at_s, points = steps.at_s[rows.row_of_cell()[order]], rows.point[order]
        starts = np.flatnonzero(np.diff(points, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(points)], strict=True):
            mine = at_s[start:end]
            self._note_gaps(int(points[start]), mine[0], mine[-1], np.diff(mine))

    def _note_gaps(self, point: int, first_s: float, last_s: float, pauses: NDArray[np.float64]) -> None:
        before = first_s - self._latest_s[point]  # NaN for the first reading
        limit = self._stale_s[point]
        longest = max(float(pauses.max(initial=0.0)), 0.0 if np.isnan(before) else float(before))
        if longest > limit:
            self._gaps[point] += int((pauses > limit).sum()) + int(before > limit)
            self._longest_s[point] = max(self._longest_s[point], longest)
        self._latest_s[point] = last_s

    # --- afterwards -----------------------------------------------------------------------------------------------

    @property
    def points(self) -> dict[str, PointCounts]:
        """By point, in the order of the rule set."""
        return {point.name: self._point(place) for place, point in enumerate(self._points)}

    def _point(self, place: int) -> PointCounts:
        marks = self._marks[place].tolist()
        bad: dict[str, int] = {}
        for mark in range(ABOVE + 1, len(WORDS)):
            if marks[mark]:
                bad[WORDS[mark]] = bad.get(WORDS[mark], 0) + marks[mark]
        dropped = {reason: int(held[place]) for reason, held in sorted(self._dropped.items()) if held[place]}
        empty = dropped.pop(EMPTY, 0)
        return PointCounts(
            int(self._cells[place]), marks[GOOD], marks[SOME_DOUBT], marks[ABOVE], bad, dropped, empty,
            int(self._gaps[place]), float(self._longest_s[place]),
        )  # fmt: skip

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last wall time that recordings gave, None before any."""
        firsts = [file.earliest_s for file in self.files.values() if file.earliest_s is not None]
        lasts = [file.latest_s for file in self.files.values() if file.latest_s is not None]
        return (min(firsts), max(lasts)) if firsts and lasts else None

    def as_json(self) -> dict[str, Any]:
        """For machines: plain numbers and texts."""
        points = {
            name: {
                "cells": p.cells, "good": p.good, "uncertain": p.uncertain, "over_range": p.over_range, "bad": p.bad,
                "dropped": p.dropped, "empty": p.empty, "gaps": p.gaps, "longest_gap_s": p.longest_gap_s,
            }
            for name, p in self.points.items()
        }  # fmt: skip
        files = {
            name: {
                "rows": f.rows, "steps": f.steps, "merged": f.merged, "dropped": dict(sorted(f.dropped.items())),
                "lines": f.lines, "head": f.head, "blank": f.blank, "continued": f.continued,
                "repeated_hour": f.repeated_hour, "backward_jumps": f.backward_jumps,
            }
            for name, f in sorted(self.files.items())
        }  # fmt: skip
        return {"points": points, "files": files, "steps": self.steps, "joined": self.joined, "notes": self.notes}
