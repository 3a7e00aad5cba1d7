"""Runs a scenario's case on a judge and compares what came with what was expected. It reads no files and shows nothing.

Readings of one instant are one step, and timers run out at their own exact time between them, as they do live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rules.backtest import Steps, judge_history
from rules.cases import Case
from rules.cases.casetables import tidy
from rules.cases.expects import NORMAL, Active, Expect, Never, Reaches
from rules.cases.series import BAD as BAD_TOKEN
from rules.cases.series import CLOCK, OVER, READING, REBOOT, REZERO, STALE
from rules.judge import Judge
from rules.model import BAD, COMM_FAULT, GOOD, OVER_RANGE, LevelChange

QUALITIES = {READING: GOOD, OVER: OVER_RANGE, BAD_TOKEN: BAD, STALE: COMM_FAULT}


class Move(NamedTuple):
    """An alarm went from one level to another."""

    at_s: float  # to the microsecond
    alarm: str
    previous: str
    level: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met, in words."""

    expect: Expect
    number: int  # of the expectation within its case
    at_s: float  # where to look
    alarms: tuple[str, ...]  # at which
    expected: str
    came: str


Look = Callable[[Judge, float], None]


def run_case(case: Case, look_at: Iterable[float] = (), look: Look | None = None) -> list[Move]:
    """What the alarms do in a case. `look` is called behind every move and at the times of `look_at`, in order."""
    return list(_Run(case, sorted({tidy(at) for at in look_at}), look).moves())


def compare(case: Case, moves: Sequence[Move]) -> list[Failure]:
    """Expectations of the case that the moves do not meet."""
    found = []
    for number, expect in enumerate(case.expects):
        if (failure := _COMPARE[type(expect)](case, expect, number, moves)) is not None:
            found.append(failure)
    return found


# --- running -----------------------------------------------------------------------------------------------------


class _Run:
    """One case on its way through a judge, or several where it reboots."""

    def __init__(self, case: Case, look_at: Sequence[float], look: Look | None) -> None:
        self.case, self.look = case, look
        self.judge = Judge(case.ruleset, 0.0)
        self.judge.dated(0.0)  # a case begins at midnight
        self.numbers = {point.name: p for p, point in enumerate(case.ruleset.points)}
        self.lost = {k for slots in case.series.values() for k, slot in enumerate(slots) if slot.what == REBOOT}
        self.wall_offset_s = 0.0
        self.steps = self.all_steps()
        self.given = 0  # steps judged so far
        self.marks = sorted([*self.happenings(), *((at, 2, self.looking) for at in look_at)], key=lambda m: m[:2])

    def moves(self) -> Iterator[Move]:
        """Steps up to each mark, then what happens there; marks of one time come behind its readings."""
        for at, _, happen in self.marks:
            yield from self.up_to(at)
            yield from happen(at)
        yield from self.up_to(self.case.end_s)

    def all_steps(self) -> Steps:
        """The readings of all slots but those of an outage."""
        rows = sorted(
            (k, self.numbers[name], slot.value if slot.what in (READING, OVER) else np.nan, QUALITIES[slot.what])
            for name, slots in self.case.series.items()
            for k, slot in enumerate(slots)
            if slot.what in QUALITIES and k not in self.lost
        )
        slots, point, value, quality = (np.array([row[column] for row in rows]) for column in range(4))
        at, first = np.unique(slots.astype(np.int64), return_index=True)
        times = np.round(at * self.case.interval_s, 6)
        ends = np.append(first, len(rows)).astype(np.int64)
        return Steps(times, ends, point.astype(np.int64), value.astype(np.float64), quality.astype(np.int64))

    def up_to(self, at: float) -> Iterator[Move]:
        """Judge readings and timers up to a time, that included."""
        if at < self.judge.now_s:
            return
        i, j = self.given, int(np.searchsorted(self.steps.at_s, at, side="right"))
        self.given = j
        times, first = self.steps.at_s[i:j], self.steps.first[i : j + 1]
        samples = slice(int(first[0]), int(first[-1]))
        first = first - first[0]
        if not len(times) or times[-1] < at:  # timers go on without readings
            times, first = np.append(times, at), np.append(first, first[-1])
        columns = (self.steps.point[samples], self.steps.value[samples], self.steps.quality[samples])
        for moved in judge_history(self.judge, [Steps(times, first, *columns, self.wall_offset_s)]):
            yield from self.named(moved.at_s, moved.changes)
            if self.look is not None:
                self.look(self.judge, tidy(moved.at_s))

    def named(self, at_s: float, changes: Iterable[LevelChange]) -> Iterator[Move]:
        for change in changes:
            alarm = self.case.ruleset.alarms[change.alarm]
            words = (NORMAL, *(rule.level for rule in alarm.levels))
            yield Move(tidy(at_s), alarm.name, words[change.previous], words[change.level])

    # --- what happens to the whole site ---------------------------------------------------------------------------

    def happenings(self) -> Iterator[tuple[float, int, Callable[[float], Iterator[Move]]]]:
        """(time, order within it, what to do) of every token that is no reading."""
        interval_s = self.case.interval_s
        for k in sorted(self.lost):
            if k - 1 not in self.lost:
                back = next(n for n in range(k + 1, self.case.slots + 1) if n not in self.lost)
                yield tidy(k * interval_s), 3, partial(self.reboot, back_s=tidy(back * interval_s))
        for name, slots in self.case.series.items():
            for k, slot in enumerate(slots):
                at = tidy(k * interval_s)
                if slot.what == CLOCK:
                    yield at, 0, partial(self.jump, seconds=slot.value)
                elif slot.what == REZERO and k not in self.lost:
                    yield at, 1, partial(self.rezero, point=self.numbers[name], value=slot.value)

    def reboot(self, at: float, back_s: float) -> Iterator[Move]:
        """Power goes, and comes back later: what was read is known again, what was not read stays unread."""
        del at
        saved = self.judge.snapshot()
        self.judge = Judge(self.case.ruleset, back_s)
        self.judge.restore(saved, back_s)
        self.judge.dated(self.wall_offset_s)
        yield from ()

    def jump(self, at: float, seconds: float) -> Iterator[Move]:
        """The wall clock jumps, which must change nothing that does not go by the time of day."""
        del at
        self.wall_offset_s += seconds
        self.judge.dated(self.wall_offset_s)
        yield from ()

    def rezero(self, at: float, point: int, value: float) -> Iterator[Move]:
        """Somebody declares the point's newest value to be its zero."""
        yield from self.named(at, self.judge.rezero(point, value, at).changes)

    def looking(self, at: float) -> Iterator[Move]:
        """Somebody asks."""
        if self.look is not None:
            self.look(self.judge, at)
        yield from ()


# --- comparing ---------------------------------------------------------------------------------------------------


def levels_at(moves: Iterable[Move], at_s: float) -> dict[str, str]:
    """Active alarms and their levels once everything of that time has happened."""
    levels: dict[str, str] = {}
    for move in moves:
        if move.at_s > at_s:
            break
        levels[move.alarm] = move.level
    return {alarm: level for alarm, level in levels.items() if level != NORMAL}


def _active(case: Case, expect: Active, number: int, moves: Sequence[Move]) -> Failure | None:
    del case
    times = [expect.from_s, *(m.at_s for m in moves if expect.from_s < m.at_s <= expect.to_s)]
    for at in times:
        active = levels_at(moves, at)
        if active != expect.alarms:
            differ = {**expect.alarms, **active}.keys()
            wrong = tuple(sorted(name for name in differ if expect.alarms.get(name) != active.get(name)))
            return Failure(expect, number, at, wrong, _say(expect.alarms), _say(active))
    return None


def _never(case: Case, expect: Never, number: int, moves: Sequence[Move]) -> Failure | None:
    for at in [expect.from_s, *(m.at_s for m in moves if expect.from_s < m.at_s <= expect.to_s)]:
        active = levels_at(moves, at)
        for name, level in expect.alarms.items():
            if name in active and _rank(case, name, active[name]) >= _rank(case, name, level):
                expected = f"{name} never {level}" if level != _lowest(case, name) else f"{name} never"
                return Failure(expect, number, at, (name,), expected, _say({name: active[name]}))
    return None


def _reaches(case: Case, expect: Reaches, number: int, moves: Sequence[Move]) -> Failure | None:
    name, rank = expect.alarm, _rank(case, expect.alarm, expect.level)
    reached = (
        move.at_s
        for move in moves
        if move.alarm == name and (_rank(case, name, move.level) >= rank if rank else move.level == NORMAL)
    )
    first = next(reached, None)
    if first is not None and expect.from_s <= first <= expect.to_s:
        return None
    at = expect.to_s if first is None else min(first, expect.to_s)
    came = "never" if first is None else f"at {span(first)}"
    expected = f"{name} {expect.level} between {span(expect.from_s)} and {span(expect.to_s)}"
    return Failure(expect, number, at, (name,), expected, came)


_COMPARE: dict[type, Callable[[Case, Any, int, Sequence[Move]], Failure | None]] = {
    Active: _active,
    Never: _never,
    Reaches: _reaches,
}


def _rank(case: Case, alarm: str, level: str) -> int:
    """0 normal, 1 the lowest level."""
    rules = next(rule.levels for rule in case.ruleset.alarms if rule.name == alarm)
    return (NORMAL, *(rule.level for rule in rules)).index(level)


def _lowest(case: Case, alarm: str) -> str:
    return next(rule.levels[0].level for rule in case.ruleset.alarms if rule.name == alarm)


def _say(alarms: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {level}" for name, level in sorted(alarms.items())) or "nothing active"


def span(seconds: float) -> str:
    """A time from the start as a case would write it: "90 s", "1 h 30 min", "2 d 6 h"."""
    rest, parts = tidy(seconds), []
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        count, rest = divmod(rest, size)
        parts += [f"{count:.0f} {unit}"] if count else []
    rest = tidy(rest)
    if rest or not parts:
        parts.append(f"{rest:.12g} s")
    return " ".join(parts)
