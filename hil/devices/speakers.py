"""Virtual instruments without Modbus, written from their makers' manuals; they know neither wires nor the agent's maps.

Each has `hear(data)`, what it answers to all bytes heard so far (and how many of them it has used up), and `speak()`,
what it says on its own each `every_s` seconds. Values are plain attributes, set from any thread.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hil.codec import crc16


class Answer(NamedTuple):
    """Bytes to send `after_s` seconds after the question."""

    data: bytes
    after_s: float = 0.0


class Speaker:
    """An instrument on a raw line."""

    every_s: float | None = None  # None: it does not talk on its own

    def speak(self) -> bytes:
        """The next message of one that talks."""
        return b""

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """(bytes of `data` that are used up, answers)."""
        return len(data), []


class MaxBotixRange(Speaker):
    """HRXL-MaxSonar: R and four digits, six times a second; a few lines about itself after power-on."""

    every_s = 0.15

    def __init__(self) -> None:
        self.distance_mm = 1234
        self.boot_lines = ["HRXL-MaxSonar-WR", "PN:MB7360", "Copyright 2011-2013", "MaxBotix Inc.", "RoHS 1.8b090 0713"]

    def speak(self) -> bytes:
        """A range; once, what it prints at power-on."""
        if self.boot_lines:
            said, self.boot_lines = "\r".join(self.boot_lines), []
            return f"{said}\r".encode()
        return f"R{self.distance_mm:04d}\r".encode()


class RainLine(Speaker):
    """Hydreon RG-15: commands end with a new line; Acc is what fell since the last answer."""

    def __init__(self) -> None:
        self.total_mm = self.event_mm = 0.0
        self.intensity_mm_h = 0.0
        self.metric = True
        self._told_mm = 0.0

    def rain(self, amount_mm: float) -> None:
        """Let it rain."""
        self.total_mm += amount_mm
        self.event_mm += amount_mm

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """Commands R, M, I, O."""
        *commands, rest = data.split(b"\n")
        answers = []
        for command in commands:
            match command.strip().upper():
                case b"R":
                    answers.append(Answer(self._read().encode(), 0.02))
                case b"M" | b"I" as unit:
                    self.metric = unit == b"M"
                    answers.append(Answer(unit.lower() + b"\r\n"))
                case b"O":
                    self.total_mm = self._told_mm = 0.0
        return len(data) - len(rest), answers

    def _read(self) -> str:
        unit, factor, digits = ("mm", 1.0, 2) if self.metric else ("in", 1 / 25.4, 3)
        acc, self._told_mm = self.total_mm - self._told_mm, self.total_mm
        shown = [f"{value * factor:6.{digits}f}" for value in (acc, self.event_mm, self.total_mm, self.intensity_mm_h)]
        rate = "mmph" if self.metric else "iph"
        return (
            f"Acc {shown[0]} {unit}, EventAcc {shown[1]} {unit}, TotalAcc {shown[2]} {unit}, RInt {shown[3]} {rate}\r\n"
        )


class Nmea(Speaker):
    """Sentences with their checksum, one after the other."""

    def __init__(self, *bodies: str, every_s: float = 0.1) -> None:
        self.bodies = list(bodies) or ["WIXDR,C,21.5,C,TEMP,D,1.234,M,LEVEL", "WIMWV,214.8,R,36.0,K,A"]
        self.every_s = every_s
        self._next = 0

    def speak(self) -> bytes:
        """The next sentence."""
        body = self.bodies[self._next % len(self.bodies)]
        self._next += 1
        total = 0
        for character in body.encode():
            total ^= character
        return f"${body}*{total:02X}\r\n".encode()


class LoggerTable(Speaker):
    """A Campbell logger that prints records as TOA5 does."""

    def __init__(self, *, every_s: float = 0.2) -> None:
        self.every_s = every_s
        self.record = 0
        self.battery_v: float | None = 12.6
        self.stage_m: float | None = 1.25
        self.rain_mm = 0.2

    def speak(self) -> bytes:
        """One record."""
        self.record += 1
        shown = ['"NAN"' if value is None else f"{value:g}" for value in (self.battery_v, self.stage_m, self.rain_mm)]
        return f'"2026-06-01 03:{self.record % 60:02d}:00",{self.record},{",".join(shown)}\r\n'.encode()


class ZhongdaFrames(Speaker):
    """A ZDJC instrument: one value, or temperature and two axes."""

    def __init__(self, address: int = 1, kind: int = 3, values: tuple[float, ...] = (12.5,)) -> None:
        self.address, self.kind, self.values = address, kind, values
        self.over_range = False

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """Questions of 14 bytes to its address and type."""
        question = bytes([self.address, 4, 9]) + b"ZDJC" + bytes([self.kind, 0, 0, 0, 4])
        question += struct.pack("<H", crc16(question))
        at = data.find(question)
        if at < 0:
            return max(0, len(data) - len(question)), []
        body = b"ZDJC" + bytes([self.kind]) + b"".join(struct.pack(">f", value) for value in self.values)
        frame = bytes([self.address, 3 if self.over_range else 4, len(body)]) + body
        return at + len(question), [Answer(frame + struct.pack("<H", crc16(frame)), 0.01)]


class FeishangRod(Speaker):
    """A Feishang borehole inclinometer: 9 bytes asked, 23 answered, CRC high byte first."""

    def __init__(self, address: int = 7) -> None:
        self.address = address
        self.temperature_c, self.x_deg, self.y_deg = 18.25, -1.234567, 0.000042

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """Questions to its address."""
        question = b"\x00\x16" + struct.pack(">H", self.address) + b"\x01\x00"
        question += struct.pack(">H", crc16(question))
        at = data.find(question)
        if at < 0:
            return max(0, len(data) - len(question)), []
        frame = b"\x00\x16" + struct.pack(">H", self.address) + b"\x01" + bytes(6)
        frame += struct.pack(">h", round(self.temperature_c * 100))
        frame += struct.pack(">ii", round(self.x_deg * 1e6), round(self.y_deg * 1e6))
        return at + len(question), [Answer(frame + struct.pack(">H", crc16(frame)), 0.01)]


class MojiangGauge(Speaker):
    """A Mojiang instrument; as it stands it says what its maker's example says. Each question tells it the time."""

    def __init__(self) -> None:
        self.serial = bytes.fromhex("284C3D9A03000060")
        self.value, self.decimals = 32676, 2
        self.temperature_c = 19.9
        self.told = ""  # the time that it was last told, as digits

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """Questions of 21 bytes to its serial number."""
        head = bytes.fromhex("AA7510000E00") + self.serial
        at = data.find(head)
        if at < 0 or len(data) < at + 21:
            return max(0, at), []
        question = data[at : at + 21]
        if _xored(question) != 0:
            return at + 21, []
        self.told = question[14:20].hex()
        body = self.serial + bytes.fromhex("170302232156")
        body += struct.pack(">hh", round(self.temperature_c * 10), self.value) + bytes.fromhex("0000C23246B0")
        body += "°".encode("gb18030") + b"  " + bytes([self.decimals << 4 | 0xA]) + b"\xff" * 16 + b"YH0020  "
        frame = bytes.fromhex("557A10") + struct.pack(">H", len(body)) + b"\0" + body
        return at + 21, [Answer(frame + bytes([_xored(frame)]), 0.01)]


class MojiangRain(MojiangGauge):
    """A Mojiang rain gauge: the day's rain and that of its 24 hours, in tenths of a millimetre."""

    def __init__(self) -> None:
        super().__init__()
        self.serial = bytes.fromhex("28F40402CC04C65B")
        self.hours = [0] * 24

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """Questions of 21 bytes to its serial number."""
        if len(data) < 21:
            return 0, []
        if not data.startswith(bytes.fromhex("AA751A000E00") + self.serial) or _xored(data[:21]) != 0:
            return 21, []
        self.told = data[14:20].hex()
        body = self.serial + b"\xff" * 16 + b"YLJ-1H  " + bytes.fromhex("210227000000")
        body += struct.pack(">25H", sum(self.hours), *self.hours)
        frame = bytes.fromhex("557A18") + struct.pack(">H", len(body)) + b"\0" + body
        return 21, [Answer(frame + bytes([_xored(frame)]), 0.01)]


def _xored(data: bytes) -> int:
    total = 0
    for byte in data:
        total ^= byte
    return total


class SdiSensor:
    """One SDI-12 sensor behind an adapter. `values` is measured by M, C (and their CRC kin), told by D0, D1 ..."""

    def __init__(self, address: str = "0", values: tuple[float, ...] = (1.23, -4.5), *, takes_s: int = 0) -> None:
        self.address = address
        self.values = values
        self.takes_s = takes_s
        self.name = "14TOCSIN  VIRT01100"  # version, maker, model, firmware
        self.per_answer = 4  # values in one answer to D
        self.measurements = 0
        self._held: tuple[float, ...] = ()
        self._crc = False

    def answer(self, command: str) -> str | None:
        """What it says to a command, without CR LF; None: nothing."""
        if command == "?!":
            return self.address
        if not command.startswith(self.address):
            return None
        body = command[1:-1]
        if body == "":
            return self.address
        if body == "I":
            return self.address + self.name
        if body[:1] in ("M", "C"):
            self.measurements += 1
            self._held, self._crc = self.measured(), "C" in body[1:]
            digits = 1 if body[0] == "M" else 2
            return f"{self.address}{self.takes_s:03d}{len(self._held):0{digits}d}"
        if body[:1] == "D" and body[1:].isdigit():
            start = int(body[1:]) * self.per_answer
            text = self.address + "".join(f"{value:+.7g}" for value in self._held[start : start + self.per_answer])
            return text + self._crc_of(text) if self._crc else text
        return None

    def measured(self) -> tuple[float, ...]:
        """What a measurement finds now."""
        return self.values

    @staticmethod
    def _crc_of(text: str) -> str:
        crc = 0
        for character in text.encode():
            crc ^= character
            for _ in range(8):
                crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        return "".join(chr(0x40 | crc >> shift & 0x3F) for shift in (12, 6, 0))


class SdiRain(SdiSensor):
    """A gauge that tells the rain since the last measurement: RainVUE."""

    def __init__(self, address: str = "0") -> None:
        super().__init__(address)
        self.waiting_mm = 0.0

    def measured(self) -> tuple[float, ...]:
        """The rain that waits, which is then told and gone."""
        rain, self.waiting_mm = self.waiting_mm, 0.0
        return (rain, round(rain / 0.2), 0.0, 0.0)


class SdiAdapter(Speaker):
    """An adapter with its sensors: takes commands as text, hands answers on; may echo."""

    def __init__(self, *sensors: SdiSensor, echo: bool = False) -> None:
        self.sensors = list(sensors) or [SdiSensor()]
        self.echo = echo
        self.commands: list[str] = []

    def hear(self, data: bytes) -> tuple[int, list[Answer]]:
        """Commands end with an exclamation mark."""
        *commands, rest = data.split(b"!")
        answers = []
        for command in commands:
            text = command.decode("ascii", "replace").strip() + "!"
            self.commands.append(text)
            if self.echo:
                answers.append(Answer(text.encode()))
            said = [answer for sensor in self.sensors if (answer := sensor.answer(text)) is not None]
            if len(said) == 1:
                answers.append(Answer(f"{said[0]}\r\n".encode(), 0.01))
            elif said:  # all at once: nobody understands
                answers.append(Answer(bytes(b & 0x55 for b in said[0].encode()) + b"\r\n", 0.01))
        return len(data) - len(rest), answers


SPEAKERS: dict[str, type[Speaker]] = {
    "maxbotix-hrxl": MaxBotixRange,
    "hydreon-rg15": RainLine,
    "nmea": Nmea,
    "campbell-csv": LoggerTable,
    "zhongda-zdjc": ZhongdaFrames,
    "feishang-rod": FeishangRod,
    "mojiang": MojiangGauge,
    "mojiang-rain": MojiangRain,
    "sdi-12": SdiAdapter,
}
