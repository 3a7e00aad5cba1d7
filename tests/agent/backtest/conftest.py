"""A small site, recordings of it as files, and back-tests of them."""

import csv
import json
from datetime import UTC, datetime

import pytest

from agent.backtest.command import Request, backtest

SITE = """
[site]
id = "test-site"
timezone = "UTC"
[device.gauge]
driver = "recorded"
period = "1 min"
stale_after = "10 min"
[device.gauge.point.stage]
unit = "m"
title = { zh = "水位 <b>", en = "stage </script><script>throw new Error('escaped?')</script>" }
[device.gauge.point.rain]
unit = "mm"
[alarm.river]
title = { zh = "河道 & 水位", en = "River <stage>" }
hazard = "flood"
[alarm.river.level.yellow]
when = "gauge.stage > 2 m"
for = "2 min"
clear_for = "3 min"
[alarm.river.level.red]
when = "avg(gauge.stage, 5 min) > 3 m"
[alarm.rain]
hazard = "rain"
[alarm.rain.level.blue]
when = "gauge.rain > 5 mm"
"""


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    return path


def at(minute):
    """A time of the recordings as text."""
    return datetime.fromtimestamp(1_700_000_000 - 1_700_000_000 % 86400 + 60 * minute, UTC).strftime(
        "%Y-%m-%d %H:%M:%S"
    )


def record(path, rows, names=("gauge.stage", "gauge.rain")):
    """Write a recording: rows of (minute, value of each name), None for an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *names])
        writer.writerows(
            [at(minute), *("" if value is None else value for value in values)] for minute, *values in rows
        )
    return path


def label(path, rows):
    """Write labels: (start minute, end minute, name, alarm, hazard)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["start", "end", "name", "alarm", "hazard"])
        writer.writerows([at(start), at(end), *words] for start, end, *words in rows)
    return path


@pytest.fixture
def judge(site, tmp_path):
    """Judge recordings with plain Python; gives the JSON."""

    def run(*history, code=0, **options):
        out = tmp_path / "out.json"
        request = Request(site, tuple(history), tmp_path / "cache", json=str(out), jit=False, **options)
        assert backtest(request) == code
        return json.loads(out.read_text(encoding="utf-8")) if code == 0 else None

    return run


@pytest.fixture
def flood():
    """Four hours of minutes: quiet, a short peak, a gap, a flood up to 4 m, rain before it."""
    rows = []
    for minute in range(240):
        stage = 1.0 + 0.01 * (minute % 7)
        if 30 <= minute < 38:
            stage = 2.2
        if 120 <= minute < 180:
            stage = 1.0 + 3.0 * min(minute - 119, 181 - minute, 20) / 20
        rain = 6.5 if 100 <= minute < 130 else 0.0
        if not 60 <= minute < 90:
            rows.append((minute, round(stage, 3), rain))
    return rows
