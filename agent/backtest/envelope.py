"""Owns a history drawn small: per point and column of time its lowest and highest value. Keeps no reading."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.backtest import Steps
from rules.model import OVER_RANGE

COLUMNS = 4096  # more than any screen is wide
NARROWEST_S = 2.0**-6


@dataclass(frozen=True, slots=True)
class Trace:
    """One point, drawn small. Columns without a usable reading have lo = +inf and hi = -inf."""

    start_s: float  # seconds since 1970-01-01 UTC
    width_s: float  # of one column
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    bad: NDArray[np.int64]  # readings that were not usable

    def coarser(self) -> Trace:
        """The same with columns of twice the width."""
        odd = len(self.lo) % 2
        lo, hi = np.append(self.lo, [np.inf] * odd), np.append(self.hi, [-np.inf] * odd)
        bad = np.append(self.bad, np.zeros(odd, dtype=np.int64))
        return Trace(
            self.start_s, self.width_s * 2, np.minimum(lo[0::2], lo[1::2]), np.maximum(hi[0::2], hi[1::2]),
            bad[0::2] + bad[1::2],
        )  # fmt: skip

    def runs(self, gap_s: float) -> list[tuple[int, int]]:
        """Stretches of columns [first, last] between which nothing usable came for `gap_s` or longer."""
        seen = np.flatnonzero(self.lo <= self.hi)
        if not len(seen):
            return []
        breaks = np.flatnonzero((np.diff(seen) - 1) * self.width_s >= gap_s)
        firsts, lasts = np.append(seen[0], seen[breaks + 1]), np.append(seen[breaks], seen[-1])
        return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


class Envelope:
    """Takes a history stretch by stretch in a fixed amount of memory: columns get wider as it gets longer.

    The outcome does not depend on where stretches begin and end.
    """

    def __init__(self, points: int, columns: int = COLUMNS) -> None:
        self._columns = columns
        self._start_s = math.nan
        self._width_s = NARROWEST_S
        self._lo = np.full((points, columns), np.inf)
        self._hi = np.full((points, columns), -np.inf)
        self._bad = np.zeros((points, columns), dtype=np.int64)
        self._used = 0

    def add(self, steps: Steps) -> None:
        """Take in a stretch. Readings whose date is not known, or lies before the first one, are left out."""
        wall = steps.at_s + steps.wall_offset_s
        if not len(wall) or not math.isfinite(steps.wall_offset_s):
            return
        if math.isnan(self._start_s):
            self._start_s = float(wall[0])
        while wall.max() - self._start_s >= self._columns * self._width_s:
            self._widen()
        column = np.floor((wall - self._start_s) / self._width_s).astype(np.int64)
        self._used = max(self._used, int(column.max()) + 1)
        usable = (steps.quality <= OVER_RANGE) & np.isfinite(steps.value)
        per_step = len(steps.point) // len(wall)
        if column[0] >= 0 and self._regular(steps, per_step):
            self._add_table(steps.point[:per_step], column, steps.value, usable)
        else:
            self._add_each(steps.point, np.repeat(column, np.diff(steps.first)), steps.value, usable)

    def trace(self, point: int) -> Trace:
        """What is known of a point."""
        used = slice(0, self._used)
        return Trace(self._start_s, self._width_s, self._lo[point, used], self._hi[point, used], self._bad[point, used])

    def _widen(self) -> None:
        self._width_s *= 2
        self._used = -(-self._used // 2)
        half = self._columns // 2
        for table, merge, empty in (
            (self._lo, np.minimum, np.inf), (self._hi, np.maximum, -np.inf), (self._bad, np.add, 0),
        ):  # fmt: skip
            table[:, :half] = merge(table[:, 0::2], table[:, 1::2])
            table[:, half:] = empty

    @staticmethod
    def _regular(steps: Steps, per_step: int) -> bool:
        """Whether every step has the same points once, in one order and time order: a table, far cheaper to reduce."""
        if not per_step or len(steps.point) != per_step * len(steps.at_s):
            return False
        row = steps.point[:per_step]
        if len(np.unique(row)) != per_step or not (steps.point.reshape(-1, per_step) == row).all():
            return False
        return bool((np.diff(steps.first) == per_step).all())

    def _add_table(
        self,
        points: NDArray[np.int64],
        column: NDArray[np.int64],
        value: NDArray[np.float64],
        usable: NDArray[np.bool_],
    ) -> None:
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        place = np.ix_(points, column[starts])
        table = value.reshape(len(column), -1)
        good = usable.reshape(len(column), -1)
        lo = np.minimum.reduceat(np.where(good, table, np.inf), starts).T
        hi = np.maximum.reduceat(np.where(good, table, -np.inf), starts).T
        self._lo[place] = np.minimum(self._lo[place], lo)
        self._hi[place] = np.maximum(self._hi[place], hi)
        self._bad[place] += np.add.reduceat((~good).astype(np.int64), starts).T

    def _add_each(
        self,
        point: NDArray[np.int64],
        column: NDArray[np.int64],
        value: NDArray[np.float64],
        usable: NDArray[np.bool_],
    ) -> None:
        place = point * self._columns + column
        good = usable & (column >= 0)
        np.minimum.at(self._lo.reshape(-1), place[good], value[good])
        np.maximum.at(self._hi.reshape(-1), place[good], value[good])
        np.add.at(self._bad.reshape(-1), place[~usable & (column >= 0)], 1)
