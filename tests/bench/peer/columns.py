"""The same rules as a NumPy and as a pandas user would write them: whole columns at a time. Imports nothing of ours.

It holds for gapless minute data only: no quality, no staleness, no unknown; delays are whole numbers of rows. Run as a
program it times pandas: `columns.py VALUES.npy RULES.json`, so that it may run where pandas is installed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

DELAY, CLEAR_DELAY = 2, 5  # rows


class NumPy:
    """Columns as arrays."""

    def __init__(self, values: Any) -> None:
        self.columns = [np.ascontiguousarray(column) for column in values.T]

    def mean(self, x: Any, rows: int) -> Any:
        """Of the signal held over so many rows before each."""
        sums = np.concatenate([[0.0], np.cumsum(x)])
        return padded((sums[rows:-1] - sums[: -rows - 1]) / rows, rows)

    def extreme(self, x: Any, rows: int, name: str) -> Any:
        views = np.lib.stride_tricks.sliding_window_view(x, rows + 1)
        return padded(getattr(views, name)(axis=1), rows)

    def slope(self, x: Any, rows: int) -> Any:
        weights = np.arange(rows) - (rows - 1) / 2
        return padded(np.convolve(x, weights[::-1], "valid") / (weights @ weights) / 60.0, rows - 1)

    def held(self, truth: Any, rows: int) -> Any:
        """True in each of so many rows before."""
        sums = np.concatenate([[0], np.cumsum(truth)])
        return np.concatenate([np.zeros(rows, bool), sums[rows:-1] - sums[: -rows - 1] == rows])

    def state(self, on: Any, off: Any) -> Any:
        """On since it was last set, not since reset."""
        last = np.maximum.accumulate(np.where(on | off, np.arange(len(on)), 0))
        return on[last]


class Pandas:
    """Columns as Series."""

    def __init__(self, values: Any) -> None:
        import pandas as pd  # noqa: PLC0415 - not everywhere

        self.pd = pd
        frame = pd.DataFrame(values, index=pd.date_range("2015-01-01", periods=len(values), freq="min"))
        self.columns = [frame[k] for k in frame]

    def mean(self, x: Any, rows: int) -> Any:
        return x.shift(1).rolling(rows).mean()

    def extreme(self, x: Any, rows: int, name: str) -> Any:
        return getattr(x.rolling(rows + 1), name)()

    def slope(self, x: Any, rows: int) -> Any:
        minutes = self.pd.Series(np.arange(len(x), dtype=float), index=x.index)
        return x.rolling(rows).cov(minutes) / minutes.rolling(rows).var() / 60.0

    def held(self, truth: Any, rows: int) -> Any:
        return truth.shift(1, fill_value=False).rolling(rows).sum() == rows

    def state(self, on: Any, off: Any) -> Any:
        set_or_reset = self.pd.Series(np.nan, index=on.index).mask(off, 0.0).mask(on, 1.0)
        return set_or_reset.ffill().fillna(0.0) == 1.0


def padded(x: Any, rows: int) -> Any:
    """Nothing is known of the first rows."""
    return np.concatenate([np.full(rows, np.nan), x])


def conditions(lib: Any, shape: int, rule: dict[str, float]) -> tuple[Any, Any]:
    """(when, clear) of one rule, a truth a row; shapes by number as in tests.bench.sets."""
    a, b, c = (lib.columns[int(rule[letter])] for letter in "abc")
    high, low = rule["high"], rule["low"]
    if shape == 0:
        return a > high, a < low
    if shape == 3:
        mean = lib.mean(a, 5)
        return mean > high, mean < low
    when: Callable[[], Any] = {
        1: lambda: a > high,
        2: lambda: (a > high) | (a - lib.extreme(a, 10, "min") > rule["rise"]),
        4: lambda: (1 * (a > high) + (b > high) + (c > high)) >= 2,
        5: lambda: (lib.extreme(a, 60, "max") > high) & (a >= low),
        6: lambda: lib.slope(a, 10) > rule["rate"] / 60.0,
        7: lambda: (low < a) & (a < high),
    }[shape]
    truth = when()
    return truth, ~truth


def judge(lib: Any, rules: Sequence[tuple[int, dict[str, float]]], skip: int) -> list[int]:
    """How often each rule's alarm moves after the first `skip` rows."""
    moves = []
    for shape, rule in rules:
        when, clear = conditions(lib, shape, rule)
        state = np.asarray(lib.state(lib.held(when, DELAY), lib.held(clear, CLEAR_DELAY)))
        moves.append(int(np.count_nonzero(state[skip:] != state[skip - 1 : -1])))
    return moves


def timed(kind: type, values: Any, rules: Sequence[tuple[int, dict[str, float]]], skip: int) -> tuple[float, list[int]]:
    """(CPU seconds, moves of each rule)."""
    began = time.process_time()
    moves = judge(kind(values), rules, skip)
    return time.process_time() - began, moves


def main(values: str, rules: str, runs: int, skip: int) -> None:
    """Print JSON: CPU seconds of each run, and the moves."""
    with open(rules, encoding="utf-8") as file:  # noqa: PTH123 - as little as possible here
        given = json.load(file)
    found = [timed(Pandas, np.load(values), given, skip) for _ in range(runs)]
    print(json.dumps({"seconds": [seconds for seconds, _ in found], "moves": found[0][1]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
