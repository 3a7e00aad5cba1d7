"""Owns a TCP connection: one request at a time, reconnecting for ever; knows no queue and no devices."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from dataclasses import dataclass

from drivers import frames
from drivers.api import DriverError, NotPresent, Timeout
from drivers.frames import Misframed, Request
from drivers.wires import BACK_OFF_S, MAX_BYTES, Outcome, Owner, Timing, needs_quiet, reason_of

_MAX_BACK_OFF_S = 5.0


@dataclass(slots=True)
class _Pending:
    request: Request
    transaction_id: int
    sent_s: float
    deadline_s: float
    quiet_s: float
    strangers: int = 0  # frames with another transaction id


class TcpWire(asyncio.BufferedProtocol):
    """One connection, one request outstanding; Modbus TCP, or RTU frames over TCP when `rtu`."""

    def __init__(self, host: str, port: int, timing: Timing, owner: Owner, *, rtu: bool, connect_s: float) -> None:
        self._host, self._port = host, port
        self._timing = timing
        self._owner = owner
        self._rtu = rtu
        self._connect_s = connect_s
        self._transport: asyncio.Transport | None = None
        self._incoming = bytearray(4096)  # asyncio's own buffers cost more than the rest of an exchange
        self._data = bytearray()
        self._raw = b""  # of the current reply
        self._pending: _Pending | None = None
        self._transaction_id = random.randrange(65536)  # noqa: S311 - not for secrecy: a restart meets no old id
        self._timer: asyncio.TimerHandle | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._unheard = 0  # bytes since the last request that nobody waited for
        self._last_good_s = 0.0
        self._why_closed = "not connected yet"
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect, and wait half a second for it, so that the first poll finds a host that is there."""
        self._loop = asyncio.get_running_loop()
        first = asyncio.Event()
        self._task = asyncio.create_task(self._keep_connected(first), name=f"line-{self._host}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first.wait(), 0.5)

    async def stop(self) -> None:
        """Close the connection and forget the host."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for timer in (self._timer, self._quiet):
            if timer:
                timer.cancel()
        if self._transport:
            self._transport.abort()

    async def _keep_connected(self, first: asyncio.Event) -> None:
        back_off_s = BACK_OFF_S
        while True:
            try:
                async with asyncio.timeout(self._connect_s):
                    await self._loop.create_connection(lambda: self, self._host, self._port)
            except (OSError, TimeoutError) as error:
                self._why_closed = "no answer to connecting" if isinstance(error, TimeoutError) else reason_of(error)
                self._owner.closed(self._why_closed)
            else:
                connected_s = self._loop.time()
                first.set()
                await self._lost.wait()
                if self._last_good_s > connected_s:  # it was of use: not a host that only accepts and hangs up
                    back_off_s = BACK_OFF_S
            first.set()
            await asyncio.sleep(back_off_s * random.uniform(0.8, 1.2))  # noqa: S311
            back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)

    # -- asyncio.BufferedProtocol ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: small frames at once, dead peers noticed."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        sock: socket.socket = transport.get_extra_info("socket")
        for option, value in ((socket.TCP_NODELAY, 1), (socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5),
                              (socket.TCP_KEEPCNT, 3), (socket.TCP_USER_TIMEOUT, 10_000)):  # fmt: skip
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._lost.clear()
        self._why_closed = ""
        self._data.clear()
        self._unheard = 0
        self._last_good_s = self._loop.time()
        self._transport = transport
        self._owner.opened()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone: whoever waits is told, and the host is tried again."""
        self._transport = None
        self._why_closed = reason_of(exc) if exc else self._why_closed or "closed by the other side"
        self._owner.closed(self._why_closed)
        self._lost.set()
        if self._pending:
            self._finish(b"", NotPresent(f"{self._host}: {self._why_closed}"))

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - as asyncio has it
        """Where the next bytes go."""
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came; only those for the pending request count."""
        pending = self._pending
        if pending is None:
            self._overhear(self._incoming[:nbytes])
            return
        self._data += self._incoming[:nbytes]
        try:
            reply = self._rtu_reply(pending) if self._rtu else self._tcp_reply(pending)
        except DriverError as error:
            if isinstance(error, Misframed) and error.fault == "protocol":
                self._abort("what came is not Modbus TCP")
            self._finish(b"", error)
        else:
            if reply is not None:
                self._finish(reply, None)

    # -- one exchange -------------------------------------------------------------------------------------------

    def send(self, request: Request, reply_s: float, quiet_s: float) -> None:
        """Write the request, or say at once that the host is not there."""
        now_s = self._loop.time()
        self._pending = _Pending(request, 0, now_s, now_s + reply_s, quiet_s)
        if self._transport is None:
            self._loop.call_soon(self._finish, b"", NotPresent(f"{self._host}: {self._why_closed}"))
            return
        self._data.clear()
        self._raw = b""
        self._unheard = 0
        if self._rtu:
            self._transport.write(request.rtu)
        else:
            self._transaction_id = self._pending.transaction_id = (self._transaction_id + 1) & 0xFFFF
            self._transport.write(request.tcp(self._transaction_id))
        self._arm(self._pending.deadline_s)

    def _arm(self, deadline_s: float) -> None:
        # One timer that is moved only when it would fire too late: thousands of requests a second don't pay for it.
        if self._timer and self._timer.when() > deadline_s:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if (pending := self._pending) is None:
            return
        if self._loop.time() < pending.deadline_s:
            self._arm(pending.deadline_s)
        elif self._rtu:
            self._finish(b"", frames.diagnose_rtu(pending.request, bytes(self._data)))
        elif pending.strangers:
            self._finish(b"", Misframed("transaction", f"{pending.strangers} answers to other requests, none to this"))
        elif self._data:
            half = len(self._data)
            self._abort("half a frame")
            self._finish(b"", Misframed("length", f"half a frame: {half} bytes"))
        else:
            self._finish(b"", Timeout(f"no answer from unit {pending.request.unit_id}"))

    def _rtu_reply(self, pending: _Pending) -> bytes | None:
        if len(self._data) > MAX_BYTES:
            raise frames.diagnose_rtu(pending.request, bytes(self._data))
        return frames.rtu_reply(pending.request, bytes(self._data))

    def _tcp_reply(self, pending: _Pending) -> bytes | None:
        while (frame := frames.tcp_frame(self._data)) is not None:
            transaction_id, unit_id, pdu = frame
            raw = bytes((unit_id,)) + pdu
            del self._data[: 7 + len(pdu)]
            if transaction_id != pending.transaction_id:
                pending.strangers += 1
                self._owner.heard(raw, whole=True)
                continue
            self._raw = raw
            if unit_id != pending.request.unit_id:
                raise Misframed("unit", f"unit {unit_id} answered, unit {pending.request.unit_id} was asked")
            return frames.check_pdu(pending.request, pdu)
        return None

    def _finish(self, reply: bytes, error: DriverError | None) -> None:
        pending = self._pending
        if pending is None:
            return
        self._pending = None
        raw, self._raw = self._raw or bytes(self._data), b""
        self._data.clear()
        now_s = self._loop.time()
        if error is None:
            self._last_good_s = now_s
        self._owner.replied(Outcome(reply, error, time.monotonic_ns(), now_s - pending.sent_s, raw))
        if (
            self._transport
            and isinstance(error, Timeout)
            and now_s - self._last_good_s > max(10.0, 3 * pending.quiet_s)
        ):
            self._abort("nothing sound for 10 s")  # a gateway that hangs; a new connection often wakes it
        if self._rtu and self._transport and needs_quiet(error):  # transaction ids make this needless on Modbus TCP
            self._quiet = self._loop.call_later(pending.quiet_s, self._owner.free)
        elif error is None and self._timing.gap_s:
            self._quiet = self._loop.call_later(self._timing.gap_s, self._owner.free)
        else:
            self._owner.free()

    def _overhear(self, data: bytearray) -> None:
        self._unheard += len(data)
        whole = frames.is_whole_rtu(data) if self._rtu else frames.is_whole_tcp(data)
        self._owner.heard(bytes(data), whole=whole)
        if self._unheard > MAX_BYTES:
            self._abort("the other side floods")

    def _abort(self, reason: str) -> None:
        if self._transport:
            self._why_closed = reason
            self._transport.abort()
            self._transport = None
