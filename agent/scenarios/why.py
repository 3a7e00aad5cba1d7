"""Says in a few words why an alarm is where it is: the parts of its conditions that decide, with their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rules.cases.expects import NORMAL
from rules.scenario import span

Part = Mapping[str, Any]  # of `Judge.explain`

_SIGNS = (">", ">=", "<", "<=", "==")
_LONGEST = 46  # characters of a comparison as written


def why_not(level: Part) -> list[str]:
    """Why a level is not active."""
    if level["truth"] == "true":
        delay = level["delay"]
        told = f"true, but only for {span(delay['passed_s'])} of {span(delay['of_s'])}"
        return [told, *_words(level["parts"], level["when"])]
    return [f"the condition is {level['truth']}", *_words(level["parts"], level["when"])]


def why(level: Part) -> list[str]:
    """Why a level is active."""
    if level["truth"] == "unknown":
        return ["it stays: the condition is unknown now", *_words(level["parts"], level["when"])]
    if level["truth"] == "true":
        return ["the condition is true", *_words(level["parts"], level["when"])]
    delay = level["delay"]
    if level.get("clear_truth", "true") != "true":
        return [f"not cleared, clear is {level['clear_truth']}", *_words(level["clear_parts"], level["clear"])]
    if delay["done"]:
        return ["latched: its condition is over, and it waits for a reset"]
    return [f"clearing since {span(delay['passed_s'])} of {span(delay['of_s'])}"]


def move_words(levels: Sequence[Part], previous: str, level: str) -> str:
    """What decided a move of an alarm, as short as can be."""
    ranks = [NORMAL, *(part["level"] for part in levels)]
    rose = ranks.index(level) > ranks.index(previous)
    part = levels[ranks.index(level if rose else previous) - 1]
    cleared = not rose and part.get("clear_truth") == "true"
    which, text = ("clear_parts", part["clear"]) if cleared else ("parts", part["when"])
    return next((f"{values}: {written}" for written, values in _said(part[which], text)), "")


def deciding(part: Part) -> list[Part]:
    """The comparisons that make a condition what it is: of an "and" that is false only those that are not true ..."""
    op, truth, parts = part["op"], part["truth"], part.get("parts", ())
    if op == "not":
        (inner,) = parts
        if inner["column"] != part["column"]:  # the word "not" stands before it
            return deciding(inner)
        return [{**inner, "truth": truth}]  # such as "age(x) < 2 h", which is kept as "not older"
    if op not in ("and", "or", "vote"):
        return [part]
    alike = [child for child in parts if child["truth"] == truth]
    if op == "vote" and truth == "false":
        alike = [child for child in parts if child["truth"] != "true"]
    return [leaf for child in alike or parts for leaf in deciding(child)]


def _words(part: Part, text: str) -> list[str]:
    """`level > limit: 2.45 m > 2.4 m` for each part that decides."""
    return list(dict.fromkeys(f"{written}: {values}" for written, values in _said(part, text)))


def _said(part: Part, text: str) -> list[tuple[str, str]]:
    """(as written, with its values) of each part that decides; those that have values come first."""
    leaves = sorted(deciding(part), key=lambda leaf: leaf["op"] not in _SIGNS)
    return [(_written(leaf, text), _values(leaf)) for leaf in leaves]


def _written(leaf: Part, text: str) -> str:
    written = " ".join(text[leaf["column"] : leaf["column"] + leaf["length"]].split())
    points = [name for name in dict.fromkeys(_points(leaf)) if name not in written]
    if len(written) > _LONGEST:
        written = f"{written[: _LONGEST - 17]} ... {written[-12:]}"
    return f"{written} [{', '.join(points)}]" if points else written  # an input of a model that stands for several


def _values(leaf: Part) -> str:
    parts = leaf.get("parts", ())
    if leaf["op"] not in _SIGNS or len(parts) != 2:
        return str(leaf["truth"])
    sign = f"is not {leaf['op']}" if leaf["truth"] == "false" else leaf["op"]
    return f"{_value(parts[0])} {sign} {_value(parts[1])}"


def _points(part: Part) -> list[str]:
    return [
        *([part["point"]] if "point" in part else []),
        *(p for child in part.get("parts", ()) for p in _points(child)),
    ]


def _value(part: Part) -> str:
    unit = f" {part['unit']}" if part.get("unit") else ""
    if "at_least" in part:
        low, high = part["at_least"], part["at_most"]
        if high is None:
            return f"({low:.5g}{unit} or more)" if low is not None else "?"
        return f"({high:.5g}{unit} or less)" if low is None else f"({low:.5g} to {high:.5g}{unit})"
    return "?" if part["value"] is None else f"{part['value']:.5g}{unit}"
