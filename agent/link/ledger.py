"""Owns link.db: what was sent, what is done, what was set aside. Losing the file costs duplicates, never a record."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agent.link.ranges import Range, Ranges

log = logging.getLogger(__name__)

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS mark(
  epoch TEXT PRIMARY KEY, done TEXT NOT NULL, sent TEXT NOT NULL, touched INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_EPOCHS_KEPT = 8  # files of the journal that were replaced leave their marks behind


@dataclass(slots=True)
class Marks:
    """Of one epoch. `sent` is what the platform may acknowledge: nothing else counts as done on its word."""

    done: Ranges = field(default_factory=Ranges)
    sent: Ranges = field(default_factory=Ranges)
    changed: bool = True
    used: bool = True  # in this process; old ones only wait to be asked for


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Numbers that the broker refused again and again. Set aside, told, offered again later."""

    epoch: str
    first: int
    last: int
    topic: str
    reason: str


class Ledger:
    """Marks by epoch, in memory; written down now and then. A file that can't be written is told and lived without."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._marks: dict[str, Marks] = {}
        self._kept: dict[str, str] = {}
        self._kept_changed: set[str] = set()
        self._touched = 0
        self.dead: list[DeadLetter] = []
        self.trouble = ""  # why link.db is not written, "" when it is
        self._open()

    # --- marks

    def marks(self, epoch: str) -> Marks:
        """The marks of an epoch, empty ones for a new epoch."""
        found = self._marks.setdefault(epoch, Marks())
        found.used = True
        return found

    def sent(self, epoch: str, first: int, last: int) -> None:
        """first..last were handed to the broker's connection."""
        marks = self.marks(epoch)
        if not marks.sent.covers(first, last):
            marks.sent.add(first, last)
            marks.changed = True

    def done(self, epoch: str, first: int, last: int) -> None:
        """first..last need not be sent any more: acknowledged, or they never existed."""
        marks = self.marks(epoch)
        if not marks.done.covers(first, last):
            marks.done.add(first, last)
            marks.sent.add(first, last)  # keeps `sent` in few runs
            marks.changed = True

    def confirm(self, epoch: str, claimed: Iterable[Range]) -> int:
        """The platform says that it has these. Only what was really sent counts. Gives back how many were news."""
        if epoch not in self._marks:
            return 0
        marks = self._marks[epoch]
        before = marks.done.count()
        for first, last in claimed:
            for begin, end in marks.sent.within(first, last):
                self.done(epoch, begin, end)
        return marks.done.count() - before

    def reopen(self, epoch: str, first: int, last: int) -> None:
        """first..last are to be sent again."""
        marks = self.marks(epoch)
        marks.done.remove(first, last)
        marks.changed = True

    def bury(self, letter: DeadLetter) -> None:
        """Set aside what the broker refuses."""
        self.dead.append(letter)
        self.keep("dead", json.dumps([[d.epoch, d.first, d.last, d.topic, d.reason] for d in self.dead]))

    def exhume(self) -> list[DeadLetter]:
        """Take all dead letters back, to offer them again."""
        letters, self.dead = self.dead, []
        if letters:
            self.keep("dead", "[]")
        return letters

    def delivered(self) -> list[dict[str, object]]:
        """`{epoch, upto}` of the epochs in use: what the journal may prune first."""
        return [{"epoch": epoch, "upto": marks.done.upto()} for epoch, marks in self._marks.items() if marks.used]

    # --- small values

    def keep(self, name: str, value: str) -> None:
        """Remember a small value; written with the next save."""
        if self._kept.get(name) != value:
            self._kept[name] = value
            self._kept_changed.add(name)

    def kept(self, name: str) -> str | None:
        """A value kept earlier."""
        return self._kept.get(name)

    def next_session(self) -> int:
        """A session number higher than any before; durable before it is used.

        After a loss of link.db numbers start from the wall clock's seconds, so that they still rise in practice.
        """
        last = self._kept.get("session")
        number = int(last) + 1 if last else max(1, int(time.time()))
        self.keep("session", str(number))
        self.save(durable=True)
        return number

    # --- file

    def save(self, *, durable: bool = False) -> None:
        """Write what changed. Never raises: without the file, a restart sends some records twice."""
        marks = [(epoch, m) for epoch, m in self._marks.items() if m.changed]
        if not marks and not self._kept_changed:
            return
        if self._file is None:
            self._open()
        if self._file is None:
            return
        self._touched += 1
        try:
            self._file.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            with self._file:
                self._file.executemany(
                    "REPLACE INTO mark VALUES(?,?,?,?)",
                    [(e, json.dumps(list(m.done)), json.dumps(list(m.sent)), self._touched) for e, m in marks],
                )
                self._file.executemany(
                    "REPLACE INTO kept VALUES(?,?)", [(name, self._kept[name]) for name in self._kept_changed]
                )
                self._file.execute(
                    "DELETE FROM mark WHERE epoch NOT IN (SELECT epoch FROM mark ORDER BY touched DESC LIMIT ?)",
                    (_EPOCHS_KEPT,),
                )
        except (sqlite3.Error, OSError) as error:
            self._tell(f"{type(error).__name__}: {error}")
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._set_aside()
            return
        self._tell("")
        self._kept_changed.clear()
        for _, m in marks:
            m.changed = False

    def close(self) -> None:
        """Write the rest and close."""
        self.save(durable=True)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        if self._path is None:
            return
        for attempt in (1, 2):
            try:
                self._file = self._connect(self._path)
                self._load(self._file)
            except (sqlite3.OperationalError, OSError) as error:
                self._tell(f"{type(error).__name__}: {error}")  # locked, full, read-only: tried again at the next save
                self._file = None
                return
            except (sqlite3.DatabaseError, ValueError, TypeError) as error:
                self._tell(f"{type(error).__name__}: {error}")
                self._set_aside()
                if attempt == 2:
                    return
            else:
                self._tell("")
                return

    def _connect(self, path: Path) -> sqlite3.Connection:
        file = sqlite3.connect(path, timeout=0.2, check_same_thread=False)  # made in one thread, used in another
        try:
            _prepare(file)
        except BaseException:
            file.close()
            raise
        return file

    def _load(self, file: sqlite3.Connection) -> None:
        kept = dict(file.execute("SELECT name, value FROM kept"))
        for epoch, done, sent, touched in file.execute("SELECT epoch, done, sent, touched FROM mark"):
            self._touched = max(self._touched, touched)
            have = self._marks.get(epoch)
            marks = Marks(Ranges(json.loads(done)), Ranges(json.loads(sent)), changed=False, used=False)
            if have is None:
                self._marks[epoch] = marks
            else:  # the file came back after a while without it
                for mine, stored in ((have.done, marks.done), (have.sent, marks.sent)):
                    for first, last in stored:
                        mine.add(first, last)
                have.changed = True
        self._kept = kept | {name: self._kept[name] for name in self._kept_changed}
        if not self.dead:
            self.dead = [DeadLetter(*letter) for letter in json.loads(self._kept.get("dead", "[]"))]

    def _set_aside(self) -> None:
        # Not a database, or damaged: the three files go together, one copy is kept, a fresh one is made.
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path is None:
            return
        for suffix in ("", "-wal", "-shm"):
            old = self._path.with_name(self._path.name + suffix)
            try:
                old.replace(self._path.with_name(self._path.name + ".bad" + suffix))
            except OSError:
                continue
        for marks in self._marks.values():
            marks.changed = True
        self._kept_changed = set(self._kept)

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            if trouble:
                log.warning("link.db can't be used, a restart may send records twice: %s", trouble)
            else:
                log.info("link.db is written again")
            self.trouble = trouble


def _prepare(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA journal_size_limit=1048576")
    version = file.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _SCHEMA_VERSION):
        raise ValueError(f"link.db has schema {version}, this release writes {_SCHEMA_VERSION}")
    if file.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check failed")
    file.executescript(_SCHEMA)
    file.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
