"""Rule texts to typed, unit-checked trees; every error has its column. It judges nothing."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import lark
from lark import Token, Tree

from rules.functions import FUNCTIONS, POINT_FUNCTIONS
from rules.model import PointInfo
from rules.tree import DEFAULT_COVERAGE, LanguageError, Node, Problem, Span, Window
from rules.units import NUMBER, SECOND, Unit, UnitError, convert, factors, unit


class _Wrong(Exception):  # noqa: N818 - leaves one branch of a tree; never leaves this module
    """A branch that has already been reported."""


_NAMES = (*FUNCTIONS, *POINT_FUNCTIONS, "vote")
DEEPEST = 40  # nesting that people still read
_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_MIRROR = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_SAY = {
    "COMPARE": "a comparison", "SUM": "+ or -", "PRODUCT": "* or /", "_OR": "or", "_AND": "and", "_NOT": "not",
    "NAME": "a point (device.point)", "QUANTITY": "a number with its unit", "FUNCTION": "a function", "LPAR": "(",
    "RPAR": ")", "COMMA": "a comma", "MINUS": "-", "STRING": "a word in quotes", "$END": "the end", "EQUAL": "=",
    "OPTION": "coverage=...",
}  # fmt: skip


@cache
def _parser() -> lark.Lark:
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return lark.Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _expected(names: Sequence[str]) -> str:
    words = sorted({_SAY.get(name, name.lower()) for name in names} - {"coverage=..."})
    return f"expected {', '.join(words)}"


def _parse(text: str) -> Tree[Token] | Token:
    if not text.strip():
        raise LanguageError([Problem("the condition is empty", Span(0, 1))])
    try:
        return _parser().parse(text)
    except lark.UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        word = text[at:].split(maxsplit=1)[0]
        hint = "names are device.point" if word[0].isalpha() else ""
        if word.startswith((".", "=")):
            hint = "a minus between names needs spaces" if word[0] == "." else "equality is =="
        allowed = _expected(sorted(error.allowed or ()))
        raise LanguageError([Problem(f"{word!r} is not understood here; {allowed}", Span(at, 1), hint)]) from error
    except lark.UnexpectedToken as error:
        at = (error.pos_in_stream or 0) if error.token.type != "$END" else len(text.rstrip())
        got = "the text ends here" if error.token.type == "$END" else f"{str(error.token)!r} is not expected here"
        span = Span(at, max(1, len(str(error.token))))
        raise LanguageError([Problem(f"{got}; {_expected(sorted(error.accepts or error.expected))}", span)]) from error


def parse(text: str, points: Sequence[PointInfo]) -> Node:
    """The tree of a condition over `points`. Raises LanguageError with everything that is wrong."""
    checker = _Checker(text, points)
    try:
        node = checker.node(_parse(text))
        checker.truth(node)
    except _Wrong:
        node = None
    if node is None or checker.problems:
        raise LanguageError(checker.problems)
    return node


class _Checker:
    """Walks a parse tree once; collects problems, so that all are told at once."""

    def __init__(self, text: str, points: Sequence[PointInfo]) -> None:
        self.text = text
        self.points = points
        self.index = {point.name: number for number, point in enumerate(points)}
        self.problems: list[Problem] = []
        self.depth = 0

    def wrong(self, message: str, span: Span, hint: str = "") -> _Wrong:
        self.problems.append(Problem(message, span, hint))
        return _Wrong()

    def node(self, tree: Tree[Token] | Token) -> Node:
        if isinstance(tree, Token):
            raise TypeError(tree)
        span = Span(tree.meta.start_pos, tree.meta.end_pos - tree.meta.start_pos)
        if self.depth > DEEPEST:
            raise self.wrong(f"nested deeper than {DEEPEST}", span, "split the condition")
        build: Callable[[list[Tree[Token] | Token], Span], Node] = getattr(self, f"_{tree.data}")
        self.depth += 1
        try:
            return build(tree.children, span)
        finally:
            self.depth -= 1

    def all(self, trees: Sequence[Tree[Token] | Token]) -> list[Node]:
        """Every branch, so that one bad branch does not hide the next one's problem."""
        done: list[Node] = []
        for tree in trees:
            try:
                done.append(self.node(tree))
            except _Wrong:
                continue
        if len(done) != len(trees):
            raise _Wrong
        return done

    def truth(self, node: Node) -> Node:
        if node.unit is not None:
            text = self.text[node.span.column : node.span.column + node.span.length]
            raise self.wrong(f"{text!r} is a number where a condition is needed", node.span, "compare it with a limit")
        return node

    def number(self, node: Node) -> Unit:
        if node.unit is None or node.op in ("word", "state"):
            what = "a state" if node.op in ("word", "state") else "a condition"
            raise self.wrong(f"{what} where a number is needed", node.span)
        return node.unit

    # --- truths -------------------------------------------------------------------------------------------------

    def _disjunction(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        return Node("or", tuple(self.truth(node) for node in self.all(children)), span=span)

    def _conjunction(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        return Node("and", tuple(self.truth(node) for node in self.all(children)), span=span)

    def _invert(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        return Node("not", (self.truth(self.node(children[0])),), span=span)

    def _comparison(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        sides = self.all(children[::2])
        found = []
        for operator, left, right in zip(children[1::2], sides, sides[1:], strict=False):
            found.append(self._compare(_COMPARE[str(operator)], left, right))
        return found[0] if len(found) == 1 else Node("and", tuple(found), span=span)

    def _compare(self, op: str, left: Node, right: Node) -> Node:
        start = left.span.column
        span = Span(start, right.span.column + right.span.length - start)
        if "state" in (left.op, right.op) or "word" in (left.op, right.op):
            return self._compare_states(op, left, right, span)
        left, right = self._alike(left, right)
        if op == "ne":
            return Node("not", (Node("eq", (left, right), span=span),), span=span)
        if left.op == "const" and right.op == "age" and op in _MIRROR:
            left, right, op = right, left, _MIRROR[op]
        if left.op == "age" and right.op == "const" and op in _MIRROR:
            older = Node("older", value=right.value, point=left.point, span=span)
            return older if op in ("gt", "ge") else Node("not", (older,), span=span)
        return Node(op, (left, right), span=span)

    def _compare_states(self, op: str, left: Node, right: Node, span: Span) -> Node:
        if left.op == "word":
            left, right = right, left
        if left.op != "state" or right.op != "word" or op not in ("eq", "ne"):
            raise self.wrong('a state compares with a word only: state(x) == "warm-up"', span)
        states = self.points[left.point].states
        word = self.text[right.span.column + 1 : right.span.column + right.span.length - 1]
        if word not in states:
            near = difflib.get_close_matches(word, states, n=1, cutoff=0.4)
            known = ", ".join(states) or "none"
            name = self.points[left.point].name
            hint = f"did you mean {near[0]!r}?" if near else ""
            raise self.wrong(f"{name} has no state {word!r}; it has {known}", right.span, hint)
        code = Node("const", value=float(states[word]), unit=NUMBER, span=right.span)
        same = Node("eq", (replace(left, op="point"), code), span=span)
        return same if op == "eq" else Node("not", (same,), span=span)

    def _alike(self, left: Node, right: Node) -> tuple[Node, Node]:
        """Both sides in one unit: a literal in the other side's, otherwise the right in the left's."""
        a, b = self.number(left), self.number(right)
        if left.literal and not right.literal:
            return self._to(left, b), right
        return left, self._to(right, a)

    def _to(self, node: Node, target: Unit) -> Node:
        source = self.number(node)
        if node.literal and source.plain and not target.plain and target.text and target.text != "1":
            hint = f"write it with one, such as {node.value:g} {target.text}"
            raise self.wrong(f"{node.value:g} has no unit", node.span, hint)
        if node.literal and source.offset and target.text in ("K", "kelvin"):
            raise self.wrong(
                f"{source.text} has another zero than {target.text}", node.span, f"write it in {target.text}"
            )
        if node.literal and not target.offset:
            source = source.difference()
        try:
            if node.op == "const":
                value = convert(node.value, source, target)
                return Node("const", value=value, unit=target, span=node.span, literal=node.literal)
            scale, shift = factors(source, target)
        except UnitError as error:
            raise self.wrong(error.message, node.span, error.hint) from None
        if bool(source.offset) != bool(target.offset):
            raise self.wrong("a temperature does not compare with a difference of temperatures", node.span)
        for op, constant, nothing in (("mul", scale, 1.0), ("add", shift, 0.0)):
            if constant != nothing:
                node = Node(op, (node, Node("const", value=constant, unit=NUMBER)), unit=target, span=node.span)
        return node

    # --- numbers ------------------------------------------------------------------------------------------------

    def _quantity(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        text = str(children[0])
        digits = len(text) - len(text.lstrip("0123456789.eE+-"))
        if text[:digits].endswith(("e", "E")):  # the e belongs to the unit
            digits -= 1
        try:
            found = unit(text[digits:].strip())
        except UnitError as error:
            raise self.wrong(error.message, Span(span.column + digits, span.length - digits), error.hint) from None
        if math.isinf(float(text[:digits])):
            raise self.wrong(f"{text[:digits]} is too large", span)
        return Node("const", value=float(text[:digits]), unit=found, span=span, literal=True)

    def _name(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        name = str(children[0])
        number = self.index.get(name)
        if number is None:
            near = difflib.get_close_matches(name, self.index, n=1, cutoff=0.5)
            raise self.wrong(f"there is no point {name}", span, f"did you mean {near[0]}?" if near else "")
        return Node("point", point=number, unit=unit(self.points[number].unit), span=span)

    def _word(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        del children
        return Node("word", unit=NUMBER, span=span)

    def _negative(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        node = self.node(children[0])
        found = self.number(node)
        if node.op == "const":
            return replace(node, value=-node.value, span=span)
        if found.offset:
            raise self.wrong(f"a temperature in {found.text} has no negative", span)
        return Node("neg", (node,), unit=found, span=span)

    def _sum(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        sides = self.all(children[::2])
        total = sides[0]
        for operator, right in zip(children[1::2], sides[1:], strict=False):
            total = self._add("add" if operator == "+" else "sub", total, right, span)
        return total

    def _add(self, op: str, left: Node, right: Node, span: Span) -> Node:
        a, b = self.number(left), self.number(right)
        if a.offset and b.offset and not right.literal:  # temperatures: only their difference is one thing
            if op == "add":
                raise self.wrong("two temperatures do not add; their difference and their mean have meaning", span)
            return Node(op, (left, self._to(right, a)), unit=a.difference(), span=span)
        if left.literal and not right.literal:
            left, a = self._to(left, b.difference()), b
        else:
            right = self._to(right, a.difference())
        if left.op == right.op == "const":
            value = left.value + right.value if op == "add" else left.value - right.value
            return Node("const", value=value, unit=a, span=span, literal=left.literal and right.literal)
        return Node(op, (left, right), unit=a, span=span)

    def _product(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        sides = self.all(children[::2])
        total = sides[0]
        for operator, right in zip(children[1::2], sides[1:], strict=False):
            a, b = self.number(total), self.number(right)
            if a.offset or b.offset:
                raise self.wrong("a temperature in degC or degF has no multiples; subtract another one first", span)
            op, sign, power = ("mul", "*", 1) if operator == "*" else ("div", "/", -1)
            text = a.text if b.plain else f"{a.text or '1'}{sign}{b.text}"
            total = Node(op, (total, right), unit=a.times(b, text, power), span=span)
        if all(side.op == "const" for side in sides):
            return self._folded(total, span)
        return total

    def _folded(self, node: Node, span: Span) -> Node:
        left, right = (side if side.op == "const" else self._folded(side, span) for side in node.args)
        if node.op == "div" and right.value == 0.0:
            raise self.wrong("division by zero", right.span)
        value = left.value * right.value if node.op == "mul" else left.value / right.value
        return Node("const", value=value, unit=node.unit, span=span, literal=True)

    # --- functions ----------------------------------------------------------------------------------------------

    def _call(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        name = str(children[0])
        at = Span(span.column, len(name))
        given = children[1:]
        options = [tree for tree in given if isinstance(tree, Tree) and tree.data == "option"]
        positional = [tree for tree in given if tree not in options]
        if name not in _NAMES:
            near = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "functions are " + ", ".join(_NAMES)
            raise self.wrong(f"there is no function {name}", at, hint)
        wanted = {"vote": "k, conditions ...", **dict.fromkeys(POINT_FUNCTIONS, "point")}.get(name, "x, length")
        if len(positional) != wanted.count(",") + 1 and not (name == "vote" and len(positional) > 1):
            raise self.wrong(f"{name}({wanted}) is given {len(positional)} things", at)
        if name in FUNCTIONS:
            return self._window(name, self.all(positional), self._coverage(options), span)
        if options:
            raise self.wrong(f"{name} takes no options", at)
        arguments = self.all(positional)
        return self._vote(arguments, span) if name == "vote" else self._of_point(name, arguments[0], span)

    def _option(self, children: list[Tree[Token] | Token], span: Span) -> Node:
        raise self.wrong(f"{children[0]}= has no place here", span)

    def _coverage(self, options: Sequence[Tree[Token]]) -> float:
        coverage = DEFAULT_COVERAGE
        for tree in options:
            node = self.node(tree.children[1])
            if tree.children[0] != "coverage" or node.op != "const" or (node.unit or SECOND).dimension:
                raise self.wrong("the one option is coverage, such as coverage=80 %", node.span)
            coverage = convert(node.value, node.unit or NUMBER, NUMBER)
            if not 0.0 < coverage <= 1.0:
                raise self.wrong("coverage is above 0 % and up to 100 %", node.span)
        return coverage

    def _of_point(self, name: str, node: Node, span: Span) -> Node:
        if node.op != "point":
            raise self.wrong(f"{name}() is asked of a point (device.point)", node.span)
        found = {"age": SECOND, "state": NUMBER}.get(name)
        if name == "state" and not self.points[node.point].states:
            raise self.wrong(f"{self.points[node.point].name} has no states", node.span)
        return Node(name, point=node.point, unit=found, span=span)

    def _vote(self, arguments: list[Node], span: Span) -> Node:
        first, conditions = arguments[0], tuple(self.truth(node) for node in arguments[1:])
        if first.op != "const" or not (first.unit or SECOND).plain or not 1 <= first.value <= len(conditions):
            raise self.wrong(f"vote(k, ...) needs k from 1 to the number of conditions, {len(conditions)}", first.span)
        if first.value != int(first.value):
            raise self.wrong("vote(k, ...) needs a whole number k", first.span)
        return Node("vote", conditions, value=first.value, span=span)

    def _window(self, name: str, arguments: list[Node], coverage: float, span: Span) -> Node:
        function = FUNCTIONS[name]
        source, length = arguments
        if length.op != "const" or self.number(length).dimension != SECOND.dimension:
            raise self.wrong(f"{name}(x, length) needs a duration, such as 10 min", length.span)
        length_s = convert(length.value, length.unit or SECOND, SECOND)
        if not length_s > 0.0:
            raise self.wrong(f"{name}(x, length) needs a duration above zero", length.span)
        if function.truth:
            source = self.truth(source)
        else:
            self.number(source)
        if name == "increase":
            return self._increase(source, length_s, coverage, span)
        if name == "held":  # true throughout is: not once untrue
            window = Window("span", Node("not", (source,), span=source.span), length_s)
            return Node("not", (Node("within", window=window, span=span),), span=span)
        window = Window(function.family, source, length_s, DEFAULT_COVERAGE if function.family == "span" else coverage)
        return Node(name, window=window, unit=_result(function.result, source.unit), span=span)

    def _increase(self, source: Node, length_s: float, coverage: float, span: Span) -> Node:
        kind = self.points[source.point].kind if source.op == "point" else ""
        if kind in ("", "gauge"):
            message = "increase() sums a point of kind counter, increment, running_total or intensity"
            raise self.wrong(message, source.span, "for a gauge use rise or change")
        found = source.unit or NUMBER
        if kind == "intensity":
            amount = Window("mean", source, length_s, coverage)
            text = found.text.rpartition("/")[0] or f"{found.text}*s"
            per = unit(text) if text else NUMBER
            scaled = Node("amount", window=amount, unit=found.times(SECOND, f"{found.text}*s"), span=span)
            return self._to(scaled, per) if per.dimension == (scaled.unit or NUMBER).dimension else scaled
        window = Window("increase", source, length_s, coverage, point=source.point)
        return Node("increase", window=window, unit=found.difference(), span=span)


def _result(result: str, source: Unit | None) -> Unit | None:
    if result == "truth" or source is None:
        return None if result == "truth" else NUMBER
    if result == "rate":
        return source.times(SECOND, f"{source.text or '1'}/s", -1)
    return source.difference() if result == "difference" else source
