"""Files that are locked, damaged, gone, cut off: guarding never waits, nothing acknowledged is lost, all is said."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agent.journal import store as store_module
from agent.journal import writer as writer_module
from agent.journal.filestate import FileState
from agent.records import Lane

WRITER = Path(__file__).parent / "writing.py"


def test_kill_9_loses_nothing_that_was_durable(bench, eventually):
    acknowledged: list[int] = []
    rng = random.Random(7)
    for turn in range(12):
        process = subprocess.Popen(
            [sys.executable, WRITER, bench.directory, str(turn * 100_000)], stdout=subprocess.PIPE, text=True
        )
        try:
            first = process.stdout.readline()
            acknowledged.append(int(first))
            time.sleep(rng.uniform(0.0, 0.15))
        finally:
            process.send_signal(signal.SIGKILL)
            rest, _ = process.communicate(timeout=10)
        acknowledged += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    journal = bench.journal(boot_id="kills")
    journal.durable().result(10)
    stored = [body["n"] for body in bench.bodies()]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    assert len(acknowledged) > 12
    assert bench.kinds() == []
    reader = bench.reader()
    epoch = reader.epoch("records")
    numbers = [seq for seq, _ in reader.records(epoch, 0, 100_000)]
    assert numbers == list(range(1, len(numbers) + 1))  # one boot: no jumps, no holes
    steps = reader.steps(reader.epoch("steps"), 0, 100_000)
    assert [row.seq for row in steps] == list(range(1, len(steps) + 1))
    assert not reader.damaged


def test_a_foreign_lock_is_waited_for(bench, alarm, eventually):
    journal = bench.journal()
    journal.record(alarm(0))
    journal.durable().result(10)
    other = sqlite3.connect(bench.directory / "critical.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for n in range(1, 50):
        journal.record(alarm(n))
    eventually(lambda: journal.status().files["critical.db"].state is FileState.LOCKED)
    assert journal.status().state == "waiting"
    other.execute("ROLLBACK")
    other.close()
    journal.durable().result(10)
    assert [body["n"] for body in bench.bodies()] == list(range(50))
    eventually(lambda: bench.kinds() == ["STORE_LOCKED", "STORE_OK"])


def test_locked_at_the_start(bench, alarm, monkeypatch):
    monkeypatch.setattr("agent.journal.journal._RECALL_S", 0.5)
    bench.journal().close(10)
    other = sqlite3.connect(bench.directory / "critical.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("UPDATE epoch SET site = site")
    journal = bench.journal()
    journal.record(alarm(1))
    begin = time.monotonic()
    assert journal.recall("timers") is None
    assert time.monotonic() - begin < 1.0
    assert "STATE_UNREAD" in bench.kinds()
    other.execute("ROLLBACK")
    other.close()
    journal.durable().result(10)
    assert [body["n"] for body in bench.bodies()] == [1]


def _header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random.Random(1).randbytes(200))


def _half(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // 512 * 512 - 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _page(path: Path) -> None:
    size = 4096 if path.name == "critical.db" else 1024
    with path.open("r+b") as file:
        file.seek(size * (path.stat().st_size // size // 2))
        file.write(random.Random(2).randbytes(size))


def _text(path: Path) -> None:
    path.write_text("not a database at all\n" * 500)


def _no_table(path: Path) -> None:
    file = sqlite3.connect(path)
    file.execute("DROP TABLE " + ("record" if path.name == "critical.db" else "batch"))
    file.close()


@pytest.mark.parametrize("name", ["critical.db", "telemetry.db"])
@pytest.mark.parametrize("damage", [_header, _half, _empty, _page, _text, _no_table])
def test_a_damaged_file_is_set_aside_at_the_start(bench, alarm, step, damage, name):
    journal = bench.journal()
    journal.keep("timers", b"1")
    for n in range(200):
        journal.record(alarm(n, text="x" * 300))
        journal.step(step(n))
    journal.durable().result(10)
    reader = bench.reader()
    old = {stream: reader.epoch(stream) for stream in ("records", "steps")}
    reader.close()
    assert journal.close(10)
    damage(bench.directory / name)
    begin = time.monotonic()
    journal = bench.journal()
    journal.recall("timers")
    journal.record(alarm(1000))
    journal.durable().result(10)
    assert time.monotonic() - begin < 3.0
    assert bench.kinds().count("STORE_RESET") == 1
    (reset,) = bench.bodies("store")
    assert reset["event"] == "reset"
    assert reset["file"] == name
    assert reset["reason"]
    bad = sorted(path.name for path in bench.directory.glob("*.bad-*") if not path.name.endswith(("-wal", "-shm")))
    assert len(bad) == 1
    assert bad[0].startswith(name)
    new = {stream: bench.reader().epoch(stream) for stream in ("records", "steps")}
    lost, whole = ("records", "steps") if name == "critical.db" else ("steps", "records")
    assert new[whole] == old[whole]
    alarms = [body["n"] for body in bench.bodies()]
    assert alarms[-1] == 1000
    if whole == "records":
        assert alarms[:-1] == list(range(200))
    if lost == "records" and damage in (_page, _half):  # what can still be read is carried over, under its old numbers
        assert new[lost] == old[lost]
        assert reset["salvaged"] == len(alarms) - 1 >= (170 if damage is _page else 50)
        reader = bench.reader()
        found = reader.records(new[lost], 0, 1000, lanes=[Lane.ALARM])
        assert all(seq == record.body["n"] + 1 for seq, record in found[:-1])
        assert found[-1][0] == 201 or damage is _half
    else:
        assert new[lost] != old[lost]
    assert journal.close(10)


def test_one_set_of_bad_files_is_kept(bench, alarm):
    for _ in range(3):
        journal = bench.journal()
        journal.record(alarm(1))
        journal.durable().result(10)
        journal.close(10)
        _header(bench.directory / "critical.db")
    bench.journal().durable().result(10)
    assert len(list(bench.directory.glob("critical.db.bad-*"))) == 1


def test_damage_while_running_writes_again_what_memory_has(bench, alarm, monkeypatch, eventually):
    monkeypatch.setattr(store_module, "HEALTH_S", 0.1)
    monkeypatch.setattr(store_module, "CHECK_EVERY_S", 0.3)
    journal = bench.journal()
    journal.keep("timers", b"now")
    for n in range(100):
        journal.record(alarm(n, text="x" * 300))
        if n % 10 == 0:
            journal.durable().result(10)
    journal.durable().result(10)
    epoch = bench.reader().epoch("records")
    journal.delivered(epoch, 40)
    time.sleep(0.3)  # until the log is written back
    _page(bench.directory / "critical.db")
    eventually(lambda: "STORE_RESET" in bench.kinds())
    journal.record(alarm(100))
    journal.durable().result(10)
    bodies = bench.bodies()
    assert {body["n"] for body in bodies} >= set(range(40, 101))
    assert len({body["n"] for body in bodies}) == len(bodies)
    again = [body for body in bodies if "again" in body]
    assert [body["again"] for body in again] == [f"{epoch}:{body['n'] + 1}" for body in again]
    assert bench.reader().state("timers") == b"now"
    (reset,) = bench.bodies("store")
    assert reset["last_seq"] == 100
    assert reset["new_epoch"] == bench.reader().epoch("records") == epoch
    assert len(bodies) - len(again) - 1 == reset["salvaged"] > 60


@pytest.mark.parametrize("how", ["unlink", "rmtree", "replace"])
def test_a_file_deleted_while_open_is_noticed(bench, alarm, monkeypatch, eventually, how):
    monkeypatch.setattr(store_module, "HEALTH_S", 0.1)
    journal = bench.journal()
    journal.keep("timers", b"1")
    for n in range(10):
        journal.record(alarm(n))
    journal.durable().result(10)
    if how == "rmtree":
        shutil.rmtree(bench.directory)
    else:
        (bench.directory / "critical.db").unlink()
        if how == "replace":
            (bench.directory / "critical.db").write_bytes(b"")
    journal.record(alarm(10))
    eventually(lambda: "STORE_RESET" in bench.kinds())
    journal.record(alarm(11))
    journal.durable().result(10)
    eventually(lambda: journal.status().state == "ok")
    assert [body["n"] for body in bench.bodies()] == list(range(12))
    assert bench.reader().state("timers") == b"1"


def test_a_log_deleted_while_open_costs_nothing(bench, alarm, step, monkeypatch, eventually):
    monkeypatch.setattr(store_module, "HEALTH_S", 0.1)
    journal = bench.journal()
    for n in range(10):
        journal.record(alarm(n))
        journal.step(step(n))
    journal.durable().result(10)
    epochs = [bench.reader().epoch(stream) for stream in ("records", "steps")]
    for name in ("critical.db-wal", "telemetry.db-wal"):
        (bench.directory / name).unlink()
    for n in range(10, 20):
        journal.record(alarm(n))
        journal.step(step(n))
    journal.durable().result(10)
    eventually(
        lambda: (bench.directory / "critical.db-wal").exists() and (bench.directory / "telemetry.db-wal").exists()
    )
    journal.record(alarm(20))
    journal.durable().result(10)
    assert [body["n"] for body in bench.bodies()] == list(range(21))
    reader = bench.reader()
    assert [reader.epoch(stream) for stream in ("records", "steps")] == epochs
    assert [row.step.time_s for row in reader.steps(epochs[1], 0, 100)] == [float(n) for n in range(20)]
    assert bench.kinds() == []


def test_a_flipped_bit_in_a_row_is_told(bench, alarm, step):
    journal = bench.journal()
    for n in range(3):
        journal.record(alarm(n))
        journal.step(step(n))
    journal.durable().result(10)
    journal.close(10)
    critical = sqlite3.connect(bench.directory / "critical.db")
    critical.execute("UPDATE record SET line = replace(line, '\"n\":1', '\"n\":3') WHERE seq = 2")
    critical.commit()
    critical.close()
    telemetry = sqlite3.connect(bench.directory / "telemetry.db")
    telemetry.execute("UPDATE batch SET steps = substr(steps, 1, length(steps) - 1) || x'00'")
    telemetry.commit()
    telemetry.close()
    reader = bench.reader()
    epoch = reader.epoch("records")
    found = reader.records(epoch, 0, 10)
    assert [record.kind for _, record in found] == ["alarm", "gap", "alarm"]
    assert found[1][1].body == {"what": "alarm", "reason": "damaged", "epoch": epoch, "ranges": [[2, 2]], "count": 1}
    assert reader.steps(reader.epoch("steps"), 0, 10) == []
    assert ("records", 2, 2) in reader.damaged
    assert {n for stream, first, last in reader.damaged if stream == "steps" for n in range(first, last + 1)} == {
        1,
        2,
        3,
    }


def test_a_reader_that_holds_a_transaction_does_not_fill_the_card(bench, alarm, step, monkeypatch, eventually):
    monkeypatch.setattr(store_module, "HEALTH_S", 0.1)
    monkeypatch.setattr(store_module, "WAL_MOST_BYTES", 1 << 18)
    journal = bench.journal(commit_every_s=0.02)
    journal.step(step(0))
    journal.durable().result(10)
    holder = sqlite3.connect(bench.directory / "telemetry.db", isolation_level=None)
    holder.execute("BEGIN")
    holder.execute("SELECT count(*) FROM batch").fetchone()
    numbers = iter(range(1, 1_000_000))

    def held() -> bool:
        for _ in range(50):
            journal.step(step(next(numbers), samples=100))
        return journal.status().files["telemetry.db"].state is FileState.HELD

    eventually(held, 15)
    journal.record(alarm(1))
    journal.durable().result(10)  # the other file is not concerned
    time.sleep(0.5)
    assert (bench.directory / "telemetry.db-wal").stat().st_size < 2 << 20
    holder.close()
    eventually(lambda: journal.status().state == "ok" and not journal.status().steps_waiting)
    assert bench.kinds() == ["STORE_HELD", "STORE_OK"]
    reader = bench.reader()
    assert len(reader.steps(reader.epoch("steps"), 0, 100_000)) == next(numbers)


def test_a_thread_that_dies_says_so_and_can_be_started_again(bench, alarm, monkeypatch, eventually):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    journal = bench.journal()
    journal.record(alarm(1))
    journal.durable().result(10)

    def bug(*_: object) -> None:
        raise LookupError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(writer_module.Writer, "write_records", bug)
        journal.record(alarm(2))
        eventually(lambda: "JOURNAL_DIED" in bench.kinds())
    assert journal.status().state == "stopped"
    journal.record(alarm(3))
    journal.start()
    journal.durable().result(10)
    assert [body["n"] for body in bench.bodies()] == [1, 2, 3]
    assert journal.status().state == "ok"
