"""A virtual line for instruments without Modbus, on a pseudo-terminal; it owns the pty and knows no instrument.

with SpokenLine("/tmp/site/radar", MaxBotixRange()) as line:
    line.speakers[0].distance_mm = 900
    line.spoil = lambda data: data[:-2]      # what becomes of everything that is said; None: as it is
    line.unplug(); line.replug()
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.devices.speakers import Speaker

_KEPT = 4096  # bytes heard that no instrument has used up


class SpokenLine:
    """A line with instruments that talk, or answer in their own way. Context manager: nothing is left behind."""

    def __init__(self, path: str | Path, *speakers: Speaker) -> None:
        self.path = Path(path)
        self.speakers = list(speakers)
        self.spoil: Callable[[bytes], bytes] | None = None
        self.echo = False  # the adapter hands back what is sent
        self.heard = bytearray()  # all that was asked
        self._thread: threading.Thread | None = None
        self._pty: tuple[int, int] = (-1, -1)
        self._wake: tuple[int, int] = (-1, -1)

    def __enter__(self) -> Self:
        self.replug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def replug(self) -> None:
        """Put the adapter (back) in."""
        master, device = self._pty = os.openpty()
        tty.setraw(device)
        os.set_blocking(master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(device))
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"line {self.path.name}", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull the adapter out. Does nothing when it is out already."""
        if self._thread is None:
            return
        self.path.unlink(missing_ok=True)
        os.write(self._wake[1], b"x")
        self._thread.join()
        for fd in (*self._pty, *self._wake):
            os.close(fd)
        self._thread = None

    def take_heard(self) -> bytes:
        """What was asked since the last call."""
        taken = bytes(self.heard)
        del self.heard[: len(taken)]
        return taken

    def send(self, data: bytes) -> None:
        """Bytes that nobody asked for."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._pty[0], data)

    def _run(self) -> None:
        start_s = time.monotonic()
        due = [(start_s + s.every_s, n, b"") for n, s in enumerate(self.speakers) if s.every_s is not None]
        waiting = [bytearray() for _ in self.speakers]
        while True:
            timeout_s = max(0.0, due[0][0] - time.monotonic()) if due else None
            ready, _, _ = select.select([self._pty[0], self._wake[0]], [], [], timeout_s)
            if self._wake[0] in ready:
                return
            now_s = time.monotonic()
            if self._pty[0] in ready:
                with contextlib.suppress(OSError):
                    self._hear(os.read(self._pty[0], 4096), waiting, due, now_s)
            while due and due[0][0] <= now_s:
                at_s, number, data = heapq.heappop(due)
                every_s = self.speakers[number].every_s
                if not data and every_s is not None:
                    data = self.speakers[number].speak()
                    heapq.heappush(due, (max(at_s + every_s, now_s), number, b""))
                self._say(data)

    def _hear(self, data: bytes, waiting: list[bytearray], due: list[tuple[float, int, bytes]], now_s: float) -> None:
        self.heard += data
        if self.echo:
            self.send(data)
        for number, speaker in enumerate(self.speakers):
            waiting[number] += data
            used, answers = speaker.hear(bytes(waiting[number]))
            del waiting[number][:used]
            del waiting[number][:-_KEPT]
            for answer in answers:
                heapq.heappush(due, (now_s + answer.after_s, number, answer.data))

    def _say(self, data: bytes) -> None:
        said = self.spoil(data) if self.spoil else data
        if said:
            self.send(said)
