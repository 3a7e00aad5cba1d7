"""Owns a line that is no Modbus: stamps every byte on arrival, asks one question at a time; knows no message.

A serial port, or a converter on the network that passes bytes on (`host` and `port`). It is opened for ever again, as
Modbus lines are. Everything that comes is heard by all who `listen`, so instruments that talk on their own are never
missed and never older than they look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import serial

from drivers.api import DriverError, NotPresent, Timeout
from drivers.frames import Misframed
from drivers.health import LineHealth, UnitHealth
from drivers.modbus import LineSection
from drivers.ring import Ring
from drivers.wires import BACK_OFF_S, Outcome, needs_quiet, reason_of

_LOG = logging.getLogger("tocsin.line")
_MAX_BACK_OFF_S = 2.0  # so that a replugged port is back within 5 s
_SLACK_S = 0.02  # USB adapters hold bytes back for up to 16 ms
_MAX_REPLY = 4096  # bytes; more is babble

Hear = Callable[[bytes, int], None]  # (bytes, monotonic ns of their arrival); called in the loop, must not raise


class Finder(Protocol):
    """Finds messages in a stream: `drivers.patterns.LineFinder`, `drivers.templates.FrameFinder`."""

    def feed(self, data: bytes) -> list[Any]:
        """Take what came; all messages that are whole now."""
        ...

    def clear(self) -> None:
        """Forget a message that has begun."""
        ...

    def why_not(self) -> str:
        """What is wrong with what came so far; "" when nothing came."""
        ...


class RawLine:
    """One line. Make it with `open_raw`. All its errors are DriverErrors.

    `turn` is held by whoever asks, for as long as its questions belong together.
    """

    def __init__(self, name: str, section: LineSection, quiet_s: float) -> None:
        self.name = name
        self.section = section
        self.health = LineHealth(since_mono_ns=time.monotonic_ns())
        self.ring = Ring()  # of what was last said, for who watches
        self.turn = asyncio.Lock()
        self._asking = False
        self._quiet_s = quiet_s
        self._quiet_until_s = 0.0
        self._last_byte_s = 0.0
        self._listeners: list[Hear] = []
        self._lost = asyncio.Event()
        self._port: _Port | None = None
        self._task: asyncio.Task[None] | None = None

    # -- what drivers use ---------------------------------------------------------------------------------------

    def listen(self, hear: Hear) -> Callable[[], None]:
        """Have `hear` called with all that comes, until what is given back is called."""
        self._listeners.append(hear)
        return lambda: self._listeners.remove(hear)

    def send(self, data: bytes) -> None:
        """Write. Raises NotPresent, or Timeout where the port takes no more bytes."""
        if self._port is None:
            raise NotPresent(f"{self.name}: {self.health.reason}")
        try:
            self._port.write(data)
        except (OSError, ValueError) as error:
            self._close(reason_of(error))
            raise NotPresent(f"{self.name}: {self.health.reason}") from None

    async def ask(
        self, question: bytes, finder: Finder, *, reply_s: float, unit: int = 0
    ) -> tuple[list[Any], int]:  # fmt: skip
        """Send `question` and give back the first messages the finder finds, and when their last byte had arrived.

        The caller holds `turn`. Raises Timeout when nothing came within `reply_s` of the question's end, BadFrame when
        what came was no message, NotPresent. After a failure the line is left alone for the quiet time.
        """
        await self._wait_for_quiet()
        sent_s = time.monotonic()
        found: asyncio.Future[tuple[list[Any], int]] = asyncio.get_running_loop().create_future()
        echo = bytearray(question if self.section.echo else b"")
        came = bytearray()

        def hear(data: bytes, mono_ns: int) -> None:
            came.extend(data)
            if found.done():
                return
            own = min(len(echo), len(data))
            if data[:own] != echo[:own]:
                found.set_exception(Misframed("echo", "echo = true, yet what came back is not what was sent"))
                return
            del echo[:own]
            if len(came) > _MAX_REPLY:
                found.set_exception(Misframed("noise", "the line babbles without end"))
                return
            try:
                messages = finder.feed(data[own:])
            except DriverError as error:
                found.set_exception(error)
            else:
                if messages:
                    found.set_result((messages, mono_ns))

        finder.clear()
        self._asking = True
        stop = self.listen(hear)
        error: DriverError | None = None
        try:
            self.send(question)
            limit_s = reply_s + len(question) * self.section.character_s + _SLACK_S
            async with asyncio.timeout(limit_s):
                return await found
        except TimeoutError:
            why = finder.why_not()
            error = Misframed("noise", why) if why else Timeout("no answer")
            raise error from None
        except DriverError as told:
            error = told
            raise
        except asyncio.CancelledError:
            error = Timeout("given up")
            raise
        finally:
            stop()
            self._asking = False
            now_ns = time.monotonic_ns()
            if needs_quiet(error):
                self._quiet_until_s = now_ns / 1e9 + max(self._quiet_s, reply_s)
            elapsed_s = now_ns / 1e9 - sent_s
            self.count(unit, Outcome(b"", error, now_ns, elapsed_s))
            if not isinstance(error, NotPresent):  # then nothing was said
                self.ring.add(now_ns, question, bytes(came), elapsed_s, error.reason if error else "")

    async def _wait_for_quiet(self) -> None:
        """Until late answers have run out, and the silence before each question is kept; a babbler ends that too."""
        settle_s = self.section.settle
        last_s = max(self._quiet_until_s, time.monotonic()) + settle_s
        while (until_s := min(last_s, max(self._quiet_until_s, self._last_byte_s + settle_s))) > time.monotonic():
            if self._port is None:
                return
            await asyncio.sleep(until_s - time.monotonic())

    def count(self, unit: int, outcome: Outcome) -> None:
        """Take an exchange, or a message of a talker, into the accounts."""
        self.health.units.setdefault(unit, UnitHealth()).count(outcome)

    # -- the port -----------------------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        mono_ns = time.monotonic_ns()
        self._last_byte_s = mono_ns / 1e9
        if not self._listeners:
            self.health.stray_bytes += len(data)
        if not self._asking:
            self.ring.overheard(data)
        for hear in tuple(self._listeners):
            hear(data, mono_ns)

    def _close(self, reason: str) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None
        health = self.health
        if health.is_open or health.reason != reason:
            health.is_open, health.since_mono_ns, health.reason = False, time.monotonic_ns(), reason
            if reason != "stopped":
                _LOG.warning("line %s: closed: %s", self.name, reason)
        self._lost.set()

    async def _keep_open(self, first: asyncio.Event) -> None:
        back_off_s = BACK_OFF_S
        while True:
            try:
                self._port = await _opened(self.section, self._hear, self._close)
            except (OSError, ValueError, TimeoutError, termios.error) as error:
                self._close(reason_of(error))
            else:
                self._lost.clear()
                health = self.health
                health.is_open, health.since_mono_ns, health.reason = True, time.monotonic_ns(), ""
                health.openings += 1
                _LOG.info("line %s: open", self.name)
                opened_s = time.monotonic()
                first.set()
                await self._lost.wait()
                if time.monotonic() - opened_s > _MAX_BACK_OFF_S:
                    back_off_s = BACK_OFF_S
            first.set()
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)

    async def start(self) -> None:
        """Open, and wait half a second for it, so that the first poll finds a port that is there."""
        first = asyncio.Event()
        self._task = asyncio.create_task(self._keep_open(first), name=f"line-{self.name}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first.wait(), 0.5)

    async def stop(self) -> None:
        """Close the port for good."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._close("stopped")


class _Port(Protocol):
    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class _SerialPort:
    """An open serial port, read by the loop."""

    def __init__(self, port: serial.Serial, hear: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._port, self._fd = port, port.fileno()
        self._hear, self._lost = hear, lost
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(reason_of(error))
            return
        if data:
            self._hear(data)
        else:
            self._lost("the port is gone")

    def write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        if written < len(data):
            self._port.reset_output_buffer()
            raise Timeout("the port takes no more bytes")

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        with contextlib.suppress(OSError, termios.error):
            self._port.close()


class _SocketPort(asyncio.Protocol):
    """A connection to a converter that passes bytes on."""

    def __init__(self, hear: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._hear, self._lost = hear, lost
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport = None
            self._lost(reason_of(exc) if exc else "closed by the other side")

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


async def _opened(section: LineSection, hear: Callable[[bytes], None], lost: Callable[[str], None]) -> _Port:
    loop = asyncio.get_running_loop()
    if section.host is not None:
        async with asyncio.timeout(section.connect_timeout):
            _, socket_port = await loop.create_connection(
                lambda: _SocketPort(hear, lost), section.host, int(section.port or 0)
            )
        return socket_port
    names = ("port", "baudrate", "bytesize", "parity", "stopbits")
    settings = {key: getattr(section, key) for key in names}

    def open_port() -> serial.Serial:
        port = serial.Serial(**settings, exclusive=True, timeout=0, write_timeout=0)
        with contextlib.suppress(OSError, ValueError, termios.error, AttributeError):
            port.set_low_latency_mode(low_latency_settings=True)  # FTDI's 16 ms; pty and others don't know it
        return port

    # In a thread: a port whose driver hangs must not stop the loop.
    return _SerialPort(await asyncio.to_thread(open_port), hear, lost)


@asynccontextmanager
async def open_raw(name: str, section: LineSection, *, quiet_s: float = 0.2) -> AsyncIterator[RawLine]:
    """A raw line for as long as the context lasts. Opening never fails: see NotPresent at each question."""
    line = RawLine(name, section, quiet_s)
    await line.start()
    try:
        yield line
    finally:
        await line.stop()
