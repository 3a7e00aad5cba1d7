"""GB/T 26875.3-2011, fire alarm transmission: frames both ways, states, analog values; knows no wires.

Source: the standard's frame and data units, and its worked examples as cited in docs/telemetry.md. The gateway is the
centre; what speaks is a user information transmission device with the panels behind it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from drivers.api import BadFrame, Quality
from drivers.telemetry.report import Cut, Report, Value, before, moment

MARK, END = b"@@", b"##"
MAX_DATA = 1024
_HEAD = 27  # bytes before the data unit
_READ_SYSTEM, _READ_DEVICE = 61, 81  # what `query` asks


class Command(enum.IntEnum):
    """Command bytes; 128 and up are makers' own."""

    CONTROL = 1
    SEND = 2
    CONFIRM = 3
    REQUEST = 4
    ANSWER = 5
    DENY = 6


# Bits of systems and of components. Bit 0 is the odd one: 1 is normal, 0 is test.
STATES = {
    "test": 0, "fire": 1, "fault": 2, "disabled": 3, "supervision": 4, "started": 5, "feedback": 6, "delayed": 7,
    "mains-fault": 8, "battery-fault": 9, "line-fault": 10, "manual": 11, "changed": 12, "reset": 13,
}  # fmt: skip
DEVICE_STATES = {
    "test": 0, "fire": 1, "fault": 2, "mains-fault": 3, "battery-fault": 4, "uplink-fault": 5, "line-fault": 6,
}  # fmt: skip
COMPONENT_STATES = {name: bit for name, bit in STATES.items() if bit <= 7} | {"supply-fault": 8}
OPERATIONS = {
    "reset": 0, "silence": 1, "manual-alarm": 2, "all-clear": 3, "self-test": 4, "confirm": 5, "test": 6,
}  # fmt: skip


class Analog(NamedTuple):
    """An analog quantity: name, unit, what one count is worth, and the range the standard allows."""

    name: str
    unit: str
    step: float
    low: float
    high: float


ANALOGS = {
    1: Analog("events", "", 1.0, 0, 32000),
    2: Analog("height", "m", 0.01, 0, 320),
    3: Analog("temperature", "degC", 0.1, -273, 3200),
    4: Analog("pressure-mpa", "MPa", 0.1, 0, 3200),
    5: Analog("pressure-kpa", "kPa", 0.1, 0, 3200),
    6: Analog("gas", "%LEL", 0.1, 0, 100),
    7: Analog("time", "s", 1.0, 0, 32000),
    8: Analog("voltage", "V", 0.1, 0, 3200),
    9: Analog("current", "A", 0.1, 0, 3200),
    10: Analog("flow", "l/s", 0.1, 0, 3200),
    11: Analog("air-flow", "m^3/min", 0.1, 0, 3200),
    12: Analog("wind-speed", "m/s", 1.0, 0, 20),
}
ANALOG_BY_NAME = {analog.name: number for number, analog in ANALOGS.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. Addresses are the numbers as they are set at the devices."""

    serial: int
    sent: datetime
    source: int
    target: int
    command: int
    data: bytes = b""
    version: tuple[int, int] = (1, 1)

    def encode(self) -> bytes:
        """The bytes on the wire. Raises ValueError for what the format can't hold."""
        if len(self.data) > MAX_DATA:
            raise ValueError(f"a data unit of {len(self.data)} bytes, at most {MAX_DATA} fit")
        try:
            body = (
                self.serial.to_bytes(2, "little")
                + bytes(self.version)
                + label(self.sent)
                + self.source.to_bytes(6, "little")
                + self.target.to_bytes(6, "little")
                + len(self.data).to_bytes(2, "little")
                + bytes((self.command,))
                + self.data
            )
        except OverflowError as error:
            raise ValueError(f"a number that does not fit its field: {error}") from None
        return MARK + body + bytes((sum(body) & 0xFF,)) + END

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """The frame in exactly these bytes. Raises BadFrame."""
        if len(data) < _HEAD + 3 or data[:2] != MARK or data[-2:] != END:
            raise BadFrame("no GB/T 26875.3 frame")
        size = int.from_bytes(data[24:26], "little")
        if size > MAX_DATA or len(data) != _HEAD + size + 3:
            raise BadFrame(f"{len(data)} bytes, {_HEAD + size + 3} announced")
        if not _sum_ok(data):
            raise BadFrame("checksum wrong")
        source, target = int.from_bytes(data[12:18], "little"), int.from_bytes(data[18:24], "little")
        serial = int.from_bytes(data[2:4], "little")
        return cls(serial, _time(data[6:12]), source, target, data[26], data[27:-3], (data[4], data[5]))

    def reply(self, command: Command, now: datetime, data: bytes = b"") -> Frame:
        """An answer to it, with its serial number."""
        return Frame(self.serial, now, self.target, self.source, command, data, self.version)


def _sum_ok(frame: bytes) -> bool:
    return sum(frame[2:-3]) & 0xFF == frame[-3]


def label(when: datetime) -> bytes:
    """A time label: second, minute, hour, day, month, year."""
    return bytes((when.second, when.minute, when.hour, when.day, when.month, when.year % 100))


def _time(data: bytes) -> datetime:
    second, minute, hour, day, month, year = data
    return moment(year, month, day, hour, minute, second)


def component_key(address: bytes) -> str:
    """Zone and place of a component, as "10-2"; on the wire both are two bytes, low byte first."""
    return f"{int.from_bytes(address[:2], 'little')}-{int.from_bytes(address[2:], 'little')}"


class Gb26875:
    """The centre's side on one connection (see `report.Dialect`)."""

    def __init__(self) -> None:
        self._serial = 0

    def cut(self, data: bytes, at: int = 0) -> Cut:
        """As `report.Dialect` has it. A frame with a wrong sum is cut whole: the standard wants it denied."""
        if noise := before(data, at, MARK):
            return Cut(noise)
        left = len(data) - at
        if left < _HEAD:
            return Cut(0)
        length = int.from_bytes(data[at + 24 : at + 26], "little")
        if length > MAX_DATA:
            return Cut(1)  # two @ within something else
        if left < (size := _HEAD + length + 3):
            return Cut(0)
        frame = data[at : at + size]
        if frame[-2:] != END:
            return Cut(1, fault="no end where the length says")
        return Cut(size, frame, "" if _sum_ok(frame) else "checksum wrong")

    def take(self, frame: bytes, now: datetime) -> Report | None:
        """As `report.Dialect` has it."""
        if not _sum_ok(frame):
            return _denial(frame, now)
        head = Frame.decode(frame)
        station = str(head.source)
        if head.command not in (Command.SEND, Command.ANSWER):
            return Report(station, head.sent)  # it lives
        values, notes = values_of(head.data) if head.data else ([], [])  # empty: a heartbeat
        reply = head.reply(Command.CONFIRM, now).encode() if head.command == Command.SEND else b""
        identity = (head.command, head.serial, head.sent, head.data) if head.data else None
        return Report(station, head.sent, tuple(values), reply, identity, notes=tuple(notes))

    def query(self, station: str, centre: int, systems: list[tuple[int, int]], now: datetime) -> bytes:
        """Ask for the states of systems (type 61) and of the device itself (type 81)."""
        frames = []
        units = [bytes((_READ_DEVICE, 1, 0))]
        if systems:
            units.append(bytes((_READ_SYSTEM, len(systems))) + b"".join(bytes(system) for system in systems))
        for unit in units:
            self._serial = (self._serial + 1) & 0xFFFF
            frames.append(Frame(self._serial, now, centre, int(station), Command.REQUEST, unit).encode())
        return b"".join(frames)


def _denial(frame: bytes, now: datetime) -> Report:
    serial, version = int.from_bytes(frame[2:4], "little"), (frame[4], frame[5])
    source, target = int.from_bytes(frame[12:18], "little"), int.from_bytes(frame[18:24], "little")
    reply = Frame(serial, now, target, source, Command.DENY, version=version).encode()
    return Report(str(source), reply=reply, notes=("checksum wrong, denied",), spoiled=True)


# --- data units -------------------------------------------------------------------------------------------------

_SIZES = {1: 4, 2: 40, 3: 10, 4: 4, 21: 1, 24: 2}  # of one object without its time label
_WITHOUT_VALUES = frozenset({5, 6, 7, 8, 25, 26, 28})  # versions, configurations, clocks


def values_of(data: bytes) -> tuple[list[Value], list[str]]:
    """What a data unit says. Raises BadFrame where its length is not that of its objects.

    Keys: "system:SYSTEM:STATE", "component:SYSTEM:ZONE-PLACE:STATE", "component:SYSTEM:ZONE-PLACE:analog:NAME",
    "device:STATE", "operation:SYSTEM:NAME" or "operation:device:NAME" (1: it was done). SYSTEM is "TYPE.ADDRESS".
    """
    if len(data) < 2:
        raise BadFrame("a data unit without type and count")
    unit, count = data[0], data[1]
    if unit not in _SIZES:
        return [], [] if unit in _WITHOUT_VALUES else [f"data unit of type {unit} unread"]
    size = _SIZES[unit] + 6
    if count == 0 or len(data) != 2 + count * size:
        raise BadFrame(f"{count} objects of type {unit} take {2 + count * size} bytes, got {len(data)}")
    values: list[Value] = []
    for at in range(2, len(data), size):
        values += _object(unit, data[at : at + size - 6], data[at + size - 6 : at + size])
    return values, []


def _object(unit: int, body: bytes, stamp: bytes) -> Iterator[Value]:
    if unit == 21:
        yield from _states("device", body[0], DEVICE_STATES)
        return
    if unit == 24:
        yield from _operations("device", body[0])
        return
    system = f"{body[0]}.{body[1]}"
    match unit:
        case 1:
            yield from _states(f"system:{system}", int.from_bytes(body[2:4], "little"), STATES)
        case 2:
            of = f"component:{system}:{component_key(body[3:7])}"
            yield from _states(of, int.from_bytes(body[7:9], "little"), COMPONENT_STATES)
        case 3:
            yield _analog(f"component:{system}:{component_key(body[3:7])}", body[7:], _time(stamp))
        case 4:
            yield from _operations(system, body[2])


def _operations(of: str, done: int) -> Iterator[Value]:
    for name, bit in OPERATIONS.items():
        if done >> bit & 1:
            yield Value(f"operation:{of}:{name}", 1.0)


def _states(of: str, state: int, names: dict[str, int]) -> Iterator[Value]:
    # Bit 0 says test where it is 0. Many devices never set it (the standard's own examples do not), and a fire that
    # is taken for a test is worse than a test that is taken for a fire: the states count, only told apart.
    testing = not state & 1
    for name, bit in names.items():
        if bit == 0:
            yield Value(f"{of}:test", float(testing))
        elif testing:
            yield Value(f"{of}:{name}", float(state >> bit & 1), Quality.UNCERTAIN, "its bit 0 says test")
        else:
            yield Value(f"{of}:{name}", float(state >> bit & 1))


def _analog(of: str, body: bytes, observed: datetime) -> Value:
    number, count = body[0], int.from_bytes(body[1:3], "little", signed=True)
    analog = ANALOGS.get(number)
    if analog is None:
        reason = f"analog type {number} is not known"
        return Value(f"{of}:analog:{number}", math.nan, Quality.BAD, reason, observed)
    key, value = f"{of}:analog:{analog.name}", round(count * analog.step, 2)
    if value > analog.high:
        return Value(key, value, Quality.OVER_RANGE, "above the range", observed)
    if value < analog.low:
        return Value(key, value, Quality.UNDER_RANGE, "below the range", observed)
    return Value(key, value, observed=observed)
