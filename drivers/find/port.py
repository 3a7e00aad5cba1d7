"""Owns a port while somebody searches it: retunes it, asks reads one at a time, listens. It can't send a write.

The running agent never uses this: there a line belongs to `drivers.modbus`. Here one person waits for one answer, so
everything blocks, and a port that is not there is an error at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

import serial

from drivers import frames
from drivers.api import DriverError, NotPresent, Timeout
from drivers.frames import Misframed, Request
from drivers.wires import MAX_BYTES, reason_of

Parity = Literal["N", "E", "O"]
_SLACK_S = 0.02  # USB adapters hold bytes back for up to 16 ms
_LONGEST_TALK_S = 2.0  # a babbler is not waited for longer


@dataclass(frozen=True, slots=True)
class Settings:
    """How a serial line is spoken on. `baudrate` is 0 for a host, where nothing is to be tuned."""

    baudrate: int = 9600
    parity: Parity = "N"

    def __str__(self) -> str:
        """As people write it: "9600 8N1"."""
        return f"{self.baudrate} 8{self.parity}1" if self.baudrate else "TCP"

    @property
    def character_s(self) -> float:
        """Seconds that one byte takes on the wire."""
        return (10 + (self.parity != "N")) / self.baudrate if self.baudrate else 0.0

    @property
    def gap_s(self) -> float:
        """Silence before a request: 3.5 characters, 1.75 ms above 19200 baud (serial line 1.02, 2.5.1.1)."""
        if not self.baudrate:
            return 0.0
        return 0.00175 if self.baudrate > 19200 else 3.5 * self.character_s


class Answer(NamedTuple):
    """What came of one request: the checked reply PDU, or the error; and every byte that came, also before it."""

    pdu: bytes | None
    error: DriverError | None
    raw: bytes
    elapsed_s: float
    before: bytes = b""  # that came after the last answer and before this request: somebody was late


class Heard(NamedTuple):
    """Bytes that came while nobody asked. `mono_s`: monotonic time at which they were there."""

    mono_s: float
    data: bytes


class Port(Protocol):
    """What a search needs of a wire."""

    @property
    def settings(self) -> Settings:
        """How it is tuned now."""
        ...

    def tune(self, settings: Settings) -> None:
        """Speak and listen like this from now on. Raises NotPresent."""
        ...

    def ask(self, request: Request, wait_s: float) -> Answer:
        """Send a read and wait `wait_s` beyond what the bytes take. Raises NotPresent, ValueError for a write."""
        ...

    def listen(self, seconds: float) -> list[Heard]:
        """Whatever comes within that time. Raises NotPresent."""
        ...


def refuse_writes(request: Request) -> None:
    """Raises ValueError unless the request is one of the four reads: nothing that is searched is ever changed."""
    if not request.is_read or request.pdu[0] not in {1, 2, 3, 4}:
        raise ValueError(f"function {request.pdu[0]} is no read, and a search never writes")


class SerialPort:
    """A serial port. Context manager; opened by the first `tune`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.echo = False  # the adapter hands back what is sent; found out by itself
        self.settings = Settings()
        self._serial: serial.Serial | None = None
        self._poller = select.poll()
        self._last_byte_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        if self._serial is not None:
            with contextlib.suppress(OSError, termios.error):
                self._serial.close()
            self._serial = None

    def tune(self, settings: Settings) -> None:
        """Open the port anew with these settings: some drivers, ptys among them, refuse to change an open one."""
        if self._serial is not None and settings == self.settings:
            return
        self.close()
        try:
            self._serial = serial.Serial(
                self.path, settings.baudrate, parity=settings.parity, exclusive=True, timeout=0, write_timeout=0
            )
        except (OSError, ValueError, termios.error) as error:
            raise NotPresent(f"{self.path}: {reason_of(error)}") from None
        with contextlib.suppress(OSError, ValueError, termios.error, AttributeError):
            self._serial.set_low_latency_mode(low_latency_settings=True)
        self.settings = settings
        self._poller = select.poll()
        self._poller.register(self._serial.fileno(), select.POLLIN)

    def ask(self, request: Request, wait_s: float) -> Answer:
        """One read. What comes late is waited for to its end, so that the next request finds the line silent."""
        refuse_writes(request)
        port = self._open()
        try:
            return self._ask(port, request, wait_s)
        except (OSError, termios.error) as error:
            raise NotPresent(f"{self.path}: {reason_of(error)}") from None

    def listen(self, seconds: float) -> list[Heard]:
        """Whatever comes within `seconds`."""
        self._open()
        heard = []
        end_s = time.monotonic() + seconds
        try:
            while (left_s := end_s - time.monotonic()) > 0:
                if data := self._read(left_s):
                    heard.append(Heard(time.monotonic(), data))
        except OSError as error:
            raise NotPresent(f"{self.path}: {reason_of(error)}") from None
        return heard

    def _open(self) -> serial.Serial:
        if self._serial is None:
            self.tune(self.settings)
        assert self._serial is not None  # noqa: S101 - tune opens it or raises
        return self._serial

    def _ask(self, port: serial.Serial, request: Request, wait_s: float) -> Answer:
        before = self._drain()
        time.sleep(max(0.0, self._last_byte_s + self.settings.gap_s - time.monotonic()))
        sent_s = time.monotonic()
        os.write(port.fileno(), request.rtu)
        deadline_s = sent_s + len(request.rtu) * self.settings.character_s + self.settings.gap_s + wait_s + _SLACK_S
        data, pdu, error = bytearray(), None, None
        while pdu is None and error is None:
            fresh = self._read(deadline_s - time.monotonic())
            data += fresh
            if fresh:  # it has begun to answer: let it finish
                self._last_byte_s = time.monotonic()
                deadline_s = max(deadline_s, self._last_byte_s + 10 * self.settings.character_s + _SLACK_S)
            pdu, error = self._judge(request, data, ended=not fresh or len(data) > MAX_BYTES)
        self._last_byte_s = max(self._last_byte_s, sent_s)
        elapsed_s = time.monotonic() - sent_s
        if error is not None and data:
            data += self._drain()
        return Answer(pdu, error, bytes(data), elapsed_s, before)

    def _judge(self, request: Request, data: bytearray, *, ended: bool) -> tuple[bytes | None, DriverError | None]:
        if data.startswith(request.rtu):  # no answer to a read begins like its question
            self.echo = True
        answer = bytes(data.removeprefix(request.rtu) if self.echo else data)
        try:
            pdu = frames.rtu_reply(request, answer) if answer else None
        except Misframed as error:
            return None, error if ended else None  # more may come: another unit's late answer first, then this one's
        except DriverError as error:
            return None, error
        if pdu is None and ended:
            return None, frames.diagnose_rtu(request, answer)
        return pdu, None

    def _drain(self) -> bytes:
        """What is under way, until the line is silent."""
        data = bytearray()
        quiet_s = self.settings.gap_s
        end_s = time.monotonic() + _LONGEST_TALK_S
        while time.monotonic() < end_s and (fresh := self._read(quiet_s if data else 0.0)):
            data += fresh
            self._last_byte_s = time.monotonic()
        return bytes(data)

    def _read(self, wait_s: float) -> bytes:
        if not self._poller.poll(max(0.0, wait_s) * 1000):
            return b""
        assert self._serial is not None  # noqa: S101 - only called while open
        if not (data := os.read(self._serial.fileno(), 4096)):
            raise OSError("the port is gone")
        return data


class HostPort:
    """A Modbus TCP host. Nothing to tune and nobody else to hear. Context manager."""

    settings = Settings(0)

    def __init__(self, host: str, port: int = 502, connect_s: float = 2.0) -> None:
        self.path = f"{host}:{port}"
        self._place = host, port
        self._connect_s = connect_s
        self._socket: socket.socket | None = None
        self._transaction_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def tune(self, settings: Settings) -> None:
        """Connect, where that was not done."""
        del settings
        self._connected()

    def listen(self, seconds: float) -> list[Heard]:
        """Nothing: a host speaks to whom it is connected."""
        del seconds
        return []

    def _connected(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = socket.create_connection(self._place, self._connect_s)
            except OSError as error:
                raise NotPresent(f"{self.path}: {reason_of(error)}") from None
        return self._socket

    def ask(self, request: Request, wait_s: float) -> Answer:
        """One read; a connection that breaks is made anew by the next one."""
        refuse_writes(request)
        connection = self._connected()
        self._transaction_id = self._transaction_id % 0xFFFF + 1
        sent_s, data = time.monotonic(), bytearray()
        pdu: bytes | None = None
        error: DriverError | None = None
        try:
            connection.sendall(request.tcp(self._transaction_id))
            while pdu is None:
                connection.settimeout(max(0.001, sent_s + wait_s - time.monotonic()))
                if not (fresh := connection.recv(4096)):
                    raise ConnectionResetError("closed by the other side")
                data += fresh
                pdu = self._reply(request, data)
        except TimeoutError:
            error = Timeout(f"no answer from unit {request.unit_id}")
        except DriverError as refusal:
            error = refusal
        except OSError as failure:
            self.close()
            error = Timeout(f"{self.path}: {reason_of(failure)}")
        return Answer(pdu, error, bytes(data), time.monotonic() - sent_s)

    def _reply(self, request: Request, data: bytearray) -> bytes | None:
        while (frame := frames.tcp_frame(data)) is not None:
            transaction_id, unit_id, pdu = frame
            del data[: 7 + len(pdu)]
            if transaction_id == self._transaction_id:
                if unit_id != request.unit_id:
                    raise Misframed("unit", f"unit {unit_id} answered, unit {request.unit_id} was asked")
                return frames.check_pdu(request, pdu)
        return None
