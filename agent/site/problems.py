"""Owns how a mistake in a site file is told: where, what was got, what is expected, the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, or one doubtful thing. `line` and `column` count from 1; `hint` is empty or a whole clause."""

    file: Path
    line: int
    column: int | None
    key: str  # dotted; empty when it concerns the file as a whole
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """Greppable: `file:line[:column]: key: message; hint`."""
        place = f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        told = "; ".join(part for part in (self.message, self.hint) if part)
        return ": ".join(part for part in (place, self.key, told) if part)


class ConfigErrors(ValueError):  # noqa: N818 - all of them at once
    """Everything wrong with a site, in the order of files and lines. `warnings` are what was doubtful besides."""

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)


def nearest(word: str, words: Iterable[str]) -> str:
    """The clause that names what was probably meant; empty when nothing is near."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def listed(words: Iterable[str]) -> str:
    """A list for people: `a, b, c`, cut when it is long."""
    words = sorted(words)
    shown = ", ".join(words[:12])
    if len(words) > 12:
        shown += f" and {len(words) - 12} more"
    return shown or "none"


def shown(value: Any) -> str:
    """A value as the site file would write it, cut when it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it: `plan.flood.level.red[1].output`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
