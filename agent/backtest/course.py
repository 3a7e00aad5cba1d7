"""Owns how an alarm went through a history: its moves as numbers, and the times it was active. Judges nothing."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Band(NamedTuple):
    """A time in which an alarm stood at one level above normal; `end_s` is infinite where the history ends first."""

    start_s: float
    end_s: float
    level: int


class Activations(NamedTuple):
    """Times [start, end) in which an alarm was at some level or higher, in order, seconds since 1970-01-01 UTC."""

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    highest: NDArray[np.int64]  # level reached


class Course:
    """The moves of one alarm, 16 bytes each, in the order in which they came."""

    def __init__(self) -> None:
        self._at = array("d")
        self._level = array("q")

    def __len__(self) -> int:
        return len(self._at)

    def move(self, wall_s: float, level: int) -> None:
        """The alarm moved. Times never go back here, as clocks may.

        A move whose date is not known, or lies before the last one's, counts as being at the time of that one.
        """
        last_s = self._at[-1] if self._at else -np.inf
        self._at.append(max(last_s, wall_s))
        self._level.append(level)

    def bands(self) -> list[Band]:
        """Every time above normal."""
        ends = [*self._at[1:], np.inf][: len(self)]
        return [Band(at, end, level) for at, end, level in zip(self._at, ends, self._level, strict=True) if level]

    def activations(self, least: int = 1) -> Activations:
        """The times at level `least` or higher."""
        level = np.frombuffer(self._level, dtype=np.int64) if self._level else np.zeros(0, dtype=np.int64)
        at = np.frombuffer(self._at) if self._at else np.zeros(0)
        on = level >= least
        before = np.concatenate([[False], on])[:-1]
        starts, stops = np.flatnonzero(on & ~before), np.flatnonzero(~on & before)
        end_s = np.full(len(starts), np.inf)
        end_s[: len(stops)] = at[stops]
        highest = np.maximum.reduceat(np.where(on, level, 0), starts) if len(starts) else starts
        return Activations(at[starts], end_s, highest)
