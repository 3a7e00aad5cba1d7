"""Finds the rows of a recording whose time goes the wrong way. Sees times only, never what was recorded.

A single stamp that leaps ahead and comes back is wrong by itself. When time falls back and stays there (a clock was
set, a file was put together wrongly) the rows until it passes its old maximum again are left out: judgement can't go
back, and which of two pasts is true nobody knows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .rows import NO_ROWS, Rows, joined
from .zones import Times

KEEP, BACKWARD, LEAP = range(3)
_HELD = 2  # distinct times that can't be judged before more is known


Verdicts = NDArray[np.int8]


class Ordered(NamedTuple):
    """Rows that are decided, with a code for each; the kept ones are in order."""

    rows: Rows
    verdicts: Verdicts


class Order:
    """Judges the rows of one recording, given block by block."""

    def __init__(self) -> None:
        self._held = NO_ROWS
        self._top = -(2**63)
        self.falls = 0  # times that the clock fell back, leaps not counted

    def take(self, rows: Rows, *, last: bool = False) -> Ordered:
        """Decide on what is known so far; with `last`, on all. Rows of one time stay together."""
        rows = joined([self._held, rows])
        starts = _runs(rows.at_ns)
        ready = len(starts) if last else max(0, len(starts) - _HELD)
        times = rows.at_ns[starts]
        verdicts = self._judge(times, ready)
        end = len(rows) if ready == len(starts) else int(starts[ready])
        self._held = rows.slice(end, len(rows)) if end < len(rows) else NO_ROWS
        lengths = np.diff(np.append(starts, len(rows)))[:ready]
        return Ordered(rows.slice(0, end), np.repeat(verdicts, lengths))

    def _judge(self, times: Times, ready: int) -> Verdicts:
        """Verdicts on the first `ready` of distinct times; later ones are only looked at."""
        verdicts = np.zeros(ready, np.int8)
        if not ready:
            return verdicts
        falls = np.flatnonzero(np.diff(times[: ready + 2]) < 0)
        falls = falls[falls < ready]
        highest = self._top
        start = 0
        ends = [*falls.tolist(), ready]  # each is the last of a stretch of rising times, but the end
        for end in ends:
            stretch = times[start:end]  # rising; its last may still leap: that one is at `end`
            verdicts[start:end][stretch <= highest] = BACKWARD
            if len(stretch):
                highest = max(highest, int(stretch[-1]))
            if end == ready:
                break
            here, following = int(times[end]), times[end + 1 : end + 3].tolist()
            if here <= highest:
                verdicts[end] = BACKWARD
            elif following[0] >= highest and (len(following) == 1 or following[0] <= following[1] < here):
                verdicts[end] = LEAP
            else:
                highest = here
            self.falls += int(verdicts[end] != LEAP)
            start = end + 1
        self._top = highest
        return verdicts


def _runs(times: Times) -> NDArray[np.int64]:
    """Where a new time begins."""
    changes = np.flatnonzero(np.diff(times)) + 1
    return np.concatenate((np.zeros(min(len(times), 1), np.int64), changes))
