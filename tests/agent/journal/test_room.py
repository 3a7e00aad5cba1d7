"""Disks and quotas that are full, cards that turn read-only: alarms last, nothing dropped without a word."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.journal import journal as journal_module
from agent.journal import store as store_module
from agent.journal import writer as writer_module
from agent.journal.filestate import FileState
from agent.journal.handover import Handover
from agent.journal.space import runs
from agent.records import Lane


def gaps(bench, what):
    return [body for body in bench.bodies("gap") if body["what"] == what]


def numbers(ranges):
    return {n for first, last in ranges for n in range(first, last + 1)}


@pytest.mark.parametrize("delivered", [0, 700])
def test_quota_of_records_takes_events_before_alarms(bench, alarm, monkeypatch, delivered):
    monkeypatch.setattr(writer_module, "_SPACE_S", 0.0)
    journal = bench.journal(critical_quota_bytes=1 << 20)
    journal.durable().result(10)
    epoch = bench.reader().epoch("records")
    if delivered:
        journal.delivered(epoch, delivered)
    for n in range(3000):
        journal.record(
            alarm(n, Lane.ALARM if n % 4 == 0 else Lane.EVENT, "alarm" if n % 4 == 0 else "x", pad="p" * 400)
        )
        if n % 50 == 49:
            journal.durable().result(10)
    journal.durable().result(10)
    reader = bench.reader()
    found = dict(reader.records(epoch, 0, 10_000))
    alarms = {record.body["n"] for record in found.values() if record.kind == "alarm"}
    told = [body for body in gaps(bench, "event") if body["epoch"] == epoch]
    dropped = [n for body in told for n in numbers(body["ranges"])]
    assert len(dropped) == len(set(dropped)) == sum(body["count"] for body in told) > 0
    assert min(dropped) > delivered
    missing = set(range(1, max(found) + 1)) - set(found)
    assert missing - set(range(1, delivered + 1)) == set(dropped)
    assert not gaps(bench, "alarm")
    if not delivered:
        assert alarms == set(range(0, 3000, 4))
    assert (bench.directory / "critical.db").stat().st_size <= 1 << 20
    assert "STORE_RESET" not in bench.kinds()


def test_quota_of_alarms_alone_drops_the_oldest_loudly(bench, alarm, monkeypatch):
    monkeypatch.setattr(writer_module, "_SPACE_S", 0.0)
    journal = bench.journal(critical_quota_bytes=1 << 19)
    for n in range(1500):
        journal.record(alarm(n, pad="p" * 400))
        if n % 50 == 49:
            journal.durable().result(10)
    reader = bench.reader()
    epoch = reader.epoch("records")
    found = reader.records(epoch, 0, 10_000)
    told = [record for _, record in found if record.kind == "gap"]
    assert told
    assert {record.lane for record in told} == {Lane.ALARM}
    dropped = {n for record in told if record.body["what"] == "alarm" for n in numbers(record.body["ranges"])}
    assert dropped >= set(range(1, min(seq for seq, _ in found)))


def test_quota_of_readings_drops_the_oldest(bench, step, monkeypatch):
    monkeypatch.setattr(writer_module, "_SPACE_S", 0.0)
    journal = bench.journal(telemetry_quota_bytes=1 << 18)
    for n in range(3000):
        journal.step(step(n, samples=20))
        if n % 30 == 29:
            journal.durable().result(10)
    journal.durable().result(10)
    reader = bench.reader()
    epoch = reader.epoch("steps")
    held = [row.seq for row in reader.steps(epoch, 0, 10_000)]
    assert held == list(range(held[0], 3001))
    told = gaps(bench, "reading")
    assert numbers(run for body in told for run in body["ranges"]) == set(range(1, held[0]))
    assert sum(body["count"] for body in told) == held[0] - 1 > 0
    assert (bench.directory / "telemetry.db").stat().st_size <= 1 << 18
    journal.delivered(epoch, 3000)
    for n in range(3000, 6000):
        journal.step(step(n, samples=20))
        if n % 30 == 29:
            journal.durable().result(10)
        journal.delivered(epoch, n)
    assert len(gaps(bench, "reading")) == len(told)  # the platform has them: nothing to tell


def test_hours_of_autonomy(bench, step, monkeypatch, eventually):
    monkeypatch.setattr(journal_module, "_RATE_S", 1.0)
    journal = bench.journal(telemetry_quota_bytes=1 << 20, commit_every_s=0.05)
    number = iter(range(10**6))

    def known() -> bool:
        journal.step(step(next(number), samples=20))
        return journal.status().autonomy_h is not None

    eventually(known)
    assert 0.001 < journal.status().autonomy_h < 100


def test_memory_thins_readings_and_keeps_alarms(alarm, step):
    handover = Handover(telemetry_bytes=100_000)
    for n in range(1000):
        handover.offer_step((), step(n))
    assert handover.step_bytes <= 100_000
    kept = [waiting.step for waiting in handover.take_steps(10**9)]
    (loss,) = handover.take_losses()
    assert (loss.what, loss.count) == ("reading", 1000 - len(kept))
    assert loss.from_mono_ns == step(0).stamp.mono_ns
    assert loss.to_mono_ns < kept[-1].stamp.mono_ns
    ages = [1000 - each.time_s for each in kept]
    assert ages == sorted(ages, reverse=True)
    assert kept[-1].time_s == 999
    assert handover.step_bytes == 0
    for n in range(6000):
        handover.offer_record(alarm(n, Lane.EVENT))
        handover.offer_record(alarm(n))
    assert handover.dropped == {"reading": loss.count, "event": 1000}
    assert handover.records == 11_000
    taken = handover.take_records(10**6)
    assert [entry.record.body["n"] for entry in taken] == list(range(6000))
    assert [entry.record.body["n"] for entry in handover.take_records(10)] == list(range(1000, 1010))


def test_runs():
    assert runs([]) == []
    assert runs([(1, 1), (2, 5), (7, 7), (8, 8)]) == [(1, 5), (7, 8)]


# --- real file systems ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MB of file system, as root can mount it."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
    yield mounted
    subprocess.run(["umount", "-l", mounted], check=True, timeout=10)


@pytest.mark.needs_root
def test_a_full_disk_costs_no_alarm(bench, alarm, step, small_disk, monkeypatch, eventually):  # noqa: PLR0917
    monkeypatch.setattr(writer_module, "_SPACE_S", 0.2)
    bench.directory = small_disk / "state"
    journal = bench.journal(ballast_bytes=1 << 20)
    for n in range(200):
        journal.record(alarm(n))
        journal.step(step(n, samples=20))
    journal.durable().result(10)
    eventually((small_disk / "state" / "ballast").exists)
    hog = small_disk / "hog"
    with suppress(OSError), hog.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    n = 200
    while n < 1200:
        journal.record(alarm(n, pad="p" * 50))
        journal.step(step(n, samples=20))
        n += 1
        time.sleep(0.001)
    journal.durable().result(10)  # written in the room that the ballast gave, while the disk is still full
    assert [body["n"] for body in bench.bodies()] == list(range(n))
    assert not (small_disk / "state" / "ballast").exists()
    hog.unlink()
    eventually((small_disk / "state" / "ballast").exists)
    journal.step(step(n, samples=20))
    journal.record(alarm(n))
    journal.durable().result(10)
    eventually(lambda: journal.status().state == "ok" and not journal.status().steps_waiting)
    assert "STORE_RESET" not in bench.kinds()
    reader = bench.reader()
    epoch = reader.epoch("steps")
    held = {row.seq for row in reader.steps(epoch, 0, 100_000)}
    told = numbers(run for body in gaps(bench, "reading") for run in body.get("ranges", []))
    thinned = journal.status().dropped.get("reading", 0)
    assert held | told == set(range(1, n + 2 - thinned))


@pytest.fixture
def dying_card(tmp_path: Path) -> Iterator[Path]:
    """An ext4 file system that can be made to abort, as the kernel does after an I/O error of its journal."""
    image, mounted = tmp_path / "card.img", tmp_path / "card"
    mounted.mkdir()
    image.write_bytes(b"")
    os.truncate(image, 8 << 20)
    for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, mounted]):
        done = subprocess.run(command, capture_output=True, check=False, timeout=20)
        if done.returncode:
            pytest.skip(f"no ext4 on a loop device here: {done.stderr.decode().strip()}")
    yield mounted
    subprocess.run(["umount", "-l", mounted], check=False, capture_output=True, timeout=10)


@pytest.mark.needs_root
def test_a_card_that_dies_and_is_replaced(bench, alarm, step, dying_card, monkeypatch, eventually):  # noqa: PLR0917
    monkeypatch.setattr(store_module, "_RETRY_OTHERS_S", (0.3, 1.0))
    bench.directory = dying_card / "state"
    journal = bench.journal()
    journal.keep("timers", b"1")
    for n in range(10):
        journal.record(alarm(n))
    journal.durable().result(10)
    epoch = bench.reader().epoch("records")
    subprocess.run(["mount", "-o", "remount,abort", dying_card], check=True, timeout=10)
    for n in range(10, 1510):
        journal.record(alarm(n))
        journal.step(step(n))
    journal.keep("timers", b"2")
    dead = (FileState.READONLY, FileState.FAILING)
    eventually(lambda: journal.status().files["critical.db"].state in dead)
    assert journal.status().records_waiting + 500 >= 1500
    assert bench.kinds()[0] in ("STORE_READONLY", "STORE_FAILING")
    subprocess.run(["umount", "-l", dying_card], check=True, timeout=10)  # what is below takes its place
    journal.durable().result(15)
    eventually(lambda: journal.status().state == "ok" and not journal.status().steps_waiting)
    bodies = bench.bodies()
    assert [body["n"] for body in bodies] == list(range(1510))
    assert [body.get("again") for body in bodies[:11]] == [f"{epoch}:{n}" for n in range(1, 11)] + [None]
    assert bench.reader().state("timers") == b"2"
    assert len(bench.reader().steps(bench.reader().epoch("steps"), 0, 10_000)) == 1500


@pytest.mark.needs_root
def test_a_start_on_a_read_only_card(bench, alarm, small_disk, monkeypatch):
    monkeypatch.setattr(store_module, "_RETRY_OTHERS_S", (0.3, 1.0))
    monkeypatch.setattr(journal_module, "_RECALL_S", 0.5)
    bench.directory = small_disk / "state"
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, timeout=10)
    try:
        journal = bench.journal()
        assert journal.recall("timers") is None
        journal.record(alarm(1))
        time.sleep(0.5)
        assert journal.status().state == "waiting"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True, timeout=10)
    journal.durable().result(10)
    assert [body["n"] for body in bench.bodies()] == [1]


# --- a disk that lies or stalls -------------------------------------------------------------------------------

WRITER = Path(__file__).parent / "writing.py"


def traced(inject: str, directory: Path, count: int) -> tuple[list[int], str]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", f"inject={inject}"]
    process = subprocess.Popen(
        [*command, sys.executable, WRITER, directory, "0", str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=18)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    if "PTRACE" in err:
        pytest.skip(f"strace may not trace here: {err.strip()}")
    return [int(line) for line in out.splitlines()], err


@pytest.mark.parametrize("inject", ["fdatasync:error=EIO:when=7+31", "fdatasync:error=EIO:when=12..14"])
def test_a_failed_commit_that_was_stored_is_not_stored_twice(bench, inject):
    acknowledged, _ = traced(inject, bench.directory, 40)
    assert acknowledged == list(range(40))
    stored = [body["n"] for body in bench.bodies()]
    assert sorted(stored) == list(range(40))
    assert bench.bodies("store") == []
    reader = bench.reader()
    steps = [row.step.time_s for row in reader.steps(reader.epoch("steps"), 0, 1000)]
    assert steps == [float(n) for n in range(40)]
