"""From process start to the first judgement, and what a guard costs when nothing happens."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.system.stage import Stage

RUNS = 5
IDLE_S = 20.0


def _starts(directory: Path, *, with_cache: bool) -> list[float]:
    """Seconds from the start of the process to its first judged reading, by its own first status."""
    found = []
    for _ in range(RUNS):
        if not with_cache:
            shutil.rmtree(directory / "state", ignore_errors=True)
        began_s = time.monotonic()
        with Stage(directory) as stage:
            first = stage.first_judged_s
            found.append(first - began_s)
    return found


def _memory_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")) / 1024


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _idle(stage: Stage) -> tuple[float, float]:
    """Share of a core in percent and RSS in MiB, measured over `IDLE_S`."""
    pid = stage.status()["pid"]
    before_s, began_s = _cpu_s(pid), time.monotonic()
    time.sleep(IDLE_S)
    return 100 * (_cpu_s(pid) - before_s) / (time.monotonic() - began_s), _memory_mib(pid)


def run() -> list[dict[str, Any]]:
    """Rows: start without and with caches, idle cost with the twin and with the JIT build."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as text:
        directory = Path(text)
        cold, warm = _starts(directory, with_cache=False), _starts(directory, with_cache=True)
        with Stage(directory) as stage:
            end_s = time.monotonic() + 90
            while stage.status()["judging"] == "twin" and time.monotonic() < end_s:
                time.sleep(0.5)
            judging = stage.status()["judging"]
            cpu, rss = _idle(stage)
        with Stage(directory, options=["--no-jit"]) as stage:
            time.sleep(4)
            twin_cpu, twin_rss = _idle(stage)
    return [
        {
            "name": "start -> first judgement, no cache",
            "value": statistics.median(cold),
            "unit": "s",
            "target": "<= 1.5",
        },
        {"name": "start -> first judgement, cache", "value": statistics.median(warm), "unit": "s", "target": "<= 1.0"},
        {"name": f"guard, 20 readings/s, {judging}: CPU", "value": cpu, "unit": "% of a core", "target": "<= 3"},
        {"name": f"guard, {judging}: RSS", "value": rss, "unit": "MiB", "target": "<= 170"},
        {"name": "guard, 20 readings/s, twin: CPU", "value": twin_cpu, "unit": "% of a core", "target": "<= 3"},
        {"name": "guard, twin: RSS", "value": twin_rss, "unit": "MiB", "target": "<= 70"},
    ]
