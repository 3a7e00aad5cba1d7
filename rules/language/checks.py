"""What is surely wrong with rules that read well: never true, always true, clearing while alarming, out of order.

A condition is taken apart into cases; a case says of each quantity where it must lie. What no reading within the
points' ranges can bring about is a problem; what is merely unusual is none. A condition that comes apart into too many
cases is not looked at.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple

from rules.engine.shapes import canonical, used_points
from rules.language.ranges import Quantity, Range, Region, common, linear, outside, quantity_range, region, value_range
from rules.language.tree import Node
from rules.model import AlarmRule, PointInfo, RuleProblem
from rules.units import SECOND

MOST_CASES = 200
_FLIPPED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq"}
Case = Mapping[Quantity, Region]
Pair = tuple[Node | None, Node | None]


class _TooMany(Exception):  # noqa: N818 - leaves one condition unlooked at; never leaves this module
    """More cases than are worth looking at."""


def find_problems(alarm: AlarmRule, pairs: Sequence[Pair], points: Sequence[PointInfo]) -> list[RuleProblem]:
    """Everything surely wrong with an alarm whose levels are the trees (when, clear), lowest first.

    A None is a condition that is not there, or can't be read.
    """
    look = _Look(points)
    found: list[RuleProblem] = []
    sound: list[tuple[_Place, Node]] = []
    for k, (level, (when, clear)) in enumerate(zip(alarm.levels, pairs, strict=True)):
        place, clear_place = _Place(alarm, k, "when", level.when), _Place(alarm, k, "clear", level.clear or "")
        problems = [*look.constant(when, place), *look.constant(clear, clear_place)]
        if when and clear and not problems:
            problems = list(look.overlap(when, clear, place, clear_place))
        if when and when.op not in ("true", "false") and not any(problem.key == "when" for problem in problems):
            sound.append((place, when))
        found += problems
    return [*found, *look.order(sound)]


class _Place(NamedTuple):
    """A condition of an alarm."""

    alarm: AlarmRule
    level: int
    key: str
    text: str

    @property
    def name(self) -> str:
        """The level's name."""
        return self.alarm.levels[self.level].level

    def absent(self) -> bool:
        """Whether it is about an input to which nothing is bound."""
        unbound = [re.escape(name) for name, points in self.alarm.names.points.items() if not points]
        return bool(unbound) and re.search(rf"(?<![\w.-])({'|'.join(unbound)})(?![\w.-])", self.text) is not None

    def said(self, node: Node) -> str:
        """What a tree was written as."""
        return self.text[node.span.column : node.span.column + node.span.length]

    def problem(self, node: Node, message: str, hint: str = "") -> RuleProblem:
        """A problem with a part of the condition."""
        span = node.span
        return RuleProblem(self.alarm.name, self.name, self.key, message, span.column, span.length, hint)


class _Look:
    """Looks at conditions over the same points."""

    def __init__(self, points: Sequence[PointInfo]) -> None:
        self.points = points
        self.known: dict[tuple[Node, bool], list[Case]] = {}

    # --- cases ------------------------------------------------------------------------------------------------------

    def cases(self, node: Node, want: bool) -> list[Case]:
        """All ways for a condition to become known true, or false; none: it can't. Raises _TooMany."""
        if (node, want) not in self.known:
            self.known[node, want] = self.found_cases(node, want)
        return self.known[node, want]

    def found_cases(self, node: Node, want: bool) -> list[Case]:
        """The same, looked at for the first time."""
        children = node.args
        if node.op in ("true", "false"):
            return [{}] if want == (node.op == "true") else []
        if node.op == "not":
            return self.cases(children[0], not want)
        if node.op in ("and", "or", "vote"):
            need = {"and": len(children), "or": 1}.get(node.op, int(node.value))
            need = need if want else len(children) - need + 1
            if math.comb(len(children), need) > MOST_CASES:
                raise _TooMany
            each = [self.cases(child, want) for child in children]
            return self.merged([group for chosen in combinations(each, need) for group in _choices(chosen)])
        if node.window is not None and (node.op == "within" or want):
            return self.merged([(case,) for case in [self.opaque(node, want)] if self.cases(node.window.source, want)])
        return self.merged([(self.atom(node, want),)])

    def merged(self, groups: Sequence[Sequence[Case]]) -> list[Case]:
        """One case of each group, where its parts don't exclude each other."""
        found: list[Case] = []
        for group in groups:
            case: dict[Quantity, Region] = {}
            for quantity, where in (item for part in group for item in part.items()):
                known = case.get(quantity)
                case[quantity] = self.reachable(quantity, where) if known is None else common(known, where)
            if all(case.values()) and case not in found:
                found.append(case)
        if len(found) > MOST_CASES:
            raise _TooMany
        return found

    def reachable(self, quantity: Quantity, where: Region) -> Region:
        """The part of a region that lies in the quantity's range."""
        lo, hi = quantity_range(quantity, self.points)
        return common(where, (((lo, 0), (hi, 1)),))

    def opaque(self, node: Node, want: bool) -> Case:
        """A condition that is taken as it is."""
        return {((node, 1.0),): region("eq", float(want))}

    def atom(self, node: Node, want: bool) -> Case:
        """A comparison, as a region of the quantity that it is about; or what is asked of a point."""
        if node.op == "older":
            older = region("gt", node.value)
            age = Node("age", point=node.point, unit=SECOND, span=node.span)
            return {((age, 1.0),): older if want else outside(older)}
        if node.op not in _FLIPPED:
            return self.opaque(node, want)
        terms, constant = linear(Node("sub", node.args))
        ordered = sorted(terms, key=lambda term: json.dumps(canonical(term, self.points)))
        if not ordered:  # what cancels out is a matter of rounding
            return self.opaque(node, want)
        scale = terms[ordered[0]]
        quantity = tuple((term, terms[term] / scale) for term in ordered)
        op, limit = node.op if scale > 0.0 else _FLIPPED[node.op], 0.0 - constant / scale
        slack = 0.0 if ordered[0] in node.args else 1e-12 * abs(limit)  # x > 3 m is exact, 2 * x > 6 m is rounded
        return {quantity: region(op, limit, slack) if want else outside(region(op, limit, -slack))}

    # --- never and always ---------------------------------------------------------------------------------------------

    def constant(self, node: Node | None, place: _Place) -> Iterator[RuleProblem]:
        """Parts that can never be true, and a whole that always is; not where an input is left out that may be."""
        if node is None or (node.op in ("true", "false") and place.absent()):
            return
        try:
            never = list(dict.fromkeys(self.impossible(node, True)))
            always = [] if never or self.cases(node, False) else list(dict.fromkeys(self.impossible(node, False)))
        except _TooMany:
            return
        for part, want in never + always:
            yield self.told(part, want, place)

    def impossible(self, node: Node, want: bool) -> Iterator[tuple[Node, bool]]:
        """The smallest parts that can't be known true (or false) where that would be wanted of them."""
        if node.op == "not":
            yield from self.impossible(node.args[0], not want)
            return
        dead = not self.cases(node, want)
        if node.op in ("and", "or", "vote"):
            parts = [found for child in node.args for found in self.impossible(child, want)]
            parts = parts or ([(node, want)] if dead else [])
            over = {child.point for child in node.args if child.op == "over_range" and node.op == "or" and want}
            yield from [(part, how) for part, how in parts if not over & used_points(part)]  # x > 5 m or over_range(x)
        elif node.window is not None:
            inner = list(self.impossible(node.window.source, want)) if node.op == "within" or want else []
            yield from inner or ([(node, want)] if dead else [])
        elif dead:
            yield node, want
        else:
            for condition in _watched(node):
                yield from self.impossible(condition, True)

    def told(self, part: Node, want: bool, place: _Place) -> RuleProblem:
        """The problem in words."""
        message = f"{place.said(part)!r} {'can never be true' if want else 'is always true'}"
        if part.op not in _FLIPPED:
            excluded = ": its parts exclude each other" if want and part.args else ""
            return place.problem(part, message + excluded)
        sides = [side for side in part.args if side.op != "const"]
        ranges = [(side, _range_in_words(value_range(side, self.points), side)) for side in sides]
        reasons = ", ".join(f"{self.called(side, place)} is {known}" for side, known in ranges if known)
        above = want and any(side.op == "point" and self.points[side.point].high is not None for side in sides)
        hint = "a reading above a point's range says only that; use over_range(), or a limit inside the range"
        return place.problem(part, f"{message}: {reasons}" if reasons else message, hint if above else "")

    def is_state(self, term: Node) -> bool:
        """Whether a number is a device's state."""
        return term.op == "point" and bool(self.points[term.point].states)

    def called(self, side: Node, place: _Place) -> str:
        """What a number was written as, with the point that it stands for."""
        said = place.said(side)
        name = self.points[side.point].name if side.op == "point" else said
        return said if said == name else f"{said} ({name})"

    # --- clearing while alarming ------------------------------------------------------------------------------------

    def overlap(self, when: Node, clear: Node, place: _Place, clear_place: _Place) -> Iterator[RuleProblem]:
        """A clear condition that can be true while the alarm condition is, by the same quantity."""
        try:
            pairs = list(product(self.cases(when, True), self.cases(clear, True)))
        except _TooMany:
            return
        for alarming, clearing in pairs:
            quantity = next(iter(alarming), None)
            if quantity is None or len(alarming) > 1 or quantity not in clearing:
                continue
            others = [other for other in clearing if other != quantity]
            both = common(alarming[quantity], clearing[quantity])
            if any(_points(other) & _points(quantity) for other in others) or not _wide(both, alarming[quantity]):
                continue
            message = f"clears while it alarms: {place.said(when)!r} and this are both true"
            (term, _), *more = quantity
            hint = ""
            if not more and term.unit is not None and not self.is_state(term):
                off = self.reachable(quantity, outside(alarming[quantity]))
                message += f" where {self.called(term, place)} is {_region_in_words(both, term)}"
                hint = f"clear where it is {_region_in_words(off, term)}, with some hysteresis" if off else ""
            yield clear_place.problem(clear, message, hint)
            return

    # --- levels out of order ----------------------------------------------------------------------------------------

    def order(self, levels: Sequence[tuple[_Place, Node]]) -> Iterator[RuleProblem]:
        """A higher level that is active whenever a lower one is, and as soon: the lower one is never seen."""
        for k, (place, when) in enumerate(levels):
            for lower, lower_when in reversed(levels[:k]):
                rules = place.alarm.levels
                if rules[place.level].for_s <= rules[lower.level].for_s and self.implies(lower_when, when):
                    message = f"{place.name} is not stricter than {lower.name}: it is true whenever {lower.text!r} is"
                    hint = f"levels go from low to high: swap them, or make {place.name} stricter"
                    yield place.problem(when, message, hint)
                    break

    def implies(self, one: Node, two: Node) -> bool:
        """Whether a condition can't be true without the other one."""
        try:
            return not self.cases(Node("and", (one, Node("not", (two,)))), True)
        except _TooMany:
            return False


def _choices(groups: Sequence[Sequence[Case]]) -> Iterator[tuple[Case, ...]]:
    """One case of each group, in every way."""
    if math.prod(len(group) for group in groups) > 10 * MOST_CASES:
        raise _TooMany
    return product(*groups)


def _watched(node: Node) -> Iterator[Node]:
    """Conditions inside the windows of a comparison's numbers."""
    for child in node.args:
        yield from _watched(child)
    if node.window is not None:
        source = node.window.source
        if source.unit is None:
            yield source
        else:
            yield from _watched(source)


def _points(quantity: Quantity) -> frozenset[int]:
    return frozenset().union(*(used_points(term) for term, _ in quantity))


def _wide(both: Region, alarming: Region) -> bool:
    """Whether two conditions share more than the limit where they meet."""
    if both == alarming and all(start[0] == end[0] for start, end in both):
        return bool(both)
    sizes = [(end[0] - start[0], max(abs(start[0]), abs(end[0]))) for start, end in both]
    return any(math.isinf(size) or size > 1e-9 * largest for size, largest in sizes)


def _region_in_words(where: Region, term: Node) -> str:
    """Such as "above 150 mm or below 20 mm"."""
    return " or ".join(_range_in_words((lo, hi), term) for (lo, _), (hi, _) in where)


def _range_in_words(found: Range, term: Node) -> str:
    """Such as "between 0 and 5 m"; "" where it may be anything."""
    largest = max((abs(end) for end in found if math.isfinite(end)), default=0.0)
    lo, hi = (f"{0.0 if abs(end) < 1e-6 * largest else end:.6g}" for end in found)
    unit = f" {term.unit.text}".rstrip() if term.unit else ""
    if math.isinf(found[0]) and math.isinf(found[1]):
        return ""
    if math.isinf(found[0]):
        return f"at most {hi}{unit}"
    if math.isinf(found[1]):
        return f"at least {lo}{unit}"
    return f"{hi}{unit}" if lo == hi else f"between {lo} and {hi}{unit}"
