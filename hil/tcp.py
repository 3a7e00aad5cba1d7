"""A virtual Modbus TCP (or RTU over TCP) gateway; it owns its sockets and must not know any device.

    with VirtualTcp({1: WaveshareRelay8()}, framing="tcp") as gateway:
        ...                                       # a client connects to 127.0.0.1, gateway.port
        gateway.unplug(); gateway.replug()        # connections reset and refused; back on the same port

One thread; `reply_s` of the devices is kept with `timed=True`. The counters are those of hil.station.Station.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Self

from hil.codec import RTU, TABLES, FrameError, Framing, Mbap
from hil.devices.base import Device
from hil.faults import Emission
from hil.station import Heard, Station

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: close() sends RST


class VirtualTcp(Station):
    """Units behind a TCP port of 127.0.0.1. `any_unit`: the only unit answers to every unit id, as many devices do."""

    def __init__(
        self,
        units: Mapping[int, Device] | None = None,
        *,
        port: int = 0,
        framing: Literal["tcp", "rtu"] = "tcp",
        timed: bool = False,
        any_unit: bool = False,
    ) -> None:
        super().__init__(units)
        self.any_unit = any_unit
        self.host = "127.0.0.1"
        self.port = port
        self.framing = framing
        self.timed = timed
        self.connections = 0  # accepted so far
        self._thread: threading.Thread | None = None
        self._stop = -1

    def __enter__(self) -> Self:
        self.replug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def plugged(self) -> bool:
        """Whether it listens."""
        return self._thread is not None

    def replug(self) -> None:
        """Listen (again); the first time picks a free port when `port` is 0."""
        if self._thread is not None:
            raise RuntimeError(f"port {self.port} is plugged in already")
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=_Server(self, listener, wake).run, name=f"tcp {self.port}", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Reset every connection and refuse new ones. Does nothing when it is out already."""
        if self._thread is None:
            return
        os.close(self._stop)
        self._thread.join()
        self._thread = None


class _Connection:
    """One client: its bytes so far."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.buffer = bytearray()


class _Server:
    """The gateway's thread."""

    def __init__(self, gateway: VirtualTcp, listener: socket.socket, wake: int) -> None:
        self.gateway = gateway
        self.listener = listener
        self.wake = wake
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        self.selector.register(wake, selectors.EVENT_READ)
        self.queue: list[tuple[float, int, _Connection, Emission]] = []
        self.order = 0

    def run(self) -> None:
        """Until the gateway is unplugged."""
        with self.selector, self.listener:
            while self._round():
                pass
            for key in list(self.selector.get_map().values()):
                if isinstance(key.data, _Connection):
                    self._drop(key.data)
        os.close(self.wake)

    def _round(self) -> bool:
        timeout = max(0.0, self.queue[0][0] - time.monotonic()) if self.queue else None
        for key, _ in self.selector.select(timeout):
            if key.fileobj == self.wake:
                return False
            if isinstance(key.data, _Connection):
                self._receive(key.data)
            else:
                self._accept()
        while self.queue and self.queue[0][0] <= time.monotonic():
            _, _, connection, emission = heapq.heappop(self.queue)
            self._send(connection, emission)
        return True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(1.0)
            self.selector.register(client, selectors.EVENT_READ, _Connection(client))
            self.gateway.connections += 1

    def _drop(self, connection: _Connection) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(connection.client)
        with contextlib.suppress(OSError):
            connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.client.close()

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.buffer += data
        try:
            while found := self._take(connection.buffer):
                self._answer(connection, *found)
        except FrameError:  # out of step: the stream cannot be trusted any more
            self.gateway.crc_errors += 1
            connection.buffer.clear()
            if self.gateway.framing == "tcp":
                self._drop(connection)

    def _take(self, buffer: bytearray) -> tuple[Framing, int, bytes, bytes] | None:
        if self.gateway.framing == "tcp":
            whole = Mbap.take(bytes(buffer))
            if whole is None:
                return None
            framing, unit_id, pdu, size = whole
        else:
            length = RTU.request_length(bytes(buffer))
            if length is None and len(buffer) > 1 and buffer[1] not in TABLES:
                length = len(buffer)  # no silence on TCP: an unknown function ends where the segment does
            if length is None or length > len(buffer):
                return None
            size = length
            unit_id, pdu = RTU.parse(bytes(buffer[:size]))
        frame = bytes(buffer[:size])
        del buffer[:size]
        return (framing if self.gateway.framing == "tcp" else RTU), unit_id, pdu, frame

    def _answer(self, connection: _Connection, framing: Framing, unit_id: int, pdu: bytes, frame: bytes) -> None:
        now_s = time.monotonic()
        heard = Heard(now_s, unit_id, pdu)
        delay_s, emissions = self.gateway.answer(heard, frame, framing, now_s)
        for emission in emissions:
            self.order += 1
            start_s = now_s + emission.after_s + (delay_s if self.gateway.timed else 0.0)
            heapq.heappush(self.queue, (start_s, self.order, connection, emission))

    def _send(self, connection: _Connection, emission: Emission) -> None:
        if emission.reset:
            self._drop(connection)
            return
        with contextlib.suppress(OSError):  # the client has gone, or reads nothing
            connection.client.sendall(emission.data)
