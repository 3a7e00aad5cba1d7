"""A rule set as bytes and back, so that what was judged by rules of last year can be judged again. No files."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from json import dumps
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rules.judge import Ruleset, build_ruleset
from rules.model import AlarmRule, PointInfo, RuleErrors

_Given = tuple[tuple[PointInfo, ...], tuple[AlarmRule, ...]]


class ContentError(ValueError):
    """Bytes that are no rule set, or rules that this version of the software does not take any more."""


def content_of(ruleset: Ruleset) -> bytes:
    """The points and rules a rule set was built from, compressed."""
    return zlib.compress(dumps([ruleset.points, ruleset.alarms], default=_plain).encode())


def ruleset_of(content: bytes) -> Ruleset:
    """The rule set again; by its digest the caller sees whether it still judges as it did. Raises ContentError."""
    try:
        points, alarms = TypeAdapter(_Given).validate_json(zlib.decompress(content))
        return build_ruleset(points, alarms)
    except (zlib.error, ValidationError, RuleErrors) as error:
        raise ContentError(f"the rules as they were can't be built again: {error}") from error


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} in a rule set")
