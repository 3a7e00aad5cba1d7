"""Calls of functions: checked arguments to trees and windows. It knows no names; language.py hands it trees."""

from __future__ import annotations

from collections.abc import Sequence

from rules.language import truths
from rules.language.functions import FUNCTIONS
from rules.language.terms import add, in_unit, multiply, number
from rules.language.tree import DEFAULT_COVERAGE, LanguageError, Node, Span, Window, wrong
from rules.model import PointInfo
from rules.units import NUMBER, SECOND, Unit, convert, unit

SUMMED = ("counter", "increment", "running_total", "intensity")  # kinds of points whose readings add up


def call(name: str, arguments: Sequence[Node], coverage: float | None, points: Sequence[PointInfo], span: Span) -> Node:
    """A function of arguments whose number is right. Raises LanguageError."""
    first = arguments[0] if arguments else Node("true")
    if coverage is not None and FUNCTIONS[name].family in ("", "span"):
        said = "is exact" if FUNCTIONS[name].family else "keeps no window"
        raise wrong(f"{name}() {said} and takes no coverage", span)
    match name:
        case "any":
            return truths.some(arguments, span)
        case "all":
            return truths.every(arguments, span)
        case "vote":
            return truths.vote(whole(first, name), arguments[1:], span)
        case "good" | "age" | "over_range" | "state" | "baseline":
            return of_point(name, first, points, span)
        case "compensated":
            return compensated(first, arguments[1], arguments[2], span)
        case "increase" | "decayed":
            return accumulated(name, arguments, coverage or DEFAULT_COVERAGE, points, span)
    return windowed(name, arguments, coverage or DEFAULT_COVERAGE, span)


def duration(node: Node, name: str) -> float:
    """Seconds of an argument that is a length of time."""
    says = f"{name}({FUNCTIONS[name].takes})"
    if node.op != "const" or number(node).dimension != SECOND.dimension:
        raise wrong(f"{says} needs a duration, such as 10 min", node.span)
    seconds = convert(node.value, node.unit or SECOND, SECOND)
    if not seconds > 0.0:
        raise wrong(f"{says} needs a duration above zero", node.span)
    return seconds


def whole(node: Node, name: str) -> int:
    """An argument that counts."""
    if node.op != "const" or not (node.unit or SECOND).plain or node.value != int(node.value) or node.value < 1:
        letter = "k" if name == "vote" else "n"
        raise wrong(f"{name}({FUNCTIONS[name].takes}) needs a whole number {letter}, 1 or more", node.span)
    return int(node.value)


def of_point(name: str, node: Node, points: Sequence[PointInfo], span: Span) -> Node:
    """What is asked of a point itself."""
    if node.op != "point":
        raise wrong(f"{name}() is asked of a point (device.point)", node.span)
    if name == "state" and not points[node.point].states:
        raise wrong(f"{points[node.point].name} has no states", node.span)
    found = {"age": SECOND, "state": NUMBER, "baseline": node.unit}.get(name)
    return Node(name, point=node.point, unit=found, span=span)


def compensated(x: Node, y: Node, k: Node, span: Span) -> Node:
    """`x - k * (y - baseline(y))`: what x would be if y had stayed as it was when y was last zeroed."""
    if y.op != "point":
        raise wrong("compensated(x, y, k) needs a point y (device.point), which has a baseline", y.span)
    moved = add(y, Node("baseline", point=y.point, unit=y.unit, span=y.span), span, "sub")
    share = multiply(k, moved, span)
    try:
        return add(x, share, span, "sub")
    except LanguageError:
        per = f"{number(x).text or '1'}/{number(y).text or '1'}"
        raise wrong("compensated(x, y, k) needs k in x's unit per y's", k.span, f"such as 0.1 {per}") from None


def windowed(name: str, arguments: Sequence[Node], coverage: float, span: Span) -> Node:
    """A function over a window of a number or of a condition."""
    function = FUNCTIONS[name]
    source, length_s = arguments[0], duration(arguments[2 if name in ("time_to", "streak") else 1], name)
    if not function.condition:
        number(source)
    elif source.op in ("true", "false"):  # known at every time
        sure = source.op == "true"
        return Node("const", value=float(sure), unit=NUMBER, span=span) if name == "share" else truths.known(sure, span)
    if name == "held":  # true throughout is: not once untrue
        return truths.invert(windowed("within", (truths.invert(source, source.span), arguments[1]), 0.0, span), span)
    window = Window(
        function.family,
        source,
        length_s,
        DEFAULT_COVERAGE if function.family == "span" else coverage,
        count=float(whole(arguments[1], name)) if name == "streak" else 0.0,
    )
    return Node(
        name,
        (in_unit(arguments[1], number(source)),) if name == "time_to" else (),
        value=duration(arguments[2], name) if name == "forecast" else 0.0,
        window=window,
        unit=_result(function.result, source.unit),
        span=span,
    )


def accumulated(name: str, arguments: Sequence[Node], coverage: float, points: Sequence[PointInfo], span: Span) -> Node:
    """increase() and decayed(): sums of what a point's readings add, by the point's kind."""
    source, length_s = arguments[0], duration(arguments[1], name)
    kind = points[source.point].kind if source.op == "point" else ""
    if kind not in SUMMED:
        message = f"{name}() sums a point of kind counter, increment, running_total or intensity"
        raise wrong(message, source.span, "for a gauge use rise or change")
    found = number(source)
    family = FUNCTIONS[name].family
    if kind != "intensity":
        window = Window(family, source, length_s, coverage, point=source.point)
        return Node(name, window=window, unit=found.difference(), span=span)
    window = Window("mean", source, length_s, coverage)
    if name == "decayed":
        window = Window(family, source, length_s, coverage, point=source.point)
    text = found.text.rpartition("/")[0] or f"{found.text}*s"
    per = unit(text) if text else NUMBER
    op = "amount" if name == "increase" else name
    summed = Node(op, window=window, unit=found.times(SECOND, f"{found.text}*s"), span=span)
    return in_unit(summed, per) if per.dimension == number(summed).dimension else summed


def _result(result: str, source: Unit | None) -> Unit | None:
    """The unit of what a window gives."""
    if result in ("truth", "number", "seconds") or source is None:
        return {"number": NUMBER, "seconds": SECOND}.get(result)
    if result == "rate":
        return source.times(SECOND, f"{source.text or '1'}/s", -1)
    return source.difference() if result == "difference" else source
