"""Judges recorded history with the step function that judges live: steps in, moves of alarms out. It reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.judge import Judge
from rules.model import LevelChange


class Steps(NamedTuple):
    """A stretch of history: step k is judged at `at_s[k]` with the samples `first[k]` to `first[k + 1]`.

    Times never go back, neither within a stretch nor from one to the next.
    """

    at_s: NDArray[np.float64]  # n judgement times; for files: seconds since 1970-01-01 UTC
    first: NDArray[np.int64]  # n + 1, rising from 0
    point: NDArray[np.int64]  # m indexes into the rule set's points
    value: NDArray[np.float64]  # m, in each point's unit; NaN where the quality is not usable
    quality: NDArray[np.int64]  # m codes of rules.model
    wall_offset_s: float = 0.0  # judgement time + this = seconds since 1970-01-01 UTC; NaN: not known


class Moved(NamedTuple):
    """Alarms that moved at one time: with the readings of a step, or because a timer ran out between two."""

    at_s: float
    wall_s: float
    changes: Sequence[LevelChange]


def judge_history(judge: Judge, stretches: Iterable[Steps]) -> Iterator[Moved]:
    """Judge a history; gives control back at each move, with the judge standing right behind it.

    So whoever iterates may ask the judge meanwhile what decided (`explain`, `values`); it must not step it. Times
    before the judge's own count as its own, as in `step`.
    """
    for steps in stretches:
        columns = (np.maximum(steps.at_s, judge.now_s), steps.first, steps.point, steps.value, steps.quality)
        arrays = columns if judge.kernels.name == "jit" else [column.tolist() for column in columns]
        for at_s, changes in judge.recorded(*arrays):
            yield Moved(at_s, at_s + steps.wall_offset_s, changes)
