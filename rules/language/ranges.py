"""Which values a number in a rule can take at all, given what its points can measure. It knows no readings.

A range (lo, hi) is such that the bounds of every value that is known meet it: an over-range reading of a point that
measures 0 to 5 m is [5 m, infinite), so that its range is 0 to 5 m too, and nothing can be known to be above 5 m.
Ranges may be wider than the truth, never narrower; where sums are rounded they are a little wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from rules.engine.reads import product, quotient
from rules.engine.windows import SLOTS
from rules.language.tree import Node
from rules.model import PointInfo

Range = tuple[float, float]
ANY: Range = (-math.inf, math.inf)
_ROUNDED = 1e-9  # of the larger end: far more than sums lose, far less than any limit means


def widened(found: Range) -> Range:
    """A range that forgives rounding."""
    ends = [abs(end) for end in found if math.isfinite(end)]
    more = _ROUNDED * max(ends, default=0.0)
    return found[0] - more, found[1] + more


def value_range(node: Node, points: Sequence[PointInfo]) -> Range:
    """The range of a numeric tree, in its unit."""
    if node.op == "const":
        return node.value, node.value
    if node.op == "point":
        return _of_point(points[node.point])
    if node.op == "lookup":
        ys = node.knots[len(node.knots) // 2 :]
        return widened((min(ys), max(ys)))
    if node.op == "age":
        return 0.0, math.inf
    if node.window is not None:
        return _of_window(node, points)
    sides = [value_range(child, points) for child in node.args]
    if not sides:  # a baseline may be anything
        return ANY
    (al, ah), (bl, bh) = sides[0], sides[-1]
    match node.op:
        case "neg":
            found = -ah, -al
        case "add":
            found = al + bl, ah + bh
        case "sub":
            found = al - bh, ah - bl
        case "mul":
            found = product(al, ah, bl, bh)
        case _:
            found = quotient(al, ah, bl, bh)
    return widened(found) if found[0] <= found[1] else ANY


def _of_point(point: PointInfo) -> Range:
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    return (low, high) if low <= high else ANY


def _of_window(node: Node, points: Sequence[PointInfo]) -> Range:
    """What a function over a window can give. Sums over time have no upper end, slopes no end at all."""
    source = node.window.source if node.window else node
    lo, hi = value_range(source, points) if source.unit is not None else (0.0, 1.0)
    length_s = node.window.length_s if node.window else 0.0
    match node.op:
        case "min" | "max" | "median" | "last":
            return lo, hi
        case "avg" | "share":
            return widened((lo, hi))
        case "rise" | "fall":
            return 0.0, hi - lo
        case "change":
            return lo - hi, hi - lo
        case "stddev":  # two readings, one at each end
            return widened((0.0, (hi - lo) / math.sqrt(2.0)))
        case "fit":
            return widened((0.0, 1.0))
        case "amount":
            longest_s = length_s * (1.0 + 1.0 / SLOTS)
            return min(lo, 0.0) * longest_s, max(hi, 0.0) * longest_s
        case "increase":
            return 0.0, math.inf
        case "decayed":
            return (0.0 if lo >= 0.0 or points[source.point].kind != "intensity" else -math.inf), math.inf
    return ANY


# --- quantities ----------------------------------------------------------------------------------------------------

Quantity = tuple[tuple[Node, float], ...]  # a sum of things with their weights, the first weight 1


def linear(node: Node) -> tuple[dict[Node, float], float]:
    """A numeric tree as a weighted sum of things that are no sums, and a constant."""
    if node.op == "const":
        return {}, node.value
    if node.op in ("add", "sub", "neg"):
        total: dict[Node, float] = {}
        constant = 0.0
        for child, sign in zip(node.args, {"add": (1, 1), "sub": (1, -1), "neg": (-1,)}[node.op], strict=True):
            terms, more = linear(child)
            constant += sign * more
            for term, weight in terms.items():
                total[term] = total.get(term, 0.0) + sign * weight
        return {term: weight for term, weight in total.items() if weight}, constant
    if node.op in ("mul", "div"):
        (left, a), (right, b) = linear(node.args[0]), linear(node.args[1])
        if node.op == "mul" and not left:
            left, a, right, b = right, b, left, a
        if not right and b:
            scale = b if node.op == "mul" else 1.0 / b
            return {term: weight * scale for term, weight in left.items()}, a * scale
    return {node: 1.0}, 0.0


def quantity_range(quantity: Quantity, points: Sequence[PointInfo]) -> Range:
    """The range of a weighted sum."""
    (first, _), *others = quantity
    found = value_range(first, points) if first.unit is not None else (0.0, 1.0)
    for term, weight in others:
        lo, hi = sorted(end * weight for end in value_range(term, points))
        found = widened((found[0] + lo, found[1] + hi))
    return found


# --- sets of values -------------------------------------------------------------------------------------------------

Cut = tuple[float, int]  # right before (0) or right after (1) a value
Region = tuple[tuple[Cut, Cut], ...]  # from cut to cut, rising, apart from each other
_LEAST, _MOST = (-math.inf, 0), (math.inf, 1)


def region(op: str, limit: float, slack: float = 0.0) -> Region:
    """Where a comparison (lt, le, gt, ge, eq) with a limit is true; a little more when rounding has its say."""
    start = {"gt": (limit - slack, 1), "ge": (limit - slack, 0), "eq": (limit - slack, 0)}.get(op, _LEAST)
    end = {"lt": (limit + slack, 0), "le": (limit + slack, 1), "eq": (limit + slack, 1)}.get(op, _MOST)
    return ((start, end),) if start < end else ()


def common(one: Region, two: Region) -> Region:
    """What lies in both."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in two)
    return tuple(sorted((start, end) for start, end in pairs if start < end))


def outside(inner: Region) -> Region:
    """Everything else."""
    cuts = [_LEAST, *(cut for part in inner for cut in part), _MOST]
    return tuple((start, end) for start, end in list(pairwise(cuts))[::2] if start < end)
