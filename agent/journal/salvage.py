"""Carries what is whole out of a damaged critical.db into a fresh one, numbers and all: so nothing arrives twice.

A damaged page costs the rows on it, not three days of alarms that wait for the network. Rows are asked for one by one
where asking for many fails (399,550 of 400,000 rows came back that way when pages were overwritten; `sqlite3 .recover`
failed), and only those whose CRC holds are taken.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.journal.blobs import row_crc

_WITHIN_S = 3.0  # alarms wait in memory meanwhile; the newest rows come first
_AT_ONCE = 256
_RECORD = "SELECT seq, run, n, lane, kind, line, crc, {} FROM record WHERE seq BETWEEN ? AND ? ORDER BY seq DESC"


def salvage(damaged: Path, fresh: sqlite3.Connection) -> int:
    """Copy epoch, records, states and anchors; the number of records. Raises sqlite3.Error only for the fresh file."""
    try:
        old = sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return 0
    with contextlib.closing(old):
        old.text_factory = lambda data: data.decode("utf-8", "replace")
        _ask(old, "PRAGMA writable_schema = ON")  # else a file that was cut off is refused whole
        epochs = _ask(old, "SELECT epoch, site FROM epoch")
        stretches = _ask(old, "SELECT first_seq, boot_id FROM stretch")
        states = [row for row in _ask(old, "SELECT name, blob, crc FROM state") if _whole(row[0], 0, row[1], row[2])]
        anchors = _ask(old, "SELECT boot_id, mono_ns, wall_ns FROM anchor")
        records = list(_records(old, epochs[0][0])) if epochs and stretches else []
    fresh.execute("BEGIN")
    if records:
        fresh.execute("INSERT INTO epoch (id, epoch, site, clean) VALUES (1, ?, ?, 0)", epochs[0])
        fresh.executemany("INSERT INTO stretch (first_seq, boot_id) VALUES (?, ?)", stretches)
    fresh.executemany(
        "INSERT OR IGNORE INTO record (seq, run, n, lane, kind, line, crc, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        records,
    )
    fresh.executemany("INSERT OR IGNORE INTO state (name, blob, crc) VALUES (?, ?, ?)", states)
    fresh.executemany("INSERT OR IGNORE INTO anchor (boot_id, mono_ns, wall_ns) VALUES (?, ?, ?)", anchors)
    fresh.execute("COMMIT")
    return len(records)


def _records(old: sqlite3.Connection, epoch: str) -> Iterator[tuple[Any, ...]]:
    until = time.monotonic() + _WITHIN_S
    ends = [
        *_ask(old, "SELECT max(seq), min(seq) FROM record"),
        *_ask(old, "SELECT max(seq), min(seq) FROM record INDEXED BY record_lane"),  # if the table itself won't say
    ]
    has_place = _ask(old, "SELECT 1 FROM pragma_table_info('record') WHERE name = 'place'")
    question = _RECORD.format("place" if has_place else "-1")  # as files of version 1
    upper = max((last or 0 for last, _ in ends), default=0)
    lower = min((first or 0 for _, first in ends), default=0)
    while upper >= lower > 0 and time.monotonic() < until:
        first = max(lower, upper - _AT_ONCE + 1)
        rows = _ask(old, question, (first, upper), alone=True)
        for row in rows:
            if _whole(epoch, row[0], row[5], row[6]):
                yield row
        upper = first - 1


def _ask(
    old: sqlite3.Connection, question: str, span: tuple[int, int] | tuple[()] = (), *, alone: bool = False
) -> list[Any]:
    """Rows of a question; those that can be had one by one where they cannot be had together, if `alone`."""
    try:
        return old.execute(question, span).fetchall()
    except sqlite3.Error:
        if not alone or len(span) != 2:
            return []
    return [row for seq in range(span[1], span[0] - 1, -1) for row in _ask(old, question, (seq, seq))]


def _whole(epoch: str, seq: int, content: object, crc: object) -> bool:
    return isinstance(content, str | bytes) and row_crc(epoch, seq, content) == crc
