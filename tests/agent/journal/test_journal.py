"""What goes in comes out, over restarts, for other readers, with numbers that never repeat."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.journal import schema
from agent.journal.reader import JournalReader
from agent.records import Lane, Mark, Record, Stamp


def test_records_and_steps_come_out_as_they_went_in(bench, alarm, step):
    journal = bench.journal()
    journal.catalogue(["gas.ch4", "gas.h2s"])
    steps = [step(n, samples=2) for n in range(100)]
    for each in steps:
        journal.step(each)
    records = [alarm(n, lane) for n in range(5) for lane in (Lane.EVENT, Lane.ALARM, Lane.PROTECTION)]
    for record in records:
        journal.record(record)
    journal.durable().result(10)
    reader = bench.reader()
    found = reader.records(reader.epoch("records"), 0, 100)
    assert [seq for seq, _ in found] == list(range(1, 16))
    assert [record for _, record in found][:5] == [record for record in records if record.lane is Lane.ALARM]
    assert sorted(map(repr, records)) == sorted(repr(record) for _, record in found)
    rows = reader.steps(reader.epoch("steps"), 0, 1000)
    assert [row.step for row in rows] == steps
    assert [row.seq for row in rows] == list(range(1, 101))
    assert {row.points for row in rows} == {("gas.ch4", "gas.h2s")}
    assert [row.seq for row in reader.steps(reader.epoch("steps"), 37, 3)] == [38, 39, 40]
    assert reader.steps("another epoch", 0, 10) == []
    assert reader.newest("steps") == 100
    assert reader.records(reader.epoch("records"), 0, 100, lanes=[Lane.PROTECTION])[0][1].lane is Lane.PROTECTION
    status = journal.status()
    assert status.state == "ok"
    assert status.files["telemetry.db"].bytes > 0


def test_a_changed_catalogue_holds_from_its_step_on(bench, step):
    journal = bench.journal()
    for names, numbers in ((["a"], range(3)), (["b", "a"], range(3, 6)), (["a"], range(6, 8))):
        journal.catalogue(names)
        for n in numbers:
            journal.step(step(n, samples=1))
    journal.durable().result(10)
    reader = bench.reader()
    rows = reader.steps(reader.epoch("steps"), 0, 100)
    assert [row.points for row in rows] == [("a",)] * 3 + [("b", "a")] * 3 + [("a",)] * 2
    batches = reader.batches_between("boot-1", rows[4].step.stamp.mono_ns, rows[4].step.stamp.mono_ns)
    assert [(batch.first_seq, batch.seq, batch.points) for batch in batches] == [(4, 6, ("b", "a"))]
    assert list(batches[0].columns.time_s) == [3.0, 4.0, 5.0]


def test_states_and_anchors_survive(bench):
    journal = bench.journal()
    assert journal.recall("timers") is None
    for n in range(50):
        journal.keep("timers", b"%d" % n)
    journal.keep("windows", bytes(100_000))
    assert journal.recall("timers") == b"49"
    journal.anchor(Stamp("boot-1", 10, 20, "trusted"))
    journal.close(10)
    again = bench.journal()
    assert again.recall("timers") == b"49"
    assert again.recall("windows") == bytes(100_000)
    assert again.recall("never") is None
    assert bench.reader().anchors() == [Stamp("boot-1", 10, 20, "trusted")]
    assert bench.reader().state("timers") == b"49"


def test_a_record_that_json_cannot_hold_is_kept_as_text(bench, alarm):
    journal = bench.journal()
    journal.record(alarm(1, value=float("nan")))
    journal.record(alarm(2, what=object()))
    journal.durable().result(10)
    assert [set(body) for body in bench.bodies()] == [{"unencodable", "error"}] * 2


def test_numbers_go_on_after_a_good_end_and_jump_after_a_bad_one(bench, alarm, tmp_path):
    for boot in ("boot-1", "boot-1", "boot-2"):
        journal = bench.journal(boot_id=boot)
        journal.record(alarm(0, boot=boot))
        journal.durable().result(10)
        journal.close(10)
    reader = bench.reader()
    epoch = reader.epoch("records")
    assert [seq for seq, _ in reader.records(epoch, 0, 10)] == [1, 2, 3]
    reader.close()
    journal = bench.journal(boot_id="boot-3")
    journal.record(alarm(0, boot="boot-3"))
    journal.durable().result(10)
    _copy(bench.directory, tmp_path / "cut")  # as a power cut would leave it: not closed
    journal.close(10)
    cut = type(bench)(tmp_path / "cut")
    after = cut.journal(boot_id="boot-4")
    after.record(alarm(9))
    after.durable().result(10)
    reader = cut.reader()
    assert reader.epoch("records") == epoch
    found = reader.records(epoch, 4, 10)
    gaps = [record.body for _, record in found if record.kind == "gap" and record.body["what"] == "record"]
    assert gaps == [{"what": "record", "reason": "unclean end", "epoch": epoch, "ranges": [[5, 10_004]], "count": None}]
    assert min(seq for seq, _ in found) == 10_005
    cut.close()


@pytest.mark.parametrize("table", ["record", "batch"])
def test_an_emptied_table_gets_a_new_epoch(bench, alarm, step, table):
    stream, name = ("records", "critical.db") if table == "record" else ("steps", "telemetry.db")
    epochs = set()
    for _ in range(3):
        journal = bench.journal()
        journal.record(alarm(0))
        journal.step(step(0))
        journal.durable().result(10)
        epochs.add(bench.reader().epoch(stream))
        journal.close(10)
        file = sqlite3.connect(bench.directory / name)
        file.execute(f"DELETE FROM {table}")  # noqa: S608
        file.commit()
        file.close()
    assert len(epochs) == 3


def test_a_reader_of_another_user_needs_no_right_to_write(bench, alarm, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    group = 54321
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    bench.directory.mkdir(mode=0o750)
    os.chown(bench.directory, 0, group)
    bench.directory.chmod(0o2750)  # setgid: the files belong to the readers' group
    journal = bench.journal()
    for n in range(3):
        journal.record(alarm(n))
        journal.durable().result(10)
        assert _read_as_other(bench.directory, group) == f"{n + 1}"
        assert (bench.directory / "critical.db-shm").stat().st_mode & 0o777 == 0o640
    journal.close(10)
    assert not (bench.directory / "critical.db-shm").exists()
    assert _read_as_other(bench.directory, group) == "3"


def _read_as_other(directory: Path, group: int) -> str:
    code = (
        "import os, sys, pathlib\n"
        "from agent.journal.reader import JournalReader\n"
        f"os.setgroups([{group}]); os.setgid(65534); os.setuid(65534)\n"
        "reader = JournalReader(pathlib.Path(sys.argv[1]))\n"
        "print(len(reader.records(reader.epoch('records') or '', 0, 100)), reader.error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)], capture_output=True, text=True, timeout=20, check=True
    )
    assert not done.stderr
    return done.stdout.strip()


def test_migration_of_a_file_from_an_older_version(bench, alarm, monkeypatch):
    journal = bench.journal()
    journal.record(alarm(1))
    journal.durable().result(10)
    epoch = bench.reader().epoch("records")
    journal.close(10)
    texts = {name: schema.versions(name) for name in ("critical", "telemetry")}
    newer = {**texts, "critical": (*texts["critical"], "-- more\nALTER TABLE record\n  ADD COLUMN note TEXT;\n")}
    monkeypatch.setattr(schema, "versions", newer.__getitem__)
    schema.columns.cache_clear()
    file = sqlite3.connect(bench.directory / "critical.db")
    schema.migrate(file, "critical")
    assert ("record", "note") in schema.present_columns(file)
    assert file.execute("PRAGMA user_version").fetchone() == (len(newer["critical"]),)
    schema.migrate(file, "critical")  # nothing left to do
    file.close()
    monkeypatch.undo()
    schema.columns.cache_clear()
    assert [body["n"] for body in bench.bodies()] == [1]
    older = bench.journal()  # software that went back a version goes on with what it knows
    older.record(alarm(2))
    older.durable().result(10)
    assert [body["n"] for body in bench.bodies()] == [1, 2]
    assert older.status().state == "ok", older.status()
    assert bench.reader().epoch("records") == epoch


def test_a_stored_file_of_version_1_is_read_and_written(bench, alarm):
    stored = Path(__file__).parent / "stored" / "critical-001.sql"
    bench.directory.mkdir()
    file = sqlite3.connect(bench.directory / "critical.db")
    file.executescript(stored.read_text(encoding="utf-8"))
    file.close()
    journal = bench.journal(boot_id="boot-2")
    assert journal.recall("timers") == b"\x01\x02"
    journal.record(alarm(2, boot="boot-2"))
    journal.durable().result(10)
    reader = JournalReader(bench.directory)
    found = reader.records("00000000deadbeef", 0, 10)
    assert [(seq, record.body["n"]) for seq, record in found] == [(1, 1), (2, 2)]
    assert found[0][1] == Record(Lane.ALARM, "alarm", Stamp("boot-1", 5, 6, "untrusted"), {"n": 1})


def test_stored_readings_of_version_1_are_read_and_go_on(bench, step):
    stored = Path(__file__).parent / "stored" / "telemetry-001.sql"
    bench.directory.mkdir()
    file = sqlite3.connect(bench.directory / "telemetry.db")
    file.executescript(stored.read_text(encoding="utf-8"))
    file.close()
    journal = bench.journal(boot_id="boot-2")
    journal.catalogue(["pit.level"])
    journal.step(step(9, samples=1, boot="boot-2"))
    journal.mark(Mark("reset", Stamp("boot-2", 1, 2, "trusted"), 9.5, {"alarm": "flood"}))
    journal.durable().result(10)
    reader = JournalReader(bench.directory)
    steps = reader.steps("e151a96772cf26ff", 0, 10)
    assert [row.seq for row in steps] == [1, 2, 3, 4, 5]
    assert [row.step.samples[0].value for row in steps[:4]] == [0.1 * n for n in range(4)]
    assert [(mark.kind, mark.place, mark.after_seq) for mark in reader.marks()] == [("reset", 2, 5)]


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        if path.suffix != ".db-shm":
            (target / path.name).write_bytes(path.read_bytes())
