"""Recorded history judged: 200 rules, plain and mixed, by the JIT build, by C, NumPy, pandas and the twin, in one run.

C judges the very same columns by the same rules, and must move the same alarms at the same times. NumPy and pandas have
an easier job (whole columns, gapless, nothing unknown). pandas is looked for in BENCH_PANDAS, a Python interpreter,
since a gateway's environment is without it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rules.backtest import Steps, judge_history
from rules.engine.build import kernels_for
from rules.engine.tables import Kernels
from rules.judge import Judge
from rules.ruleset import Ruleset
from tests.bench import sets
from tests.bench.history import START_S
from tests.bench.peer import columns
from tests.bench.peer.build import MOVE, Moves, Peer

RUNS = 5
YEAR = 525_960  # minutes
COMPARED, SHORT, TWIN, SKIP = YEAR, 43_200, 2_000, 240  # minutes for C, for NumPy and pandas, for the twin; run-up
RULES = 200
Row = dict[str, Any]


def judged(ruleset: Ruleset, kernels: Kernels | None, stretches: Iterable[Steps]) -> Moves:
    """The moves, as the agent finds them."""
    judge = Judge(ruleset, float(START_S))
    if kernels:
        judge.use(kernels)
    found = [(moved.at_s, *change) for moved in judge_history(judge, stretches) for change in moved.changes]
    return np.array(found, MOVE)


def in_turn(calls: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    """(median CPU seconds, median wall seconds, last results) of each; in turn, since the machine is shared."""
    cpu: dict[str, list[float]] = {who: [] for who in calls}
    wall: dict[str, list[float]] = {who: [] for who in calls}
    results = {}
    for _ in range(RUNS):
        for who, call in calls.items():
            began, began_cpu = time.perf_counter(), time.process_time()
            results[who] = call()
            cpu[who].append(time.process_time() - began_cpu)
            wall[who].append(time.perf_counter() - began)
    medians = [{who: statistics.median(times) for who, times in found.items()} for found in (cpu, wall)]
    return medians[0], medians[1], results


def pandas_seconds(values: Any, rules: Any, directory: Path) -> tuple[float, list[int]] | None:
    """(median CPU seconds, moves) of pandas in a process of its own; None where there is none."""
    np.save(directory / "values.npy", values)
    (directory / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    command = [os.environ.get("BENCH_PANDAS", sys.executable), columns.__file__, "values.npy", "rules.json"]
    done = subprocess.run([*command, str(RUNS), str(SKIP)], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no pandas: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found = json.loads(done.stdout)
    return statistics.median(found["seconds"]), found["moves"]


def per_rule(name: str, shapes: sets.Shapes, values: Any, directory: Path) -> list[Row]:
    """Cost of one rule at one step by everybody, and the ratios."""
    ruleset = sets.site(shapes, RULES)
    result = kernels_for(ruleset.tables, directory / "cache")
    if result.kernels is None:
        raise RuntimeError(result.reason)
    peer = Peer(ruleset)
    cpu, wall, moves = in_turn({
        "JIT": lambda: judged(ruleset, result.kernels, sets.stretches(values)),
        "C": lambda: peer.judge(float(START_S), sets.stretches(values)),
    })  # fmt: skip
    peer.close()
    if moves["JIT"].tobytes() != moves["C"].tobytes():
        raise AssertionError(f"{name}: {len(moves['JIT'])} moves, C has {len(moves['C'])}, and they differ")
    ns = {who: seconds / len(values) / RULES * 1e9 for who, seconds in cpu.items()}
    rows = [
        {"name": f"{name}: JIT, a rule and step", "value": ns["JIT"], "unit": "ns"},
        {"name": f"{name}: C of the same rules", "value": ns["C"], "unit": "ns"},
        {"name": f"{name}: JIT / C, CPU", "value": ns["JIT"] / ns["C"], "unit": "", "target": "<= 1.3"},
        {"name": f"{name}: JIT / C, wall", "value": wall["JIT"] / wall["C"], "unit": "", "target": "<= 1.3"},
        {
            "name": f"{name}: moves, the same in C",
            "value": len(moves["C"]),
            "unit": f"crc {zlib.crc32(moves['C'].tobytes()):08x}",
        },
    ]
    short, given = (
        values[:SHORT],
        [(k % len(shapes), rule) for k, rule in enumerate(sets.words(RULES, values.shape[1]))],
    )
    ours = judged(ruleset, result.kernels, sets.stretches(short))
    late = ours[ours["at"] >= START_S + 60 * SKIP]
    expected = np.bincount(late["alarm"], minlength=RULES)
    seconds, _, found = in_turn({"NumPy": lambda: columns.timed(columns.NumPy, short, given, SKIP)[1]})
    others = {"NumPy": (seconds["NumPy"], found["NumPy"])}
    if (pandas := pandas_seconds(short, given, directory)) is not None:
        others["pandas"] = pandas
    for who, (taken, counts) in others.items():
        cost = taken / SHORT / RULES * 1e9
        alike = int(np.count_nonzero(np.array(counts) == expected))
        rows += [
            {"name": f"{name}: {who}, whole columns of 30 days", "value": cost, "unit": "ns"},
            {
                "name": f"{name}: {who} / JIT",
                "value": cost / ns["JIT"],
                "unit": "",
                "target": ">= 50" if who == "pandas" else "",
            },
            {"name": f"{name}: alarms that move as often by {who}", "value": alike, "unit": f"of {RULES}"},
        ]
    seconds, _, _ = in_turn({"twin": lambda: judged(ruleset, None, sets.stretches(values[:TWIN]))})
    cost = seconds["twin"] / TWIN / RULES * 1e9
    rows.append({"name": f"{name}: twin, {TWIN} steps", "value": cost, "unit": "ns"})
    rows.append({"name": f"{name}: twin / JIT", "value": cost / ns["JIT"], "unit": ""})
    began, began_cpu = time.perf_counter(), time.process_time()
    judged(ruleset, result.kernels, sets.stretches(values, 10))
    name = f"{name}: 10 years of minutes, 50 points, 200 rules, judging"
    rows.append({"name": f"{name}, CPU", "value": time.process_time() - began_cpu, "unit": "s"})
    rows.append({"name": f"{name}, wall", "value": time.perf_counter() - began, "unit": "s"})
    return rows


def run() -> list[Row]:
    """Rows for plain thresholds and for the mixed set."""
    values, rows = sets.values(COMPARED), []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as text:
        for name, shapes in (("plain", sets.PLAIN), ("mixed", sets.SHAPES)):
            rows += per_rule(name, shapes, values, Path(text))
    return rows


if __name__ == "__main__":
    for found in run():
        shown = found["value"]
        print(f"{found['name']:65} {shown:>10.4g} {found['unit']:14} {found.get('target', '')}")
