"""Numbers of a rule joined to terms: units checked, literals put into the other side's unit, constants folded."""

from __future__ import annotations

from dataclasses import replace

from rules.language.tree import Node, Span, wrong
from rules.units import NUMBER, Unit, UnitError, convert, factors


def number(node: Node) -> Unit:
    """The unit of a numeric tree. Raises LanguageError for a condition or a state."""
    if node.unit is None or node.op in ("word", "state"):
        what = "a state" if node.op in ("word", "state") else "a condition"
        raise wrong(f"{what} where a number is needed", node.span)
    return node.unit


def in_unit(node: Node, target: Unit) -> Node:
    """The same quantity in another unit. Raises LanguageError."""
    source = number(node)
    if node.literal and source.plain and not target.plain and target.text and target.text != "1":
        hint = f"write it with one, such as {node.value:g} {target.text}"
        raise wrong(f"{node.value:g} has no unit", node.span, hint)
    if node.literal and source.offset and target.text in ("K", "kelvin"):
        raise wrong(f"{source.text} has another zero than {target.text}", node.span, f"write it in {target.text}")
    if node.literal and not target.offset:
        source = source.difference()
    try:
        if node.op == "const":
            value = convert(node.value, source, target)
            return Node("const", value=value, unit=target, span=node.span, literal=node.literal)
        scale, shift = factors(source, target)
    except UnitError as error:
        raise wrong(error.message, node.span, error.hint) from None
    if bool(source.offset) != bool(target.offset):
        raise wrong("a temperature does not compare with a difference of temperatures", node.span)
    for op, constant, nothing in (("mul", scale, 1.0), ("add", shift, 0.0)):
        if constant != nothing:
            node = Node(op, (node, Node("const", value=constant, unit=NUMBER)), unit=target, span=node.span)
    return replace(node, unit=target)


def alike(left: Node, right: Node) -> tuple[Node, Node]:
    """Both sides in one unit: a literal in the other side's, otherwise the right in the left's."""
    a, b = number(left), number(right)
    if left.literal and not right.literal:
        return in_unit(left, b), right
    return left, in_unit(right, a)


def negative(node: Node, span: Span) -> Node:
    """Minus a term."""
    found = number(node)
    if node.op == "const":
        return replace(node, value=-node.value, span=span)
    if found.offset:
        raise wrong(f"a temperature in {found.text} has no negative", span)
    return Node("neg", (node,), unit=found, span=span)


def add(left: Node, right: Node, span: Span, op: str = "add") -> Node:
    """The sum of two terms, or their difference (`op` "sub")."""
    a, b = number(left), number(right)
    if a.offset and b.offset and not right.literal:  # temperatures: only their difference is one thing
        if op == "add":
            raise wrong("two temperatures do not add; their difference and their mean have meaning", span)
        return Node(op, (left, in_unit(right, a)), unit=a.difference(), span=span)
    if left.literal and not right.literal:
        left, a = in_unit(left, b.difference()), b
    else:
        right = in_unit(right, a.difference())
    if left.op == right.op == "const":
        value = left.value + right.value if op == "add" else left.value - right.value
        return Node("const", value=value, unit=a, span=span, literal=left.literal and right.literal)
    return Node(op, (left, right), unit=a, span=span)


def multiply(left: Node, right: Node, span: Span, op: str = "mul") -> Node:
    """The product of two terms, or their quotient (`op` "div")."""
    a, b = number(left), number(right)
    if a.offset or b.offset:
        raise wrong("a temperature in degC or degF has no multiples; subtract another one first", span)
    sign, power = ("*", 1) if op == "mul" else ("/", -1)
    text = a.text if b.plain else f"{a.text or '1'}{sign}{b.text}"
    found = a.times(b, text, power)
    if op == "div" and right.op == "const" and right.value == 0.0:
        raise wrong("division by zero", right.span)
    if left.op == right.op == "const":
        value = left.value * right.value if op == "mul" else left.value / right.value
        return Node("const", value=value, unit=found, span=span, literal=True)
    return Node(op, (left, right), unit=found, span=span)
