"""Turns one column of a recording into values in the point's unit, each with a mark. Knows cells, not rows or files.

Ranges and states are judged as drivers judge them live: above `high` is a measurement, below `low` is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrow import compute, pa
from .marks import ABOVE, ABSENT, BELOW, FLAGGED, GOOD, HELD_OFF, INFINITE, NAN, SOME_DOUBT, STATE, TEXT

Values = NDArray[np.float64]
Marks = NDArray[np.int8]

FLAGS = {"good": GOOD, "uncertain": SOME_DOUBT, "over_range": ABOVE, "inhibited": HELD_OFF, "bad": FLAGGED}
_NUMBER = {
    mark: rf"^[+-]?(\d+({dot}\d*)?|{dot}\d+)([eE][+-]?\d+)?$|^(?i:[+-]?(nan|inf|infinity))$"
    for mark, dot in ((".", r"\."), (",", ","))
}


@dataclass(frozen=True, slots=True)
class Flags:
    """A column that tells how far the readings of its row can be trusted."""

    at: int
    marks: Mapping[str, int]
    otherwise: int = FLAGGED


@dataclass(frozen=True, slots=True)
class Cell:
    """What the cells of one column mean: value in the point's unit = number * scale + shift."""

    at: int  # which column; -1 in long recordings, where all points share one
    point: int
    scale: float = 1.0
    shift: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    states: Mapping[str, float] = field(default_factory=dict)
    stand_for: Mapping[str, float] = field(default_factory=dict)  # "T" -> 0.05
    codes: Mapping[str, int] = field(default_factory=lambda: {"": ABSENT})  # what is no number -> its mark
    decimal: str = "."
    flags: Flags | None = None

    @property
    def words(self) -> frozenset[str]:
        """Codes that only a text can hold: where one may stand, cells must be read as texts."""
        return frozenset(code for code in (*self.codes, *self.stand_for, *self.states) if code and not is_number(code))


def is_number(code: str) -> bool:
    """Whether a code is compared as a number, so that -200 also means -200.0."""
    try:
        float(code)
    except ValueError:
        return False
    return "_" not in code


def read(cell: Cell, array: Any) -> tuple[Values, Marks | None]:
    """Values of an arrow array of numbers or texts, NaN where not usable; marks, None when all are good."""
    kind = array.type
    found: Marks | None
    if pa().types.is_dictionary(kind) or pa().types.is_string(kind) or pa().types.is_large_string(kind):
        values, found = _texts(cell, array)
    else:
        values, found = _numbers(cell, array)
    if found is None and _all_plain(cell, values):
        return scaled(cell, values), None
    marks = np.zeros(len(values), np.int8) if found is None else found
    for code, mark in cell.codes.items():
        if code and is_number(code):
            number = float(code)
            marks[(np.isnan(values) if math.isnan(number) else values == number) & (marks == GOOD)] = mark
    good = marks == GOOD
    marks[good & np.isnan(values)] = NAN
    marks[good & np.isinf(values)] = INFINITE
    values = scaled(cell, values)
    good = marks == GOOD
    marks[good & ~np.isfinite(values)] = INFINITE
    if cell.states:
        marks[good & ~np.isin(values, list(cell.states.values()))] = STATE
    marks[good & (values > cell.high)] = ABOVE
    marks[good & (values < cell.low)] = BELOW
    return np.where((marks >= GOOD) & (marks <= ABOVE), values, np.nan), marks


def scaled(cell: Cell, values: Values) -> Values:
    """Values in the point's unit. 35 cm are 0.35 m, not 35 * 0.01 = 0.35000000000000003: a limit of 0.35 m is met."""
    if cell.scale == 1.0 and cell.shift == 0.0:
        return values
    whole = round(1 / cell.scale) if 0 < abs(cell.scale) < 1 else 0
    if whole and abs(1 / cell.scale - whole) < 1e-12 * abs(whole):
        return values / whole + cell.shift
    return values * cell.scale + cell.shift


def flagged(flags: Flags, array: Any) -> Marks:
    """The marks that a quality column gives its rows."""
    kinds = array if pa().types.is_dictionary(array.type) else array.cast(pa().string()).dictionary_encode()
    table = [flags.marks.get(_plain(code), flags.otherwise) for code in kinds.dictionary.to_pylist()]
    codes = kinds.indices.fill_null(len(table)).to_numpy(zero_copy_only=False)
    marks: Marks = np.array([*table, flags.marks.get("", flags.otherwise)], np.int8)[codes]
    return marks


def under_flags(values: Values, marks: Marks | None, flags: Marks) -> tuple[Values, Marks | None]:
    """Cells as their row's quality has them: what is bad already stays it, what is absent stays absent."""
    if not flags.any():
        return values, marks
    marks = np.zeros(len(values), np.int8) if marks is None else marks
    marks = np.where((marks >= GOOD) & (marks <= ABOVE) & (flags != GOOD), flags, marks)
    return np.where((marks >= GOOD) & (marks <= ABOVE), values, np.nan), marks


def _plain(code: str | None) -> str:
    # A column of whole numbers with a gap comes out of many programs as 0.0, 1.0 ...
    code = (code or "").strip()
    return code.removesuffix(".0") if is_number(code) else code


def _all_plain(cell: Cell, values: Values) -> bool:
    """Whether two looks at the extremes show that every value is good."""
    if not len(values):
        return True
    least, most = float(values.min()), float(values.max())
    if not (math.isfinite(least) and math.isfinite(most)) or cell.states:
        return False
    if any(code and is_number(code) and not (float(code) < least or float(code) > most) for code in cell.codes):
        return False
    ends = scaled(cell, np.array([least, most]))
    return bool(np.isfinite(ends).all() and ends.min() >= cell.low and ends.max() <= cell.high)


def _numbers(cell: Cell, array: Any) -> tuple[Values, Marks | None]:
    kind = array.type
    if pa().types.is_boolean(kind):
        array = array.cast(pa().int8())
    if pa().types.is_null(kind) or not pa().types.is_float64(kind):
        array = array.cast(pa().float64(), safe=False)
    values: Values = array.to_numpy(zero_copy_only=False)
    if not array.null_count:
        return values, None
    marks = np.zeros(len(values), np.int8)
    marks[array.is_null().to_numpy(zero_copy_only=False)] = cell.codes.get("", ABSENT)
    return values, marks


def _texts(cell: Cell, array: Any) -> tuple[Values, Marks]:
    """Texts repeat, so each is looked at once."""
    kinds = array if pa().types.is_dictionary(array.type) else array.dictionary_encode()
    texts = compute().utf8_trim_whitespace(kinds.dictionary.cast(pa().string()))
    number = compute().match_substring_regex(texts, _NUMBER[cell.decimal])
    digits = compute().utf8_ltrim(compute().if_else(number, texts, "nan"), "+")
    if cell.decimal != ".":
        digits = compute().replace_substring(digits, cell.decimal, ".")
    values = digits.cast(pa().float64()).fill_null(math.nan).to_numpy(zero_copy_only=False).copy()
    marks = np.where(number.fill_null(False).to_numpy(zero_copy_only=False), GOOD, TEXT).astype(np.int8)
    for meanings, mark in ((cell.states, GOOD), (cell.stand_for, GOOD)):
        for code, value in meanings.items():
            here = compute().equal(texts, code).fill_null(False).to_numpy(zero_copy_only=False)
            values[here], marks[here] = _as_written(cell, value) if meanings is cell.states else value, mark
    for code, mark in cell.codes.items():
        if not is_number(code):
            marks[compute().equal(texts, code).fill_null(False).to_numpy(zero_copy_only=False)] = mark
    empty = cell.codes.get("", ABSENT)
    indices = kinds.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return np.append(values, math.nan)[indices], np.append(marks, np.int8(empty))[indices]


def _as_written(cell: Cell, value: float) -> float:
    """The number that the file would hold for a value of the point, so that scaling gives it back."""
    return (value - cell.shift) / cell.scale
