"""Owns the report: one HTML page that needs nothing else, made of `page.html` and an outcome. All is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from agent import __version__
from agent.backtest.drawing import drawing, used_points
from agent.backtest.limits import limits
from agent.backtest.outcome import Outcome
from agent.backtest.pieces import both, pill, plain_table, scroll, table_row, titles, trial, when
from agent.backtest.sections import counts, events, scores, soundings, vary
from agent.screens import span

_WORDS = re.compile(r"\{\{([^|{}]*)\|([^|{}]*)\}\}")
_SLOT = re.compile(r"\[\[(\w+)\]\]")


def page(outcome: Outcome) -> str:
    """The whole page."""
    site = outcome.site
    names = [site.name[language] for language in site.languages]
    others = [name for name in dict.fromkeys(names[1:]) if name != names[0]]
    slots = {
        "lang": next((language for language in site.languages if language in ("zh", "en")), "en"),
        "title": escape(f"{names[0]} · backtest"),
        "name": escape(names[0]) + "".join(f" <small>{escape(name)}</small>" for name in others),
        "switch": '<button id="switch" type="button">中文 / English</button>',
        "span": _span(outcome),
        "tiles": "".join(_tiles(outcome)),
        "notes": "".join(f'<p class="note">{note}</p>' for note in _notes(outcome)),
        "soundings": soundings(outcome),
        "events": events(outcome),
        "score": scores(outcome),
        "vary": vary(outcome),
        "charts": "".join(_charts(outcome)),
        "counts": counts(outcome),
        "rules": "".join(_rules(outcome)),
        "footer": escape(
            f"tocsin {__version__}, {site.id}, rules {site.ruleset.digest}, judged with {outcome.judged_with}"
        ),
        "data": json.dumps(drawing(outcome), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029"),
    }
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    template = _WORDS.sub(lambda found: both(found[1], found[2]), template)
    return _SLOT.sub(lambda found: slots[found[1]], template)


# --- parts ----------------------------------------------------------------------------------------------------------


def _span(outcome: Outcome) -> str:
    judged = outcome.judged
    if judged.first_s is None or judged.last_s is None:
        return both("没有读数", "No readings.")
    first, last = (when(wall_s, outcome.zone) for wall_s in (judged.first_s, judged.last_s))
    return f"{first} – {last}, {escape(span(judged.last_s - judged.first_s))}"


def _tiles(outcome: Outcome) -> Iterator[str]:
    yield _tile(outcome.activations, both("次警报", "alarms"))
    if (total := outcome.total) is not None:
        yield _tile(f"{total.hits} / {total.events}", both("事件命中", "events hit"), "good" if total.hits else "")
        yield _tile(total.misses, both("漏报", "missed"), "wrong" if total.misses else "")
        yield _tile(total.false_alarms, both("误报", "false alarms"), "wrong" if total.false_alarms else "")
        median = total.median_lead_s
        early = median is None or median >= 0
        words = both("中位提前量", "median lead time") if early else both("中位滞后", "median delay")
        yield _tile("–" if median is None else span(abs(median)) if median else "0", words)
    bad = sum(sum(count["bad"].values()) for count in outcome.points.values())
    dropped = sum(sum(count["dropped"].values()) for count in outcome.points.values())
    good = sum(count["good"] for count in outcome.points.values())
    yield _tile(f"{good:,}", both("条有效读数", "good readings"))
    yield _tile(f"{bad:,} / {dropped:,}", both("条不可用 / 丢弃", "bad / dropped"))


def _tile(figure: object, words: str, style: str = "") -> str:
    return f'<div class="tile {style}"><b>{escape(str(figure))}</b><span>{words}</span></div>'


def _notes(outcome: Outcome) -> Iterator[str]:
    if outcome.outside:
        yield both(
            f"{outcome.outside} 个标注事件在历史数据之外，不计入评分。",
            f"{outcome.outside} labelled events lie outside of the history and are not scored.",
        )
    for note in (*outcome.doubts(), *outcome.notes):
        yield escape(note)


def _charts(outcome: Outcome) -> Iterator[str]:
    points = list(outcome.site.points.values())
    lines = limits(outcome.site.ruleset)
    for place, number in enumerate(used_points(outcome)):
        point = points[number]
        items = dict.fromkeys(
            f"<li>{pill(outcome, line.level)} <code>{escape(line.text)}</code></li>"
            for line in lines
            if line.point == number
        )
        name = "" if point.name in point.title.values() else f"<code>{escape(point.name)}</code> "
        count = outcome.points.get(point.name)
        none = (
            f' <span class="no">{both("历史中没有它", "not in this history")}</span>'
            if not count or not count["good"]
            else ""
        )
        yield (
            f'<section class="card"><h3>{titles(point.title)} <small>{name}{escape(point.unit)}</small>{none}</h3>'
            f'<canvas data-point="{place}" role="img" aria-label="{escape(point.name)}"></canvas>'
            f'<ul class="limits">{"".join(items)}</ul></section>'
        )


def _rules(outcome: Outcome) -> Iterator[str]:
    for alarm in outcome.site.alarms.values():
        rule = alarm.rule
        rows = [
            table_row(
                [
                    pill(outcome, level.level),
                    f"<code>{escape(level.when)}</code>",
                    escape(span(level.for_s)) if level.for_s else "–",
                    f"<code>{escape(level.clear)}</code>"
                    if level.clear
                    else both("不满足即可", "when it is no longer so"),
                    escape(span(level.clear_for_s)) if level.clear_for_s else "–",
                ]
            )
            for level in rule.levels
        ]
        head = [
            both("级别", "level"),
            both("条件", "when"),
            both("持续", "for"),
            both("解除", "clear"),
            both("持续", "for"),
        ]
        bound = [
            *((name, value) for name, value in rule.names.quantities.items()),
            *((name, ", ".join(points)) for name, points in rule.names.points.items()),
        ]
        listed = "".join(f"<dt><code>{escape(name)}</code></dt><dd>{escape(value)}</dd>" for name, value in bound)
        yield (
            f'<details class="card"><summary>{titles(alarm.title)} <code>{escape(alarm.name)}</code>'
            f"{trial(alarm.shadow)}</summary>{scroll(plain_table(head, rows))}<dl>{listed}</dl></details>"
        )
