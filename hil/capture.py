"""Captures: what was once said on a real line, said again; so that every bug of the field becomes a file and a test.

# line: 9600 8N1                        first line; further lines with # are notes for people
> 03 03 00 03 00 01 75 E8               what the master sent
< 0.012 03 03 02 01 5E 41 EC            what came back and how many seconds after the request; none: silence
< 0.150 03 83 04                        several pieces may come back

with ReplayedLine("/tmp/line", Capture.load("radar.cap")) as line:
    ...                                 # the same requests get the same bytes, in the order of the file, then anew
    assert not line.unknown             # requests that the file does not hold; they get silence
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from hil.codec import Framing
from hil.faults import Emission
from hil.line import VirtualLine
from hil.station import Heard

_LINE = re.compile(r"#\s*line:\s*(\d+) 8([NEO])([12])\s*")


class CaptureError(ValueError):
    """A file that is no capture; the text says which line and what is expected."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the pieces that came back."""

    request: bytes
    pieces: tuple[Emission, ...]


@dataclass(frozen=True, slots=True)
class Capture:
    """A recorded line: its settings and its exchanges in order."""

    baudrate: int
    parity: Literal["N", "E", "O"]
    stopbits: int
    exchanges: tuple[Exchange, ...]

    @classmethod
    def load(cls, path: str | Path) -> Capture:
        """The capture in a file. Raises CaptureError."""
        return cls.parse(Path(path).read_text().splitlines(), str(path))

    @classmethod
    def parse(cls, lines: Iterable[str], name: str = "capture") -> Capture:
        """The capture in lines of text. Raises CaptureError."""
        settings: re.Match[str] | None = None
        exchanges: list[tuple[bytes, list[Emission]]] = []
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if text.startswith("#") or not text:
                settings = settings or _LINE.fullmatch(text)
                continue
            try:
                _take(text, exchanges)
            except (ValueError, IndexError):
                wanted = '"> BYTES", or "< SECONDS BYTES" after one, bytes in hexadecimal'
                raise CaptureError(f"{name}:{number}: got {text!r}, expected {wanted}") from None
        if settings is None:
            raise CaptureError(f'{name}:1: expected "# line: 9600 8N1" with the line\'s settings')
        parity = cast('Literal["N", "E", "O"]', settings[2])
        said = tuple(Exchange(request, tuple(pieces)) for request, pieces in exchanges)
        return cls(int(settings[1]), parity, int(settings[3]), said)


def _take(text: str, exchanges: list[tuple[bytes, list[Emission]]]) -> None:
    mark, *words = text.split()
    if mark == ">" and words:
        exchanges.append((bytes.fromhex("".join(words)), []))
    elif mark == "<" and len(words) > 1:
        exchanges[-1][1].append(Emission(bytes.fromhex("".join(words[1:])), float(words[0])))
    else:
        raise ValueError(text)


class ReplayedLine(VirtualLine):
    """A virtual line on which a capture answers instead of devices."""

    def __init__(self, path: str | Path, capture: Capture, *, timed: bool = True) -> None:
        super().__init__(path, baudrate=capture.baudrate, parity=capture.parity, stopbits=capture.stopbits, timed=timed)
        self.unknown: list[bytes] = []
        self._answers: dict[bytes, list[Exchange]] = defaultdict(list)
        for exchange in capture.exchanges:
            self._answers[exchange.request].append(exchange)

    def answer(self, heard: Heard, frame: bytes, framing: Framing, now_s: float) -> tuple[float, list[Emission]]:
        """The next recorded answer to that very request."""
        del framing, now_s
        self.heard.append(heard)
        answers = self._answers.get(frame)
        if not answers:
            self.unknown.append(frame)
            return 0.0, []
        exchange = answers.pop(0)
        answers.append(exchange)
        return 0.0, list(exchange.pieces)
