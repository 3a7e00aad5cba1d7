"""What an error of SQLite or of the operating system says about a file; no files here."""

from __future__ import annotations

import errno
import sqlite3
from enum import StrEnum


class FileState(StrEnum):
    """What a file is good for."""

    CLOSED = "closed"  # not opened yet
    OK = "ok"
    LOCKED = "locked"  # another process holds the write lock
    FULL = "full"  # the disk, or our own quota
    READONLY = "readonly"
    FAILING = "failing"  # I/O errors, no such directory, no right to open
    HELD = "held"  # a reader's open transaction keeps the log from being written back
    DAMAGED = "damaged"  # and could not be set aside yet
    GONE = "gone"  # deleted or replaced while in use


# Primary result codes, https://www.sqlite.org/rescode.html
_STATES = {
    sqlite3.SQLITE_BUSY: FileState.LOCKED,
    sqlite3.SQLITE_LOCKED: FileState.LOCKED,
    sqlite3.SQLITE_FULL: FileState.FULL,
    sqlite3.SQLITE_READONLY: FileState.READONLY,
    sqlite3.SQLITE_CORRUPT: FileState.DAMAGED,
    sqlite3.SQLITE_NOTADB: FileState.DAMAGED,
}


class Damage(Exception):  # noqa: N818 - the field's word
    """The file opens, and is not what it should be."""


def state_of(error: Exception) -> FileState:
    """The state a file is in after an error of opening, reading or writing it."""
    if isinstance(error, Damage):
        return FileState.DAMAGED
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return FileState.GONE
    if code == sqlite3.SQLITE_ERROR and "no such" in str(error):
        return FileState.DAMAGED
    if isinstance(error, OSError):
        return (
            FileState.READONLY
            if error.errno == errno.EROFS
            else FileState.FULL
            if error.errno == errno.ENOSPC
            else FileState.FAILING
        )
    return _STATES.get(code & 0xFF, FileState.FAILING) if code is not None else FileState.FAILING
