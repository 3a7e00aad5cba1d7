"""Captures of talkers, in the manner of hil.capture, but the station speaks first; nothing here knows a protocol.

# Device, Firmware, Line, Made, Driver, Section, Notes    as in hil.capture; Line is "9600 8N1" or "tcp"
< 0.000 7E 7E 01 ...           what the station says, and how many seconds after what it said before
> 7E 7E 00 .. .. 1B .. ..      what the gateway must answer; ".." is any byte, where it tells the time; none: silence
= stage 2.274 m good           golden, what the device must give after that: point, value, unit, quality
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from hil.capture import CaptureError, Golden

_HEADER = re.compile(r"#\s*(Device|Firmware|Line|Made|Submitter|Date|Driver|Section|Notes)\s*:\s*(.*)")


@dataclass(slots=True)
class Turn:
    """What is said, what must be answered (patterns of bytes, None: any), and what readings follow."""

    after_s: float
    said: bytes
    answers: list[list[int | None]] = field(default_factory=list)
    goldens: list[Golden] = field(default_factory=list)

    @property
    def answer(self) -> list[int | None]:
        """All answers, one after the other."""
        return [byte for answer in self.answers for byte in answer]

    def is_answer(self, data: bytes) -> bool:
        """Whether that is what must be answered."""
        pattern = self.answer
        return len(data) == len(pattern) and all(p in {None, b} for p, b in zip(pattern, data, strict=True))


@dataclass(frozen=True, slots=True)
class Talk:
    """A recorded station."""

    header: dict[str, str]
    turns: list[Turn]

    @classmethod
    def load(cls, path: Path) -> Talk:
        """The talk in a file. Raises CaptureError with file and line."""
        header: dict[str, str] = {}
        turns: list[Turn] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            text = line.strip()
            if found := _HEADER.fullmatch(text):
                key = found[1].lower()
                header[key] = f"{header[key]}\n{found[2]}" if key in header else found[2]
            elif text and not text.startswith("#"):
                try:
                    _take(text, turns)
                except (ValueError, IndexError):
                    raise CaptureError(f"{path}:{number}: got {text!r}, which is no turn of a talk") from None
        return cls(header, turns)


def _take(text: str, turns: list[Turn]) -> None:
    mark, *words = text.split()
    if mark == "<" and len(words) > 1:
        turns.append(Turn(float(words[0]), bytes.fromhex("".join(words[1:]))))
    elif mark == ">" and words:
        turns[-1].answers.append([None if word == ".." else int(word, 16) for word in words])
    elif mark == "=" and len(words) == 4:
        value = None if words[1] == "-" else float(words[1])
        turns[-1].goldens.append(Golden(words[0], value, "" if words[2] == "-" else words[2], words[3]))
    else:
        raise ValueError(text)
