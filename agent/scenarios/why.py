"""Says in a few words why an alarm is where it is: the parts of its conditions that decide, with their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rules.cases import NORMAL
from rules.scenario import span

Part = Mapping[str, Any]  # of `Judge.explain`

_SIGNS = (">", ">=", "<", "<=", "==")


def why_not(level: Part) -> list[str]:
    """Why a level is not active."""
    if level["truth"] == "true":
        delay = level["delay"]
        told = f"true, but for {span(delay['passed_s'])} of {span(delay['of_s'])} only"
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
    return next(iter(_words(part[which], text, 30)), "")


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


def _words(part: Part, text: str, most: int = 46) -> list[str]:
    leaves = sorted(deciding(part), key=lambda leaf: leaf["op"] not in _SIGNS)  # what has values first
    return list(dict.fromkeys(_say(leaf, text, most) for leaf in leaves))


def _say(leaf: Part, text: str, most: int) -> str:
    """A comparison as written, then with its values: `level > limit: 2.45 m > 2.4 m`."""
    written = " ".join(text[leaf["column"] : leaf["column"] + leaf["length"]].split())
    points = [name for name in dict.fromkeys(_points(leaf)) if name not in written]
    if points:  # an input of a model that stands for several
        written += f" [{', '.join(points)}]"
    parts = leaf.get("parts", ())
    if leaf["op"] in _SIGNS and len(parts) == 2:
        sign = f"is not {leaf['op']}" if leaf["truth"] == "false" else leaf["op"]
        return f"{_short(written, most)}: {_value(parts[0])} {sign} {_value(parts[1])}"
    return f"{_short(written, most)}: {leaf['truth']}"


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


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 17]} ... {text[-12:]}"
