"""Owns a Modbus line: queues requests, urgent ones first, and counts what went wrong; knows no bytes and no devices."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from drivers import frames
from drivers.api import BadFrame, DriverError, NotPresent, Refused, Timeout
from drivers.frames import Request, Table
from drivers.health import LineHealth, UnitHealth
from drivers.linesection import LineSection
from drivers.overheard import Overheard, overheard
from drivers.ring import Ring
from drivers.serialwire import SerialWire
from drivers.tcpwire import TcpWire
from drivers.vocabulary import Locked, locks
from drivers.wires import Outcome, Timing, Wire

__all__ = ["LineSection", "ModbusLine", "open_line"]

_LOG = logging.getLogger("tocsin.line")
_MAX_WAITING = 64  # requests of each urgency; more means that nobody waits for answers any more
_MAX_WAIT_S = 30.0  # in the queue
_SILENT_AFTER = 3  # failures in a row until a unit is logged as lost


@dataclass(slots=True)
class _Manner:
    """How a unit wants to be spoken to."""

    max_reply_s: float
    gap_s: float = 0.0  # between two requests to it; others may be asked meanwhile
    ready_s: float = 0.0


@dataclass(slots=True, eq=False)
class _Job:
    request: Request
    reply_s: float
    asked_s: float
    answer: asyncio.Future[Outcome]


class ModbusLine:
    """One line, one request at a time. Make it with `open_line`. All its errors are DriverErrors."""

    def __init__(self, name: str, section: LineSection, quiet_s: float) -> None:
        self.name = name
        self.section = section
        self.health = LineHealth(since_mono_ns=time.monotonic_ns())
        self.ring = Ring()  # of the last frames, for who watches
        self._least_quiet_s = quiet_s
        self._manners: dict[int, _Manner] = {}
        self._locked: dict[int, list[Locked]] = {}
        self._longest_s = section.timeout
        self._urgent: deque[_Job] = deque()
        self._polls: deque[_Job] = deque()
        self._current: _Job | None = None
        self._last_unit_id = 0
        self._last_sent = b""
        self._sent_s = 0.0
        self._busy = False
        self._hangs = False
        self._stopped = False
        self._wake: asyncio.TimerHandle | None = None
        self._wire = self._make_wire()

    def _make_wire(self) -> Wire:
        section = self.section
        timing = Timing(section.character_s, section.gap_s)
        if section.host is not None:
            rtu = section.framing == "rtu"
            port = 502 if section.port is None else int(section.port)
            return TcpWire(section.host, port, timing, self, rtu=rtu, connect_s=section.connect_timeout)
        names = ("port", "baudrate", "bytesize", "parity", "stopbits")
        return SerialWire(self.name, {key: getattr(section, key) for key in names}, timing, self, echo=section.echo)

    # -- what drivers use ---------------------------------------------------------------------------------------

    def expect(self, unit_id: int, max_reply_s: float, gap_s: float = 0.0) -> None:
        """Say how long a unit may take to answer, and how long it must be left alone between requests, in seconds.

        After any failure the line stays quiet for the longest of these times, so that no late reply is ever taken
        for another request's.
        """
        known = self._manners.get(unit_id)
        if known:
            max_reply_s, gap_s = max(known.max_reply_s, max_reply_s), max(known.gap_s, gap_s)
        self._manners[unit_id] = _Manner(max_reply_s, gap_s)
        self._longest_s = max(manner.max_reply_s for manner in self._manners.values())

    def forbid(self, unit_id: int, locked: Sequence[Locked]) -> None:
        """Registers of a unit that nobody writes through this line: such a write is Refused, nothing is sent."""
        known = self._locked.setdefault(unit_id, [])
        known += [part for part in locked if part not in known]

    def _check_locks(self, request: Request) -> None:
        locked = self._locked.get(request.unit_id)
        if locked and (cells := frames.written_cells(request.pdu)) and (why := locks(locked, *cells)):
            raise Refused(
                f"{cells[0]} {cells[1]:#06x} of unit {request.unit_id} is never written while guarding: {why}"
            )

    async def read(
        self,
        table: Table,
        unit_id: int,
        address: int,
        count: int,
        *,
        urgent: bool = False,
        reply_s: float | None = None,
    ) -> list[int]:
        """Words 0..65535 of "holding" or "input", or 0/1 of "coil" or "discrete", from 0-based `address`."""
        request = frames.read_request(table, unit_id, address, count)
        return request.values((await self.ask(request, urgent=urgent, reply_s=reply_s)).reply)

    async def write(
        self, table: Table, unit_id: int, address: int, values: Sequence[int], *, urgent: bool = True,
        reply_s: float | None = None,
    ) -> None:  # fmt: skip
        """Write coils or holding registers, one value with FC05/FC06, several with FC0F/FC10; the echo is checked.

        A write that raised may or may not have been carried out; it is not repeated here.
        """
        await self.ask(frames.write_request(table, unit_id, address, values), urgent=urgent, reply_s=reply_s)

    async def exchange(
        self, unit_id: int, pdu: bytes, expect: bytes | int | None = None, *, urgent: bool = True,
        reply_s: float | None = None,
    ) -> bytes:  # fmt: skip
        """Send a PDU of one's own and give back the reply PDU. `expect`: see `frames.raw_request`."""
        return (await self.ask(frames.raw_request(unit_id, pdu, expect), urgent=urgent, reply_s=reply_s)).reply

    async def ask(self, request: Request, *, urgent: bool = False, reply_s: float | None = None) -> Outcome:
        """Send a prepared request. The outcome holds the checked reply PDU and the moment of its last byte.

        Raises Timeout, BadFrame, Refused or NotPresent. A read whose reply failed a check is asked again
        `retries` times. A caller that is cancelled leaves the exchange to end by itself.
        """
        for _ in range(self.section.retries if request.is_read else 0):
            try:
                return await self._ask_once(request, urgent=urgent, reply_s=reply_s)
            except BadFrame:
                self._unit(request.unit_id).retries += 1
        return await self._ask_once(request, urgent=urgent, reply_s=reply_s)

    async def _ask_once(self, request: Request, *, urgent: bool, reply_s: float | None) -> Outcome:
        if request.unit_id == 0 and self.section.is_serial:
            raise Refused("unit id 0 is broadcast: nobody answers; use 1 to 247")
        self._check_locks(request)
        if self._hangs or self._stopped:
            raise NotPresent(f"{self.name}: {self.health.reason}")
        waiting = self._urgent if urgent else self._polls
        if len(waiting) >= _MAX_WAITING:
            raise Timeout(f"{len(waiting)} requests wait for the line {self.name}")
        if reply_s is None:
            manner = self._manners.get(request.unit_id)
            reply_s = manner.max_reply_s if manner else self.section.timeout
        loop = asyncio.get_running_loop()
        job = _Job(request, reply_s, loop.time(), loop.create_future())
        waiting.append(job)
        self._pump()
        outcome = await job.answer
        if outcome.error is not None:
            raise outcome.error
        return outcome

    # -- the queue ----------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        if self._busy or not (self._urgent or self._polls):
            return
        now_s = asyncio.get_running_loop().time()
        job = self._next(self._urgent, now_s) or self._next(self._polls, now_s)
        if job is None:
            self._wait_for_unit(now_s)
            return
        self._busy = True
        self._current = job
        self._last_unit_id, self._last_sent = job.request.unit_id, job.request.rtu
        self._sent_s = now_s
        self._wire.send(job.request, job.reply_s, max(self._longest_s, job.reply_s, self._least_quiet_s))

    def _next(self, waiting: deque[_Job], now_s: float) -> _Job | None:
        for _ in range(len(waiting)):
            job = waiting.popleft()
            if job.answer.done():  # its caller was cancelled
                continue
            if now_s - job.asked_s > _MAX_WAIT_S:
                job.answer.set_result(_failure(Timeout(f"waited {_MAX_WAIT_S:.0f} s for the line {self.name}")))
                continue
            manner = self._manners.get(job.request.unit_id)
            if manner is None or manner.ready_s <= now_s:
                return job
            waiting.append(job)  # a full turn keeps the order
        return None

    def _wait_for_unit(self, now_s: float) -> None:
        if self._wake:
            self._wake.cancel()
            self._wake = None
        waiting = [self._manners[job.request.unit_id].ready_s for job in (*self._urgent, *self._polls)]
        if waiting:
            self._wake = asyncio.get_running_loop().call_at(max(now_s, min(waiting)), self._pump)

    # -- news of the wire (`wires.Owner`) -----------------------------------------------------------------------

    def replied(self, outcome: Outcome) -> None:
        """The wire is done with the current request."""
        job, self._current = self._current, None
        if job is None:
            return
        self._count(job.request.unit_id, outcome)
        error = outcome.error
        if isinstance(error, BadFrame) and self.section.carries == "rtu":
            self._overhear([frame for frame in overheard(outcome.raw) if frame.data != job.request.rtu])
        if not isinstance(error, NotPresent):  # then nothing was said
            reason = error.reason if error else ""
            self.ring.add(outcome.mono_ns, job.request.rtu, outcome.raw, outcome.elapsed_s, reason)
        manner = self._manners.get(job.request.unit_id)
        if manner and manner.gap_s:
            manner.ready_s = asyncio.get_running_loop().time() + manner.gap_s
        if not job.answer.done():
            job.answer.set_result(outcome)

    def free(self) -> None:
        """The wire can take the next request."""
        self._unit(self._last_unit_id).occupied_s += asyncio.get_running_loop().time() - self._sent_s
        self._busy = self._stopped
        self._hangs = False
        self._pump()

    def opened(self) -> None:
        """The port or connection is there."""
        health = self.health
        if not health.is_open:
            health.is_open, health.since_mono_ns, health.reason = True, time.monotonic_ns(), ""
            health.openings += 1
            _LOG.info("line %s: open", self.name)

    def closed(self, reason: str) -> None:
        """The port or connection is gone; the current request, if still there, is lost with it."""
        health = self.health
        if health.is_open or health.reason != reason:
            health.is_open, health.since_mono_ns, health.reason = False, time.monotonic_ns(), reason
            if not self._stopped:
                _LOG.warning("line %s: closed: %s", self.name, reason)

    def hung(self, reason: str) -> None:
        """The port's driver does not come back: nobody waits for it, and nothing is sent until it does."""
        self._hangs = True
        self.closed(reason)
        self.replied(_failure(NotPresent(f"{self.name}: {reason}")))
        self._fail_waiting(NotPresent(f"{self.name}: {reason}"))

    def heard(self, data: bytes, *, whole: bool) -> None:
        """Bytes came that nobody waited for."""
        self.health.stray_bytes += len(data)
        self.ring.overheard(data)
        if self.section.carries == "rtu":
            others = [frame for frame in overheard(data) if not self._is_ours(frame)]
            self._overhear(others)
            whole = whole and not others
        if whole:
            unit = self._unit(self._last_unit_id)
            unit.late += 1
            if unit.late == 1:
                _LOG.warning("line %s: unit %d answers late; give it a longer max_reply", self.name, self._last_unit_id)

    def _is_ours(self, frame: Overheard) -> bool:
        """Whether it answers what was asked last: a late reply, or the echo of a write."""
        return frame.unit_id == self._last_unit_id and (frame.kind == "reply" or frame.data == self._last_sent)

    def _overhear(self, frames: list[Overheard]) -> None:
        if self.health.overhear(frames, time.monotonic_ns()):
            unit_id = next(frame.unit_id for frame in frames if frame.kind != "reply")
            _LOG.warning("line %s: somebody else asks unit %d: two masters on one line", self.name, unit_id)

    # -- accounts -----------------------------------------------------------------------------------------------

    def _unit(self, unit_id: int) -> UnitHealth:
        return self.health.units.setdefault(unit_id, UnitHealth())

    def _count(self, unit_id: int, outcome: Outcome) -> None:
        unit = self._unit(unit_id)
        silent = unit.failures_in_a_row >= _SILENT_AFTER
        self.health.waiting = len(self._urgent) + len(self._polls)
        unit.count(outcome)
        if outcome.error is None or isinstance(outcome.error, Refused):
            if silent:
                _LOG.info("line %s: unit %d answers again", self.name, unit_id)
        elif unit.failures_in_a_row == _SILENT_AFTER and self.health.is_open:
            _LOG.warning("line %s: unit %d lost: %s", self.name, unit_id, outcome.error.reason)

    def _fail_waiting(self, error: DriverError) -> None:
        for waiting in (self._urgent, self._polls):
            while waiting:
                job = waiting.popleft()
                if not job.answer.done():
                    job.answer.set_result(_failure(error))

    async def start(self) -> None:
        """Make the wire ready."""
        await self._wire.start()

    async def stop(self) -> None:
        """Give the wire back; whoever still waits is told."""
        if self._wake:
            self._wake.cancel()
        self._busy = self._stopped = True
        self.health.reason = "stopped"
        error = NotPresent(f"{self.name}: stopped")
        self._fail_waiting(error)
        await self._wire.stop()
        self.replied(_failure(error))


def _failure(error: DriverError) -> Outcome:
    return Outcome(b"", error, time.monotonic_ns(), 0.0)


@asynccontextmanager
async def open_line(name: str, section: LineSection, *, quiet_s: float = 0.2) -> AsyncIterator[ModbusLine]:
    """A line for as long as the context lasts. Opening never fails: see NotPresent at each request.

    `quiet_s` is the least silence after a failure, also when every unit answers faster.
    """
    line = ModbusLine(name, section, quiet_s)
    await line.start()
    try:
        yield line
    finally:
        await line.stop()
