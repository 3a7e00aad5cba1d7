"""Who has to be looked at when a point or a window changed: lists in the tables, laid once. It judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rules.engine import windows
from rules.engine.shapes import Plan, used_points, used_windows
from rules.language.tree import Node

_CROSSED = ("span", "streak")  # families that need a truth only when it changes
_COMPARISONS = ("gt", "ge", "lt", "le", "eq")
Users = tuple[list[int], list[int]]  # windows, alarms


def lay_links(
    plan: Plan, tab: list[int], par: list[float], ints: list[int], levels: Sequence[Sequence[tuple[Node, Node | None]]]
) -> None:
    """Append the lists to the tables: of alarms' levels as trees (when, clear)."""
    trees = [[tree for pair in pairs for tree in pair if tree is not None] for pairs in levels]
    number = {window: w for w, window in enumerate(plan.windows)}
    alarm_points = [frozenset().union(*map(used_points, group)) for group in trees]
    alarm_windows = [{number[w] for tree in group for w in used_windows(tree)} for group in trees]
    window_points = [used_points(window.source) for window in plan.windows]
    window_windows = [{number[w] for w in used_windows(window.source)} for window in plan.windows]
    for header, count, users in (
        (windows.H_POINT_WINDOWS, len(plan.points), window_points),
        (windows.H_POINT_ALARMS, len(plan.points), alarm_points),
        (windows.H_WINDOW_WINDOWS, len(plan.windows), window_windows),
        (windows.H_WINDOW_ALARMS, len(plan.windows), alarm_windows),
    ):
        _lay_lists(tab, header, [[user for user, needs in enumerate(users) if item in needs] for item in range(count)])
    sources = [[window.source] if window.family in _CROSSED else None for window in plan.windows]
    compared: list[tuple[Sequence[frozenset[int]], Sequence[Sequence[Node] | None]]]
    compared = [(window_points, sources), (alarm_points, trees)]
    each: list[Users] = []
    limits: list[dict[float, Users]] = []
    for p in range(len(plan.points)):
        each.append(([], []))
        limits.append({})
        for kind, (needed, groups) in enumerate(compared):
            for user, group in enumerate(groups):
                if p not in needed[user]:
                    continue
                constants = None if group is None else _all(constants_met(tree, p) for tree in group)
                if constants is None:
                    each[-1][kind].append(user)
                for constant in constants or ():
                    limits[-1].setdefault(constant, ([], []))[kind].append(user)
    _lay_lists(tab, windows.H_EACH_WINDOWS, [users[0] for users in each])
    _lay_lists(tab, windows.H_EACH_ALARMS, [users[1] for users in each])
    for p, found in enumerate(each):
        if not any(found):
            tab[tab[windows.H_EACH_WINDOWS] + p] = 0  # so that nothing has to be looked through
    _lay_limits(tab, par, ints, limits)


def constants_met(node: Node, p: int) -> frozenset[float] | None:
    """The constants that a tree compares point `p` with, if it does nothing else with its value; otherwise None."""
    if node.op in _COMPARISONS:
        for one, other in (node.args, node.args[::-1]):
            if one.op == "point" and one.point == p and other.op == "const":
                return frozenset([other.value])
    if node.window is not None and p in used_points(node.window.source):
        return constants_met(node.window.source, p) if node.window.family in _CROSSED else None
    if node.point == p and node.window is None:
        return frozenset() if node.op in ("good", "over_range", "baseline") else None
    return _all(constants_met(child, p) for child in node.args)


def _all(found: Iterable[frozenset[float] | None]) -> frozenset[float] | None:
    sets = list(found)
    known = [some for some in sets if some is not None]
    return frozenset().union(*known) if len(known) == len(sets) else None


def _lay_lists(tab: list[int], header: int, lists: Sequence[Sequence[int]]) -> None:
    """`tab[header] + item` points at the count before the item's list: see rules.engine.agenda.mark_all."""
    tab[header] = len(tab)
    tab.extend([0] * len(lists))
    for item, found in enumerate(lists):
        tab[tab[header] + item] = len(tab)
        tab.extend([len(found), *found])


def _lay_limits(tab: list[int], par: list[float], ints: list[int], limits: Sequence[Mapping[float, Users]]) -> None:
    """Each point's constants, sorted, with the windows and alarms that compare it with them: see kernel.cross."""
    tab[windows.H_LIMITS], tab[windows.H_ZONES] = len(tab), len(ints)
    tab.extend([0] * len(limits))
    ints.extend([0] * len(limits))
    for p, constants in enumerate(limits):
        row = tab[tab[windows.H_LIMITS] + p] = len(tab)
        tab.extend([len(constants), len(par), *[0] * (2 * len(constants))])
        for k, constant in enumerate(sorted(constants)):
            par.append(constant)
            for kind, found in enumerate(constants[constant]):
                tab[row + 2 + 2 * k + kind] = len(tab)
                tab.extend([len(found), *found])
