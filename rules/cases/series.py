"""Owns the text of a scenario's series, such as "2.1 2.2x5 _ bad 2.3+0.05x20": tokens to slots. Judges nothing.

Every token stands for one slot of the case's interval, `x20` for twenty of them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from rules.units import UnitError, quantity

READING, NOTHING, STALE, BAD, OVER = "reading", "_", "stale", "bad", "over"
REBOOT, CLOCK, REZERO = "@reboot", "@clock", "@rezero"
WORDS = (NOTHING, STALE, BAD, OVER, REBOOT, REZERO)  # tokens that are one word
LONGEST = 2_000_000  # slots: four years of minutes; more is a slip of the finger

_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_VALUES = re.compile(rf"({_NUMBER})(?:([+-]\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)?x(\d+))?")
_RAMP = re.compile(rf"{_NUMBER}[+-]\d[\d.eE]*")
_REPEATED = re.compile(r"(.+)x(\d+)")


class Slot(NamedTuple):
    """What one interval holds: a reading with its value in the point's unit, or one of the words above."""

    what: str
    value: float = 0.0  # READING, OVER: of the reading; REZERO: taken as zero; CLOCK: seconds that the wall clock jumps


class Mistake(NamedTuple):
    """One token that is not understood; `column` counts from 0 within the text."""

    column: int
    message: str
    hint: str = ""


class SeriesError(ValueError):
    """Everything wrong with one series."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(f"column {m.column}: {m.message}" for m in mistakes))
        self.mistakes = tuple(mistakes)


def parse_series(text: str, states: Mapping[str, int] | None = None, high: float | None = None) -> list[Slot]:
    """The slots of a series; `states` are words that stand for numbers, `high` is the most that the point can measure.

    Raises SeriesError with every mistake.
    """
    slots: list[Slot] = []
    mistakes: list[Mistake] = []
    last: float | None = None  # the newest number, which `over` and `@rezero` refer to
    for token in re.finditer(r"\S+", text):
        try:
            slot, step, count = _run(token[0], states or {}, LONGEST - len(slots))
            if slot.what in (OVER, REZERO):
                slot = Slot(slot.what, _referred(slot.what, last, high))
            slots += _spread(slot, step, count)
            if slot.what == READING:
                last = slots[-1].value
        except _Wrong as wrong:
            mistakes.append(Mistake(token.start(), wrong.message, wrong.hint))
    if mistakes:
        raise SeriesError(mistakes)
    if not slots:
        raise SeriesError([Mistake(0, 'got nothing, expected tokens such as "2.1 2.2x5 _ bad"')])
    return slots


def format_series(slots: Sequence[Slot]) -> str:
    """The shortest usual text of slots; parsing it gives the same slots again."""
    tokens, at = [], 0
    while at < len(slots):
        slot = slots[at]
        if slot.what == READING:
            step, count = _longest_ramp(slots, at)
            tokens.append(_plain(slot.value) + (f"{step}x{count}" if count > 1 else ""))
        elif slot.what == CLOCK:
            tokens.append(f"@clock{slot.value:+.12g}s")
            count = 1
        else:
            count = 1 if slot.what == REZERO else _equal(slots, at)
            tokens.append(slot.what + (f"x{count}" if count > 1 else ""))
        at += count
    return " ".join(tokens)


# --- tokens to slots -----------------------------------------------------------------------------------------------


class _Wrong(Exception):  # noqa: N818 - caught in this module
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def _run(token: str, states: Mapping[str, int], room: int) -> tuple[Slot, Decimal, int]:
    """(first slot, step, count) of a token; the count is at most `room`."""
    none = Decimal(0)
    if token in states:
        return Slot(READING, float(states[token])), none, 1
    if found := _VALUES.fullmatch(token):
        if not math.isfinite(float(found[1])):
            raise _Wrong(f"got {found[1]}, which is too large")
        return Slot(READING, float(found[1])), Decimal(found[2] or 0), _count(found[3], room)
    if token.startswith(CLOCK):
        return Slot(CLOCK, _jump(token)), none, 1
    if _RAMP.fullmatch(token):
        raise _Wrong(f"got {token}, expected a ramp with its count", f"write {token}x10 for ten readings")
    repeated = _REPEATED.fullmatch(token)
    word, count = (repeated[1], _count(repeated[2], room)) if repeated else (token, 1)
    if word in states:
        return Slot(READING, float(states[word])), none, count
    if word in WORDS and (word != REZERO or count == 1):
        return Slot(word), none, count
    raise _unknown(token, word, states)


def _referred(what: str, last: float | None, high: float | None) -> float:
    """The value of `over`, at or above what the point measures, and of `@rezero`, the newest number."""
    known = [value for value in (last, high if what == OVER else None) if value is not None]
    if what == REZERO and last is not None:
        return last
    if not known:
        raise _Wrong(f"got {what} before any number, expected a number that it can refer to")
    return max(known)


def _unknown(token: str, word: str, states: Mapping[str, int]) -> _Wrong:
    told = "a number, 92x10, 2.1+0.05x20, _, stale, bad, over, @reboot, @clock+1h or @rezero"
    if states:
        told += f", or one of the point's states {', '.join(states)}"
    if re.fullmatch(r"[+-]?\.\d+.*", word):
        return _Wrong(f"got {token}, expected {told}", f"did you mean {word.replace('.', '0.', 1)}?")
    if re.fullmatch(rf"{_NUMBER}[^\dx+-]+", word):
        return _Wrong(f"got {token}, expected {told}", "values are in the point's unit, which is not written here")
    near = difflib.get_close_matches(word, [*WORDS, "@clock+1h", *states], n=1, cutoff=0.5)
    return _Wrong(f"got {token}, expected {told}", f"did you mean {near[0]}?" if near else "")


def _count(text: str | None, room: int) -> int:
    count = 1 if text is None else int(text)
    if not 1 <= count <= room:
        raise _Wrong(f"got x{text}, expected a count from 1 on; a series has at most {LONGEST} slots")
    return count


def _jump(token: str) -> float:
    text = token.removeprefix(CLOCK)
    message = f"got {token}, expected a jump of the wall clock such as @clock+1h or @clock-30min"
    if text[:1] not in ("+", "-"):
        raise _Wrong(message)
    try:
        return quantity(text, "s")
    except UnitError:
        raise _Wrong(message) from None


def _spread(slot: Slot, step: Decimal, count: int) -> list[Slot]:
    if not step:
        return [slot] * count
    first = Decimal(repr(slot.value))  # so that 2.1+0.05x3 ends at 2.2, not at 2.2000000000000002
    return [Slot(READING, float(first + k * step)) for k in range(count)]


# --- slots to tokens -----------------------------------------------------------------------------------------------


def _plain(value: float) -> str:
    text = repr(value)
    return text.removesuffix(".0")


def _equal(slots: Sequence[Slot], at: int) -> int:
    end = at + 1
    while end < len(slots) and slots[end] == slots[at]:
        end += 1
    return end - at


def _longest_ramp(slots: Sequence[Slot], at: int) -> tuple[str, int]:
    """(step as text, "" for none; count) of the readings from `at` on that one token can say."""
    same = _equal(slots, at)
    if same > 1 or at + 2 >= len(slots) or slots[at + 1].what != READING:
        return "", same
    first = Decimal(repr(slots[at].value))
    step = Decimal(repr(slots[at + 1].value)) - first
    count = 2
    while at + count < len(slots) and slots[at + count] == Slot(READING, float(first + count * step)):
        count += 1
    return (f"{step:+}".replace("E", "e"), count) if count > 2 else ("", 1)
