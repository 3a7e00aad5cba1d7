"""Response plans: which output is wanted to do what, given the alarms. Pure; judgement seconds; decides no alarm."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.site.model import Action, AlarmConfig, Message, Pattern, Site
from rules.alarm import AlarmBook

ALL_CLEAR_S = 300.0  # an all-clear that could not be given within this time is no longer news


@dataclass(frozen=True, slots=True)
class Want:
    """What one output is wanted to do. Two equal wants are one sounding; a new occurrence or level is a new one."""

    alarm: str
    level: str  # "" for the all-clear
    rank: int  # of the level, 0 for the all-clear
    occurrence: int
    pattern: Pattern | None = None
    state: bool | None = None
    message: Message | None = None
    repeat: int = 1
    every_s: float | None = None
    slots: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)  # language -> slot -> text
    stands_in_for: str = ""  # output that failed and that this one replaces

    @property
    def cause(self) -> str:
        """For people: "underpass-flood red", "underpass-flood all clear"."""
        return f"{self.alarm} {self.level or 'all clear'}"


@dataclass(slots=True)
class _Held:
    """An action that outlives its level: until reset, or for a time."""

    want: Want
    until_s: float | None  # None: until the alarm is reset


class Responder:
    """Turns annunciated levels into wants, one per output. The highest level wins an output, then the site's order.

    What is sounded warns of a rise; on the way down only states (a barrier, a lamp) follow the level, and the all-clear
    tells people of the end.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ranks = {level: rank for rank, level in enumerate(site.levels, start=1)}
        self._heard: dict[str, tuple[int, int]] = {}  # alarm -> (level index, occurrence) that is annunciated
        self._falling: set[str] = set()  # alarms that came down to their level: nothing new is sounded for them
        self._began_s: dict[str, float] = {}
        self._slots: dict[str, Mapping[str, Mapping[str, str]]] = {}
        self._held: dict[tuple[str, str], _Held] = {}  # (alarm, output)
        self._clear: dict[tuple[str, str], _Held] = {}

    def respond(
        self,
        book: AlarmBook,
        slots: Mapping[str, Mapping[str, Mapping[str, str]]],
        faulty: Collection[str],
        at_s: float,
    ) -> dict[str, Want | None]:
        """The want of every output. `slots`: texts for alarms that have just moved; `faulty` outputs get stand-ins."""
        self._slots.update(slots)
        for alarm in self._site.alarms.values():
            self._follow(alarm, book, at_s)
        self._held = {k: h for k, h in self._held.items() if h.until_s is None or at_s < h.until_s}
        self._clear = {k: h for k, h in self._clear.items() if h.until_s is not None and at_s < h.until_s}
        wants: dict[str, Want | None] = dict.fromkeys(self._site.outputs)
        for want_of in (self._current(), self._keyed(self._held), self._keyed(self._clear)):
            for output, want in want_of:
                present = wants[output]
                if present is None or want.rank > present.rank:
                    wants[output] = want
        self._stand_in(wants, faulty)
        return wants

    def reset(self, alarm: str) -> None:
        """An operator reset the alarm: what was held until reset is let go."""
        self._held = {k: h for k, h in self._held.items() if not (k[0] == alarm and h.until_s is None)}

    @property
    def deadline(self) -> float | None:
        """When something held runs out by itself."""
        ends = [h.until_s for held in (self._held, self._clear) for h in held.values() if h.until_s is not None]
        return min(ends, default=None)

    def snapshot(self) -> dict[str, Any]:
        """What must survive a restart, as JSON: what was heard, and what is held until reset."""
        return {
            "heard": {alarm: list(level) for alarm, level in self._heard.items()},
            "falling": sorted(self._falling),
            "held": [
                [alarm, output, held.want.level] for (alarm, output), held in self._held.items() if not held.until_s
            ],
            "slots": {alarm: {lang: dict(s) for lang, s in slots.items()} for alarm, slots in self._slots.items()},
        }

    def restore(self, saved: Mapping[str, Any], at_s: float) -> None:
        """Take back a snapshot; alarms, outputs and levels that the site no longer has are left out."""
        self._slots = {alarm: slots for alarm, slots in saved["slots"].items() if alarm in self._site.alarms}
        for name, (level, occurrence) in saved["heard"].items():
            if name in self._site.alarms:
                self._heard[name] = (level, occurrence)
                self._began_s[name] = at_s
        self._falling = {name for name in saved["falling"] if name in self._heard}
        for name, output, level in saved["held"]:
            alarm = self._site.alarms.get(name)
            if alarm is None or output not in self._site.outputs:
                continue
            for action in self._actions(alarm, level):
                if action.output == output and action.until == "reset":
                    want = self._want(alarm, level, 0, action)
                    self._held[name, output] = _Held(want, None)

    # --- within ---------------------------------------------------------------------------------------------------

    def _follow(self, alarm: AlarmConfig, book: AlarmBook, at_s: float) -> None:
        """Note what became newly heard or over; hold what outlives its level; start the all-clear."""
        instance = book[alarm.name]
        level = 0 if alarm.shadow else instance.annunciated_level
        before = self._heard.get(alarm.name)
        now = (level, instance.activations) if level else None
        if now == before:
            return
        if now is None:
            del self._heard[alarm.name]
            self._falling.discard(alarm.name)
            if instance.level == 0:  # over, not merely withheld
                self._begin_all_clear(alarm, instance.activations, at_s)
            return
        self._heard[alarm.name] = now
        fell = before is not None and before[1] == now[1] and level < before[0]
        (self._falling.add if fell else self._falling.discard)(alarm.name)
        self._began_s[alarm.name] = at_s
        self._clear = {k: h for k, h in self._clear.items() if k[0] != alarm.name}
        name = alarm.rule.levels[level - 1].level
        for action in self._actions(alarm, name):
            if action.until != "clear" and not (fell and action.state is None):
                until_s = None if action.until == "reset" else at_s + action.until
                self._held[alarm.name, action.output] = _Held(
                    self._want(alarm, name, instance.activations, action), until_s
                )

    def _begin_all_clear(self, alarm: AlarmConfig, occurrence: int, at_s: float) -> None:
        if alarm.plan is None:
            return
        for action in self._site.plans[alarm.plan].all_clear:
            until_s = at_s + (ALL_CLEAR_S if isinstance(action.until, str) else action.until)
            self._clear[alarm.name, action.output] = _Held(self._want(alarm, "", occurrence, action), until_s)

    def _current(self) -> Iterable[tuple[str, Want]]:
        for name, (level, occurrence) in self._heard.items():
            alarm = self._site.alarms[name]
            level_name = alarm.rule.levels[level - 1].level
            for action in self._actions(alarm, level_name):
                sounds = action.state is None
                if action.until == "clear" and not (sounds and name in self._falling):
                    yield action.output, self._want(alarm, level_name, occurrence, action)

    @staticmethod
    def _keyed(held: Mapping[tuple[str, str], _Held]) -> Iterable[tuple[str, Want]]:
        return ((output, entry.want) for (_, output), entry in held.items())

    def _actions(self, alarm: AlarmConfig, level: str) -> tuple[Action, ...]:
        """The plan's actions for a level; a level without any does as the next lower one that has some."""
        if alarm.plan is None:
            return ()
        plan = self._site.plans[alarm.plan]
        for name in reversed(self._site.levels[: self._ranks[level]]):
            if name in plan.levels:
                return plan.levels[name]
        return ()

    def _want(self, alarm: AlarmConfig, level: str, occurrence: int, action: Action) -> Want:
        site = self._site
        return Want(
            alarm=alarm.name,
            level=level,
            rank=self._ranks.get(level, 0),
            occurrence=occurrence,
            pattern=site.patterns[action.pattern] if action.pattern else None,
            state=site.outputs[action.output].states[action.state] if action.state else None,
            message=site.messages[action.message] if action.message else None,
            repeat=action.repeat,
            every_s=action.every_s,
            slots=self._slots.get(alarm.name, {}),
        )

    def _stand_in(self, wants: dict[str, Want | None], faulty: Collection[str]) -> None:
        """Where an output fails while wanted, its alternate does the like, unless it has as urgent a task itself."""
        for name in faulty:
            want, alternate = wants.get(name), self._site.outputs[name].alternate
            if want is None or alternate is None or not self._site.outputs[name].audible:
                continue
            present = wants[alternate]
            if present is None or want.rank > present.rank:
                wants[alternate] = replace(want, stands_in_for=name)
            elif not present.stands_in_for:
                wants[alternate] = replace(present, stands_in_for=name)
