"""Owns the report's tables: what would have sounded, events, scores, other setpoints, readings. All is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from agent.backtest.judging import stamp
from agent.backtest.outcome import AlarmSum, Outcome, Row, Sounding
from agent.backtest.pieces import both, heading, linked, note, pill, reasons, table, table_row, titles, trial, when
from agent.backtest.plots import vary_plot
from agent.backtest.score import Score
from agent.screens import span

MOST_EVENTS = 500
MOST_VALUES = 8  # of one row
MOST_STEPS = 7

_WHEN = (both("开始", "from"), both("持续", "for"))


def soundings(outcome: Outcome) -> str:
    """What would have sounded, the first of it."""
    if not outcome.soundings:
        return note("没有任何警报会响。", "Nothing would have sounded.")
    rows = [_sounding(outcome, sounding) for sounding in outcome.soundings]
    more = outcome.activations - len(rows)
    told = note(f"另有 {more} 次，见 JSON。", f"{more} more are not listed; the JSON has all.") if more > 0 else ""
    head = [*_WHEN, both("当时读数", "readings then")]
    if outcome.events is not None:
        head.append(both("评判", "verdict"))
    return table([both("警报", "alarm"), both("级别", "level"), *head], rows) + told


def _sounding(outcome: Outcome, sounding: Sounding) -> str:
    alarm = outcome.site.alarms[sounding.alarm]
    first = sounding.moves[0]
    cells = [
        f"{titles(alarm.title)}<small><code>{escape(alarm.name)}</code>{trial(alarm.shadow)}</small>",
        _steps(outcome, sounding),
        f'<span class="nowrap">{when(first.wall_s, outcome.zone)}</span>',
        f'<span class="nowrap">{_lasting(sounding)}</span>',
        _values(outcome, first.values),
    ]
    if outcome.events is not None:
        verdict = {
            None: both("未标注", "not labelled"),
            True: f'<span class="no nowrap">{both("误报", "false")}</span>',
            False: f'<span class="yes">{both("属实", "right")}</span>',
        }
        cells.append(verdict[sounding.false])
    return linked(sounding.start_s, sounding.end_s, cells)


def _lasting(sounding: Sounding) -> str:
    if sounding.end_s is None:
        return both("直到末尾", "until the end")
    return escape(span(sounding.end_s - sounding.start_s))


def _steps(outcome: Outcome, sounding: Sounding) -> str:
    """The levels it went through; times of day but for the first, which has a column of its own."""
    moves = [move for move in sounding.moves if move.level != "normal"]
    steps = [pill(outcome, moves[0].level)]
    for move in moves[1:MOST_STEPS]:
        text = stamp(move.wall_s, outcome.zone) or ""
        steps.append(f"{pill(outcome, move.level)}<small class='was'>{escape(text[11:16])}</small>")
    if len(moves) > MOST_STEPS:
        steps.append(f"<small>+ {len(moves) - MOST_STEPS}</small>")
    return f'<div class="steps">{"".join(steps)}</div>'


def _values(outcome: Outcome, values: Mapping[str, float | None]) -> str:
    units = outcome.site.points
    found = [
        f'<span class="nowrap"><code>{escape(name)}</code> {escape(told)}</span>'
        for name, value in list(values.items())[:MOST_VALUES]
        for told in ["–" if value is None else f"{value:.4g} {units[name].unit}"]
    ]
    more = len(values) - len(found)
    return f'<div class="values">{"".join(found)}{f"<small>+ {more}</small>" if more else ""}</div>'


def events(outcome: Outcome) -> str:
    """What became of each labelled event."""
    if outcome.events is None:
        return ""
    title = heading("标注事件", "Labelled events")
    if not outcome.events:
        return title + note("历史期间没有标注事件。", "None in the time of this history.")
    rows = []
    for finding in outcome.findings[:MOST_EVENTS]:
        event = outcome.events[finding.event]
        told = f'<span class="no">{both("漏报", "missed")}</span>'
        if finding.alarm is not None:
            told = f'<span class="yes">{both("命中", "hit")}</span><small><code>{escape(finding.alarm)}</code></small>'
        asked = event.alarm or event.hazard or ""
        cells = [
            f"{escape(event.text)}<small><code>{escape(asked)}</code></small>",
            f'<span class="nowrap">{when(event.start_s, outcome.zone)}</span>',
            escape(span(event.end_s - event.start_s)),
            told,
            _early(finding.lead_s),
        ]
        rows.append(linked(event.start_s, event.end_s, cells))
    head = [both("事件", "event"), *_WHEN, both("结果", "outcome"), both("提前量", "lead time")]
    more = len(outcome.findings) - len(rows)
    told = note(f"另有 {more} 个，见 JSON。", f"{more} more are not listed; the JSON has all.") if more > 0 else ""
    return f"{title}{table(head, rows)}{told}"


def _early(lead_s: float | None) -> str:
    if lead_s is None:
        return "–"
    text = escape(span(abs(lead_s)))
    if lead_s == 0:
        return "0"
    return both(f"提前 {text}", f"{text} before") if lead_s > 0 else both(f"开始后 {text}", f"{text} after")


def scores(outcome: Outcome) -> str:
    """Alarm by alarm."""
    head = [both("警报", "alarm"), both("次数", "times"), both("最高级别", "highest"), both("合计", "in all")]
    judged = outcome.events is not None
    if judged:
        head += [both("命中", "hits"), both("漏报", "missed"), both("误报", "false"), both("中位提前量", "median lead")]
    rows = [_sum(outcome, one) for one in outcome.alarms]
    if judged and outcome.total is not None and len(rows) > 1:
        count = sum(len(one.activations.start_s) for one in outcome.alarms if not one.alarm.shadow)
        cells = [f"<b>{both('合计', 'all that sound')}</b>", str(count), "", ""]
        rows.append(table_row([*cells, *_score_cells(outcome.total)]))
    return f"{heading('各警报', 'Alarm by alarm')}{table(head, rows)}{_terms(outcome) if judged else ''}"


def _terms(outcome: Outcome) -> str:
    margin, tolerance = (
        span(seconds) if seconds else "0 s" for seconds in (outcome.terms.margin_s, outcome.terms.tolerance_s)
    )
    return note(
        f"事件开始前 {margin} 内的警报算命中；结束后 {tolerance} 内的不算误报。",
        f"An alarm up to {margin} before an event is a hit; one up to {tolerance} after it is not false.",
    )


def _sum(outcome: Outcome, one: AlarmSum) -> str:
    cells = [
        f"{titles(one.alarm.title)}<small><code>{escape(one.alarm.name)}</code>{trial(one.alarm.shadow)}</small>",
        str(len(one.activations.start_s)),
        pill(outcome, one.highest),
        escape(span(one.active_s)) if one.active_s else "–",
    ]
    if outcome.events is not None:
        cells += _score_cells(one.score) if one.score else ["–"] * 4
    return table_row(cells)


def _score_cells(score: Score) -> list[str]:
    return [f"{score.hits} / {score.events}", str(score.misses), str(score.false_alarms), _early(score.median_lead_s)]


def vary(outcome: Outcome) -> str:
    """What other setpoints would have done."""
    if outcome.varied is None:
        return ""
    keys = [variation.key for variation in outcome.varied.variations]
    head = [*(f"<code>{escape(key)}</code>" for key in keys), both("次数", "times"), both("合计", "in all")]
    if outcome.events is not None:
        head += [both("误报", "false"), both("漏报", "missed"), both("命中", "hits"), both("中位提前量", "median lead")]
    rows = [_varied(outcome, row, len(keys), len(head)) for row in outcome.rows]
    names = escape(", ".join(outcome.varied.alarms))
    return (
        f"{heading('改变整定值会怎样', 'What other setpoints would have done')}"
        f"{note(f'只计 {names}。', f'Counting {names} alone.')}"
        f'<figure class="card">{vary_plot(outcome)}</figure>{table(head, rows)}'
    )


def _varied(outcome: Outcome, row: Row, keys: int, columns: int) -> str:
    own = row.values is None
    values = row.values or outcome.own_values()
    cells = [f"<b>{escape(value)}</b>" if own else escape(value) for value in values]
    if own:
        cells[0] += f"<small>{both('现值', 'as the site has it')}</small>"
    if row.problem:
        return table_row([*cells, escape(row.problem), *[""] * (columns - keys - 1)])
    cells += [str(row.activations), escape(span(row.active_s)) if row.active_s else "–"]
    if row.score is not None:
        hits, misses, false, lead = _score_cells(row.score)
        cells += [false, misses, hits, lead]
    return table_row(cells)


def counts(outcome: Outcome) -> str:
    """What became of the readings."""
    rows = [
        table_row(
            [
                f"<code>{escape(name)}</code>",
                f"{count['good']:,}",
                reasons(count["bad"]),
                reasons(count["dropped"]),
                f"{count['empty']:,}" if count["empty"] else "",
                f"{count['gaps']:,}, ≤ {escape(span(count['longest_gap_s']))}" if count["gaps"] else "",
            ]
        )
        for name, count in outcome.points.items()
    ]
    files = [
        table_row([f"<code>{escape(name)}</code>", f"{count['rows']:,}", reasons(count["dropped"])])
        for name, count in outcome.files.items()
    ]
    return table(
        [
            both("测点", "point"),
            both("有效", "good"),
            both("不可用", "bad"),
            both("丢弃", "dropped"),
            both("空单元格", "empty cells"),
            both("中断", "pauses"),
        ],
        rows,
    ) + table([both("文件", "file"), both("行数", "rows"), both("丢弃的行", "rows dropped")], files)
