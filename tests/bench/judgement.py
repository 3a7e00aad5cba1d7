"""Cost of judgement: a live step of 20, 200 and 1000 rules, twin and JIT, and what building and loading cost."""

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rules.engine.build import Builder
from rules.judge import Judge, build_ruleset
from rules.model import AlarmRule, LevelRule, PointInfo, Sample

POINTS = 50
SHAPES = (
    ("{0} > {1} mm", "{0} < {2} mm"),
    ("{0} > {1} mm", None),
    ("{0} > {1} mm or rise({0}, 10 min) > 300 mm", None),
    ("avg({0}, 5 min) > {1} mm", "avg({0}, 5 min) < {2} mm"),
    ("vote(2, {0} > {1} mm, {3} > {1} mm, {4} > {1} mm)", None),
    ("max({0}, 1 h) > {1} mm and not held({0} < {2} mm, 30 s)", None),
    ("rate({0}, 10 min) > 5 mm/min", None),
    ("good({0}) and {2} mm < {0} < {1} mm", None),
)


def site(rules):
    """A rule set of so many rules over 50 points, with delays and hysteresis."""
    chance = random.Random(rules)
    points = [PointInfo(f"d{k}.x", "mm", 30.0) for k in range(POINTS)]
    alarms = []
    for k in range(rules):
        when, clear = SHAPES[k % len(SHAPES)]
        high = chance.randrange(400, 900)
        names = [f"d{(k + n) % POINTS}.x" for n in range(3)]
        words = (names[0], high, high - 50, *names[1:])
        level = LevelRule("red", when.format(*words), 20.0, clear and clear.format(*words), 60.0)
        alarms.append(AlarmRule(f"alarm-{k}", (level,)))
    return build_ruleset(points, alarms)


def step_us(ruleset, kernels, at_once, steps=400):
    """Median over 5 runs of the mean cost of a step with readings of `at_once` points, after a warm-up, in us."""
    found = []
    for run in range(5):
        judge = Judge(ruleset, 0.0)
        if kernels:
            judge.use(kernels)
        chance, t, level = random.Random(run), 0.0, 300.0
        feeds = []
        for k in range(2 * steps):
            level += chance.gauss(0, 10)
            first = k * at_once
            feeds.append([Sample((first + n) % POINTS, level + n, 0) for n in range(at_once)])
        for samples in feeds[:steps]:
            t += at_once / POINTS
            judge.step(t, samples)
        began = time.perf_counter()
        for samples in feeds[steps:]:
            t += at_once / POINTS
            judge.step(t, samples)
        found.append((time.perf_counter() - began) / steps * 1e6)
    return statistics.median(found)


def build(ruleset, directory):
    """(kernels, seconds until ready, longest stall of this thread in ms)."""
    builder = Builder(ruleset.tables, directory)
    stalls, began = [], time.perf_counter()
    builder.start()
    last = time.perf_counter()
    while (result := builder.poll()).state == "building":
        time.sleep(0.001)
        now = time.perf_counter()
        stalls.append(now - last - 0.001)
        last = now
    if result.kernels is None:
        raise RuntimeError(result.reason)
    return result.kernels, time.perf_counter() - began, max(stalls) * 1e3


def fresh(code):
    """Median of 5 runs of a number that `code` prints in a new process."""
    runs = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5))
    return statistics.median(float(run.stdout) for run in runs)


IMPORT = "import time; t = time.perf_counter(); import rules.judge; print(1e3 * (time.perf_counter() - t))"


def row(name, value, unit, target):
    return {"name": name, "value": round(value, 2), "unit": unit, "target": target}


def run():
    """Rows for the table of budgets."""
    rows = [row("import of rules.judge", fresh(IMPORT), "ms", "first judgement <= 1000")]
    sets = {count: site(count) for count in (20, 200, 1000)}
    began = time.perf_counter()
    site(200)
    rows.append(row("checking and generating 200 rules", (time.perf_counter() - began) * 1e3, "ms", ""))
    for count, ruleset in sets.items():
        for n in (1, 4, POINTS):
            cost = step_us(ruleset, None, n)
            rows.append(row(f"twin, {count} rules, {n} readings", cost, "us", "<= 100" if n == 1 else ""))
    judge = Judge(sets[200], 0.0)
    began = time.perf_counter()
    blob = judge.snapshot()
    rows.append(row("snapshot of 200 rules", (time.perf_counter() - began) * 1e3, "ms", ""))
    rows.append(row("size of that snapshot", len(blob) / 1024, "KiB", ""))
    began = time.perf_counter()
    judge.timers()
    rows.append(row("timers of 200 rules", (time.perf_counter() - began) * 1e3, "ms", "every second"))
    rows.append(row("state of 200 rules", (len(judge._num) + len(judge._ints)) * 8 / 1024, "KiB", ""))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as directory:
        for count in (200, 20, 1000):  # the first one makes the engine for all
            ruleset = sets[count]
            kernels, seconds, stall = build(ruleset, Path(directory))
            if count == 200:
                rows.append(row(f"build of the engine and {len(ruleset.tables.shapes)} shapes", seconds, "s", ""))
                rows.append(row("stall while building and loading", stall, "ms", "<= 10"))
                _, seconds, stall = build(ruleset, Path(directory))
                rows.append(row("load from the cache", seconds, "s", ""))
                rows.append(row("stall while loading from it", stall, "ms", "<= 10"))
            for n in (1, 4, POINTS):
                cost = step_us(ruleset, kernels, n)
                rows.append(row(f"JIT, {count} rules, {n} readings", cost, "us", "<= 10" if n == 1 else ""))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    rows.append(row("memory that the JIT adds", used / 1024, "MiB", "<= 100"))
    rows.append(row("threads left", threading.active_count() - 1, "", "0"))
    return rows


if __name__ == "__main__":
    for found in run():
        print(f"{found['name']:45} {found['value']:>10} {found['unit']:4} {found['target']}")
