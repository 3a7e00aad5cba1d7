from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from agent.link.ledger import DeadLetter, Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "link.db"


def filled(path):
    ledger = Ledger(path)
    ledger.sent("e", 1, 10)
    ledger.confirm("e", [(1, 4), (6, 6)])
    ledger.keep("protection", "{}")
    ledger.bury(DeadLetter("e", 7, 7, "event", "refused"))
    ledger.close()
    return ledger


def test_everything_comes_back(path):
    filled(path)
    again = Ledger(path)
    assert list(again.marks("e").done) == [(1, 4), (6, 6)]
    assert list(again.marks("e").sent) == [(1, 10)]
    assert again.kept("protection") == "{}"
    assert again.exhume() == [DeadLetter("e", 7, 7, "event", "refused")]
    assert again.exhume() == []
    again.close()
    assert Ledger(path).dead == []


def test_only_what_was_sent_can_be_confirmed(path):
    ledger = Ledger(path)
    ledger.sent("e", 1, 3)
    assert ledger.confirm("e", [(1, 100)]) == 3
    assert ledger.confirm("e", [(1, 100)]) == 0
    assert ledger.confirm("other", [(1, 100)]) == 0
    assert list(ledger.marks("e").done) == [(1, 3)]


def test_sessions_rise_through_a_kill(path):
    # A kill right after the number was given: the next process must not give it again.
    code = f"""
import os, signal
from pathlib import Path
from agent.link.ledger import Ledger
print(Ledger(Path({str(path)!r})).next_session(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    numbers = [
        int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=20).stdout)
        for _ in range(3)
    ]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"not a database at all" * 500),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(os.urandom(16384)),
    ],
    ids=["garbage", "half", "empty", "gone", "noise"],
)
def test_a_damaged_file_costs_duplicates_only(path, harm, caplog):
    filled(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    harm(path)
    ledger = Ledger(path)
    assert ledger.marks("e").done.upto() in (0, 4)
    ledger.sent("e", 1, 2)
    ledger.done("e", 1, 2)
    ledger.close()
    assert ledger.trouble == ""
    assert Ledger(path).marks("e").done.upto() >= 2


def test_marks_that_are_not_what_they_should_be_are_set_aside(path):
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE mark SET done = '{\"a\": 1}'")
    db.close()
    ledger = Ledger(path)
    assert ledger.marks("e").done.upto() == 0
    assert path.with_name("link.db.bad").exists()
    ledger.close()


def test_a_locked_file_is_waited_for(path):
    filled(path)
    ledger = Ledger(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ledger.done("e", 1, 10)
    ledger.save()
    assert "locked" in ledger.trouble
    other.execute("COMMIT")
    other.close()
    ledger.save()
    assert ledger.trouble == ""
    ledger.close()
    assert Ledger(path).marks("e").done.upto() == 10


def test_without_a_place_to_write_it_goes_on(tmp_path):
    ledger = Ledger(tmp_path / "nowhere" / "link.db")
    assert ledger.trouble
    assert ledger.next_session() < ledger.next_session()
    ledger.done("e", 1, 5)
    (tmp_path / "nowhere").mkdir()
    ledger.save()
    assert ledger.trouble == ""
    ledger.close()
    assert Ledger(tmp_path / "nowhere" / "link.db").marks("e").done.upto() == 5


def test_old_epochs_do_not_pile_up(path):
    ledger = Ledger(path)
    for n in range(30):
        ledger.done(f"e{n}", 1, 2)
        ledger.save()
    ledger.close()
    with sqlite3.connect(path) as db:
        assert {epoch for (epoch,) in db.execute("SELECT epoch FROM mark")} == {f"e{n}" for n in range(22, 30)}
    db.close()
