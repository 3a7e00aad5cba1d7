"""Lines of text by pattern: finds the fields of "Acc {acc} {unit:text}, ..." in what an instrument prints. Pure.

Placeholders:
  {name}       a number: sign, digits, decimals, exponent; NAN, INF and nothing at all read as no value or infinity
  {name:4}     a number of exactly 4 digits
  {name:hex}   a hexadecimal number of up to 8 digits
  {name:text}  any text up to what follows
  {*} {?}      any text up to what follows; any one character
  {each}       at the end: the rest is a list, see `each`
A blank stands for one or more. Every placeholder takes what it can and never gives back, so no line takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from drivers import checksums

MAX_LINE = 512  # bytes; what is longer is no line of an instrument

Record = Mapping[str, float | str]  # the fields of one message by name: numbers, and text where a pattern says so

_TOKEN = re.compile(r"\{([^{}]*)\}|( +)|([^{} ]+)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NUMBER = r'[ \t]*"?(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)|(?=[ \t"]*(?:,|;|$)))"?'


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. `check`: "nmea" when lines carry `*hh`; `each`: the pattern of a list's entries."""

    text: str
    matcher: re.Pattern[str]
    kinds: Mapping[str, str]  # field -> "number", "hex" or "text"
    check: str = ""
    each: Self | None = None
    between: str = ","

    @property
    def fields(self) -> dict[str, str]:
        """All fields a record of it has, and their kinds."""
        return {**self.kinds, **(self.each.fields if self.each else {})}

    def records(self, line: str) -> list[Record] | None:
        """The records of a line: one, or one for each entry of its list; None when the line is not of this pattern."""
        if self.check == "nmea":
            body = checksums.nmea_body(line)
            if body is None:
                return None
            line = body
        found = self.matcher.fullmatch(line)
        if found is None:
            return None
        record = self._record(found)
        if self.each is None:
            return [record]
        entries = self._entries(found["each"])
        return None if entries is None else [{**record, **entry} for entry in entries]

    def _entries(self, rest: str) -> list[Record] | None:
        assert self.each is not None  # noqa: S101 - asked only then
        entries: list[Record] = []
        at = 0
        while found := self.each.matcher.match(rest, at):
            entries.append(self.each._record(found))  # noqa: SLF001 - of its own kind
            if found.end() == len(rest):
                return entries
            if not rest.startswith(self.between, found.end()):
                return None
            at = found.end() + len(self.between)
        return None

    def _record(self, found: re.Match[str]) -> Record:
        return {name: _value(found[name], kind) for name, kind in self.kinds.items()}


def _value(text: str, kind: str) -> float | str:
    if kind == "text":
        return text.strip()
    if kind == "hex":
        return float(int(text, 16))
    return float(text.strip(' \t"') or "nan")


def compile_pattern(text: str, *, check: str = "", each: str = "", between: str = ",") -> Pattern:
    """The pattern in `text`. Raises ValueError saying what is wrong with it."""
    parts: list[str] = []
    kinds: dict[str, str] = {}
    tokens = list(_tokens(text))
    listed = False
    for number, (placeholder, literal) in enumerate(tokens):
        if placeholder is None:
            parts.append(r"[ \t]+" if not literal.strip() else re.escape(literal))
            continue
        after = tokens[number + 1] if number + 1 < len(tokens) else (None, "")
        if placeholder == "each":
            if after != (None, ""):
                raise ValueError(f"pattern {text!r}: {{each}} stands at the end")
            listed = True
            parts.append("(?P<each>.*)")
        else:
            parts.append(_matcher(text, placeholder, after, between if not after[1] else "", kinds))
    if listed != bool(each):
        raise ValueError(f'pattern {text!r}: {{each}} and each = "..." go together')
    inner = compile_pattern(each, between=between) if each else None
    return Pattern(text, re.compile("".join(parts), re.IGNORECASE | re.ASCII), kinds, check, inner, between)


def _tokens(text: str) -> Iterable[tuple[str | None, str]]:
    """(placeholder, "") or (None, literal text)."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"pattern {text!r}: a brace without its partner at {text[at:]!r}")
        yield (found[1], "") if found[1] is not None else (None, found[0])
        at = found.end()


def _matcher(pattern: str, placeholder: str, after: tuple[str | None, str], between: str, kinds: dict[str, str]) -> str:
    stop = re.escape((after[1] or between)[:1])
    anything = f"[^{stop}]*" if stop else ".*"
    if placeholder == "?":
        return "."
    if placeholder == "*":
        return f"(?>{anything})"
    name, _, kind = placeholder.partition(":")
    if not _NAME.fullmatch(name):
        raise ValueError(f"pattern {pattern!r}: {{{placeholder}}} is none of {{name}}, {{name:text}}, {{*}} ...")
    if name in kinds:
        raise ValueError(f"pattern {pattern!r}: {{{name}}} stands there twice")
    if kind == "" and after[0] is not None and after[0] != "*":
        raise ValueError(f"pattern {pattern!r}: nothing between {{{placeholder}}} and {{{after[0]}}}; give its digits")
    forms = {"": _NUMBER, "hex": "[0-9a-f]{1,8}", "text": anything}
    if kind not in forms and not re.fullmatch("[1-9][0-9]?", kind):
        raise ValueError(f"pattern {pattern!r}: {kind!r} is no kind of field; there are digits such as 4, hex, text")
    kinds[name] = kind if kind in ("hex", "text") else "number"
    return f"(?P<{name}>(?>{forms.get(kind, rf'[0-9]{{{kind}}}')}))"


class LineFinder:
    """Finds lines of text in a stream of bytes; CR, LF or both end one. What is no line is forgotten, not kept."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._data = bytearray()
        self.unknown = ""  # the last line that fits no pattern

    def feed(self, data: bytes) -> list[Record]:
        """Take what came; the records of all lines that are whole now."""
        self._data += data
        *lines, rest = re.split(rb"[\r\n]+", bytes(self._data))
        self._data = bytearray(rest[: MAX_LINE + 1])  # one that grows too long stays so until it ends
        if len(rest) > MAX_LINE:
            self.unknown = shown(rest)
        found: list[Record] = []
        for line in lines:
            text = line.decode("latin-1").strip("\0 \t")
            if not text:
                continue
            if len(line) > MAX_LINE:
                self.unknown = shown(line)
                continue
            records = next((r for p in self._patterns if (r := p.records(text)) is not None), None)
            if records is None:
                unchecked = text[0] in "$!" and checksums.nmea_body(text) is None
                self.unknown = f"{shown(line)}{' (its checksum is wrong or missing)' if unchecked else ''}"
            else:
                found += records
                self.unknown = ""
        return found

    def clear(self) -> None:
        """Forget a line that has begun: a question was asked, and the answer begins anew."""
        self._data.clear()
        self.unknown = ""

    def why_not(self) -> str:
        """What is wrong with what came so far; "" when nothing came."""
        if self.unknown:
            return f"not a line this map knows: {self.unknown}"
        return f"half a line: {shown(bytes(self._data))}" if self._data else ""


def shown(data: bytes) -> str:
    """The beginning of a line as a technician can read it."""
    text = data[:60].decode("ascii", "backslashreplace")
    return repr(text if len(data) <= 60 else text + "...")
