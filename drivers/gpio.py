"""Owns the gateway's own pins: outputs set with their direction, inputs polled and debounced; not what hangs on them.

Numbers are BCM's. Edges are not used: they fail on recent kernels (raspberrypi/linux#6037). The library is asked
for when a pin is, so that a site without pins needs none; on a Pi 5 rpi-lgpio takes its place under the same name. Its
calls take microseconds and are made on the loop.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, cast

from pydantic import Field

from drivers.api import Description, Duration, Limits, NotPresent, Point, Quality, Reading, Refused, Section
from drivers.limits import LimitedSwitch, limited

MODULE_VARIABLE = "TOCSIN_GPIO_MODULE"  # another module with this interface, for a bench without pins
PATIENCE = 10  # an input that is not steady within so many times its samples bounces

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
    """A contact on a pin: door, float switch, panel relay."""

    pin: Pin
    active_low: ActiveLow
    pull: Literal["up", "down", "none"] = Field("none", description="the Pi's own resistor, about 50 kOhm")


class GpioInputSection(Section):
    """Contacts that are read together."""

    point: dict[str, GpioInputPoint] = Field(min_length=1)
    samples: Annotated[int, Field(ge=1, le=100, description="so many equal samples in a row make a reading")] = 3
    apart: Annotated[Duration, Field(gt=0, le=1.0, description="time between two samples")] = 0.005


class GpioInputs:
    """Contacts; 1 is active, 0 is not."""

    def __init__(self, name: str, section: GpioInputSection) -> None:
        self.name = name
        self._section = section
        self._ready = False

    async def poll(self) -> Sequence[Reading]:
        """Read every contact until it is steady; one that bounces on is BAD. Raises NotPresent."""
        section = self._section
        steady: dict[str, int] = dict.fromkeys(section.point, 0)  # equal samples in a row
        levels: dict[str, int] = {}
        for _ in range(section.samples * PATIENCE):
            for name, level in self._sample().items():
                steady[name] = steady[name] + 1 if levels.get(name) == level else 1
                levels[name] = level
            if min(steady.values()) >= section.samples:
                break
            await asyncio.sleep(section.apart)
        mono_ns = time.monotonic_ns()
        readings = []
        for name, point in section.point.items():
            good = steady[name] >= section.samples
            quality, reason = (Quality.GOOD, "") if good else (Quality.BAD, "the contact bounces")
            readings.append(Reading(name, float(levels[name] != point.active_low), quality, mono_ns, reason))
        return readings

    def _sample(self) -> Mapping[str, int]:
        points = self._section.point
        with _pins(f"pins of {self.name}") as library:
            if not self._ready:
                pulls = {"up": library.PUD_UP, "down": library.PUD_DOWN, "none": library.PUD_OFF}
                for point in points.values():
                    library.setup(point.pin, library.IN, pull_up_down=pulls[point.pull])
                self._ready = True
            return {name: int(bool(library.input(point.pin))) for name, point in points.items()}


class GpioInputDriver:
    """Contacts on pins, `driver = "gpio-input"`."""

    Section = GpioInputSection

    def describe(self, section: GpioInputSection, base: Path) -> Description:
        """One point with states off and on for each contact. Raises ValueError for a pin given twice."""
        del base
        taken: dict[int, str] = {}
        for name, point in section.point.items():
            if point.pin in taken:
                raise ValueError(f"points {taken[point.pin]!r} and {name!r} are both on pin {point.pin}")
            taken[point.pin] = name
        states = {"off": 0, "on": 1}
        longest_s = section.samples * PATIENCE * section.apart
        points = tuple(Point(name, low=0.0, high=1.0, states=states) for name in section.point)
        return Description(points=points, max_reply_s=max(1.0, longest_s))

    @asynccontextmanager
    async def connect(self, name: str, section: GpioInputSection, bus: Any, base: Path) -> AsyncIterator[GpioInputs]:
        """The contacts; pins become inputs at the first poll. Raises Refused when one is taken."""
        del bus, base
        with _held([point.pin for point in section.point.values()], name):
            yield GpioInputs(name, section)
