"""Owns what a back-test found out, put together for whoever shows it. Judges nothing, shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import numpy as np

from agent.backtest.course import Activations
from agent.backtest.judging import Judged, Move
from agent.backtest.score import Finding, Labelled, Score, Terms, false_alarms, judge_events, score, scored
from agent.backtest.vary import Varied
from agent.site.model import AlarmConfig, Site

PointCount = Mapping[str, Any]  # good: int, bad and dropped: by reason, and more; see agent.history.counts
FileCount = Mapping[str, Any]  # rows: int, dropped: by reason, and more


FEW = 10  # pauses that nobody needs to hear of
SHARE = 0.05  # of a history that more of them may take


@dataclass(frozen=True, slots=True)
class Sounding:
    """One activation of an alarm: its moves from leaving normal to normal again, where it got there."""

    alarm: str
    moves: tuple[Move, ...]
    false: bool | None  # None: nobody labelled anything that says so

    @property
    def start_s(self) -> float:
        """When it left normal."""
        return self.moves[0].wall_s

    @property
    def end_s(self) -> float | None:
        """When it was normal again."""
        return self.moves[-1].wall_s if self.moves[-1].level == "normal" else None


@dataclass(frozen=True, slots=True)
class AlarmSum:
    """An alarm over the whole history."""

    alarm: AlarmConfig
    activations: Activations
    active_s: float
    score: Score | None

    @property
    def highest(self) -> str:
        """The highest level that it reached."""
        top = int(self.activations.highest.max()) if len(self.activations.highest) else 0
        return self.alarm.rule.levels[top - 1].level if top else "normal"


@dataclass(frozen=True, slots=True)
class Row:
    """One combination of values, None for the site's own ones; `problem` says why it was not judged."""

    values: tuple[str, ...] | None
    activations: int = 0
    active_s: float = 0.0
    score: Score | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything there is to show."""

    site: Site
    zone: tzinfo
    judged: Judged
    judged_with: str  # "jit" or "twin"
    points: Mapping[str, PointCount]
    files: Mapping[str, FileCount]
    events: tuple[Labelled, ...] | None  # None: no labels were given
    outside: int  # labelled events that lie outside of the history
    terms: Terms
    alarms: tuple[AlarmSum, ...]
    findings: tuple[Finding, ...] = ()
    total: Score | None = None
    soundings: tuple[Sounding, ...] = ()  # the first of them
    varied: Varied | None = None
    rows: tuple[Row, ...] = field(default=())
    notes: tuple[str, ...] = ()  # what reading the history had to tell

    @property
    def activations(self) -> int:
        """How often anything would have sounded."""
        return sum(len(one.activations.start_s) for one in self.alarms)

    def own_values(self) -> tuple[str, ...]:
        """What the site has for each setpoint that is varied."""
        variations = self.varied.variations if self.varied else ()
        return tuple(variation.now(self.site.alarms[variation.alarm].rule) for variation in variations)

    def doubts(self) -> Iterator[str]:
        """What makes the outcome say less than it seems to, in words."""
        judged = self.judged
        if judged.first_s is None or judged.last_s is None:
            return
        used = frozenset().union(*(self.site.ruleset.used_points(one.alarm.index) for one in self.alarms))
        for number, point in enumerate(self.site.points.values()):
            count = self.points.get(point.name)
            if number not in used:
                continue
            if count is None or not count["good"]:
                yield f"{point.name}: not one good reading; every rule that needs it was judged without it"
            elif count["gaps"] > FEW and count["gaps"] * point.stale_after_s > SHARE * (judged.last_s - judged.first_s):
                yield (
                    f"{point.name}: {count['gaps']:,} pauses longer than its stale_after of {point.stale_after_s:g} s; "
                    "in each it was missing"
                )


def put_together(
    site: Site,
    zone: tzinfo,
    judged: Judged,
    *,
    judged_with: str,
    points: Mapping[str, PointCount],
    files: Mapping[str, FileCount],
    labels: Sequence[Labelled] | None,
    terms: Terms,
    varied: Varied | None,
    notes: Sequence[str] = (),
) -> Outcome:
    """The outcome of a pass over a history."""
    first, last = judged.first_s, judged.last_s
    inside = [] if labels is None or first is None or last is None else [
        label for label in labels if label.end_s >= first and label.start_s <= last
    ]  # fmt: skip
    events = None if labels is None else tuple(inside)
    hazards = {alarm.name: alarm.hazard for alarm in site.alarms.values()}
    activations = {name: judged.courses[alarm.index].activations() for name, alarm in site.alarms.items()}
    extent = (first or 0.0, last or 0.0)

    def of(names: Mapping[str, Activations]) -> Score | None:
        return None if events is None else score(events, names, hazards, terms)

    alarms = tuple(
        AlarmSum(
            alarm,
            activations[name],
            active_s(activations[name], *extent),
            of({name: activations[name]}) if events is not None and scored(events, name, alarm.hazard) else None,
        )
        for name, alarm in site.alarms.items()
    )
    heard = {name: activations[name] for name, alarm in site.alarms.items() if not alarm.shadow} or activations
    return Outcome(
        site, zone, judged, judged_with, points, files, events, len(labels or ()) - len(inside), terms, alarms,
        tuple(judge_events(events, heard, hazards, terms)) if events is not None else (),
        of(heard),
        tuple(_soundings(site, judged, events=events, activations=activations, hazards=hazards, terms=terms)),
        varied,
        tuple(_rows(varied, judged, activations, of, extent)) if varied else (),
        tuple(notes),
    )  # fmt: skip


def active_s(activations: Activations, first_s: float, last_s: float) -> float:
    """Seconds in which the alarm was active, within the history."""
    return float(np.sum(np.minimum(activations.end_s, last_s) - np.maximum(activations.start_s, first_s)))


def _soundings(
    site: Site,
    judged: Judged,
    *,
    events: Sequence[Labelled] | None,
    activations: Mapping[str, Activations],
    hazards: Mapping[str, str],
    terms: Terms,
) -> list[Sounding]:
    open_ones: dict[str, list[Move]] = {}
    groups: list[list[Move]] = []
    for move in judged.shown:
        if move.alarm not in open_ones:
            open_ones[move.alarm] = []
            groups.append(open_ones[move.alarm])
        open_ones[move.alarm].append(move)
        if move.level == "normal":
            del open_ones[move.alarm]
    false = {
        name: {int(k) for k in false_alarms(events, name, hazards[name], activations[name], terms)}
        for name in site.alarms
        if events is not None and scored(events, name, hazards[name])
    }
    seen: dict[str, int] = {}
    found = []
    for group in groups:
        name = group[0].alarm
        number = seen[name] = seen.get(name, -1) + 1
        found.append(Sounding(name, tuple(group), number in false[name] if name in false else None))
    return found


def _rows(
    varied: Varied,
    judged: Judged,
    own: Mapping[str, Activations],
    of: Callable[[Mapping[str, Activations]], Score | None],
    extent: tuple[float, float],
) -> Iterator[Row]:
    yield _row(None, {name: own[name] for name in varied.alarms}, of, extent)
    known: dict[int, Activations] = {}
    for combination in varied.combinations:
        if combination.problem:
            yield Row(combination.values, problem=combination.problem)
            continue
        for place in combination.alarms.values():
            if place not in known:
                known[place] = judged.courses[place].activations()
        courses = {name: known[place] for name, place in combination.alarms.items()}
        yield _row(combination.values, courses, of, extent)


def _row(
    values: tuple[str, ...] | None,
    courses: Mapping[str, Activations],
    of: Callable[[Mapping[str, Activations]], Score | None],
    extent: tuple[float, float],
) -> Row:
    count = sum(len(activations.start_s) for activations in courses.values())
    return Row(values, count, sum(active_s(one, *extent) for one in courses.values()), of(courses))
