"""Owns the comparison of alarms with labelled events: hits, misses, false alarms, lead time. Reads no files.

An event is *hit* when an alarm it asks for is active at some time of [start - margin, end]. Its *lead time* is its
start minus the first such time: positive when the alarm came first, never more than the margin. Otherwise it is
*missed*. A *false alarm* is an activation (from leaving normal to being normal again) that touches no event that asks
for its alarm, widened to [start - margin, end + tolerance].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.backtest.course import Activations


class Labelled(Protocol):
    """An event as somebody labelled it; times are seconds since 1970-01-01 UTC."""

    @property
    def start_s(self) -> float:
        """When it began."""

    @property
    def end_s(self) -> float:
        """When it was over."""

    @property
    def alarm(self) -> str | None:
        """The one alarm that it asks for."""

    @property
    def hazard(self) -> str | None:
        """Every alarm of this hazard; with neither, an event asks for all alarms."""

    @property
    def text(self) -> str:
        """What people call it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How generous a score is, in seconds."""

    margin_s: float = 0.0  # an alarm that much before the start counts
    tolerance_s: float = 0.0  # one that much after the end is not false


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one event; `alarm` is the one that was active first, None: missed."""

    event: int
    alarm: str | None
    lead_s: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """What some alarms made of the events that ask for them."""

    events: int
    hits: int
    false_alarms: int
    lead_s: tuple[float, ...]  # of the hits, in the order of the events

    @property
    def misses(self) -> int:
        """Events in which no alarm was active."""
        return self.events - self.hits

    @property
    def median_lead_s(self) -> float | None:
        """Half of the hits were at least that early."""
        return median(self.lead_s) if self.lead_s else None


def asks(event: Labelled, alarm: str, hazard: str) -> bool:
    """Whether an event is one that this alarm is there for."""
    if event.alarm is not None:
        return event.alarm == alarm
    return event.hazard is None or event.hazard == hazard


def first_active(activations: Activations, start_s: float, end_s: float) -> float | None:
    """The first time of [start_s, end_s] at which the alarm was active."""
    place = int(np.searchsorted(_ends(activations), start_s, side="right"))
    if place == len(activations.start_s) or activations.start_s[place] > end_s:
        return None
    return max(start_s, float(activations.start_s[place]))


def judge_events(
    events: Sequence[Labelled], alarms: Mapping[str, Activations], hazards: Mapping[str, str], terms: Terms
) -> list[Finding]:
    """What became of each event that asks for one of these alarms."""
    findings = []
    for number, event in enumerate(events):
        asked = [name for name in alarms if asks(event, name, hazards[name])]
        if not asked:
            continue
        window = (event.start_s - terms.margin_s, event.end_s)
        found = [(at, name) for name in asked if (at := first_active(alarms[name], *window)) is not None]
        at, name = min(found, default=(None, None))
        findings.append(Finding(number, name, None if at is None else event.start_s - at))
    return findings


def false_alarms(
    events: Sequence[Labelled], alarm: str, hazard: str, activations: Activations, terms: Terms
) -> NDArray[np.int64]:
    """Which activations touch none of the events that ask for this alarm."""
    windows = sorted(
        (event.start_s - terms.margin_s, event.end_s + terms.tolerance_s)
        for event in events
        if asks(event, alarm, hazard)
    )
    starts = np.array([start for start, _ in windows])
    reach = np.maximum.accumulate(np.array([end for _, end in windows])) if windows else starts
    # Of the windows that begin before an activation is over, the one that reaches furthest decides.
    before = np.searchsorted(starts, _ends(activations), side="left") - 1
    touched = (before >= 0) & (reach[before] >= activations.start_s) if windows else np.zeros(len(before), dtype=bool)
    return np.flatnonzero(~touched)


def score(
    events: Sequence[Labelled], alarms: Mapping[str, Activations], hazards: Mapping[str, str], terms: Terms
) -> Score:
    """The score of these alarms taken together; what nobody labelled is not held against an alarm, see `scored`."""
    findings = judge_events(events, alarms, hazards, terms)
    leads = tuple(finding.lead_s for finding in findings if finding.lead_s is not None)
    false = sum(
        len(false_alarms(events, name, hazards[name], activations, terms))
        for name, activations in alarms.items()
        if scored(events, name, hazards[name])
    )
    return Score(len(findings), len(leads), false, leads)


def scored(events: Sequence[Labelled], alarm: str, hazard: str) -> bool:
    """Whether the labels say anything of an alarm: labels of floods alone make no fire alarm false."""
    return not events or any(asks(event, alarm, hazard) for event in events)


def _ends(activations: Activations) -> NDArray[np.float64]:
    """Ends, an activation of no length taken as the shortest one there is."""
    return np.maximum(activations.end_s, np.nextafter(activations.start_s, np.inf))
