"""The elements of an SL 651-2014 report: identifiers, BCD numbers, series over time; pure, and never a guess."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from drivers.api import BadFrame, Kind, Quality
from drivers.telemetry.report import Value, bcd_digits, moment


class Element(NamedTuple):
    """What an identifier means (annex C of the standard)."""

    name: str
    unit: str = ""
    kind: Kind = Kind.GAUGE
    wrap: float | None = None


ELEMENTS: dict[str, Element] = {
    "02": Element("air-temperature", "degC"),
    "03": Element("water-temperature", "degC"),
    "08": Element("air-pressure", "hPa"),
    "09": Element("gate-opening", "m"),
    "0d": Element("ground-temperature", "degC"),
    "0e": Element("groundwater-depth", "m"),
    "0f": Element("wave-height", "m"),
    **{f"{0x10 + n:02x}": Element(f"soil-water-{depth}cm", "percent")
       for n, depth in enumerate((10, 20, 30, 40, 50, 60, 80, 100))},
    "18": Element("humidity", "percent"),
    "1a": Element("rain-1h", "mm", Kind.INCREMENT),
    "1b": Element("rain-2h", "mm", Kind.INCREMENT),
    "1c": Element("rain-3h", "mm", Kind.INCREMENT),
    "1d": Element("rain-6h", "mm", Kind.INCREMENT),
    "1e": Element("rain-12h", "mm", Kind.INCREMENT),
    "1f": Element("rain-day", "mm", Kind.INCREMENT),
    "20": Element("rain-today", "mm", Kind.RUNNING_TOTAL),  # since 8 o'clock
    "21": Element("rain-1min", "mm", Kind.INCREMENT),
    "22": Element("rain-5min", "mm", Kind.INCREMENT),
    "23": Element("rain-10min", "mm", Kind.INCREMENT),
    "24": Element("rain-30min", "mm", Kind.INCREMENT),
    "26": Element("rain-total", "mm", Kind.COUNTER, 100_000.0),  # N(6,1)
    "27": Element("flow", "m^3/s"),
    "33": Element("wind-direction"),  # a code of 16 points
    "34": Element("wind-force"),  # Beaufort
    "35": Element("wind-speed", "m/s"),
    "36": Element("mean-velocity", "m/s"),
    "37": Element("velocity", "m/s"),
    "38": Element("supply", "V"),
    "39": Element("stage", "m"),
    "3a": Element("stage-below", "m"),
    "3b": Element("stage-above", "m"),
    "45": Element("condition"),  # bits, see BITS
    "58": Element("water-pressure", "kPa"),
    "f4": Element("rain-hour", "mm", Kind.INCREMENT),  # the sum of 12 periods of 5 minutes
    **{f"{0xF4 + n:02x}": Element(f"level-{n}", "m") for n in range(1, 9)},
}  # fmt: skip
BY_NAME = {element.name: lead for lead, element in ELEMENTS.items()}

# Bits of element 45 (table 58). The door's is the other way round: 0 is open.
BITS: dict[str, tuple[int, dict[str, int]]] = {
    "mains": (0, {"normal": 0, "failed": 1}),
    "battery": (1, {"normal": 0, "low": 1}),
    "level-alarm": (2, {"normal": 0, "alarm": 1}),
    "flow-alarm": (3, {"normal": 0, "alarm": 1}),
    "quality-alarm": (4, {"normal": 0, "alarm": 1}),
    "flow-meter": (5, {"normal": 0, "fault": 1}),
    "level-gauge": (6, {"normal": 0, "fault": 1}),
    "door": (7, {"open": 0, "closed": 1}),
    "memory": (8, {"normal": 0, "fault": 1}),
}

_STATION, _TIME, _BY_HAND, _PICTURE, _RAIN_SERIES = 0xF1, 0xF0, 0xF2, 0xF3, 0xF4
_LEVEL_SERIES = range(0xF5, 0xFD)  # F5 to FC
_STEP, _CONDITION, _EXTENDED = 0x04, 0x45, 0xFF
_FIVE_MINUTES = timedelta(minutes=5)


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise BadFrame(f"an element of {size} bytes, {len(self.data) - self.at} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    @property
    def left(self) -> int:
        return len(self.data) - self.at


def values(body: bytes, sent: datetime, station: str) -> tuple[list[Value], list[str]]:
    """What a report says after its number and time, and notes of what can't be read. Raises BadFrame.

    Of a series (12 levels, a report of even periods) the last value counts: the earlier ones are history. The twelve
    rains of an hour are one increment, their sum.
    """
    reader, notes = _Reader(body), list[str]()
    found: list[Value] = []
    observed, step = sent, None
    while reader.left:
        lead = reader.take(1)[0]
        if lead == _TIME:
            _repeated(reader, lead)
            observed = _minute(reader.take(5))
        elif lead == _STATION:
            _repeated(reader, lead)
            told = reader.take(5).hex()
            if told != station:
                raise BadFrame(f"station {station} reports for {told}")
            reader.take(1)  # class of station
        elif lead in (_BY_HAND, _PICTURE):
            notes.append("written by hand" if lead == _BY_HAND else "a picture")
            break
        elif lead == _STEP:
            step = _step(reader.take(reader.take(1)[0] >> 3))
        else:
            found.append(_element(reader, lead, observed, sent, step))
    return found, notes


def _element(reader: _Reader, lead: int, observed: datetime, sent: datetime, step: timedelta | None) -> Value:
    key = f"{lead:02x}" if lead != _EXTENDED else f"ff{reader.take(1).hex()}"
    size, decimals = divmod(reader.take(1)[0], 8)
    if lead == _RAIN_SERIES:
        return _rains(key, reader.take(12), _last_of_hour(observed, sent))
    if lead in _LEVEL_SERIES:  # always 24 bytes: some stations write another length
        return _level(key, reader.take(24), _last_of_hour(observed, sent))
    if size == 0:
        raise BadFrame(f"element {key} of no bytes")
    if lead == _CONDITION:
        return Value(key, float(int.from_bytes(reader.take(size), "big")))
    data = reader.take(size)
    if step is not None:  # a report of even periods holds one element, again and again
        while reader.left:
            data, observed = reader.take(size), observed + step
        if not step:  # as in the standard's own example: all that is known is that the last one is the newest
            observed = sent
    return number(key, data, decimals, observed)


def number(key: str, data: bytes, decimals: int, observed: datetime | None = None) -> Value:
    """A BCD number with that many decimals; a first byte FF is the sign, all FF (or AA) says that there is none."""
    if set(data) in ({0xFF}, {0xAA}):
        return Value(key, math.nan, Quality.BAD, "the station has no value", observed)
    sign, digits = (-1, data[1:]) if data[0] == 0xFF else (1, data)
    try:
        figure = sign * int(bcd_digits(digits)) / 10**decimals
    except BadFrame as error:
        return Value(key, math.nan, Quality.BAD, error.reason, observed)
    return Value(key, figure, observed=observed)


def _rains(key: str, data: bytes, observed: datetime) -> Value:
    invalid = data.count(0xFF)
    if invalid:
        return Value(key, math.nan, Quality.BAD, f"{invalid} of 12 periods have no value", observed)
    return Value(key, sum(data) / 10, observed=observed)


def _level(key: str, data: bytes, observed: datetime) -> Value:
    last = data[-2:]
    if last == b"\xff\xff":
        return Value(key, math.nan, Quality.BAD, "the station has no value", observed)
    return Value(key, int.from_bytes(last, "big") / 100, observed=observed)


def _last_of_hour(observed: datetime, sent: datetime) -> datetime:
    # By the standard's examples the time is that of the first of twelve; provincial rules write the last one's.
    last = observed + 11 * _FIVE_MINUTES
    return last if last <= sent else observed


def _repeated(reader: _Reader, lead: int) -> None:
    if reader.take(1)[0] != lead:
        raise BadFrame(f"identifier {lead:02x} must come twice")


def _minute(data: bytes) -> datetime:
    digits = bcd_digits(data)
    return moment(*(int(digits[i : i + 2]) for i in range(0, 10, 2)))


def _step(data: bytes) -> timedelta:
    digits = bcd_digits(data)
    if len(digits) != 6:
        raise BadFrame(f"{digits!r} is no step of days, hours and minutes")
    return timedelta(days=int(digits[:2]), hours=int(digits[2:4]), minutes=int(digits[4:]))
