"""Why an alarm is where it is: walks a rule's tree over a judge's state, and leaves that state bit for bit as it is."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rules.engine import asked, kernel, memories, reads, trends, windows
from rules.engine.shapes import used_points
from rules.language.tree import Node, Window
from rules.model import LevelRule, Truth

if TYPE_CHECKING:
    from rules.ruleset import Ruleset

_READS = {name: value for module in (memories, reads, trends) for name, value in vars(module).items()}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "add": "+", "sub": "-", "mul": "*", "div": "/"}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


class _Walk:
    """One look at the state at one time. Numbers are bounds (lo, hi), as in the generated functions."""

    def __init__(self, ruleset: Ruleset, state: tuple[Any, Any, Any, Any], t: float) -> None:
        self.ruleset, self.state, self.t = ruleset, state, t
        self.rows = {window: w for w, window in enumerate(ruleset.plan.windows)}

    @cached_property
    def copied(self) -> tuple[Any, Any, Any, Any]:
        """The state for those who forget what has left a window when they read it."""
        tab, par, num, ints = self.state
        return tab, par, num[:], ints[:]

    def point(self, p: int) -> int:
        """Where a point's state stands."""
        return int(self.state[0][windows.H_POINTS]) + p * asked.POINT_ROW

    def read(self, name: str, window: Window, *more: float) -> Any:
        """What a window gives now."""
        row = self.state[0][windows.H_WINDOWS] + self.rows[window] * windows.W_ROW
        return _READS[f"read_{name}"](*self.copied, row, self.t, *more)

    def number(self, node: Node) -> tuple[float, float]:
        """Bounds of a numeric tree."""
        num = self.state[2]
        match node.op:
            case "const":
                return node.value, node.value
            case "point":
                n = self.point(node.point)
                return num[n], num[n + 1]
            case "age":
                lo, hi, _ = asked.age(num, self.point(node.point), self.t)
                return lo, hi
            case "baseline":
                known = asked.baseline(num, self.point(node.point))
                return known, known
            case "lookup":
                return reads.lookup((len(node.knots) // 2, *node.knots), 0, *self.number(node.args[0]))
        if node.window is not None:
            more = [bound for limit in node.args for bound in self.number(limit)]
            lo, hi = self.read(node.op, node.window, *more, *([node.value] if node.op == "forecast" else []))
            return lo, hi
        (al, ah), (bl, bh) = self.number(node.args[0]), self.number(node.args[-1])
        match node.op:
            case "neg":
                return -ah, -al
            case "add":
                return al + bl, ah + bh
            case "sub":
                return al - bh, ah - bl
            case "mul":
                return reads.product(al, ah, bl, bh)
            case _:
                return reads.quotient(al, ah, bl, bh)

    def truth(self, node: Node) -> Truth:
        """The truth of a condition."""
        parts = [self.truth(child) for child in node.args] if node.op in ("and", "or", "not", "vote") else []
        match node.op:
            case "not":
                return Truth.UNKNOWN if parts[0] == Truth.UNKNOWN else Truth(1 - parts[0])
            case "and" | "or" | "vote":
                need = {"and": len(parts), "or": 1}.get(node.op, node.value)
                return _vote(parts, need)
            case "true" | "false":
                return Truth(node.op == "true")
            case "older":
                return Truth(asked.older(self.state[2], self.point(node.point), node.value, self.t)[0])
            case "good" | "over_range":
                return Truth(getattr(asked, node.op)(self.state[2], self.point(node.point)))
        if node.window is not None:
            return Truth(self.read(node.op, node.window))
        return _compare(node.op, *(self.number(child) for child in node.args))

    def part(self, node: Node) -> dict[str, Any]:
        """One sub-expression as JSON data."""
        column, length = node.span.column, node.span.length
        found: dict[str, Any] = {"op": _SIGNS.get(node.op, node.op), "column": column, "length": length}
        if node.unit is None:
            found["truth"] = self.truth(node).name.lower()
        else:
            lo, hi = self.number(node)
            found |= {"value": _plain(lo), "unit": node.unit.text}
            if hi != lo and lo == lo:  # noqa: PLR0124 - NaN
                found |= {"at_least": _plain(lo), "at_most": _plain(hi)}
        if node.point >= 0:
            found["point"] = self.ruleset.points[node.point].name
        children = [*node.args, *([node.window.source] if node.window else [])]
        if node.window is not None:
            found["window_s"] = node.window.length_s
            if node.op == "streak":
                found["periods"] = int(node.window.count)
        if node.op == "forecast":
            found["horizon_s"] = node.value
        if node.op == "older":
            found["limit_s"] = node.value
        if children:
            found["parts"] = [self.part(child) for child in children]
        return found

    def reading(self, p: int) -> dict[str, Any]:
        """What is known of a point."""
        n, num = self.point(p), self.state[2]
        info = self.ruleset.points[p]
        return {
            "point": info.name,
            "value": _plain(num[n + asked.Q_LO]),
            "unit": info.unit,
            "quality": int(num[n + asked.Q_QUALITY]) if num[n + asked.Q_QUALITY] >= 0.0 else None,
            "stale": num[n + asked.Q_STALE] == 1.0,
            "age_s": self.t - num[n + asked.Q_GOOD_AT] if num[n + asked.Q_EVER] == 1.0 else None,
        }


def _vote(parts: list[Truth], need: float) -> Truth:
    if sum(part == Truth.TRUE for part in parts) >= need:
        return Truth.TRUE
    return Truth.FALSE if sum(part != Truth.FALSE for part in parts) < need else Truth.UNKNOWN


def _compare(op: str, a: tuple[float, float], b: tuple[float, float]) -> Truth:
    (al, ah), (bl, bh) = a, b
    true, false = {
        "gt": (al > bh, ah <= bl),
        "ge": (al >= bh, ah < bl),
        "lt": (ah < bl, al >= bh),
        "le": (ah <= bl, al > bh),
        "eq": (al == ah == bl == bh, ah < bl or al > bh),
    }[op]
    return Truth.TRUE if true else Truth.FALSE if false else Truth.UNKNOWN


def explain(ruleset: Ruleset, alarm: int, state: tuple[Any, Any, Any, Any], t: float) -> list[dict[str, Any]]:
    """Per level, lowest first: texts, truths, timers, parts with values, readings. JSON data; `null` is unknown."""
    walk = _Walk(ruleset, state, t)
    tab = state[0]
    row = tab[windows.H_ALARMS] + alarm * kernel.A_ROW
    found = []
    for k, (rule, (when, clear)) in enumerate(zip(ruleset.alarms[alarm].levels, ruleset.trees[alarm], strict=True)):
        at = tab[windows.H_LEVELS] + (tab[row + kernel.A_FIRST] + k) * kernel.L_ROW
        found.append(_level(walk, rule, (when, clear), at))
    return found


def _level(walk: _Walk, rule: LevelRule, pair: tuple[Node, Node | None], row: int) -> dict[str, Any]:
    when, clear = pair
    tab, _, num, ints = walk.state
    n, i = tab[row + kernel.L_NUM], tab[row + kernel.L_INT]
    trees = [when] if clear is None else [when, clear]
    used = sorted(frozenset().union(*(used_points(tree) for tree in trees)))
    active = ints[i + kernel.D_ACTIVE] == 1
    running = walk.t - num[n + kernel.D_SINCE] if ints[i + kernel.D_TRUTH] == 1 else 0.0
    level: dict[str, Any] = {
        "level": rule.level,
        "active": active,
        "when": rule.when,
        "truth": walk.truth(when).name.lower(),
        "parts": walk.part(when),
        "delay": {
            "of_s": rule.clear_for_s if active else rule.for_s,
            "passed_s": num[n + kernel.D_SUM] + running,
            "running": ints[i + kernel.D_WAITING] == 1,
            "done": ints[i + kernel.D_DONE] == 1,
        },
        "readings": [walk.reading(p) for p in used],
    }
    if clear is not None:
        level |= {"clear": rule.clear, "clear_truth": walk.truth(clear).name.lower(), "clear_parts": walk.part(clear)}
    return level
