"""Trees to shapes: trees that differ only in constants and points share a generated function. No tables here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rules.language.tree import Node, Window
from rules.model import PointInfo

MANY = 2  # conditions of one form in an and, or, vote: from so many on they are counted in a loop
_COMPARE = {"gt": ("l > h", "h <= l"), "ge": ("l >= h", "h < l"), "lt": ("h < l", "l >= h"), "le": ("h <= l", "l > h")}


def canonical(node: Node, points: Sequence[PointInfo]) -> list[Any]:
    """A tree as JSON that is equal exactly when the judgement is: points by what they are, not by number."""
    window = node.window and describe(node.window, points)
    point = describe_point(points[node.point]) if node.point >= 0 else None
    knots = [list(node.knots)] if node.knots else []
    return [node.op, node.value, point, window, [canonical(child, points) for child in node.args], *knots]


def describe(window: Window, points: Sequence[PointInfo]) -> list[Any]:
    """What decides a window's state."""
    count = [window.count] if window.count else []
    return [window.family, canonical(window.source, points), window.length_s, window.coverage, *count]


def describe_point(point: PointInfo) -> list[Any]:
    """What of a point decides judgements of it."""
    return [point.name, point.unit, point.stale_after_s, point.kind, point.wrap, point.reset, point.baseline]


def digest(data: Any) -> str:
    """sha256 of JSON data, hex."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class Body:
    """Writes the body of one function; collects what it lifts out. `flat`: without parts of its own."""

    def __init__(self, plan: Plan, *, flat: bool = False) -> None:
        self.plan, self.flat = plan, flat
        self.lines: list[str] = []
        self.columns: list[tuple[str, int]] = []  # ("point" | "window" | "tally", number)
        self.constants: list[float] = []
        self.tables: list[tuple[int, tuple[float, ...]]] = []  # (which constant says where it stands, knots)
        self.due = False

    def name(self) -> str:
        """A number that no other line of this body has."""
        return str(len(self.lines))

    def column(self, kind: str, number: int) -> str:
        """Lift out a point or a window."""
        self.columns.append((kind, number))
        return f"tab[a + {len(self.columns) - 1}]"

    def constant(self, value: float) -> str:
        """Lift out a number."""
        self.constants.append(value)
        return f"par[b + {len(self.constants) - 1}]"

    def number(self, node: Node) -> tuple[str, str]:
        """Emit a numeric tree; gives the names of its bounds."""
        k = self.name()
        if node.op == "const":
            self.lines.append(f"k{k} = {self.constant(node.value)}")
            return f"k{k}", f"k{k}"
        if node.op == "point":
            self.lines.append(f"p{k} = {self.column('point', node.point)}")
            self.lines.append(f"l{k} = num[p{k}]; h{k} = num[p{k} + 1]")
        elif node.op == "age":
            self.lines.append(f"l{k}, h{k}, d = age(num, {self.column('point', node.point)}, t)")
            self.lines.append("due = d if d < due else due")
            self.due = True
        elif node.op == "baseline":
            self.lines.append(f"l{k} = h{k} = baseline(num, {self.column('point', node.point)})")
        elif node.op == "lookup":
            return self.looked_up(node)
        elif node.window is not None:
            return self.windowed(node, node.window)
        else:
            return self.arithmetic(node)
        return f"l{k}", f"h{k}"

    def windowed(self, node: Node, window: Window) -> tuple[str, str]:
        """What a window gives; some functions ask for a horizon or a limit too."""
        more = [", ".join(self.number(limit)) for limit in node.args]
        if node.op == "forecast":
            more.append(self.constant(node.value))
        k = self.name()
        asked = ", ".join(["tab, par, num, ints", self.column("window", self.plan.window(window)), "t", *more])
        self.lines.append(f"l{k}, h{k} = read_{node.op}({asked})")
        return f"l{k}", f"h{k}"

    def looked_up(self, node: Node) -> tuple[str, str]:
        """A table's limit; all of the table is data, and so is where it stands."""
        lo, hi = self.number(node.args[0])
        k = self.name()
        self.tables.append((len(self.constants), node.knots))
        self.lines.append(f"l{k}, h{k} = lookup(par, b + int({self.constant(0.0)}), {lo}, {hi})")
        return f"l{k}", f"h{k}"

    def arithmetic(self, node: Node) -> tuple[str, str]:
        """Bounds of sums and products."""
        sides = [self.number(child) for child in node.args]
        k = self.name()
        (al, ah), (bl, bh) = sides[0], sides[-1]
        text = {
            "neg": f"l{k} = -{ah}; h{k} = -{al}",
            "add": f"l{k} = {al} + {bl}; h{k} = {ah} + {bh}",
            "sub": f"l{k} = {al} - {bh}; h{k} = {ah} - {bl}",
            "mul": f"l{k}, h{k} = product({al}, {ah}, {bl}, {bh})",
            "div": f"l{k}, h{k} = quotient({al}, {ah}, {bl}, {bh})",
        }[node.op]
        self.lines.append(text)
        return f"l{k}", f"h{k}"

    def truth(self, node: Node) -> str:
        """Emit a tree of truths; gives the name of its value."""
        if node.op in ("and", "or", "vote"):
            if len(node.args) >= MANY and not self.flat:
                return self.counted(node)
            parts = [self.truth(child) for child in node.args]
            k = self.name()
            if node.op == "vote":
                trues = " + ".join(f"({part} == 1)" for part in parts)
                known = " + ".join(f"({part} != 0)" for part in parts)
                need = self.constant(node.value)
                self.lines.append(f"t{k} = 1 if {trues} >= {need} else (0 if {known} < {need} else 2)")
            else:
                wins, loses = ("0", "1") if node.op == "and" else ("1", "0")
                some = " or ".join(f"{part} == {wins}" for part in parts)
                every = " and ".join(f"{part} == {loses}" for part in parts)
                self.lines.append(f"t{k} = {wins} if {some} else ({loses} if {every} else 2)")
            return f"t{k}"
        if node.op == "not":
            part = self.truth(node.args[0])
            k = self.name()
            self.lines.append(f"t{k} = 2 if {part} == 2 else 1 - {part}")
            return f"t{k}"
        return self.compare(node) if node.args else self.asked(node)

    def counted(self, node: Node) -> str:
        """And, or, vote of many: those of one form are counted in a loop; their number is no part of the shape."""
        forms: dict[str, list[Node]] = {}
        for child in node.args:
            body = Body(self.plan, flat=True)
            forms.setdefault(body.close(body.truth(child)), []).append(child)
        trues, possible = [], []
        for alike in forms.values():
            if len(alike) >= MANY:
                k = self.name()
                self.lines.append(
                    f"n{k}, m{k}, d = tally(tab, par, num, ints, {self.column('tally', self.plan.tally(alike))}, t)"
                )
                self.lines.append("due = d if d < due else due")
                self.due = True
                trues.append(f"n{k}")
                possible.append(f"m{k}")
            else:
                parts = [self.truth(child) for child in alike]
                trues += [f"({part} == 1)" for part in parts]
                possible += [f"({part} != 0)" for part in parts]
        k = self.name()
        need = self.constant({"and": float(len(node.args)), "or": 1.0}.get(node.op, node.value))
        count, most = " + ".join(trues), " + ".join(possible)
        self.lines.append(f"t{k} = 1 if {count} >= {need} else (0 if {most} < {need} else 2)")
        return f"t{k}"

    def compare(self, node: Node) -> str:
        """A comparison of bounds: true or false only when it is whatever the truth within them."""
        (al, ah), (bl, bh) = (self.number(child) for child in node.args)
        k = self.name()
        if node.op == "eq":
            true, false = f"{al} == {ah} and {bl} == {bh} and {al} == {bl}", f"{ah} < {bl} or {al} > {bh}"
        else:
            names = [({"l": al, "h": ah}[x], y, {"l": bl, "h": bh}[z]) for x, y, z in map(str.split, _COMPARE[node.op])]
            true, false = (" ".join(part) for part in names)
        self.lines.append(f"t{k} = 1 if {true} else (0 if {false} else 2)")
        return f"t{k}"

    def asked(self, node: Node) -> str:
        """Truths without parts: of points, of spans and streaks, and what is known at all times."""
        k = self.name()
        if node.op in ("true", "false"):
            self.lines.append(f"t{k} = {int(node.op == 'true')}")
        elif node.window is not None:
            column = self.column("window", self.plan.window(node.window))
            self.lines.append(f"t{k} = read_{node.op}(tab, par, num, ints, {column}, t)")
        elif node.op == "older":
            point, limit = self.column("point", node.point), self.constant(node.value)
            self.lines.append(f"t{k}, d = older(num, {point}, {limit}, t)")
            self.lines.append("due = d if d < due else due")
            self.due = True
        else:
            self.lines.append(f"t{k} = {node.op}(num, {self.column('point', node.point)})")
        return f"t{k}"

    def close(self, *results: str) -> str:
        """The function's body. Tables follow all other constants, whatever their size."""
        for constant, knots in self.tables:
            self.constants[constant] = float(len(self.constants))
            self.constants.extend([float(len(knots) // 2), *knots])
        start = ["due = INF"] if self.due else []
        given = [f"num[RESULT + {place}] = {result}" for place, result in enumerate(results)]
        lines = [*start, *self.lines, *given, f"return {'due' if self.due else 'INF'}"]
        return "".join(f"    {line}\n" for line in lines)


@dataclass(slots=True)
class Lifted:
    """A tree as a row of a table: its shape (the body of a function), and what was lifted out."""

    shape: str
    columns: list[tuple[str, int]]
    constants: list[float]


@dataclass(slots=True)
class Plan:
    """Everything a rule set's tables are made of, each thing once."""

    points: Sequence[PointInfo]
    windows: list[Window] = field(default_factory=list)  # inner ones before those that need them
    fed: list[Lifted] = field(default_factory=list)  # how each is fed
    conditions: list[Lifted] = field(default_factory=list)
    parts: list[Lifted] = field(default_factory=list)  # of conditions
    tallies: list[list[int]] = field(default_factory=list)  # parts that are counted together
    _windows: dict[Window, int] = field(default_factory=dict)
    _conditions: dict[Node, int] = field(default_factory=dict)

    @property
    def shapes(self) -> list[str]:
        """The bodies of all functions that are needed, each once."""
        return list(dict.fromkeys(lifted.shape for lifted in (*self.fed, *self.conditions, *self.parts)))

    def window(self, window: Window) -> int:
        """The number of a window, made when it is new."""
        if window not in self._windows:
            body = Body(self)
            if window.source.unit is None:
                body.lines.append(f"x = as_number({body.truth(window.source)})")
                text = body.close("x", "x")
            else:
                text = body.close(*body.number(window.source))
            self._windows[window] = len(self.windows)
            self.windows.append(window)
            self.fed.append(Lifted(text, body.columns, body.constants))
        return self._windows[window]

    def condition(self, node: Node) -> int:
        """The number of a condition, made when it is new."""
        if node not in self._conditions:
            body = Body(self)
            text = body.close(body.truth(node))
            self._conditions[node] = len(self.conditions)
            self.conditions.append(Lifted(text, body.columns, body.constants))
        return self._conditions[node]

    def tally(self, nodes: Sequence[Node]) -> int:
        """The number of a tally of conditions of one form."""
        numbers = []
        for node in nodes:
            body = Body(self, flat=True)
            text = body.close(body.truth(node))
            numbers.append(len(self.parts))
            self.parts.append(Lifted(text, body.columns, body.constants))
        self.tallies.append(numbers)
        return len(self.tallies) - 1


def used_points(node: Node) -> frozenset[int]:
    """The points that a tree depends on, through its windows too."""
    found = {node.point} if node.point >= 0 else set()
    for child in (*node.args, *((node.window.source,) if node.window else ())):
        found |= used_points(child)
    return frozenset(found)


def used_windows(node: Node) -> frozenset[Window]:
    """The windows that a tree depends on, inner ones too."""
    found = {node.window} | used_windows(node.window.source) if node.window else set()
    for child in node.args:
        found |= used_windows(child)
    return frozenset(found)


def ages(node: Node) -> bool:
    """Whether a tree changes by time alone because it asks for an age."""
    return node.op in ("age", "older") or any(map(ages, node.args))
