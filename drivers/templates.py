"""Binary frames by template: "{address:u8} 04 09 5A444A43 {type:u8} {value:f32} {crc16}". Pure.

Hexadecimal bytes stand for themselves. Placeholders:
  {name:u8}              a number: u8 i8 u16 i16 u32 i32 u64 i64 f32 f64, big end first;
                         {name:f32:CDAB} in another order (see `drivers.words`)
  {name:hex8}            8 bytes as they are
  {name:bcd3}            3 bytes of binary coded decimals as a number
  {now:bcd6}             in requests: local year, month, day, hour, minute, second
  {*3}                   3 bytes that may be anything
  {^}                    here begins what the checksum covers; at the frame's first byte otherwise
  {crc16} {xor} ...      a checksum, see `drivers.checksums.CHECKS`
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivers.checksums import CHECKS
from drivers.patterns import Record
from drivers.words import number_of, words_of

MAX_FRAME = 512
Parameters = Mapping[str, int | str]

_TOKEN = re.compile(r"\{([^{}]*)\}|([0-9A-Fa-f]{2})|\s+")
_BYTES = {"u8": "B", "i8": "b"}
_WORDS = ("u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64")
_SIZES = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4, "f32": 4, "u64": 8, "i64": 8, "f64": 8}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a frame: `kind` is "literal", "any", "check", or the type of a field."""

    kind: str
    size: int
    name: str = ""
    order: str = "ABCD"
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template; every frame of it has `size` bytes."""

    text: str
    pieces: tuple[Piece, ...]
    size: int
    covered_from: int

    @property
    def fields(self) -> dict[str, str]:
        """Fields and their kinds: "integer", "number" or "text"."""
        return {p.name: _kind_of(p.kind) for p in self.pieces if p.name and p.kind != "check"}

    @property
    def is_sure(self) -> bool:
        """Whether a frame can be told from noise: by a checksum, or by three bytes that are always the same."""
        return any(p.kind == "check" for p in self.pieces) or sum(len(p.data) for p in self.pieces) >= 3

    def render(self, parameters: Parameters) -> bytes:
        """A request. Raises ValueError for a parameter that is missing or does not fit."""
        frame = bytearray()
        for piece in self.pieces:
            if piece.kind == "check":
                frame += CHECKS[piece.name].compute(bytes(frame[self.covered_from :]))
            elif piece.name:
                frame += _encoded(piece, _now() if piece.name == "now" else parameters.get(piece.name))
            else:
                frame += piece.data or bytes(piece.size)
        return bytes(frame)

    def fits(self, data: bytes, known: Parameters) -> tuple[bool, bool]:
        """(whether `data`, a frame or its beginning, is as the template says; whether its checksum is wrong)."""
        at = 0
        for piece in self.pieces:
            part = data[at : at + piece.size]
            if piece.kind == "literal" and part != piece.data[: len(part)]:
                return False, False
            if len(part) < piece.size:
                return True, False
            if piece.name in known and _encoded(piece, known[piece.name]) != part:
                return False, False
            if piece.kind == "check" and part != CHECKS[piece.name].compute(data[self.covered_from : at]):
                return False, True
            at += piece.size
        return True, False

    def record(self, frame: bytes) -> Record:
        """The fields of a whole frame."""
        record: dict[str, float | str] = {}
        at = 0
        for piece in self.pieces:
            if piece.name and piece.kind != "check":
                record[piece.name] = _decoded(piece, frame[at : at + piece.size])
            at += piece.size
        return record


def compile_template(text: str) -> Template:
    """The template in `text`. Raises ValueError saying what is wrong with it."""
    pieces: list[Piece] = []
    covered_from = at = size = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"template {text!r}: expected two hexadecimal digits or {{...}} at {text[at:]!r}")
        at = found.end()
        if found[2]:
            pieces.append(Piece("literal", 1, data=bytes.fromhex(found[2])))
        elif found[1] == "^":
            covered_from = size
        elif found[1] is not None:
            pieces.append(_piece(text, found[1]))
        size = sum(piece.size for piece in pieces)
    if not 0 < size <= MAX_FRAME:
        raise ValueError(f"template {text!r}: {size} bytes, 1 to {MAX_FRAME} are possible")
    names = [piece.name for piece in pieces if piece.name]
    if len(names) != len(set(names)):
        raise ValueError(f"template {text!r}: a field stands there twice")
    return Template(text, tuple(pieces), size, covered_from)


def _piece(text: str, placeholder: str) -> Piece:
    if placeholder in CHECKS:
        return Piece("check", CHECKS[placeholder].size, placeholder)
    if re.fullmatch(r"\*\d{1,3}", placeholder):
        return Piece("any", int(placeholder[1:]))
    name, _, kind = placeholder.partition(":")
    kind, _, order = kind.partition(":")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or order not in ("", "ABCD", "CDAB", "BADC", "DCBA"):
        raise ValueError(f"template {text!r}: {{{placeholder}}} is neither {{name:type}} nor {{*n}} nor a checksum")
    if kind in _SIZES:
        return Piece(kind, _SIZES[kind], name, order or "ABCD")
    if found := re.fullmatch(r"(hex|bcd)(\d{1,2})", kind):
        return Piece(found[1], int(found[2]), name)
    types = ", ".join([*_SIZES, "hex8", "bcd3", *(f"{{{check}}}" for check in CHECKS)])
    raise ValueError(f"template {text!r}: {{{placeholder}}} has no type; there are {types}")


def _kind_of(kind: str) -> str:
    # "integer" only where every value is one that 64 bits with a sign hold.
    return {"hex": "text", "f32": "number", "f64": "number", "u64": "number", "bcd": "number"}.get(kind, "integer")


def _decoded(piece: Piece, part: bytes) -> float | str:
    if piece.kind == "hex":
        return part.hex()
    if piece.kind == "bcd":
        digits = part.hex()
        return float(digits) if digits.isdecimal() else float("nan")
    if piece.kind in _BYTES:
        return float(struct.unpack(_BYTES[piece.kind], part)[0])
    words = struct.unpack(f">{len(part) // 2}H", part)
    return float(number_of(words, piece.kind, piece.order))  # type: ignore[arg-type] # checked when it was compiled


def _encoded(piece: Piece, value: float | str | None) -> bytes:
    if value is None:
        raise ValueError(f"{piece.name} is missing")
    try:
        if piece.kind in ("hex", "bcd"):
            data = bytes.fromhex(str(value).zfill(2 * piece.size) if piece.kind == "bcd" else str(value))
        elif piece.kind in _BYTES:
            data = struct.pack(_BYTES[piece.kind], int(value))
        else:
            words = words_of(float(value), piece.kind, piece.order)  # type: ignore[arg-type] # as above
            data = struct.pack(f">{len(words)}H", *words)
    except (ValueError, struct.error) as error:
        raise ValueError(f"{piece.name} = {value!r} does not fit {piece.kind}: {error}") from None
    if len(data) != piece.size:
        raise ValueError(f"{piece.name} = {value!r} has {len(data)} bytes, {piece.size} are right")
    return data


def _now() -> str:
    # Some instruments want to be told the time with each question; it is theirs to show, never ours to judge by.
    return time.strftime("%y%m%d%H%M%S")


class FrameFinder:
    """Finds frames in a stream of bytes; bytes that belong to none are passed over."""

    def __init__(self, templates: Iterable[Template], known: Parameters) -> None:
        """`known`: fields that must have these values, such as the address."""
        self._templates = tuple(templates)
        self._known = dict(known)
        self._data = bytearray()
        self._passed = bytearray()
        self._checks_failed = 0

    def feed(self, data: bytes) -> list[Record]:
        """Take what came; the records of all frames that are whole now."""
        self._data += data
        found: list[Record] = []
        while self._data:
            waiting = False
            for template in self._templates:
                head = bytes(self._data[: template.size])
                fits, check_failed = template.fits(head, self._known)
                self._checks_failed += check_failed
                if fits and len(head) == template.size:
                    found.append(template.record(head))
                    del self._data[: template.size]
                    self._passed.clear()
                    self._checks_failed = 0
                    break
                waiting = waiting or fits
            else:
                if waiting:
                    return found
                self._passed = (self._passed + self._data[:1])[-MAX_FRAME:]
                del self._data[:1]
        return found

    def clear(self) -> None:
        """Forget a frame that has begun."""
        self._data.clear()
        self._passed.clear()
        self._checks_failed = 0

    def why_not(self) -> str:
        """What is wrong with what came so far; "" when nothing came."""
        if self._checks_failed:
            return "checksum wrong"
        seen = bytes(self._passed + self._data)
        if not seen:
            return ""
        return f"{'half a frame' if self._data else 'no frame this map knows'}: {seen[:24].hex(' ')}"
