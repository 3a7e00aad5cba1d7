"""Turns on a line in simulated time: alarm points first, periods of points, bursts, a capped share for the dead."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.guard.schedule import DEAD_SHARE, LOST_AFTER, STARVED_AFTER, Group, Schedule, Slot, groups_of


def slot_of(name: str, *groups: tuple[str, float, bool]) -> Slot:
    """A slot with groups of (points, period, first)."""
    device: Any = SimpleNamespace(name=name, description=SimpleNamespace(max_reply_s=0.1))
    return Slot(device, 0.0, [Group(frozenset(points.split()), period, 0.0, first) for points, period, first in groups])


class Line:
    """A line in simulated time: every poll takes `takes_s`; those of `dead` fail after `fails_s`."""

    def __init__(self, *slots: Slot, takes_s: float = 0.01, fails_s: float = 0.25) -> None:
        self.schedule, self.now_s = Schedule(slots), 0.0
        self.takes_s, self.fails_s = takes_s, fails_s
        self.dead: set[str] = set()
        self.polled: list[tuple[float, str, frozenset[str]]] = []
        self.dead_s = 0.0

    def run(self, until_s: float) -> None:
        while self.now_s < until_s:
            slot, due_s = self.schedule.next(self.now_s)
            if slot is None:
                self.now_s = min(due_s, until_s)
                continue
            began_s, groups = self.now_s, slot.due_groups(self.now_s)
            self.polled.append((began_s, slot.device.name, frozenset().union(*(g.points for g in groups))))
            failed = slot.device.name in self.dead
            self.now_s += self.fails_s if failed else self.takes_s
            if failed:
                self.schedule.failed(slot, groups, "no answer", absent=False, started_s=began_s, now_s=self.now_s)
                self.dead_s += self.now_s - began_s
            else:
                self.schedule.answered(slot, groups, self.now_s)

    def times_s(self, name: str, point: str = "", since_s: float = 0.0) -> list[float]:
        return [t for t, n, p in self.polled if n == name and t >= since_s and (not point or point in p)]


def test_points_of_one_device_keep_periods_of_their_own_and_share_a_poll_where_both_are_due() -> None:
    line = Line(slot_of("pit", ("level", 0.5, True), ("battery temperature", 5.0, False)))
    line.run(20.0)
    assert len(line.times_s("pit", "level")) == 40
    assert len(line.times_s("pit", "battery")) == 4
    assert len(line.polled) == 40, "the slow points never need a poll of their own"


def test_alarm_points_keep_their_period_on_a_line_that_is_too_full_and_the_others_are_not_starved() -> None:
    others = [slot_of(f"lamp{n}", ("x", 1.0, False)) for n in range(8)]
    line = Line(slot_of("pit", ("level", 1.0, True)), slot_of("gas", ("ch4", 1.0, True)), *others, takes_s=0.2)
    line.run(100.0)
    for name in ("pit", "gas"):
        assert len(line.times_s(name)) >= 80
    for slot in others:
        times_s = line.times_s(slot.device.name)
        gaps_s = [b - a for a, b in pairwise(times_s)]
        assert max(gaps_s) <= (STARVED_AFTER + 1) * 1.0 + 8 * 0.2, "each has its turn, if late"


def test_dead_units_together_cost_a_capped_share_and_the_first_answer_ends_it() -> None:
    names = [f"unit{n}" for n in range(10)]
    line = Line(*(slot_of(name, ("x", 1.0, True)) for name in names))
    line.dead = {"unit7", "unit8", "unit9"}
    line.run(60.0)
    line.dead_s, at_s = 0.0, line.now_s
    line.run(at_s + 600.0)
    assert line.dead_s / 600.0 <= DEAD_SHARE
    for name in names[:7]:
        assert len(line.times_s(name, since_s=at_s)) >= 0.98 * 600
    line.dead.clear()
    at_s = line.now_s
    line.run(at_s + 60.0)
    back_s = line.times_s("unit7", since_s=at_s)
    assert len(back_s) >= 59 - (back_s[0] - at_s), "back at its period from its first answer on"


def test_a_burst_begins_at_once_polls_only_what_the_rule_needs_and_ends() -> None:
    line = Line(slot_of("pit", ("level", 10.0, True), ("battery", 10.0, False)), slot_of("gas", ("ch4", 10.0, True)))
    line.run(12.0)
    line.schedule.burst({"pit.level": 0.2}.get, line.now_s)
    line.run(13.95)
    assert line.times_s("pit", "level", 12.0) == pytest.approx([12.0 + 0.2 * n for n in range(10)], abs=0.01)
    assert line.times_s("pit", "battery", 12.0) == line.times_s("gas", since_s=12.0) == []
    line.schedule.burst({}.get, line.now_s)
    line.run(40.0)
    assert len(line.times_s("pit", "level", 14.0)) == 2
    assert len(line.times_s("pit", "battery", 14.0)) == 2


def test_a_unit_that_is_lost_is_not_hurried_by_a_burst() -> None:
    line = Line(slot_of("pit", ("level", 1.0, True)), slot_of("gas", ("ch4", 1.0, True)))
    line.dead = {"pit"}
    line.run(10.0)
    assert line.schedule.slots[0].failures >= LOST_AFTER
    due_s = line.schedule.slots[0].due_mono_s
    line.schedule.burst({"pit.level": 0.1}.get, line.now_s)
    assert line.schedule.slots[0].due_mono_s == due_s


def test_points_are_read_together_that_have_one_period_and_the_same_bursts() -> None:
    points = {
        f"pit.{name}": SimpleNamespace(period_s=s) for name, s in {"a": 1.0, "b": 1.0, "c": 1.0, "d": 9.0}.items()
    }
    device: Any = SimpleNamespace(points=points)
    groups = groups_of(device, {"pit.b"}, lambda name: frozenset({1} if name == "pit.a" else ()), 5.0)
    told = {(group.points, group.period_s, group.first) for group in groups}
    assert told == {(frozenset("a"), 1.0, False), (frozenset("bc"), 1.0, True), (frozenset("d"), 9.0, False)}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 20.0), st.booleans(), st.booleans(), st.floats(0.1, 20.0)), min_size=1, max_size=8
    ),
    st.floats(0.001, 0.5),
)
def test_whatever_is_on_a_line_everybody_has_turns(
    devices: list[tuple[float, bool, bool, float]], takes_s: float
) -> None:
    slots = [
        slot_of(f"d{n}", ("x", period, first), ("y", other, False))
        for n, (period, first, _, other) in enumerate(devices)
    ]
    line = Line(*slots, takes_s=takes_s, fails_s=max(0.2, takes_s))
    line.dead = {f"d{n}" for n, (_, _, dead, _) in enumerate(devices) if dead}
    line.run(400.0)
    for slot in slots:
        assert len(line.times_s(slot.device.name)) >= 2
        if slot.device.name not in line.dead:
            assert line.times_s(slot.device.name, "y")
