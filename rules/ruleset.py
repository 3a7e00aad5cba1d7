"""A rule set: checked, compiled to tables and source, and known by its digest. It holds no state and judges nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rules.engine import windows
from rules.engine.shapes import Plan, canonical, describe, describe_point, digest
from rules.engine.shapes import used_points as tree_points
from rules.engine.tables import ENGINE, Tables, lay_out
from rules.language import parse
from rules.language.checks import find_problems
from rules.language.tree import LanguageError, Node
from rules.model import AlarmRule, LevelRule, PointInfo, RuleErrors, RuleProblem
from rules.units import UnitError, unit


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Checked rules and their tables; shared by any number of judges. Made by `build_ruleset`."""

    points: tuple[PointInfo, ...]
    alarms: tuple[AlarmRule, ...]
    digest: str  # of everything that decides
    trees: tuple[tuple[tuple[Node, Node | None], ...], ...]  # per alarm and level: (when, clear)
    alarm_digests: tuple[str, ...]
    window_digests: tuple[str, ...]
    plan: Plan
    tables: Tables

    def used_points(self, alarm: int) -> frozenset[int]:
        """Indexes of the points that an alarm depends on."""
        return frozenset().union(*(tree_points(tree) for pair in self.trees[alarm] for tree in pair if tree))


def build_ruleset(points: Sequence[PointInfo], alarms: Sequence[AlarmRule]) -> Ruleset:
    """Check and compile rules. Raises RuleErrors with every problem of every rule."""
    problems = list(_bad_points(points))
    known = [point for point in points if _has_unit(point)] if problems else points
    trees = [_trees(alarm, known, problems) for alarm in alarms]
    problems.extend(_bad_alarms(alarms))
    if problems:
        raise RuleErrors(problems)
    plan = Plan(tuple(points))
    tables = lay_out(plan, alarms, trees)
    alarm_digests = tuple(
        digest([ENGINE, _describe_alarm(alarm), [[_tree(node, points) for node in pair] for pair in pairs]])
        for alarm, pairs in zip(alarms, trees, strict=True)
    )
    whole = digest([ENGINE, [describe_point(point) for point in points], alarm_digests])
    window_digests = tuple(digest([ENGINE, describe(window, points)]) for window in plan.windows)
    return Ruleset(tuple(points), tuple(alarms), whole, tuple(trees), alarm_digests, window_digests, plan, tables)


def _tree(node: Node | None, points: Sequence[PointInfo]) -> list[Any] | None:
    return None if node is None else canonical(node, points)


def _describe_alarm(alarm: AlarmRule) -> list[Any]:
    delays = [[level.level, level.for_s, level.clear_for_s] for level in alarm.levels]
    return [alarm.name, alarm.on_missing, alarm.latch, delays]


def _has_unit(point: PointInfo) -> bool:
    try:
        unit(point.unit)
    except UnitError:
        return False
    return True


def _bad_points(points: Sequence[PointInfo]) -> Iterator[RuleProblem]:
    seen: set[str] = set()
    for point in points:
        try:
            unit(point.unit)
        except UnitError as error:
            yield RuleProblem("", "", f"point {point.name}", error.message, hint=error.hint)
        if point.name in seen:
            yield RuleProblem("", "", f"point {point.name}", "there are two points of this name")
        seen.add(point.name)
        if not 0.0 < point.stale_after_s < windows.INF:
            message = f"stale_after is {point.stale_after_s} s; a time above zero is needed"
            yield RuleProblem("", "", f"point {point.name}", message)


def _bad_alarms(alarms: Sequence[AlarmRule]) -> Iterator[RuleProblem]:
    seen: set[str] = set()
    for alarm in alarms:
        if alarm.name in seen:
            yield RuleProblem(alarm.name, "", "name", "there are two alarms of this name")
        seen.add(alarm.name)
        if not alarm.levels:
            yield RuleProblem(alarm.name, "", "level", "the alarm has no levels")
        for level in alarm.levels:
            for key, seconds in (("for", level.for_s), ("clear_for", level.clear_for_s)):
                if not 0.0 <= seconds < windows.INF:
                    yield RuleProblem(alarm.name, level.level, key, f"{seconds} s is not a delay")


def _trees(
    alarm: AlarmRule, points: Sequence[PointInfo], problems: list[RuleProblem]
) -> tuple[tuple[Node, Node | None], ...]:
    """The trees of an alarm's levels; what reads well is also looked at for sense."""
    found = [
        (_read(alarm, level, "when", points, problems), _read(alarm, level, "clear", points, problems))
        for level in alarm.levels
    ]
    problems.extend(find_problems(alarm, found, points))
    return tuple((when, clear) for when, clear in found if when is not None)


def _read(
    alarm: AlarmRule,
    level: LevelRule,
    key: Literal["when", "clear"],
    points: Sequence[PointInfo],
    problems: list[RuleProblem],
) -> Node | None:
    text = level.when if key == "when" else level.clear
    if text is None:
        return None
    try:
        return parse(text, points, alarm.names)
    except LanguageError as error:
        problems.extend(
            RuleProblem(alarm.name, level.level, key, p.message, p.span.column, p.span.length, p.hint)
            for p in error.problems
        )
    return None
