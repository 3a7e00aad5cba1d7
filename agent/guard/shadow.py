"""What alarms on trial would have done: how often, when last, how long. Sounds nothing and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.records import Stamp
from rules.alarm import Transition


@dataclass(slots=True)
class _Trial:
    level: int = 0
    since_s: float = 0.0  # of the level, judgement time
    activations: int = 0
    sounded_s: dict[str, float] = field(default_factory=dict)  # by level
    last: dict[str, Any] | None = None  # the latest activation


class Shadows:
    """The account of every alarm with `shadow = true`; it survives restarts."""

    def __init__(self, levels: Mapping[str, Iterable[str]]) -> None:
        self._names = {alarm: ("normal", *names) for alarm, names in levels.items()}
        self._trials = {alarm: _Trial() for alarm in levels}

    def move(self, moved: Transition, stamp: Stamp) -> None:
        """Take in what an alarm did; those that are no shadows are none of its business."""
        trial = self._trials.get(moved.alarm)
        if trial is None or moved.level == trial.level:
            return
        self._spend(moved.alarm, trial, moved.at_s)
        if not trial.level:
            trial.activations += 1
            trial.last = {"wall_ns": stamp.wall_ns, "clock": stamp.clock, "lasted_s": 0.0, "highest": 0}
        trial.level = moved.level
        if trial.last is not None:
            trial.last["highest"] = max(trial.last["highest"], moved.level)

    def tell(self, alarm: str, now_s: float) -> dict[str, Any] | None:
        """What it would have done so far, as JSON; None for an alarm that is no shadow."""
        trial = self._trials.get(alarm)
        if trial is None:
            return None
        self._spend(alarm, trial, now_s)
        last = None if trial.last is None else {**trial.last, "highest": self._name(alarm, trial.last["highest"])}
        return {
            "level": self._name(alarm, trial.level),
            "activations": trial.activations,
            "would_have_sounded_s": {name: round(spent, 3) for name, spent in trial.sounded_s.items()},
            "last": last,
        }

    def snapshot(self, now_s: float) -> dict[str, Any]:
        """All of it as JSON."""
        for alarm, trial in self._trials.items():
            self._spend(alarm, trial, now_s)
        return {alarm: asdict(trial) for alarm, trial in self._trials.items()}

    def restore(self, saved: Mapping[str, Any], at_s: float) -> None:
        """Go on from a snapshot; the time between counts for nothing. Raises TypeError when it is damaged."""
        for alarm, entry in saved.items():
            if alarm in self._trials:
                self._trials[alarm] = _Trial(**{**entry, "since_s": at_s})

    def _name(self, alarm: str, level: int) -> str:
        names = self._names[alarm]
        return names[level] if level < len(names) else f"level {level}"

    def _spend(self, alarm: str, trial: _Trial, at_s: float) -> None:
        """Count the time at the present level up to now."""
        spent_s, trial.since_s = at_s - trial.since_s, at_s
        if trial.level and spent_s > 0:
            name = self._name(alarm, trial.level)
            trial.sounded_s[name] = trial.sounded_s.get(name, 0.0) + spent_s
            if trial.last is not None:
                trial.last["lasted_s"] += spent_s
