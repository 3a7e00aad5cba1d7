"""Reads the journal, from any process and any user of its group; never writes, never holds a read transaction open.

What another user needs (measured with SQLite 3.40): to enter the directory (0750) and to read all three files (0640);
no right to write. While the guard runs, or after it was killed, SQLite reads the log through a read-only -shm. After a
clean end there is no log and no -shm, and none can be made in a directory one cannot write to: then the main file alone
is everything, and is opened as immutable, for one question at a time.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agent.journal.blobs import BlobError, Columns, record_of, row_crc, unpack_columns, unpack_steps
from agent.records import Lane, Record, Stamp, Step

Stream = Literal["records", "steps"]

BUSY_S = 0.5
_FILES = {"records": "critical.db", "steps": "telemetry.db"}
_TABLES = {"records": "record", "steps": "batch"}
_BATCH = """
    SELECT first_seq, seq, steps, crc,
        (SELECT boot_id FROM stretch AS s WHERE s.first_seq <= batch.first_seq ORDER BY s.first_seq DESC LIMIT 1),
        (SELECT points FROM catalogue WHERE id = batch.catalogue)
    FROM batch, epoch
"""


class StepRow(NamedTuple):
    """A step, its number, and the points its columns stand for."""

    seq: int
    step: Step
    points: tuple[str, ...]


class BatchRow(NamedTuple):
    """Steps first_seq..seq as columns, for whoever needs many."""

    first_seq: int
    seq: int
    boot_id: str
    points: tuple[str, ...]
    columns: Columns


class AlarmRow(NamedTuple):
    """A record of an alarm, its number, and its place: how many steps and marks of a run of the guard are before it."""

    seq: int
    run: str
    place: int
    record: Record


class MarkRow(NamedTuple):
    """A mark (see agent.records.Mark): `body` has its stamp, its judgement time `time_s` and what was done."""

    run: str
    place: int
    after_seq: int
    kind: str
    rules: str
    body: dict[str, Any]


class JournalReader:
    """The journal in `directory`. For one thread. Nothing raises for what a file can be: then it has no content.

    `error` says why the last question found nothing, "" when it was answered; `damaged` collects ranges (stream, first,
    last) of rows that failed their CRC.
    """

    def __init__(self, directory: Path) -> None:
        self.error = ""
        self.damaged: set[tuple[Stream, int, int]] = set()
        self._paths: dict[str, Path] = {stream: directory / name for stream, name in _FILES.items()}
        self._open: dict[str, tuple[sqlite3.Connection, tuple[int, int]]] = {}
        self._points: dict[str, tuple[str, ...]] = {}
        self._batch: list[StepRow] = []  # the one last unpacked: who reads in pages comes back to it
        self._batch_epoch = ""

    def close(self) -> None:
        """Close what is open."""
        for connection, _ in self._open.values():
            connection.close()
        self._open.clear()

    def epoch(self, stream: Stream) -> str | None:
        """The epoch of a file as it is now; another one when it had to be replaced; None when it can't be read."""
        rows = self._rows(stream, "SELECT epoch FROM epoch")
        return rows[0][0] if rows else None

    def newest(self, stream: Stream) -> int:
        """The highest number so far, 0 for none."""
        rows = self._rows(stream, f"SELECT coalesce(max(seq), 0) FROM {_TABLES[stream]}")  # noqa: S608
        return rows[0][0] if rows else 0

    def records(
        self, epoch: str, after_seq: int, limit: int, lanes: Iterable[Lane] = (Lane.ALARM, Lane.EVENT, Lane.PROTECTION)
    ) -> list[tuple[int, Record]]:
        """Records of an epoch above a number, in order. A damaged one is replaced by a gap record that says so."""
        names = [lane.value for lane in lanes]
        marks = ",".join("?" * len(names))
        rows = self._rows(
            "records",
            "SELECT seq, lane, line, crc FROM record, epoch "  # noqa: S608
            f"WHERE epoch.epoch = ? AND seq > ? AND lane IN ({marks}) ORDER BY seq LIMIT ?",
            (epoch, after_seq, *names, limit),
        )
        return [(seq, self._record(epoch, seq, lane, line, crc)) for seq, lane, line, crc in rows]

    def steps(self, epoch: str, after_seq: int, limit: int) -> list[StepRow]:
        """Steps of an epoch above a number, in order. Numbers left out will never come."""
        found: list[StepRow] = []
        while len(found) < limit:
            if not (self._batch and self._batch_epoch == epoch and self._batch[0].seq <= after_seq + 1):
                self._batch = []
            rest = self._batch[max(0, after_seq + 1 - self._batch[0].seq) :] if self._batch else []
            if not rest:
                rows = self._rows(
                    "steps", f"{_BATCH} WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT 1", (epoch, after_seq)
                )
                if not rows:
                    break
                first, last, names = rows[0][0], rows[0][1], self._names(rows[0][5])
                steps = self._steps(epoch, rows[0])
                self._batch = [StepRow(seq, step, names) for seq, step in enumerate(steps, start=first)]
                self._batch_epoch = epoch
                rest = self._batch[max(0, after_seq + 1 - first) :]
                if not rest:
                    after_seq = last  # damaged
                    continue
            found += rest[: limit - len(found)]
            after_seq = found[-1].seq
        return found

    def batches(self, epoch: str, after_seq: int, limit: int) -> list[BatchRow]:
        """Batches that end above a number, in order, as columns."""
        rows = self._rows(
            "steps", f"{_BATCH} WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?", (epoch, after_seq, limit)
        )
        return self._batches(epoch, rows)

    def batches_between(self, boot_id: str, from_mono_ns: int, to_mono_ns: int) -> list[BatchRow]:
        """Batches of a boot with steps in a span of its monotonic time, for explaining what was judged then."""
        epoch = self.epoch("steps") or ""
        rows = self._rows(
            "steps",
            f"{_BATCH} WHERE epoch = ? AND last_mono_ns >= ? AND first_mono_ns <= ? ORDER BY seq",
            (epoch, from_mono_ns, to_mono_ns),
        )
        return self._batches(epoch, [row for row in rows if row[4] == boot_id])

    def alarms(self, epoch: str, after_seq: int, limit: int) -> list[AlarmRow]:
        """Records of alarms above a number, in order, with their places; damaged ones are left out."""
        rows = self._rows(
            "records",
            "SELECT seq, run, place, line, crc FROM record, epoch "
            "WHERE epoch.epoch = ? AND seq > ? AND lane = 'alarm' AND kind = 'alarm' ORDER BY seq LIMIT ?",
            (epoch, after_seq, limit),
        )
        return self._alarms(epoch, rows)

    def latest(self, epoch: str, alarm: str, events: Iterable[str]) -> AlarmRow | None:
        """The newest record of an alarm that tells of one of these events; "" is any alarm."""
        wanted = tuple(events)
        name = f'"alarm":{json.dumps(alarm)},' if alarm else '"alarm":'
        ways = " OR ".join(["instr(line, ?)"] * len(wanted))
        rows = self._rows(
            "records",
            "SELECT seq, run, place, line, crc FROM record, epoch WHERE epoch.epoch = ? "  # noqa: S608
            f"AND lane = 'alarm' AND kind = 'alarm' AND instr(line, ?) AND ({ways}) ORDER BY seq DESC LIMIT 1",
            (epoch, name, *(f'"event":{json.dumps(event)}' for event in wanted)),
        )
        return next(iter(self._alarms(epoch, rows)), None)

    def latest_fault(self, epoch: str, alarm: str) -> tuple[int, Record] | None:
        """The newest record, with its number, of an equipment alarm that was raised."""
        rows = self._rows(
            "records",
            "SELECT seq, lane, line, crc FROM record, epoch WHERE epoch.epoch = ? AND lane = 'event' "
            "AND kind = 'equipment' AND instr(line, ?) AND instr(line, ?) ORDER BY seq DESC LIMIT 1",
            (epoch, f'"alarm":{json.dumps(alarm)},', '"event":"raised"'),
        )
        return (rows[0][0], self._record(epoch, *rows[0])) if rows else None

    def start_of(self, epoch: str, seq: int) -> Record | None:
        """The start of the guard that made a record; the newest one where that is no longer there."""
        rows = self._rows(
            "records",
            "SELECT seq, lane, line, crc FROM record, epoch "
            "WHERE epoch.epoch = ? AND lane = 'event' AND kind = 'start' "
            "ORDER BY run = (SELECT run FROM record WHERE seq = ?) DESC, seq DESC LIMIT 1",
            (epoch, seq),
        )
        return self._record(epoch, *rows[0]) if rows else None

    def marks(self) -> list[MarkRow]:
        """What stands between the steps, in order; damaged ones are left out, and missed by their places."""
        rows = self._rows(
            "steps",
            "SELECT run, place, after_seq, kind, rules, body, crc FROM mark ORDER BY after_seq, rowid",
        )
        return [
            MarkRow(run, place, after, kind, rules, json.loads(body))
            for run, place, after, kind, rules, body, crc in rows
            if crc == row_crc(run, place, f"{kind} {rules} {body}")
        ]

    def image(self, mark: MarkRow) -> bytes:
        """The state of the judge at a mark of kind "image", b"" where there is none. Raises zlib.error."""
        rows = self._rows("steps", "SELECT image FROM mark WHERE (run, place) = (?, ?)", (mark.run, mark.place))
        return zlib.decompress(rows[0][0]) if rows and rows[0][0] else b""

    def ruleset(self, digest: str) -> bytes | None:
        """The content of a rule set that images in this journal are of."""
        rows = self._rows("steps", "SELECT content, crc FROM ruleset WHERE digest = ?", (digest,))
        return rows[0][0] if rows and rows[0][1] == row_crc(digest, 0, rows[0][0]) else None

    def anchors(self) -> list[Stamp]:
        """Moments at which the wall clock was known to be right."""
        rows = self._rows("records", "SELECT boot_id, mono_ns, wall_ns FROM anchor ORDER BY boot_id, mono_ns")
        return [Stamp(boot_id, mono_ns, wall_ns, "trusted") for boot_id, mono_ns, wall_ns in rows]

    def state(self, name: str) -> bytes | None:
        """A state the guard keeps, as last stored."""
        rows = self._rows("records", "SELECT blob, crc FROM state WHERE name = ?", (name,))
        return rows[0][0] if rows and rows[0][1] == row_crc(name, 0, rows[0][0]) else None

    # --- rows --------------------------------------------------------------------------------------------------

    def _record(self, epoch: str, seq: int, lane: str, line: str, crc: int) -> Record:
        if isinstance(line, str) and crc == row_crc(epoch, seq, line):
            try:
                return record_of(line)
            except BlobError as error:
                self.error = str(error)
        self.damaged.add(("records", seq, seq))
        body = {"what": lane, "reason": "damaged", "epoch": epoch, "ranges": [[seq, seq]], "count": 1}
        return Record(Lane.EVENT, "gap", Stamp("", 0, 0, "untrusted"), body)

    def _alarms(self, epoch: str, rows: Iterable[tuple[int, str, int, str, int]]) -> list[AlarmRow]:
        found = []
        for seq, run, place, line, crc in rows:
            record = self._record(epoch, seq, Lane.ALARM.value, line, crc)
            if record.kind == "alarm":
                found.append(AlarmRow(seq, run, place, record))
        return found

    def _steps(self, epoch: str, row: tuple[int, int, bytes, int, str, str]) -> Sequence[Step]:
        first, last, blob, crc, boot_id, _ = row
        try:
            if isinstance(blob, bytes) and crc == row_crc(epoch, last, blob):
                return unpack_steps(blob, boot_id)
        except BlobError as error:
            self.error = str(error)
        self.damaged.add(("steps", first, last))
        return ()

    def _batches(self, epoch: str, rows: Iterable[tuple[int, int, bytes, int, str, str]]) -> list[BatchRow]:
        found = []
        for first, last, blob, crc, boot_id, points in rows:
            try:
                if crc == row_crc(epoch, last, blob):
                    found.append(BatchRow(first, last, boot_id, self._names(points), unpack_columns(blob)))
                    continue
            except BlobError as error:
                self.error = str(error)
            self.damaged.add(("steps", first, last))
        return found

    def _names(self, text: str) -> tuple[str, ...]:
        # One tuple for equal catalogues: whoever compares them finds the same object.
        if text not in self._points:
            self._points[text] = tuple(json.loads(text)) if text else ()
        return self._points[text]

    # --- files -------------------------------------------------------------------------------------------------

    def _rows(self, stream: Stream, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        path = self._paths[stream]
        self.error = ""
        try:
            return self._connection(stream, path).execute(sql, parameters).fetchall()
        except (sqlite3.Error, OSError) as error:
            self.error = f"{path.name}: {error}"
            self._forget(stream)
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) and path.exists():
            return self._rows_at_rest(path, sql, parameters)
        return []

    def _connection(self, stream: Stream, path: Path) -> sqlite3.Connection:
        found = path.stat()
        identity = (found.st_dev, found.st_ino)
        if stream in self._open:
            connection, opened = self._open[stream]
            if opened == identity:
                return connection
            self._forget(stream)  # the guard replaced the file
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None
        )
        connection.text_factory = _lossy_text
        self._open[stream] = (connection, identity)
        return connection

    def _rows_at_rest(self, path: Path, sql: str, parameters: tuple[object, ...]) -> list[Any]:
        if path.with_name(f"{path.name}-wal").exists():
            return []
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
            connection.text_factory = _lossy_text
            try:
                rows = connection.execute(sql, parameters).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            self.error = f"{path.name}: {error}"
            return []
        self.error = ""
        return rows

    def _forget(self, stream: Stream) -> None:
        if stream in self._open:
            self._open.pop(stream)[0].close()


def _lossy_text(data: bytes) -> str:
    # A text with a flipped bit must come out, and fail its CRC, instead of failing the whole question.
    return data.decode("utf-8", "replace")
