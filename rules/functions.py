"""The functions of the rule language: one entry each. What an entry reads is `read_<name>` in reads.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowFunction:
    """A function f(source, length): which window it keeps and what it reads from it."""

    family: str
    truth: bool = False  # its source is a condition
    result: str = "same"  # same | difference | rate | amount | share | truth


FUNCTIONS: Mapping[str, WindowFunction] = {
    "avg": WindowFunction("mean"),
    "min": WindowFunction("extreme"),
    "max": WindowFunction("extreme"),
    "rise": WindowFunction("extreme", result="difference"),
    "fall": WindowFunction("extreme", result="difference"),
    "last": WindowFunction("past"),
    "change": WindowFunction("past", result="difference"),
    "rate": WindowFunction("slope", result="rate"),
    "increase": WindowFunction("increase", result="amount"),
    "share": WindowFunction("mean", truth=True, result="share"),
    "within": WindowFunction("span", truth=True, result="truth"),
    "held": WindowFunction("span", truth=True, result="truth"),
}
POINT_FUNCTIONS = ("good", "age", "over_range", "state")
