"""Owns what the report's charts are drawn from, as small JSON data: traces, gaps, setpoints, bands, events."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta, tzinfo
from typing import Any

import numpy as np

from agent.backtest.course import Band
from agent.backtest.envelope import Trace
from agent.backtest.limits import Limit, limits
from agent.backtest.outcome import Outcome
from agent.backtest.score import Labelled
from agent.site.model import Site

NOTHING = 65535  # a column without a usable reading
MOST_BANDS = 2000  # of one alarm; nearer ones are drawn as one
MOST_COLUMNS = 600_000  # of all points together: about 3 MB of page
_COMPARISON = re.compile("[<>=]{1,2}(?![^()]*[)])")
COLOURS = ("blue", "yellow", "orange", "red")


def colour(site: Site, level: str) -> str:
    """The colour of a level: its own name where it is one, otherwise by its rank at the site."""
    if level in COLOURS:
        return level
    share = (site.levels.index(level) + 1) / len(site.levels) if level in site.levels else 1.0
    return COLOURS[round(share * (len(COLOURS) - 1))]


def drawing(outcome: Outcome) -> dict[str, Any]:
    """The data block of the report."""
    site, judged = outcome.site, outcome.judged
    points = used_points(outcome)
    last_s = judged.last_s or 0.0
    traces = [_fitting(judged.envelope.trace(point), len(points)) for point in points]
    return {
        "first": judged.first_s or 0.0,
        "last": last_s,
        "start": traces[0].start_s if traces and len(traces[0].lo) else 0.0,
        "width": traces[0].width_s if traces else 1.0,
        "zone": zone_name(outcome.zone),
        "words": {
            "events": {"zh": "标注事件", "en": "labelled events"},
            "none": {"zh": "无可用读数", "en": "no usable reading"},
        },
        "alarms": [
            {
                "name": one.alarm.name,
                "title": dict(one.alarm.title),
                "levels": [level.level for level in one.alarm.rule.levels],
                "colours": [colour(site, level.level) for level in one.alarm.rule.levels],
                "bands": [
                    [band.start_s, band.end_s if np.isfinite(band.end_s) else None, band.level]
                    for band in merged(judged.courses[one.alarm.index].bands(), last_s)
                ],
            }
            for one in outcome.alarms
        ],
        "events": None if outcome.events is None else list(_events(outcome, outcome.events)),
        "points": [_point(outcome, point, trace) for point, trace in zip(points, traces, strict=True)],
    }


def used_points(outcome: Outcome) -> list[int]:
    """The points that some alarm depends on."""
    ruleset = outcome.site.ruleset
    return sorted(frozenset().union(*(ruleset.used_points(alarm) for alarm in range(len(ruleset.alarms)))))


def merged(bands: Sequence[Band], last_s: float) -> list[Band]:
    """Few enough bands to draw: of near ones the highest level, from the first's start to the last's end."""
    found, near_s = list(bands), 1.0
    while len(found) > MOST_BANDS:
        found, near_s = list(_joined(found, near_s, last_s)), near_s * 2
    return found


def _joined(bands: Sequence[Band], near_s: float, last_s: float) -> Iterator[Band]:
    whole = bands[0]
    for band in bands[1:]:
        if band.start_s - whole.end_s <= near_s and min(band.end_s, last_s) - whole.start_s <= 2 * near_s:
            whole = Band(whole.start_s, band.end_s, max(whole.level, band.level))
        else:
            yield whole
            whole = band
    yield whole


def zone_name(zone: tzinfo) -> str:
    """The zone as a browser knows it: "Asia/Shanghai", "+08:00" or "UTC"."""
    key = getattr(zone, "key", None)
    if isinstance(key, str):
        return key
    minutes = round((zone.utcoffset(None) or timedelta()).total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"


def _events(outcome: Outcome, events: Sequence[Labelled]) -> Iterator[dict[str, Any]]:
    hit = {finding.event for finding in outcome.findings if finding.alarm is not None}
    for number, event in enumerate(events):
        yield {"from": event.start_s, "to": event.end_s, "text": event.text, "hit": number in hit}


def _fitting(trace: Trace, points: int) -> Trace:
    while len(trace.lo) * points > MOST_COLUMNS:
        trace = trace.coarser()
    return trace


def _point(outcome: Outcome, number: int, trace: Trace) -> dict[str, Any]:
    site = outcome.site
    point = list(site.points.values())[number]
    seen = trace.lo <= trace.hi
    low, high = (float(trace.lo[seen].min()), float(trace.hi[seen].max())) if seen.any() else (0.0, 1.0)
    runs = trace.runs(point.stale_after_s)
    lines = [limit for limit in limits(site.ruleset) if limit.point == number and limit.value is not None]
    return {
        "name": point.name,
        "unit": point.unit,
        "low": low,
        "high": high,
        "data": _packed(trace, low, high),
        "runs": runs,
        "gaps": list(_gaps(trace, runs)),
        "bad": [
            [trace.start_s + first * trace.width_s, trace.start_s + (last + 1) * trace.width_s]
            for first, last in _stretches(trace.bad > 0)
        ],
        "limits": _lines(site, lines, point.unit),
        "alarms": [a for a in range(len(site.ruleset.alarms)) if number in site.ruleset.used_points(a)],
    }


def _lines(site: Site, found: Sequence[Limit], unit: str) -> list[dict[str, Any]]:
    """The setpoints of a chart; levels that share one share its line."""
    lines: dict[tuple[float | None, str], dict[str, Any]] = {}
    for limit in found:
        label = f"{limit.value:.6g} {unit}".strip()
        if not limit.direct:
            label = f"{_COMPARISON.split(limit.text)[0].strip()}  {label}"
        label = label if len(label) <= 48 else f"{label[:47]}…"
        line: dict[str, Any] = {"value": limit.value, "label": label, "colours": [], "direct": limit.direct}
        colours = lines.setdefault((limit.value, label), line)["colours"]
        if (one := colour(site, limit.level)) not in colours:
            colours.append(one)
    return list(lines.values())


def _packed(trace: Trace, low: float, high: float) -> str:
    """Lo and hi of each column as shares of the range, 16 bits each, little-endian, base64."""
    seen = trace.lo <= trace.hi
    scale = 65534.0 / (high - low) if high > low else 0.0
    pairs = np.full((len(trace.lo), 2), NOTHING, dtype="<u2")
    for side, values in enumerate((trace.lo, trace.hi)):
        pairs[seen, side] = np.round((values[seen] - low) * scale)
    return base64.b64encode(pairs.tobytes()).decode()


def _gaps(trace: Trace, runs: Sequence[tuple[int, int]]) -> Iterator[tuple[float, float]]:
    """Times between runs, and before the first and after the last."""
    edges = [0, *(edge for first, last in runs for edge in (first, last + 1)), len(trace.lo)]
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        if after > first:
            yield trace.start_s + first * trace.width_s, trace.start_s + after * trace.width_s


def _stretches(flags: np.ndarray[Any, np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """[first, last] of each stretch of trues."""
    places = np.flatnonzero(flags)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > 1)
    firsts, lasts = np.append(places[0], places[breaks + 1]), np.append(places[breaks], places[-1])
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
