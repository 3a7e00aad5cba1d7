"""Generated functions by number: the twin finds them here; a build puts their machine addresses in the numbers' place.

A shape's number follows from its text, so it is the same in every process and stands in tables and images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from rules.engine.windows import Counts, Floats, Ints, State

HEAD = "def form(tab, par, num, ints, a, b, t):\n"
_FORMS: dict[int, Callable[..., float]] = {}


def number_of(body: str) -> int:
    """The number of a shape: of the body of its function."""
    return int.from_bytes(hashlib.sha256(body.encode()).digest()[:7], "big")


def register(body: str, names: Mapping[str, Any]) -> int:
    """Make a shape's function known to the twin, with the names that it may call; gives its number."""
    number = number_of(body)
    if number not in _FORMS:
        space: dict[str, Any] = dict(names)
        exec(compile(HEAD + body, f"<shape {number:014x}>", "exec"), space)  # noqa: S102 - our own text, from checked trees
        _FORMS[number] = space["form"]
    return number


def shape(number: int, tab: Ints, par: Floats, num: State, ints: Counts, a: int, b: int, t: float) -> float:  # noqa: PLR0917
    """What a shape gives of the columns at `a` and the constants at `b`: results in `num`, here when to look again."""
    return _FORMS[number](tab, par, num, ints, a, b, t)
