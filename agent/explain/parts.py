"""A condition taken apart, one line for each sub-expression: what it is worth, how far from its limit, what is unknown.

Works on the JSON of `rules.judge.explain` as it stands in a record; knows no files and no agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.explain.phrases import CODES, MARGINS, NEARLY, QUALITIES, SENTENCES, WHOLES

Node = Mapping[str, Any]
_COMPARISONS = {">": ">", ">=": ">", "<": "<", "<=": "<", "==": "=", "!=": "="}
_TURNED = {">": "<", "<": ">", "=": "="}
_ARITHMETIC = {"+", "-", "*", "/", "neg", "const"}
_LONGEST = 60  # characters of a condition that is written out above and whose parts stand below
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """One sub-expression: how deep it stands, its text as written, its truth, and what is said of it."""

    depth: int
    text: str
    truth: str  # true, false, unknown
    details: tuple[str, ...]


def lines_of(text: str, node: Node, readings: Mapping[str, Node], language: str, depth: int = 0) -> Iterator[Line]:
    """The lines of a condition: the whole first where it has parts, then each part. `readings` by point."""
    span, written = _span(node), _written(text, node)
    parts = _conditions(node)
    if node["op"] in _COMPARISONS and "parts" in node:
        yield Line(depth, written, node["truth"], tuple(_comparison(text, node, readings, language)))
        return
    details = _unknown(node, readings, language) if node["truth"] == "unknown" and not parts else ()
    if depth and len(written) > _LONGEST:
        written = WHOLES[node["op"]][language] if node["op"] in WHOLES and parts else f"{written[:_LONGEST]}…"
    yield Line(depth, written, node["truth"], tuple(details))
    for part in parts:
        inner = part
        while _span(inner) == span and len(conditions := _conditions(inner)) == 1:
            inner = conditions[0]  # the language's own rewriting of one thing as another
        (*_, only) = _conditions(inner) or (inner,)
        if inner["op"] == "not" and _span(only) == _span(inner) and only["op"] in {*_COMPARISONS, *WHOLES}:
            inner = only  # `held` is written as "not within not"
        if _span(inner) != span or inner["op"] in _COMPARISONS:
            yield from lines_of(text, inner, readings, language, depth + 1)


def amount(value: float | None, unit: str, language: str) -> str:
    """A value with its unit, to four digits."""
    if value is None:
        return SENTENCES["no-value"][language]
    return f"{float(f'{value:.4g}'):.10g} {unit}".strip()


def span_of(seconds: float, language: str) -> str:
    """A time span as people say it."""
    units = {"zh": ("秒", "分钟", "小时", "天"), "en": ("s", "min", "h", "d")}[language]
    if seconds < 120:
        return f"{float(f'{seconds:.3g}'):g} {units[0]}"
    if seconds < 7200:
        return f"{float(f'{seconds / 60:.3g}'):g} {units[1]}"
    if seconds < 172_800:
        return f"{float(f'{seconds / 3600:.3g}'):g} {units[2]}"
    return f"{float(f'{seconds / 86400:.3g}'):g} {units[3]}"


def quality_of(reading: Node, language: str) -> str:
    """The quality of a reading as judgement held it."""
    if reading["stale"]:
        return QUALITIES["stale"][language] if reading["age_s"] is not None else QUALITIES["none"][language]
    code = reading["quality"]
    return QUALITIES["none" if code is None else CODES[code]][language]


def _span(node: Node) -> tuple[int, int]:
    return node["column"], node["length"]


def _conditions(node: Node) -> list[Node]:
    return [part for part in node.get("parts", ()) if "truth" in part]


def _written(text: str, node: Node) -> str:
    """A sub-expression as it was written, on one line."""
    return " ".join(text[node["column"] : node["column"] + node["length"]].split())


def _comparison(text: str, node: Node, readings: Mapping[str, Node], language: str) -> Iterator[str]:
    left, right = node["parts"]
    sign = _COMPARISONS[node["op"]]
    if not _depends(left) and _depends(right):
        left, right, sign = right, left, _TURNED[sign]
    if node["truth"] == "unknown":
        yield from _unknown(node, readings, language)
    if left["value"] is None and "at_most" not in left:
        return
    yield _worth(left, language)
    if right["value"] is not None:
        yield SENTENCES["limit"][language].format(limit=amount(right["value"], right["unit"], language))
        margin = MARGINS.get((sign, node["truth"]))
        if margin is not None and left["value"] is not None:
            by = abs(left["value"] - right["value"])
            nearly = 0 < by < _ROUNDING * max(abs(left["value"]), abs(right["value"]))
            yield NEARLY[language] if nearly else margin[language].format(by=amount(by, left["unit"], language))
    yield from dict.fromkeys(_named(text, left, language, top=True)) | dict.fromkeys(_named(text, right, language))


def _worth(node: Node, language: str) -> str:
    """A value, or its bounds where only they are known."""
    low, high, unit = node.get("at_least"), node.get("at_most"), node["unit"]
    if "at_least" not in node:
        return amount(node["value"], unit, language)
    words = "between" if low is not None and high is not None else "at-least" if low is not None else "at-most"
    return SENTENCES[words][language].format(low=amount(low, unit, language), high=amount(high, unit, language))


def _named(text: str, node: Node, language: str, *, top: bool = False) -> Iterator[str]:
    """The points and functions inside a calculation, each with its value; a lone point only with its name."""
    written = _written(text, node)
    if "point" in node and node["op"] == "point":
        if top and node["point"] == written:
            return
        yield node["point"] if top else f"{node['point']} = {_worth(node, language)}"
        return
    if node["op"] not in _ARITHMETIC and not top:
        yield f"{written} = {_worth(node, language)}"
    for part in node.get("parts", ()):
        if "unit" in part:
            yield from _named(text, part, language)


def _depends(node: Node) -> bool:
    """Whether anything measured is in it."""
    return "point" in node or any(_depends(part) for part in node.get("parts", ()))


def _points(node: Node) -> Iterator[str]:
    if "point" in node:
        yield node["point"]
    for part in node.get("parts", ()):
        yield from _points(part)


def _windows(node: Node) -> Iterator[float]:
    if "window_s" in node:
        yield node["window_s"]
    for part in node.get("parts", ()):
        yield from _windows(part)


def _unknown(node: Node, readings: Mapping[str, Node], language: str) -> Sequence[str]:
    """Why it is not known: points without a usable value, or windows with too little of it."""
    missing = [
        point for point in dict.fromkeys(_points(node)) if point in readings and readings[point]["value"] is None
    ]
    if missing:
        return [
            SENTENCES["unknown-point"][language].format(point=point, why=quality_of(readings[point], language))
            for point in missing
        ]
    longest = max(_windows(node), default=None)
    if longest is not None:
        return [SENTENCES["unknown-window"][language].format(span=span_of(longest, language))]
    return [SENTENCES["unknown"][language]]
