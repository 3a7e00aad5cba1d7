"""Owns what a back-test shows on a terminal: what would have sounded, which readings counted, how good it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.backtest.drawing import merged
from agent.backtest.judging import stamp
from agent.backtest.limits import limits
from agent.backtest.outcome import AlarmSum, Outcome, PointCount, Row, Sounding
from agent.backtest.plots import frontier
from agent.backtest.score import Score
from agent.plot import Band, Limit, Line, Panel, plot
from agent.screens import COLOURS, span

MOST = 20  # rows of a list
MOST_VARIED = 40  # combinations; of more only the best
MOST_PLOTS = 6
BAR = 10  # characters
ROOM = 74  # characters that a sounding takes besides its readings


def show(outcome: Outcome, console: Console) -> None:
    """Everything, in the order in which people ask."""
    judged, zone = outcome.judged, outcome.zone
    if judged.first_s is None or judged.last_s is None:
        console.print(Text("not one reading of this site's points lies in this history", style="bold red"))
    else:
        length = span(judged.last_s - judged.first_s)
        first, last = _when(judged.first_s, zone), _when(judged.last_s, zone)
        text = f"{outcome.site.id}: {first} to {last}, {length}, {judged.readings:,} readings"
        console.print(text, highlight=False, markup=False)
    for doubt in outcome.doubts():
        console.print(Text(f"note: {doubt}", style="yellow"))
    _soundings(outcome, console)
    _plots(outcome, console)
    console.print(_alarms(outcome))
    _more(console, len(outcome.alarms) - MOST, "alarms", "the JSON has all of them")
    if outcome.events is not None:
        _events(outcome, console)
    if outcome.varied is not None:
        _vary(outcome, console)
    _points(outcome, console)
    _files(outcome, console)


# --- what would have sounded --------------------------------------------------------------------------------------


def _soundings(outcome: Outcome, console: Console) -> None:
    if not outcome.soundings:
        console.print("nothing would have sounded")
        return
    table = _table("What would have sounded", "alarm", "level", "from", "for", "readings then")
    for column in table.columns:
        column.no_wrap = True
    if outcome.events is not None:
        table.add_column("verdict")
    for sounding in outcome.soundings[:MOST]:
        table.add_row(*_sounding(outcome, sounding, max(12, console.width - ROOM)))
    console.print(table)
    _more(console, outcome.activations - min(MOST, len(outcome.soundings)), "activations", "the JSON has all of them")


def _sounding(outcome: Outcome, sounding: Sounding, width: int) -> list[Text | str]:
    first = sounding.moves[0]
    reached = dict.fromkeys(move.level for move in sounding.moves if move.level != "normal")
    levels = Text(" ").join(Text(level, style=COLOURS.get(level, "")) for level in reached)
    lasting = "until the end" if sounding.end_s is None else span(sounding.end_s - sounding.start_s)
    units = outcome.site.points
    values = [
        f"{name} {'-' if value is None else f'{value:.4g} {units[name].unit}'}" for name, value in first.values.items()
    ]
    told = Text(", ".join(values))
    told.truncate(width, overflow="ellipsis")
    cells: list[Text | str] = [Text(sounding.alarm), levels, _when(first.wall_s, outcome.zone), lasting, told]
    if outcome.events is not None:
        cells.append(
            {None: Text(""), True: Text("false", style="red"), False: Text("right", style="green")}[sounding.false]
        )
    return cells


def _alarms(outcome: Outcome) -> Table:
    table = _table("Alarm by alarm", "alarm", "times", "highest", "in all")
    if outcome.events is not None:
        for column in ("hits", "missed", "false", "median lead"):
            table.add_column(column, justify="right")
    for one in _often(outcome)[:MOST]:
        table.add_row(*_sum(one, scored=outcome.events is not None))
    if outcome.total is not None and len(outcome.alarms) > 1:
        table.add_section()
        table.add_row("all that sound", "", "", "", *_score(outcome.total))
    return table


def _sum(one: AlarmSum, *, scored: bool) -> list[Text | str]:
    name = Text(one.alarm.name)
    if one.alarm.shadow:
        name.append(" on trial", style="italic")
    cells: list[Text | str] = [
        name,
        str(len(one.activations.start_s)),
        Text(one.highest, style=COLOURS.get(one.highest, "")),
        span(one.active_s) if one.active_s else "",
    ]
    if scored:
        cells += _score(one.score) if one.score else ["", "", "", ""]
    return cells


def _score(score: Score) -> list[str]:
    return [f"{score.hits} of {score.events}", str(score.misses), str(score.false_alarms), early(score.median_lead_s)]


def early(lead_s: float | None) -> str:
    """A lead time as people say it."""
    if lead_s is None:
        return ""
    return "at the start" if lead_s == 0 else f"{span(abs(lead_s))} {'before' if lead_s > 0 else 'after'}"


def _events(outcome: Outcome, console: Console) -> None:
    if outcome.outside:
        console.print(f"{outcome.outside} labelled events lie outside of this history and are not scored")
    if not outcome.events:
        return
    table = _table("Labelled events", "event", "from", "for", "outcome", "alarm", "lead")
    missed_first = sorted(outcome.findings, key=lambda finding: finding.alarm is not None)
    for finding in missed_first[:MOST]:
        event = outcome.events[finding.event]
        hit = Text("hit", style="green") if finding.alarm is not None else Text("missed", style="bold red")
        table.add_row(
            Text(event.text), _when(event.start_s, outcome.zone), span(event.end_s - event.start_s), hit,
            Text(finding.alarm or ""), early(finding.lead_s),
        )  # fmt: skip
    console.print(table)
    _more(console, len(outcome.findings) - MOST, "events", "the JSON has all of them")


# --- pictures -----------------------------------------------------------------------------------------------------


def _plots(outcome: Outcome, console: Console) -> None:
    """A picture of each alarm with its points, those that sounded most often first."""
    judged, zone = outcome.judged, outcome.zone
    if judged.first_s is None or judged.last_s is None:
        return
    order = _often(outcome)
    midnight = datetime.fromtimestamp(judged.first_s, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    form = "%H:%M" if judged.last_s - judged.first_s < 2 * 86400 else "%Y-%m-%d"
    for one in order[:MOST_PLOTS]:
        lines = plot(
            [_panel(outcome, one, point) for point in _pictured(outcome, one)],
            [_band(outcome, one)],
            judged.first_s,
            judged.last_s,
            width=min(console.width, 120),
            say_time=lambda at_s: datetime.fromtimestamp(at_s, zone).strftime(form),
            origin_s=midnight.timestamp(),
        )
        titles = [title for title in dict.fromkeys(one.alarm.title.values()) if title != one.alarm.name]
        console.print()
        console.print(Text(f"{one.alarm.name}  {' / '.join(titles)}".strip(), style="bold"))
        for line in lines:
            console.print(line, highlight=False, markup=False, no_wrap=True)
    _more(console, len(order) - MOST_PLOTS, "alarms are not drawn", "the report has all of them")
    console.print()


def _often(outcome: Outcome) -> list[AlarmSum]:
    """The alarms, those that sounded most often first."""
    return sorted(outcome.alarms, key=lambda one: -len(one.activations.start_s))


def _pictured(outcome: Outcome, one: AlarmSum) -> list[int]:
    """At most two points: those with a setpoint on their own scale first."""
    ruleset = outcome.site.ruleset
    drawn = [limit.point for limit in limits(ruleset) if limit.alarm == one.alarm.name and limit.value is not None]
    return list(dict.fromkeys([*drawn, *sorted(ruleset.used_points(one.alarm.index))]))[:2]


def _panel(outcome: Outcome, one: AlarmSum, number: int) -> Panel:
    point = list(outcome.site.points.values())[number]
    trace = outcome.judged.envelope.trace(number)
    middles = trace.start_s + (np.arange(len(trace.lo)) + 0.5) * trace.width_s
    times: list[float] = []
    values: list[float] = []
    for first, last in trace.runs(point.stale_after_s):
        kept = np.arange(first, last + 1)[trace.lo[first : last + 1] <= trace.hi[first : last + 1]]
        times += [*np.repeat(middles[kept], 2).tolist(), float(middles[last])]
        values += [*np.column_stack([trace.lo[kept], trace.hi[kept]]).reshape(-1).tolist(), math.nan]
    own = [limit for limit in limits(outcome.site.ruleset) if (limit.alarm, limit.point) == (one.alarm.name, number)]
    marks: dict[float, str] = {}
    for limit in [limit for limit in own if limit.direct] or own:
        if limit.value is not None:
            marks.setdefault(limit.value, limit.level)  # the lowest of its levels
    setpoints = [Limit(value, level) for value, level in marks.items()]
    return Panel(point.name, [Line(times, values)], setpoints, point.unit)


def _band(outcome: Outcome, one: AlarmSum) -> Band:
    names = [level.level for level in one.alarm.rule.levels]
    last_s = outcome.judged.last_s or 0.0
    bands = merged(outcome.judged.courses[one.alarm.index].bands(), last_s)
    return Band(one.alarm.name, [(b.start_s, min(b.end_s, last_s), names[b.level - 1]) for b in bands], names)


# --- other setpoints --------------------------------------------------------------------------------------------------


def _vary(outcome: Outcome, console: Console) -> None:
    keys = [variation.key for variation in outcome.varied.variations] if outcome.varied else []
    scored = outcome.events is not None
    rest = ("false", "", "missed", "", "hits", "lead") if scored else ("times", "", "in all")
    table = _table("Other setpoints", *keys, *rest)
    for column in table.columns[len(keys) :]:
        column.no_wrap = True
    rows = [row for row in outcome.rows if row.values is None or row.problem or _worth(outcome, row)]
    most = max((figure for row in rows for figure in _figures(row, scored=scored)), default=0)
    for row in rows:
        table.add_row(*_varied(row, outcome.own_values(), most, scored=scored))
    console.print(table)
    for row in rows:
        if row.problem:
            told = f"{', '.join(row.values or ())} was not judged: {row.problem}"
            console.print(Text(told, style="yellow"))
    _more(
        console, len(outcome.rows) - len(rows), "combinations, each beaten by one of these", "the JSON has all of them"
    )


def _worth(outcome: Outcome, row: Row) -> bool:
    """Whether a combination is shown: all of few, of many those that no other one beats."""
    if len(outcome.rows) <= MOST_VARIED or row.score is None:
        return True
    figures = [(one.score.false_alarms, one.score.misses) for one in outcome.rows if one.values and one.score]
    return (row.score.false_alarms, row.score.misses) in frontier(figures)


def _varied(row: Row, own: Sequence[str], most: int, *, scored: bool) -> list[Text | str]:
    cells: list[Text | str] = [Text(value) for value in row.values or ()]
    if row.values is None:
        cells = [Text(f"{value}, as it is", style="bold") for value in own]
    if row.problem:
        return [*cells, "-"]
    first, second = _figures(row, scored=scored)
    if row.score is None:
        return [*cells, str(first), _bar(first, most, "blue"), span(row.active_s) if row.active_s else ""]
    hits = f"{row.score.hits} of {row.score.events}"
    bars = _bar(first, most, "red"), _bar(second, most, "magenta")
    return [*cells, str(first), bars[0], str(second), bars[1], hits, early(row.score.median_lead_s)]


def _figures(row: Row, *, scored: bool) -> tuple[int, int]:
    if scored and row.score is not None:
        return row.score.false_alarms, row.score.misses
    return row.activations, 0


def _bar(figure: int, most: int, style: str) -> Text:
    eighths = round(8 * BAR * figure / most) if most else 0
    eighths = max(eighths, 1) if figure else 0
    return Text("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip(), style=style)


# --- readings -------------------------------------------------------------------------------------------------------


def _points(outcome: Outcome, console: Console) -> None:
    counts = outcome.points
    order = sorted(counts, key=lambda name: (not counts[name]["dropped"], not counts[name]["bad"]))
    columns = {
        "good": lambda count: f"{count['good']:,}",
        "bad": lambda count: _reasons(count["bad"]),
        "dropped": lambda count: _reasons(count["dropped"]),
        "empty cells": lambda count: f"{count['empty']:,}" if count["empty"] else "",
        "pauses": pauses,
    }
    told = {head: [column(counts[name]) for name in order[:MOST]] for head, column in columns.items()}
    told = {head: cells for head, cells in told.items() if any(cells)}
    table = _table("Readings", "point", *told)
    for row in zip(map(Text, order), *told.values(), strict=False):
        table.add_row(*row)
    console.print(table)
    _more(console, len(order) - MOST, "points", "the JSON has all of them")


def pauses(count: PointCount) -> str:
    """Pauses longer than the point may be without a reading, in words."""
    return f"{count['gaps']:,}, longest {span(count['longest_gap_s'])}" if count["gaps"] else ""


def _files(outcome: Outcome, console: Console) -> None:
    table = _table("Files", "file", "rows", "dropped")
    order = sorted(outcome.files, key=lambda name: not outcome.files[name]["dropped"])
    for name in order[:MOST]:
        table.add_row(Text(name), f"{outcome.files[name]['rows']:,}", _reasons(outcome.files[name]["dropped"]))
    console.print(table)
    _more(console, len(order) - MOST, "files", "the JSON has all of them")
    for note in outcome.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)


def _reasons(reasons: Mapping[str, int]) -> Text:
    return Text(", ".join(f"{count:,} {reason}" for reason, count in reasons.items()))


# --- pieces -----------------------------------------------------------------------------------------------------------


def _when(wall_s: float, zone: tzinfo) -> str:
    text = stamp(wall_s, zone)
    return "date not known" if text is None else f"{text[:10]} {text[11:16]}"


def _more(console: Console, count: int, what: str, where: str) -> None:
    if count > 0:
        console.print(f"and {count:,} more {what}; {where}", style="dim", highlight=False)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    return table
