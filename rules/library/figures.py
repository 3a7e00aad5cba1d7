"""Figures with units and lookup tables as people write them in TOML, and how a wrong one is told. Reads no files."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rules.model import LookupTable
from rules.units import Unit, UnitError, convert, unit

_QUANTITY = re.compile(r"\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(.*)")


@dataclass(frozen=True, slots=True)
class ModelProblem:
    """One thing wrong with a model or a binding: the keys that lead to it, what was got and is expected, a hint."""

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    about: str = ""  # the point that does not exist

    def __str__(self) -> str:
        """`key: got ..., expected ...; did you mean ...?`."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        told = f"{self.message}; {self.hint}" if self.hint else self.message
        return f"{key}: {told}" if key else told


def near(word: str, words: Iterable[str]) -> str:
    """The clause that names what was probably meant; empty when nothing is near."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def shown(value: object) -> str:
    """A value as a TOML file would write it, cut when it is long."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    text = f'"{value}"' if isinstance(value, str) else str(text)
    return text if len(text) <= 60 else text[:57] + "..."


def measure(value: object, wanted: str) -> float:
    """The number, in unit `wanted`, of a quantity such as "2.40 m". A bare number is one only where there is no unit.

    Raises ValueError with the words `got ..., expected ...`.
    """
    target = unit(wanted)
    number, given = _split(value)
    if given is None or (given.plain and not target.plain and target.text not in ("", "1")):
        example = f'such as "2.5 {wanted}"' if wanted else "without a unit"
        raise ValueError(f"got {shown(value)}, expected a {'quantity' if wanted else 'number'} {example}")
    if not math.isfinite(number):
        raise ValueError(f"got {shown(value)}, expected a finite number")
    if given.dimension != target.dimension:
        expected = f"expected a quantity in {wanted}" if wanted else "expected a number without a unit"
        raise ValueError(f"got {shown(value)}, {expected}")
    if given.offset and not target.offset:  # 10 degC are no difference of 10 K
        raise ValueError(f"got {shown(value)}, expected a difference of temperatures in {wanted}")
    if target.offset and not given.offset and given.text not in ("K", "kelvin"):
        raise ValueError(f"got {shown(value)}, expected a temperature in {wanted}")
    return convert(number, given, target)


def _split(value: object) -> tuple[float, Unit | None]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), unit("")
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return 0.0, None
    try:
        return float(found[1]), unit(found[2])
    except UnitError as error:
        raise ValueError(f"got {shown(value)}, expected a quantity: {error}") from None


def lookup_table(name: str, raw: object) -> tuple[LookupTable | None, list[ModelProblem]]:
    """A table of knots `x = [...]`, `y = [...]`; paths of problems begin within it."""
    problems: list[ModelProblem] = []
    if not isinstance(raw, Mapping):
        return None, [ModelProblem((), f"got {shown(raw)}, expected a table with x and y")]
    problems += [
        ModelProblem((key,), "got an unknown key, expected x or y", near(key, "xy")) for key in raw if key not in "xy"
    ]
    columns: dict[str, tuple[str, list[float]]] = {}
    for key in ("x", "y"):
        column = raw.get(key)
        if not isinstance(column, list) or len(column) < 2:
            got = (
                f"{len(column)} values" if isinstance(column, list) else "nothing" if column is None else shown(column)
            )
            problems.append(ModelProblem((key,), f"got {got}, expected an array of at least two quantities"))
        else:
            columns[key] = _column(key, column, problems)
    if problems:
        return None, problems
    (x_unit, xs), (y_unit, ys) = columns["x"], columns["y"]
    if len(xs) != len(ys):
        problems.append(ModelProblem(("y",), f"got {len(ys)} values, expected {len(xs)}, as many as x has"))
    for at, (left, right) in enumerate(itertools.pairwise(xs)):
        if right <= left:
            problems.append(ModelProblem(("x", at + 1), f"got {raw['x'][at + 1]}, expected more than {raw['x'][at]}"))
    return (None if problems else LookupTable(name, x_unit, y_unit, tuple(xs), tuple(ys))), problems


def _column(key: str, column: list[object], problems: list[ModelProblem]) -> tuple[str, list[float]]:
    found = _QUANTITY.fullmatch(column[0]) if isinstance(column[0], str) else None
    text = found[2] if found else ""
    values = []
    for at, value in enumerate(column):
        try:
            values.append(measure(value, text))
        except ValueError as error:
            problems.append(ModelProblem((key, at), str(error)))
    return text, values


def outside(given: object, value: float, low: float | None, high: float | None, of: str) -> str:
    """In words, that a parameter's value is outside its bounds; empty when it is not."""
    if low is not None and value < low:
        return f"got {shown(given)}, expected at least {low:g} {of}".rstrip()
    if high is not None and value > high:
        return f"got {shown(given)}, expected at most {high:g} {of}".rstrip()
    return ""
