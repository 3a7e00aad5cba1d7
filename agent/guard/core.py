"""The core: readings in, wants and records out. A plain call: no await, no I/O, no clock of its own.

The order within a step is the order of importance: judge, want, and only then explain and record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from agent.explain.content import content_of
from agent.guard.burst import Bursts
from agent.guard.clock import Clock
from agent.guard.equipment import Equipment
from agent.guard.protection import coverage
from agent.guard.recorder import Keeper, Recorder
from agent.guard.respond import Responder, Want
from agent.guard.shadow import Shadows
from agent.guard.wording import slots_of
from agent.records import Lane, Mark, MarkKind, SampleRow, Step
from agent.site.model import AlarmConfig, Site
from drivers.api import Quality, Reading
from rules.alarm import AlarmBook, NotPossible, Transition
from rules.judge import Judge
from rules.model import LevelChange, Sample, Verdict

KEEP_EVERY_S = 1.0  # state that survives, while a delay is running
KEEP_WINDOWS_S = 60.0  # and the large part of it: windows


class Listener(Protocol):
    """An output's annunciator as the core sees it."""

    def want(self, want: Want | None, mono_ns: int) -> None:
        """What the output is wanted to do."""
        ...

    def observe(self, value: float, mono_ns: int) -> None:
        """A reading of its evidence."""
        ...

    def forgive(self) -> None:
        """Its faults were reset."""
        ...

    def recall(self, faults: Mapping[str, str]) -> None:
        """Its faults, by kind, as they were before a restart."""
        ...


class Core:
    """The state of the site and the one way into it."""

    def __init__(
        self, site: Site, judge: Judge, clock: Clock, keeper: Keeper, *, listeners: Mapping[str, Listener], mono_ns: int
    ) -> None:
        self.site, self.judge, self.clock = site, judge, clock
        self.responder = Responder(site)
        self.equipment = Equipment(site, clock.judgement_s(mono_ns))
        self.book = AlarmBook([*site.alarms, *self.equipment.names])
        self.recorder = Recorder(site, judge, clock, keeper, self.equipment)
        self.bursts = Bursts(site)
        self.shadows = Shadows({a.name: [r.level for r in a.rule.levels] for a in site.alarms.values() if a.shadow})
        self.steps = 0
        self.protection: list[dict[str, Any]] = []
        self.due_changed: Callable[[], None] = lambda: None  # the deadline may have moved
        self._keeper, self._listeners = keeper, listeners
        self._alarms = tuple(site.alarms)
        points = enumerate(site.points.values())
        self._columns = {(point.device, point.name.partition(".")[2]): index for index, point in points}
        self._names = {name: index for index, name in enumerate(site.points)}
        self.keeps_calendar = any(point.reset is not None for point in site.ruleset.points)
        self._wall_offset_s: float | None = None
        self._content = content_of(site.ruleset)
        self._evidence: dict[int, list[str]] = {}
        for output in site.outputs.values():
            if output.confirm is not None:
                self._evidence.setdefault(self._names[output.confirm.point], []).append(output.name)
        self._at_s = clock.judgement_s(mono_ns)
        self._judge_due_s: float | None = self._at_s
        self._kept_s = self._windows_kept_s = -math.inf
        self._restored: list[Transition] = []
        self._look_again = False

    @property
    def now_s(self) -> float:
        """Judgement time of the latest step or event."""
        return self._at_s

    @property
    def vital_points(self) -> frozenset[str]:
        """Full names of the points that alarms or the evidence of outputs depend on."""
        used = (self.site.ruleset.used_points(alarm.index) for alarm in self.site.alarms.values())
        names = list(self.site.points)
        evidence = {output.confirm.point for output in self.site.outputs.values() if output.confirm}
        return frozenset(names[index] for index in frozenset().union(*used)) | evidence

    # --- ways in --------------------------------------------------------------------------------------------------

    def ingest(self, device: str, readings: Sequence[Reading], mono_ns: int) -> None:
        """The readings of one poll reply of a device, judged at once."""
        samples, reasons = [], {}
        for reading in readings:
            index = self._columns[device, reading.point]
            samples.append(Sample(index, reading.value, int(reading.quality)))
            latest = self.recorder.table[index]
            latest.value, latest.quality, latest.mono_ns = reading.value, reading.quality, mono_ns
            latest.reason = reading.reason
            if reading.reason:
                reasons[index] = reading.reason
            if reading.quality.usable:
                latest.usable_mono_ns = mono_ns
                for output in self._evidence.get(index, ()):
                    self._listeners[output].observe(reading.value, mono_ns)
        self._step(mono_ns, samples, reasons)

    def lost(self, device: str, reason: str, mono_ns: int) -> None:
        """A device failed to answer often enough that its points count as lost."""
        points = self.site.devices[device].points
        self.ingest(
            device,
            [Reading(p.partition(".")[2], math.nan, Quality.COMM_FAULT, mono_ns, reason) for p in points],
            mono_ns,
        )

    def tick(self, mono_ns: int) -> None:
        """Time has passed: timers inside rules, supervision, shelving and held outputs."""
        self._step(mono_ns, (), {})

    def output_event(self, output: str, event: str, details: Mapping[str, Any], mono_ns: int) -> None:
        """An output told of itself: written, confirmed, off, fault, mended."""
        at_s = self._advance(mono_ns)
        lane = Lane.EVENT if event in {"off", "mended"} else Lane.ALARM
        self.recorder.record(lane, "output", {"output": output, "event": event, **details}, mono_ns)
        if event in {"fault", "mended"}:
            self.equipment.output(output, details.get("faults", {}))
            self._settle(at_s, mono_ns, [], changed=True)

    def bus_state(self, bus: str, reason: str, mono_ns: int) -> None:
        """A line was lost (with the reason) or is back ("")."""
        self.equipment.bus(bus, reason)
        self._settle(self._advance(mono_ns), mono_ns, [])

    def other_fault(self, what: str, reason: str, mono_ns: int) -> None:
        """Store, link or speech can't be relied on (with the reason), or can again ("")."""
        self.equipment.other(what, reason)
        self._settle(self._advance(mono_ns), mono_ns, [])

    def operate(self, act: str, alarm: str, who: str, mono_ns: int, *, why: str = "", for_s: float = 0.0) -> None:
        """An operator's act on an alarm. Raises rules.alarm.NotPossible with the reason."""
        at_s = self._advance(mono_ns)
        book = self.book
        if act == "reset":
            transitions = self._reset(alarm, who, at_s, mono_ns)
        elif act == "ack":
            transitions = book.acknowledge(alarm, who, at_s)
        elif act == "shelve":
            transitions = book.shelve(alarm, who, why, for_s, at_s)
        elif act == "unshelve":
            transitions = book.unshelve(alarm, who, at_s)
        elif act == "silence":
            transitions = book.silence(alarm, who, for_s, at_s)
        elif act == "out-of-service":
            transitions = book.take_out_of_service(alarm, who, why, at_s)
        else:
            transitions = book.return_to_service(alarm, who, at_s)
        self._settle(at_s, mono_ns, transitions, changed=True)
        if act == "reset" and not any(t.event == "reset" for t in transitions):
            raise NotPossible(
                f"{alarm} is still {self.recorder.level_name(alarm, book[alarm].level)}: reset it when that is over"
            )

    def rezero(self, point: str, value: float | None, who: str, why: str, mono_ns: int) -> dict[str, Any]:
        """The baseline of a point becomes its present reading, or `value` in the point's unit; told as JSON.

        Raises rules.alarm.NotPossible without a reason, or a usable reading where no value is given.
        """
        if point not in self._names:
            raise NotPossible(f"no point is called {point!r}; there are: {', '.join(self._names)}")
        if not why.strip():
            raise NotPossible("a re-zero needs a reason, and none was given")
        at_s, index = self._advance(mono_ns), self._names[point]
        reading = self.recorder.reading(index)
        latest = self.recorder.table[index]
        if value is None and (not latest.quality.usable or self.equipment.point_fault(index)):
            raise NotPossible(
                f"{point} has no usable reading ({reading['reason'] or reading['quality']}); give a value"
            )
        new = latest.value if value is None else value
        if not math.isfinite(new):
            raise NotPossible(f"a baseline is a finite number; got {new}")
        before = self.judge.baseline(index)
        body = {"point": point, "unit": reading["unit"], "before": before, "baseline": new}
        transitions = self._decide("rezero", {**body}, lambda: self.judge.rezero(index, new, at_s), at_s, mono_ns)
        body |= {"who": who, "why": why, "given": value is not None, "reading": reading}
        self.event("rezero", body, mono_ns)
        self._settle(at_s, mono_ns, transitions, changed=True)
        return body

    def dated(self, wall_offset_s: float, mono_ns: int) -> None:
        """Local time is judgement time and this many seconds: for running totals that are reset by the clock."""
        if not self.keeps_calendar or self._wall_offset_s == wall_offset_s:
            return
        at_s = self._advance(mono_ns)
        body = {"wall_offset_s": wall_offset_s, "before": self._wall_offset_s}
        self._wall_offset_s = wall_offset_s
        transitions = self._decide("dated", body, lambda: self._date(wall_offset_s), at_s, mono_ns)
        self.event("dated", body, mono_ns)
        self._settle(at_s, mono_ns, transitions)

    def _date(self, wall_offset_s: float) -> Verdict:
        self.judge.dated(wall_offset_s)
        return self.judge.step(self.judge.now_s, ())

    @property
    def deadline_mono_s(self) -> float | None:
        """When `tick` is due, in seconds of the monotonic clock."""
        keep_s = self._kept_s + KEEP_EVERY_S if self.judge.pending else None
        dues = (self._judge_due_s, self.equipment.deadline, self.book.deadline, self.responder.deadline, keep_s)
        due_s = min((due for due in dues if due is not None), default=None)
        return None if due_s is None else self.clock.mono_s(due_s)

    # --- one step -------------------------------------------------------------------------------------------------

    def _advance(self, mono_ns: int) -> float:
        self._at_s = max(self._at_s, self.clock.judgement_s(mono_ns))
        return self._at_s

    def _step(self, mono_ns: int, samples: Sequence[Sample], reasons: Mapping[int, str]) -> None:
        at_s = self._advance(mono_ns)
        verdict = self.judge.step(at_s, samples)
        self._judge_due_s = verdict.deadline
        transitions = self._move(verdict.changes, at_s)
        if transitions:
            self._annunciate(at_s, mono_ns, transitions)
        self.bursts.look(self.judge)
        if samples:  # before the records of what they decided
            self._keeper.step(Step(self.clock.stamp(mono_ns), at_s, [SampleRow(*s) for s in samples]))
        self.equipment.step(at_s, samples, reasons)
        self._settle(at_s, mono_ns, transitions)
        self.steps += 1

    def _move(self, changes: Iterable[LevelChange], at_s: float) -> list[Transition]:
        return [t for change in changes for t in self.book.move(self._alarms[change.alarm], change.level, at_s)]

    def _decide(
        self, kind: MarkKind, body: dict[str, Any], act: Callable[[], Verdict], at_s: float, mono_ns: int
    ) -> list[Transition]:
        """Something else than readings that decides: judged at `at_s`, and marked in its place between the steps."""
        before = self.judge.step(at_s, ())
        verdict = act()
        self._judge_due_s = verdict.deadline
        self._keeper.mark(Mark(kind, self.clock.stamp(mono_ns), at_s, body))
        return self._move([*before.changes, *verdict.changes], at_s)

    def _reset(self, alarm: str, who: str, at_s: float, mono_ns: int) -> list[Transition]:
        """Let go of what is latched or held. An alarm that stays active is not reset: nothing of its plan is let go."""
        if alarm not in self.book.alarms:
            return self.book.acknowledge(alarm, who, at_s)  # raises, and lists the names there are
        transitions: list[Transition] = []
        instance = self.book[alarm]
        if alarm in self.site.alarms:
            index = self.site.alarms[alarm].index
            moved = self._decide("reset", {"alarm": alarm}, lambda: self.judge.reset(index, at_s), at_s, mono_ns)
            transitions = [replace(each, who=who) if each.alarm == alarm else each for each in moved]
            if instance.level:
                return transitions
        self.responder.reset(alarm)
        kind, _, output = alarm.partition(".")
        if kind == "output" and output in self._listeners:
            self._listeners[output].forgive()
        state = instance.state
        reset = Transition(alarm, "reset", at_s, instance.level, instance.level, state, state, who)
        return [*transitions, reset]

    def _settle(self, at_s: float, mono_ns: int, transitions: Sequence[Transition], *, changed: bool = False) -> None:
        """What follows from a change: equipment alarms, wants, records, the coverage map, state that survives."""
        moved = [*transitions, *self.book.expire(at_s)]
        for name, level, why, parent in self.equipment.changes():
            moved += self.book.move(name, level, at_s, why)
            moved += self.book.suppress(name, parent, at_s)
        due_s = self.responder.deadline
        if moved or changed or (due_s is not None and at_s >= due_s):
            self._annunciate(at_s, mono_ns, moved)
        for transition in moved:
            self.shadows.move(transition, self.clock.stamp(mono_ns))
            self.recorder.transition(transition, self.book, mono_ns)
        stirred = self.equipment.take_stirred()
        if moved or changed or stirred or self._look_again:
            # Once more at the next step: a point is lost for judgement a moment after it is lost for supervision.
            self._look_again = bool(moved) or stirred
            self._update_protection(mono_ns)
        self._keep(at_s, mono_ns, moved=bool(moved) or changed)
        self.due_changed()

    def _annunciate(self, at_s: float, mono_ns: int, transitions: Iterable[Transition]) -> None:
        slots = {
            t.alarm: slots_of(self.site, self.site.alarms[t.alarm], t.level, self.recorder.readings(t.alarm))
            for t in transitions
            if t.alarm in self.site.alarms and t.level > t.previous_level
        }
        wants = self.responder.respond(self.book, slots, self.equipment.faulty_outputs, at_s)
        for output, want in wants.items():
            self._listeners[output].want(want, mono_ns)

    def assert_all(self, mono_ns: int) -> None:
        """At start: every output gets its want, also those of alarms that were active before a restart."""
        at_s = self._advance(mono_ns)
        self._settle(at_s, mono_ns, self._restored, changed=True)
        self._restored = []
        self._update_protection(mono_ns)

    # --- records --------------------------------------------------------------------------------------------------

    def event(self, kind: str, body: dict[str, Any], mono_ns: int) -> None:
        """Record something that is neither an alarm nor an output: start, stop, configuration, commands."""
        self.recorder.record(Lane.EVENT, kind, body, mono_ns)

    def keep_image(self, mono_ns: int) -> None:
        """Put an image of the judge between the steps: what comes after it can be judged again from there."""
        rules = self.site.ruleset.digest
        mark = Mark("image", self.clock.stamp(mono_ns), self._at_s, {}, rules, self.judge.image(), self._content)
        self._keeper.mark(mark)

    def _update_protection(self, mono_ns: int) -> None:
        entries = coverage(self.site, self.judge, self.book, self.equipment)
        self.recorder.protection(entries, self.protection, mono_ns)
        self.protection = entries

    # --- what survives --------------------------------------------------------------------------------------------

    def _keep(self, at_s: float, mono_ns: int, *, moved: bool) -> None:
        windows_due = at_s - self._windows_kept_s >= KEEP_WINDOWS_S
        if moved or windows_due or (self.judge.pending and at_s - self._kept_s >= KEEP_EVERY_S):
            self._kept_s = at_s
            head = {
                "boot": self.clock.boot,
                "mono_ns": mono_ns,
                "at_s": at_s,
                "book": self.book.snapshot(),
                "levels": {a.name: [rule.level for rule in a.rule.levels] for a in self.site.alarms.values()},
                "plans": self.responder.snapshot(),
                "outputs": self.equipment.output_faults(),
                "shadows": self.shadows.snapshot(at_s),
            }
            self._keeper.keep("judgement", json.dumps(head).encode() + b"\n" + self.judge.timers())
        if windows_due:
            self._windows_kept_s = at_s
            self._keeper.keep("windows", self.judge.snapshot())

    def restore(self, judgement: bytes, windows: bytes | None, mono_ns: int) -> None:
        """Go on from what survived, before the first step.

        Raises ValueError, KeyError or TypeError when it is damaged; this core, its judge and clock are then spoiled.
        """
        head_text, _, timers = judgement.partition(b"\n")
        head = json.loads(head_text)
        self.clock.resume(head["boot"], head["mono_ns"], head["at_s"], mono_ns)
        at_s = self._at_s = max(head["at_s"], self.clock.judgement_s(mono_ns))
        if windows is not None:
            self.judge.restore(windows, at_s)
        self.judge.restore_timers(timers, at_s)
        self.book.restore(head["book"])
        self.responder.restore(head["plans"], at_s)
        self.shadows.restore(head.get("shadows", {}), at_s)
        self.equipment.restart(at_s, self.book.alarms.values(), head["outputs"])
        for output, faults in head["outputs"].items():
            if output in self._listeners:
                self._listeners[output].recall(faults)
        self._judge_due_s = at_s
        for alarm in self.site.alarms.values():
            self._follow_rule(alarm, head["levels"].get(alarm.name, []), at_s)

    def _follow_rule(self, alarm: AlarmConfig, levels_before: list[str], at_s: float) -> None:
        """Where the rule changed while the agent was down, the alarm goes where the new rule has it: no all-clear."""
        level, why = self.judge.level(alarm.index), "the rule changed while the agent was down"
        if levels_before != [rule.level for rule in alarm.rule.levels]:
            self._restored += self.book.renew(alarm.name, level, at_s, why)
        else:
            self._restored += self.book.move(alarm.name, level, at_s, why)
        if not level:
            self.responder.forget(alarm.name)
