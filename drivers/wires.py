"""Owns a serial port or TCP connection, one request at a time, its silences and reopening; no queue, no devices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import random
import select
import socket
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import serial

from drivers import frames
from drivers.api import BadFrame, DriverError, NotPresent, Timeout
from drivers.frames import Misframed, Request

_BACK_OFF_S = 0.2  # first wait before a port or host is tried again; doubles
_MAX_BACK_OFF_S = 2.0  # so that a replugged port is back within 5 s
_MAX_HOST_BACK_OFF_S = 5.0
_MAX_BYTES = 1024  # of one reply with everything around it; more is babble
_SLACK_S = 0.02  # USB adapters hold bytes back for up to 16 ms
_MAX_PORT_S = 5.0  # opening, writing and closing of a sane port never takes longer


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an exchange ended: the checked reply PDU, or the error."""

    reply: bytes
    error: DriverError | None
    mono_ns: int  # when the last byte of the reply had arrived, or the failure was clear
    elapsed_s: float  # since the request was sent


@dataclass(frozen=True, slots=True)
class Timing:
    """What a wire must know of time, in seconds. `character_s` is 0 where bytes are not timed (TCP)."""

    character_s: float
    gap_s: float  # silence before each request


class Owner(Protocol):
    """Who gets a wire's news; always called in the event loop."""

    def replied(self, outcome: Outcome) -> None:
        """The one request that was sent is over."""

    def free(self) -> None:
        """The next request may be sent; after a failure later than `replied`, when the line was quiet long enough."""

    def opened(self) -> None:
        """The port or connection is there (again)."""

    def closed(self, reason: str) -> None:
        """The port or connection is not there (any more)."""

    def hung(self, reason: str) -> None:
        """The current request will not end; `free` is called should it end after all."""

    def heard(self, size: int, *, whole: bool) -> None:
        """Bytes nobody waited for; `whole`: a sound frame, so a late reply."""


class Wire(Protocol):
    """What `drivers.modbus` needs of a wire."""

    def send(self, request: Request, reply_s: float, quiet_s: float) -> None:
        """Begin the exchange. Never raises; answers through the owner. Only when free."""

    async def start(self) -> None:
        """Make ready; an absent port or host is no error."""

    async def stop(self) -> None:
        """Give back port, thread and connection."""


def _needs_quiet(error: DriverError | None) -> bool:
    """Whether a reply to this request may still be under way. After a refusal none is: the unit has spoken."""
    return isinstance(error, Timeout | BadFrame)


# --- serial ---------------------------------------------------------------------------------------------------


class SerialWire:
    """A thread that owns a serial port and reads replies of known length."""

    def __init__(self, name: str, port: dict[str, Any], timing: Timing, owner: Owner, *, echo: bool) -> None:
        """`port` holds pyserial's own parameters."""
        self._port = port
        self._timing = timing
        self._owner = owner
        self._echo = echo
        self._requests: queue.SimpleQueue[tuple[Request, float, float] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"line-{name}", daemon=True)
        self._serial: serial.Serial | None = None
        self._poller = select.poll()
        self._last_byte_s = 0.0
        self._back_off_s = _BACK_OFF_S
        self._next_open_s = 0.0
        self._why_closed = "not opened yet"
        self._ever_open = False
        self._limit: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Start the thread; the port is opened by the first request."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """End the thread, which closes the port."""
        if self._limit:
            self._limit.cancel()
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join, _MAX_PORT_S)

    def send(self, request: Request, reply_s: float, quiet_s: float) -> None:
        """Hand the request to the thread. A port whose driver hangs is given up after a while."""
        on_wire_s = (len(request.rtu) * 2 + request.rtu_reply_size) * self._timing.character_s
        limit_s = _MAX_PORT_S + self._timing.gap_s + on_wire_s + reply_s + 4 * quiet_s
        self._limit = self._loop.call_later(limit_s, self._give_up)
        self._requests.put((request, reply_s, quiet_s))

    def _give_up(self) -> None:
        self._owner.hung("the port's driver hangs")

    # -- in the thread ------------------------------------------------------------------------------------------

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(call, *arguments)

    def _run(self) -> None:
        while (job := self._requests.get()) is not None:
            request, reply_s, quiet_s = job
            outcome = self._exchange(request, reply_s, quiet_s)
            if self._serial is None or not _needs_quiet(outcome.error):
                self._tell(self._over, outcome)
                continue
            self._tell(self._owner.replied, outcome)
            self._guarded(partial(self._keep_quiet, quiet_s))
            self._tell(self._free)
        self._close("")

    def _over(self, outcome: Outcome) -> None:
        self._owner.replied(outcome)
        self._free()

    def _free(self) -> None:
        if self._limit:
            self._limit.cancel()
        self._owner.free()

    def _exchange(self, request: Request, reply_s: float, quiet_s: float) -> Outcome:
        sent_s = time.monotonic()
        reply = b""

        def on_port() -> None:
            nonlocal sent_s, reply
            port = self._opened(quiet_s)
            self._wait_for_gap()
            self._hear(self._read_waiting(port))
            sent_s = time.monotonic()
            self._write(port, request.rtu)
            reply = self._reply(port, request, sent_s, reply_s)

        error = self._guarded(on_port)
        mono_ns = time.monotonic_ns()
        self._last_byte_s = mono_ns / 1e9
        return Outcome(reply, error, mono_ns, self._last_byte_s - sent_s)

    def _guarded(self, action: Callable[[], None]) -> DriverError | None:
        try:
            action()
        except DriverError as error:
            return error
        except (OSError, ValueError, termios.error) as error:
            self._close(_reason(error))
            return NotPresent(f"{self._port['port']}: {self._why_closed}")
        return None

    def _opened(self, quiet_s: float) -> serial.Serial:
        if self._serial is not None:
            return self._serial
        now_s = time.monotonic()
        if now_s < self._next_open_s:
            raise NotPresent(f"{self._port['port']}: {self._why_closed}")
        self._next_open_s = now_s + self._back_off_s
        self._back_off_s = min(2 * self._back_off_s, _MAX_BACK_OFF_S)
        port = serial.Serial(**self._port, exclusive=True, timeout=0, write_timeout=0)
        with contextlib.suppress(OSError, ValueError, termios.error, AttributeError):
            port.set_low_latency_mode(low_latency_settings=True)  # FTDI's 16 ms; pty and others don't know it
        self._serial = port
        self._back_off_s = _BACK_OFF_S
        self._poller = select.poll()
        self._poller.register(port.fileno(), select.POLLIN)
        if self._ever_open:  # an answer to what was asked before the cut may still come
            self._keep_quiet(quiet_s)
        self._ever_open = True
        self._tell(self._owner.opened)
        return port

    def _close(self, reason: str) -> None:
        if self._serial is not None:
            with contextlib.suppress(OSError, termios.error):
                self._serial.close()
            self._serial = None
        if reason:
            self._why_closed = reason
            self._tell(self._owner.closed, reason)

    def _wait_for_gap(self) -> None:
        wait_s = self._last_byte_s + self._timing.gap_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)

    def _read_waiting(self, port: serial.Serial) -> bytes:
        # A hung-up tty also reads as empty; there the write that follows fails.
        return os.read(port.fileno(), 4096)

    def _read_ready(self, port: serial.Serial, wait_s: float) -> bytes:
        """Bytes that come within `wait_s`; empty: none did."""
        if not self._poller.poll(max(0.0, wait_s) * 1000):
            return b""
        if not (data := os.read(port.fileno(), 4096)):
            raise OSError("the port is gone")
        return data

    def _write(self, port: serial.Serial, data: bytes) -> None:
        written = os.write(port.fileno(), data)
        if written < len(data):
            port.reset_output_buffer()
            raise Timeout("the port takes no more bytes")

    def _reply(self, port: serial.Serial, request: Request, sent_s: float, reply_s: float) -> bytes:
        character_s = self._timing.character_s
        echo = len(request.rtu) if self._echo else 0
        size = echo + request.rtu_reply_size
        deadline_s = sent_s + (len(request.rtu) + size) * character_s + reply_s + _SLACK_S
        data = bytearray()
        time.sleep(len(request.rtu) * character_s)  # nothing can be complete before the request is out
        while True:
            missing = (5 + echo if len(data) < 5 + echo else size) - len(data)
            if data and missing > 2:  # sleep until they are due instead of waking for each byte
                time.sleep((missing - 2) * character_s)
            fresh = self._read_ready(port, deadline_s - time.monotonic())
            data += fresh
            if echo and data[:echo] != request.rtu[: len(data)]:
                raise Misframed("echo", "echo = true, yet what came back is not what was sent")
            if len(data) > echo and fresh and (reply := frames.rtu_reply(request, bytes(data[echo:]))) is not None:
                return reply
            if not fresh or len(data) > _MAX_BYTES:
                raise frames.diagnose_rtu(request, bytes(data[echo:]))

    def _keep_quiet(self, quiet_s: float) -> None:
        """Let late replies run out: `quiet_s` at least, and until the line is silent; a babbler ends that too."""
        if (port := self._serial) is None:
            return
        now_s = time.monotonic()
        end_s, last_end_s = now_s + quiet_s, now_s + 2 * quiet_s + 1.0
        data = bytearray()
        while (now_s := time.monotonic()) < min(end_s, last_end_s):
            fresh = self._read_ready(port, min(end_s, last_end_s) - now_s)
            if fresh:
                self._last_byte_s = time.monotonic()
                end_s = max(end_s, self._last_byte_s + self._timing.gap_s)
                data = (data + fresh)[:_MAX_BYTES]
        self._hear(bytes(data))

    def _hear(self, data: bytes) -> None:
        if data:
            whole = frames.is_whole_rtu(data)
            self._tell(lambda: self._owner.heard(len(data), whole=whole))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error).lower() or type(error).__name__


# --- TCP ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pending:
    request: Request
    transaction_id: int
    sent_s: float
    deadline_s: float
    quiet_s: float
    strangers: int = 0  # frames with another transaction id


class TcpWire(asyncio.Protocol):
    """One connection, one request outstanding; Modbus TCP, or RTU frames over TCP when `rtu`."""

    def __init__(self, host: str, port: int, timing: Timing, owner: Owner, *, rtu: bool, connect_s: float) -> None:
        self._host, self._port = host, port
        self._timing = timing
        self._owner = owner
        self._rtu = rtu
        self._connect_s = connect_s
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
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
        back_off_s = _BACK_OFF_S
        while True:
            try:
                async with asyncio.timeout(self._connect_s):
                    await self._loop.create_connection(lambda: self, self._host, self._port)
            except (OSError, TimeoutError) as error:
                self._why_closed = "no answer to connecting" if isinstance(error, TimeoutError) else _reason(error)
                self._owner.closed(self._why_closed)
            else:
                connected_s = self._loop.time()
                first.set()
                await self._lost.wait()
                if self._last_good_s > connected_s:  # it was of use: not a host that only accepts and hangs up
                    back_off_s = _BACK_OFF_S
            first.set()
            await asyncio.sleep(back_off_s * random.uniform(0.8, 1.2))  # noqa: S311
            back_off_s = min(2 * back_off_s, _MAX_HOST_BACK_OFF_S)

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: small frames at once, dead peers noticed."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        sock: socket.socket = transport.get_extra_info("socket")
        for option, value in ((socket.TCP_NODELAY, 1), (socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5),
                              (socket.TCP_KEEPCNT, 3), (socket.TCP_USER_TIMEOUT, 10_000)):  # fmt: skip
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._lost.clear()
        self._data.clear()
        self._unheard = 0
        self._last_good_s = self._loop.time()
        self._transport = transport
        self._owner.opened()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone: whoever waits is told, and the host is tried again."""
        self._transport = None
        self._why_closed = _reason(exc) if exc else self._why_closed or "closed by the other side"
        self._owner.closed(self._why_closed)
        self._lost.set()
        if self._pending:
            self._finish(b"", NotPresent(f"{self._host}: {self._why_closed}"))

    def data_received(self, data: bytes) -> None:
        """Bytes came; only those for the pending request count."""
        pending = self._pending
        if pending is None:
            self._overhear(data)
            return
        self._data += data
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
        if len(self._data) > _MAX_BYTES:
            raise frames.diagnose_rtu(pending.request, bytes(self._data))
        return frames.rtu_reply(pending.request, bytes(self._data))

    def _tcp_reply(self, pending: _Pending) -> bytes | None:
        while (frame := frames.tcp_frame(self._data)) is not None:
            transaction_id, unit_id, pdu = frame
            del self._data[: 7 + len(pdu)]
            if transaction_id != pending.transaction_id:
                pending.strangers += 1
                self._owner.heard(7 + len(pdu), whole=True)
                continue
            if unit_id != pending.request.unit_id:
                raise Misframed("unit", f"unit {unit_id} answered, unit {pending.request.unit_id} was asked")
            return frames.check_pdu(pending.request, pdu)
        return None

    def _finish(self, reply: bytes, error: DriverError | None) -> None:
        pending = self._pending
        if pending is None:
            return
        self._pending = None
        self._data.clear()
        now_s = self._loop.time()
        if error is None:
            self._last_good_s = now_s
        self._owner.replied(Outcome(reply, error, time.monotonic_ns(), now_s - pending.sent_s))
        if (
            self._transport
            and isinstance(error, Timeout)
            and now_s - self._last_good_s > max(10.0, 3 * pending.quiet_s)
        ):
            self._abort("nothing sound for 10 s")  # a gateway that hangs; a new connection often wakes it
        if self._rtu and self._transport and _needs_quiet(error):  # transaction ids make this needless on Modbus TCP
            self._quiet = self._loop.call_later(pending.quiet_s, self._owner.free)
        elif error is None and self._timing.gap_s:
            self._quiet = self._loop.call_later(self._timing.gap_s, self._owner.free)
        else:
            self._owner.free()

    def _overhear(self, data: bytes) -> None:
        self._unheard += len(data)
        self._owner.heard(len(data), whole=frames.is_whole_rtu(data) if self._rtu else frames.is_whole_tcp(data))
        if self._unheard > _MAX_BYTES:
            self._abort("the other side floods")

    def _abort(self, reason: str) -> None:
        if self._transport:
            self._why_closed = reason
            self._transport.abort()
            self._transport = None
