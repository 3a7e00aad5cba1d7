"""The small parts that a register map is written with: gates, constants, triggers, locks, signs; not the map itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.api import Duration
from drivers.frames import BIT_TABLES, Table

GateWord = Literal["good", "uncertain", "over_range", "inhibited", "bad"]


class Part(BaseModel):
    """Unknown keys are errors; nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Gate(Part):
    """What the state, or with `within` the value, of another point makes of this one. All else: `otherwise`."""

    point: str  # the one that tells; it may be hidden
    good: tuple[str, ...] = ()  # its states in which this one is good; likewise the next four
    uncertain: tuple[str, ...] = ()  # usable, told apart
    over_range: tuple[str, ...] = ()  # the value is a measurement: at least that
    inhibited: tuple[str, ...] = ()  # the device says it is not measuring
    bad: tuple[str, ...] = ()  # the value is none
    within: tuple[float | str, float | str] | None = None  # good from here to there, in its unit; names are constants
    otherwise: GateWord = "inhibited"  # in all other states, outside `within`
    at_least: str | None = None  # a point that holds the full scale, the least value when over_range

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.within and self.states:
            raise ValueError("within and lists of states can't both be used")
        return self

    def word(self, state: str) -> GateWord:
        """What `state` makes of the point."""
        words: tuple[GateWord, ...] = ("good", "uncertain", "over_range", "inhibited", "bad")
        return next((word for word in words if state in getattr(self, word)), self.otherwise)

    @property
    def states(self) -> tuple[str, ...]:
        """All that are listed."""
        return self.good + self.uncertain + self.over_range + self.inhibited + self.bad


class ScaleFrom(Part):
    """A factor that the device itself tells, by the code in another point."""

    point: str  # holds the code
    factors: dict[int, float]  # code -> factor; an unknown code is BAD


class UnitFrom(Part):
    """The unit that the device itself tells, by the code in another point."""

    point: str  # holds the code
    units: dict[int, str]  # code -> unit; one that does not fit the point's unit is BAD


class Constant(Part):
    """A figure of the single instrument, from its calibration sheet: formulas name it, the site gives it.

    In the site file: `constants = { k = 0.0016, f0 = 812.5 }`, numbers in `unit`.
    """

    note: str  # what it is and where it is found
    unit: str = ""  # for people
    value: float | None = Field(None, allow_inf_nan=False)  # used when the site says nothing; none: the site must
    low: float | None = None  # what a site may give, at least
    high: float | None = None  # at most
    choices: tuple[float, ...] = ()  # or only one of these

    @property
    def allowed(self) -> str:
        """In words, for whoever gave another number."""
        if self.choices:
            return f"one of {', '.join(f'{choice:g}' for choice in self.choices)} {self.unit}".rstrip()
        low = "" if self.low is None else f" from {self.low:g}"
        high = "" if self.high is None else f" to {self.high:g}"
        return f"a number{low}{high} {self.unit}".rstrip()

    def takes(self, value: float) -> bool:
        """Whether a site may give this number."""
        if self.choices:
            return value in self.choices
        above = self.low is None or value >= self.low
        return math.isfinite(value) and above and (self.high is None or value <= self.high)


class Trigger(Part):
    """What is written before every poll, for a device that measures only when told: the one write of a map."""

    table: Literal["holding", "coil"] = "holding"  # holding or coil
    address: int = Field(ge=0, le=65535)  # from 0
    value: int = Field(ge=0, le=65535)  # the word that is written
    wait: Duration  # until the values are there


class Locked(Part):
    """Registers that are never written while guarding: unlock words, addresses, speeds, modes."""

    table: Literal["holding", "coil"] = "holding"  # holding or coil
    address: int = Field(ge=0, le=65535)  # from 0
    count: int = Field(1, ge=1, le=65536)  # registers from there
    why: str  # told to whoever tries


class Sign(Part):
    """Something in the registers by which the model is known: a product number, its own unit id, a speed code."""

    table: Table = "holding"  # holding or input
    address: int = Field(ge=0, le=65535)  # from 0
    values: tuple[int, ...] = ()  # any of these
    unit_id: bool = False  # it holds the device's own unit id
    mask: int = Field(0xFFFF, ge=1, le=0xFFFF)  # bits of the word that count

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if bool(self.values) == self.unit_id:
            raise ValueError("a sign has either values = [...] or unit_id = true")
        if self.table in BIT_TABLES:
            raise ValueError('a sign is in table "holding" or "input": a bit tells too little')
        return self

    def fits(self, word: int, unit_id: int) -> bool:
        """Whether the word found there is this sign."""
        return word & self.mask in ((unit_id,) if self.unit_id else self.values)


def locks(parts: Sequence[Locked], table: str, address: int, count: int) -> str | None:
    """Why these registers must not be written, or None when they may."""
    for part in parts:
        if part.table == table and address < part.address + part.count and part.address < address + count:
            return part.why
    return None


def unrolled(table: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Points that are written once for many: [point."channel-#"] with repeat = 8 and step = 1 (addresses apart)."""
    written = table.get("point")
    if not isinstance(written, dict):
        return table, []
    points: dict[str, Any] = {}
    problems: list[str] = []
    for name, point in written.items():
        if "#" not in name or not isinstance(point, dict):
            points[name] = point
            continue
        rest = {key: value for key, value in point.items() if key not in ("repeat", "step")}
        count, step, address = point.get("repeat"), point.get("step"), point.get("address")
        if isinstance(count, int) and 1 <= count <= 999 and isinstance(step, int) and isinstance(address, int):
            for i in range(count):
                points[name.replace("#", str(i + 1))] = _numbered(rest, str(i + 1)) | {"address": address + i * step}
        else:
            problems.append(f'point."{name}": # needs repeat = 1 to 999, step = ... and a 0-based address')
    return {**table, "point": points}, problems


def _numbered(part: Any, number: str) -> Any:
    if isinstance(part, dict):
        return {key: _numbered(value, number) for key, value in part.items()}
    if isinstance(part, list):
        return [_numbered(value, number) for value in part]
    return part.replace("#", number) if isinstance(part, str) else part
