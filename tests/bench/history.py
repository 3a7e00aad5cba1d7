"""What reading recorded history costs: a file as large as years of minute data, streamed to the last step.

`python -m tests.bench.history --years 10 --points 50 --kinds parquet,csv` prints the table for other sizes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from agent.history import open_history
from rules.model import PointInfo

Row = dict[str, object]
START_S = 1_420_070_400  # 2015-01-01T00:00:00Z
_CHUNK = 30 * 1440
_ROW_GROUP = 1 << 17


def names(points: int) -> list[str]:
    """Names of the points of a made recording."""
    return [f"device{place // 5}.point{place % 5}" for place in range(points)]


def infos(points: int) -> list[PointInfo]:
    """Its points, as a rule set has them."""
    return [PointInfo(name, "mm", 180.0, -1000.0, 1000.0) for name in names(points)]


def chunks(minutes: int, points: int, seed: int = 1) -> Iterator[pa.Table]:
    """A row a minute: slow drift, noise at a sensor's resolution, a pulse now and then."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(50, 150, points)
    for start in range(0, minutes, _CHUNK):
        count = min(_CHUNK, minutes - start)
        walk = level + np.cumsum(
            rng.normal(
                0,
                0.02,
                (count, points),
            ),
            axis=0,
        )
        level = 100 + (walk[-1] - 100) * 0.9
        walk += 50 * (rng.random((count, points)) < 1e-4)
        values = np.round(walk, 2).astype(np.float32)
        stamps = (START_S + 60 * (start + np.arange(count))) * 1000
        columns = {"time": pa.array(stamps, pa.timestamp("ms", tz="UTC"))}
        columns |= {name: pa.array(np.ascontiguousarray(values[:, k])) for k, name in enumerate(names(points))}
        yield pa.table(columns)


def write(path: Path, minutes: int, points: int) -> None:
    """Make a recording; its kind is that of the name's ending."""
    if path.suffix == ".parquet":
        schema = next(chunks(1, points)).schema
        with pa.parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
            for table in chunks(minutes, points):
                writer.write_table(table, row_group_size=_ROW_GROUP)
        return
    with path.open("wb") as file:
        for number, table in enumerate(chunks(minutes, points)):
            texts = table.column("time").cast(pa.timestamp("s")).cast(pa.string())
            written = table.set_column(0, "time", pa.compute.binary_join_element_wise(texts, "Z", ""))
            options = pa.csv.WriteOptions(include_header=number == 0, quoting_style="none")
            pa.csv.write_csv(written, file, options)


def read(path: Path, points: int) -> dict[str, float]:
    """Stream a recording in this process; what it took."""
    begin, cpu = time.perf_counter(), time.process_time()
    history = open_history([path], infos(points), zone="UTC")
    steps = samples = 0
    for stretch in history.stretches():
        steps += len(stretch.at_s)
        samples += len(stretch.value)
    peak_mib = int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) / 1024
    taken_s = time.perf_counter() - begin
    return {"steps": steps, "samples": samples, "s": taken_s, "cpu_s": time.process_time() - cpu, "peak_mib": peak_mib}


def measure(path: Path, points: int) -> dict[str, float]:
    """The same in a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "tests.bench.history", "--read", str(path), "--points", str(points)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def rows(kind: str, minutes: int, points: int, target: str = "") -> list[Row]:
    """Make a recording and read it."""
    with tempfile.TemporaryDirectory(prefix="tocsin-history-") as directory:
        path = Path(directory) / f"recording.{kind}"
        write(path, minutes, points)
        size_mb = path.stat().st_size / 1e6
        found = measure(path, points)
    if found["samples"] != minutes * points:
        raise AssertionError(f"{found['samples']} of {minutes * points} readings came out")
    what = f"{kind}, {minutes / 525_960:.3g} years of {points} points a minute ({size_mb:.0f} MB)"
    return [
        {"name": f"{what}: time", "value": found["s"], "unit": "s", "target": target},
        {"name": f"{what}: CPU", "value": found["cpu_s"], "unit": "s"},
        {"name": f"{what}: speed", "value": size_mb / found["s"], "unit": "MB/s"},
        {"name": f"{what}: a reading", "value": found["s"] / found["samples"] * 1e9, "unit": "ns"},
        {"name": f"{what}: peak memory", "value": found["peak_mib"], "unit": "MiB", "target": "<= 1024"},
    ]


def run(
    years: float = 10, points: int = 50, kinds: Sequence[str] = ("parquet", "csv"), csv_years: float = 1
) -> list[Row]:
    """For `make bench`: Parquet whole, CSV a part of it, as it is what takes long to make."""
    found = []
    for kind in kinds:
        minutes = round((years if kind == "parquet" else csv_years) * 525_960)
        found += rows(kind, minutes, points, "<= 30" if kind == "parquet" else "")
    return found


def main() -> None:
    """The table for given sizes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--years", type=float, default=10)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--kinds", default="parquet,csv")
    parser.add_argument("--read", type=Path)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(read(given.read, given.points)))
        return
    for row in run(given.years, given.points, given.kinds.split(","), given.years):
        print(f"{row['name']:75} {row['value']:10.1f} {row['unit']:5} {row.get('target', '')}")


if __name__ == "__main__":
    main()
