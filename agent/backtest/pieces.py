"""Owns the small pieces of the report's HTML: words in both languages, times, levels, tables. Knows no sections."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from html import escape

from agent.backtest.drawing import colour
from agent.backtest.judging import stamp
from agent.backtest.outcome import Outcome

LEVELS_ZH = {"blue": "蓝", "yellow": "黄", "orange": "橙", "red": "红", "normal": "正常"}


def both(zh: str, en: str) -> str:
    """A word of the page in both languages; which one is seen is the reader's choice. Not for anybody else's text."""
    return f'<span class="zh">{zh}</span><span class="en">{en}</span>'


def note(zh: str, en: str) -> str:
    """A remark of the page in both languages."""
    return f'<p class="note">{both(zh, en)}</p>'


def heading(zh: str, en: str) -> str:
    """The title of a section in both languages."""
    return f"<h2>{both(zh, en)}</h2>"


def when(wall_s: float, zone: tzinfo) -> str:
    """A time in the zone, to the second."""
    text = stamp(wall_s, zone)
    return both("日期未知", "date not known") if text is None else escape(f"{text[:10]} {text[11:19]}")


def titles(texts: Mapping[str, str]) -> str:
    """A title in all its languages, the first one first."""
    first, *others = dict.fromkeys(texts.values()) or [""]
    return escape(first) + "".join(f' <span class="was">{escape(other)}</span>' for other in others)


def pill(outcome: Outcome, name: str) -> str:
    """A level in its colour."""
    if name == "normal":
        return "–"
    return f'<span class="level" {paint(outcome, name)}>{level_words(name)}</span>'


def paint(outcome: Outcome, name: str) -> str:
    """The attribute that gives an element a level's colour."""
    return f'style="--level:var(--{colour(outcome.site, name)})"'


def level_words(name: str) -> str:
    """A level in words."""
    return both(LEVELS_ZH[name], name) if name in LEVELS_ZH else escape(name)


def linked(start_s: float, end_s: float | None, cells: Iterable[str]) -> str:
    """A row that shows its time in the charts when it is clicked; a time that is not known links nowhere."""
    if not math.isfinite(start_s):
        return table_row(cells)
    to = "" if end_s is None else f' data-to="{end_s}"'
    return f'<tr data-from="{start_s}"{to}>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def table_row(cells: Iterable[str]) -> str:
    """A row of a table; cells are HTML."""
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def plain_table(head: Sequence[str], rows: Iterable[str]) -> str:
    """A table; heads and rows are HTML."""
    names = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def scroll(content: str) -> str:
    """What may be larger than its place."""
    return f'<div class="scroll">{content}</div>'


def table(head: Sequence[str], rows: Iterable[str]) -> str:
    """A table on a card."""
    return f'<div class="card scroll">{plain_table(head, rows)}</div>'


def trial(shadow: bool) -> str:
    """Said of alarms that sound nothing."""
    return f" {both('试运行，不响', 'on trial, sounds nothing')}" if shadow else ""


def reasons(counts: Mapping[str, int]) -> str:
    """Counts by reason."""
    return ", ".join(f"{count:,} {escape(reason)}" for reason, count in counts.items()) or "–"
