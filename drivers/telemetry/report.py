"""Owns what all reporting protocols share: reports, and frames cut out of a stream of bytes; knows no protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, Protocol

from drivers.api import BadFrame, Quality

_MAX_BAD = 20  # frames that fail a check among bytes that came at once; more is babble, and checking it takes time
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")  # all three protocols write the time of day of Beijing


@dataclass(frozen=True, slots=True)
class Value:
    """One thing that a station says. `key` is the protocol's own name of it, as points of a site ask for it.

    `observed` is the time of the measurement by the station's clock; None where age means nothing, as for states,
    of which the last word counts however late it comes.
    """

    key: str
    value: float
    quality: Quality = Quality.GOOD
    reason: str = ""
    observed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came in one message, or in several that belong together.

    `identity` is the same when a station sends the same message again; None where the protocol does not number
    them. `reply` is what the station waits for; empty: nothing.
    """

    station: str
    sent: datetime | None = None  # by the station's clock
    values: tuple[Value, ...] = ()
    reply: bytes = b""
    identity: tuple[object, ...] | None = None
    password: str | None = None
    notes: tuple[str, ...] = ()  # of what could not be read, while the rest could
    spoiled: bool = False  # a wrong checksum, where the protocol wants that answered: it is not even a sign of life


class Cut(NamedTuple):
    """What a stream holds from some place on: so many bytes are done with, and what they were.

    `used` 0: more bytes are needed. Neither frame nor fault: bytes before a frame, which no protocol knows.
    """

    used: int
    frame: bytes = b""  # whole, with a good check sum
    fault: str = ""


class Dialect(Protocol):
    """One side of a protocol on one connection. What it keeps is what packets of one message need."""

    def cut(self, data: bytes, at: int) -> Cut:
        """The first thing in `data` from `at` on, where at least one byte is. Cheap: a flood calls it for each byte."""
        ...

    def take(self, frame: bytes, now: datetime) -> Report | None:
        """The meaning of a whole frame; None for packets whose message goes on. Raises BadFrame.

        `now` is the gateway's time in Beijing, for protocols that want it in replies.
        """
        ...


@dataclass(slots=True)
class Stream:
    """Bytes as they come, frames as they get whole. Never holds more than one longest frame and what came last.

    A frame that is not whole `patience_s` after its first bytes is given up with all that is unfinished behind it: its
    length was a lie, or its end is lost, and what else waits must not wait longer.
    """

    dialect: Dialect
    patience_s: float
    frames: int = 0
    noise: int = 0  # bytes that belong to no frame
    faults: int = 0
    last_fault: str = ""
    _data: bytes = b""
    _since_s: float = 0.0  # since when the first frame is unfinished

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun; feed b"" when patience is over."""
        return bool(self._data)

    def feed(self, data: bytes, now_s: float) -> Iterator[bytes]:
        """Whole frames, in order. `now_s`: monotonic."""
        given_up = bool(self._data) and now_s - self._since_s > self.patience_s
        if given_up:
            self._fault("a frame broke off")
        if not self._data or given_up:
            self._since_s = now_s
        whole, at, bad = bytes(self._data + data), 0, 0
        while at < len(whole):
            used, frame, fault = self.dialect.cut(whole, at)
            if fault:
                self._fault(fault)
                bad += 1
            if bad > _MAX_BAD or (not used and not given_up):
                break
            at += used or 1
            if frame:
                self.frames += 1
                self._since_s = now_s
                yield frame
            else:
                self.noise += used or 1
        self._data = whole[at:] if bad <= _MAX_BAD else b""

    def _fault(self, fault: str) -> None:
        self.faults += 1
        self.last_fault = fault


def before(data: bytes, at: int, mark: bytes) -> int:
    """Bytes from `at` on that are certainly not of a frame that begins with the two bytes of `mark`.

    A half mark at the end may become a whole one.
    """
    found = data.find(mark, at)
    return (found if found >= 0 else len(data) - (data[-1:] == mark[:1])) - at


def bcd_digits(data: bytes) -> str:
    """The digits of packed BCD. Raises BadFrame where a nibble is no digit."""
    digits = data.hex()
    if not digits.isdecimal():
        raise BadFrame(f"{digits} is no number in BCD")
    return digits


def moment(*fields: int) -> datetime:
    """A time of this century in Beijing: two-digit year, month, day, hour, minute, second if any.

    Raises BadFrame for one that no calendar has.
    """
    year, month, day, hour, minute, second = (*fields, 0, 0)[:6]
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=BEIJING)
    except ValueError:
        raise BadFrame(f"{' '.join(f'{field:02d}' for field in fields)} is no time") from None
