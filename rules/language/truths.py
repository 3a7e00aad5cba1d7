"""Conditions of a rule joined: comparisons, and, or, not, vote. What is known whatever the readings is folded away."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from rules.language.terms import alike
from rules.language.tree import Node, Span

_MIRROR = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_COMPARE = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq}


def known(truth: bool, span: Span) -> Node:
    """A condition that is true or false whatever the readings."""
    return Node("true" if truth else "false", span=span)


def invert(node: Node, span: Span) -> Node:
    """Not."""
    return known(node.op == "false", span) if node.op in ("true", "false") else Node("not", (node,), span=span)


def every(nodes: Sequence[Node], span: Span) -> Node:
    """And: of nothing, true."""
    if any(node.op == "false" for node in nodes):
        return known(False, span)
    open_ones = tuple(node for node in nodes if node.op != "true")
    if len(open_ones) < 2:
        return open_ones[0] if open_ones else known(True, span)
    return Node("and", open_ones, span=span)


def some(nodes: Sequence[Node], span: Span) -> Node:
    """Or: of nothing, false."""
    if any(node.op == "true" for node in nodes):
        return known(True, span)
    open_ones = tuple(node for node in nodes if node.op != "false")
    if len(open_ones) < 2:
        return open_ones[0] if open_ones else known(False, span)
    return Node("or", open_ones, span=span)


def vote(count: int, nodes: Sequence[Node], span: Span) -> Node:
    """At least `count` of them; false where there are fewer."""
    count -= sum(node.op == "true" for node in nodes)
    open_ones = tuple(node for node in nodes if node.op not in ("true", "false"))
    if count < 1 or count > len(open_ones):
        return known(count < 1, span)
    return Node("vote", open_ones, value=float(count), span=span)


def compare(op: str, left: Node, right: Node, span: Span) -> Node:
    """A comparison (lt, le, gt, ge, eq, ne) of two terms, in one unit. Raises LanguageError."""
    left, right = alike(left, right)
    if op == "ne":
        return invert(compare("eq", left, right, span), span)
    if left.op == right.op == "const":
        return known(_COMPARE[op](left.value, right.value), span)
    if left.op == "const" and right.op == "age" and op in _MIRROR:
        left, right, op = right, left, _MIRROR[op]
    if left.op == "age" and right.op == "const" and op in _MIRROR:
        older = Node("older", value=right.value, point=left.point, span=span)
        return older if op in ("gt", "ge") else invert(older, span)
    return Node(op, (left, right), span=span)
