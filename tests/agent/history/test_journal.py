"""The gateway's own journal: judged again as it was judged, bit by bit; dated where it can be."""

import json
import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agent.history import open_history
from agent.journal.journal import Journal
from agent.records import SampleRow, Stamp, Step
from agent.site.problems import ConfigErrors
from rules.model import PointInfo
from tests.agent.history.conftest import adds_up, readings_of

POINTS = [PointInfo("b.y", "m", 100.0), PointInfo("a.x", "m", 100.0)]
S = 10**9


def step(boot: str, mono_s: float, time_s: float, *samples: SampleRow, clock="untrusted", wall_s: float = 5.0) -> Step:
    return Step(Stamp(boot, round(mono_s * S), round(wall_s * S), clock), time_s, samples)


def keep(directory: Path, boot: str, steps, anchors=(), names=("a.x", "gone.z", "b.y")) -> None:
    journal = Journal(directory, site="s", boot_id=boot, ballast_bytes=1 << 16, commit_every_s=0.05)
    journal.start()
    journal.catalogue(names)
    for anchor in anchors:
        journal.anchor(anchor)
    for each in steps:
        journal.step(each)
    journal.durable().result(10)
    assert journal.close(10)


def test_steps_come_as_they_were_judged(tmp_path):
    rng = np.random.default_rng(1)
    odd = [0.1, -0.0, 5e-324, math.nan, math.inf, 1 / 3]
    steps, time_s = [], 17.3
    for k in range(500):
        time_s += rng.random()
        rows = [
            SampleRow(int(p), odd[k % 6] + (k if k % 6 in (0, 5) else 0), int(rng.integers(0, 7)))
            for p in rng.permutation([0, 2])[: k % 3]
        ]
        steps.append(step("boot-1", time_s - 3.0, time_s, *rows))
    keep(tmp_path, "boot-1", steps)
    history = open_history([tmp_path], POINTS, zone="UTC")
    found = list(history.stretches())
    place = {0: 1, 2: 0}  # of the catalogue's columns in POINTS
    given = [each for each in steps if each.samples]
    assert np.concatenate([s.at_s for s in found]).tolist() == [each.time_s for each in given]
    assert np.concatenate([np.diff(s.first) for s in found]).tolist() == [len(each.samples) for each in given]
    samples = [row for each in given for row in each.samples]
    assert np.concatenate([s.point for s in found]).tolist() == [place[row.point] for row in samples]
    assert np.concatenate([s.quality for s in found]).tolist() == [row.quality for row in samples]
    assert np.concatenate([s.value for s in found]).tobytes() == np.array([row.value for row in samples]).tobytes()
    offsets = {round(s.wall_offset_s, 3) for s in found}
    assert offsets == {round(5.0 - steps[0].time_s, 3)}  # as the clock said, and that is told:
    assert any("the clock was never set in boot boot-1" in note for note in history.counts.notes)
    adds_up(history)


def test_points_that_are_no_longer_there_are_told(tmp_path):
    keep(
        tmp_path,
        "boot-1",
        [
            step("boot-1", 1, 1.0, SampleRow(1, 5.0, 0)),
            step("boot-1", 2, 2.0, SampleRow(1, 5.0, 0), SampleRow(0, 6.0, 0)),
        ],
    )
    history = open_history([tmp_path / "telemetry.db"], POINTS, zone="UTC")
    assert readings_of(history, POINTS) == [(2.0, "a.x", 6.0, 0)]
    (file,) = history.counts.files.values()
    assert file.dropped == {"another point": 1}
    assert any("points not used: gone.z" in note for note in history.counts.notes)


def test_boots_follow_each_other_and_are_dated(tmp_path):
    one = [step("boot-1", 100 + k, 100.0 + k, SampleRow(0, k, 0)) for k in range(5)]
    two = [step("boot-2", 7 + k, 200.0 + k, SampleRow(0, k, 0), clock="trusted", wall_s=2e9 + k) for k in range(5)]
    keep(tmp_path, "boot-1", one, [Stamp("boot-1", 102 * S, int(1.9e9) * S, "trusted")])
    keep(tmp_path, "boot-2", two)
    history = open_history([tmp_path], POINTS, zone="UTC")
    found = list(history.stretches())
    assert [s.at_s.tolist() for s in found] == [[100.0 + k for k in range(5)], [200.0 + k for k in range(5)]]
    assert [s.wall_offset_s for s in found] == [pytest.approx(1.9e9 - 102), pytest.approx(2e9 - 200)]
    assert history.span == (pytest.approx(1.9e9 - 2), pytest.approx(2e9 + 4))


def test_judgement_time_that_began_anew_goes_on(tmp_path):
    """The state was lost: the second boot's times are lower."""
    keep(tmp_path, "boot-1", [step("boot-1", 1000, 1000.0, SampleRow(0, 1, 0), clock="trusted", wall_s=1.9e9)])
    keep(tmp_path, "boot-2", [step("boot-2", 5, 5.0, SampleRow(0, 2, 0), clock="trusted", wall_s=1.9e9 + 60)])
    keep(tmp_path, "boot-3", [step("boot-3", 3, 3.0, SampleRow(0, 3, 0))])
    history = open_history([tmp_path], POINTS, zone="UTC")
    found = list(history.stretches())
    assert [s.at_s.tolist() for s in found] == [[1000.0], [1060.0], [1060.0]]
    assert found[1].at_s[0] + found[1].wall_offset_s == 1.9e9 + 60
    assert sum("began anew" in note for note in history.counts.notes) == 2


def test_a_journal_and_a_file_are_merged_by_wall_time(tmp_path):
    keep(
        tmp_path / "state",
        "boot-1",
        [
            step("boot-1", 60 * k, 50.0 + 60 * k, SampleRow(0, k, 0), clock="trusted", wall_s=1.9e9 + 60 * k)
            for k in range(3)
        ],
    )
    path = tmp_path / "other.csv"
    path.write_text("time,b.y\n" + "".join(f"{1_900_000_000 + 30 * k},{k}\n" for k in range(4)))
    history = open_history([path, tmp_path / "state"], POINTS, zone="UTC")
    found = [(at_s - 1.9e9, name, value) for at_s, name, value, _ in readings_of(history, POINTS)]
    assert found == [
        (0, "b.y", 0), (0, "a.x", 0), (30, "b.y", 1), (60, "b.y", 2), (60, "a.x", 1), (90, "b.y", 3), (120, "a.x", 2),
    ]  # fmt: skip
    assert history.counts.joined == 2


def test_a_directory_without_a_journal(tmp_path):
    with pytest.raises(ConfigErrors, match=r"can't be read as a journal: .*the agent's state directory"):
        open_history([tmp_path], POINTS, zone="UTC")


def test_damaged_batches_are_counted(tmp_path):
    for k in range(3):
        keep(tmp_path, f"boot-{k}", [step(f"boot-{k}", 10.0 * k, 10.0 * k, SampleRow(0, k, 0))])
    with sqlite3.connect(tmp_path / "telemetry.db") as connection:
        (seq,) = connection.execute("SELECT seq FROM batch ORDER BY seq LIMIT 1 OFFSET 1").fetchone()
        connection.execute("UPDATE batch SET steps = zeroblob(40) WHERE seq = ?", (seq,))
    connection.close()
    history = open_history([tmp_path], POINTS, zone="UTC")
    assert [value for *_, value, _ in readings_of(history, POINTS)] == [0.0, 2.0]
    (file,) = history.counts.files.values()
    assert file.dropped == {"damaged": 1}


SITE = """
[site]
id = "gateway"
[device.a]
driver = "recorded"
period = "1 s"
[device.a.point.x]
unit = "mm"
[alarm.flood]
hazard = "flood"
[alarm.flood.level.red]
when = "a.x > 3 mm"
"""


def test_a_gateway_judges_its_own_days_again(tmp_path):
    """Through the command, with a clock that was never set."""
    (tmp_path / "site.toml").write_text(SITE)
    steps = [step("boot-1", k, float(k), SampleRow(0, float(k), 0)) for k in range(1, 7)]
    keep(tmp_path / "state", "boot-1", steps)
    command = ["backtest", str(tmp_path / "site.toml"), "--history", str(tmp_path / "state"), "--no-jit", "--json", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (alarm,) = json.loads(done.stdout)["alarms"]
    assert (alarm["alarm"], alarm["level"], alarm["values"]) == ("flood", "red", {"a.x": 4.0})
