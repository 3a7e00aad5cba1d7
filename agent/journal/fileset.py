"""The three files of one SQLite database as one thing: made, measured and set aside together; never read.

SQLite, "How To Corrupt An SQLite Database File", 1.4: a main file without its own log, or with another's, is corrupt.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

_BAD_MOST_BYTES = 96 << 20  # a larger one is not worth the space

Identity = tuple[int, int] | None  # device and inode; None: no such file


class FileSet:
    """`main`, its log and its shared-memory index."""

    def __init__(self, main: Path) -> None:
        self.main = main
        self.log = main.with_name(f"{main.name}-wal")
        self.index = main.with_name(f"{main.name}-shm")

    def create(self, build: Callable[[Path], None]) -> bool:
        """If there is no main file, have one built beside its place and move it there whole. Raises what `build` does.

        So an empty file is never one whose making was interrupted. Its mode is 0640; SQLite gives the others the same.
        """
        if self.main.exists():
            return False
        self.main.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        fresh = self.main.with_name(f"{self.main.name}.new")
        for left_over in (fresh, fresh.with_name(f"{fresh.name}-journal"), self.log, self.index):
            left_over.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
        os.fchmod(descriptor, 0o640)  # whatever the umask
        os.close(descriptor)
        build(fresh)
        fresh.rename(self.main)
        sync_directory(self.main.parent)
        return True

    def identities(self) -> tuple[Identity, Identity]:
        """What the names of the main file and the log stand for now."""
        return _identity(self.main), _identity(self.log)

    def log_bytes(self) -> int:
        """Size of the log; 0 without one."""
        return _size(self.log)

    def bytes(self) -> int:
        """Size of main file and log."""
        return _size(self.main) + _size(self.log)

    def set_aside(self, label: str) -> Path | None:
        """Rename all three, `label` inserted before their ends; keep one such set, and none that is large.

        Gives the main file's new name, None if it was not kept. Raises OSError. The main file goes last: as long as it
        is there, what is left is seen to be damaged again.
        """
        for old in self.main.parent.glob(f"{self.main.name}.bad-*"):
            old.unlink(missing_ok=True)
        keep = self.bytes() <= _BAD_MOST_BYTES
        for path in (self.log, self.index, self.main):
            if path.exists() and keep:
                path.rename(path.with_name(self.main.name + label + path.name.removeprefix(self.main.name)))
            else:
                path.unlink(missing_ok=True)
        sync_directory(self.main.parent)
        aside = self.main.with_name(self.main.name + label)
        return aside if aside.exists() else None


def sync_directory(path: Path) -> None:
    """Make created, renamed and deleted names durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
