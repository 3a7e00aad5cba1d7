"""The functions of the rule language: one entry each. What a window's function reads is `read_<name>` in reads.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Function:
    """What a function takes, as people write it, and which window it keeps, if it keeps one."""

    takes: str
    family: str = ""  # see rules.engine.tables.FAMILIES
    result: Literal["same", "difference", "rate", "amount", "seconds", "number", "truth"] = "same"
    condition: bool = False  # what it watches is a condition

    @property
    def counts(self) -> range:
        """How many arguments it takes."""
        least = self.takes.count(",") + 1
        return range(
            least - 1 if self.takes == "conditions ..." else least, 10_000 if "..." in self.takes else least + 1
        )


FUNCTIONS: Mapping[str, Function] = {
    "avg": Function("x, W", "mean"),
    "min": Function("x, W", "extreme"),
    "max": Function("x, W", "extreme"),
    "median": Function("x, W", "order"),
    "stddev": Function("x, W", "spread", "difference"),
    "last": Function("x, W", "past"),
    "change": Function("x, W", "past", "difference"),
    "rise": Function("x, W", "extreme", "difference"),
    "fall": Function("x, W", "extreme", "difference"),
    "rate": Function("x, W", "slope", "rate"),
    "increase": Function("x, W", "increase", "amount"),
    "decayed": Function("x, half_life", "decay", "amount"),
    "share": Function("condition, W", "mean", "number", condition=True),
    "held": Function("condition, D", "span", "truth", condition=True),
    "within": Function("condition, W", "span", "truth", condition=True),
    "streak": Function("condition, n, P", "streak", "truth", condition=True),
    "forecast": Function("x, W, H", "slope"),
    "time_to": Function("x, limit, W", "slope", "seconds"),
    "time_to_failure": Function("x, W", "slope", "seconds"),
    "fit": Function("x, W", "slope", "number"),
    "vote": Function("k, conditions ...", result="truth"),
    "any": Function("conditions ...", result="truth"),
    "all": Function("conditions ...", result="truth"),
    "each": Function("input, condition", result="truth"),
    "baseline": Function("point"),
    "lookup": Function("table, x"),
    "compensated": Function("x, y, k"),
    "good": Function("point", result="truth"),
    "age": Function("point", result="seconds"),
    "over_range": Function("point", result="truth"),
    "state": Function("point", result="number"),
}
