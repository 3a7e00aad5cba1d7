"""Captures: what was once said on a real line, said again; so that every bug of the field becomes a file and a test.

# Device: Keller PR-36XW          header: Device, Firmware, Line, Made, Submitter, Date, Driver, Section, Notes
# Line: 9600 8N1                  needed: the line's settings, or "tcp"; further lines with # are notes for people
# Made: by hil.devices.water.KellerPressure, or from which hardware, or transcribed from which document
# Section: map = "keller-30"      the device's table in a site file, as TOML, without its bus
> 03 03 00 03 00 01 75 E8         what the master sent
< 0.012 03 03 02 01 5E 41 EC      what came back and how many seconds after the request; none: silence
< 0.150 03 83 04                  several pieces may come back
= level 350 mm good               golden, what one poll of these exchanges must give: point, value, unit, quality
= relay-* 0 - good                a pattern is for all points not named before; "-" stands for none

With "tcp" a frame is unit id and PDU, without the header that changes with every transaction.

with ReplayedLine("/tmp/line", Capture.load("radar.cap")) as line:
    ...                                   # the same requests get the same bytes, in the order of the file, then anew
    assert not line.unknown               # requests that the file does not hold; they get silence
    line.scene(1)                         # from now on only the exchanges of the second poll (those before its goldens)

In a scene, a read that was not recorded as such is answered from the registers that were: captures outlive the way in
which a driver divides its reads.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, NamedTuple, cast

from hil.codec import ILLEGAL_ADDRESS, RTU, FrameError, Framing, ModbusFault, Request
from hil.devices.base import Device
from hil.faults import Emission
from hil.line import VirtualLine
from hil.station import Heard
from hil.tcp import VirtualTcp

_LINE = re.compile(r"(\d+) ([78])([NEO])([12])|tcp")
_HEADER = re.compile(r"#\s*(Device|Firmware|Line|Made|Submitter|Date|Driver|Section|Notes)\s*:\s*(.*)", re.IGNORECASE)


class CaptureError(ValueError):
    """A file that is no capture; the text says which line and what is expected."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the pieces that came back."""

    request: bytes
    pieces: tuple[Emission, ...]


class Golden(NamedTuple):
    """What a poll must give for the points that the pattern names. `value`: None where no value may be given."""

    pattern: str
    value: float | None
    unit: str
    quality: str

    def fits(self, point: str) -> bool:
        """Whether it is about this point."""
        return fnmatch(point, self.pattern)


@dataclass(frozen=True, slots=True)
class Scene:
    """The exchanges of one poll, and what it must give."""

    exchanges: tuple[Exchange, ...]
    goldens: tuple[Golden, ...]

    def golden(self, point: str) -> Golden | None:
        """The golden of a point: the first that names it."""
        return next((golden for golden in self.goldens if golden.fits(point)), None)


@dataclass(frozen=True, slots=True)
class Capture:
    """A recorded line: its settings and its exchanges in order. `header`: by small word, several lines joined."""

    baudrate: int  # 0: TCP
    parity: Literal["N", "E", "O"]
    stopbits: int
    exchanges: tuple[Exchange, ...]
    bytesize: int = 8
    scenes: tuple[Scene, ...] = ()
    header: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Capture:
        """The capture in a file. Raises CaptureError."""
        return cls.parse(Path(path).read_text(encoding="utf-8").splitlines(), str(path))

    @classmethod
    def parse(cls, lines: Iterable[str], name: str = "capture") -> Capture:
        """The capture in lines of text. Raises CaptureError."""
        header: dict[str, str] = {}
        text = _Text()
        for number, line in enumerate(lines, start=1):
            words = line.strip()
            if found := _HEADER.fullmatch(words):
                key = found[1].lower()
                header[key] = f"{header[key]}\n{found[2]}" if key in header else found[2]
            elif words and not words.startswith("#"):
                try:
                    text.take(words)
                except (ValueError, IndexError):
                    wanted = (
                        '"> BYTES", "< SECONDS BYTES" after one, bytes in hexadecimal, or "= POINT VALUE UNIT QUALITY"'
                    )
                    raise CaptureError(f"{name}:{number}: got {words!r}, expected {wanted}") from None
        settings = _LINE.fullmatch(header.get("line", ""))
        if settings is None:
            raise CaptureError(f'{name}:1: expected "# Line: 9600 8N1" with the line\'s settings, or "# Line: tcp"')
        baudrate, bytesize, parity, stopbits = (settings[1] or "0", settings[2] or "8", settings[3], settings[4] or "1")
        scenes = text.scenes()
        return cls(
            int(baudrate),
            cast('Literal["N", "E", "O"]', parity or "N"),
            int(stopbits),
            tuple(exchange for scene in scenes for exchange in scene.exchanges),
            int(bytesize),
            scenes,
            header,
        )


class _Text:
    """The lines below the header, scene by scene: goldens end one."""

    def __init__(self) -> None:
        self._done: list[Scene] = []
        self._exchanges: list[tuple[bytes, list[Emission]]] = []
        self._goldens: list[Golden] = []

    def take(self, text: str) -> None:
        """One line. Raises ValueError or IndexError when it is none."""
        mark, *words = text.split()
        if mark == ">" and words:
            if self._goldens:
                self._end()
            self._exchanges.append((bytes.fromhex("".join(words)), []))
        elif mark == "<" and len(words) > 1 and not self._goldens:
            self._exchanges[-1][1].append(Emission(bytes.fromhex("".join(words[1:])), float(words[0])))
        elif mark == "=" and len(words) == 4:
            value = None if words[1] == "-" else float(words[1])
            self._goldens.append(Golden(words[0], value, "" if words[2] == "-" else words[2], words[3]))
        else:
            raise ValueError(text)

    def scenes(self) -> tuple[Scene, ...]:
        """All of them, the last one ended."""
        if self._exchanges or self._goldens:
            self._end()
        return tuple(self._done)

    def _end(self) -> None:
        exchanges = tuple(Exchange(request, tuple(pieces)) for request, pieces in self._exchanges)
        self._done.append(Scene(exchanges, tuple(self._goldens)))
        self._exchanges, self._goldens = [], []


class _Answers:
    """What a capture answers. `unknown`: requests for which it holds nothing."""

    def __init__(self, capture: Capture, framing: Framing | None) -> None:
        self.unknown: list[bytes] = []
        self._capture = capture
        self._framing = framing  # None: frames are unit id and PDU
        self._answers: dict[bytes, list[Exchange]] = {}
        self._registers: dict[tuple[int, str, int], int] = {}
        self._hold(capture.exchanges)

    def scene(self, number: int) -> None:
        """Only this one from now on, its registers too."""
        scene = self._capture.scenes[number]
        self._hold(scene.exchanges)
        self._registers = dict(self._recorded(scene.exchanges))

    def _hold(self, exchanges: Iterable[Exchange]) -> None:
        self._answers = defaultdict(list)
        for exchange in exchanges:
            self._answers[exchange.request].append(exchange)

    def _recorded(self, exchanges: Iterable[Exchange]) -> Iterable[tuple[tuple[int, str, int], int]]:
        for exchange in exchanges:
            whole = b"".join(piece.data for piece in exchange.pieces)
            try:
                unit_id, request = self._opened(exchange.request)
                values = Request.decode(request).values(self._opened(whole)[1])
            except (FrameError, ModbusFault):  # no read, a refusal, or garbage: only said again as it is
                continue
            asked = Request.decode(request)
            for offset, value in enumerate(values):
                yield (unit_id, asked.table, asked.address + offset), value

    def _opened(self, frame: bytes) -> tuple[int, bytes]:
        if self._framing is not None:
            return RTU.parse(frame)
        if len(frame) < 2:
            raise FrameError("too short")
        return frame[0], frame[1:]

    def answer(self, frame: bytes) -> list[Emission]:
        """What came back to that very request, or what is known of the registers it asks for."""
        if answers := self._answers.get(frame):
            exchange = answers.pop(0)
            answers.append(exchange)
            return list(exchange.pieces)
        if composed := self._composed(frame):
            return [Emission(composed)]
        self.unknown.append(frame)
        return []

    def _composed(self, frame: bytes) -> bytes | None:
        try:
            unit_id, pdu = self._opened(frame)
            request = Request.decode(pdu)
        except (FrameError, ModbusFault):
            return None
        if not request.reads or unit_id not in {unit for unit, _, _ in self._registers}:
            return None
        wanted = [(unit_id, request.table, request.address + offset) for offset in range(request.count)]
        known = all(cell in self._registers for cell in wanted)
        values = [self._registers[cell] for cell in wanted] if known else []
        reply = request.reply(values) if known else ModbusFault(ILLEGAL_ADDRESS).reply(request.function)
        return RTU.frame(unit_id, reply) if self._framing is not None else bytes([unit_id]) + reply


class ReplayedLine(VirtualLine):
    """A virtual line on which a capture answers instead of devices."""

    def __init__(self, path: str | Path, capture: Capture, *, timed: bool = True) -> None:
        super().__init__(path, baudrate=capture.baudrate, parity=capture.parity, stopbits=capture.stopbits, timed=timed)
        self._answers = _Answers(capture, RTU)
        self.unknown = self._answers.unknown
        self.scene = self._answers.scene

    def answer(self, heard: Heard, frame: bytes, framing: Framing, now_s: float) -> tuple[float, list[Emission]]:
        """The next recorded answer to that very request."""
        del framing, now_s
        self.heard.append(heard)
        return 0.0, self._answers.answer(frame)


class ReplayedTcp(VirtualTcp):
    """A TCP port on which a capture with "# Line: tcp" answers."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._answers = _Answers(capture, None)
        self.unknown = self._answers.unknown
        self.scene = self._answers.scene

    def answer(self, heard: Heard, frame: bytes, framing: Framing, now_s: float) -> tuple[float, list[Emission]]:
        """The next recorded answer, in the frame of this transaction."""
        del frame, now_s
        self.heard.append(heard)
        pieces = self._answers.answer(bytes([heard.unit_id]) + heard.pdu)
        return 0.0, [Emission(framing.frame(piece.data[0], piece.data[1:]), piece.after_s) for piece in pieces]


class RecordedLine(VirtualLine):
    """A virtual line that notes what is said on it. `said`: requests with their answers, in order."""

    def __init__(self, path: str | Path, units: Mapping[int, Device] | None = None, *, baudrate: int = 9600) -> None:
        super().__init__(path, units, baudrate=baudrate, timed=False)
        self.said: list[Exchange] = []

    def answer(self, heard: Heard, frame: bytes, framing: Framing, now_s: float) -> tuple[float, list[Emission]]:
        """As the units answer."""
        delay_s, emissions = super().answer(heard, frame, framing, now_s)
        pieces = tuple(Emission(piece.data, piece.after_s + delay_s) for piece in emissions)
        self.said.append(Exchange(frame, pieces))
        return delay_s, emissions


class RecordedTcp(VirtualTcp):
    """A TCP port that notes what is said, without the header that changes with every transaction."""

    def __init__(self, units: Mapping[int, Device] | None = None) -> None:
        super().__init__(units)
        self.said: list[Exchange] = []

    def answer(self, heard: Heard, frame: bytes, framing: Framing, now_s: float) -> tuple[float, list[Emission]]:
        """As the units answer."""
        delay_s, emissions = super().answer(heard, frame, framing, now_s)
        pieces = tuple(Emission(piece.data[6:], piece.after_s + delay_s) for piece in emissions)
        self.said.append(Exchange(bytes([heard.unit_id]) + heard.pdu, pieces))
        return delay_s, emissions


def written(header: Mapping[str, str], scenes: Iterable[Scene]) -> str:
    """The text of a capture: what `Capture.parse` reads."""
    lines = [f"# {key.capitalize()}: {line}" for key, value in header.items() for line in value.splitlines()]
    for scene in scenes:
        for exchange in scene.exchanges:
            lines.append(f"> {exchange.request.hex(' ').upper()}")
            lines += [f"< {piece.after_s:.3f} {piece.data.hex(' ').upper()}" for piece in exchange.pieces]
        for golden in scene.goldens:
            value = "-" if golden.value is None else f"{golden.value:.10g}"
            lines.append(f"= {golden.pattern} {value} {golden.unit or '-'} {golden.quality}")
    return "\n".join(lines) + "\n"
