"""What telemetry.db holds, row by row: batches of steps, and the marks between them. It only appends."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from agent.journal.blobs import row_crc
from agent.journal.handover import Marked
from agent.journal.store import Store

_IMAGES_IN_A_PLACE = 8  # restarts in a row, before any reading came, fill no card


@dataclass(frozen=True, slots=True)
class Batch:
    """Steps of one boot, packed."""

    points: tuple[str, ...]
    first_mono_ns: int
    last_mono_ns: int
    steps: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class Marking:
    """A mark as it is stored."""

    place: int
    kind: str
    rules: str
    content: bytes
    body: str
    image: bytes  # compressed


def marking_of(marked: Marked) -> Marking:
    """A mark made ready. Raises ValueError for a body that JSON can't hold."""
    place, mark = marked
    body = {"time_s": mark.time_s, **asdict(mark.stamp), **mark.body}
    image = zlib.compress(mark.image) if mark.image else b""
    return Marking(place, mark.kind, mark.rules, mark.content, json.dumps(body, allow_nan=False), image)


class Tape:
    """Appends to the file: `put` within a transaction, `stored` when it was committed."""

    def __init__(self, store: Store, run: str) -> None:
        self.image_bytes = 0  # of the latest image of the judge, as it is stored
        self.image_epoch = ""  # of the file that has it
        self._store, self._run = store, run
        self._end = 0
        self._catalogue: tuple[str, tuple[str, ...], int] = ("", (), 0)  # epoch, points, id
        self._catalogue_tried: tuple[str, tuple[str, ...], int] = ("", (), 0)  # by the transaction under way

    def put(self, items: Sequence[Batch | Marking], connection: sqlite3.Connection) -> None:
        """Write items in their order. A transaction is stored whole or not at all: one that was is not stored twice."""
        if self._is_there(connection, items[-1]):
            self._end = self._store.last_seq
            return
        self._catalogue_tried = self._catalogue
        seq = self._store.last_seq
        for item in items:
            if isinstance(item, Batch):
                first, seq = seq + 1, seq + item.steps
                self._put_batch(connection, item, first, seq)
            else:
                self._put_mark(connection, item, seq)
        self._end = seq

    def stored(self, items: Iterable[Batch | Marking]) -> None:
        """What was put is in the file."""
        self._store.last_seq = self._end
        self._catalogue = self._catalogue_tried
        for item in items:
            if isinstance(item, Marking) and item.image:
                self.image_bytes, self.image_epoch = len(item.image), self._store.epoch

    def _is_there(self, connection: sqlite3.Connection, last: Batch | Marking) -> bool:
        if isinstance(last, Marking):
            there, key = "SELECT 1 FROM mark WHERE (run, place) = (?, ?)", (self._run, last.place)
            return bool(connection.execute(there, key).fetchone())
        there = "SELECT 1 FROM (SELECT * FROM batch ORDER BY seq DESC LIMIT 1) WHERE (first_mono_ns, steps) = (?, ?)"
        return bool(connection.execute(there, (last.first_mono_ns, last.blob)).fetchone())

    def _put_batch(self, connection: sqlite3.Connection, batch: Batch, first: int, seq: int) -> None:
        catalogue, crc = self._catalogue_id(connection, batch.points), row_crc(self._store.epoch, seq, batch.blob)
        connection.execute(
            "INSERT INTO batch (seq, first_seq, first_mono_ns, last_mono_ns, catalogue, crc, steps) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (seq, first, batch.first_mono_ns, batch.last_mono_ns, catalogue, crc, batch.blob),
        )

    def _put_mark(self, connection: sqlite3.Connection, mark: Marking, seq: int) -> None:
        if mark.image:
            connection.execute(
                "DELETE FROM mark WHERE rowid IN (SELECT rowid FROM mark WHERE after_seq = ? AND kind = ? "
                "ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                (seq, mark.kind, _IMAGES_IN_A_PLACE - 1),
            )
            connection.execute(
                "INSERT OR IGNORE INTO ruleset (digest, crc, content) VALUES (?, ?, ?)",
                (mark.rules, row_crc(mark.rules, 0, mark.content), mark.content),
            )
        crc = row_crc(self._run, mark.place, f"{mark.kind} {mark.rules} {mark.body}")
        connection.execute(
            "INSERT INTO mark (run, place, after_seq, kind, rules, crc, body, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._run, mark.place, seq, mark.kind, mark.rules, crc, mark.body, mark.image),
        )

    def _catalogue_id(self, connection: sqlite3.Connection, points: tuple[str, ...]) -> int:
        epoch, known, number = self._catalogue_tried
        if epoch == self._store.epoch and known is points:
            return number
        text = json.dumps(points)
        connection.execute("INSERT OR IGNORE INTO catalogue (points) VALUES (?)", (text,))
        (number,) = connection.execute("SELECT id FROM catalogue WHERE points = ?", (text,)).fetchone()
        self._catalogue_tried = (self._store.epoch, points, number)
        return int(number)
