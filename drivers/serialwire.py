"""Owns a serial port: one request at a time in a thread, its silences and reopening; knows no queue and no devices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import termios
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import serial

from drivers import frames
from drivers.api import DriverError, NotPresent, Timeout
from drivers.frames import Misframed, Request
from drivers.wires import BACK_OFF_S, MAX_BYTES, Outcome, Owner, Timing, needs_quiet, reason_of

_MAX_BACK_OFF_S = 2.0  # so that a replugged port is back within 5 s
_SLACK_S = 0.02  # USB adapters hold bytes back for up to 16 ms
_MAX_PORT_S = 5.0  # opening, writing and closing of a sane port never takes longer


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
        self._back_off_s = BACK_OFF_S
        self._next_open_s = 0.0
        self._why_closed = "not opened yet"
        self._ever_open = False
        self._raw = b""  # of the current reply
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
            if self._serial is None or not needs_quiet(outcome.error):
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
        reply = self._raw = b""

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
        return Outcome(reply, error, mono_ns, self._last_byte_s - sent_s, self._raw)

    def _guarded(self, action: Callable[[], None]) -> DriverError | None:
        try:
            action()
        except DriverError as error:
            return error
        except (OSError, ValueError, termios.error) as error:
            self._close(reason_of(error))
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
        self._back_off_s = BACK_OFF_S
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
        # Nothing can be complete before the request is out, the unit was silent for 3.5 characters and sent 5.
        time.sleep((len(request.rtu) + 8) * character_s)
        while True:
            missing = (5 + echo if len(data) < 5 + echo else size) - len(data)
            if data and missing > 1:  # sleep until they are due instead of waking for each byte
                time.sleep((missing - 1) * character_s)
            fresh = self._read_ready(port, deadline_s - time.monotonic())
            data += fresh
            self._raw = bytes(data[echo:])
            if echo and data[:echo] != request.rtu[: len(data)]:
                raise Misframed("echo", "echo = true, yet what came back is not what was sent")
            if len(data) > echo and fresh and (reply := frames.rtu_reply(request, bytes(data[echo:]))) is not None:
                return reply
            if not fresh or len(data) > MAX_BYTES:
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
                data = (data + fresh)[:MAX_BYTES]
        self._hear(bytes(data))

    def _hear(self, data: bytes) -> None:
        if data:
            whole = frames.is_whole_rtu(data)
            self._tell(lambda: self._owner.heard(data, whole=whole))
