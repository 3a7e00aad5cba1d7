"""What judgement is given and what it gives back. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

# Quality codes of readings, the same numbers as drivers.api.Quality (a test holds the two together):
# rules may not import drivers. Codes up to OVER_RANGE are usable, all above make a comparison unknown.
GOOD, UNCERTAIN, OVER_RANGE, UNDER_RANGE, INHIBITED, BAD, COMM_FAULT = range(7)
MISSING = 7  # never read yet, or older than the point's stale_after


class Truth(IntEnum):
    """Kleene's three values."""

    FALSE = 0
    TRUE = 1
    UNKNOWN = 2


OnMissing = Literal["hold", "alarm", "clear"]


@dataclass(frozen=True, slots=True)
class PointInfo:
    """A point as the rule language sees it."""

    name: str  # "underpass.level"
    unit: str  # of its values, "" for a plain number
    stale_after_s: float  # older than this, its value is missing
    low: float | None = None
    high: float | None = None
    kind: str = "gauge"  # gauge | counter | increment | running_total | intensity
    states: Mapping[str, int] = field(default_factory=dict)
    wrap: float | None = None
    reset: tuple[float, float] | None = None  # running totals: (period, phase) in seconds of local time, if it is known
    baseline: float | Literal["first"] | None = None  # until it is re-zeroed; "first": its first good reading


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A limit that depends on another quantity: piecewise linear between its knots, held beyond its ends."""

    name: str
    x_unit: str
    y_unit: str
    xs: tuple[float, ...]  # rising
    ys: tuple[float, ...]


@dataclass(frozen=True)
class Names:
    """What a rule's text may call things besides "device.point": a model's inputs and parameters, and tables."""

    points: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # input -> the points it stands for
    many: frozenset[str] = frozenset()  # inputs that stand for any number of points: only inside each()
    quantities: Mapping[str, str] = field(default_factory=dict)  # parameter -> "2.40 m"
    tables: Mapping[str, LookupTable] = field(default_factory=dict)


NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class LevelRule:
    """One level of an alarm: the condition texts of the site file, delays in seconds."""

    level: str
    when: str
    for_s: float = 0.0
    clear: str | None = None
    clear_for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """An alarm and its levels, lowest first."""

    name: str
    levels: tuple[LevelRule, ...]
    on_missing: OnMissing = "hold"
    latch: bool = False
    names: Names = NO_NAMES


class Sample(NamedTuple):
    """A reading as judgement takes it: index into the rule set's points, value in the point's unit, quality code."""

    point: int
    value: float
    quality: int


class LevelChange(NamedTuple):
    """An alarm moved from one level to another; 0 is normal, 1 the lowest level."""

    alarm: int
    previous: int
    level: int


class Verdict(NamedTuple):
    """What one step decided."""

    changes: Sequence[LevelChange]
    deadline: float | None  # judgement time before which no timer inside the rules runs out, None: none is running


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One thing wrong with one rule, with its place inside the text where it has one."""

    alarm: str
    level: str  # "" when it concerns the alarm as a whole
    key: str  # "when", "clear", "for" ...
    message: str  # what was got, what is allowed
    column: int | None = None  # 0-based within the expression text
    length: int = 1
    hint: str = ""  # "did you mean underpass.level?"


class RuleErrors(ValueError):  # noqa: N818 - a list of them
    """Everything wrong with a rule set, at once."""

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        super().__init__("; ".join(f"{p.alarm}.{p.level}.{p.key}: {p.message}" for p in problems))
        self.problems = tuple(problems)
