"""SL 651-2014, hydrological telemetry in HEX/BCD: frames both ways, packets of M3, replies of M2; knows no wires.

Source: the standard's frame layout, element table (annex C) and worked examples, as cited in docs/telemetry.md.
Working modes: M1 the station wants no answer, M2 it does, M3 a message in several packets, M4 it answers a query.
M1 and M2 can't be told apart by a frame; an answer nobody waits for does no harm.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from drivers.api import BadFrame
from drivers.telemetry import sl651body
from drivers.telemetry.report import Cut, Report, bcd_digits, before, moment

MARK = b"\x7e\x7e"
MAX_BODY = 4095
QUERY_NOW = 0x37  # all elements as they are now
_HEAD = 14  # bytes before the body: mark, addresses, password, function, length, start of text
_MAX_PACKETS = 64  # of one message that is put together here; pictures have more and are of no use
_WITHOUT_ELEMENTS = frozenset({0x2F, 0x36})  # keep-alive; picture
# Reports of these functions say what is measured; the others answer commands that are not ours.
_MEASURING = frozenset({0x30, 0x31, 0x32, 0x33, 0x34, 0x35, QUERY_NOW, 0x38, 0x3A})


class Mark(enum.IntEnum):
    """Control characters, table 2 of the standard."""

    STX = 0x02  # start of text
    SYN = 0x16  # start of text of one packet of several
    ETX = 0x03  # end, nothing follows
    ETB = 0x17  # end, more follows
    ENQ = 0x05  # downwards: a question
    EOT = 0x04  # downwards: had all, hang up
    ACK = 0x06  # downwards: had this packet, go on
    NAK = 0x15  # downwards: send again
    ESC = 0x1B  # downwards: had all, stay on line


_ENDS = {True: frozenset({Mark.ETX, Mark.ETB}), False: frozenset({Mark.ENQ, Mark.EOT, Mark.ACK, Mark.NAK, Mark.ESC})}


@dataclass(frozen=True)
class Frame:
    """One frame. `text` is what stands between start and end, without the packet numbers of M3."""

    centre: int
    station: str  # 10 digits (or hex digits, where the authority uses them)
    password: int
    function: int
    text: bytes
    up: bool = True
    end: Mark = Mark.ETX
    packets: int = 1
    packet: int = 1

    @cached_property
    def split(self) -> bool:
        """Whether it is one packet of several."""
        return self.packets > 1 or self.packet > 1

    def encode(self) -> bytes:
        """The bytes on the wire. Raises ValueError for what the format can't hold."""
        start, text = Mark.STX, self.text
        if self.split:
            start, text = Mark.SYN, (self.packets << 12 | self.packet).to_bytes(3, "big") + text
        if len(text) > MAX_BODY:
            raise ValueError(f"a text of {len(text)} bytes, at most {MAX_BODY} fit")
        station, centre = bytes.fromhex(self.station), bytes((self.centre,))
        if len(station) != 5:
            raise ValueError(f"station {self.station!r} has not 10 digits")
        addresses = centre + station if self.up else station + centre
        head = MARK + addresses + self.password.to_bytes(2, "big") + bytes((self.function,))
        length = ((0 if self.up else 0x8000) | len(text)).to_bytes(2, "big")
        frame = head + length + bytes((start,)) + text + bytes((self.end,))
        return frame + crc16(frame).to_bytes(2, "big")

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """The frame in exactly these bytes. Raises BadFrame."""
        if len(data) < _HEAD + 3 or data[:2] != MARK:
            raise BadFrame("no SL 651 frame")
        length, start = _length(data)
        if len(data) != _HEAD + length + 3:
            raise BadFrame(f"{len(data)} bytes, {_HEAD + length + 3} announced")
        if crc16(data[:-2]) != int.from_bytes(data[-2:], "big"):
            raise BadFrame("checksum wrong")
        up, end, text = data[11] >> 4 == 0, data[-3], data[_HEAD:-3]
        if end not in _ENDS[up]:
            raise BadFrame(f"0x{end:02x} ends no frame {'upwards' if up else 'downwards'}")
        packets = packet = 1
        if start == Mark.SYN:
            if len(text) < 3:
                raise BadFrame("a packet without its number")
            numbers, text = int.from_bytes(text[:3], "big"), text[3:]
            packets, packet = numbers >> 12, numbers & 0xFFF
            if not 1 <= packet <= packets:
                raise BadFrame(f"packet {packet} of {packets}")
        station, centre = (data[3:8], data[2]) if up else (data[2:7], data[7])
        password = int.from_bytes(data[8:10], "big")
        return cls(centre, station.hex(), password, data[10], text, up, Mark(end), packets, packet)


def _length(head: bytes) -> tuple[int, int]:
    """Bytes of text and its starting character. Raises BadFrame for what begins no frame."""
    direction, length, start = head[11] >> 4, int.from_bytes(head[11:13], "big") & 0xFFF, head[13]
    if direction not in (0, 8) or start not in (Mark.STX, Mark.SYN):
        raise BadFrame("no SL 651 frame")
    return length, start


def crc16(data: bytes) -> int:
    """CRC-16 of polynomial A001 from FFFF, as of Modbus; it is sent high byte first here."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC = tuple(_crc_of(byte) for byte in range(256))


class Sl651:
    """The centre's side on one connection (see `report.Dialect`)."""

    def __init__(self, *, stay: bool = True) -> None:
        """`stay`: tell stations to stay on line (ESC) rather than to hang up (EOT)."""
        self._end = Mark.ESC if stay else Mark.EOT
        self._parts: dict[int, Frame] = {}  # packets of the message that is coming in

    def cut(self, data: bytes, at: int = 0) -> Cut:
        """As `report.Dialect` has it."""
        if noise := before(data, at, MARK):
            return Cut(noise)
        left = len(data) - at
        if left < _HEAD:
            return Cut(0)
        try:
            length, _ = _length(data[at : at + _HEAD])
        except BadFrame:
            return Cut(1)  # a mark within something else
        if left < (size := _HEAD + length + 3):
            return Cut(0)
        frame = data[at : at + size]
        if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "big"):
            return Cut(1, fault="checksum wrong")
        return Cut(size, frame)

    def take(self, frame: bytes, now: datetime) -> Report | None:
        """As `report.Dialect` has it."""
        head = Frame.decode(frame)
        if not head.up:
            raise BadFrame("a frame from another centre: is somebody else master here?")
        text = self._whole(head)
        if text is None:
            return None
        if len(text) < 8:
            raise BadFrame("a report without number and time")
        serial, sent = int.from_bytes(text[:2], "big"), _time(text[2:8])
        if head.function in _MEASURING:
            values, notes = sl651body.values(text[8:], sent, head.station)
        else:
            values, notes = [], [] if head.function in _WITHOUT_ELEMENTS else [f"function {head.function:02x} unread"]
        reply = self._reply(head, self._end, serial, now) if head.function != 0x2F else b""
        identity = (head.function, serial, sent)
        return Report(head.station, sent, tuple(values), reply, identity, f"{head.password:04x}", tuple(notes))

    def query(self, station: str, password: str, centre: int, now: datetime) -> bytes:
        """Ask a station for all it measures now (M4)."""
        text = b"\x00\x00" + _bcd_time(now)
        return Frame(centre, station, int(password, 16), QUERY_NOW, text, up=False, end=Mark.ENQ).encode()

    def _whole(self, head: Frame) -> bytes | None:
        """The message's text once its last packet is here. Raises BadFrame when one is missing."""
        if not head.split:
            self._parts.clear()
            return head.text
        if head.packets > _MAX_PACKETS:
            raise BadFrame(f"a message of {head.packets} packets; at most {_MAX_PACKETS} are put together")
        first = next(iter(self._parts.values()), head)
        if (first.station, first.function, first.packets) != (head.station, head.function, head.packets):
            self._parts.clear()
        self._parts[head.packet] = head
        if head.end is Mark.ETB:
            return None
        parts, self._parts = self._parts, {}
        missing = [n for n in range(1, head.packets + 1) if n not in parts]
        if missing:
            raise BadFrame(f"packets {', '.join(map(str, missing[:5]))} of {head.packets} are missing")
        return b"".join(parts[n].text for n in range(1, head.packets + 1))

    @staticmethod
    def _reply(head: Frame, end: Mark, serial: int, now: datetime) -> bytes:
        text = serial.to_bytes(2, "big") + _bcd_time(now)
        return Frame(head.centre, head.station, head.password, head.function, text, up=False, end=end).encode()


def _time(data: bytes) -> datetime:
    """YYMMDDHHmm or YYMMDDHHmmSS in BCD. Raises BadFrame."""
    digits = bcd_digits(data)
    return moment(*(int(digits[i : i + 2]) for i in range(0, len(digits), 2)))


def _bcd_time(now: datetime) -> bytes:
    return bytes.fromhex(now.strftime("%y%m%d%H%M%S"))
