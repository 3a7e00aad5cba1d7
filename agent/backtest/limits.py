"""Owns which lines a chart shows: the setpoints that rules compare a point, or a window of it, with. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rules.engine.shapes import used_points
from rules.language.tree import Node
from rules.ruleset import Ruleset

COMPARISONS = ("gt", "ge", "lt", "le", "eq")
SAME_SCALE = (
    "avg",
    "min",
    "max",
    "median",
    "last",
    "forecast",
)  # of windows whose value stands on the point's own axis


@dataclass(frozen=True, slots=True)
class Limit:
    """One comparison of a rule: a line at `value` on the chart of `point`, or words only where it is no such line."""

    alarm: str
    level: str
    point: int
    text: str  # the comparison as the rule has it
    value: float | None  # in the point's unit
    direct: bool  # of the point itself, not of a window


def limits(ruleset: Ruleset) -> list[Limit]:
    """Every comparison of every rule with a constant, alarms and levels in their order, each line once."""
    found: dict[tuple[str, str, int, str, float | None], Limit] = {}
    for rule, trees in zip(ruleset.alarms, ruleset.trees, strict=True):
        for level, (when, _) in zip(rule.levels, trees, strict=True):
            for node in _comparisons(when):
                text = level.when[node.span.column : node.span.column + node.span.length]
                for point, value, direct in _lines(node):
                    limit = Limit(rule.name, level.level, point, text, value, direct)
                    found.setdefault((rule.name, level.level, point, text, value), limit)
    return list(found.values())


def _comparisons(node: Node) -> Iterator[Node]:
    if node.op in COMPARISONS:
        yield node
    for child in (*node.args, *((node.window.source,) if node.window else ())):
        yield from _comparisons(child)


def _lines(node: Node) -> Iterator[tuple[int, float | None, bool]]:
    """(point, value or None, whether it is of the point itself) for each point that a comparison asks about."""
    left, right = node.args
    if left.op == "const":
        left, right = right, left
    for point in sorted(used_points(left) | used_points(right)):
        value = right.value if right.op == "const" and _on_axis(left, point) else math.nan
        yield point, value if math.isfinite(value) else None, left.op == "point"


def _on_axis(node: Node, point: int) -> bool:
    """Whether the number is the point's value, now or over a window."""
    if node.op == "point":
        return node.point == point
    return node.op in SAME_SCALE and node.window is not None and _on_axis(node.window.source, point)
