"""Owns how the tables of scenarios are checked: kinds of values, and what is told of wrong ones. No rules, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.library.figures import near, shown
from rules.units import UnitError, quantity

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class CaseProblem:
    """One thing wrong: the keys that lead to it, what was got and is expected; `column` within a text, from 0."""

    path: Keys
    message: str
    hint: str = ""
    column: int | None = None
    of_rules: bool = False  # the path is one of the rules' own file


class CaseErrors(ValueError):  # noqa: N818 - all of them at once
    """Everything wrong with the cases of a file."""

    def __init__(self, problems: Sequence[CaseProblem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in problems))
        self.problems = tuple(problems)


def tidy(seconds: float) -> float:
    """A time to the microsecond: what is written as the same time is the same."""
    return round(seconds, 6)


class TableReader:
    """Reads tables; what is wrong goes to `problems`, and None or an empty table stands for it."""

    def __init__(self, problems: list[CaseProblem]) -> None:
        self.problems = problems

    def wrong(self, path: Keys, message: str, hint: str = "", column: int | None = None) -> None:
        """Note a mistake."""
        self.problems.append(CaseProblem(path, message, hint, column))

    def table(self, raw: object, path: Keys, keys: Sequence[str] = ()) -> Mapping[str, Any]:
        """A table, with no other keys than `keys` where some are given."""
        if not isinstance(raw, dict):
            self.wrong(path, f"got {'nothing' if raw is None else shown(raw)}, expected a table")
            return {}
        for key in raw if keys else ():
            if key not in keys:
                self.wrong((*path, key), f"got an unknown key, expected one of {', '.join(keys)}", near(key, keys))
        return raw

    def text(self, table: Mapping[str, Any], path: Keys, key: str) -> str | None:
        """A text that says something."""
        text = table.get(key)
        if isinstance(text, str) and text.strip():
            return text
        got = "nothing" if text is None else shown(text)
        self.wrong((*path, key), f"got {got}, expected a text that says what the case is about")
        return None

    def seconds(self, text: object, path: Keys) -> float | None:
        """Seconds of a duration such as "15 min"."""
        if isinstance(text, str):
            try:
                return quantity(text, "s")
            except UnitError:
                pass
        got = "nothing" if text is None else shown(text)
        self.wrong(path, f'got {got}, expected a duration with its unit, such as "15 min"')
        return None
