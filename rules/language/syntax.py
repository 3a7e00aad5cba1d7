"""Rule texts to parse trees, and in words what stands where it can't. It knows no names, no units and no functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import lark
from lark import Token, Tree

from rules.language.tree import LanguageError, Span, wrong

_SAY = {
    "COMPARE": "a comparison", "SUM": "+ or -", "PRODUCT": "* or /", "_OR": "or", "_AND": "and", "_NOT": "not",
    "NAME": "a point (device.point)", "BARE": "a name", "QUANTITY": "a number with its unit", "FUNCTION": "a function",
    "LPAR": "(", "RPAR": ")", "COMMA": "a comma", "MINUS": "-", "STRING": "a word in quotes", "$END": "the end",
    "EQUAL": "=", "OPTION": "coverage=...",
}  # fmt: skip


@cache
def _parser() -> lark.Lark:
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return lark.Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _expected(names: Sequence[str]) -> str:
    words = sorted({_SAY.get(name, name.lower()) for name in names} - {"coverage=..."})
    return f"expected {', '.join(words)}"


def read(text: str) -> Tree[Token] | Token:
    """The parse tree of a condition. Raises LanguageError with the one place where reading stopped."""
    if not text.strip():
        raise wrong("the condition is empty", Span(0, 1))
    try:
        return _parser().parse(text)
    except lark.UnexpectedCharacters as error:
        raise _unreadable(text, error) from error
    except lark.UnexpectedToken as error:
        at = (error.pos_in_stream or 0) if error.token.type != "$END" else len(text.rstrip())
        got = "the text ends here" if error.token.type == "$END" else f"{str(error.token)!r} is not expected here"
        span = Span(at, max(1, len(str(error.token))))
        raise wrong(f"{got}; {_expected(sorted(error.accepts or error.expected))}", span) from error


def _unreadable(text: str, error: lark.UnexpectedCharacters) -> LanguageError:
    at = error.pos_in_stream or 0
    word = text[at:].split(maxsplit=1)[0]
    hint = {".": "a minus between names needs spaces", "=": "equality is =="}.get(word[0], "")
    return wrong(f"{word!r} is not understood here; {_expected(sorted(error.allowed or ()))}", Span(at, 1), hint)
