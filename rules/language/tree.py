"""Typed trees of rules, and what can be wrong with a rule's text. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.units import Unit

DEFAULT_COVERAGE = 0.8


@dataclass(frozen=True, slots=True)
class Span:
    """Where a thing stands in its text, 0-based."""

    column: int
    length: int


@dataclass(frozen=True, slots=True)
class Window:
    """State over time that a tree needs. Equal windows are one, whoever asks for them."""

    family: str  # see rules.engine.tables.FAMILIES
    source: Node
    length_s: float  # decay: the half-life; streak: one period
    coverage: float = DEFAULT_COVERAGE
    point: int = -1  # increase, decay: the point, whose kind says how its readings add up
    count: float = 0.0  # streak: how many periods


@dataclass(frozen=True, slots=True)
class Node:
    """A typed tree. `unit` None means that it is a truth, otherwise numbers are in that unit."""

    op: str
    args: tuple[Node, ...] = ()
    value: float = 0.0  # of constants; k of votes; limit of ages; horizon of forecasts in seconds
    point: int = -1
    window: Window | None = None
    unit: Unit | None = None
    knots: tuple[float, ...] = ()  # of look-ups: all xs, then all ys
    span: Span = field(default=Span(0, 1), compare=False)
    literal: bool = field(default=False, compare=False)  # a number as written, which may still take a unit's meaning


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a text."""

    message: str
    span: Span
    hint: str = ""


class LanguageError(ValueError):
    """Everything wrong with one text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"column {p.span.column}: {p.message}" for p in problems))
        self.problems = tuple(problems)


def wrong(message: str, span: Span, hint: str = "") -> LanguageError:
    """One problem, to be raised."""
    return LanguageError([Problem(message, span, hint)])
