"""Owns the gateway's own pins: outputs set with their direction, inputs polled and debounced; not what hangs on them.

Numbers are BCM's. Edges are not used: they fail on recent kernels (raspberrypi/linux#6037). The library is asked
for when a pin is, so that a site without pins needs none; on a Pi 5 rpi-lgpio takes its place under the same name. Its
calls take microseconds and are made on the loop. What a contact's levels mean is `drivers.contacts`'.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, cast

from pydantic import Field, field_validator, model_validator

from drivers.api import Description, Duration, Kind, Limits, NotPresent, Point, Quality, Reading, Refused, Section
from drivers.contacts import EDGE_S, Contact
from drivers.limits import LimitedSwitch, limited

MODULE_VARIABLE = "TOCSIN_GPIO_MODULE"  # another module with this interface, for a bench without pins
_RESTLESS = 10  # a contact that has not rested within so many times its samples or debounce bounces
_LOOK_S = (
    0.01  # each look costs 0.1 ms of the loop's time, and reed contacts of tipping buckets close for 50 ms or more
)
_ABSENT_S = 0.5  # pins that are not there are looked for again
_AMOUNT = re.compile(r"\d+(\.\d+)? +\S.*")

Pin = Annotated[int, Field(ge=0, le=53, description="BCM number, not the place on the header")]
ActiveLow = Annotated[bool, Field(description="true: on means low; must be said, a wrong guess sounds at every start")]


class _Library(Protocol):
    BCM: int
    OUT: int
    IN: int
    PUD_OFF: int
    PUD_UP: int
    PUD_DOWN: int

    def setmode(self, mode: int) -> None: ...
    def setwarnings(self, on: bool) -> None: ...
    def setup(self, pin: int, direction: int, *, initial: int = ..., pull_up_down: int = ...) -> None: ...
    def output(self, pin: int, level: int) -> None: ...
    def input(self, pin: int) -> int: ...


_used: dict[int, str] = {}  # pin -> name of what holds it in this process


@contextmanager
def _held(pins: Sequence[int], name: str) -> Iterator[None]:
    for pin in pins:
        if pin in _used:
            raise Refused(f"pin {pin} is used by {_used[pin]!r} already: give {name!r} another one")
    _used.update(dict.fromkeys(pins, name))
    try:
        yield
    finally:
        for pin in pins:
            del _used[pin]


@contextmanager
def _pins(what: str) -> Iterator[_Library]:
    """The library, ready for BCM numbers; what it raises becomes NotPresent with what to do."""
    module = os.environ.get(MODULE_VARIABLE, "RPi.GPIO")
    try:
        library = cast("_Library", importlib.import_module(module))
        library.setwarnings(False)  # it warns of pins in use, which after a restart they are
        library.setmode(library.BCM)
        yield library
    except ImportError as error:
        raise NotPresent(f"{what}: no {module} here ({error}); install RPi.GPIO, on a Pi 5 rpi-lgpio") from error
    except _errors() as error:
        raise NotPresent(
            f"{what}: {module} says {str(error) or type(error).__name__!r}; see that this is a Raspberry Pi (a Pi 5 "
            "needs rpi-lgpio), that the user is in group gpio, and that the pin exists"
        ) from error


def _errors() -> tuple[type[Exception], ...]:
    # rpi-lgpio lets errors of the library below it through, of a class of their own.
    own = getattr(sys.modules.get("lgpio"), "error", None)
    known = (OSError, RuntimeError, ValueError)
    return (*known, own) if isinstance(own, type) and issubclass(own, Exception) else known


# --- outputs --------------------------------------------------------------------------------------------------


class GpioOutputSection(Section):
    """A relay board, lamp or amplifier on a pin."""

    pin: Pin
    active_low: ActiveLow


class GpioSwitch:
    """One pin. It becomes an output at the first write, at that write's level: at no moment is it anything else."""

    refresh_s: float | None = None

    def __init__(self, name: str, section: GpioOutputSection) -> None:
        self.name = name
        self._section = section
        self._driven = False

    async def set(self, *, on: bool) -> None:
        """Drive the pin. Raises NotPresent."""
        pin, level = self._section.pin, int(on != self._section.active_low)
        with _pins(f"pin {pin}") as library:
            if self._driven:
                library.output(pin, level)
            else:
                library.setup(pin, library.OUT, initial=level)
                self._driven = True

    async def read_back(self) -> bool | None:
        """The level that is on the pin, whoever drives it; None before the first write. Raises NotPresent."""
        if not self._driven:
            return None
        with _pins(f"pin {self._section.pin}") as library:
            return bool(library.input(self._section.pin)) != self._section.active_low


class GpioOutputDriver:
    """Outputs on pins, `driver = "gpio"`."""

    Section = GpioOutputSection
    speaks = False

    def describe(self, section: GpioOutputSection, base: Path) -> Description:
        """Nothing but a warning of what no software can do."""
        del base
        floating = "pulls up" if section.active_low else "pulls down"
        return Description(
            points=(),
            notes=(f"before the agent runs the pin floats: see that the board {floating}, so that it is off",),
        )

    @asynccontextmanager
    async def connect(
        self, name: str, section: GpioOutputSection, bus: Any, limits: Limits, base: Path
    ) -> AsyncIterator[LimitedSwitch]:
        """Off at both ends. The pin is left driven, never cleaned up: an input floats. Raises Refused: pin taken.

        Where there are no pins each `set` raises NotPresent.
        """
        del bus, base
        with _held([section.pin], name):
            async with limited(GpioSwitch(name, section), limits) as switch:
                yield switch


# --- inputs ---------------------------------------------------------------------------------------------------


class GpioInputPoint(Section):
    """A contact on a pin: door, float switch, tamper loop, panel relay, tipping bucket."""

    pin: Pin
    active_low: ActiveLow
    pull: Literal["up", "down", "none"] = Field("none", description="the Pi's own resistor, about 50 kOhm")
    words: tuple[str, str] = Field(("off", "on"), description='names of its states, not active first: ["dry", "wet"]')
    debounce: Duration | None = Field(None, description="so long unchanged makes a state: a float in waves")
    hold: Duration = Field(0.0, description="active shows at least so long: a door opened between two polls")
    per_pulse: str | None = Field(None, description='counts pulses of so much each instead: "0.2 mm", a tipping bucket')

    @field_validator("per_pulse")
    @classmethod
    def _is_amount(cls, text: str | None) -> str | None:
        if text is not None and not (_AMOUNT.fullmatch(text) and float(text.split()[0]) > 0):
            raise ValueError(f'an amount with its unit is expected, such as "0.2 mm", "10 L"; got {text!r}')
        return text

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.per_pulse is not None and (self.hold or self.words != ("off", "on")):
            raise ValueError("per_pulse makes a counter, which has no words and no hold")
        if self.words[0] == self.words[1]:
            raise ValueError(f"words are two different ones; got {list(self.words)}")
        return self

    @property
    def is_watched(self) -> bool:
        """Whether it must be looked at between polls too."""
        return self.per_pulse is not None or self.debounce is not None or self.hold > 0

    @property
    def amount(self) -> tuple[float, str]:
        """Amount and unit of a pulse."""
        number, _, unit = (self.per_pulse or "1").partition(" ")
        return float(number), unit.strip()

    def as_point(self, name: str) -> Point:
        """As the rest of Tocsin sees it."""
        if self.per_pulse is not None:
            return Point(name, self.amount[1], low=0.0, kind=Kind.COUNTER)
        return Point(name, low=0.0, high=1.0, states={word: code for code, word in enumerate(self.words)})


class GpioInputSection(Section):
    """Contacts that are read together."""

    point: dict[str, GpioInputPoint] = Field(min_length=1)
    samples: Annotated[int, Field(ge=1, le=100, description="so many equal samples in a row make a reading")] = 3
    apart: Annotated[Duration, Field(gt=0, le=1.0, description="time between two samples")] = 0.005

    def contact(self, point: GpioInputPoint) -> Contact:
        """What makes sense of the point's pin."""
        if point.debounce is None:
            return Contact(0.0, self.samples, self.wait_s, point.hold)
        return Contact(point.debounce, 2, _RESTLESS * point.debounce, point.hold)

    @property
    def look_s(self) -> float:
        """Time between two looks when contacts are watched between polls."""
        times = [
            max(self.apart, _LOOK_S if point.debounce is None else point.debounce / _RESTLESS)
            for point in self.point.values()
            if point.is_watched
        ]
        return min(times, default=self.apart)

    @property
    def wait_s(self) -> float:
        """Longest time that a poll waits for contacts to rest; slow debouncing goes on between polls."""
        return self.samples * _RESTLESS * self.apart


class GpioInputs:
    """Contacts: 1 is active, 0 is not; and counters of their pulses since the start."""

    def __init__(self, name: str, section: GpioInputSection) -> None:
        self.name = name
        self._section = section
        self._ready = False
        self._contacts = {key: section.contact(point) for key, point in section.point.items()}

    async def watch(self) -> None:
        """Look at the contacts for ever, for what a poll alone would miss."""
        while True:
            wait_s = self._section.look_s
            try:
                self._look()
            except NotPresent:  # poll tells; here it only waits for them
                wait_s = _ABSENT_S
            await asyncio.sleep(wait_s)

    async def poll(self) -> Sequence[Reading]:
        """Wait until every contact rests, not longer than a bounce takes. Raises NotPresent.

        A contact that bounces on is BAD, one that was never seen at rest INHIBITED; a count is UNCERTAIN when nobody
        looked for so long that a pulse may have been missed.
        """
        section = self._section
        self._look()
        end_s = time.monotonic() + section.wait_s
        while not all(contact.rests for contact in self._contacts.values()) and time.monotonic() < end_s:
            await asyncio.sleep(section.apart)
            self._look()
        mono_ns = time.monotonic_ns()
        return [self._reading(name, point, mono_ns) for name, point in section.point.items()]

    def _reading(self, name: str, point: GpioInputPoint, mono_ns: int) -> Reading:
        contact = self._contacts[name]
        if contact.bounces or (contact.shown is None and not point.is_watched):
            return Reading(name, math.nan, Quality.BAD, mono_ns, "the contact bounces")
        if contact.shown is None:
            return Reading(name, math.nan, Quality.INHIBITED, mono_ns, "not seen at rest yet")
        if point.per_pulse is None:
            return Reading(name, float(contact.shown), Quality.GOOD, mono_ns)
        value = round(contact.pulses * point.amount[0], 9)
        blind_s = contact.blind_s
        contact.forget_blindness()
        if blind_s > max(EDGE_S, 2 * self._section.look_s):
            reason = f"nobody looked for {blind_s:.2f} s: pulses may be missing"
            return Reading(name, value, Quality.UNCERTAIN, mono_ns, reason)
        return Reading(name, value, Quality.GOOD, mono_ns)

    def _look(self) -> None:
        points = self._section.point
        with _pins(f"pins of {self.name}") as library:
            if not self._ready:
                pulls = {"up": library.PUD_UP, "down": library.PUD_DOWN, "none": library.PUD_OFF}
                for point in points.values():
                    library.setup(point.pin, library.IN, pull_up_down=pulls[point.pull])
                self._ready = True
            now_s = time.monotonic()
            for name, point in points.items():
                self._contacts[name].see(int(bool(library.input(point.pin)) != point.active_low), now_s)


class GpioInputDriver:
    """Contacts on pins, `driver = "gpio-input"`."""

    Section = GpioInputSection

    def describe(self, section: GpioInputSection, base: Path) -> Description:
        """Two states for each contact, a counter where pulses are counted. Raises ValueError for a pin given twice."""
        del base
        taken: dict[int, str] = {}
        notes = []
        for name, point in section.point.items():
            if point.pin in taken:
                raise ValueError(f"points {taken[point.pin]!r} and {name!r} are both on pin {point.pin}")
            taken[point.pin] = name
            if point.per_pulse is not None:
                shortest_s = max(point.debounce or 0.0, section.samples * section.look_s) + section.look_s
                notes.append(
                    f"{name}: pulses shorter than {shortest_s * 1000:.0f} ms, or while the agent is down, don't count"
                )
        points = tuple(point.as_point(name) for name, point in section.point.items())
        return Description(points=points, max_reply_s=max(1.0, section.wait_s), notes=tuple(notes))

    @asynccontextmanager
    async def connect(self, name: str, section: GpioInputSection, bus: Any, base: Path) -> AsyncIterator[GpioInputs]:
        """The contacts, watched between polls where they need it. Raises Refused when a pin is taken."""
        del bus, base
        with _held([point.pin for point in section.point.values()], name):
            inputs = GpioInputs(name, section)
            if not any(point.is_watched for point in section.point.values()):
                yield inputs
                return
            watch = asyncio.create_task(inputs.watch(), name=f"pins of {name}")
            try:
                yield inputs
            finally:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watch
