"""Owns what a scenario's case says: its tables, checked and bound to rules. It runs nothing and reads no files.

A case is about the alarms of a site's rule set, or about one model of the library, whose inputs are then its points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rules.cases.casetables import CaseErrors, CaseProblem, Keys, TableReader, tidy
from rules.cases.expects import Expect, ExpectReader
from rules.cases.series import SeriesError, Slot, parse_series
from rules.library import BindErrors, Model, bind, own_inputs, own_points
from rules.library.figures import near, shown
from rules.model import AlarmRule, PointInfo, RuleErrors
from rules.ruleset import Ruleset, build_ruleset

SILENT_INTERVALS = 3.0  # without a reading for longer, a point is missing, unless its stale_after is longer
_CASE = ("name", "kind", "interval", "series", "expect", "inputs", "parameters", "stale_after")
KINDS = ("onset", "boundary", "decoy", "fault", "gap", "restart")  # that a good set of cases has
_NUMBERED = re.compile(r"(.+)\.([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Case:
    """Series in, expected alarms at times out. Slot k of every series is at k intervals; times are seconds from 0."""

    name: str
    interval_s: float
    series: Mapping[str, Sequence[Slot]]
    texts: Mapping[str, str]  # the series as written
    expects: tuple[Expect, ...]
    ruleset: Ruleset
    kind: str = ""  # one of KINDS

    @property
    def slots(self) -> int:
        """Of the longest series."""
        return max(map(len, self.series.values()))

    @property
    def end_s(self) -> float:
        """When the last slot is over."""
        return tidy(self.slots * self.interval_s)


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


class _Reader(TableReader):
    """Reads one case."""

    def __init__(self, rules: Model | Ruleset, parameters: Mapping[str, object], problems: list[CaseProblem]) -> None:
        super().__init__(problems)
        self.rules, self.parameters = rules, parameters

    def case(self, raw: object, path: Keys) -> Case | None:
        table = self.table(raw, path, _CASE)
        name, kind = self.text(table, path, "name"), table.get("kind", "")
        if "kind" in table and kind not in KINDS:
            message = f"got {shown(kind)}, expected one of {', '.join(KINDS)}"
            self.wrong((*path, "kind"), message, near(str(kind), KINDS))
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
        case = Case(name or "", interval_s, series, texts, (), ruleset, str(kind))
        known = ruleset.alarms if isinstance(self.rules, Model) else self.rules.alarms
        reader = ExpectReader(self.problems, case.end_s, ruleset.alarms, [alarm.name for alarm in known])
        return replace(case, expects=tuple(reader.expects(table, path)))

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


def _named(expect: Mapping[str, Any]) -> Iterable[object]:
    """Names of alarms that an expectation mentions."""
    for key in ("alarms", "never", "alarm"):
        named = expect.get(key, ())
        yield from [named] if isinstance(named, str) else named if isinstance(named, list | dict) else ()
