"""The same judgement again: from an image of the judge on, every step and mark of the journal in order. Only reads.

Live and here it is one step function. Nothing is taken for proven that was not judged from a state that was journalled,
through every step in between: steps and marks of a run are counted, and a missing one is missed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.explain.content import ContentError, ruleset_of
from agent.journal.reader import AlarmRow, JournalReader, MarkRow, StepRow
from rules.judge import Judge, Ruleset, SnapshotError
from rules.model import LevelChange, Sample

_PAGE = 2000
MOVES = ("raised", "rose", "fell", "returned")


class Unproven(Exception):  # noqa: N818 - an answer
    """Judgement can't be run again up to there: `reason` is a key of `agent.explain.phrases`, `details` fill it."""

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(reason)
        self.reason, self.details = reason, details


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of judging one record again."""

    row: AlarmRow
    result: Literal["same", "differs", "unproven"]
    differences: tuple[str, ...] = ()
    reason: str = ""  # why it is unproven
    details: dict[str, Any] = field(default_factory=dict)
    image: MarkRow | None = None  # where judging began
    steps: int = 0  # steps and marks judged from there
    decided_s: float | None = None  # judgement time of the move itself; the guard noticed a little later


@dataclass(frozen=True, slots=True)
class _Move:
    at_s: float
    change: LevelChange


class Replay:
    """Judges records of one journal again; cheapest in their order, since it goes on from one to the next."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._epoch = reader.epoch("steps") or ""
        self._marks = reader.marks()
        self._rulesets: dict[str, Ruleset] = {}
        self._image: MarkRow | None = None
        self._judge: Judge | None = None
        self._place = self._began = 0
        self._items: Iterator[tuple[int, StepRow | MarkRow]] = iter(())
        self._moves: list[_Move] = []  # of the item last judged, and since

    def prove(self, row: AlarmRow) -> Proof:
        """Judge again up to a record and compare: the move, its time, and all that decided it, bit for bit."""
        try:
            judge = self._stand_behind(row)
            alarm = _index(judge, row)
            self._pass(judge, row.record.body["judged_s"])
        except Unproven as error:
            self._judge = None
            return Proof(row, "unproven", reason=error.reason, details=error.details, image=self._image)
        move = self._move_of(row, alarm)
        found = tuple(self._differences(judge, row, alarm, move))
        steps = self._place - self._began
        result: Literal["same", "differs"] = "differs" if found else "same"
        return Proof(row, result, found, image=self._image, steps=steps, decided_s=move.at_s if move else None)

    # --- going there ----------------------------------------------------------------------------------------------

    def _stand_behind(self, row: AlarmRow) -> Judge:
        if row.place < 0 or "judged_s" not in row.record.body:
            raise Unproven("older")
        image = self._image_before(row)
        if image is None:
            raise Unproven("no-image")
        here = self._image
        if self._judge is None or here is None or here.run != row.run or not image.place <= self._place <= row.place:
            self._begin(image)
        judge = self._judge
        assert judge is not None  # noqa: S101 - begun
        while self._place < row.place:
            self._next(judge, row)
        return judge

    def _image_before(self, row: AlarmRow) -> MarkRow | None:
        found = [m for m in self._marks if m.kind == "image" and m.run == row.run and m.place <= row.place]
        return max(found, key=lambda mark: mark.place, default=None)

    def _begin(self, image: MarkRow) -> None:
        self._image, self._judge = image, None
        self._place = self._began = image.place
        self._items, self._moves = self._after(image), []
        ruleset = self._ruleset(image.rules)
        judge = Judge(ruleset, 0.0)
        try:
            judge.resume(self._reader.image(image))
        except (SnapshotError, zlib.error) as error:
            raise Unproven("bad-image", error=str(error)) from error
        self._judge = judge

    def _ruleset(self, digest: str) -> Ruleset:
        if digest not in self._rulesets:
            content = self._reader.ruleset(digest)
            if content is None:
                raise Unproven("no-rules", rules=digest[:12])
            try:
                ruleset = ruleset_of(content)
            except ContentError as error:
                raise Unproven("other-software", error=str(error)) from error
            if ruleset.digest != digest:
                raise Unproven("other-software", error=f"{digest[:12]}, {ruleset.digest[:12]}")
            self._rulesets[digest] = ruleset
        return self._rulesets[digest]

    def _next(self, judge: Judge, row: AlarmRow) -> None:
        missing = row.place - self._place
        place, item = next(self._items, (0, None))
        if item is None:
            raise Unproven("end", count=missing, damaged=self._damaged())
        time_s = item.step.time_s if isinstance(item, StepRow) else item.body["time_s"]
        if time_s > row.record.body["judged_s"]:
            raise Unproven("missing", count=missing, damaged=self._damaged())
        self._moves = []
        self._pass(judge, time_s)
        if isinstance(item, StepRow):
            self._note(time_s, judge.step(time_s, _samples(judge, item)).changes)
        else:
            self._act(judge, item)
        self._place = place

    def _pass(self, judge: Judge, to_s: float) -> None:
        """Let timers run out, each at its own time, as they did between the steps."""
        due_s: float | None = judge.now_s
        while due_s is not None and due_s <= to_s:
            verdict = judge.step(due_s, ())
            self._note(due_s, verdict.changes)
            due_s = verdict.deadline if verdict.deadline is not None and verdict.deadline > due_s else None
        self._note(to_s, judge.step(to_s, ()).changes)

    def _act(self, judge: Judge, mark: MarkRow) -> None:
        body, at_s = mark.body, mark.body["time_s"]
        names = [alarm.name for alarm in judge.ruleset.alarms]
        points = [point.name for point in judge.ruleset.points]
        if mark.kind == "reset":
            self._note(at_s, judge.reset(names.index(body["alarm"]), at_s).changes)
        elif mark.kind == "rezero":
            self._note(at_s, judge.rezero(points.index(body["point"]), body["baseline"], at_s).changes)
        elif mark.kind == "dated":
            judge.dated(body["wall_offset_s"])
            self._note(at_s, judge.step(at_s, ()).changes)

    def _note(self, at_s: float, changes: Any) -> None:
        self._moves += [_Move(at_s, change) for change in changes]

    # --- what the journal has ---------------------------------------------------------------------------------------

    def _after(self, image: MarkRow) -> Iterator[tuple[int, StepRow | MarkRow]]:
        """Steps and marks of the image's run behind it, with their places. Raises Unproven where some are missing."""
        place, seq = image.place, image.after_seq
        for mark in self._marks[self._marks.index(image) + 1 :]:
            for row in self._steps(seq, mark.after_seq):
                place += 1
                yield place, row
            seq = mark.after_seq
            if mark.run != image.run:
                return  # the next process
            if mark.place != place + 1:
                raise Unproven("missing", count=mark.place - place - 1, damaged=self._damaged())
            place = mark.place
            yield place, mark
        for row in self._steps(seq, None):
            place += 1
            yield place, row

    def _steps(self, after_seq: int, upto: int | None) -> Iterator[StepRow]:
        while rows := self._reader.steps(self._epoch, after_seq, _PAGE):
            for row in rows:
                if upto is not None and row.seq > upto:
                    return
                yield row
            after_seq = rows[-1].seq

    def _damaged(self) -> int:
        return sum(last - first + 1 for stream, first, last in self._reader.damaged if stream == "steps")

    # --- comparing ------------------------------------------------------------------------------------------------

    def _move_of(self, row: AlarmRow, alarm: int) -> _Move | None:
        body = row.record.body
        wanted = LevelChange(alarm, body["previous_level"], body["level"])
        return next((move for move in reversed(self._moves) if move.change == wanted), None)

    def _differences(self, judge: Judge, row: AlarmRow, alarm: int, move: _Move | None) -> Iterator[str]:
        body = row.record.body
        at_start = body["why"] and judge.level(alarm) == body["level"]  # taken over from before the start
        if body["event"] in MOVES and move is None and not at_start:
            others = [move.change[1:] for move in self._moves if move.change.alarm == alarm]
            again = ", ".join(f"{before} -> {after}" for before, after in others) or "no move"
            yield f"move: live {body['previous_level']} -> {body['level']}, again {again}"
        again = json.loads(json.dumps(judge.explain(alarm)))
        yield from _unequal("decided_by", body["decided_by"], again)


def _index(judge: Judge, row: AlarmRow) -> int:
    names = [alarm.name for alarm in judge.ruleset.alarms]
    name = row.record.body["alarm"]
    if name not in names:
        raise Unproven("no-alarm", alarm=name)
    return names.index(name)


def _samples(judge: Judge, row: StepRow) -> list[Sample]:
    names = [point.name for point in judge.ruleset.points]
    if tuple(names) == row.points:
        return [Sample(*sample) for sample in row.step.samples]
    try:
        return [Sample(names.index(row.points[point]), value, quality) for point, value, quality in row.step.samples]
    except (ValueError, IndexError) as error:
        raise Unproven("bad-step", seq=row.seq) from error


def _unequal(path: str, live: Any, again: Any) -> Iterator[str]:
    """Where two JSON values differ, down to the last bit of a number."""
    if isinstance(live, dict) and isinstance(again, dict):
        for key in dict.fromkeys([*live, *again]):
            yield from _unequal(f"{path}.{key}", live.get(key), again.get(key))
    elif isinstance(live, list) and isinstance(again, list) and len(live) == len(again):
        for place, pair in enumerate(zip(live, again, strict=True)):
            yield from _unequal(f"{path}[{place}]", *pair)
    elif json.dumps(live) != json.dumps(again):
        yield f"{path}: live {json.dumps(live)}, again {json.dumps(again)}"
