"""The life cycle of alarms in ISA-18.2 words: what operators may do to an alarm and what that does to its annunciation.

Pure state: no clock, no files. Times are judgement seconds. Acknowledging silences the operator's indication only;
the public siren follows `annunciated_level`, which only shelving, silencing, suppression and out of service lower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

LONGEST_SHELVE_S = 8 * 3600.0
LONGEST_SILENCE_S = 600.0
FLOOD_COUNT, FLOOD_WINDOW_S, FLOOD_END_COUNT = 10, 600.0, 5  # ISA-18.2 / EEMUA 191
CHATTER_COUNT, CHATTER_WINDOW_S = 3, 60.0


class State(StrEnum):
    """Where an alarm stands with its operator."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned-unacknowledged"


class NotPossible(ValueError):  # noqa: N818 - an answer to an operator
    """An operator asked for something that this alarm's state does not allow; the text says what is allowed."""


@dataclass(slots=True)
class Alarm:
    """One alarm instance. `level` 0 is normal; `state` and the four ways of withholding it are independent."""

    name: str
    level: int = 0
    state: State = State.NORMAL
    since_s: float = 0.0  # of the present level
    activations: int = 0  # how often it left normal, ever
    shelved_until_s: float | None = None
    shelved_level: int = 0  # shelving covers levels up to this one
    silenced_until_s: float | None = None
    silenced_level: int = 0
    suppressed_by: str = ""  # by design: maintenance, a parent alarm
    out_of_service: str = ""  # who and why
    reason: str = ""  # of the latest operator action
    who: str = ""
    recent_s: list[float] = field(default_factory=list)  # activations within the chatter window

    @property
    def withheld(self) -> str:
        """Why it is not annunciated though active: "shelved", "silenced", "suppressed", "out of service" or ""."""
        if self.out_of_service:
            return "out of service"
        if self.suppressed_by:
            return "suppressed"
        if self.shelved_until_s is not None and self.level <= self.shelved_level:
            return "shelved"
        if self.silenced_until_s is not None and self.level <= self.silenced_level:
            return "silenced"
        return ""

    @property
    def annunciated_level(self) -> int:
        """The level the public hears; 0 when normal or withheld."""
        return 0 if self.withheld else self.level


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one alarm, as it is journalled."""

    alarm: str
    event: str  # raised, rose, fell, returned, acknowledged, shelved, unshelved, silenced, rearmed, suppressed ...
    at_s: float
    previous_level: int
    level: int
    previous_state: State
    state: State
    who: str = ""
    why: str = ""


class AlarmBook:
    """Every alarm of a site and what happened to it. Alarms are made at first mention; none is ever forgotten."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.alarms: dict[str, Alarm] = {name: Alarm(name) for name in names}
        self._raised_s: deque[float] = deque()
        self._timed: set[str] = set()  # shelved or silenced: all that time alone can change
        self.flood = False

    def __getitem__(self, name: str) -> Alarm:
        return self.alarms[name]

    def active(self) -> list[Alarm]:
        """Alarms whose level is not normal or that wait for acknowledgement."""
        return [a for a in self.alarms.values() if a.level or a.state is not State.NORMAL]

    # --- what judgement does --------------------------------------------------------------------------------------

    def move(self, name: str, level: int, at_s: float, why: str = "") -> list[Transition]:
        """The alarm's condition moved it to `level`. An unchanged level is no transition."""
        alarm = self.alarms.setdefault(name, Alarm(name))
        previous, state = alarm.level, alarm.state
        if level == previous:
            return []
        alarm.level, alarm.since_s = level, at_s
        transitions = []
        if level > previous:
            alarm.state = State.UNACKNOWLEDGED
            if previous == 0:
                alarm.activations += 1
                self._count(alarm, at_s)
            event = "rose" if previous else "raised"
        elif level:
            event = "fell"
            alarm.silenced_level = min(alarm.silenced_level, level)  # a new rise is a new warning
        else:
            alarm.state = State.NORMAL if state is State.ACKNOWLEDGED else State.RETURNED
            event = "returned"
        transitions.append(Transition(name, event, at_s, previous, level, state, alarm.state, why=why))
        if level > alarm.silenced_level and alarm.silenced_until_s is not None:
            transitions.append(self._rearm(alarm, at_s, "a higher level ends silence"))
        if level > alarm.shelved_level and alarm.shelved_until_s is not None:
            transitions.append(self._unshelve(alarm, at_s, "", "a higher level ends shelving"))
        if level == 0 and alarm.silenced_until_s is not None:
            transitions.append(self._rearm(alarm, at_s, "silence covers one occurrence"))
        return transitions

    def _count(self, alarm: Alarm, at_s: float) -> None:
        alarm.recent_s = [t for t in alarm.recent_s if at_s - t <= CHATTER_WINDOW_S] + [at_s]
        self._raised_s.append(at_s)
        self._trim(at_s)
        self.flood = self.flood or len(self._raised_s) > FLOOD_COUNT

    def _trim(self, at_s: float) -> None:
        while self._raised_s and at_s - self._raised_s[0] > FLOOD_WINDOW_S:
            self._raised_s.popleft()
        if self.flood and len(self._raised_s) < FLOOD_END_COUNT:
            self.flood = False

    def chattering(self, name: str) -> bool:
        """Whether the alarm was raised three times or more within a minute."""
        return len(self.alarms[name].recent_s) >= CHATTER_COUNT

    # --- what time does -------------------------------------------------------------------------------------------

    def expire(self, at_s: float) -> list[Transition]:
        """End what has run out by `at_s`."""
        self._trim(at_s)
        transitions = []
        for name in sorted(self._timed):
            alarm = self.alarms[name]
            if alarm.shelved_until_s is not None and at_s >= alarm.shelved_until_s:
                transitions.append(self._unshelve(alarm, at_s, "", "shelving ran out"))
            if alarm.silenced_until_s is not None and at_s >= alarm.silenced_until_s:
                transitions.append(self._rearm(alarm, at_s, "silence ran out"))
            if alarm.shelved_until_s is None and alarm.silenced_until_s is None:
                self._timed.discard(name)
        return transitions

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to do next."""
        timed = (self.alarms[name] for name in self._timed)
        return min((t for a in timed for t in (a.shelved_until_s, a.silenced_until_s) if t is not None), default=None)

    # --- what operators do ----------------------------------------------------------------------------------------

    def acknowledge(self, name: str, who: str, at_s: float) -> list[Transition]:
        """The operator has seen it. Raises NotPossible when there is nothing to acknowledge."""
        alarm = self._named(name)
        state = alarm.state
        if state is State.UNACKNOWLEDGED:
            alarm.state = State.ACKNOWLEDGED
        elif state is State.RETURNED:
            alarm.state = State.NORMAL
        else:
            raise NotPossible(f"{name} is {state}; only an unacknowledged alarm can be acknowledged")
        alarm.who, alarm.reason = who, ""
        return [Transition(name, "acknowledged", at_s, alarm.level, alarm.level, state, alarm.state, who)]

    def shelve(self, name: str, who: str, why: str, for_s: float, at_s: float) -> list[Transition]:
        """Withhold it up to its present level for a time. Raises NotPossible without a reason or beyond 8 h."""
        alarm = self._named(name)
        if not why.strip():
            raise NotPossible("shelving needs a reason, and none was given")
        if not 0 < for_s <= LONGEST_SHELVE_S:
            raise NotPossible(f"shelving for {for_s:g} s: allowed is up to {LONGEST_SHELVE_S / 3600:g} h")
        alarm.shelved_until_s, alarm.shelved_level = at_s + for_s, max(alarm.level, 1)
        self._timed.add(name)
        alarm.who, alarm.reason = who, why
        return [self._same(alarm, "shelved", at_s, who, f"{why} (for {for_s:g} s)")]

    def unshelve(self, name: str, who: str, at_s: float) -> list[Transition]:
        """Bring a shelved alarm back. Raises NotPossible when it is not shelved."""
        alarm = self._named(name)
        if alarm.shelved_until_s is None:
            raise NotPossible(f"{name} is not shelved")
        return [self._unshelve(alarm, at_s, who, "")]

    def silence(self, name: str, who: str, for_s: float, at_s: float) -> list[Transition]:
        """Stop this occurrence's outputs for a while; it re-arms by itself, and a higher level ends it at once."""
        alarm = self._named(name)
        if not alarm.level:
            raise NotPossible(f"{name} is not active; only an active alarm can be silenced")
        if not 0 < for_s <= LONGEST_SILENCE_S:
            raise NotPossible(f"silence for {for_s:g} s: allowed is up to {LONGEST_SILENCE_S / 60:g} min")
        alarm.silenced_until_s, alarm.silenced_level = at_s + for_s, alarm.level
        self._timed.add(name)
        alarm.who, alarm.reason = who, ""
        return [self._same(alarm, "silenced", at_s, who, f"for {for_s:g} s")]

    def suppress(self, name: str, by: str, at_s: float) -> list[Transition]:
        """Withhold by design while `by` (a parent alarm, maintenance) holds; "" ends it. No change, no transition."""
        alarm = self.alarms.setdefault(name, Alarm(name))
        if alarm.suppressed_by == by:
            return []
        alarm.suppressed_by = by
        return [self._same(alarm, "suppressed" if by else "unsuppressed", at_s, "", by)]

    def take_out_of_service(self, name: str, who: str, why: str, at_s: float) -> list[Transition]:
        """Withhold without expiry; needs a reason. Raises NotPossible without one."""
        alarm = self._named(name)
        if not why.strip():
            raise NotPossible("taking an alarm out of service needs a reason, and none was given")
        alarm.out_of_service, alarm.who, alarm.reason = f"{who}: {why}", who, why
        return [self._same(alarm, "out of service", at_s, who, why)]

    def return_to_service(self, name: str, who: str, at_s: float) -> list[Transition]:
        """End out of service. Raises NotPossible when it is in service."""
        alarm = self._named(name)
        if not alarm.out_of_service:
            raise NotPossible(f"{name} is in service")
        alarm.out_of_service = ""
        return [self._same(alarm, "in service", at_s, who, "")]

    def renew(self, name: str, level: int, at_s: float, why: str) -> list[Transition]:
        """The alarm has other levels than before and is now at `level`: what was withheld by level is so no more."""
        alarm, transitions = self.alarms[name], []
        if alarm.shelved_until_s is not None:
            transitions.append(self._unshelve(alarm, at_s, "", why))
        if alarm.silenced_until_s is not None:
            transitions.append(self._rearm(alarm, at_s, why))
        alarm.shelved_level = alarm.silenced_level = 0
        return [*transitions, *self.move(name, level, at_s, why)]

    # --- what survives --------------------------------------------------------------------------------------------

    def snapshot(self) -> list[dict[str, Any]]:
        """All alarms as JSON."""
        return [asdict(alarm) for alarm in self.alarms.values()]

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Take back a snapshot, before anything else is done; alarms the site no longer has are left out."""
        for entry in saved:
            if entry["name"] in self.alarms:
                self.alarms[entry["name"]] = Alarm(**{**entry, "state": State(entry["state"])})
                self._timed.add(entry["name"])

    # --- within ---------------------------------------------------------------------------------------------------

    def _named(self, name: str) -> Alarm:
        if name not in self.alarms:
            known = ", ".join(sorted(self.alarms)) or "none"
            raise NotPossible(f"no alarm is called {name!r}; there are: {known}")
        return self.alarms[name]

    def _same(self, alarm: Alarm, event: str, at_s: float, who: str, why: str) -> Transition:
        return Transition(alarm.name, event, at_s, alarm.level, alarm.level, alarm.state, alarm.state, who, why)

    def _rearm(self, alarm: Alarm, at_s: float, why: str) -> Transition:
        alarm.silenced_until_s = None
        return self._same(alarm, "rearmed", at_s, "", why)

    def _unshelve(self, alarm: Alarm, at_s: float, who: str, why: str) -> Transition:
        alarm.shelved_until_s = None
        return self._same(alarm, "unshelved", at_s, who, why)
