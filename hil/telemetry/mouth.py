"""Ways for a virtual station to speak: a pseudo-terminal, or a TCP connection to a listening gateway; knows no frames.

with SerialMouth(path) as mouth:        # the gateway opens `path`
    mouth.send(frame)
    answer = mouth.receive(1.0)         # what came within that time and was followed by 20 ms of silence; may be empty
    mouth.unplug(); mouth.replug()
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
import tty
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

_SILENCE_S = 0.02


class _Mouth(ABC):
    _descriptor = -1

    def __enter__(self) -> Self:
        self.replug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @abstractmethod
    def replug(self) -> None:
        """Make the way."""

    @abstractmethod
    def unplug(self) -> None:
        """Cut the way. Does nothing when it is cut already."""

    def send(self, data: bytes, *, pieces: int = 1, apart_s: float = 0.0) -> None:
        """Say bytes, at once or in so many pieces."""
        size = -(-len(data) // pieces)
        for at in range(0, len(data), max(1, size)):
            os.write(self._descriptor, data[at : at + size])
            time.sleep(apart_s)

    def receive(self, within_s: float) -> bytes:
        """The answer; empty when there is none."""
        heard = bytearray()
        wait_s = within_s
        while select.select([self._descriptor], [], [], wait_s)[0]:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                break
            if not data:
                break
            heard += data
            wait_s = _SILENCE_S
        return bytes(heard)


class SerialMouth(_Mouth):
    """The far end of a serial line; the near end is a pty that `path` links to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._near = -1

    def replug(self) -> None:
        """Put the adapter in."""
        self._descriptor, self._near = os.openpty()  # our own hold on the near end keeps it alive between clients
        tty.setraw(self._near)
        link = self.path.with_name(self.path.name + ".new")
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._near))
        link.replace(self.path)

    def unplug(self) -> None:
        """Pull the adapter out."""
        if self._near < 0:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._near)
        os.close(self._descriptor)
        self._descriptor = self._near = -1


class TcpMouth(_Mouth):
    """A station that connects to the gateway at 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None

    def replug(self) -> None:
        """Connect, trying for 3 s. Raises OSError."""
        last_s = time.monotonic() + 3.0
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=1.0)
                break
            except OSError:
                if time.monotonic() > last_s:
                    raise
                time.sleep(0.02)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._descriptor = self._socket.fileno()

    def unplug(self) -> None:
        """Hang up."""
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket, self._descriptor = None, -1
