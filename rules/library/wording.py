"""Conditions of models in plain words, Chinese and English, as nested points of a list. It judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lark import Token, Tree

from rules.language.syntax import read
from rules.library.modelfile import Model

_COMPARE = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠", "<": "<", ">": ">", "-": "−", "*": "×", "/": "/", "+": "+"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "avg": {"zh": "{0}的 {1} 平均值", "en": "mean of {0} over {1}"},
    "min": {"zh": "{0}在 {1} 内的最小值", "en": "least value of {0} within {1}"},
    "max": {"zh": "{0}在 {1} 内的最大值", "en": "largest value of {0} within {1}"},
    "median": {"zh": "{0}的 {1} 中位数", "en": "median of {0} over {1}"},
    "stddev": {"zh": "{0}在 {1} 内的标准差", "en": "standard deviation of {0} over {1}"},
    "last": {"zh": "{1} 之前的{0}", "en": "{0} {1} ago"},
    "change": {"zh": "{0}在 {1} 内的变化", "en": "change of {0} in {1}"},
    "rise": {"zh": "{0}在 {1} 内的上升", "en": "rise of {0} within {1}"},
    "fall": {"zh": "{0}在 {1} 内的下降", "en": "fall of {0} within {1}"},
    "rate": {"zh": "{0}在 {1} 内的变化速率", "en": "rate of {0} over {1}"},
    "increase": {"zh": "{0}的 {1} 累计量", "en": "amount of {0} in {1}"},
    "decayed": {"zh": "{0}按半衰期 {1} 衰减的累计量", "en": "amount of {0}, fading by half in {1}"},
    "share": {"zh": "最近 {1} 内满足“{0}”的时间占比", "en": "share of the last {1} in which {0}"},
    "held": {"zh": "连续 {1} 满足“{0}”", "en": "for {1} without a break, {0}"},
    "within": {"zh": "最近 {1} 内出现过“{0}”", "en": "at some time in the last {1}, {0}"},
    "streak": {"zh": "连续 {1} 个 {2} 都出现“{0}”", "en": "in each of {1} times {2} in a row, {0}"},
    "forecast": {"zh": "按 {1} 趋势推算 {2} 后的{0}", "en": "{0} in {2}, by its line over {1}"},
    "time_to": {"zh": "按 {2} 趋势，{0}到达 {1} 的剩余时间", "en": "time until {0} meets {1}, by its line over {2}"},
    "time_to_failure": {"zh": "按 {1} 内反速度推算的{0}失稳时间", "en": "time to failure of {0} by its speed over {1}"},
    "fit": {"zh": "{0}在 {1} 内反速度的拟合优度", "en": "fit of the inverse velocity of {0} over {1}"},
    "baseline": {"zh": "{0}的基准值", "en": "baseline of {0}"},
    "lookup": {"zh": "曲线 {0} 在{1}处的限值", "en": "limit {0} at the {1}"},
    "compensated": {"zh": "扣除{1}影响（系数 {2}）的{0}", "en": "{0} freed from {1} by {2}"},
    "good": {"zh": "{0}有效", "en": "{0} is good"},
    "age": {"zh": "{0}距最近一次有效读数的时间", "en": "time since the last good {0}"},
    "over_range": {"zh": "{0}超量程", "en": "{0} is over range"},
    "state": {"zh": "{0}的状态", "en": "state of {0}"},
}  # fmt: skip
_JOINTS: Mapping[str, Mapping[str, str]] = {
    "any": {"zh": "以下任一项", "en": "any of"},
    "all": {"zh": "以下全部", "en": "all of"},
    "vote": {"zh": "以下至少 {0} 项", "en": "at least {0} of"},
    "not": {"zh": "并非", "en": "not"},
    "each-any": {"zh": "{0}中任一个", "en": "one of the {0}"},
    "each-all": {"zh": "{0}中每一个", "en": "every one of the {0}"},
    "each-vote": {"zh": "{0}，每一个各算一项", "en": "each of the {0}, counted one by one"},
    "or": {"zh": "或", "en": " or "},
    "and": {"zh": "且", "en": " and "},
}


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the list: its words, and the points below it."""

    text: str
    below: tuple[Point, ...] = ()


def points_of(condition: str, model: Model, language: str) -> Point:
    """A condition of the model's in words."""
    return _Speaker(model, language).point(read(condition))


def lines_of(point: Point, depth: int = 0) -> Iterator[str]:
    """A Markdown list; a single point below another stands beside it."""
    text, under = point.text, point.below
    while len(under) == 1:
        text, under = f"{text}{'' if text.endswith('：') else ' '}{under[0].text}", under[0].below
    yield f"{'  ' * depth}- {text}"
    for below in under:
        yield from lines_of(below, depth + 1)


class _Speaker:
    """Says the parts of a condition in one language."""

    def __init__(self, model: Model, language: str) -> None:
        self.model, self.language = model, language
        self.colon = {"zh": "：", "en": ":"}[language]

    def joint(self, key: str, *values: str) -> str:
        return _JOINTS[key][self.language].format(*values)

    def point(self, tree: Tree[Token] | Token, group: str = "any") -> Point:
        """A condition; `group` is what it stands in, which tells how `each` counts."""
        if isinstance(tree, Token):
            return Point(str(tree))
        name = self.function(tree)
        if tree.data in ("disjunction", "conjunction") or name in ("any", "all", "vote"):
            key = name or {"disjunction": "any", "conjunction": "all"}[tree.data]
            parts = tree.children[1:] if name else tree.children
            count = self.say(parts[0]) if name == "vote" else ""
            return self.grouped(key, count, parts[1:] if name == "vote" else parts)
        if name == "each":
            below = self.point(tree.children[2])
            return Point(f"{self.joint(f'each-{group}', self.say(tree.children[1]))}{self.colon}", (below,))
        if tree.data == "invert":
            return Point(f"{self.joint('not')}{self.colon}", (self.point(tree.children[0]),))
        return Point(self.say(tree))

    def grouped(self, key: str, count: str, parts: Sequence[Tree[Token] | Token]) -> Point:
        below = tuple(self.point(part, key) for part in parts)
        return below[0] if len(below) == 1 else Point(f"{self.joint(key, count)}{self.colon}", below)

    def function(self, tree: Tree[Token] | Token) -> str:
        return str(tree.children[0]) if isinstance(tree, Tree) and tree.data == "call" else ""

    def say(self, tree: Tree[Token] | Token) -> str:
        """A number, or a condition within a sentence."""
        if isinstance(tree, Token):
            return _COMPARE.get(str(tree), str(tree))
        match tree.data:
            case "call":
                return self.called(tree)
            case "bare":
                name = str(tree.children[0])
                return self.input(name) if name in self.model.inputs else f"`{name}`"
            case "disjunction" | "conjunction":
                joint = self.joint("or" if tree.data == "disjunction" else "and")
                return joint.join(self.say(child) for child in tree.children)
            case "negative":
                return f"−{self.say(tree.children[0])}"
            case "invert":
                return f"{self.joint('not')} {self.say(tree.children[0])}"
            case "product":
                return " ".join(self.bracketed(child) for child in tree.children)
        return " ".join(self.say(child) for child in tree.children)

    def input(self, name: str) -> str:
        """Its title, without what stands behind a comma or in brackets: in a sentence that is too much."""
        return re.split("[,，（(]", self.model.inputs[name].title[self.language])[0]

    def bracketed(self, tree: Tree[Token] | Token) -> str:
        said = self.say(tree)
        return f"({said})" if isinstance(tree, Tree) and tree.data == "sum" else said

    def called(self, tree: Tree[Token]) -> str:
        name = self.function(tree)
        given = [child for child in tree.children[1:] if not (isinstance(child, Tree) and child.data == "option")]
        if name in ("any", "all", "vote"):
            joint = self.joint("or" if name == "any" else "and")
            return joint.join(self.say(child) for child in given)
        if name == "each":
            return f"{self.joint('each-any', self.say(given[0]))} {self.say(given[1])}"
        return _WORDS[name][self.language].format(*(self.say(child) for child in given))
