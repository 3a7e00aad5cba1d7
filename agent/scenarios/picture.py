"""The picture of a case: its series against the constants they are compared with, its alarms as bands below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from agent.plot import Band, Limit, Line, Panel, plot
from rules.cases import Case
from rules.cases.expects import NORMAL
from rules.cases.series import BAD, OVER, READING, REBOOT, STALE, Slot
from rules.language.tree import Node
from rules.model import PointInfo
from rules.scenario import Move

_LIKE_THEIR_POINT = ("avg", "min", "max", "median", "last")  # windows whose values are on the point's own scale
_APART = 3  # so many series are drawn apart, more are drawn over each other


def picture(
    case: Case,
    moves: Sequence[Move],
    alarms: Sequence[str],
    marks: Sequence[float],
    *,
    width: int = 80,
    plain: bool = False,
) -> list[str]:
    """Lines of text: what the alarms look at, and what they did."""
    numbers = [number for number, alarm in enumerate(case.ruleset.alarms) if alarm.name in alarms]
    used = frozenset().union(*(case.ruleset.used_points(number) for number in numbers))
    points = [p for p in sorted(used) if case.ruleset.points[p].name in case.series]
    panels = _panels(case, points, numbers)
    height = {0: 0, 1: 6, 2: 10}.get(len(panels), 4 * len(panels))
    bands = [_band(case, number, moves) for number in numbers]
    return plot(panels, bands, 0.0, case.end_s, width=width, height=height, plain=plain, marks=marks)


def _panels(case: Case, points: Sequence[int], alarms: Sequence[int]) -> list[Panel]:
    infos = [case.ruleset.points[p] for p in points]
    lines = {info.name: line_of(info, case) for info in infos}
    limits = {info.name: list(_limits(case, p, alarms)) for p, info in zip(points, infos, strict=True)}
    if len(points) <= _APART:
        return [Panel(info.name, [lines[info.name]], limits[info.name], info.unit) for info in infos]
    panels = []
    for unit in dict.fromkeys(info.unit for info in infos):
        names = [info.name for info in infos if info.unit == unit]
        title = ", ".join(names) if len(names) <= _APART else f"{names[0]} ... {names[-1]}, {len(names)} series"
        shared = list(dict.fromkeys(limit for name in names for limit in limits[name]))
        panels.append(Panel(title, [lines[name] for name in names], shared, unit))
    return panels


def line_of(point: PointInfo, case: Case) -> Line:
    """A series as judgement holds it: broken where there is no value."""
    times, values = [], []
    known_until = math.inf
    lost = {k for slots in case.series.values() for k, slot in enumerate(slots) if slot.what == REBOOT}
    slots: Sequence[Slot] = case.series[point.name]
    for k, slot in enumerate(slots):
        at = k * case.interval_s
        if at > known_until:
            times.append(known_until)
            values.append(math.nan)
            known_until = math.inf
        if k in lost:
            continue
        if slot.what in (READING, OVER):
            times.append(at)
            values.append(slot.value)
            known_until = at + point.stale_after_s
        elif slot.what in (BAD, STALE):
            times.append(at)
            values.append(math.nan)
    return Line(times, values)


def _limits(case: Case, point: int, alarms: Sequence[int]) -> Iterator[Limit]:
    """Constants that a point is compared with, called by the level they belong to."""
    for number in alarms:
        for rule, (when, clear) in zip(case.ruleset.alarms[number].levels, case.ruleset.trees[number], strict=True):
            for tree, name in ((when, rule.level), (clear, "clear")):
                for value in _constants(tree, point) if tree is not None else ():
                    yield Limit(value, name)


def _constants(node: Node, point: int) -> Iterator[float]:
    if node.op in ("gt", "ge", "lt", "le"):
        left, right = node.args
        for side, other in ((left, right), (right, left)):
            if side.op == "const" and _is_point(other, point):
                yield side.value
    for child in (*node.args, *([node.window.source] if node.window is not None else [])):
        yield from _constants(child, point)


def _is_point(node: Node, point: int) -> bool:
    if node.window is not None and node.op in _LIKE_THEIR_POINT:
        return _is_point(node.window.source, point)
    return node.op == "point" and node.point == point


def _band(case: Case, alarm: int, moves: Sequence[Move]) -> Band:
    rule = case.ruleset.alarms[alarm]
    own = [move for move in moves if move.alarm == rule.name]
    ends: Mapping[int, float] = {k: move.at_s for k, move in enumerate(own[1:])}
    spans = [(m.at_s, ends.get(k, case.end_s), m.level) for k, m in enumerate(own) if m.level != NORMAL]
    return Band(rule.name, spans, tuple(level.level for level in rule.levels))
