"""SDI-12 sensors behind an adapter that makes break and timing: commands, answers and their checks; one turn each poll.

Version 1.4 of the specification. The adapter (USB or RS-485) is given the command as text and passes the answer on;
at its own end it speaks 1200 baud 7E1, at ours whatever it is set to.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from drivers import checksums
from drivers.api import BadFrame, Exchange, Kind, Reading, Timeout
from drivers.decode import Decoded
from drivers.linemaps import LineDevice, RecordDecoder
from drivers.patterns import shown
from drivers.rawline import RawLine

ANSWER_S = 0.6  # break, question and an answer of 38 characters at 1200 baud, and some adapters' own time
ADDRESSES = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE = re.compile(r"[+-](?:\d{1,7}(?:\.\d{0,7})?|\.\d{1,7})")  # 4.4.6: a sign, up to 7 digits, a decimal point
_MAX_WAIT_S = 2.0  # within one poll, since others wait meanwhile; sensors that take longer are collected by a later one
_MAX_LATE_S = 10.0  # after which a measurement that was not collected is none of the present
_MAX_KEPT_S = 600.0  # and amounts since the last question, such as rain, are given up
_TRIES = 3  # of collecting: the sensor keeps its values until the next measurement
_MAX_LINE = 90  # 75 characters of values, address, CRC, CR LF


def address_of(address: int | str | None) -> str:
    """A sensor's address as one character. Raises ValueError."""
    if address is None or len(str(address)) != 1 or str(address) not in ADDRESSES:
        raise ValueError(f"address = {address!r}: SDI-12 addresses are one character, 0 to 9, a to z or A to Z")
    return str(address)


def number_of(address: str) -> int:
    """The address as a number, so that two sensors with one address are found."""
    return ADDRESSES.index(address)


def exchanges(values: int, max_reply_s: float) -> tuple[Exchange, ...]:
    """What a poll puts on the line: the measurement, and a command for each nine characters of a few values."""
    return (Exchange(4, 7, max_reply_s), *(Exchange(5, 40, max_reply_s) for _ in range((values + 4) // 5)))


class Answers:
    """Finds an answer of one sensor: from its address to CR LF. What the adapter echoes is passed over."""

    def __init__(self, address: str, *, bare: bool = True) -> None:
        """`bare`: the address alone is an answer too, not only a late "service request" of the measurement before."""
        self._address = address.encode()
        self._bare = bare
        self._data = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Take what came; answers that are whole."""
        self._data += data
        *lines, rest = bytes(self._data).split(b"\n")
        self._data = bytearray(rest[-_MAX_LINE:])
        answers = []
        for line in lines:
            text = line.replace(b"\0", b"").rsplit(b"!", 1)[-1].strip(b"\r")
            if text == self._address and not self._bare:
                continue
            if text.startswith(self._address):
                answers.append(text.decode("ascii", "replace"))
            else:
                self._data = bytearray(line[-_MAX_LINE:]) if not answers else self._data
        return answers

    def clear(self) -> None:
        """Forget an answer that has begun."""
        self._data.clear()

    def why_not(self) -> str:
        """What is wrong with what came so far; "" when nothing came."""
        return f"not an answer of sensor {self._address.decode()}: {shown(bytes(self._data))}" if self._data else ""


def parse_measurement(answer: str, address: str) -> tuple[float, int]:
    """(seconds until the values are there, how many) of `atttn` or `atttnn`. Raises BadFrame."""
    if not re.fullmatch(re.escape(address) + r"\d{4,5}", answer, re.ASCII):
        raise BadFrame(f"not the answer to a measurement: {answer[:20]!r}")
    return float(answer[1:4]), int(answer[4:])


def parse_values(answer: str, address: str, *, crc: bool) -> list[float]:
    """The values of an answer to a data command. Raises BadFrame; an answer is right as a whole or not at all."""
    if crc:
        answer, told = answer[:-3], answer[-3:]
        if not told.isascii() or checksums.sdi12(answer.encode("ascii", "replace")) != told.encode():
            raise BadFrame("checksum wrong")
    if answer[:1] != address:
        raise BadFrame(f"sensor {answer[:1]!r} answered, {address!r} was asked")
    values = _VALUE.findall(answer[1:])
    if "".join(values) != answer[1:]:
        raise BadFrame(f"not SDI-12 values: {answer[:40]!r}")
    return [float(value) for value in values]


class Sensor:
    """One sensor: asks for a measurement, waits as long as it says, collects the values."""

    def __init__(
        self,
        name: str,
        line: RawLine,
        decoder: RecordDecoder,
        device: LineDevice,
        *,
        address: str,
        max_reply_s: float,
    ) -> None:
        self.name = name
        self._line, self._address, self._command, self._decoder = line, address, device.command, decoder
        self._longest_s = device.measures
        self._crc = "C" in device.command[1:]
        self._max_reply_s = max_reply_s
        self._amounts = {name for name, kind in decoder.kinds.items() if kind is Kind.INCREMENT}
        self._due: tuple[float, int] | None = None  # of a measurement that has begun: when it is there, how many values

    async def poll(self) -> Sequence[Reading]:
        """Measure and collect; nothing while a long measurement is still under way.

        Raises Timeout, BadFrame or NotPresent. Values that were measured but not collected are collected by the next
        poll: a gauge that tells the rain since the last question loses none of it.
        """
        async with self._line.turn:
            kept_s = _MAX_KEPT_S if self._amounts else _MAX_LATE_S
            if self._due is None or time.monotonic() - self._due[0] > kept_s:
                self._due = None
                wait_s, count = parse_measurement((await self._asked(f"{self._command}!"))[0], self._address)
                if wait_s > self._longest_s:
                    raise BadFrame(f"a measurement of {wait_s:.0f} s; {self._longest_s:g} s is the longest by its map")
                self._due = time.monotonic() + wait_s, count
            due_s, count = self._due
            if (wait_s := due_s - time.monotonic()) > _MAX_WAIT_S:
                return []
            await asyncio.sleep(max(0.0, wait_s))  # within the turn: another question would abort the measurement
            late = time.monotonic() - due_s > _MAX_LATE_S
            values, mono_ns = await self._collected(count)
            self._due = None
        record = {f"v{number}": value for number, value in enumerate(values, start=1)}
        samples: dict[str, Decoded] = self._decoder.decode(record)
        return [
            Reading(name, d.value, d.quality, mono_ns, d.reason)
            for name, d in samples.items()
            if not late or name in self._amounts
        ]

    async def _collected(self, count: int) -> tuple[list[float], int]:
        values: list[float] = []
        mono_ns = 0
        for number in range(10):
            fresh, mono_ns = await self._data(number)
            values += fresh
            if len(values) >= count or not fresh:
                break
        if len(values) != count:
            raise BadFrame(f"{count} values were announced, {len(values)} came")
        return values, mono_ns

    async def _data(self, number: int) -> tuple[list[float], int]:
        for attempt in range(1, _TRIES + 1):
            try:
                answer, mono_ns = await self._asked(f"D{number}!")
                return parse_values(answer, self._address, crc=self._crc), mono_ns
            except BadFrame:
                if attempt == _TRIES:
                    raise
        raise AssertionError  # the last attempt returns or raises

    async def _asked(self, command: str) -> tuple[str, int]:
        question, finder = f"{self._address}{command}".encode(), Answers(self._address, bare=command[0] != "D")
        unit = number_of(self._address)
        answers, mono_ns = await self._line.ask(question, finder, reply_s=self._max_reply_s, unit=unit)
        return str(answers[-1]), mono_ns


class Identity(NamedTuple):
    """What a sensor says to `aI!` (specification 4.4.3), as it stands there."""

    address: str
    version: str  # of SDI-12: "14" is 1.4
    maker: str
    model: str
    firmware: str
    rest: str  # often a serial number


class _Anyone:
    """Finds the answer to `?!`: one address and nothing else."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[str]:
        self._data += data
        line, end, _ = bytes(self._data).partition(b"\n")
        text = line.replace(b"\0", b"").removeprefix(b"?!").strip(b"\r").decode("latin-1")
        return [text] if end and text in ADDRESSES and len(text) == 1 else []

    def clear(self) -> None:
        self._data.clear()

    def why_not(self) -> str:
        return f"no address, but {shown(bytes(self._data))}" if self._data else ""


async def only_one(line: RawLine, *, reply_s: float = ANSWER_S) -> str | None:
    """The address of the only sensor (`?!`). None when nobody answers, or several at once, which nobody understands."""
    async with line.turn:
        try:
            answers, _ = await line.ask(b"?!", _Anyone(), reply_s=reply_s)
        except (BadFrame, Timeout):
            return None
        return str(answers[-1])


async def identify(line: RawLine, address: str, *, reply_s: float = ANSWER_S) -> Identity | None:
    """What the sensor of that address is (`aI!`); None: nobody has it. Changes nothing at any of them."""
    async with line.turn:
        try:
            answers, _ = await line.ask(f"{address}I!".encode(), Answers(address, bare=False), reply_s=reply_s)
        except (BadFrame, Timeout):
            return None
    text = str(answers[-1])[1:]
    return Identity(address, text[:2], text[2:10].strip(), text[10:16].strip(), text[16:19].strip(), text[19:].strip())
