"""Owns one SQLite file: opening, checking, writing, setting aside, waiting. Knows no records and never judges content.

Everything here runs in the journal's thread. Nothing raises for what a disk can do: a file that cannot be written has
a state, is tried again, and is replaced when it is damaged. The recipe and the figures stand in the fault catalogue
(SQLite's own "how to corrupt" list, and what was measured): main file, -wal and -shm move together; the file is never
opened but through SQLite while it is in use (closing another descriptor would drop its locks); a page quota of our own
stands below the disk's; quick_check finds damaged pages, the columns are compared because an emptied file passes it.

File modes: 0640 for all three files, and a directory of mode 0750 whose group the readers are in. A reader of another
user needs no right to write: SQLite reads the log of a file in use through a read-only -shm (see agent.journal.reader).
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.journal import schema
from agent.journal.fileset import FileSet
from agent.journal.filestate import Damage, FileState, state_of

Report = Callable[[str, dict[str, Any]], None]
T = TypeVar("T")

BUSY_S = 0.25  # the thread serves two files: a lock on one must not hold up the other
HEALTH_S = 5.0
CHECKPOINT_S = 60.0
CHECK_EVERY_S = 86_400.0
_AUTOCHECKPOINT_PAGES = 256
_WAL_KEPT_BYTES = 1 << 20  # stays allocated after a checkpoint: room to write when the disk is full
WAL_MOST_BYTES = 12 << 20  # beyond it somebody holds a read transaction
_CHECK_S = 1.5  # quick_check: 64 MB take 26 ms on a PC; a slow card is not waited for


_PROBE = "UPDATE epoch SET site = site"  # a real write, or a full disk would look well
_FAREWELL = "UPDATE epoch SET clean = 1"
_STAYS_OPEN = (FileState.LOCKED, FileState.FULL, FileState.HELD)
_RETRY_S = {FileState.LOCKED: (0.5, 0.5), FileState.FULL: (0.5, 5.0), FileState.HELD: (2.0, 2.0)}
_RETRY_OTHERS_S = (5.0, 30.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """What tells the two files apart."""

    name: str  # of the schema; the file is called `name`.db
    table: str  # whose `seq` numbers the file's content
    first: str  # its column with the lowest number of a row
    synchronous: str  # "FULL" or "NORMAL"
    page_size: int
    quota_bytes: int
    grows_when_tight: bool  # whether it may use what the ballast gives
    jump: int  # more than the numbers a power cut can take


class Store:
    """One file. `transact` writes, `tend` keeps it well; both return at once when it is not usable."""

    def __init__(self, directory: Path, layout: Layout, *, site: str, boot_id: str, report: Report) -> None:
        self.files = FileSet(directory / f"{layout.name}.db")
        self.layout = layout
        self.state = FileState.CLOSED
        self.error = ""
        self.since_mono_ns = time.monotonic_ns()
        self.last_commit_mono_ns = 0
        self.epoch = ""
        self.last_seq = 0
        self.resets = 0
        self.checked = False  # quick_check came to its end
        self.tight = False
        self._doubtful = False  # a transaction failed: what it wrote may be there or not
        self.on_open: Callable[[sqlite3.Connection], None] = lambda _: None  # reads what is needed first
        self.on_reset: Callable[[dict[str, Any]], None] = lambda _: None  # the file was lost, its numbers begin anew
        self.on_jump: Callable[[int, int], None] = lambda _first, _last: None  # these numbers will never come
        self.salvage: Callable[[Path, sqlite3.Connection], int] = lambda _damaged, _fresh: 0
        self.salvaged = 0
        self._aside: Path | None = None  # damaged, and to be salvaged into the next file
        self._site = site
        self._boot_id = boot_id
        self._report = report
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)
        self._retry_at = 0.0
        self._retry_s = 0.0
        self._health_at = 0.0
        self._checkpoint_at = 0.0
        self._check_at = 0.0

    # --- writing ---------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether a transaction may be tried now; opens the file when that is due."""
        if self.state is not FileState.OK and time.monotonic() < self._retry_at:
            return False
        if self.state is FileState.HELD and not self._written_back():
            return False
        return self._connection is not None or self._open()

    def transact(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """Run `work` in one transaction; True when it was committed. `work` must not catch sqlite3 errors."""
        if not self.ready() or self._connection is None:
            return False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            work(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._failed(error)
            return False
        self.last_commit_mono_ns = time.monotonic_ns()
        if self._doubtful or self.tight:
            self.checkpoint()  # after a failed fsync only a fresh write of the pages is sure to arrive
            self._doubtful = False
        if self.tight:
            self.retry()
        else:
            self._enter(FileState.OK)
        return True

    def retry(self) -> None:
        """Something was done about its state: try at the next occasion."""
        self._retry_at = 0.0

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        """What an open file answers; None when it cannot."""
        if self._connection is None:
            return None
        try:
            return question(self._connection)
        except sqlite3.Error as error:
            self._failed(error)
            return None

    def _pragma(self, pragma: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self.ask(lambda connection: connection.execute(f"PRAGMA {pragma}").fetchone())
        return row or ()

    def checkpoint(self, *, truncate: bool = False) -> bool:
        """Write the log back, so that losing it loses nothing. Never waits for readers unless it truncates."""
        self._checkpoint_at = time.monotonic() + CHECKPOINT_S
        row = self._pragma(f"wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})")
        return bool(row) and row[0] == 0 and row[1] == row[2]

    def tighten(self, *, tight: bool) -> None:
        """The disk is full and the ballast is spent, or that is over.

        Meanwhile a file whose layout does not let it grow writes only pages that were freed, its log is written back
        after every transaction, and the file counts as full although it may still take something.
        """
        self.tight = tight
        self._limit_pages()

    def _limit_pages(self) -> None:
        stop = self.tight and not self.layout.grows_when_tight
        self._pragma(f"max_page_count = {1 if stop else self._quota_pages:d}")  # SQLite takes the present size for less

    def used_share(self) -> float:
        """Share of the quota that has content."""
        pages, free = self._pragma("page_count"), self._pragma("freelist_count")
        return (pages[0] - free[0]) / self._quota_pages if pages and free else 0.0

    def at_limit(self) -> bool:
        """Whether it is our own limit that is reached, not the disk's."""
        pages, most = self._pragma("page_count"), self._pragma("max_page_count")
        return bool(pages) and pages >= most

    def oldest_seq(self) -> int | None:
        """The lowest number still held."""
        question = f"SELECT {self.layout.first} FROM {self.layout.table} ORDER BY seq LIMIT 1"  # noqa: S608
        found = self.ask(lambda connection: connection.execute(question).fetchone())
        return found[0] if found else None

    @property
    def _quota_pages(self) -> int:
        return self.layout.quota_bytes // self.layout.page_size

    # --- keeping it well -------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Try again what failed, notice a file that was deleted, write the log back once a minute."""
        if self.state is not FileState.OK and not self.tight:
            self.transact(lambda connection: connection.execute(_PROBE))
            return
        now = time.monotonic()
        if self._connection is None or now < self._health_at:
            return
        self._health_at = now + HEALTH_S
        main, log = self.files.identities()
        if main != self._identity[0]:
            self._close()
            self._enter(FileState.GONE, "the file was deleted or replaced while in use")
            self._retry_at = 0.0
        elif log != self._identity[1]:
            self.checkpoint()  # from the descriptors still held; then nothing is missing
            self._close()
            self._open()
        elif self.files.log_bytes() > WAL_MOST_BYTES and not self._written_back():
            self._enter(FileState.HELD, "a read transaction of another process has been open for too long")
        elif now >= self._check_at:
            self._check_again()
        elif now >= self._checkpoint_at:
            self.checkpoint()

    def abandon(self) -> None:
        """Forget a connection that belongs to a thread which is no more."""
        self._connection = None
        self.state = FileState.CLOSED

    def _check_again(self) -> None:
        # By another connection: this one has the pages in memory, and would not see what became of them on the disk.
        try:
            with contextlib.closing(sqlite3.connect(self.files.main, timeout=BUSY_S)) as connection:
                self._check(connection)
        except (sqlite3.Error, Damage) as error:
            if state_of(error) is FileState.DAMAGED:
                self._close()
                self._failed(error)

    def _written_back(self) -> bool:
        if self.checkpoint(truncate=True):
            return True
        self._retry_at = time.monotonic() + HEALTH_S
        return False

    def close(self) -> None:
        """Write the log back and close."""
        if self._connection is not None:
            if self.state is FileState.OK and self.transact(lambda connection: connection.execute(_FAREWELL)):
                self.checkpoint(truncate=True)
            self._close()
        self.state = FileState.CLOSED

    # --- opening ---------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        try:
            log_was_there = self.files.log.exists()
            self.files.create(self._build)
            self._connection = sqlite3.connect(self.files.main, timeout=BUSY_S, isolation_level=None)
            self._connection.text_factory = lambda data: data.decode("utf-8", "replace")
            self._prepare(self._connection)
            self.on_open(self._connection)
            self._number(self._connection, log_was_there=log_was_there)
            self._check(self._connection)
        except (sqlite3.Error, OSError, Damage) as error:
            self._close()  # also when it is only locked: half prepared it is of no use
            self._failed(error)
            return False
        self._identity = self.files.identities()
        self._health_at = time.monotonic() + HEALTH_S
        return True

    def _build(self, path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {self.layout.page_size:d}")
            schema.migrate(connection, self.layout.name)
            if self._aside is not None:
                self.salvaged = self.salvage(self._aside, connection)
        self._aside = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        layout = self.layout
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {layout.synchronous}",
            f"wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}",
            f"journal_size_limit = {_WAL_KEPT_BYTES}",
            "cell_size_check = ON",
            "trusted_schema = OFF",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        self._limit_pages()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise Damage("the file is empty, or not one of ours")
        if version < len(schema.versions(layout.name)):
            schema.migrate(connection, layout.name)
        if missing := schema.columns(layout.name) - schema.present_columns(connection):
            raise Damage(f"columns are missing: {', '.join(sorted('.'.join(pair) for pair in missing))}")

    def _check(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + _CHECK_S
        self._check_at = deadline + CHECK_EVERY_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            self.checked = False
            return
        finally:
            connection.set_progress_handler(None, 0)
        if verdict != "ok":
            raise Damage(f"quick_check: {verdict}")
        self.checked = True

    def _number(self, connection: sqlite3.Connection, *, log_was_there: bool) -> None:
        """Find the file's epoch and its next number, which no row ever had, the lost ones included.

        A power cut can take rows that were read and sent already (synchronous NORMAL, or a card that lies), and so can
        a deleted log. The next rows would get their numbers, and the platform would drop them as duplicates. So unless
        the file was closed well, or this is the same boot (kill -9 loses nothing) with the log in place, numbers jump.
        """
        (last,) = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {self.layout.table}").fetchone()  # noqa: S608
        found = connection.execute("SELECT epoch, clean FROM epoch").fetchone()
        stretches = connection.execute("SELECT first_seq, boot_id FROM stretch ORDER BY first_seq").fetchall()
        before = {"file": self.files.main.name, "epoch": self.epoch, "last_seq": self.last_seq, "reason": self.error}
        was_lost = self.state in (FileState.DAMAGED, FileState.GONE)
        unused = bool(self.epoch) and found is not None and found[0] == self.epoch and self.last_seq == 0
        if found is None or not stretches or (last == 0 and not unused):  # new, or emptied by hand
            was_lost = was_lost or bool(self.epoch)
            epoch, start, jump = secrets.token_hex(8), 1, 0
            connection.execute("DELETE FROM stretch")
            connection.execute(
                "INSERT OR REPLACE INTO epoch (id, epoch, site, clean) VALUES (1, ?, ?, 0)", (epoch, self._site)
            )
        else:
            (epoch, clean), (newest, boot_id) = found, stretches[-1]
            start, jump = max(last + 1, newest), 0
            if epoch == self.epoch:
                jump = max(0, self.last_seq + 1 - start)
            elif not clean and (boot_id != self._boot_id or not log_was_there):
                jump = self.layout.jump
            connection.execute("UPDATE epoch SET clean = 0, site = ?", (self._site,))
        if not stretches or jump or stretches[-1][1] != self._boot_id or start == 1:
            connection.execute(
                "INSERT OR REPLACE INTO stretch (first_seq, boot_id) VALUES (?, ?)", (start + jump, self._boot_id)
            )
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # durable before one of its numbers is seen
        self.epoch, self.last_seq = epoch, start + jump - 1
        if was_lost:
            self.resets += 1
            self.on_reset({**before, "new_epoch": epoch, "salvaged": self.salvaged})
            self.salvaged = 0
        if jump:
            self.on_jump(start, start + jump - 1)

    # --- failing ---------------------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> None:
        self._doubtful = True
        state = state_of(error)
        if self._connection is not None and state in _STAYS_OPEN:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
        else:
            self._close()
        before = self.state
        self._enter(state, str(error))
        if state is FileState.DAMAGED and self._set_aside() and before is not FileState.DAMAGED:
            self._retry_at = 0.0  # at once; but a disk that damages fresh files is given time

    def _enter(self, state: FileState, error: str = "") -> None:
        now = time.monotonic()
        if state is FileState.OK:
            self._retry_s = 0.0
        else:
            first, most = _RETRY_S.get(state, _RETRY_OTHERS_S)
            self._retry_s = min(max(first, self._retry_s * 2), most) if state is self.state else first
            self._retry_at = now + self._retry_s
        self.error = error
        if state is self.state:
            return
        before, since_ns = self.state, self.since_mono_ns
        self.state, self.since_mono_ns = state, time.monotonic_ns()
        if before is not FileState.CLOSED or state is not FileState.OK:
            lasted_s = (self.since_mono_ns - since_ns) / 1e9
            detail = {
                "file": self.files.main.name,
                "error": error,
                "before": before.value,
                "lasted_s": round(lasted_s, 3),
            }
            self._report(f"STORE_{state.name}", detail)

    def _set_aside(self) -> bool:
        label = f".bad-{time.monotonic_ns()}-{self.epoch or 'unknown'}"
        try:
            self._aside = self.files.set_aside(label)
        except OSError as error:
            self.error = f"{self.error}; could not be set aside: {error}"
            return False
        return True

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
