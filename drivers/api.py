"""The seam for third parties: what a driver is given, what it must give back, and nothing of the agent."""

from __future__ import annotations

import asyncio
import enum
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


class Quality(enum.IntEnum):
    """How far a reading can be trusted. The numbers are journalled and judged by; they never change meaning."""

    GOOD = 0
    UNCERTAIN = 1  # usable, told apart: averaged by the device, clock of the device doubtful ...
    OVER_RANGE = 2  # a measurement: at least `value`. It alarms; it never clears
    UNDER_RANGE = 3  # below what the device can measure: a fault for most sensors, so not usable
    INHIBITED = 4  # the device says it is not measuring: warm-up, calibration, bump test
    BAD = 5  # the device answered, the value is not one: NaN, a sentinel, a fault code
    COMM_FAULT = 6  # no answer, or one that failed a check

    @property
    def usable(self) -> bool:
        """Whether judgement may use the value."""
        return self <= Quality.OVER_RANGE


class Kind(enum.StrEnum):
    """What a point's number is, so that sums over time come out right."""

    GAUGE = "gauge"
    COUNTER = "counter"  # rises for ever, wraps at `wrap`, restarts at 0
    INCREMENT = "increment"  # amount since the last reading
    RUNNING_TOTAL = "running_total"  # total since a reset
    INTENSITY = "intensity"  # amount per time


@dataclass(frozen=True, slots=True)
class Point:
    """A measured thing of one device, as its driver knows it before any wire is opened."""

    name: str  # within the device: "level"; the site calls it "underpass.level"
    unit: str = ""  # see rules.units: "mm", "degC", "percent", "%LEL", "ppm" ...
    low: float | None = None  # range in `unit`
    high: float | None = None
    kind: Kind = Kind.GAUGE
    states: Mapping[str, int] = field(default_factory=dict)  # word -> code, for enumerated points
    wrap: float | None = None  # counters: the value at which it starts again at 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample. All readings of one poll reply carry the same `mono_ns`.

    `value` is in the point's unit; with a quality that is not usable it is what the device sent, or NaN.
    Unit and range stand in the `Point`; wall time and its trust are stamped once a step where the reading is taken in.
    """

    point: str
    value: float
    quality: Quality
    mono_ns: int  # time.monotonic_ns() when the last byte of the reply had arrived
    reason: str = ""  # why it is not GOOD, in a few words


# --- errors -------------------------------------------------------------------------------------------------


class DriverError(Exception):
    """Anything a wire can do to a driver. `reason` is short and fit for a technician's screen."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Timeout(DriverError):  # noqa: N818 - the design's words
    """No answer within the time the device is allowed."""


class BadFrame(DriverError):  # noqa: N818
    """An answer that failed a check: CRC, unit id, function, count, length."""


class Refused(DriverError):  # noqa: N818
    """The device (or the output's own limits) said no: nothing was carried out."""


class NotPresent(DriverError):  # noqa: N818
    """The port, host or pin is not there."""


# --- sections of the site file --------------------------------------------------------------------------------

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)\s*")


def duration(text: object) -> float:
    """Seconds of a duration such as "500 ms", "3 min" or "8 h".

    Raises ValueError for anything else, a bare number included: a number without a unit has killed people.
    """
    if isinstance(text, str) and (found := _DURATION.fullmatch(text)):
        return float(found[1]) * _SECONDS[found[2]]
    raise ValueError(f'a duration with its unit is expected, such as "500 ms", "10 s", "3 min", "8 h"; got {text!r}')


def _duration_or_seconds(value: object) -> float:
    # Defaults written in code are already seconds; text is what a site file holds. TOML numbers are refused.
    return duration(value)


Duration = Annotated[
    float,
    BeforeValidator(_duration_or_seconds),
    WithJsonSchema({"type": "string", "format": "duration", "pattern": r"^\s*\d+(\.\d+)?\s*(us|ms|s|min|h|d)\s*$"}),
]


class Section(BaseModel):
    """A driver's own part of a `[device.x]` or `[output.x]` table. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


# --- lines ----------------------------------------------------------------------------------------------------


Table = Literal["holding", "input", "coil", "discrete"]  # of Modbus


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer on the wire, for the load of a line."""

    request_bytes: int
    reply_bytes: int
    device_s: float = 0.0  # how long the device takes to answer, at its slowest
    points: tuple[str, ...] = ()  # that it serves; empty: all of them


class Bus(Protocol):
    """A line with one owner, already open: `ModbusBus`, or `RawBus` where `framing = "raw"`."""

    @property
    def name(self) -> str:
        """The bus's name in the site file."""
        ...


class ModbusBus(Bus, Protocol):
    """A Modbus line, serial or TCP: one request at a time, retries and quiet times kept, replies checked."""

    def expect(self, unit_id: int, max_reply_s: float, gap_s: float = 0.0) -> None:
        """Say, when connecting, how long a unit may take and must be left alone between requests."""
        ...

    async def read(self, table: Table, unit_id: int, address: int, count: int, *, urgent: bool = False) -> list[int]:
        """Words 0..65535, or 0/1 of bit tables, from 0-based `address`. Raises DriverError."""
        ...

    async def write(
        self, table: Table, unit_id: int, address: int, values: Sequence[int], *, urgent: bool = True
    ) -> None:
        """Write coils or holding registers. Raises DriverError; what raised may or may not have been carried out."""
        ...

    async def exchange(self, unit_id: int, pdu: bytes, expect: bytes | int | None = None) -> bytes:
        """Send function code and data, give back the unit's; `expect`: its reply, or its length. Raises DriverError."""
        ...


class Finder(Protocol):
    """Finds messages in a stream of bytes, however they are cut and whatever is between them."""

    def feed(self, data: bytes) -> list[Any]:
        """Take what came; all messages that are whole now, checked."""
        ...

    def clear(self) -> None:
        """Forget a message that has begun."""
        ...

    def why_not(self) -> str:
        """What is wrong with what came so far; "" when nothing came."""
        ...


class RawBus(Bus, Protocol):
    """A line without Modbus: bytes, stamped when they came."""

    turn: asyncio.Lock  # held while asking, for as long as questions belong together

    async def ask(self, question: bytes, finder: Finder, *, reply_s: float, unit: int = 0) -> tuple[list[Any], int]:
        """Send; the first messages that the finder finds, and `mono_ns` of their last byte. The caller holds `turn`.

        Raises Timeout when nothing came, BadFrame when it was no message, NotPresent. Late answers never meet the
        next question: after a failure the line is left alone for a while.
        """
        ...

    def listen(self, hear: Callable[[bytes, int], None]) -> Callable[[], None]:
        """Have `hear(bytes, mono_ns)` called with all that comes, until what is given back is called."""
        ...

    def send(self, data: bytes) -> None:
        """Write without waiting. Raises NotPresent, Timeout."""
        ...


# --- instruments ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a device from its section alone, with no wire opened."""

    points: tuple[Point, ...]
    exchanges: tuple[Exchange, ...] = ()  # of one poll
    baudrates: tuple[int, ...] = ()  # that the device can do; empty: unknown
    parity: str = ""  # "N", "E", "O" when the device can do only that
    unit_id: int | None = None  # on Modbus lines, so that two devices with one id are found
    max_reply_s: float = 1.0  # slowest answer; a line stays quiet that long after a failure
    notes: tuple[str, ...] = ()  # quirks worth telling a technician
    framings: tuple[str, ...] = ("rtu", "tcp")  # of the buses it can be on; "raw": lines without Modbus
    live: bool = True  # False: there are recordings of it only, and it never gives a reading
    stale_after_s: float | None = None  # of its points, unless the site says; None: three periods


class Instrument(Protocol):
    """An open device. `poll` reads every point once."""

    @property
    def name(self) -> str:
        """The device's name in the site file."""
        ...

    async def poll(self) -> Sequence[Reading]:
        """Read every point; points are named without the device. Raises DriverError when there was no answer.

        A device that answers with nonsense for one point gives that point a bad quality and the others their values.
        Never fills gaps, never repeats an old value, never waits longer than 7 s, lets cancellation pass. Of a device
        that talks on its own: what was heard since the last poll, and an empty list while its next message isn't due.
        """
        ...


@runtime_checkable
class Selective(Protocol):
    """An instrument that can read some of its points without the others, so that they may have periods of their own."""

    async def poll_points(self, points: Collection[str]) -> Sequence[Reading]:
        """Read these points once, and no others than their requests hold anyway. As `Instrument.poll` otherwise."""
        ...


class InstrumentDriver(Protocol):
    """What an entry point of group `tocsin.drivers` names: an object (or module) with these three."""

    Section: type[Section]

    def describe(self, section: Any, base: Path) -> Description:
        """Everything known before a wire is opened. `base` resolves paths. Raises ValueError with the reason."""
        ...

    def connect(self, name: str, section: Any, bus: Any, base: Path) -> AbstractAsyncContextManager[Instrument]:
        """An instrument on an open bus. It gets its own section and that bus, never the whole site nor the agent."""
        ...


# --- outputs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What no rule, command or bug may exceed. Kept by the driver, see `drivers.limits`.

    An activation begins when the output goes on after having been off for `min_off_s`; shorter offs are segments of
    its pattern. It lasts at most `max_on_s`, and begins at most `max_starts_per_hour` times in any hour.
    """

    max_on_s: float  # math.inf: no limit, for what is moved rather than sounded
    min_off_s: float
    max_starts_per_hour: int
    keep: bool = False  # true: left as it is when a connection begins and ends (a barrier, a valve), never a sounder


class Switch(Protocol):
    """An output that is on or off: a siren, a lamp, a barrier. Patterns are made by switching it."""

    @property
    def name(self) -> str:
        """The output's name in the site file."""
        ...

    @property
    def refresh_s(self) -> float | None:
        """How often `set(on=True)` must be repeated because the device switches off by itself; None: it does not."""
        ...

    async def set(self, *, on: bool) -> None:
        """Write the state. Raises DriverError; a write that raised may or may not have been carried out."""
        ...

    async def read_back(self) -> bool | None:
        """The state as the device reports it; None where it can't tell. Raises DriverError."""
        ...


class Voice(Protocol):
    """An output that speaks or plays recordings."""

    @property
    def name(self) -> str:
        """The output's name in the site file."""
        ...

    async def play(self, recording: Path) -> None:
        """Play a WAV file to its end. Raises DriverError when it was not played whole; cancelling stops the sound."""
        ...


class OutputDriver(Protocol):
    """What an entry point of group `tocsin.outputs` names."""

    Section: type[Section]
    speaks: bool  # True: connect() gives a Voice, False: a Switch

    def describe(self, section: Any, base: Path) -> Description:
        """As for instruments; `points` is empty, `exchanges` are those of one write with its read-back."""
        ...

    def connect(
        self, name: str, section: Any, bus: Any, limits: Limits, base: Path
    ) -> AbstractAsyncContextManager[Switch | Voice]:
        """An output within its limits, off (or as declared) before it is handed over. `bus` is None for pins."""
        ...
