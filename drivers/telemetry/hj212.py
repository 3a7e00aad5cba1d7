"""HJ 212-2017, environment telemetry (dust, noise, air): text frames both ways and their data flags; knows no wires.

Source: the standard's frame, its checksum with the worked example of annex A, and flags as cited in docs/telemetry.md.
HJ/T 212-2005 frames are read too: they differ in lengths and have no version in Flag.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from drivers.api import BadFrame, Quality
from drivers.telemetry.report import BEIJING, Cut, Report, Value, before

MARK, END = b"##", b"\r\n"
MAX_DATA = 9999  # what four digits can say; the standard allows 1024
REALTIME, MINUTE, HOUR, DAY = "2011", "2051", "2061", "2031"
TELLING = {REALTIME: "now", MINUTE: "minute", HOUR: "hour", DAY: "day"}  # command -> what its data are of
_DATA_REPLY, _NOTICE_REPLY, _ANSWER_SYSTEM = "9014", "9013", "91"
_ACK_WANTED, _SPLIT = 1, 2  # bits of Flag
_REPLY_FLAG = "4"  # version 2017, nothing wanted
_MAX_PACKETS = 64

# Data flags (table of the standard) -> quality and what is told.
FLAGS: dict[str, tuple[Quality, str]] = {
    "N": (Quality.GOOD, ""),
    "F": (Quality.INHIBITED, "the instrument is out of use (F)"),
    "M": (Quality.INHIBITED, "the instrument is being maintained (M)"),
    "S": (Quality.INHIBITED, "the value was set by hand (S)"),
    "D": (Quality.BAD, "the instrument is faulty (D)"),
    "C": (Quality.INHIBITED, "the instrument is being calibrated (C)"),
    "T": (Quality.OVER_RANGE, "above the instrument's range (T)"),
    "B": (Quality.COMM_FAULT, "the station does not reach the instrument (B)"),
}


class Factor(NamedTuple):
    """What a code of HJ 525 and HJ 212 annex B means."""

    name: str
    unit: str


FACTORS: dict[str, Factor] = {
    "a34001": Factor("tsp", "ug/m^3"),
    "a34002": Factor("pm10", "ug/m^3"),
    "a34004": Factor("pm2.5", "ug/m^3"),
    "a01001": Factor("temperature", "degC"),
    "a01002": Factor("humidity", "percent"),
    "a01006": Factor("pressure", "kPa"),
    "a01007": Factor("wind-speed", "m/s"),
    "a01008": Factor("wind-direction", "deg"),
    "LA": Factor("noise", "dB"),
    "Leq": Factor("noise-leq", "dB"),
}
BY_NAME = {factor.name: code for code, factor in FACTORS.items()}

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_TIME = re.compile(r"\d{14}(\d{3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """A data segment: its fields in order, and groups of parameters within `CP=&&...&&`."""

    fields: Mapping[str, str]
    groups: tuple[Mapping[str, str], ...] = field(default=())

    def encode(self) -> bytes:
        """The frame. Raises ValueError where the segment is too long or not ASCII."""
        head = "".join(f"{name}={text};" for name, text in self.fields.items())
        inside = ";".join(",".join(f"{k}={v}" for k, v in group.items()) for group in self.groups)
        data = f"{head}CP=&&{inside}&&".encode("ascii")
        if len(data) > MAX_DATA:
            raise ValueError(f"a segment of {len(data)} bytes, at most {MAX_DATA} fit")
        return MARK + f"{len(data):04d}".encode() + data + f"{crc(data):04X}".encode() + END

    @classmethod
    def decode(cls, data: bytes) -> Message:
        """The message of a data segment (between length and checksum). Raises BadFrame."""
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError:
            raise BadFrame("bytes that are no ASCII") from None
        head, found, inside = text.partition("CP=&&")
        if not found or not inside.endswith("&&"):
            raise BadFrame("no CP=&&...&&")
        return cls(_pairs(head, ";"), tuple(_pairs(group, ",") for group in inside[:-2].split(";") if group))


def _pairs(text: str, separator: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, found, value = part.partition("=")
        if not found or not name:
            raise BadFrame(f"{part[:40]!r} is no name=value")
        if name in pairs:
            raise BadFrame(f"{name[:40]!r} comes twice")
        pairs[name] = value
    return pairs


def crc(data: bytes) -> int:
    """The checksum of annex A: unlike CRC-16 of Modbus, the byte meets only the high half of the register."""
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


class Hj212:
    """The platform's side on one connection (see `report.Dialect`)."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str, str], dict[int, Message]] = {}  # (station, QN, CN) -> packets

    def cut(self, data: bytes, at: int = 0) -> Cut:
        """As `report.Dialect` has it."""
        if noise := before(data, at, MARK):
            return Cut(noise)
        left = len(data) - at
        if left < 6:
            return Cut(0)
        if not data[at + 2 : at + 6].isdigit():
            return Cut(1)
        if left < (size := 6 + int(data[at + 2 : at + 6]) + 6):
            return Cut(0)
        frame = data[at : at + size]
        if frame[-2:] != END:
            return Cut(1, fault="no end where the length says")
        if frame[-6:-2].upper() != f"{crc(frame[6:-6]):04X}".encode():
            return Cut(1, fault="checksum wrong")
        return Cut(size, frame)

    def take(self, frame: bytes, now: datetime) -> Report | None:
        """As `report.Dialect` has it."""
        del now
        message = Message.decode(frame[6:-6])
        fields = message.fields
        missing = [name for name in ("ST", "CN", "MN") if not fields.get(name)]
        if missing:
            raise BadFrame(f"{', '.join(missing)} missing")
        reply = _reply(fields)
        flag = _flag(fields)
        groups = message.groups
        if flag & _SPLIT and "PNUM" in fields:
            whole = self._whole(message)
            if whole is None:
                # Each packet is answered on its own, or the station would send it again.
                return Report(fields["MN"], reply=reply, password=fields.get("PW")) if reply else None
            groups = whole
        sent = _moment(fields.get("QN", ""))
        values, notes = _values(fields["CN"], groups, sent)
        number = (fields.get("QN"), fields["CN"], fields.get("PNO")) if fields.get("QN") else None
        return Report(fields["MN"], sent, tuple(values), reply, number, fields.get("PW"), tuple(notes))

    def query(self, station: str, system: str, password: str, now: datetime) -> bytes:
        """Ask a station to begin with real-time data (CN 2011 downwards)."""
        stamp = now.strftime("%Y%m%d%H%M%S") + f"{now.microsecond // 1000:03d}"
        names = ("QN", "ST", "CN", "PW", "MN", "Flag")
        return Message(dict(zip(names, (stamp, system, REALTIME, password, station, "5"), strict=True))).encode()

    def _whole(self, message: Message) -> tuple[Mapping[str, str], ...] | None:
        fields = message.fields
        try:
            packets, packet = int(fields["PNUM"]), int(fields.get("PNO", ""))
        except ValueError:
            raise BadFrame("PNUM and PNO are no numbers") from None
        if not 1 <= packet <= packets <= _MAX_PACKETS:
            raise BadFrame(f"packet {packet} of {packets}; at most {_MAX_PACKETS} are put together")
        key = (fields["MN"], fields.get("QN", ""), fields["CN"])
        if key not in self._parts:
            while len(self._parts) >= 4:  # unfinished messages of this connection; the oldest will not end any more
                del self._parts[next(iter(self._parts))]
        parts = self._parts.setdefault(key, {})
        parts[packet] = message
        if len(parts) < packets:
            return None
        del self._parts[key]
        return tuple(group for n in sorted(parts) for group in parts[n].groups)


def _flag(fields: Mapping[str, str]) -> int:
    text = fields.get("Flag", "0")
    if not (text.isascii() and text.isdecimal()) or int(text) > 255:
        raise BadFrame(f"Flag {text[:10]!r} is no number of a byte")
    return int(text)


def _reply(fields: Mapping[str, str]) -> bytes:
    """What a station waits for that set the bit; a message that is itself an answer gets none."""
    command = fields["CN"]
    if not _flag(fields) & _ACK_WANTED or command.startswith("901"):
        return b""
    names = {"QN": fields.get("QN", ""), "ST": _ANSWER_SYSTEM, "CN": _DATA_REPLY if command in TELLING else
             _NOTICE_REPLY, "PW": fields.get("PW", ""), "MN": fields["MN"], "Flag": _REPLY_FLAG}  # fmt: skip
    return Message(names).encode()


def _moment(text: str) -> datetime | None:
    """YYYYMMDDhhmmss and maybe milliseconds; None for anything else: the frame is not worse for it."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None


def _values(
    command: str, groups: tuple[Mapping[str, str], ...], sent: datetime | None
) -> tuple[list[Value], list[str]]:
    """Every `code-field` of telling commands, as `now:code-field`, `minute:code-field` ..."""
    if command not in TELLING:
        return [], []
    observed, found, notes = sent, [], []
    for group in groups:
        if "DataTime" in group:
            observed = _moment(group["DataTime"])
            if observed is None:
                notes.append(f"DataTime {group['DataTime'][:20]!r} is no time")
        for name, text in group.items():
            code, dash, what = name.rpartition("-")
            if dash and what not in ("Flag", "SampleTime", "EFlag"):
                flag = group.get(f"{code}-Flag", "N")
                found.append(_value(f"{TELLING[command]}:{code}-{what}", text, flag, observed))
    return found, notes


def _value(key: str, text: str, flag: str, observed: datetime | None) -> Value:
    quality, reason = FLAGS.get(flag.strip(), (Quality.BAD, f"flag {flag[:8]!r} is not known"))
    if not _NUMBER.fullmatch(text.strip()) or not math.isfinite(number := float(text)):
        if quality.usable:
            quality, reason = Quality.BAD, f"{text[:20]!r} is no number"
        return Value(key, math.nan, quality, reason, observed)
    return Value(key, number, quality, reason, observed)
