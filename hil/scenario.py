"""Plays physical values and mishaps over time from a file; it owns the story, and must not know lines or agents.

title = { zh = "...", en = "..." }
duration = "3 h"
    speed = 180                      # seconds of the story in one real second: three hours in a minute
    proves = true                    # false where the siren is dead, so that a run without proof is as expected
[series]                         # straight lines between the points, held before the first and after the last
"underpass.level_mm" = [["0 min", 20], ["40 min", 180]]
[[event]]
at = "55 min"
say = { zh = "...", en = "..." }
fault = { device = "gas", kind = "silent", for = "10 min" }     # see hil.faults.Fault
unplug = "sensors"               # or plug = "sensors"
set = { "roof.dead" = true }
"""

from __future__ import annotations

import bisect
import threading
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drivers.api import duration
from hil.faults import Fault, FaultPlan
from hil.line import VirtualLine
from hil.rig import Rig, put

_STEP_S = 0.1  # real seconds between two settings of the physical values


@dataclass(frozen=True, slots=True)
class Curve:
    """A value over story time: straight lines between points, held at both ends."""

    times_s: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.times_s or len(self.times_s) != len(self.values):
            raise ValueError("a series needs points [time, value], at least one")
        if list(self.times_s) != sorted(set(self.times_s)):
            raise ValueError(f"the times of a series must rise; got {self.times_s} s")

    def at(self, time_s: float) -> float:
        """The value at a story time."""
        right = bisect.bisect_right(self.times_s, time_s)
        if right == 0:
            return self.values[0]
        if right == len(self.times_s):
            return self.values[-1]
        before_s, after_s = self.times_s[right - 1], self.times_s[right]
        share = (time_s - before_s) / (after_s - before_s)
        return self.values[right - 1] + share * (self.values[right] - self.values[right - 1])


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at one moment of the story."""

    at_s: float
    say: dict[str, str] = field(default_factory=dict)
    fault: tuple[str, Fault] | None = None  # device
    heal: str | None = None  # device
    unplug: str | None = None  # line
    plug: str | None = None  # line
    set: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story: curves of physical values ("device.attribute") and events in order."""

    title: dict[str, str]
    duration_s: float
    speed: float
    curves: dict[str, Curve]
    events: tuple[Event, ...]
    proves: bool = True  # whether the siren is expected to be proved; false for stories in which it is dead

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """The story in a file. Raises ValueError, KeyError for what it does not understand."""
        with Path(path).open("rb") as file:
            return cls.parse(tomllib.load(file))

    @classmethod
    def parse(cls, tree: dict[str, Any]) -> Scenario:
        """The story in a tree as TOML gives it."""
        curves = {
            name: Curve(tuple(duration(at) for at, _ in points), tuple(float(value) for _, value in points))
            for name, points in tree.get("series", {}).items()
        }
        events = [event for table in tree.get("event", []) for event in _events(table)]
        events.sort(key=lambda event: event.at_s)
        speed = float(tree.get("speed", 1))
        if speed <= 0:
            raise ValueError(f"speed must be above 0; got {speed:g}")
        proves = bool(tree.get("proves", True))
        return cls(tree.get("title", {}), duration(tree["duration"]), speed, curves, tuple(events), proves)

    @property
    def real_s(self) -> float:
        """Real seconds that it takes."""
        return self.duration_s / self.speed


_EVENT_KEYS = {"at", "say", "fault", "unplug", "plug", "set"}


def _events(table: dict[str, Any]) -> list[Event]:
    if unknown := set(table) - _EVENT_KEYS:
        raise ValueError(f"an event has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_EVENT_KEYS))}")
    at_s = duration(table["at"])
    fault = table.get("fault")
    told = (fault["device"], Fault(fault["kind"])) if fault else None
    first = Event(at_s, table.get("say", {}), told, None, table.get("unplug"), table.get("plug"), table.get("set", {}))
    if fault and "for" in fault:
        return [first, Event(at_s + duration(fault["for"]), heal=fault["device"])]
    return [first]


class Player:
    """Plays a scenario on a rig, in a thread of its own. Context manager; `told` is called for events that speak."""

    def __init__(self, scenario: Scenario, rig: Rig, told: Callable[[Event], None] | None = None) -> None:
        self.scenario = scenario
        self.rig = rig
        self._told = told or (lambda _: None)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scenario", daemon=True)
        self._start_s = 0.0
        self._happened = 0

    def __enter__(self) -> Self:
        self.step(0.0)
        self._start_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def story_s(self) -> float:
        """Where the story is."""
        return min((time.monotonic() - self._start_s) * self.scenario.speed, self.scenario.duration_s)

    @property
    def over(self) -> bool:
        """Whether the story has been told to its end."""
        return self.story_s >= self.scenario.duration_s

    def step(self, story_s: float) -> None:
        """Set every physical value as it is at `story_s`, and let happen what was due since the last step."""
        for name, curve in self.scenario.curves.items():
            thing, _, attribute = name.rpartition(".")
            put(self.rig.thing(thing), attribute, curve.at(story_s))
        while self._happened < len(self.scenario.events) and self.scenario.events[self._happened].at_s <= story_s:
            event = self.scenario.events[self._happened]
            self._happened += 1
            self._happen(event)

    def _happen(self, event: Event) -> None:
        if event.fault:
            self.rig.fail(event.fault[0], FaultPlan.always(event.fault[1]))
        if event.heal:
            self.rig.heal(event.heal)
        if event.unplug:
            self.rig.lines[event.unplug].unplug()
        if event.plug:
            self._plug(event.plug)
        for name, value in event.set.items():
            thing, _, attribute = name.rpartition(".")
            put(self.rig.thing(thing), attribute, value)
        if event.say:
            self._told(event)

    def _plug(self, name: str) -> None:
        line = self.rig.lines[name]
        if isinstance(line, VirtualLine):
            line.replug(new_name=True)  # as the kernel does: the next free ttyUSB number
        else:
            line.replug()

    def _run(self) -> None:
        while not self._stop.wait(_STEP_S):
            self.step(self.story_s)


def said(texts: dict[str, str], languages: Sequence[str] = ("zh", "en")) -> str:
    """A text in the first of the languages that it has."""
    return next((texts[language] for language in languages if language in texts), "")
