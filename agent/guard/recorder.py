"""Makes records of what happened: who, what, when, and what decided it. Decides nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from agent.guard.clock import Clock
from agent.guard.equipment import Equipment
from agent.records import Lane, Mark, Record, Step
from agent.site.model import Site
from drivers.api import Quality
from rules.alarm import AlarmBook, Transition
from rules.judge import Judge


class Keeper(Protocol):
    """Where records go: the journal, or a list in a test."""

    def record(self, record: Record) -> None:
        """Take one record; never waits."""
        ...

    def step(self, step: Step) -> None:
        """Take the readings of one step; never waits."""
        ...

    def mark(self, mark: Mark) -> None:
        """Take what decided besides readings, in its place between the steps; never waits."""
        ...

    def keep(self, name: str, blob: bytes) -> None:
        """Take state that must survive a restart; never waits."""
        ...


@dataclass(slots=True)
class Latest:
    """The newest reading of a point."""

    value: float = math.nan
    quality: Quality = Quality.COMM_FAULT
    reason: str = "no reading yet"
    mono_ns: int = 0
    usable_mono_ns: int = 0


class Recorder:
    """Everything a record tells is looked up here, after the outputs have their wants."""

    def __init__(self, site: Site, judge: Judge, clock: Clock, keeper: Keeper, equipment: Equipment) -> None:
        self.table = [Latest() for _ in site.points]
        self.follow: Callable[[Record], None] = lambda _: None  # who watches records live: the control socket
        self._site, self._judge, self._clock, self._keeper, self._equipment = site, judge, clock, keeper, equipment
        self._points = tuple(site.points.values())

    def record(self, lane: Lane, kind: str, body: dict[str, Any], mono_ns: int) -> None:
        """Journal it, and tell who follows."""
        record = Record(lane, kind, self._clock.stamp(mono_ns), body)
        self._keeper.record(record)
        self.follow(record)

    def transition(self, moved: Transition, book: AlarmBook, mono_ns: int) -> None:
        """A change of an alarm; of a hazard's, with the judgement that made it."""
        body: dict[str, Any] = asdict(moved)
        alarm = self._site.alarms.get(moved.alarm)
        body["chattering"] = book.chattering(moved.alarm)
        body["flood"] = book.flood
        if alarm is None:
            self.record(Lane.EVENT, "equipment", body, mono_ns)
            return
        body |= {
            "level_name": self.level_name(moved.alarm, moved.level),
            "previous_level_name": self.level_name(moved.alarm, moved.previous_level),
            "hazard": alarm.hazard,
            "zone": alarm.zone,
            "title": dict(alarm.title),
            "occurrence": book[moved.alarm].activations,
            "withheld": "shadow" if alarm.shadow else book[moved.alarm].withheld,
            "rules": self._site.ruleset.digest,
            "model": alarm.model.model.name if alarm.model else None,
            "judged_s": self._judge.now_s,
            "delays": {rule.level: {"on_s": rule.for_s, "off_s": rule.clear_for_s} for rule in alarm.rule.levels},
            "decided_by": self._judge.explain(alarm.index),
            "readings": self.readings(moved.alarm),
        }
        self.record(Lane.ALARM, "alarm", body, mono_ns)

    def level_name(self, alarm: str, level: int) -> str:
        """A level's name; also of one that the alarm's rule no longer has."""
        config = self._site.alarms.get(alarm)
        if config is None:
            return "fault" if level else "normal"
        names = ("normal", *(rule.level for rule in config.rule.levels))
        return names[level] if level < len(names) else f"level {level}"

    def readings(self, alarm: str) -> dict[str, dict[str, Any]]:
        """The newest readings of the points that an alarm depends on, as JSON."""
        used = self._site.ruleset.used_points(self._site.alarms[alarm].index)
        return {self._points[index].name: self.reading(index) for index in sorted(used)}

    def reading(self, index: int) -> dict[str, Any]:
        """The newest reading of a point as JSON: value (null: none), unit, quality, reason, and when it came."""
        latest, point = self.table[index], self._points[index]
        return {
            "value": latest.value if math.isfinite(latest.value) else None,
            "unit": point.unit,
            "quality": latest.quality.name.lower().replace("_", "-"),
            "reason": latest.reason or self._equipment.point_fault(index),
            "mono_ns": latest.mono_ns,
            "usable_mono_ns": latest.usable_mono_ns,
        }

    def protection(self, entries: list[dict[str, Any]], before: Sequence[dict[str, Any]], mono_ns: int) -> None:
        """The coverage map, where it changed; entries that were there before keep their time."""
        known = {(e["alarm"], e["status"], tuple(e["why"])): e for e in before}
        for entry in entries:
            same = known.get((entry["alarm"], entry["status"], tuple(entry["why"])))
            entry["since_mono_ns"] = same["since_mono_ns"] if same else mono_ns
        if entries != before:
            self.record(Lane.PROTECTION, "protection", {"coverage": entries}, mono_ns)
