"""Owns the texts with units that a site file is written in, as pydantic types. A bare number is never one of them."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from drivers.api import duration

from .problems import nearest, shown

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(kB|MB|GB)\s*")
_BYTES = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|min|h)\s*")
_SEGMENT = re.compile(r"\s*(on|off)\s+(.+)")
_PER = {"s": 1.0, "min": 60.0, "h": 3600.0}
_RESET = re.compile(r"\s*(hh|[01]\d|2[0-3]):([0-5]\d)\s*")


def _seconds(text: object) -> float:
    try:
        seconds = duration(text)
    except ValueError:
        raise ValueError(f'got {shown(text)}, expected a duration with its unit, such as "500 ms" or "3 min"') from None
    if not math.isfinite(seconds):
        raise ValueError(f"got {shown(text)}, expected a finite duration")
    return seconds


def _some_seconds(text: object) -> float:
    if (seconds := _seconds(text)) <= 0:
        raise ValueError(f"got {shown(text)}, expected a duration above 0")
    return seconds


def _longest_on(text: object) -> float:
    if text == "unlimited":
        return math.inf
    if isinstance(text, str) and (near := nearest(text, ["unlimited"])):
        raise ValueError(f'got {shown(text)}, expected a duration with its unit or "unlimited"; {near}')
    return _some_seconds(text)


def _until(text: object) -> Literal["clear", "reset"] | float:
    if text == "clear" or text == "reset":  # noqa: PLR1714 - so that the type is the literal
        return text
    try:
        return _some_seconds(text)
    except ValueError:
        near = nearest(text, ["clear", "reset"]) if isinstance(text, str) else ""
        told = f'got {shown(text)}, expected "clear", "reset" or a duration with its unit'
        raise ValueError("; ".join(part for part in (told, near) if part)) from None


def _quantity(text: object) -> str | float:
    # A number is let through: only who knows the point's unit can say whether it needed one.
    if isinstance(text, str) or (isinstance(text, (int, float)) and not isinstance(text, bool)):
        return text
    raise ValueError(f'got {shown(text)}, expected a quantity with its unit, such as "15 cm"')


def _size(text: object) -> int:
    if isinstance(text, str) and (found := _SIZE.fullmatch(text)):
        return int(float(found[1]) * _BYTES[found[2]])
    raise ValueError(f'got {shown(text)}, expected a size with its unit, such as "256 MB"')


def _share(text: object) -> float:
    if isinstance(text, str) and (found := _PERCENT.fullmatch(text)) and float(found[1]) <= 100:
        return float(found[1]) / 100
    raise ValueError(f'got {shown(text)}, expected a percentage from "0 %" to "100 %"')


def _rate(text: object) -> float:
    if isinstance(text, str) and (found := _RATE.fullmatch(text)) and float(found[1]) > 0:
        return float(found[1]) / _PER[found[2]]
    raise ValueError(f'got {shown(text)}, expected a rate above 0, such as "20 /s"')


def _segment(text: object) -> tuple[bool, float]:
    if isinstance(text, str) and (found := _SEGMENT.fullmatch(text)):
        return found[1] == "on", _some_seconds(found[2])
    raise ValueError(f'got {shown(text)}, expected "on" or "off" and a duration, such as "on 500 ms"')


def _reset(text: object) -> tuple[float, float]:
    """Period and phase in seconds of local time: each hour or each day."""
    if isinstance(text, str) and (found := _RESET.fullmatch(text)):
        minutes_s = 60.0 * int(found[2])
        return (3600.0, minutes_s) if found[1] == "hh" else (86400.0, 3600.0 * int(found[1]) + minutes_s)
    raise ValueError(f'got {shown(text)}, expected "hh:51" for each hour or "08:00" for each day')


def _bindings(table: object) -> dict[str, str | list[str]]:
    if isinstance(table, dict):
        return table  # what is in it is checked against the model, whose words are better
    raise ValueError(f'got {shown(table)}, expected a table such as {{ level = "gauge.level" }}')


def _figures(table: object) -> dict[str, str]:
    if isinstance(table, dict):
        return table
    raise ValueError(f'got {shown(table)}, expected a table such as {{ warning_stage = "2.40 m" }}')


_DURATION_SCHEMA = {"type": "string", "format": "duration", "pattern": r"^\s*\d+(\.\d+)?\s*(us|ms|s|min|h|d)\s*$"}


def _schema(kind: str, pattern: str | None = None, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "format": kind, **({"pattern": pattern} if pattern else {}), **more})


Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_DURATION_SCHEMA)]  # 0 and more
Period = Annotated[float, BeforeValidator(_some_seconds), WithJsonSchema(_DURATION_SCHEMA)]  # more than 0
LongestOn = Annotated[
    float,
    BeforeValidator(_longest_on),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"const": "unlimited"}], "format": "duration or unlimited"}),
]
Until = Annotated[
    Any,
    BeforeValidator(_until),
    WithJsonSchema(
        {"anyOf": [{"enum": ["clear", "reset"]}, _DURATION_SCHEMA], "format": '"clear", "reset" or duration'}
    ),
]
Quantity = Annotated[
    Any, BeforeValidator(_quantity), WithJsonSchema({"type": ["string", "number"], "format": "quantity"})
]  # converted to the unit of the point it belongs to
Size = Annotated[int, BeforeValidator(_size), _schema("size", r"^\s*\d+(\.\d+)?\s*(kB|MB|GB)\s*$")]
Share = Annotated[float, BeforeValidator(_share), _schema("percentage", r"^\s*\d+(\.\d+)?\s*%\s*$")]
Rate = Annotated[float, BeforeValidator(_rate), _schema("rate", r"^\s*\d+(\.\d+)?\s*/\s*(s|min|h)\s*$")]
Segment = Annotated[
    Any, BeforeValidator(_segment), _schema("segment", r"^\s*(on|off)\s+\d+(\.\d+)?\s*(us|ms|s|min)\s*$")
]
Baseline = Annotated[
    Any, BeforeValidator(_quantity), WithJsonSchema({"type": ["string", "number"], "format": 'quantity or "first"'})
]
Reset = Annotated[Any, BeforeValidator(_reset), _schema("time of day or hour", r"^\s*(hh|[01]\d|2[0-3]):[0-5]\d\s*$")]
_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Bindings = Annotated[
    Any, BeforeValidator(_bindings), WithJsonSchema({"type": "object", "additionalProperties": _NAMES})
]  # checked against the model that is bound
Figures = Annotated[
    Any,
    BeforeValidator(_figures),
    WithJsonSchema(
        {"type": "object", "additionalProperties": {"type": ["string", "number"], "format": "quantity"}},
    ),
]
