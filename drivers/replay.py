"""Says a capture again on a pseudo-terminal: as recorded, spoiled, or not at all; knows bytes and times, no protocol.

A capture is what was once said on a line, and what it must be understood as:

    # Device: Acme gauge 3
    # Line: 9600 8N1                      the only heading that must be there
    # Made: transcribed from the manual, page 12
    > 41 3F 0D                            what was sent
    < 0.012 41 2B 31 0D                   what came back, seconds after the request; none: silence
    < 0.150 0A                            several pieces may come back
    = level 350 mm good                   golden: what one poll of these exchanges gives: point, value, unit, quality
    = relay-* 0 - good                    a pattern is for all points not named before; "-" stands for none

Goldens end a scene, which is one poll; what follows them is the next one. Pieces before a scene's first request are
what the device says on its own, seconds after the piece before; they are said again and again.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import threading
import time
import tty
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

_LINE = re.compile(r"#\s*line:\s*(\d+) ([78])([NEO])([12])\s*", re.IGNORECASE)
_PAUSE_S = 0.004  # after which a request is whole where a longer one begins with the same bytes
_GIVE_UP_S = 0.05  # after which bytes that no recorded request begins with are forgotten


class CaptureError(ValueError):
    """A file that is no capture; the text says which line and what is expected."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that came together, `after_s` seconds after what they answer."""

    after_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """One request and what came back."""

    request: bytes
    pieces: list[Piece]


class Golden(NamedTuple):
    """What a poll must give for the points that the pattern names. `value`: None where no value may be given."""

    pattern: str
    value: float | None
    unit: str
    quality: str  # "good", "over-range" ...


@dataclass(slots=True)
class Scene:
    """What is said during one poll, and what that must give."""

    spoken: list[Piece] = field(default_factory=list)  # by the device on its own
    exchanges: list[Said] = field(default_factory=list)
    goldens: list[Golden] = field(default_factory=list)

    def golden(self, point: str) -> Golden | None:
        """The golden of a point: the first that names it."""
        return next((golden for golden in self.goldens if fnmatch(point, golden.pattern)), None)


@dataclass(frozen=True, slots=True)
class Capture:
    """A recorded line."""

    name: str
    settings: dict[str, Any]  # baudrate, bytesize, parity, stopbits, as in a site's `[bus.x]`
    scenes: tuple[Scene, ...]

    @classmethod
    def load(cls, path: Path) -> Capture:
        """The capture in a file. Raises CaptureError, OSError."""
        return cls.parse(path.read_text(encoding="utf-8").splitlines(), str(path))

    @classmethod
    def parse(cls, lines: Iterable[str], name: str = "capture") -> Capture:
        """The capture in lines of text. Raises CaptureError."""
        settings: re.Match[str] | None = None
        scenes = [Scene()]
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if text.startswith("#") or not text:
                settings = settings or _LINE.fullmatch(text)
                continue
            try:
                _take(text, scenes)
            except (ValueError, IndexError):
                wanted = '"> BYTES", or "< SECONDS BYTES", bytes in hexadecimal, or "= POINT VALUE UNIT QUALITY"'
                raise CaptureError(f"{name}:{number}: got {text!r}, expected {wanted}") from None
        if settings is None:
            raise CaptureError(f'{name}:1: expected a heading "# Line: 9600 8N1" with the line\'s settings')
        keys = {
            "baudrate": int(settings[1]),
            "bytesize": int(settings[2]),
            "parity": settings[3].upper(),
            "stopbits": int(settings[4]),
        }
        return cls(name, keys, tuple(scenes))


def _take(text: str, scenes: list[Scene]) -> None:
    mark, *words = text.split()
    if mark in "<>" and scenes[-1].goldens:
        scenes.append(Scene())
    scene = scenes[-1]
    if mark == ">" and words:
        scene.exchanges.append(Said(bytes.fromhex("".join(words)), []))
    elif mark == "<" and len(words) > 1:
        pieces = scene.exchanges[-1].pieces if scene.exchanges else scene.spoken
        pieces.append(Piece(float(words[0]), bytes.fromhex("".join(words[1:]))))
    elif mark == "=" and len(words) == 4:
        value = None if words[1] == "-" else float(words[1])
        scene.goldens.append(Golden(words[0], value, "" if words[2] == "-" else words[2], words[3].replace("_", "-")))
    else:
        raise ValueError(text)


class Mood(StrEnum):
    """How the line behaves."""

    AS_RECORDED = "as recorded"
    SILENT = "silent"
    GARBAGE = "garbage"  # random bytes instead of each piece, as many
    BIT_TURNED = "a bit turned"  # one bit of each piece is wrong
    CUT = "cut short"  # each piece without its end, and nothing follows
    FOREIGN = "bytes added"  # a piece has bytes of somebody else in its middle


class Replay:
    """A line on which a scene of a capture is said; a client opens `path`. Context manager: nothing is left behind."""

    def __init__(self, path: Path, scene: Scene, mood: Mood = Mood.AS_RECORDED, seed: int = 1) -> None:
        self.path = path
        self.mood = mood
        self.unknown: list[bytes] = []  # what was sent that the scene does not hold; it gets silence
        self.answered = 0
        self._random = random.Random(seed)  # noqa: S311 - nothing to hide
        self.scene = scene  # what is answered; may be another one at any time
        self._due: list[tuple[float, bytes]] = []
        self._turns: dict[bytes, int] = defaultdict(int)  # how often each request was made in the scene

    def __enter__(self) -> Self:
        self._master, self._device = os.openpty()
        tty.setraw(self._device)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._device))
        self._awake, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._wake, b"x")
        self._thread.join()
        self.path.unlink(missing_ok=True)
        for fd in (self._master, self._device, self._awake, self._wake):
            os.close(fd)

    def _run(self) -> None:
        heard = b""
        heard_s = 0.0
        while True:
            now_s = time.monotonic()
            wait_s = min((due_s - now_s for due_s, _ in self._due), default=1.0)
            wait_s = max(0.0, min(wait_s, _PAUSE_S if heard else 0.05))
            ready, _, _ = select.select([self._master, self._awake], [], [], wait_s)
            if self._awake in ready:
                return
            now_s = time.monotonic()
            if self._master in ready:
                with contextlib.suppress(OSError):  # the other end is closing
                    heard += os.read(self._master, 4096)
                heard_s = now_s
            if heard:
                heard = self._take(heard, now_s - heard_s)
            self._emit(now_s)

    def _take(self, heard: bytes, quiet_s: float) -> bytes:
        """Answer what is a request; what remains to be heard."""
        known = [said for said in self.scene.exchanges if said.request.startswith(heard)]
        answers = [said for said in known if said.request == heard]
        if answers and (len(answers) == len(known) or quiet_s >= _PAUSE_S):
            said = answers[self._turns[heard] % len(answers)]
            self._turns[heard] += 1
            self.answered += 1
            now_s = time.monotonic()
            self._due += [(now_s + piece.after_s, piece.data) for piece in said.pieces]
            return b""
        if not known and quiet_s >= _GIVE_UP_S:
            self.unknown.append(heard)
            return b""
        return heard

    def _emit(self, now_s: float) -> None:
        due = [item for item in self._due if item[0] <= now_s]
        self._due = [item for item in self._due if item[0] > now_s]
        for _, data in due:
            with contextlib.suppress(BlockingIOError):  # nobody reads
                os.write(self._master, self._spoiled(data))
        if not self._due:
            for piece in self.scene.spoken:
                now_s += piece.after_s
                self._due.append((now_s, piece.data))

    def _spoiled(self, data: bytes) -> bytes:
        match self.mood:
            case Mood.SILENT:
                return b""
            case Mood.GARBAGE:
                return self._random.randbytes(len(data))
            case Mood.BIT_TURNED:
                bit = self._random.randrange(8 * len(data))
                return bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(data))
            case Mood.CUT:
                return data[: self._random.randrange(len(data))]
            case Mood.FOREIGN:
                at = self._random.randrange(1, len(data) + 1)
                return data[:at] + self._random.randbytes(3) + data[at:]
            case Mood.AS_RECORDED:
                return data
