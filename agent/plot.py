"""Draws series, the limits they are compared with and bands below them as lines of text. It judges and prints nothing.

```
plot([Panel("gauge.level", [Line(times, values)], [Limit(2.4, "yellow")], unit="m")],
     [Band("river", [(2700.0, 5700.0, "yellow")])], 0.0, 12000.0)
```
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

LEVELS = ("blue", "yellow", "orange", "red")
STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
    *(86400 * days for days in (1, 2, 7, 14, 28, 91, 182, 364, 728, 1820, 3640)),
)  # fmt: skip
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille cell, row by row
_BLANK = "\u2800"
_MARKS = "*+ox"  # of the lines of a panel, where there is no braille
_LOW_CELLS = 3
_FAR = 2.0  # limits farther off than so many times the range of the data are only named


@dataclass(frozen=True, slots=True)
class Line:
    """One series: rising times in seconds and as many values; NaN breaks the line."""

    times: Sequence[float] | NDArray[np.float64]
    values: Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that the series is compared with, drawn as a dotted line."""

    value: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One or more series in the same unit, drawn over each other."""

    title: str
    lines: Sequence[Line]
    limits: Sequence[Limit] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """What was in force when: (from, to, word), such as an alarm's levels; `levels` are the words from low to high."""

    name: str
    spans: Sequence[tuple[float, float, str]]
    levels: Sequence[str] = LEVELS


def plot(
    panels: Sequence[Panel],
    bands: Sequence[Band],
    start_s: float,
    end_s: float,
    *,
    width: int = 80,
    height: int = 12,
    plain: bool = False,
    marks: Sequence[float] = (),
    say_time: Callable[[float], str] | None = None,
    origin_s: float | None = None,
) -> list[str]:
    """Lines of text, none wider than `width` characters: panels above a common time axis, bands below it.

    `height` is shared by the panels, whose titles, the axis and the bands come on top. `plain` draws with ASCII only.
    `marks` are times to point at. `say_time` words a time of the axis (default: time since `start_s`); ticks stand at
    round times from `origin_s` (default: `start_s`), such as a local midnight.
    """
    end_s = end_s if end_s > start_s else start_s + 1.0
    scales = [_scale(panel, max(_LOW_CELLS, height // max(len(panels), 1))) for panel in panels]
    names = [text for scale in scales for text in scale.labels.values()] + [band.name for band in bands]
    margin = min(max((_wide(name) for name in names), default=0), width // 3)
    columns = max(width - margin - 2, 8)
    across = _Axis(start_s, end_s, columns)
    drawn: list[str] = []
    for panel, scale in zip(panels, scales, strict=True):
        drawn.append(_fit(" " * (margin + 2) + scale.title, width))
        drawn += _panel(panel, scale, across, margin, plain)
    drawn += _time_axis(across, margin, marks, (say_time or (lambda t: span(t - start_s)), origin_s), plain)
    drawn += [line for band in bands for line in _band(band, across, margin, plain)]
    drawn += _legend(bands, margin, width, plain)
    return [line.replace(_BLANK, " ").rstrip() for line in drawn]


def span(seconds: float) -> str:
    """A time since the start, short: "0", "90 s", "1 h 30 min", "2 d 6 h"."""
    rest, parts = round(abs(seconds), 3), []
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if size == 1.0:
            count = rest
        else:
            count, rest = divmod(rest, size)
        parts += [f"{count:g} {unit}"] if count else []
    return ("-" if seconds < 0 else "") + " ".join(parts[:2]) if parts else "0"


def is_plain(encoding: str) -> bool:
    """Whether a terminal shows ASCII only: by the encoding of what is written to it, and by what it says it is."""
    return not encoding.lower().startswith("utf") or os.environ.get("TERM") in ("linux", "dumb")


# --- panels ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scale:
    """Of a panel: values at its bottom and top edge, cells high, labels by row from the top."""

    low: float
    high: float
    cells: int
    labels: dict[int, str]
    title: str

    def row(self, value: float, rows: int) -> int:
        """Of `rows` rows, counted from the top, the one with the value."""
        return min(rows - 1, max(0, int((self.high - value) / (self.high - self.low) * rows)))


def _scale(panel: Panel, cells: int) -> _Scale:
    values = [value for line in panel.lines for value in _extremes(line.values)]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    if not values and panel.limits:
        low, high = min(limit.value for limit in panel.limits), max(limit.value for limit in panel.limits)
    reach = _FAR * ((high - low) or abs(high) or 1.0)
    near = [limit for limit in panel.limits if low - reach <= limit.value <= high + reach]
    far = [limit for limit in panel.limits if limit not in near]
    low, high = min([low, *(limit.value for limit in near)]), max([high, *(limit.value for limit in near)])
    pad = (high - low) * 0.02 or abs(high) * 0.1 or 1.0  # what lies at an edge is drawn inside of it
    title = f"{panel.title} ({panel.unit})" if panel.unit else panel.title
    if not values:
        title, cells, far = f"{title}  no readings", 0, []
    if far:
        title += "  far off: " + ", ".join(f"{limit.name} {limit.value:g}".strip() for limit in far)
    scale = _Scale(low - pad, high + pad, cells, {}, title)
    if not cells:
        return scale
    named = {limit.value: limit.name for limit in sorted(near, key=lambda limit: limit.name, reverse=True)}
    for value in [*sorted(named, reverse=True), high, low]:
        text = f"{named.get(value, '')} {value:.4g}".strip()
        row = scale.row(value, cells)
        free = [r for r in (row, row + 1) if r < cells and r not in scale.labels]
        if free and text not in scale.labels.values() and (value in named or row not in scale.labels):
            scale.labels[free[0]] = text
    return scale


def _extremes(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    return [float(found.min()), float(found.max())] if len(found) else []


@dataclass(frozen=True, slots=True)
class _Axis:
    """Time from left to right."""

    start_s: float
    end_s: float
    cells: int

    def column(self, at_s: float, columns: int) -> int:
        """Of `columns` columns, the one of a time."""
        share = (at_s - self.start_s) / (self.end_s - self.start_s)
        return min(columns - 1, max(0, int(share * columns)))


def _panel(panel: Panel, scale: _Scale, across: _Axis, margin: int, plain: bool) -> list[str]:
    if not scale.cells:
        return []
    wide, tall = (1, 1) if plain else (2, 4)
    columns, rows = across.cells * wide, scale.cells * tall
    cells = [[" " if plain else _BLANK] * across.cells for _ in range(scale.cells)]

    def dot(x: int, y: int, mark: str) -> None:
        row = cells[y // tall]
        row[x // wide] = mark if plain else chr(ord(row[x // wide]) | _DOTS[y % 4][x % 2])

    for limit in panel.limits:
        if scale.low <= limit.value <= scale.high:
            for x in range(0, columns, 2 if plain else 4):
                dot(x, scale.row(limit.value, rows), "-")
    for number, line in enumerate(panel.lines):
        for x, top, bottom in _strokes(line, scale, across, columns, rows):
            for y in range(top, bottom + 1):
                dot(x, y, _MARKS[number % len(_MARKS)])
    edge = "|" if plain else "┤"
    return [
        f"{_right(scale.labels.get(k, ''), margin)} {edge if k in scale.labels else '|' if plain else '│'}"
        + "".join(row)
        for k, row in enumerate(cells)
    ]


def _strokes(line: Line, scale: _Scale, across: _Axis, columns: int, rows: int) -> list[tuple[int, int, int]]:
    """(column, top row, bottom row) of what a line covers: from reading to reading, all of those in a column."""
    times, values = (np.asarray(part, dtype=np.float64) for part in (line.times, line.values))
    inside = (times >= across.start_s) & (times <= across.end_s)
    times, values = times[inside], values[inside]
    if not len(times):
        return []
    share = (times - across.start_s) / (across.end_s - across.start_s)
    column = np.minimum((share * columns).astype(np.int64), columns - 1)
    starts = np.flatnonzero(np.append(True, np.diff(column) > 0))
    ends = np.append(starts[1:], len(column)) - 1
    lows, highs = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    strokes = []
    for k, start in enumerate(starts.tolist()):
        if math.isfinite(lows[k]):
            strokes.append((int(column[start]), scale.row(highs[k], rows), scale.row(lows[k], rows)))
        if k and math.isfinite(values[start]) and math.isfinite(values[ends[k - 1]]):
            left, right = int(column[starts[k - 1]]), int(column[start])
            ends_at = scale.row(values[ends[k - 1]], rows), scale.row(values[start], rows)
            strokes += _joined(left, right, *ends_at)
    return strokes


def _joined(left: int, right: int, y0: int, y1: int) -> list[tuple[int, int, int]]:
    """A straight stroke between two columns, without its ends."""
    strokes = []
    before = y0
    for x in range(left + 1, right + 1):
        y = round(y0 + (y1 - y0) * (x - left) / (right - left))
        strokes.append((x, min(before, y), max(before, y)) if abs(y - before) > 1 else (x, y, y))
        before = y
    return strokes


# --- axis and bands ----------------------------------------------------------------------------------------------


def _time_axis(
    across: _Axis,
    margin: int,
    marks: Sequence[float],
    wording: tuple[Callable[[float], str], float | None],
    plain: bool,
) -> list[str]:
    say, origin = wording
    origin = across.start_s if origin is None else origin
    for step in STEPS_S:
        first = math.ceil((across.start_s - origin) / step - 1e-9)
        count = int((across.end_s - origin) / step + 1e-9) - first + 1
        if count * 4 > across.cells:
            continue
        ticks = [
            (across.column(origin + k * step, across.cells), say(origin + k * step))
            for k in range(first, first + count)
        ]
        if all(a + _wide(text) < b for (a, text), (b, _) in pairwise(ticks)):
            break
    else:
        ticks = [(0, say(across.start_s))]
    rule = ["-" if plain else "─"] * across.cells
    words = ""
    for column, text in ticks:
        rule[column] = "+" if plain else "┬"
        if column + _wide(text) <= across.cells:
            words += " " * (column - _wide(words)) + text
    for mark in marks:
        rule[across.column(mark, across.cells)] = "^" if plain else "▲"
    return [" " * margin + (" +" if plain else " └") + "".join(rule), " " * (margin + 2) + words]


def _band(band: Band, across: _Axis, margin: int, plain: bool) -> list[str]:
    cells = ["." if plain else "·"] * across.cells
    rank = {level: k for k, level in enumerate(band.levels)}
    for start, end, level in sorted(band.spans, key=lambda one: rank.get(one[2], 0)):
        if end < across.start_s or start > across.end_s:
            continue
        first, last = across.column(start, across.cells), across.column(end, across.cells)
        if last > first and end < across.end_s:
            last -= 1  # the cell in which it ends is the next one's
        for x in range(first, last + 1):
            cells[x] = _sign(level, band.levels, plain)
    return [_right(band.name, margin) + "  " + "".join(cells)]


def _sign(level: str, levels: Sequence[str], plain: bool) -> str:
    """What stands for a level: its first letter, or a block the higher the level is."""
    if plain or level not in levels:
        return level[:1] or "?"
    blocks = {1: "█", 2: "▄█", 3: "▂▄█", 4: "▂▄▆█"}.get(len(levels), "▁▂▃▄▅▆▇█")
    return blocks[min(levels.index(level), len(blocks) - 1)]


def _legend(bands: Sequence[Band], margin: int, width: int, plain: bool) -> list[str]:
    signs: dict[str, str] = {}
    for band in bands:
        used = {level for _, _, level in band.spans}
        signs |= {level: _sign(level, band.levels, plain) for level in band.levels if level in used}
    text = "  ".join(f"{sign} {level}" for level, sign in signs.items())
    return [_fit(" " * (margin + 2) + text, width)] if text else []


# --- widths ------------------------------------------------------------------------------------------------------


def _wide(text: str) -> int:
    """Columns that a text takes on a terminal: Chinese characters take two."""
    return cell_len(text)


def _right(text: str, width: int) -> str:
    """A text at the right end of so many columns; of one that is longer its beginning."""
    text = _fit(text, width)
    return " " * (width - _wide(text)) + text


def _fit(text: str, width: int) -> str:
    while _wide(text) > width:
        text = text[:-1]
    return text
