"""Judges recorded history with the step function that judges live: steps in, moves of alarms out. It reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.judge import Judge
from rules.model import LevelChange, Sample


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

    So whoever iterates may ask the judge meanwhile what decided (`explain`, `values`); it must not step it.
    """
    for steps in stretches:
        for k, at_s in enumerate(steps.at_s.tolist()):
            while (due := judge.step(judge.now_s, ()).deadline) is not None and due < at_s:
                if changes := judge.step(due, ()).changes:
                    yield Moved(due, due + steps.wall_offset_s, changes)
            span = slice(int(steps.first[k]), int(steps.first[k + 1]))
            columns = (steps.point[span].tolist(), steps.value[span].tolist(), steps.quality[span].tolist())
            if changes := judge.step(at_s, [Sample(*row) for row in zip(*columns, strict=True)]).changes:
                yield Moved(at_s, at_s + steps.wall_offset_s, changes)
