"""The journal's thread at work: takes what waits, writes it, makes room, tells what was lost. Never seen by the loop.

Whatever it took stays in its hands until a COMMIT succeeded. A COMMIT that failed may have been stored all the same
(measured): every record is looked up by (run, n) before it is written.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from agent.journal.blobs import pack_steps, record_line, row_crc
from agent.journal.filestate import FileState
from agent.journal.handover import Entry, Handover, Waiting
from agent.journal.salvage import salvage
from agent.journal.space import Ballast, Range, batches_to_drop, drop_marks, records_to_drop
from agent.journal.store import Report, Store
from agent.journal.tape import Batch, Marking, Tape, marking_of
from agent.records import Lane, Record, Stamp

_RECORDS_AT_ONCE = 500
_SAMPLES_AT_ONCE = 3000  # one batch: some 10 kB, and 3 ms of packing
_BATCHES_AT_ONCE = 16
_TURNS = 4  # transactions of a file in one round
_RECENT = 2000  # records kept in memory, for a file that is lost with them
_SPACE_S = 5.0
_HIGH, _LOW = 0.95, 0.90  # of the quota: where pruning begins and ends
_ROUNDS = 8
_TOLD_S = {True: 10.0, False: 600.0}  # how often losses are told while telemetry.db is well, or not


class Writer:
    """Everything between the hand-over and the two files."""

    def __init__(
        self,
        critical: Store,
        telemetry: Store,
        *,
        handover: Handover,
        ballast: Ballast,
        run: str,
        stamp: Callable[[], Stamp],
        delivered: dict[str, int],
        survived: Callable[[dict[str, bytes]], None],
        report: Report,
    ) -> None:
        self.critical = critical
        self.telemetry = telemetry
        self.ballast = ballast
        self._handover = handover
        self._run = run
        self._stamp = stamp
        self._delivered = delivered
        self._survived: Callable[[dict[str, bytes]], None] | None = survived
        self._report = report
        self._entries: list[Entry] = []
        self._placed: list[tuple[int, Entry]] = []  # of the transaction being tried
        self._blobs: dict[str, bytes] = {}
        self._anchors: list[Stamp] = []
        self.tape = Tape(telemetry, run)
        self._batches: list[Batch | Marking] = []
        self._promises: list[Future[None]] = []
        self._recent: deque[tuple[str, int, Entry]] = deque(maxlen=_RECENT)
        self._kept: dict[str, bytes] = {}
        self._kept_anchors: list[Stamp] = []
        self._space_at = 0.0
        self._told_at = -math.inf
        critical.on_open = self._read_state
        critical.salvage = salvage
        for store in (critical, telemetry):
            store.on_reset = self._lost
            store.on_jump = partial(self._jumped, store)

    # --- one round -----------------------------------------------------------------------------------------------

    def round(self, *, steps: bool) -> bool:
        """Write what waits: records and states always, steps when they are due, and before the alarm they decided.

        One round takes no more than a bounded amount, for a flood must not keep it from tending the files. True when
        more is waiting for a file that takes it.
        """
        self._promises += self._handover.take_promises()
        self._tell_losses(now=time.monotonic())
        if self._handover.urgent and self.telemetry.state is FileState.OK:
            self.write_steps()  # without a sync it takes a moment, and no alarm is on the card without what decided it
        alarms = self.write_records()
        self.critical.tend()
        if alarms or steps or self._promises or self._handover.has_image:
            self.write_steps()
        self.telemetry.tend()
        if alarms:  # with the readings that decided them
            self.critical.checkpoint()
            self.telemetry.checkpoint()
        self._keep_room()
        done = not (self._entries or self._blobs or self._anchors or self._handover.records)
        if done:
            for promise in self._promises:
                with suppress(InvalidStateError):  # cancelled
                    promise.set_result(None)
            self._promises.clear()
        more_steps = steps and self._handover.steps > 0 and self.telemetry.state is FileState.OK
        return more_steps or (not done and self.critical.state is FileState.OK)

    def write_records(self) -> bool:
        """Write records, states and anchors. True when alarms were among what became durable."""
        alarms = False
        for _ in range(_TURNS):
            self._entries += self._handover.take_records(_RECORDS_AT_ONCE - len(self._entries))
            self._take_state()
            if not (self._entries or self._blobs or self._anchors):
                break
            if not self._try(self.critical, self._put_records):
                break
            alarms = alarms or any(entry.record.lane is Lane.ALARM for entry in self._entries)
            self._settle()
            self._entries.clear()
            self._blobs.clear()
            self._anchors.clear()
        return alarms

    def write_steps(self) -> None:
        """Write steps, in batches."""
        for _ in range(_TURNS):
            if not self.telemetry.ready():
                return
            at_once = 1 if self.telemetry.tight else _BATCHES_AT_ONCE
            while len(self._batches) < at_once:
                if (marked := self._handover.take_mark()) is not None:
                    self._batches.append(marking_of(marked))
                elif taken := self._handover.take_steps(_SAMPLES_AT_ONCE):
                    self._pack(taken)
                else:
                    break
            if not self._batches or not self._try(self.telemetry, partial(self.tape.put, self._batches)):
                return
            self.tape.stored(self._batches)
            self._batches.clear()

    def close(self) -> None:
        """Write what is left and close both files."""
        self._tell_losses(now=math.inf)
        for store in (self.critical, self.telemetry):
            store.retry()  # it is the last occasion
        while self.round(steps=True):
            pass
        self.telemetry.close()
        self.critical.close()

    def _try(self, store: Store, work: Callable[[sqlite3.Connection], None]) -> bool:
        if not store.ready():
            return False
        if store.transact(work):
            return True
        if store.state is not FileState.FULL:
            return False
        self._make_room(store)
        return store.transact(work)

    # --- critical.db ---------------------------------------------------------------------------------------------

    def _take_state(self) -> None:
        fresh, anchors = self._handover.take_blobs(), self._handover.take_anchors()
        self._kept |= fresh
        self._kept_anchors += anchors
        self._blobs |= fresh
        self._anchors += anchors

    def _put_records(self, connection: sqlite3.Connection) -> None:
        there = "SELECT 1 FROM record WHERE run = ? AND n = ?"
        self._placed = []
        self._insert(
            connection,
            [entry for entry in self._entries if not connection.execute(there, (self._run, entry.n)).fetchone()],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO state (name, blob, crc) VALUES (?, ?, ?)",
            [(name, blob, row_crc(name, 0, blob)) for name, blob in self._blobs.items()],
        )
        connection.executemany(
            "INSERT OR IGNORE INTO anchor (boot_id, mono_ns, wall_ns) VALUES (?, ?, ?)",
            [(anchor.boot_id, anchor.mono_ns, anchor.wall_ns) for anchor in self._anchors],
        )

    def _insert(self, connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
        epoch = self.critical.epoch
        first = self.critical.last_seq + len(self._placed) + 1
        for seq, entry in enumerate(entries, start=first):
            record = entry.record
            line, kind = _line(record), record.kind.encode("ascii", "replace").decode()
            connection.execute(
                "INSERT INTO record (seq, run, n, lane, kind, line, crc, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (seq, self._run, entry.n, record.lane.value, kind, line, row_crc(epoch, seq, line), entry.place),
            )
            self._placed.append((seq, entry))

    def _settle(self) -> None:
        """What was placed is durable now."""
        if self._placed:
            self.critical.last_seq = self._placed[-1][0]
        self._recent.extend((self.critical.epoch, seq, entry) for seq, entry in self._placed)
        self._placed = []

    def _read_state(self, connection: sqlite3.Connection) -> None:
        if self._survived is None:
            return
        good, bad = {}, []
        for name, blob, crc in connection.execute("SELECT name, blob, crc FROM state"):
            if crc == row_crc(name, 0, blob):
                good[name] = blob
            else:
                bad.append(name)
        self._kept = good | self._kept
        self._survived(good)
        self._survived = None
        if bad:
            self._report("STATE_DAMAGED", {"file": self.critical.files.main.name, "names": bad})

    # --- telemetry.db --------------------------------------------------------------------------------------------

    def _pack(self, taken: list[Waiting]) -> None:
        steps = [waiting.step for waiting in taken]
        first, last = steps[0].stamp.mono_ns, steps[-1].stamp.mono_ns
        try:
            blob = pack_steps(steps)
        except (TypeError, ValueError, OverflowError) as error:
            detail = {"what": "reading", "reason": "unencodable", "count": len(steps), "error": str(error)}
            self._note("gap", {**detail, "from_mono_ns": first, "to_mono_ns": last})
            self._report("STEPS_UNENCODABLE", detail)
            return
        self._batches.append(Batch(taken[0].points, first, last, len(steps), blob))

    # --- what is lost, and said --------------------------------------------------------------------------------

    def _note(self, kind: str, body: dict[str, Any], lane: Lane = Lane.EVENT) -> None:
        self._entries.append(self._handover.entry(Record(lane, kind, self._stamp(), body)))

    def _tell_losses(self, *, now: float) -> None:
        if now < self._told_at + _TOLD_S[self.telemetry.state is FileState.OK]:
            return
        for loss in self._handover.take_losses():
            self._told_at = time.monotonic()
            body = {"what": loss.what, "reason": "memory", "count": loss.count}
            body |= {"from_mono_ns": loss.from_mono_ns, "to_mono_ns": loss.to_mono_ns}
            self._note("gap", body, Lane.ALARM if loss.what == Lane.ALARM else Lane.EVENT)

    def _jumped(self, store: Store, first: int, last: int) -> None:
        """Numbers that rows may have had before a power cut took them. How many it took nobody knows."""
        what = "record" if store is self.critical else "reading"
        self._note("gap", _gap(what, "unclean end", store.epoch, [(first, last)], None))

    def _lost(self, detail: dict[str, Any]) -> None:
        """A file was lost: write again what memory still has, and say what happened."""
        upto = self._delivered.get(detail["epoch"], 0)
        again: list[Entry] = []
        if detail["file"] == self.critical.files.main.name:
            for epoch, seq, entry in self._recent:
                if epoch == detail["epoch"] and seq > upto:
                    body = {"again": f"{epoch}:{seq}", **entry.record.body}
                    again.append(entry._replace(record=replace(entry.record, body=body)))
            self._recent.clear()
            self._entries = again + self._entries
            self._blobs = self._kept | self._blobs
            self._anchors = list(self._kept_anchors)
        detail = {**detail, "delivered": upto, "written_again": len(again)}
        self._note("store", {"event": "reset", **detail})
        self._report("STORE_RESET", detail)

    # --- room --------------------------------------------------------------------------------------------------

    def _make_room(self, store: Store) -> None:
        """A write found no room: the disk is full, or our own limit is reached."""
        ours = store.at_limit()
        if not ours:
            self.ballast.release()
            for each in (self.critical, self.telemetry):
                each.tighten(tight=True)
                each.checkpoint()
        self._prune(store, spare=store is self.critical and not ours)  # memory is better than losing old alarms
        store.checkpoint()
        store.retry()

    def _keep_room(self) -> None:
        now = time.monotonic()
        if now < self._space_at or self.critical.state is FileState.CLOSED:
            return
        self._space_at = now + _SPACE_S
        if (self.critical.tight or not self.ballast.present) and self.ballast.restore():
            for store in (self.critical, self.telemetry):
                store.tighten(tight=False)
        for store in (self.critical, self.telemetry):
            if store.state is FileState.OK and store.used_share() > _HIGH:
                for _ in range(_ROUNDS):
                    if not self._prune(store) or store.used_share() < _LOW:
                        break

    def _prune(self, store: Store, *, spare: bool = False) -> bool:
        """Give up the least needed rows; what the platform never had is said before it goes. `spare`: keep that."""
        upto = self._delivered.get(store.epoch, 0)
        find = records_to_drop if store is self.critical else batches_to_drop
        drop = store.ask(lambda connection: find(connection, upto, few=store.tight))
        if drop is None or (spare and drop.undelivered):
            return False
        what, delete = ("reading", "DELETE FROM batch WHERE seq = ?")
        if store is self.critical:
            what, delete = (drop.lane.value, "DELETE FROM record WHERE seq = ?")
        gap = _gap(what, "quota", store.epoch, drop.ranges, drop.undelivered) if drop.undelivered else None
        if gap is not None and store is self.telemetry:
            self._note("gap", gap)
            self.write_records()

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(delete, [(row,) for row in drop.rows])
            if store is self.telemetry:
                drop_marks(connection)
            if gap is not None and store is self.critical:
                self._placed = []
                lane = Lane.ALARM if drop.lane is Lane.ALARM else Lane.EVENT
                self._insert(connection, [self._handover.entry(Record(lane, "gap", self._stamp(), gap))])

        store.retry()
        if not store.transact(work):
            return False
        if store is self.critical:
            self._settle()
        return True


def _gap(what: str, reason: str, epoch: str, ranges: Iterable[Range], count: int | None) -> dict[str, Any]:
    return {"what": what, "reason": reason, "epoch": epoch, "ranges": [list(run) for run in ranges], "count": count}


def _line(record: Record) -> str:
    try:
        return record_line(record)
    except (TypeError, ValueError, RecursionError) as error:  # a bug of ours must not cost an alarm
        body = {"unencodable": repr(record.body)[:4000], "error": str(error)}
        return record_line(replace(record, body=body))
