"""A virtual RS-485 line on a pseudo-terminal, at the speed of the wire; it owns the pty and must not know any device.

    with VirtualLine("/tmp/site/sensors", {3: Radar()}, baudrate=9600) as line:
        ...                                   # a client opens "/tmp/site/sensors" (a symlink, as udev makes them by-id)
        line.units[3].level_mm = 350          # devices may be changed at any time, from any thread
        line.faults[3] = FaultPlan({Fault.SILENT: 0.5})
        line.unplug(); line.replug()          # the adapter is pulled, and put back (new_name=True: as another pts)
        line.times_s(3), line.gap_violations  # see hil.station.Station

One thread per line, no asyncio; `timed=False` answers at once, for tests that need speed. With `timed=True` a request
of n bytes takes n characters before it has arrived, a unit answers `reply_s` (at least 3.5 characters) later, and its
answer is delivered at the pace of the wire in pieces of at most 2 ms.

Baud rate and odd parity of the other end are read from the pty: when they differ, units cannot read the request and
stay silent (`misread`). Linux drops PARENB on a pty, so even parity and none cannot be told apart there; and glibc
answers EINVAL to a client that sets parity again without any other change (pyserial does, when a timeout is changed).
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from hil.codec import RTU, FrameError
from hil.devices.base import Device
from hil.station import Heard, Station

_PIECE_S = 0.002  # an answer is delivered in pieces of this length: finer than any frame, coarse enough to be cheap
_UNTIMED_SILENCE_S = 0.005  # an untimed line gives up an unfinished request after this
_SPEEDS = {getattr(termios, f"B{rate}"): rate for rate in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)}


class VirtualLine(Station):
    """A serial line with units; a client opens `path`. Context manager: nothing is left behind."""

    def __init__(
        self,
        path: str | Path,
        units: Mapping[int, Device] | None = None,
        *,
        baudrate: int = 9600,
        parity: Literal["N", "E", "O"] = "N",
        stopbits: int = 1,
        timed: bool = True,
    ) -> None:
        super().__init__(units)
        self.path = Path(path)
        self.baudrate = baudrate
        self.parity = parity
        self.timed = timed
        bits = 1 + 8 + (parity != "N") + stopbits
        self.character_s = bits / baudrate
        # Specification, serial line 2.5.1.1: 3.5 characters, fixed 1.75 ms above 19200 baud.
        self.silence_s = 3.5 * self.character_s if baudrate <= 19200 else 0.00175
        self._pty: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = -1, -1
        self._unsolicited: list[bytes] = []

    # --- plugging ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.replug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def plugged(self) -> bool:
        """Whether the adapter is there."""
        return self._thread is not None

    def replug(self, *, new_name: bool = False) -> None:
        """Put the adapter (back) in; `new_name`: the kernel gives it another device name, only the link is the same."""
        if self._thread is not None:
            raise RuntimeError(f"{self.path} is plugged in already")
        master, device = os.openpty()
        if new_name and os.ttyname(device) == getattr(self, "_last_name", None):
            spare = master, device
            master, device = os.openpty()
            os.close(spare[0])
            os.close(spare[1])
        tty.setraw(device)
        os.set_blocking(master, False)
        self._last_name = os.ttyname(device)
        link = self.path.with_name(self.path.name + ".new")
        link.unlink(missing_ok=True)
        link.symlink_to(self._last_name)
        link.replace(self.path)  # at no time is there a half-made link
        self._pty = master, device  # our own handle on the device end keeps the pty alive between clients
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=_Wire(self, master, self._wake_read).run, name=f"line {self.path.name}")
        self._thread.daemon = True
        self._thread.start()

    def unplug(self) -> None:
        """Pull the adapter out: the link disappears, clients see a hang-up. Does nothing when it is out already."""
        if self._thread is None or self._pty is None:
            return
        self.path.unlink(missing_ok=True)
        os.write(self._wake_write, b"x")
        self._thread.join()
        for fd in (*self._pty, self._wake_read, self._wake_write):
            os.close(fd)
        self._thread = self._pty = None

    def send(self, data: bytes) -> None:
        """Bytes that nobody asked for: a unit in unsolicited mode, a disturbance."""
        self._unsolicited.append(data)
        if self._thread is not None:
            os.write(self._wake_write, b"s")

    def take_unsolicited(self) -> list[bytes]:
        """What `send` left; for the wire."""
        taken, self._unsolicited = self._unsolicited, []
        return taken

    def readable(self, master: int) -> bool:
        """Whether units can read what the other end sends: same baud rate, same odd parity."""
        settings = termios.tcgetattr(master)
        rate = _SPEEDS.get(settings[5])
        odd = bool(settings[2] & termios.PARODD)
        return rate in {None, self.baudrate} and odd == (self.parity == "O")


class _Wire:
    """The line's thread: what has arrived, what is due, what is being sent."""

    def __init__(self, line: VirtualLine, master: int, wake: int) -> None:
        self.line = line
        self.master = master
        self.wake = wake
        self.buffer = bytearray()
        self.first_s = 0.0  # first byte of the buffer
        self.end_s = 0.0  # last byte of the buffer has passed the wire
        self.idle_s = 0.0  # last byte that a unit sent has passed the wire
        self.queue: list[tuple[float, int, bytes]] = []  # start, order, data
        self.order = 0
        self.sent = 0  # bytes of queue[0] already delivered

    def run(self) -> None:
        """Until the line is unplugged."""
        while True:
            due_s = min(self._frame_due_s(), self._piece_due_s())
            now_s = time.monotonic()
            timeout = None if due_s == float("inf") else max(0.0, due_s - now_s)
            ready, _, _ = select.select([self.master, self.wake], [], [], timeout)
            if self.wake in ready:
                if b"x" in os.read(self.wake, 64):
                    return
                for data in self.line.take_unsolicited():
                    self._enqueue(time.monotonic(), data)
            if self.master in ready:
                self._receive(time.monotonic())
            while self._frame_due_s() <= time.monotonic():
                self._frame()
            self._transmit(time.monotonic())

    def _receive(self, now_s: float) -> None:
        try:
            data = os.read(self.master, 4096)
        except OSError:  # the pty is going down
            return
        line = self.line
        if not line.readable(self.master):
            line.misread += 1
            return
        if line.timed and self.queue and self.queue[0][0] <= now_s:
            line.collisions += 1  # two talk at once: nobody understands the master
            return
        if not self.buffer:
            self.first_s = self.end_s = now_s
            if line.timed and 0 < now_s - self.idle_s < line.silence_s:
                line.gap_violations += 1
        self.buffer += data
        self.end_s = max(self.end_s, now_s) + (len(data) * line.character_s if line.timed else 0.0)

    def _whole(self) -> int:
        length = RTU.request_length(bytes(self.buffer))
        return length if length is not None and length <= len(self.buffer) else 0

    def _frame_due_s(self) -> float:
        if not self.buffer:
            return float("inf")
        if self.line.timed:
            return self.end_s + self.line.silence_s
        return self.end_s if self._whole() else self.end_s + _UNTIMED_SILENCE_S

    def _frame(self) -> None:
        # A timed line ends a frame by silence, as real units do: two requests without a gap are one broken frame.
        line = self.line
        size = len(self.buffer) if line.timed else self._whole() or len(self.buffer)
        frame = bytes(self.buffer[:size])
        del self.buffer[:size]
        try:
            unit_id, pdu = RTU.parse(frame)
        except FrameError:
            line.crc_errors += 1
            return
        delay_s, emissions = line.answer(Heard(self.first_s, unit_id, pdu), frame, RTU, self.end_s)
        start_s = self.end_s + (max(delay_s, line.silence_s) if line.timed else 0.0)
        for emission in emissions:
            self._enqueue(start_s + emission.after_s, emission.data)

    def _enqueue(self, start_s: float, data: bytes) -> None:
        if not data:
            return
        if self.sent:  # what is being sent is finished first
            start_s = max(start_s, self.queue[0][0] + len(self.queue[0][2]) * self.line.character_s)
        self.order += 1
        heapq.heappush(self.queue, (start_s, self.order, data))

    def _piece_due_s(self) -> float:
        if not self.queue:
            return float("inf")
        start_s, _, data = self.queue[0]
        if not self.line.timed:
            return start_s
        character_s = self.line.character_s
        step = max(1, int(_PIECE_S / character_s))
        return start_s + min(self.sent + step, len(data)) * character_s

    def _transmit(self, now_s: float) -> None:
        while self.queue and self._piece_due_s() <= now_s:
            start_s, _, data = self.queue[0]
            due = len(data)
            if self.line.timed:
                due = min(due, int((now_s - start_s) / self.line.character_s + 1e-6))
            at_s = time.monotonic()  # before the write: the other end may have the bytes before we run again
            with contextlib.suppress(BlockingIOError):  # nobody reads: as on a wire, the bytes are gone
                os.write(self.master, data[self.sent : due])
            self.sent = due
            if due >= len(data):
                heapq.heappop(self.queue)
                self.sent = 0
                self.idle_s = at_s
