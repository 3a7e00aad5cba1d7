"""Response plans: which output is wanted to do what, given the alarms. Pure; judgement seconds; decides no alarm."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.site.model import Action, AlarmConfig, Message, OutputConfig, Pattern, Site
from rules.alarm import AlarmBook

ALL_CLEAR_S = 300.0  # an all-clear that could not be given within this time is no longer news
STAND_IN_PATTERN = "attention"  # what a switch does in place of a voice

Slots = Mapping[str, Mapping[str, str]]  # language -> slot -> text


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
    slots: Slots = field(default_factory=dict, hash=False)
    stands_in_for: str = ""  # output that failed and that this one replaces

    @property
    def cause(self) -> str:
        """For people: "underpass-flood red", "underpass-flood all clear"."""
        return f"{self.alarm} {self.level or 'all clear'}"


@dataclass(slots=True)
class _Heard:
    """An alarm that is annunciated now: its level, which occurrence, since when, and whether it came down to it."""

    level: int
    occurrence: int
    began_s: float
    falling: bool = False  # nothing new is sounded then: only states follow the level down


@dataclass(slots=True)
class _Held:
    """An action that outlives its level: until reset (no end), or for a time."""

    want: Want
    began_s: float
    until_s: float | None


class Responder:
    """Turns annunciated levels into wants, one per output. The highest level wins an output, of equals the newest.

    What is sounded warns of a rise; on the way down only states (a barrier, a lamp) follow the level, and the all-clear
    tells people of the end, however quiet that end was.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ranks = {level: rank for rank, level in enumerate(site.levels, start=1)}
        self._heard: dict[str, _Heard] = {}
        self._told: dict[str, int] = {}  # alarm -> occurrence that people have heard of and not of its end
        self._slots: dict[str, Slots] = {}
        self._held: dict[tuple[str, str], _Held] = {}  # (alarm, output)
        self._clear: dict[tuple[str, str], _Held] = {}

    def respond(
        self, book: AlarmBook, slots: Mapping[str, Slots], faulty: Collection[str], at_s: float
    ) -> dict[str, Want | None]:
        """The want of every output. `slots`: texts for alarms that have just moved; `faulty` outputs get stand-ins."""
        self._slots.update(slots)
        for alarm in self._site.alarms.values():
            self._follow(alarm, book, at_s)
        self._held = {k: h for k, h in self._held.items() if h.until_s is None or at_s < h.until_s}
        self._clear = {k: h for k, h in self._clear.items() if h.until_s is not None and at_s < h.until_s}
        wants: dict[str, Want | None] = dict.fromkeys(self._site.outputs)
        begun: dict[str, float] = {}
        for output, want, began_s in (*self._current(), *self._holding(book), *self._clearing()):
            present = wants[output]
            if present is None or (want.rank, began_s) > (present.rank, begun[output]):
                wants[output], begun[output] = want, began_s
        self._stand_in(wants, faulty)
        return wants

    def reset(self, alarm: str) -> None:
        """An operator reset the alarm: what it held is let go."""
        self._held = {key: held for key, held in self._held.items() if key[0] != alarm}

    def forget(self, alarm: str) -> None:
        """The alarm is not what it was, its rule having changed: its end is no all-clear."""
        self._heard.pop(alarm, None)
        self._told.pop(alarm, None)

    @property
    def deadline(self) -> float | None:
        """When something held runs out by itself."""
        ends = [h.until_s for held in (self._held, self._clear) for h in held.values() if h.until_s is not None]
        return min(ends, default=None)

    # --- what survives --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """What must survive a restart, as JSON: what was heard, what is held, and all-clears that are being given."""
        return {
            "heard": {name: [self._level(name, h.level), h.occurrence, h.falling] for name, h in self._heard.items()},
            "told": self._told,
            "held": [_saved(*key, held) for key, held in self._held.items()],
            "clear": [_saved(*key, held) for key, held in self._clear.items()],
            "slots": {alarm: {lang: dict(s) for lang, s in slots.items()} for alarm, slots in self._slots.items()},
        }

    def restore(self, saved: Mapping[str, Any], at_s: float) -> None:
        """Take back a snapshot; alarms, outputs and levels that the site no longer has are left out."""
        alarms = self._site.alarms
        self._slots = {alarm: slots for alarm, slots in saved["slots"].items() if alarm in alarms}
        self._told = {alarm: occurrence for alarm, occurrence in saved["told"].items() if alarm in alarms}
        for name, (level, occurrence, falling) in saved["heard"].items():
            names = [rule.level for rule in alarms[name].rule.levels] if name in alarms else []
            if level in names:
                self._heard[name] = _Heard(names.index(level) + 1, occurrence, at_s, falling)
        for key, target in (("held", self._held), ("clear", self._clear)):
            for name, output, level, occurrence, until_s in saved[key]:
                alarm = alarms.get(name)
                if alarm is None or output not in self._site.outputs or (level and level not in self._ranks):
                    continue
                for action in self._actions(alarm, level) if level else self._all_clear(alarm):
                    if action.output == output and (key == "clear" or action.until != "clear"):
                        target[name, output] = _Held(self._want(alarm, level, occurrence, action), at_s, until_s)

    # --- within ---------------------------------------------------------------------------------------------------

    def _follow(self, alarm: AlarmConfig, book: AlarmBook, at_s: float) -> None:
        """Note what became newly heard or over; hold what outlives its level; start the all-clear."""
        instance, name = book[alarm.name], alarm.name
        level = 0 if alarm.shadow else instance.annunciated_level
        before = self._heard.get(name)
        if not level:
            self._heard.pop(name, None)
            if instance.level == 0 and self._told.pop(name, None) is not None:
                self._begin_all_clear(alarm, instance.activations, at_s)
            return
        if before is not None and (before.level, before.occurrence) == (level, instance.activations):
            return
        falling = before is not None and before.occurrence == instance.activations and level < before.level
        self._heard[name] = _Heard(level, instance.activations, at_s, falling)
        self._told[name] = instance.activations
        self._clear = {k: h for k, h in self._clear.items() if k[0] != name}
        level_name = alarm.rule.levels[level - 1].level
        for action in self._actions(alarm, level_name):
            if action.until != "clear" and not (falling and action.state is None):
                until_s = None if action.until == "reset" else at_s + action.until
                want = self._want(alarm, level_name, instance.activations, action)
                self._held[name, action.output] = _Held(want, at_s, until_s)

    def _begin_all_clear(self, alarm: AlarmConfig, occurrence: int, at_s: float) -> None:
        for action in self._all_clear(alarm):
            until_s = at_s + (ALL_CLEAR_S if isinstance(action.until, str) else action.until)
            self._clear[alarm.name, action.output] = _Held(self._want(alarm, "", occurrence, action), at_s, until_s)

    def _current(self) -> Iterable[tuple[str, Want, float]]:
        for name, heard in self._heard.items():
            alarm = self._site.alarms[name]
            level = self._level(name, heard.level)
            for action in self._actions(alarm, level):
                sounds = action.state is None
                if action.until == "clear" and not (sounds and heard.falling):
                    yield action.output, self._want(alarm, level, heard.occurrence, action), heard.began_s

    def _holding(self, book: AlarmBook) -> Iterable[tuple[str, Want, float]]:
        for (alarm, output), held in self._held.items():
            # Silencing or shelving an alarm silences what it holds; a barrier it closed stays closed.
            if held.want.state is not None or not book[alarm].withheld:
                yield output, held.want, held.began_s

    def _clearing(self) -> Iterable[tuple[str, Want, float]]:
        return ((output, held.want, held.began_s) for (_, output), held in self._clear.items())

    def _level(self, alarm: str, level: int) -> str:
        return self._site.alarms[alarm].rule.levels[level - 1].level

    def _all_clear(self, alarm: AlarmConfig) -> tuple[Action, ...]:
        return self._site.plans[alarm.plan].all_clear if alarm.plan is not None else ()

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
        """Where an output fails while wanted, the first working output down its alternates does the like.

        An alternate with as urgent a task of its own keeps that, and adds the tone where it is a voice.
        """
        outputs = self._site.outputs
        for name, config in outputs.items():
            want = wants[name]
            if name not in faulty or want is None or want.state is not None or want.stands_in_for:
                continue
            passed, alternate = {name}, config.alternate
            while alternate is not None and alternate in faulty and alternate not in passed:
                passed.add(alternate)
                alternate = outputs[alternate].alternate
            if alternate is None or alternate in passed:
                continue
            present = wants[alternate]
            if present is None or want.rank > present.rank:
                wants[alternate] = self._shaped(want, outputs[alternate], name)
            elif not present.stands_in_for:
                wants[alternate] = replace(present, stands_in_for=name)

    def _shaped(self, want: Want, alternate: OutputConfig, stands_in_for: str) -> Want:
        """The want as another kind of output can do it: a switch has no words."""
        if alternate.speaks:
            return replace(want, stands_in_for=stands_in_for)
        pattern = want.pattern or self._site.patterns[STAND_IN_PATTERN]
        return replace(want, pattern=pattern, message=None, stands_in_for=stands_in_for)


def _saved(alarm: str, output: str, held: _Held) -> list[Any]:
    return [alarm, output, held.want.level, held.want.occurrence, held.until_s]
