"""Every number that registers may mean, and which of them a shown value makes plausible. Pure.

A value on a device's display, "1.25 m", is looked for in every type, word order and usual scale. A match tells the
more the sharper the value and the plainer the decoding: that is its score, in bits. Two values at different times
leave hardly anything but the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from drivers.frames import Table
from drivers.registers import Cell
from drivers.words import NumberType, Order, number_of, word_count

ORDERS: tuple[Order, ...] = ("ABCD", "CDAB", "BADC", "DCBA")
_TYPES: tuple[NumberType, ...] = ("u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64")
_CERTAIN_BITS, _GOOD_BITS = 12.0, 7.0
_LEAST_BITS = 3.0  # fewer tell nothing: a 1 that may be 1.25 rounded

# What each choice costs: how seldom devices are made so.
_TYPE_BITS: Mapping[NumberType, float] = {
    "bit": 0, "bits": 0, "u16": 0, "i16": 0.5, "u32": 1, "i32": 1.5, "f32": 1, "u64": 4, "i64": 4.5, "f64": 3,
}  # fmt: skip
_ORDER_BITS: Mapping[Order, float] = {"ABCD": 0, "CDAB": 0.5, "BADC": 3, "DCBA": 2}


class Scale(NamedTuple):
    """value = offset + factor * number (or 65535 minus the number), what it is called, what assuming it costs."""

    factor: float
    bits: float
    offset: float = 0.0
    complement: bool = False
    why: str = ""

    def value(self, number: float) -> float:
        """The value of a number as it came."""
        return self.offset + self.factor * (65535 - number if self.complement else number)


def _decimal(power: int) -> Scale:
    return Scale(10.0**power, 0.0 if power == 0 else 0.5 if -3 <= power < 0 else 1.5)


_DECIMALS = tuple(_decimal(power) for power in range(-6, 4))
_ODD = (
    Scale(0.2, 4, why="in fifths: tips of 0.2 mm"),
    Scale(0.5, 4, why="in halves"),
    Scale(0.05, 4, why="in twentieths"),
    Scale(0.1, 4, -50.0, why="tenths from -50, as some temperatures"),
    Scale(0.1, 4, -40.0, why="tenths from -40, as some temperatures"),
    Scale(0.01, 4, -40.0, why="hundredths from -40, as some temperatures"),
    Scale(180 / 32768, 4, why="32768 is 180 degrees, as WitMotion angles"),
    Scale(360 / 65536, 5, why="65536 is 360 degrees"),
    Scale(16 / 32768, 5, why="32768 is 16 g, as WitMotion accelerations"),
    Scale(1 / 9.80665, 5, why="pressure divided by g, as Zhongda levels"),
    *(Scale(10.0**power, 4, 0.0, complement=True, why="65535 minus the number") for power in range(-3, 1)),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the device shows, and how far off a right decoding may be: half a step of the last digit shown."""

    value: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read a number at one place."""

    table: Table
    address: int
    type: NumberType
    order: Order
    scale: Scale
    value: float = math.nan  # what it gives now
    score: float = 0.0  # bits

    @property
    def key(self) -> tuple[object, ...]:
        """What stays the same from one reading to the next."""
        return self.table, self.address, self.type, self.order, self.scale

    @property
    def word(self) -> str:
        """How plausible it is, in a word."""
        if self.score >= _CERTAIN_BITS:
            return "very likely"
        return "likely" if self.score >= _GOOD_BITS else "possible"


class Place(NamedTuple):
    """One address with every number that begins there; None where a register of it could not be read."""

    table: Table
    address: int
    word: int
    numbers: Mapping[tuple[NumberType, Order], float | None]


def orders_of(kind: NumberType) -> tuple[Order, ...]:
    """The orders that make a difference: a single register can only have its bytes swapped."""
    return ORDERS if word_count(kind) > 1 else ("ABCD", "BADC")


def places(cells: Mapping[Cell, int], table: Table) -> list[Place]:
    """Every decoding side by side, by address."""
    found = []
    for (where, address), word in sorted(cells.items()):
        if where == table:
            numbers = {
                (kind, order): _number(cells, table, address, kind, order)
                for kind in _TYPES
                for order in orders_of(kind)
            }
            found.append(Place(table, address, word, numbers))
    return found


def text_of(cells: Mapping[Cell, int], table: Table) -> list[tuple[int, str]]:
    """Runs of at least four printable bytes in neighbouring registers: (address, text). Names and serial numbers."""
    runs: list[tuple[int, str]] = []
    following: int | None = None
    for (where, address), word in sorted(cells.items()):
        if where != table:
            continue
        both = word.to_bytes(2, "big")
        shown = both.rstrip(b"\0").decode("ascii") if all(32 <= byte < 127 for byte in both.rstrip(b"\0")) else ""
        if not shown:
            following = None
        elif following == address:
            runs[-1] = (runs[-1][0], runs[-1][1] + shown)
            following = address + 1
        else:
            runs.append((address, shown))
            following = address + 1
    return [(address, text) for address, text in runs if len(text) >= 4]


def is_sane(number: float | None) -> bool:
    """Whether a float looks like a measurement rather than like other numbers read as one."""
    return number is not None and (number == 0 or (math.isfinite(number) and 1e-4 <= abs(number) < 1e7))


def candidates(cells: Mapping[Cell, int], expected: Expected) -> list[Candidate]:
    """All decodings that give the expected value, most plausible first."""
    return sorted(_matches(cells, expected), key=lambda one: (-one.score, one.table, one.address))


def confirmed(before: Sequence[Candidate], cells: Mapping[Cell, int], expected: Expected) -> list[Candidate]:
    """Those of `before` that give the expected value in a later reading too, with what both together tell."""
    now = {candidate.key: candidate for candidate in _matches(cells, expected)}
    both = [_joined(old, now[old.key]) for old in before if old.key in now]
    return sorted(both, key=lambda one: (-one.score, one.table, one.address))


def _joined(old: Candidate, new: Candidate) -> Candidate:
    # A value that has not changed tells nothing new; the cost of the decoding is paid once.
    news = 0.0 if new.value == old.value else new.score + _cost(new)
    return replace(new, score=old.score + news)


def _matches(cells: Mapping[Cell, int], expected: Expected) -> Iterator[Candidate]:
    for (table, address), word in cells.items():
        for kind in _TYPES:
            seen: set[float] = set()
            for order in orders_of(kind):
                number = _number(cells, table, address, kind, order)
                # A small positive number is the same in i16 and u16, so it is told of once, as the plainer of them.
                if number is None or not math.isfinite(number) or number in seen or _twin(kind, number):
                    continue
                seen.add(number)
                for scale in _scales(kind):
                    value, tolerance = scale.value(number), _tolerance(kind, scale, expected)
                    if abs(value - expected.value) <= tolerance * (1 + 1e-9):
                        told = Candidate(table, address, kind, order, scale, value)
                        sharp = math.log2(max(abs(expected.value), tolerance) / tolerance) + 1
                        close = 0.5 * (1 - abs(value - expected.value) / tolerance)
                        if sharp >= _LEAST_BITS and not (word == 0 and word_count(kind) == 1):
                            yield replace(told, score=sharp + close - _cost(told))


def _twin(kind: NumberType, number: float) -> bool:
    return kind in {"i16", "i32", "i64"} and number >= 0


def _scales(kind: NumberType) -> Iterable[Scale]:
    if kind in {"f32", "f64"}:
        return (Scale(1.0, 0.0), Scale(0.001, 2), Scale(1000.0, 2), Scale(0.01, 3), Scale(100.0, 3), Scale(0.1, 3))
    return _DECIMALS + _ODD if kind in {"u16", "i16"} else _DECIMALS


def _tolerance(kind: NumberType, scale: Scale, expected: Expected) -> float:
    # A register in whole steps may be half a step off what a finer display shows.
    step = 0.0 if kind in {"f32", "f64"} else abs(scale.factor)
    return max(expected.tolerance, step / 2)


def _cost(candidate: Candidate) -> float:
    return _TYPE_BITS[candidate.type] + _ORDER_BITS[candidate.order] + candidate.scale.bits


def _number(cells: Mapping[Cell, int], table: Table, address: int, kind: NumberType, order: Order) -> float | None:
    words = [cells.get((table, address + i)) for i in range(word_count(kind))]
    known = [word for word in words if word is not None]
    return number_of(known, kind, order) if len(known) == len(words) else None
