"""Which points rules want more often just now: while an on-delay with a burst runs, or its level is active.

Asks the judge after a step; polls nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.site.model import Site
from rules.judge import Judge


class Bursts:
    """The bursts of a site: `period_s(point)` tells the pollers, `changed` is called when that is another one."""

    def __init__(self, site: Site) -> None:
        names = list(site.points)
        self.changed: list[Callable[[], None]] = []
        self._levels: list[tuple[int, dict[int, float], frozenset[str]]] = []  # alarm, periods by level, its points
        for alarm in site.alarms.values():
            periods = {
                k: alarm.burst[rule.level] for k, rule in enumerate(alarm.rule.levels) if rule.level in alarm.burst
            }
            if periods:
                points = frozenset(names[index] for index in site.ruleset.used_points(alarm.index))
                self._levels.append((alarm.index, periods, points))
        self._now: dict[str, float] = {}

    def rules_of(self, point: str) -> frozenset[int]:
        """The alarms that may want a burst of this point: points with the same ones are read together."""
        return frozenset(alarm for alarm, _, points in self._levels if point in points)

    def period_s(self, point: str) -> float | None:
        """The period wanted now for a point by its full name; None: its own."""
        return self._now.get(point)

    def look(self, judge: Judge) -> None:
        """See what is wanted after a step."""
        if not self._levels:
            return
        now: dict[str, float] = {}
        for alarm, periods, points in self._levels:
            rising = judge.rising(alarm)
            wanted = [period_s for level, period_s in periods.items() if rising[level]]
            if wanted:
                for point in points:
                    now[point] = min(now.get(point, wanted[0]), *wanted)
        if now != self._now:
            self._now = now
            for tell in self.changed:
                tell()
