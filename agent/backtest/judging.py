"""Owns one pass over a history: what moved, when, with which values. Nothing here grows with its length."""

from __future__ import annotations

import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import IO, NamedTuple

import numpy as np

from agent.backtest.course import Course
from agent.backtest.envelope import Envelope
from rules.backtest import Steps, judge_history
from rules.engine.tables import Kernels
from rules.judge import Judge
from rules.model import LevelChange
from rules.ruleset import Ruleset

IN_MEMORY = 4_000_000  # bytes of moves; more go to a file
SHOWN = 500  # moves that people see as a table


class Move(NamedTuple):
    """An alarm moved; levels by name, "normal" for none. `values` are the points it depends on, None: not known."""

    alarm: str
    level: str
    previous: str
    wall_s: float
    values: dict[str, float | None]

    def document(self, zone: tzinfo) -> dict[str, object]:
        """As JSON data."""
        return {
            "alarm": self.alarm,
            "level": self.level,
            "previous": self.previous,
            "at": stamp(self.wall_s, zone),
            "values": self.values,
        }


@dataclass(slots=True)
class Judged:
    """A history as the rules saw it."""

    courses: list[Course]  # per alarm of the rule set
    envelope: Envelope
    moves: int = 0  # of the site's own alarms
    shown: list[Move] = field(default_factory=list)  # the first of them
    spool: IO[str] = field(  # all of them, a JSON text a line
        default_factory=lambda: tempfile.SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115
    )
    steps: int = 0
    readings: int = 0
    first_s: float | None = None  # of what was judged, seconds since 1970-01-01 UTC
    last_s: float | None = None

    def lines(self) -> Iterator[str]:
        """Every move as a JSON text."""
        self.spool.seek(0)
        for line in self.spool:
            yield line.rstrip("\n")


@dataclass(frozen=True, slots=True)
class Extent:
    """Which part of a history is judged: from `start_s` to before `end_s`, seconds since 1970-01-01 UTC."""

    start_s: float = -math.inf
    end_s: float = math.inf

    def cut(self, steps: Steps) -> Steps:
        """What of a stretch lies within. Steps whose date is not known are left out when the extent has ends."""
        if self == Extent():
            return steps
        wall = steps.at_s + steps.wall_offset_s
        kept = np.flatnonzero((wall >= self.start_s) & (wall < self.end_s))
        if len(kept) == len(wall):
            return steps
        if not len(kept):
            return Steps(steps.at_s[:0], steps.first[:1], steps.point[:0], steps.value[:0], steps.quality[:0])
        first, last = int(kept[0]), int(kept[-1]) + 1  # times do not go back within a stretch
        bounds = steps.first[first : last + 1]
        samples = slice(int(bounds[0]), int(bounds[-1]))
        return Steps(
            steps.at_s[first:last],
            bounds - bounds[0],
            steps.point[samples],
            steps.value[samples],
            steps.quality[samples],
            steps.wall_offset_s,
        )


def judge_all(
    ruleset: Ruleset,
    own: int,
    stretches: Iterable[Steps],
    zone: tzinfo,
    *,
    kernels: Kernels | None = None,
    extent: Extent = Extent(),
    told: Callable[[Judged], None] = lambda _: None,
) -> Judged:
    """Judge a history once. The first `own` alarms are the site's, others are variants of which only courses are kept.

    `told` is called after each stretch.
    """
    judged = Judged([Course() for _ in ruleset.alarms], Envelope(len(ruleset.points)))
    parts = (part for whole in stretches if len((part := extent.cut(whole)).at_s))
    start = next(parts, None)
    if start is None:
        return judged
    judge = Judge(ruleset, float(start.at_s[0]))
    if kernels is not None:
        judge.use(kernels)

    def watched() -> Iterator[Steps]:
        for steps in itertools.chain([start], parts):
            judge.dated(steps.wall_offset_s + _local_s(steps, zone))
            _note(judged, steps)
            yield steps
            told(judged)

    for moved in judge_history(judge, watched()):
        for change in moved.changes:
            judged.courses[change.alarm].move(moved.wall_s, change.level)
            if change.alarm < own:
                _keep(judged, _move(judge, change, moved.wall_s), zone)
    return judged


def _local_s(steps: Steps, zone: tzinfo) -> float:
    """How far local time is ahead of UTC at the start of a stretch."""
    if not math.isfinite(steps.wall_offset_s):
        return math.nan
    offset = datetime.fromtimestamp(float(steps.at_s[0]) + steps.wall_offset_s, zone).utcoffset()
    return offset.total_seconds() if offset else 0.0


def _note(judged: Judged, steps: Steps) -> None:
    judged.envelope.add(steps)
    judged.steps += len(steps.at_s)
    judged.readings += len(steps.point)
    if math.isfinite(steps.wall_offset_s):
        first, last = float(steps.at_s[0]) + steps.wall_offset_s, float(steps.at_s[-1]) + steps.wall_offset_s
        judged.first_s = first if judged.first_s is None else min(judged.first_s, first)
        judged.last_s = last if judged.last_s is None else max(judged.last_s, last)


def _move(judge: Judge, change: LevelChange, wall_s: float) -> Move:
    levels = level_names(judge.ruleset, change.alarm)
    name = judge.ruleset.alarms[change.alarm].name
    return Move(name, levels[change.level], levels[change.previous], wall_s, dict(judge.values(change.alarm)))


def _keep(judged: Judged, move: Move, zone: tzinfo) -> None:
    judged.moves += 1
    if len(judged.shown) < SHOWN:
        judged.shown.append(move)
    judged.spool.write(json.dumps(move.document(zone), ensure_ascii=False, allow_nan=False) + "\n")


def stamp(wall_s: float, zone: tzinfo) -> str | None:
    """ISO 8601 with offset, to the millisecond where it has some; None when the date is not known."""
    if not math.isfinite(wall_s):
        return None
    return iso(datetime.fromtimestamp(round(wall_s, 3), zone))


def iso(when: datetime) -> str:
    """ISO 8601 with offset."""
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds")


def level_names(ruleset: Ruleset, alarm: int) -> Sequence[str]:
    """The names of an alarm's levels, "normal" first."""
    return ["normal", *(level.level for level in ruleset.alarms[alarm].levels)]
