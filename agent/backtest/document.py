"""Owns the outcome as JSON, written piece by piece: alarms come from the spool, however many there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from agent.backtest.judging import stamp
from agent.backtest.outcome import AlarmSum, Outcome, Row
from agent.backtest.score import Score

FORMAT = 1


def document(outcome: Outcome) -> Iterator[str]:
    """The text, in pieces. Its schema is docs/backtest.schema.json."""
    text = json.dumps(_rest(outcome), ensure_ascii=False, indent=2, allow_nan=False)
    yield text[: text.rindex("\n}")] + ',\n  "alarms": ['
    comma = "\n    "
    for line in outcome.judged.lines():
        yield comma + line
        comma = ",\n    "
    yield "\n  ]\n}\n" if outcome.judged.moves else "]\n}\n"


def _rest(outcome: Outcome) -> dict[str, Any]:
    judged, zone = outcome.judged, outcome.zone
    return {
        "format": FORMAT,
        "site": outcome.site.id,
        "digest": outcome.site.digest,
        "rules": outcome.site.ruleset.digest,
        "judged_with": outcome.judged_with,
        "span": {
            "first": None if judged.first_s is None else stamp(judged.first_s, zone),
            "last": None if judged.last_s is None else stamp(judged.last_s, zone),
            "steps": judged.steps,
            "readings": judged.readings,
        },
        "points": dict(outcome.points),
        "files": dict(outcome.files),
        "notes": list(outcome.notes),
        "summary": {one.alarm.name: _summary(one) for one in outcome.alarms},
        "score": _whole_score(outcome),
        "vary": _vary(outcome),
    }


def _summary(one: AlarmSum) -> dict[str, Any]:
    return {
        "activations": len(one.activations.start_s),
        "highest": one.highest,
        "active_s": round(one.active_s, 3),
        "shadow": one.alarm.shadow,
    }


def _whole_score(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.events is None or outcome.total is None:
        return None
    events = outcome.events
    return {
        "margin_s": outcome.terms.margin_s,
        "tolerance_s": outcome.terms.tolerance_s,
        "outside": outcome.outside,
        "all": _score(outcome.total),
        "alarms": {one.alarm.name: _score(one.score) for one in outcome.alarms if one.score is not None},
        "events": [
            {
                "start": stamp(events[finding.event].start_s, outcome.zone),
                "end": stamp(events[finding.event].end_s, outcome.zone),
                "text": events[finding.event].text,
                "hit": finding.alarm is not None,
                "alarm": finding.alarm,
                "lead_s": _rounded(finding.lead_s),
            }
            for finding in outcome.findings
        ],
    }


def _score(score: Score) -> dict[str, Any]:
    leads = score.lead_s
    return {
        "events": score.events,
        "hits": score.hits,
        "misses": score.misses,
        "false_alarms": score.false_alarms,
        "lead_s": {
            "median": _rounded(score.median_lead_s),
            "least": _rounded(min(leads, default=None)),
            "most": _rounded(max(leads, default=None)),
        },
    }


def _vary(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.varied is None:
        return None
    keys = [variation.key for variation in outcome.varied.variations]
    return {"keys": keys, "alarms": list(outcome.varied.alarms), "rows": [_row(row, keys) for row in outcome.rows]}


def _row(row: Row, keys: list[str]) -> dict[str, Any]:
    """`values` is null for the values that the site has."""
    return {
        "values": None if row.values is None else dict(zip(keys, row.values, strict=True)),
        "activations": None if row.problem else row.activations,
        "active_s": None if row.problem else round(row.active_s, 3),
        "score": None if row.score is None else _score(row.score),
        "problem": row.problem or None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
