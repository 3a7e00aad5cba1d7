"""Owns where in a TOML text each key and value stands, which tomllib does not tell. Judges nothing."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(r'''"""(?:[^"\\]|\\[\s\S]|"(?!""))*"{3,5}|\'\'\'[\s\S]*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''')
_PLAIN = re.compile(r"[^,\]\}#\n]*")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\r?\n[ \t\r\n]*|[\s\S])|\r\n|[\s\S]")


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets into the text: of the key, and of the value (which for a table header is the header)."""

    key: int
    value: int


class Places:
    """Keys and values of one TOML document by path; elements of arrays are counted from 0."""

    def __init__(self, text: str) -> None:
        """Scan `text`, which tomllib has accepted."""
        self._text = text
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.spans: Mapping[Path, Span] = _Scan(text).spans

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of an offset."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def key(self, path: Path) -> tuple[int, int]:
        """Line and column of a key, or of the nearest table around it that the text names."""
        span = self._nearest(path)
        return self.at(span.key) if span else (1, 1)

    def inside(self, path: Path, column: int) -> tuple[int, int] | None:
        """Line and column of the character number `column` (from 0) of a string value; None when it is no string."""
        span = self.spans.get(path)
        if span is None or self._text[span.value] not in "\"'":
            return None
        start = span.value
        quote = self._text[start]
        if self._text.startswith(quote * 3, start):
            start += 3
            start += len(re.match(r"(?:\r?\n)?", self._text[start : start + 2])[0])  # type: ignore[index]  # matches nothing too
        else:
            start += 1
        if quote == "'":
            return self.at(min(start + column, len(self._text)))
        for found in _ESCAPE.finditer(self._text, start):
            if column <= 0 and not _folds(found[0]):
                return self.at(found.start())
            column -= 0 if _folds(found[0]) else 1
        return self.at(len(self._text))

    def _nearest(self, path: Path) -> Span | None:
        known: Path = ()
        for part in path:
            if (*known, part) in self.spans:
                known = (*known, part)
            elif not isinstance(part, int):  # one table where an array of tables may stand has no number
                break
        return self.spans.get(known)


def _folds(piece: str) -> bool:
    """Whether a piece of a multi-line string is a backslash at the end of a line, which adds no character."""
    return piece[0] == "\\" and piece[1] in " \t\r\n"


class _Scan:
    """One pass over a valid document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.spans: dict[Path, Span] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables, and how many tables they have
        table: Path = ()
        while self._skip(_GAP) < len(text):
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"no {pattern.pattern} at offset {self._at}")  # the text was not valid TOML
        self._at = found.end()
        return self._at

    def _keys(self) -> list[tuple[str, int]]:
        keys = []
        while True:
            self._skip(_BLANK)
            start = self._at
            raw = self._text[start : self._skip(_KEY)]
            if raw[0] == "'":
                raw = raw[1:-1]
            elif raw[0] == '"':
                raw = tomllib.loads(f"key = {raw}")["key"] if "\\" in raw else raw[1:-1]
            keys.append((raw, start))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _header(self) -> Path:
        start = self._at
        many = self._text.startswith("[[", start)
        self._at += 2 if many else 1
        keys = self._keys()
        self._at += 2 if many else 1
        path: Path = ()
        for number, (key, _) in enumerate(keys):
            path = (*path, key)
            if many and number == len(keys) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            self._mark(path, start, start)
            if number == len(keys) - 1 and not many:
                self.spans[path] = Span(start, start)  # its own header says more than one of a table below it
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self._mark(path, start, start)
        return path

    def _mark(self, path: Path, key: int, value: int) -> None:
        self.spans.setdefault(path, Span(key, value))

    def _pair(self, table: Path) -> None:
        keys = self._keys()
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        path = table
        for key, start in keys:
            path = (*path, key)
            self._mark(path, start, self._at)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._at += 1
            number = 0
            while self._text[self._skip(_GAP)] != "]":
                self._mark((*path, number), self._at, self._at)
                self._value((*path, number))
                number += 1
                if self._text[self._skip(_GAP)] == ",":
                    self._at += 1
            self._at += 1
        elif first == "{":
            self._at += 1
            while self._text[self._skip(_GAP)] != "}":
                self._pair(path)
                if self._text[self._skip(_GAP)] == ",":
                    self._at += 1
            self._at += 1
        else:
            self._skip(_STRING if first in "\"'" else _PLAIN)
