"""Parquet: by type or by text, in row groups of any size."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.history import parquetfile
from agent.site.problems import ConfigErrors
from rules.model import BAD, GOOD, OVER_RANGE, PointInfo

LEVEL = PointInfo("gauge.level", "m", 600.0, 0.0, 5.0)
RAIN = PointInfo("rain.total", "mm", 600.0)
T0 = 1_714_979_280  # 2024-05-06T07:08:00Z


@pytest.mark.parametrize(
    "times",
    [
        pa.array([T0, T0 + 60], pa.timestamp("s", "UTC")),
        pa.array([T0 * 1000, (T0 + 60) * 1000], pa.timestamp("ms", "Asia/Tokyo")),
        pa.array([(T0 + 28800) * 10**9, (T0 + 28860) * 10**9], pa.timestamp("ns")), pa.array([T0, T0 + 60]),
        pa.array([float(T0), T0 + 60.0]), pa.array(["2024-05-06 15:08", "2024-05-06 15:09:00.0"]),
    ],
)  # fmt: skip
def test_times_of_any_type(written, times):
    path = written.directory / "a.parquet"
    pq.write_table(pa.table({"gauge.level": pa.array([1.5, 2.5], pa.float32()), "when": times}), path)
    mapping = written.file(
        "m.toml",
        'time = { column = "when", format = "unix" }'
        if times.type in (pa.int64(), pa.float64())
        else 'time = { column = "when" }',
    )
    found, _ = written.read(path, [LEVEL], "Asia/Shanghai", mapping=mapping)
    assert found == [(T0, "gauge.level", 1.5, GOOD), (T0 + 60, "gauge.level", 2.5, GOOD)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 9], pa.int16()), pa.array([1.0, None, 9.0], pa.float32()), pa.array(["1", None, "9"]),
        pa.array([decimal.Decimal("1.0"), None, decimal.Decimal("9.0")]), pa.array([1, None, 9], pa.uint64()),
        pa.array(["1", None, "9"]).dictionary_encode(),
    ],
)  # fmt: skip
def test_values_of_any_type(written, values):
    path = written.directory / "a.parquet"
    times = pa.array([T0, T0 + 60, T0 + 120], pa.timestamp("s", "UTC"))
    pq.write_table(pa.table({"time": times, "gauge.level": values}), path)
    found, history = written.read(path, [LEVEL])
    assert found == [(T0, "gauge.level", 1.0, GOOD), (T0 + 120, "gauge.level", 9.0, OVER_RANGE)]
    assert history.counts.points["gauge.level"].empty == 1


def test_nothing_is_lost_between_batches(written, monkeypatch):
    monkeypatch.setattr(parquetfile, "BATCH_CELLS", 1)
    rng = np.random.default_rng(1)
    n = 5000
    times = pa.array(T0 + 60 * np.arange(n), pa.timestamp("s", "UTC"))
    level = np.where(rng.random(n) < 0.1, np.nan, rng.random(n))
    path = written.directory / "a.parquet"
    flag = pa.array(rng.integers(0, 2, n))
    pq.write_table(
        pa.table({"x": flag, "gauge.level": level, "time": times, "rain.total": rng.random(n)}),
        path,
        row_group_size=700,
    )
    mapping = written.file("m.toml", 'quality = { column = "x", good = [0], uncertain = [1] }\nno_reading = ["nan"]\n')
    found, history = written.read(path, [LEVEL, RAIN], mapping=mapping)
    assert len(found) == n + int((~np.isnan(level)).sum())
    assert history.counts.points["rain.total"].uncertain == int(np.sum(flag.to_numpy()))


def test_nan_is_a_failed_reading_unless_said_otherwise(written):
    path = written.directory / "a.parquet"
    pq.write_table(pa.table({"time": np.array(["2024-05-06T07:08"], "M8[s]"), "gauge.level": [np.nan]}), path)
    assert written.read(path, [LEVEL])[0][0][3] == BAD
    mapping = written.file("m.toml", 'no_reading = ["nan"]\n')
    assert written.read(path, [LEVEL], mapping=mapping)[0] == []


def test_a_damaged_file_is_told(written):
    path = written.directory / "a.parquet"
    pq.write_table(pa.table({"time": [T0], "gauge.level": [1.0]}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigErrors, match="can't be read as Parquet"):
        written.read(path, [LEVEL])
