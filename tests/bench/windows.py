"""What an update of one window costs, fed and read at each reading: the JIT build against C, whatever the length."""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from rules.engine import windows
from rules.engine.build import kernels_for
from rules.judge import Judge, build_ruleset
from rules.model import AlarmRule, LevelRule, PointInfo
from tests.bench.peer.build import FLAGS, HERE

LENGTH_S = 600.0
READS = {"avg": "avg(a.x, 10 min) > 1 mm", "max": "max(a.x, 10 min) > 1 mm", "rate": "rate(a.x, 10 min) > 1 mm/min"}
UPDATES = 1_000_000
RUNS = 5


def ours(read: str, directory: Path) -> Callable[[Any, Any], float]:
    """A compiled loop over readings that feeds and reads the window of one rule."""
    rule = AlarmRule("a", (LevelRule("red", READS[read]),))
    ruleset = build_ruleset([PointInfo("a.x", "mm", 1e9)], [rule])
    result = kernels_for(ruleset.tables, directory)
    if result.kernels is None:
        raise RuntimeError(result.reason)
    module = sys.modules[result.kernels.run.__module__]
    data, feed, due, look = module.data, module.feed, module.window_due, getattr(module, f"read_{read}")

    @numba.njit
    def updates(tab, par, num, ints, r, at, value):  # noqa: PLR0917 - njit
        tab_, par_, num_, ints_, total = data(tab), data(par), data(num), data(ints), 0.0
        for k in range(len(at)):
            feed(tab_, par_, num_, ints_, r, at[k], value[k], value[k])
            num_[0] = due(tab_, par_, num_, ints_, r, at[k])
            lo, _ = look(tab_, par_, num_, ints_, r, at[k])
            total += lo if lo > -np.inf else 0.0
        return total

    def call(at, value):
        judge = Judge(ruleset, 0.0)
        state = [result.kernels.arrays(part) for part in (judge._tab, judge._par, judge._num, judge._ints)]
        return updates(*state, judge._tab[windows.H_WINDOWS], at, value)

    return call


def theirs(read: str, library: ctypes.CDLL) -> Callable[[Any, Any], float]:
    """The same in C."""
    function = getattr(library, read)
    function.restype = ctypes.c_double
    cover = ctypes.c_double(0.8 * LENGTH_S * (1 - 1e-9))

    def call(at, value):
        pointers = (ctypes.c_void_p(column.ctypes.data) for column in (at, value))
        return function(ctypes.c_double(LENGTH_S), cover, ctypes.c_long(len(at)), *pointers)

    return call


def cost_ns(calls: dict[str, Callable[[Any, Any], float]], samples: int) -> dict[str, float]:
    """Median CPU time of an update, by who; in turn, since the machine is shared."""
    at = np.arange(UPDATES) * (LENGTH_S / samples)
    value = np.round(100 + np.cumsum(np.random.default_rng(samples).normal(0, 0.1, UPDATES)), 2)
    found: dict[str, list[float]] = {who: [] for who in calls}
    totals = {who: call(at, value) for who, call in calls.items()}
    if len(set(totals.values())) > 1:
        raise AssertionError(f"the windows differ: {totals}")
    for _ in range(RUNS):
        for who, call in calls.items():
            began = time.process_time()
            call(at, value)
            found[who].append((time.process_time() - began) / UPDATES * 1e9)
    return {who: statistics.median(times) for who, times in found.items()}


def run() -> list[dict[str, Any]]:
    """Rows: ns an update by function, samples a window, and who; and the ratios."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as text:
        directory = Path(text)
        built = directory / "updates.so"
        subprocess.run(["gcc", *FLAGS, f"-I{HERE}", "-o", str(built), str(HERE / "updates.c"), "-lm"], check=True)
        library = ctypes.CDLL(str(built))
        for read in READS:
            calls = {"JIT": ours(read, directory / read), "C": theirs(read, library)}
            for samples in (15, 60, 600):
                cost = cost_ns(calls, samples)
                name = f"{read}, {samples} samples a window"
                rows.append({"name": f"{name}: JIT", "value": cost["JIT"], "unit": "ns", "target": "the same for all"})
                rows.append({"name": f"{name}: C", "value": cost["C"], "unit": "ns"})
                rows.append(
                    {"name": f"{name}: JIT / C", "value": cost["JIT"] / cost["C"], "unit": "", "target": "<= 1.3"}
                )
    return rows


if __name__ == "__main__":
    for found in run():
        print(f"{found['name']:45} {found['value']:>10.2f} {found['unit']:4} {found.get('target', '')}")
