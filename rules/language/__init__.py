"""Rule texts to typed, unit-checked trees; every error has its column. It judges nothing."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from lark import Token, Tree

from rules.language import truths
from rules.language.calls import call, whole
from rules.language.functions import FUNCTIONS
from rules.language.syntax import read
from rules.language.terms import add, in_unit, multiply, negative
from rules.language.tree import LanguageError, Node, Problem, Span, wrong
from rules.model import NO_NAMES, LookupTable, Names, PointInfo
from rules.units import NUMBER, SECOND, UnitError, convert, split, unit

DEEPEST = 40  # nesting that people still read
_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
Branch = Tree[Token] | Token
Item = TypeVar("Item")


def parse(text: str, points: Sequence[PointInfo], names: Names = NO_NAMES) -> Node:
    """The tree of a condition over `points`, which `names` may call otherwise.

    Raises LanguageError with everything that is wrong.
    """
    checker = _Checker(text, points, names)
    try:
        return checker.truth(checker.node(read(text)))
    except LanguageError as error:
        problems = dict.fromkeys(checker.named(problem) for problem in error.problems)
        raise LanguageError(list(problems)) from error.__cause__


class _Checker:
    """Walks a parse tree once. A bad branch raises; its siblings are still looked at, so that all is told at once."""

    def __init__(self, text: str, points: Sequence[PointInfo], names: Names) -> None:
        self.text = text
        self.points = points
        self.names = names
        self.index = {point.name: number for number, point in enumerate(points)}
        self.bound: dict[str, str] = {}  # inputs inside each() -> the point whose turn it is
        self.depth = 0

    def node(self, tree: Branch) -> Node:
        """The tree of a branch."""
        if isinstance(tree, Token):
            raise TypeError(tree)
        span = _span(tree)
        if self.depth > DEEPEST:
            raise wrong(f"nested deeper than {DEEPEST}", span, "split the condition")
        build: Callable[[list[Branch], Span], Node] = getattr(self, f"_{tree.data}")
        self.depth += 1
        try:
            return build(tree.children, span)
        finally:
            self.depth -= 1

    def nodes(self, trees: Sequence[Branch]) -> list[Node]:
        """The trees of branches."""
        return _every(trees, lambda tree: [self.node(tree)])

    def said(self, span: Span) -> str:
        """The text of a branch."""
        return self.text[span.column : span.column + span.length]

    def truth(self, node: Node) -> Node:
        """A node that has to be a condition."""
        if node.unit is not None:
            said = self.said(node.span)
            raise wrong(f"{said!r} is a number where a condition is needed", node.span, "compare it with a limit")
        return node

    def truths(self, trees: Sequence[Branch]) -> list[Node]:
        """Branches that have to be conditions."""
        return _every(trees, lambda tree: [self.truth(self.node(tree))])

    def named(self, problem: Problem) -> Problem:
        """The same problem; where it is a parameter's, with its value."""
        said = self.said(problem.span)
        given = self.names.quantities.get(said)
        return problem if given is None else replace(problem, message=f"{said} is {given}: {problem.message}")

    # --- truths -------------------------------------------------------------------------------------------------

    def _disjunction(self, children: list[Branch], span: Span) -> Node:
        return truths.some(self.truths(children), span)

    def _conjunction(self, children: list[Branch], span: Span) -> Node:
        return truths.every(self.truths(children), span)

    def _invert(self, children: list[Branch], span: Span) -> Node:
        return truths.invert(self.truths(children)[0], span)

    def _comparison(self, children: list[Branch], span: Span) -> Node:
        sides = self.nodes(children[::2])
        found = [
            self._compare(_COMPARE[str(operator)], left, right)
            for operator, (left, right) in zip(children[1::2], pairwise(sides), strict=True)
        ]
        return truths.every(found, span)

    def _compare(self, op: str, left: Node, right: Node) -> Node:
        start = left.span.column
        span = Span(start, right.span.column + right.span.length - start)
        if {"state", "word"} & {left.op, right.op}:
            return self._compare_states(op, left, right, span)
        return truths.compare(op, left, right, span)

    def _compare_states(self, op: str, left: Node, right: Node, span: Span) -> Node:
        if left.op == "word":
            left, right = right, left
        if left.op != "state" or right.op != "word" or op not in ("eq", "ne"):
            raise wrong('a state compares with a word only: state(x) == "warm-up"', span)
        states = self.points[left.point].states
        word = self.said(right.span)[1:-1]
        if word not in states:
            near = difflib.get_close_matches(word, states, n=1, cutoff=0.4)
            known = ", ".join(states) or "none"
            name = self.points[left.point].name
            hint = f"did you mean {near[0]!r}?" if near else ""
            raise wrong(f"{name} has no state {word!r}; it has {known}", right.span, hint)
        code = Node("const", value=float(states[word]), unit=NUMBER, span=right.span)
        same = Node("eq", (replace(left, op="point"), code), span=span)
        return same if op == "eq" else truths.invert(same, span)

    # --- numbers ------------------------------------------------------------------------------------------------

    def _quantity(self, children: list[Branch], span: Span) -> Node:
        digits, given = split(str(children[0]))
        try:
            found = unit(given)
        except UnitError as error:
            raise wrong(error.message, Span(span.column + span.length - len(given), len(given)), error.hint) from None
        if math.isinf(float(digits)):
            raise wrong(f"{digits} is too large", span)
        return Node("const", value=float(digits), unit=found, span=span, literal=True)

    def _word(self, children: list[Branch], span: Span) -> Node:
        del children
        return Node("word", unit=NUMBER, span=span)

    def _negative(self, children: list[Branch], span: Span) -> Node:
        return negative(self.node(children[0]), span)

    def _sum(self, children: list[Branch], span: Span) -> Node:
        total, *others = self.nodes(children[::2])
        for operator, right in zip(children[1::2], others, strict=True):
            total = add(total, right, span, "add" if operator == "+" else "sub")
        return total

    def _product(self, children: list[Branch], span: Span) -> Node:
        total, *others = self.nodes(children[::2])
        for operator, right in zip(children[1::2], others, strict=True):
            total = multiply(total, right, span, "mul" if operator == "*" else "div")
        return total

    # --- names --------------------------------------------------------------------------------------------------

    def _name(self, children: list[Branch], span: Span) -> Node:
        return self._point(str(children[0]), span)

    def _point(self, name: str, span: Span) -> Node:
        number = self.index.get(name)
        if number is None:
            raise self._unknown("point", name, span)
        return Node("point", point=number, unit=unit(self.points[number].unit), span=span)

    def _bare(self, children: list[Branch], span: Span) -> Node:
        name, names = str(children[0]), self.names
        if name in self.bound:
            return self._point(self.bound[name], span)
        if name in names.many:
            raise wrong(f"{name} stands for any number of points", span, f"write any(each({name}, {name} > ...))")
        if name in names.points:
            return self._point(names.points[name][0], span)
        if name in names.quantities:
            return self._parameter(name, span)
        if name in names.tables:
            raise wrong(f"{name} is a table", span, f"write lookup({name}, x)")
        if name in FUNCTIONS:
            raise wrong(f"{name} is a function", span, f"write {name}({FUNCTIONS[name].takes})")
        raise self._unknown("input, parameter or table" if names != NO_NAMES else "point", name, span)

    def _unknown(self, what: str, name: str, span: Span) -> LanguageError:
        names = self.names
        known = [*names.points, *names.quantities, *names.tables, *self.index]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else ""
        if name.partition("-")[0] in known:
            hint = "a minus between names needs spaces"
        elif not near and "." not in name and names == NO_NAMES:
            hint = "names are device.point"
        return wrong(f"there is no {what} {name}", span, hint)

    def _parameter(self, name: str, span: Span) -> Node:
        try:
            digits, given = split(self.names.quantities[name])
            return Node("const", value=float(digits), unit=unit(given), span=span, literal=True)
        except UnitError as error:
            raise wrong(error.message, span, error.hint) from None

    def _table(self, tree: Branch) -> LookupTable:
        """The table that is the first argument of lookup()."""
        name = _bare_name(tree)
        table = self.names.tables.get(name)
        if table is None:
            near = difflib.get_close_matches(name, self.names.tables, n=1, cutoff=0.4)
            known = ", ".join(self.names.tables) or "none"
            hint = f"did you mean {near[0]}?" if near else f"known tables: {known}"
            raise wrong(f"there is no table {name or self.said(_span(tree))}", _span(tree), hint)
        rising = all(a < b for a, b in pairwise(table.xs))
        if not rising or not table.xs or len(table.xs) != len(table.ys):
            raise wrong(f"table {name} needs as many y as x, one at least, x rising", _span(tree))
        return table

    # --- functions ----------------------------------------------------------------------------------------------

    def _option(self, children: list[Branch], span: Span) -> Node:
        raise wrong(f"{children[0]}= has no place here", span)

    def _call(self, children: list[Branch], span: Span) -> Node:
        name, given = str(children[0]), children[1:]
        at = Span(span.column, len(name))
        options = [tree for tree in given if isinstance(tree, Tree) and tree.data == "option"]
        positional = [tree for tree in given if tree not in options]
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "functions are " + ", ".join(FUNCTIONS)
            raise wrong(f"there is no function {name}", at, hint)
        function = FUNCTIONS[name]
        if len(positional) not in function.counts:
            raise wrong(f"{name}({function.takes}) is given {len(positional)} things", at)
        if name == "each":
            raise wrong("each(...) stands only inside any(...), all(...) and vote(k, ...)", span)
        coverage = self._coverage(options)
        if name == "lookup":
            return self._lookup(positional, span)
        if name in ("any", "all", "vote"):
            return call(name, self._conditions(name, positional), coverage, self.points, span)
        arguments = self.nodes(positional)
        if function.condition:
            self.truth(arguments[0])
        return call(name, arguments, coverage, self.points, span)

    def _coverage(self, options: Sequence[Tree[Token]]) -> float | None:
        coverage = None
        for tree in options:
            node = self.node(tree.children[1])
            if tree.children[0] != "coverage" or node.op != "const" or (node.unit or SECOND).dimension:
                raise wrong("the one option is coverage, such as coverage=80 %", node.span)
            coverage = convert(node.value, node.unit or NUMBER, NUMBER)
            if not 0.0 < coverage <= 1.0:
                raise wrong("coverage is above 0 % and up to 100 %", node.span)
        return coverage

    def _lookup(self, trees: Sequence[Branch], span: Span) -> Node:
        table = self._table(trees[0])
        try:
            x_unit, y_unit = unit(table.x_unit), unit(table.y_unit)
        except UnitError as error:
            raise wrong(f"table {table.name}: {error.message}", _span(trees[0]), error.hint) from None
        x = in_unit(self.node(trees[1]), x_unit)
        return Node("lookup", (x,), unit=y_unit, knots=(*table.xs, *table.ys), span=span)

    def _conditions(self, name: str, trees: Sequence[Branch]) -> list[Node]:
        """Arguments of any, all, vote, each(...) among them written out."""
        count = self.nodes(trees[:1]) if name == "vote" else []
        need = whole(count[0], name) if count else 0
        conditions = _every(trees[len(count) :], self._expanded)
        if need > len(conditions) and not any(map(_is_each, trees)):
            message = f"vote(k, ...) needs k from 1 to the number of conditions, {len(conditions)}"
            raise wrong(message, count[0].span)
        return [*count, *conditions]

    def _expanded(self, tree: Branch) -> list[Node]:
        if not _is_each(tree):
            return self.truths([tree])
        children = tree.children if isinstance(tree, Tree) else []
        if len(children) != 3:
            raise wrong(f"each({FUNCTIONS['each'].takes}) is given {len(children) - 1} things", _span(tree))
        name = _bare_name(children[1])
        if name not in self.names.points or name in self.bound:
            near = difflib.get_close_matches(name, self.names.points, n=1, cutoff=0.4)
            said = f"{name or self.said(_span(children[1]))} is not an input"
            raise wrong(
                said, _span(children[1]), f"did you mean {near[0]}?" if near else "write each(input, condition)"
            )
        return _every(self.names.points[name], lambda point: self._with(name, point, children[2]))

    def _with(self, name: str, point: str, tree: Branch) -> list[Node]:
        """A condition in which an input stands for one point."""
        self.bound[name] = point
        try:
            return self.truths([tree])
        finally:
            del self.bound[name]


def _every(items: Iterable[Item], nodes: Callable[[Item], list[Node]]) -> list[Node]:
    """All nodes of all items, so that one bad branch does not hide the next one's problem."""
    done: list[Node] = []
    problems: list[Problem] = []
    for item in items:
        try:
            done.extend(nodes(item))
        except LanguageError as error:
            problems.extend(error.problems)
    if problems:
        raise LanguageError(problems)
    return done


def _span(tree: Branch) -> Span:
    if isinstance(tree, Token):
        raise TypeError(tree)
    return Span(tree.meta.start_pos, tree.meta.end_pos - tree.meta.start_pos)


def _bare_name(tree: Branch) -> str:
    """The name that a branch is; "" when it is something else."""
    return str(tree.children[0]) if isinstance(tree, Tree) and tree.data == "bare" else ""


def _is_each(tree: Branch) -> bool:
    return isinstance(tree, Tree) and tree.data == "call" and tree.children[0] == "each"
