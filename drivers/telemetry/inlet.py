"""Owns the way in for reports: a serial port, a listening socket or a calling one, shared by its stations; judges none.

Reports come when stations please, so they are taken and answered here at once, and wait at their station's device for
the next poll. What stations want answered (within 10 s for fire alarms) waits for no poll and no judgement.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import serial

from drivers.api import BadFrame, Refused
from drivers.telemetry.report import BEIJING, Dialect, Report, Stream
from drivers.wires import BACK_OFF_S, reason_of

_LOG = logging.getLogger("tocsin.telemetry")
_MAX_BACK_OFF_S = 2.0
_MAX_LINKS = 32  # of a listening socket
_PROVE_S = 60.0  # a connection that has brought no report of a known station by then is cut
_LONGEST = 4112  # bytes of a frame, SL 651's
_TCP_PATIENCE_S = 10.0  # of an unfinished frame: over mobile networks frames come in pieces
_MAX_TOLD = 64  # strangers that are logged


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where reports come in. `port` with `host` or `listen` is a TCP port, without them a device."""

    port: str | int
    host: str = ""
    listens: bool = False
    baudrate: int = 9600
    parity: str = "N"
    stopbits: int = 1

    @property
    def where(self) -> str:
        """In words."""
        if self.listens:
            return f"{self.host or '*'}:{self.port} (listening)"
        return f"{self.host}:{self.port}" if self.host else str(self.port)

    @property
    def place(self) -> str:
        """What only one can have: a port by its real name, a host's or the gateway's own TCP port."""
        if self.listens:
            return f"listening on {self.port}"
        if self.host:
            return f"{self.host.lower()}:{self.port}"
        try:
            return os.path.realpath(str(self.port))
        except (OSError, ValueError):
            return str(self.port)


class Listener(Protocol):
    """A station's device."""

    def accepts(self, report: Report) -> str:
        """Why this report is not to be believed nor answered; empty: it is."""

    def heard(self, report: Report, mono_ns: int) -> None:
        """A report, before it is answered. Called in the event loop; never raises."""


class Link:
    """One connection: bytes in, replies out. `cut` ends it, where it can be ended."""

    def __init__(
        self, inlet: Inlet, write: Callable[[bytes], None], patience_s: float, cut: Callable[[], None] = lambda: None
    ) -> None:
        self._inlet = inlet
        self.write, self.cut = write, cut
        self.dialect = inlet.make()
        self.stream = Stream(self.dialect, patience_s)
        self.proven = False
        self._timer: asyncio.TimerHandle | None = None

    def received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        mono_ns = time.monotonic_ns()
        for frame in self.stream.feed(data, mono_ns / 1e9):
            try:
                report = self.dialect.take(frame, now())
            except BadFrame as error:
                self.stream.faults += 1
                self.stream.last_fault = error.reason
                continue
            if report and self._inlet.deliver(report, self, mono_ns):
                self.proven = True
                if report.reply:
                    self.write(report.reply)
        if self.stream.unfinished:
            self._timer = asyncio.get_running_loop().call_later(self.stream.patience_s + 0.05, self.received, b"")

    @property
    def trouble(self) -> str:
        """What is wrong with what comes, where nothing comes out of it."""
        if self.stream.last_fault:
            return f"frames come that are not good: {self.stream.last_fault}"
        if self.stream.noise and not self.stream.frames:
            return "bytes come that are no frames: see speed, parity and protocol"
        return ""

    def close(self) -> None:
        """Nothing more will come."""
        if self._timer:
            self._timer.cancel()


def now() -> datetime:
    """The gateway's time in Beijing, for replies."""
    return datetime.now(BEIJING)


class Inlet:
    """One endpoint with its stations. `reason`: why nothing can come in; empty while something can."""

    def __init__(self, endpoint: Endpoint, protocol: str, make: Callable[[], Dialect]) -> None:
        self.endpoint, self.protocol, self.make = endpoint, protocol, make
        self.stations: dict[str, Listener] = {}
        self.reason = ""
        self.links: dict[Link, None] = {}  # in the order they came
        self._link_of: dict[str, Link] = {}
        self._told: set[str] = set()
        self._stranger = ""  # the last one
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to open; an absent port or host is no error, and is tried for ever."""
        self._task = asyncio.create_task(self._keep_open(), name=f"telemetry-{self.endpoint.where}")

    async def stop(self) -> None:
        """Close everything."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def send(self, station: str, data: bytes) -> bool:
        """Write to a station on the link it was last heard on, or on the only one there is; False: there is none."""
        link = self._link_of.get(station)
        if link not in self.links:
            link = next(iter(self.links)) if len(self.links) == 1 else None
        if link is not None:
            link.write(data)
        return link is not None

    @property
    def trouble(self) -> str:
        """What a station that is not heard may suffer from; empty: nothing at all comes in, or all is well."""
        if self._stranger:
            return self._stranger
        return next((link.trouble for link in self.links if link.trouble), "")

    def deliver(self, report: Report, link: Link, mono_ns: int) -> bool:
        """Hand a report to its station's device; False where there is none, or it does not believe it."""
        listener = self.stations.get(report.station)
        refusal = "no device of this site has that station" if listener is None else listener.accepts(report)
        if listener is None or refusal:
            self._stranger = f"a report of station {report.station!r} is left: {refusal}"
            self._tell_once(f"{self.endpoint.where}: {self._stranger}")
            return False
        for note in report.notes:
            self._tell_once(f"{self.endpoint.where}: station {report.station}: {note}")
        self._link_of[report.station] = link
        listener.heard(report, mono_ns)
        return True

    def _tell_once(self, text: str) -> None:
        if text not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add(text)
            _LOG.warning("%s", text)

    def _is_open(self) -> None:
        if self.reason:
            _LOG.info("%s: open again", self.endpoint.where)
        self.reason = ""

    async def _keep_open(self) -> None:
        open_once = (
            self._listen if self.endpoint.listens else self._call if self.endpoint.host else self._hold_port
        )  # fmt: skip
        back_off_s = BACK_OFF_S
        while True:
            opened_s = time.monotonic()
            try:
                reason = await open_once()
            except (OSError, ValueError, termios.error) as error:
                reason = reason_of(error)
            if reason != self.reason:
                _LOG.warning("%s: closed: %s", self.endpoint.where, reason)
            self.reason = reason
            back_off_s = BACK_OFF_S if time.monotonic() - opened_s > 10.0 else min(2 * back_off_s, _MAX_BACK_OFF_S)
            await asyncio.sleep(back_off_s)

    # -- serial ports -------------------------------------------------------------------------------------------

    async def _hold_port(self) -> str:
        """Read the port until it is gone; the reason it went."""
        port = await asyncio.to_thread(_open_port, self.endpoint)
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        descriptor = port.fileno()
        link = Link(self, lambda data: _write(descriptor, data), 1.0 + 11 * _LONGEST / self.endpoint.baudrate)

        def readable() -> None:
            try:
                data = os.read(descriptor, 4096)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                link.received(data)
            else:
                loop.remove_reader(descriptor)
                gone.set()

        loop.add_reader(descriptor, readable)
        self.links[link] = None
        self._is_open()
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            self.links.pop(link, None)
            link.close()
            with contextlib.suppress(OSError, termios.error):
                port.close()
        return "the port is gone"

    # -- sockets ------------------------------------------------------------------------------------------------

    async def _listen(self) -> str:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(self), self.endpoint.host or None, int(self.endpoint.port)
        )
        self._is_open()
        async with server:
            try:
                await server.serve_forever()
            finally:
                for link in list(self.links):
                    link.cut()
        return "no longer listening"

    async def _call(self) -> str:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5.0):
            _, connection = await loop.create_connection(
                lambda: _Connection(self), self.endpoint.host, int(self.endpoint.port)
            )
        self._is_open()
        try:
            await connection.lost.wait()
        finally:
            connection.abort()
        return "closed by the other side"


def _open_port(e: Endpoint) -> serial.Serial:
    return serial.Serial(
        str(e.port), e.baudrate, parity=e.parity, stopbits=e.stopbits, exclusive=True, timeout=0, write_timeout=0
    )


def _write(descriptor: int, data: bytes) -> None:
    # A reply that the port does not take at once is lost, as on a wire: the station sends again.
    with contextlib.suppress(OSError):
        os.write(descriptor, data)


class _Connection(asyncio.BufferedProtocol):
    def __init__(self, inlet: Inlet) -> None:
        self.inlet = inlet
        self.link = Link(inlet, self.write, _TCP_PATIENCE_S, self.abort)
        self.lost = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._incoming = bytearray(4096)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio's TCP makes
        self.transport = transport
        links = self.inlet.links
        if len(links) >= _MAX_LINKS:  # who has not proven to be a station makes room
            next((link for link in links if not link.proven), self.link).cut()
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        links[self.link] = None
        if self.inlet.endpoint.listens:
            self._timer = asyncio.get_running_loop().call_later(_PROVE_S, self._prove)

    def _prove(self) -> None:
        if not self.link.proven:
            self.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint  # small pieces: a flood must leave the loop its turns
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        self.link.received(bytes(self._incoming[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.inlet.links.pop(self.link, None)
        self.link.close()
        if self._timer:
            self._timer.cancel()
        self.lost.set()

    def write(self, data: bytes) -> None:
        if self.transport and not self.transport.is_closing():
            if self.transport.get_write_buffer_size() > 65536:  # it asks and asks, and never reads
                self.abort()
            else:
                self.transport.write(data)

    def abort(self) -> None:
        if self.transport:
            self.transport.abort()


# --- shared ------------------------------------------------------------------------------------------------------

_open: dict[str, tuple[Inlet, set[str]]] = {}  # of this process, like the ports themselves


@asynccontextmanager
async def inlet_of(
    endpoint: Endpoint, protocol: str, make: Callable[[], Dialect], station: str, listener: Listener
) -> AsyncIterator[Inlet]:
    """The inlet at an endpoint, opened by its first station and closed by its last.

    Raises Refused where the endpoint is in use with other settings or another protocol, or the station is taken.
    """
    place = endpoint.place
    inlet, stations = _open.setdefault(place, (Inlet(endpoint, protocol, make), set()))
    if (inlet.endpoint, inlet.protocol) != (endpoint, protocol):
        raise Refused(f"{endpoint.where} is open for {inlet.protocol} with other settings; one line, one protocol")
    if station in stations:
        raise Refused(f"station {station} at {endpoint.where} belongs to another device already")
    stations.add(station)
    inlet.stations[station] = listener
    if len(stations) == 1:
        inlet.start()
    try:
        yield inlet
    finally:
        stations.discard(station)
        del inlet.stations[station]
        if not stations:
            del _open[place]
            await inlet.stop()
