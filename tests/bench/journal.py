"""What the journal costs: bytes a reading, time to durable, time to read back, the loop's wait while a disk stalls."""

from __future__ import annotations

import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.journal.blobs import pack_steps, unpack_columns, unpack_steps
from agent.journal.journal import Journal
from agent.journal.reader import BatchRow, JournalReader
from agent.records import Lane, Record, SampleRow, Stamp, Step

Row = dict[str, object]
POINTS = 50
STALL_S = 10


def row(name: str, value: float, unit: str, target: str = "") -> Row:
    """One line of the table."""
    return {"name": name, "value": round(value, 4), "unit": unit, "target": target}


def plant(seconds: int, seed: int = 1) -> list[Step]:
    """50 registers once a second, one step for each of 10 devices: drifting, noisy, at the resolution of registers."""
    rng = random.Random(seed)
    values = [rng.uniform(10, 90) for _ in range(POINTS)]
    scales = [rng.choice([1.0, 0.1, 0.01, 0.05]) for _ in range(POINTS)]
    steps = []
    for second in range(seconds):
        for device in range(10):
            mono_ns = 10**13 + second * 10**9 + device * 95_000_000 + rng.randrange(3_000_000)
            columns = range(device * 5, device * 5 + 5)
            for column in columns:
                values[column] += rng.gauss(0, 0.05)
            samples = tuple(
                SampleRow(column, round(values[column] / scales[column]) * scales[column], 0) for column in columns
            )
            stamp = Stamp("bench", mono_ns, 17 * 10**17 + mono_ns + rng.randrange(400), "trusted")
            steps.append(Step(stamp, mono_ns * 1e-9, samples))
    return steps


def codec() -> list[Row]:
    """Packing and unpacking alone."""
    steps = plant(60)
    readings = len(steps) * 5
    rows = []
    for seconds in (5, 60):
        size = sum(len(pack_steps(steps[at : at + seconds * 10])) for at in range(0, len(steps), seconds * 10))
        rows.append(row(f"blob, batches of {seconds} s at 50 readings/s", size / readings, "B/reading", "<= 10"))
    blob = pack_steps(steps)
    for name, work in (
        ("pack", lambda: pack_steps(steps)),
        ("unpack to steps", lambda: unpack_steps(blob, "bench")),
        ("unpack to columns", lambda: unpack_columns(blob)),
    ):
        taken = []
        for _ in range(5):
            begin = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begin)
        rows.append(row(f"{name}, a reading", statistics.median(taken) / readings * 1e6, "us"))
    return rows


def written(directory: Path, *, every_s: float) -> list[Row]:
    """Half an hour of the plant in fast motion, committed as live data would be; counts what goes to write(2)."""
    journal = Journal(directory, site="bench", boot_id="bench", commit_every_s=3600.0)
    journal.start()
    journal.catalogue([f"device{n // 5}.point{n % 5}" for n in range(POINTS)])
    journal.durable().result(10)
    steps = plant(1800)
    before, at_start = _telemetry_bytes(directory), _written_bytes()
    per_commit = int(every_s * 10)
    for at in range(0, len(steps), per_commit):
        for step in steps[at : at + per_commit]:
            journal.step(step)
        journal.durable().result(10)
    journal.close(10)
    kept, total = _telemetry_bytes(directory) - before, _written_bytes() - at_start
    readings = len(steps) * 5
    name = f"commits each {every_s:g} s"
    return [
        row(f"kept in telemetry.db, {name}", kept / readings, "B/reading", "<= 10"),
        row(f"written (write calls of the process), {name}", total / readings, "B/reading", "<= 20"),
    ]


def alarms(directory: Path) -> list[Row]:
    """From handing over to durable, one by one and in a flood."""
    journal = Journal(directory, site="bench", boot_id="bench")
    journal.start()
    journal.durable().result(10)
    taken = []
    for n in range(200):
        begin = time.perf_counter()
        journal.record(_alarm(n))
        journal.durable().result(10)
        taken.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    for n in range(20_000):
        journal.record(_alarm(n))
    handed = time.perf_counter() - begin
    journal.durable().result(60)
    flood = 20_000 / (time.perf_counter() - begin)
    journal.close(10)
    return [
        row("an alarm durable (FULL), median", statistics.median(taken) * 1e3, "ms", "off the alarm path"),
        row("an alarm durable (FULL), worst of 200", max(taken) * 1e3, "ms"),
        row("record() in a flood, mean", handed / 20_000 * 1e6, "us"),
        row("a flood of 20 000 alarms durable", flood, "records/s"),
    ]


def drain(directory: Path) -> list[Row]:
    """Reading a million readings back, as the link does."""
    journal = Journal(directory, site="bench", boot_id="bench", memory_bytes=1 << 30)
    journal.start()
    journal.catalogue([f"device{n // 5}.point{n % 5}" for n in range(POINTS)])
    steps = plant(1000)
    begin = time.perf_counter()
    for _ in range(20):
        for step in steps:
            journal.step(step)
        journal.durable().result(60)
    stored_s = time.perf_counter() - begin
    journal.close(10)
    reader = JournalReader(directory)
    epoch = reader.epoch("steps") or ""
    rows = []
    for name, take in (("steps", reader.steps), ("batches", reader.batches)):
        begin, after, readings = time.perf_counter(), 0, 0
        while found := take(epoch, after, 500 if name == "steps" else 50):
            after = found[-1].seq
            for each in found:
                if isinstance(each, BatchRow):
                    readings += sum(len(values) for values, _ in each.columns.series.values())
                else:
                    readings += len(each.step.samples)
        rows.append(
            row(f"1 000 000 readings read as {name}", (time.perf_counter() - begin) * 1e6 / readings, "s", "<= 5")
        )
    rows.append(row("1 000 000 readings stored", stored_s, "s"))
    return rows


STALLED = """
import json, sys, time
from pathlib import Path
from agent.journal.journal import Journal
from agent.records import Lane, Record, SampleRow, Stamp, Step
journal = Journal(Path(sys.argv[1]), site="bench", boot_id="bench", commit_every_s=0.5)
journal.start()
journal.catalogue(["a"] * 50)
taken = []
until = time.monotonic() + float(sys.argv[2])
n = 0
while time.monotonic() < until:
    n += 1
    stamp = Stamp("bench", time.monotonic_ns(), time.time_ns(), "trusted")
    step = Step(stamp, time.monotonic(), tuple(SampleRow(p, p * 0.1 + n, 0) for p in range(50)))
    begin = time.perf_counter()
    journal.step(step)
    if n % 20 == 0:
        journal.record(Record(Lane.ALARM, "alarm", stamp, {"n": n}))
        journal.keep("timers", bytes(1000))
    taken.append(time.perf_counter() - begin)
    time.sleep(0.005)
taken.sort()
print(json.dumps([taken[len(taken) // 2], taken[int(len(taken) * 0.99)], taken[-1], journal.status().records_waiting]))
"""


def stalled(directory: Path, delay_s: float) -> list[Row]:
    """What the loop waits while every fsync takes `delay_s`: nothing."""
    command = [sys.executable, "-c", STALLED, str(directory), str(STALL_S)]
    if delay_s:
        if shutil.which("strace") is None:
            return []
        inject = f"inject=fdatasync,fsync:delay_enter={int(delay_s * 1e6)}"
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject, *command]
    process = subprocess.run(command, capture_output=True, text=True, timeout=STALL_S * 6, check=False)
    if not process.stdout:
        return []
    median, p99, most, waiting = json.loads(process.stdout)
    name = f"record() and step() with fsync of {delay_s:g} s" if delay_s else "record() and step(), healthy disk"
    return [
        row(f"{name}, median", median * 1e3, "ms"),
        row(f"{name}, p99", p99 * 1e3, "ms", "<= 2"),
        row(f"{name}, worst", most * 1e3, "ms"),
        row(f"{name}, records waiting at the end", waiting, ""),
    ]


def run() -> list[Row]:
    """All of it."""
    rows = codec()
    for work in (
        lambda directory: written(directory, every_s=1),
        lambda directory: written(directory, every_s=5),
        lambda directory: written(directory, every_s=10),
        alarms,
        drain,
        lambda directory: stalled(directory, 0),
        lambda directory: stalled(directory, 2),
    ):
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory:
            rows += work(Path(directory))
    rows.append(row("RSS at the most", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB"))
    return rows


def _alarm(n: int) -> Record:
    body = {"alarm": "underpass.flooded", "level": "warning", "n": n, "text": "积水"}
    return Record(Lane.ALARM, "alarm", Stamp("bench", time.monotonic_ns(), time.time_ns(), "trusted"), body)


def _written_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


def _telemetry_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("telemetry.db*") if not path.name.endswith("-shm"))


if __name__ == "__main__":
    for each in run():
        sys.stdout.write(f"{each['name']:<70} {each['value']:>12} {each['unit']:<10} {each['target']}\n")
