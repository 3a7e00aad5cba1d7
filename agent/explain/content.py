"""A rule set as bytes and back, so that what was judged by rules of last year can be judged again. No files."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from rules.judge import Ruleset, build_ruleset
from rules.model import AlarmRule, LevelRule, LookupTable, Names, PointInfo, RuleErrors


class ContentError(ValueError):
    """Bytes that are no rule set, or rules that this version of the software does not take any more."""


def content_of(ruleset: Ruleset) -> bytes:
    """The points and rules a rule set was built from, compressed; numbers keep every bit, and whole ones stay whole."""
    return zlib.compress(json.dumps([ruleset.points, ruleset.alarms], default=_plain).encode())


def ruleset_of(content: bytes) -> Ruleset:
    """The rule set again; by its digest the caller sees whether it still judges as it did. Raises ContentError."""
    try:
        points, alarms = json.loads(zlib.decompress(content))
        return build_ruleset([_point(**raw) for raw in points], [_alarm(**raw) for raw in alarms])
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RuleErrors) as error:
        raise ContentError(f"the rules as they were can't be built again: {error}") from error


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} in a rule set")


def _point(reset: list[float] | None, **rest: Any) -> PointInfo:
    return PointInfo(reset=None if reset is None else (reset[0], reset[1]), **rest)


def _alarm(levels: list[Any], names: dict[str, Any], **rest: Any) -> AlarmRule:
    return AlarmRule(levels=tuple(LevelRule(**level) for level in levels), names=_names(**names), **rest)


def _names(points: dict[str, list[str]], many: list[str], tables: dict[str, Any], **rest: Any) -> Names:
    return Names(
        points={name: tuple(bound) for name, bound in points.items()},
        many=frozenset(many),
        tables={name: _table(**raw) for name, raw in tables.items()},
        **rest,
    )


def _table(xs: list[float], ys: list[float], **rest: Any) -> LookupTable:
    return LookupTable(xs=tuple(xs), ys=tuple(ys), **rest)
