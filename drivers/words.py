"""Numbers to and from Modbus words; knows types, byte and word order and safe arithmetic, not devices nor wires."""

from __future__ import annotations

import ast
import math
import operator
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, Literal, Protocol

NumberType = Literal["bit", "bits", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

_FORMATS = {
    "bit": "H", "bits": "H", "u16": "H", "i16": "h",
    "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d",
}  # fmt: skip
_PACKERS = {name: struct.Struct(">" + code) for name, code in _FORMATS.items()}


def word_count(number_type: NumberType) -> int:
    """How many words (for the bit tables: bits) a number takes."""
    return _PACKERS[number_type].size // 2


def number_of(words: Sequence[int], number_type: NumberType, order: Order = "ABCD") -> int | float:
    """The number in `words` (0..65535 each, as they came).

    Orders are written as the bytes of a 32-bit number come over the wire: ABCD big end first, CDAB words swapped,
    BADC bytes swapped within words, DCBA little end first. 64-bit numbers swap likewise; 16-bit ones only in bytes.
    """
    data = struct.pack(f">{len(words)}H", *(reversed(words) if order in ("CDAB", "DCBA") else words))
    number: int | float = _PACKERS[number_type].unpack(_swap_bytes(data) if order in ("BADC", "DCBA") else data)[0]
    return number


def words_of(number: float, number_type: NumberType, order: Order = "ABCD") -> list[int]:
    """The words of a number, the inverse of `number_of`. Raises ValueError when it doesn't fit the type."""
    packer = _PACKERS[number_type]
    try:
        data = packer.pack(number if number_type in ("f32", "f64") else _whole(number))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{number!r} does not fit {number_type}: {error}") from None
    if order in ("BADC", "DCBA"):
        data = _swap_bytes(data)
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words[::-1] if order in ("CDAB", "DCBA") else words


def _whole(number: float) -> int:
    if not math.isfinite(number):
        raise OverflowError("only f32 and f64 hold infinity and NaN")
    return round(number)


def _swap_bytes(data: bytes) -> bytes:
    swapped = bytearray(data)
    swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
    return bytes(swapped)


# --- formulas of register maps ------------------------------------------------------------------------------------

_Part = Callable[[Mapping[str, float]], float]
_NONE: Mapping[str, float] = MappingProxyType({})
_SIGNS = "+ - * / // % ** & | ^ << >>"


class Formula(Protocol):
    """What `compile_formula` gives: the number as it came, and the variables that it names."""

    def __call__(self, raw: float, others: Mapping[str, float] = ..., /) -> float:
        """The value. Raises ArithmeticError or TypeError (bits of a number that is not whole) when there is none."""
        ...


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_MAX_EXPONENT = 8
_MAX_LENGTH = 400


def compile_formula(text: str, constants: Mapping[str, float] = _NONE, variables: Collection[str] = ()) -> Formula:
    """A function of `raw` from text such as "65535 - raw" or "k * (raw ** 2 - f0 ** 2) + c * (t - t0)".

    Only numbers, `raw`, names of `constants`, names of `variables` (given with each call), + - * / // % ** & | ^ << >>
    and brackets; exponents and shifts to the left are small numbers, so that no map can make a poll take long.
    Raises ValueError naming what is not allowed.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"decode = {text[:40]!r}...: {len(text)} characters, at most {_MAX_LENGTH} are allowed")
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"decode = {text!r} is not an expression: {error.msg}") from None
    part = _compile(tree.body, text, constants, frozenset(variables) | {"raw"})
    return lambda raw, others=_NONE: part({**others, "raw": raw})


def _compile(node: ast.AST, text: str, constants: Mapping[str, float], variables: AbstractSet[str]) -> _Part:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return lambda _known: number
        case ast.Name(id=name) if name in variables:
            return lambda known: known[name]
        case ast.Name(id=name) if name in constants:
            constant = constants[name]
            return lambda _known: constant
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            negate, inner = _UNARY[type(op)], _compile(operand, text, constants, variables)
            return lambda known: negate(inner(known))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            if isinstance(op, ast.Pow | ast.LShift) and not _is_small(right):
                raise ValueError(f"decode = {text!r}: exponents and shifts must be numbers from 0 to {_MAX_EXPONENT}")
            if isinstance(op, ast.Pow) and any(isinstance(part, ast.Pow) for part in ast.walk(left)):
                raise ValueError(f"decode = {text!r}: no power of a power; write one exponent")
            combine = _BINARY[type(op)]
            first, second = (_compile(side, text, constants, variables) for side in (left, right))
            return lambda known: combine(first(known), second(known))
        case _:
            part = ast.unparse(node)
            names = ", ".join(sorted({*variables, *constants}))
            raise ValueError(f"decode = {text!r}: {part!r} is not allowed; use {names}, numbers, {_SIGNS}")


def _is_small(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and 0 <= node.value <= _MAX_EXPONENT
