"""The only writer of the journal: the loop's side of it, which never blocks and never raises, and the thread's life.

What is recorded goes into memory at once and to the files as soon as they take it: alarms immediately, other records
and states within `TICK_S`, readings in batches. Files that are locked, full, read-only, damaged or gone are waited for
or replaced meanwhile (`agent.journal.store`); `status` says how things are, `on_fault` says when they change.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.journal.filestate import FileState
from agent.journal.handover import Handover
from agent.journal.space import Ballast
from agent.journal.store import Layout, Report, Store
from agent.journal.writer import Writer
from agent.records import Mark, Record, Stamp, Step

TICK_S = 0.25
_RECALL_S = 3.0  # how long a start waits for what survived
_RATE_S = 60.0  # over which the pace of telemetry is measured
_IMAGE_S = 86_400.0  # an image of the judge at least so often
_IMAGE_ROW_BYTES = 500  # of one, beside the image itself


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One of the two files."""

    state: FileState
    since_mono_ns: int
    error: str
    epoch: str
    last_seq: int
    delivered_seq: int
    bytes: int
    quota_share: float
    last_commit_mono_ns: int
    resets: int  # times it had to be replaced since the start
    checked: bool  # quick_check came to its end at the last opening


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """The journal as its thread last saw it, and what waits in memory now."""

    state: str  # "ok", or "waiting" while a file is not usable, or "stopped"
    files: dict[str, FileStatus]
    records_waiting: int
    steps_waiting: int
    memory_bytes: int
    dropped: dict[str, int]  # from memory, since the start, by class
    ballast: bool
    autonomy_h: float | None  # until readings are dropped that the platform never had; None: not known yet


class Journal:
    """Two files in `directory`, written by one thread. All methods are for the guard's loop thread."""

    def __init__(
        self,
        directory: Path,
        *,
        site: str,
        boot_id: str,
        critical_quota_bytes: int = 64 << 20,
        telemetry_quota_bytes: int = 512 << 20,
        ballast_bytes: int = 8 << 20,
        memory_bytes: int = 8 << 20,
        commit_every_s: float = 5.0,
        on_fault: Report | None = None,
    ) -> None:
        self._directory = directory
        self._site = site
        self._boot_id = boot_id
        self._layouts = (
            Layout("critical", "record", "seq", "FULL", 4096, critical_quota_bytes, grows_when_tight=True, jump=10_000),
            Layout(
                "telemetry",
                "batch",
                "first_seq",
                "NORMAL",
                1024,
                telemetry_quota_bytes,
                grows_when_tight=False,
                jump=1_000_000,
            ),
        )
        self._ballast_bytes = ballast_bytes
        self._commit_every_s = commit_every_s
        self._handover = Handover(memory_bytes)
        self._run = secrets.token_hex(8)
        self._delivered: dict[str, int] = {}
        self._kept: dict[str, bytes] = {}
        self._points: tuple[str, ...] = ()
        self._trusted = False
        self._on_fault = on_fault
        self._untold: deque[tuple[str, dict[str, Any]]] = deque(maxlen=100)
        self._thread: threading.Thread | None = None
        self._writer: Writer | None = None
        self._recalled: dict[str, bytes] = {}
        self._read = threading.Event()
        self._recall_until = 0.0
        self._closing = False
        self._files: dict[str, FileStatus] = {}
        self._ballast = True
        self._pace: deque[tuple[float, int]] = deque()  # monotonic s, last seq
        self._autonomy_h: float | None = None
        self._image_at = -_IMAGE_S
        self._image_readings = self._image_dropped = 0  # readings that had been offered and dropped when it was taken

    # --- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; also again, should it have died (`JOURNAL_DIED`): what waits in memory is kept."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._closing = False
        self._recall_until = time.monotonic() + _RECALL_S
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Write what waits, close the files, end the thread. False when that did not come about in time."""
        self._closing = True
        self._handover.wake.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def on_fault(self) -> Report | None:
        """Called from the thread with a kind and details, e.g. ("STORE_FULL", {"file": "critical.db", ...}).

        What happened before it was set is told when it is set.
        """
        return self._on_fault

    @on_fault.setter
    def on_fault(self, report: Report | None) -> None:
        self._on_fault = report
        while report is not None and self._untold:
            report(*self._untold.popleft())

    # --- handing over ----------------------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Journal a record. Its body belongs to the journal from now on."""
        self._handover.offer_record(record)

    def step(self, step: Step) -> None:
        """Journal a step. Where memory ends while the file is not usable, steps are thinned, oldest first."""
        self._handover.offer_step(self._points, step)

    def catalogue(self, points: Sequence[str]) -> None:
        """Which points the columns of the following steps stand for."""
        self._points = tuple(points)

    def mark(self, mark: Mark) -> None:
        """Journal what decides besides readings, or an image of the judge, in its place between the steps."""
        if mark.image:
            self._image_at = time.monotonic()
            self._image_readings, self._image_dropped = (
                self._handover.readings,
                self._handover.dropped.get("reading", 0),
            )
        self._handover.offer_mark(mark)

    def wants_image(self) -> bool:
        """Whether an image of the judge is due: it costs less than a byte a reading by now, or a day has passed.

        Also when readings were dropped or the file was replaced: what comes after that is proven by itself again.
        """
        writer = self._writer
        if writer is None or self._handover.has_image or writer.telemetry.state is not FileState.OK:
            return False
        if writer.tape.image_epoch != writer.telemetry.epoch or self._image_dropped != self._handover.dropped.get(
            "reading", 0
        ):
            return True
        readings = self._handover.readings - self._image_readings
        return readings >= writer.tape.image_bytes + _IMAGE_ROW_BYTES or time.monotonic() - self._image_at >= _IMAGE_S

    @property
    def _dropped(self) -> int:
        return self._handover.dropped.get("reading", 0)

    def keep(self, name: str, blob: bytes) -> None:
        """Keep a state over restarts; the latest of a name wins, synchronously durable within about `TICK_S`."""
        self._kept[name] = blob
        self._handover.offer_blob(name, blob)

    def recall(self, name: str) -> bytes | None:
        """A state kept by this run or, for at most 3 s from the start, by the last one; None if it can't be had."""
        if name in self._kept:
            return self._kept[name]
        if not self._read.wait(max(0.0, self._recall_until - time.monotonic())):
            self._report("STATE_UNREAD", {"name": name, "waited_s": _RECALL_S})
            return None
        return self._recalled.get(name)

    def anchor(self, stamp: Stamp) -> None:
        """The wall clock can be trusted at this moment: what came before it in this boot is dated from it."""
        self._trusted = True
        self._handover.offer_anchor(stamp)

    def delivered(self, epoch: str, upto: int) -> None:
        """The platform has everything of an epoch up to this number: it goes first when room ends."""
        self._delivered[epoch] = max(upto, self._delivered.get(epoch, 0))

    def durable(self) -> Future[None]:
        """Done when all records, states and anchors handed over so far are synchronously durable.

        Ask for it before acting on what must not be done twice; wait with a time limit (`asyncio.wrap_future`), for
        while the file is not usable it stays open.
        """
        return self._handover.promise()

    def status(self) -> JournalStatus:
        """How the journal is doing; at most about a second old."""
        files = self._files
        alive = self._thread is not None and self._thread.is_alive()
        well = len(files) == 2 and all(entry.state is FileState.OK for entry in files.values())
        return JournalStatus(
            state="stopped" if not alive else "ok" if well else "waiting",
            files=files,
            records_waiting=self._handover.records,
            steps_waiting=self._handover.steps,
            memory_bytes=self._handover.step_bytes,
            dropped=dict(self._handover.dropped),
            ballast=self._ballast,
            autonomy_h=self._autonomy_h,
        )

    # --- the thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        died = True
        try:
            if self._writer is None:
                self._writer = self._build()
            writer = self._writer
            for store in (writer.critical, writer.telemetry):
                store.abandon()  # connections of a thread that died
            steps_at = time.monotonic() + self._commit_every_s
            while not self._closing:
                due = time.monotonic() >= steps_at
                more = writer.round(steps=due)
                if due and not more:
                    steps_at = time.monotonic() + self._commit_every_s
                self._look(writer)
                self._handover.wake.wait(0.0 if more else TICK_S)
                self._handover.wake.clear()
            writer.close()
            self._look(writer)
            died = False
        finally:
            if died:
                self._report("JOURNAL_DIED", {})

    def _build(self) -> Writer:
        critical, telemetry = (
            Store(self._directory, layout, site=self._site, boot_id=self._boot_id, report=self._report)
            for layout in self._layouts
        )
        return Writer(
            critical,
            telemetry,
            handover=self._handover,
            ballast=Ballast(self._directory, self._ballast_bytes),
            run=self._run,
            stamp=self._stamp,
            delivered=self._delivered,
            survived=self._survived,
            report=self._report,
        )

    def _survived(self, states: dict[str, bytes]) -> None:
        self._recalled = states
        self._read.set()

    def _stamp(self) -> Stamp:
        return Stamp(self._boot_id, time.monotonic_ns(), time.time_ns(), "trusted" if self._trusted else "untrusted")

    def _report(self, kind: str, detail: dict[str, Any]) -> None:
        report = self._on_fault
        if report is None:
            self._untold.append((kind, detail))
            return
        with suppress(RuntimeError):  # a loop that is closed hears no more
            report(kind, detail)

    def _look(self, writer: Writer) -> None:
        self._autonomy_h = self._autonomy(writer.telemetry)
        self._ballast = writer.ballast.present
        self._files = {
            store.files.main.name: FileStatus(
                state=store.state,
                since_mono_ns=store.since_mono_ns,
                error=store.error,
                epoch=store.epoch,
                last_seq=store.last_seq,
                delivered_seq=self._delivered.get(store.epoch, 0),
                bytes=store.files.bytes(),
                quota_share=store.used_share(),
                last_commit_mono_ns=store.last_commit_mono_ns,
                resets=store.resets,
                checked=store.checked,
            )
            for store in (writer.critical, writer.telemetry)
        }

    def _autonomy(self, telemetry: Store) -> float | None:
        """Hours until the quota takes readings the platform never had, at the pace of the last minutes."""
        now, last = time.monotonic(), telemetry.last_seq
        if not self._pace or now - self._pace[-1][0] >= _RATE_S / 4:
            self._pace.append((now, last))
        while len(self._pace) > 2 and now - self._pace[1][0] > _RATE_S:
            self._pace.popleft()
        then, before = self._pace[0]
        oldest = telemetry.oldest_seq()
        share = telemetry.used_share()
        if now - then < _RATE_S / 4 or last <= before or oldest is None or not share:
            return None
        share_of_step = share / (last - oldest + 1)
        waiting = last - max(self._delivered.get(telemetry.epoch, 0), oldest - 1)
        return max(0.0, 1.0 - waiting * share_of_step) / ((last - before) / (now - then) * share_of_step) / 3600.0
