"""Owns what a scenario's case says: its tables, checked and bound to rules. It runs nothing and reads no files.

A case is about the alarms of a site's rule set, or about one model of the library, whose inputs are then its points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rules.figures import near, shown
from rules.library import BindErrors, Model, bind, own_inputs, own_points
from rules.model import AlarmRule, PointInfo, RuleErrors
from rules.ruleset import Ruleset, build_ruleset
from rules.series import SeriesError, Slot, parse_series
from rules.units import UnitError, quantity

Keys = tuple[str | int, ...]

NORMAL = "normal"  # an alarm's level while none is active
SILENT_INTERVALS = 3.0  # without a reading for longer, a point is missing, unless its stale_after is longer
_CASE = ("name", "kind", "interval", "series", "expect", "inputs", "parameters", "stale_after")
_EXPECT = ("at", "from", "to", "alarms", "never", "alarm", "level", "between")
_NUMBERED = re.compile(r"(.+)\.([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Active:
    """From `from_s` to `to_s` exactly these alarms are active, each at its level."""

    from_s: float
    to_s: float  # the same: at that time
    alarms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Never:
    """From `from_s` to `to_s` no alarm of these reaches the level."""

    from_s: float
    to_s: float
    alarms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reaches:
    """The alarm reaches the level (or one above) for the first time then; NORMAL: is over for the first time."""

    from_s: float
    to_s: float
    alarm: str
    level: str


Expect = Active | Never | Reaches


@dataclass(frozen=True, slots=True)
class Case:
    """Series in, expected alarms at times out. Slot k of every series is at k intervals; times are seconds from 0."""

    name: str
    interval_s: float
    series: Mapping[str, Sequence[Slot]]
    texts: Mapping[str, str]  # the series as written
    expects: tuple[Expect, ...]
    ruleset: Ruleset

    @property
    def slots(self) -> int:
        """Of the longest series."""
        return max(map(len, self.series.values()))

    @property
    def end_s(self) -> float:
        """When the last slot is over."""
        return tidy(self.slots * self.interval_s)


@dataclass(frozen=True, slots=True)
class CaseProblem:
    """One thing wrong: the keys that lead to it, what was got and is expected; `column` within a text, from 0."""

    path: Keys
    message: str
    hint: str = ""
    column: int | None = None
    of_rules: bool = False  # the path is one of the rules' own file


class CaseErrors(ValueError):  # noqa: N818 - all of them at once
    """Everything wrong with the cases of a file."""

    def __init__(self, problems: Sequence[CaseProblem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in problems))
        self.problems = tuple(problems)


def tidy(seconds: float) -> float:
    """A time to the microsecond: what is written as the same time is the same."""
    return round(seconds, 6)


def read_cases(raw: object, rules: Model | Ruleset, parameters: Mapping[str, object] | None = None) -> tuple[Case, ...]:
    """The cases of a file's `[[case]]` tables; `parameters` are the file's own, for a model.

    Raises CaseErrors with everything that is wrong with any of them.
    """
    problems: list[CaseProblem] = []
    if not isinstance(raw, list) or not raw:
        got = "none" if raw is None or raw == [] else shown(raw)
        raise CaseErrors([CaseProblem(("case",), f"got {got}, expected tables [[case]]")])
    cases = []
    names: dict[str, int] = {}
    for number, table in enumerate(raw):
        before = len(problems)
        case = _Reader(rules, parameters or {}, problems).case(table, ("case", number))
        name = table.get("name") if isinstance(table, dict) else None
        if isinstance(name, str) and names.setdefault(name, number) != number:
            message = f"got {shown(name)} again, expected a name of its own: it is that of case {names[name] + 1}"
            problems.append(CaseProblem(("case", number, "name"), message))
        if case is not None and len(problems) == before:
            cases.append(case)
    if problems:
        raise CaseErrors(list(dict.fromkeys(problems)))
    return tuple(cases)


class _Reader:
    """Reads one case; None stands for what was wrong and has been told."""

    def __init__(self, rules: Model | Ruleset, parameters: Mapping[str, object], problems: list[CaseProblem]) -> None:
        self.rules, self.parameters, self.problems = rules, parameters, problems

    def wrong(self, path: Keys, message: str, hint: str = "", column: int | None = None) -> None:
        self.problems.append(CaseProblem(path, message, hint, column))

    def case(self, raw: object, path: Keys) -> Case | None:
        table = self.table(raw, path, _CASE)
        name = self.text(table, path, "name")
        interval_s = self.seconds(table.get("interval"), (*path, "interval"))
        if interval_s is not None and interval_s <= 0.0:
            self.wrong((*path, "interval"), f"got {shown(table['interval'])}, expected a duration above zero")
            interval_s = None
        texts = self.texts(table, path)
        ruleset = self.ruleset(table, path, interval_s or 1.0, texts)
        if ruleset is None:
            return None
        series = self.all_series(texts, (*path, "series"), ruleset.points)
        if interval_s is None or not series:
            return None
        case = Case(name or "", interval_s, series, texts, (), ruleset)
        return replace(case, expects=tuple(self.expects(table, path, case)))

    # --- series and rules -------------------------------------------------------------------------------------------

    def texts(self, table: Mapping[str, Any], path: Keys) -> dict[str, str]:
        given = self.table(table.get("series"), (*path, "series"))
        texts = {}
        for name, text in given.items():
            if isinstance(text, str):
                texts[name] = text
            else:
                self.wrong((*path, "series", name), f'got {shown(text)}, expected tokens such as "2.1 2.2x5 _ bad"')
        if not given and isinstance(table.get("series"), dict):
            self.wrong((*path, "series"), "got none, expected the series of at least one point")
        return texts

    def all_series(self, texts: Mapping[str, str], path: Keys, points: Sequence[PointInfo]) -> dict[str, list[Slot]]:
        known = {point.name: point for point in points}
        found = {}
        for name, text in texts.items():
            if name not in known:
                expected = f"expected one of {', '.join(known)}" if len(known) <= 12 else "expected a point of the site"
                self.wrong((*path, name), f"there is no point {name}, {expected}", near(name, known))
                continue
            try:
                found[name] = parse_series(text, known[name].states, known[name].high)
            except SeriesError as error:
                for column, message, hint in error.mistakes:
                    self.wrong((*path, name), message, hint, column)
        return found if len(found) == len(texts) else {}

    def ruleset(
        self, table: Mapping[str, Any], path: Keys, interval_s: float, texts: Mapping[str, str]
    ) -> Ruleset | None:
        stale = self.stale_after(table, path)
        if isinstance(self.rules, Model):
            return self.model_ruleset(self.rules, table, path, interval_s, (texts, stale))
        for key in ("inputs", "parameters"):
            if key in table:
                self.wrong((*path, key), "got it for a site, expected it in cases of a model only")
        points = [
            replace(point, stale_after_s=max(point.stale_after_s, SILENT_INTERVALS * interval_s))
            for point in self.rules.points
        ]
        points = self.with_stale_after(points, stale, (*path, "stale_after"), ())
        return self.build(points, self.concerned(self.rules, table, texts))

    def concerned(self, rules: Ruleset, table: Mapping[str, Any], texts: Mapping[str, str]) -> list[AlarmRule]:
        """Alarms that look at a point of the case, or that it names: the rest of the site has no readings here."""
        given = {number for number, point in enumerate(rules.points) if point.name in texts}
        expects = table.get("expect", [])
        named = {str(name) for expect in expects if isinstance(expect, dict) for name in _named(expect)}
        return [
            alarm
            for number, alarm in enumerate(rules.alarms)
            if alarm.name in named or given & rules.used_points(number)
        ]

    def model_ruleset(
        self,
        model: Model,
        table: Mapping[str, Any],
        path: Keys,
        interval_s: float,
        given: tuple[Mapping[str, str], Mapping[str, float]],
    ) -> Ruleset | None:
        texts, stale = given
        counts = self.counts(model, table, path, texts)
        points = self.with_stale_after(
            own_points(model, interval_s, counts), stale, (*path, "stale_after"), list(model.inputs)
        )
        own = self.table(table.get("parameters", {}), (*path, "parameters"))
        try:
            bound = bind(model, own_inputs(model, counts), {**self.parameters, **own}, points)
        except BindErrors as errors:
            for problem in errors.problems:
                of_file = problem.path[:1] == ("parameters",) and problem.path[1] in {*self.parameters} - {*own}
                self.wrong(problem.path if of_file else (*path, *problem.path), problem.message, problem.hint)
            return None
        return self.build(points, [AlarmRule(model.name, bound.levels, bound.on_missing, bound.latch, bound.names)])

    def build(self, points: Sequence[PointInfo], alarms: Sequence[AlarmRule]) -> Ruleset | None:
        try:
            return build_ruleset(points, alarms)
        except RuleErrors as errors:
            for p in errors.problems:
                place: Keys = ("level", p.level, p.key) if p.level else (p.key,)
                self.problems.append(CaseProblem(place, p.message, p.hint, p.column, of_rules=True))
            return None

    def counts(self, model: Model, table: Mapping[str, Any], path: Keys, texts: Mapping[str, str]) -> dict[str, int]:
        """How many points each input stands for: as [case.inputs] says, else as many as have a series."""
        many = {name: wanted.least for name, wanted in model.inputs.items() if wanted.many}
        for name in texts:
            if (found := _NUMBERED.fullmatch(name)) and found[1] in many:
                many[found[1]] = max(many[found[1]], int(found[2]))
        for name, count in self.table(table.get("inputs", {}), (*path, "inputs")).items():
            place = (*path, "inputs", name)
            if name not in many:
                expected = f"expected one of {', '.join(many)}" if many else "expected none: no input takes many points"
                self.wrong(place, f"got {shown(name)}, {expected}", near(name, many))
            elif not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 1000:
                self.wrong(place, f"got {shown(count)}, expected how many points there are, a whole number")
            else:
                many[name] = count
        return many

    def stale_after(self, table: Mapping[str, Any], path: Keys) -> dict[str, float]:
        found = {}
        for name, text in self.table(table.get("stale_after", {}), (*path, "stale_after")).items():
            place = (*path, "stale_after", name)
            if (seconds := self.seconds(text, place)) is not None:
                if seconds > 0.0:
                    found[name] = seconds
                else:
                    self.wrong(place, f"got {shown(text)}, expected a duration above zero")
        return found

    def with_stale_after(
        self, points: Iterable[PointInfo], stale: Mapping[str, float], path: Keys, inputs: Sequence[str]
    ) -> list[PointInfo]:
        """Points with the times of the case; an input's name stands for all of its points."""
        points = list(points)
        known = {point.name for point in points}
        for name in stale:
            if name not in known and name not in inputs:
                self.wrong((*path, name), f"there is no point {name}", near(name, known))
        found = []
        for point in points:
            numbered = _NUMBERED.fullmatch(point.name)
            of_input = stale.get(numbered[1]) if numbered and numbered[1] in inputs else None
            seconds = stale.get(point.name, of_input)
            found.append(point if seconds is None else replace(point, stale_after_s=seconds))
        return found

    # --- expectations -------------------------------------------------------------------------------------------

    def expects(self, table: Mapping[str, Any], path: Keys, case: Case) -> Iterable[Expect]:
        raw = table.get("expect")
        if not isinstance(raw, list) or not raw:
            got = "nothing" if raw is None else shown(raw)
            message = f"got {got}, expected tables [[case.expect]]: a case without them proves nothing"
            self.wrong((*path, "expect"), message)
            return
        for number, one in enumerate(raw):
            place = (*path, "expect", number)
            if (expect := self.expect(self.table(one, place, _EXPECT), place, case)) is not None:
                yield expect

    def expect(self, table: Mapping[str, Any], path: Keys, case: Case) -> Expect | None:
        kinds = [key for key in ("alarms", "never", "alarm") if key in table]
        if len(kinds) != 1:
            got = " and ".join(kinds) or "none"
            self.wrong(path, f"got {got}, expected one of alarms, never and alarm")
            return None
        allowed = {
            "alarms": ("alarms", "at", "from", "to"),
            "never": ("never", "from", "to"),
            "alarm": ("alarm", "level", "between"),
        }[kinds[0]]
        for key in table:
            if key in _EXPECT and key not in allowed:
                self.wrong((*path, key), f"got it beside {kinds[0]}, expected one of {', '.join(allowed)}")
        if kinds == ["alarm"]:
            return self.reaches(table, path, case)
        span = self.span(table, path, case)
        raw = table[kinds[0]]
        if kinds == ["never"] and isinstance(raw, list) and all(isinstance(name, str) for name in raw):
            lowest = {alarm.name: alarm.levels[0].level for alarm in case.ruleset.alarms}
            raw = {name: lowest.get(name, "") for name in raw}
        elif not isinstance(raw, dict):
            wish = '{ name = "level" }' if kinds == ["alarms"] else '["name"] or { name = "level" }'
            self.wrong((*path, kinds[0]), f"got {shown(raw)}, expected {wish}")
            return None
        right = [self.alarm_level(name, level, (*path, kinds[0], name), case) for name, level in raw.items()]
        if span is None or not all(right):
            return None
        return Active(*span, raw) if kinds == ["alarms"] else Never(*span, raw)

    def reaches(self, table: Mapping[str, Any], path: Keys, case: Case) -> Reaches | None:
        level = table.get("level")
        right = self.alarm_level(table["alarm"], level, (*path, "alarm"), case, over=True)
        between = table.get("between")
        if not isinstance(between, list) or len(between) != 2:
            got = "nothing" if between is None else shown(between)
            self.wrong((*path, "between"), f'got {got}, expected two times such as ["50 min", "70 min"]')
            return None
        times = [self.time(text, (*path, "between"), case) for text in between]
        if times[0] is None or times[1] is None or not right or not self.in_order(times, (*path, "between")):
            return None
        return Reaches(times[0], times[1], str(table["alarm"]), str(level))

    def span(self, table: Mapping[str, Any], path: Keys, case: Case) -> tuple[float, float] | None:
        if "at" in table:
            for key in ("from", "to"):
                if key in table:
                    self.wrong((*path, key), "got it beside at, expected either at, or from and to")
            at = self.time(table["at"], (*path, "at"), case)
            return None if at is None else (at, at)
        start = self.time(table["from"], (*path, "from"), case) if "from" in table else 0.0
        end = self.time(table["to"], (*path, "to"), case) if "to" in table else case.end_s
        if "alarms" in table and not {"from", "to"} & table.keys():
            self.wrong(path, 'got no time, expected at = "1 h", or from and to')
            return None
        if start is None or end is None or not self.in_order([start, end], (*path, "to")):
            return None
        return start, end

    def in_order(self, times: Sequence[float | None], path: Keys) -> bool:
        right = times[0] is not None and times[1] is not None and times[0] <= times[1]
        if not right:
            self.wrong(path, "got an end before its start, expected the earlier time first")
        return right

    def time(self, text: object, path: Keys, case: Case) -> float | None:
        seconds = self.seconds(text, path)
        if seconds is not None and not 0.0 <= seconds <= case.end_s:
            message = f"got {shown(text)}, expected a time from 0 s to {case.end_s:g} s, where the series end"
            self.wrong(path, message, "add _ for slots without readings" if seconds > 0 else "")
            return None
        return None if seconds is None else tidy(seconds)

    def alarm_level(self, name: object, level: object, path: Keys, case: Case, *, over: bool = False) -> bool:
        """Whether there is such an alarm with such a level."""
        alarms = {alarm.name: [rule.level for rule in alarm.levels] for alarm in case.ruleset.alarms}
        if not isinstance(name, str) or name not in alarms:
            known = [alarm.name for alarm in self.rules.alarms] if isinstance(self.rules, Ruleset) else [*alarms]
            self.wrong(path, f"there is no alarm {name}, expected one of {', '.join(known)}", near(str(name), known))
            return False
        levels = [*alarms[name], *([NORMAL] if over else [])]
        if level not in levels:
            place = (*path[:-1], "level") if over else path
            got = "nothing" if level is None else shown(level)
            self.wrong(place, f"got {got}, expected one of {', '.join(levels)}", near(str(level), levels))
            return False
        return True

    # --- kinds of values ------------------------------------------------------------------------------------------

    def table(self, raw: object, path: Keys, keys: Sequence[str] = ()) -> Mapping[str, Any]:
        if not isinstance(raw, dict):
            self.wrong(path, f"got {'nothing' if raw is None else shown(raw)}, expected a table")
            return {}
        for key in raw if keys else ():
            if key not in keys:
                self.wrong((*path, key), f"got an unknown key, expected one of {', '.join(keys)}", near(key, keys))
        return raw

    def text(self, table: Mapping[str, Any], path: Keys, key: str) -> str | None:
        text = table.get(key)
        if isinstance(text, str) and text.strip():
            return text
        got = "nothing" if text is None else shown(text)
        self.wrong((*path, key), f"got {got}, expected a text that says what the case is about")
        return None

    def seconds(self, text: object, path: Keys) -> float | None:
        if isinstance(text, str):
            try:
                return quantity(text, "s")
            except UnitError:
                pass
        got = "nothing" if text is None else shown(text)
        self.wrong(path, f'got {got}, expected a duration with its unit, such as "15 min"')
        return None


def _named(expect: Mapping[str, Any]) -> Iterable[object]:
    """Names of alarms that an expectation mentions."""
    for key in ("alarms", "never", "alarm"):
        named = expect.get(key, ())
        yield from [named] if isinstance(named, str) else named if isinstance(named, list | dict) else ()
