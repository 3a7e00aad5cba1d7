"""Whose turn it is on a line: periods of points, alarm points first, bursts, and a capped share for dead units.

Pure: times are given to it, in seconds of the monotonic clock; it polls nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from agent.site.model import DeviceConfig
from drivers.api import Instrument

LOST_AFTER = 3  # failed polls in a row
DEAD_SHARE = 0.04  # of the line's time for all dead units together
ALL_DEAD_SHARE = 0.25  # where no unit is left to be disturbed but outputs, whose writes go first
PROBE_S = 30.0  # a dead unit is asked at least so often, times the number of dead units
ABSENT_RETRY_S = 0.5  # a missing port costs no line time; it is looked for often
STARVED_AFTER = 4.0  # periods: what waits for longer has its turn even where alarm points fill the line
TOGETHER = 0.05  # of a period: what is due so soon is read in the same poll

BurstOf = Callable[[str], float | None]  # the period that a rule wants for a point now, in seconds; None: none does


@dataclass(slots=True)
class Group:
    """Points of one device that are read together, as often as each other."""

    points: frozenset[str]  # without the device's name
    period_s: float
    due_s: float
    first: bool  # rules or the evidence of outputs depend on them
    now_s: float = 0.0  # the period in effect: a burst may shorten it

    def __post_init__(self) -> None:
        """No burst yet."""
        self.now_s = self.period_s


@dataclass(slots=True)
class Slot:
    """One device's place in its line's schedule. `due_mono_s` is its next turn."""

    device: DeviceConfig
    due_mono_s: float
    groups: list[Group]
    instrument: Instrument | None = None
    polling: bool = False  # at most one poll of a device is under way
    failures: int = 0  # in a row
    fault: str = ""
    polls: int = 0
    ok: int = 0
    last_ok_mono_ns: int = 0
    told_lost_s: float = -math.inf
    recent_s: deque[float] = field(default_factory=lambda: deque(maxlen=20))  # starts of polls: the period kept

    @property
    def lost(self) -> bool:
        """Whether it has failed often enough to be left alone for longer and longer."""
        return self.failures >= LOST_AFTER

    @property
    def period_s(self) -> float:
        """The shortest period in effect."""
        return min(group.now_s for group in self.groups)

    def due_groups(self, now_s: float) -> list[Group]:
        """What to read now: all that is due or nearly so, and everything of a device that is lost."""
        if self.lost:
            return self.groups
        return [group for group in self.groups if group.due_s <= now_s + TOGETHER * group.now_s]


def groups_of(
    device: DeviceConfig, first: Collection[str], bursting: Callable[[str], object], now_s: float
) -> list[Group]:
    """The device's points by period and by the rules that may want them in a burst; `first`: full names."""
    sets: dict[tuple[float, object], set[str]] = {}
    for name, point in device.points.items():
        sets.setdefault((point.period_s, bursting(name)), set()).add(name)
    return [
        Group(frozenset(name.partition(".")[2] for name in names), period_s, now_s, not names.isdisjoint(first))
        for (period_s, _), names in sets.items()
    ]


class Schedule:
    """The turns of the devices on one line."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = slots

    def next(self, now_s: float) -> tuple[Slot | None, float]:
        """Whose turn it is, or None and when it will be somebody's.

        Of those that are due, devices with points that rules or outputs depend on go first, the longest due before all.
        """
        idle = [slot for slot in self.slots if not slot.polling]
        due = [slot for slot in idle if slot.due_mono_s <= now_s]
        if due:
            return min(due, key=lambda slot: (not _goes_first(slot, now_s), slot.due_mono_s)), now_s
        return None, min((slot.due_mono_s for slot in idle), default=math.inf)

    def answered(self, slot: Slot, read: Iterable[Group], now_s: float) -> None:
        """A poll of these groups succeeded."""
        was_lost = slot.lost
        slot.failures, slot.fault, slot.told_lost_s = 0, "", -math.inf
        for group in read:
            # Keep to the grid of the period; turns that were missed are not made up for.
            group.due_s = max(group.due_s + group.now_s, now_s + (group.now_s if was_lost else 0.0))
        slot.due_mono_s = min(group.due_s for group in slot.groups)

    def failed(
        self, slot: Slot, read: Iterable[Group], reason: str, *, absent: bool, started_s: float, now_s: float
    ) -> None:
        """A poll of these groups failed; `absent`: because there is no port or host."""
        slot.failures += 1
        slot.fault = reason
        for group in read:
            group.due_s = max(group.due_s + group.now_s, now_s)
        if absent:
            slot.due_mono_s = max(slot.due_mono_s + min(slot.period_s, ABSENT_RETRY_S), now_s)
        elif not slot.lost:
            slot.due_mono_s = min(group.due_s for group in slot.groups)
        else:
            # After a failure the line also stays quiet for the slowest reply, which is lost to the others too.
            cost_s = now_s - started_s + max(s.device.description.max_reply_s for s in self.slots)
            dead = sum(s.lost for s in self.slots)
            share = DEAD_SHARE if dead < len(self.slots) else ALL_DEAD_SHARE
            wait_s = max(slot.period_s, dead * min(cost_s / share, PROBE_S))
            slot.due_mono_s = max(slot.due_mono_s + wait_s, now_s)

    def burst(self, burst_of: BurstOf, now_s: float) -> None:
        """Take up the periods that rules want now; a burst begins at once, unless the unit is lost."""
        for slot in self.slots:
            for group in slot.groups:
                wanted = [burst_of(f"{slot.device.name}.{point}") for point in group.points]
                period_s = min([group.period_s, *(each for each in wanted if each is not None)])
                if period_s != group.now_s:
                    last_s = group.due_s - group.now_s
                    group.now_s, group.due_s = period_s, max(last_s + period_s, now_s)
            if not slot.lost:
                slot.due_mono_s = min(group.due_s for group in slot.groups)


def _goes_first(slot: Slot, now_s: float) -> bool:
    if slot.lost:
        return now_s - slot.due_mono_s >= STARVED_AFTER * slot.period_s
    return any(
        group.first or now_s - group.due_s >= STARVED_AFTER * group.now_s
        for group in slot.groups
        if group.due_s <= now_s
    )
