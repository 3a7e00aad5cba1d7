"""Instruments on lines without Modbus, `driver = "line"`: asked or talking on their own, told apart by their map."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import Field, ValidationError

from drivers import api, sdi12
from drivers.api import BadFrame, Description, Duration, Exchange, NotPresent, Reading, Timeout
from drivers.decode import Decoded
from drivers.frames import Misframed
from drivers.instrument import PointOverride, overridden
from drivers.linemaps import LineDevice, LineMap, RecordDecoder, combined, load_line_map
from drivers.patterns import LineFinder, Pattern, Record
from drivers.rawline import Finder, RawLine
from drivers.registers import RegisterMap, problems_of
from drivers.templates import FrameFinder, Parameters, Template
from drivers.wires import Outcome

_MAX_WAIT_S = 2.0  # for a talker's next message within one poll: others on the line wait as long
_MAX_HEARD = 500  # messages kept between two polls
_PATIENCE = 2.5  # a talker that missed two messages in a row is silent


class LineSection(api.Section):
    """The driver's part of a `[device.x]` table."""

    map: str  # a name of drivers/lines, or a path that ends in ".toml"
    address: int | str | None = None  # the map's factory setting when left out; SDI-12: one character
    parameters: dict[str, int | str] = Field(default_factory=dict)  # of this very instrument: its map says which
    constants: dict[str, float] = Field(default_factory=dict)  # figures of its calibration sheet, likewise
    max_reply: Duration | None = None  # slowest answer, where the map's is wrong for this line
    point: dict[str, PointOverride] = Field(default_factory=dict)


class LineDriver:
    """Instruments that print lines of text or speak frames of their own, and SDI-12 sensors behind an adapter."""

    Section = LineSection

    def describe(self, section: LineSection, base: Path) -> Description:
        """Points, load and quirks. Raises ValueError (MapError with all problems at once)."""
        line_map = load_line_map(section.map, base)
        registers = _site_points(section, line_map)
        device = line_map.device
        known = _parameters(section, line_map)
        max_reply_s = _max_reply_s(section, device)
        notes = [f"{device.title}: {device.maturity}", *device.notes]
        notes += [f"not verified: {fact}" for fact in device.unverified]
        notes += [f"{name}: {point.note}" for name, point in registers.point.items() if point.note]
        return Description(
            points=registers.points,
            exchanges=_exchanges(line_map, known, max_reply_s),
            baudrates=device.baudrates,
            parity=device.parity,
            unit_id=_unit_id(device, known),
            max_reply_s=max_reply_s,
            notes=tuple(notes),
            framings=("raw",),
        )

    @asynccontextmanager
    async def connect(self, name: str, section: LineSection, bus: RawLine, base: Path) -> AsyncIterator[api.Instrument]:
        """The instrument on its open line. Talkers are heard from now on; nothing is sent until the first poll."""
        if not isinstance(bus, RawLine):
            raise NotPresent('needs bus = "..." with framing = "raw"')
        line_map = load_line_map(section.map, base)
        decoder = RecordDecoder(line_map, _site_points(section, line_map))
        known = _parameters(section, line_map)
        device = line_map.device
        max_reply_s = _max_reply_s(section, device)
        if device.speaks == "sdi-12":
            address = sdi12.address_of(known.get("address"))
            yield sdi12.Sensor(name, bus, decoder, device, address=address, max_reply_s=max_reply_s)
        elif device.every is None:
            yield Asked(name, bus, line_map, decoder, known=known, max_reply_s=max_reply_s)
        else:
            talker = Talker(name, bus, _finder(line_map, known), decoder, line_map=line_map, wait_s=max_reply_s)
            stop = bus.listen(talker.hear)
            try:
                yield talker
            finally:
                stop()


def _site_points(section: LineSection, line_map: LineMap) -> RegisterMap:
    """The map's points with the site's own words on them. Raises ValueError."""
    registers = line_map.registers.with_constants(section.constants)
    points = dict(registers.point)
    for name, override in section.point.items():
        if name not in points or points[name].hidden:
            known = [point.name for point in registers.points]
            near = difflib.get_close_matches(name, known, 3, 0.4) or known
            raise ValueError(f"point.{name}: {section.map} has no such point; nearest: {', '.join(near)}")
        try:
            points[name] = overridden(points[name], override)
        except ValidationError as error:
            raise ValueError(f"point.{name}: {'; '.join(problems_of(error))}") from None
    return registers.model_copy(update={"point": points})


def _parameters(section: LineSection, line_map: LineMap) -> Parameters:
    """What requests need and answers must carry. Raises ValueError naming what is missing, unknown or does not fit."""
    device, known = line_map.device, line_map.parameters
    for name in section.parameters:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ValueError(f"parameters.{name}: {section.map} has no such parameter; there are {there}")
    values: dict[str, int | str] = {}
    for name, parameter in known.items():
        value = section.parameters.get(name, parameter.value)
        if value is None:
            raise ValueError(f"parameters.{name} is missing: {parameter.note}")
        values[name] = value
    address = device.address if section.address is None else section.address
    if device.speaks == "sdi-12":
        return {**values, "address": sdi12.address_of(address)}
    messages = [line_map.request, *line_map.messages.values()]
    if any(isinstance(message, Template) and "address" in message.fields for message in messages):
        if address is None:
            raise ValueError(f"address is missing, and {device.title} has no usual one")
        values["address"] = address
    elif section.address is not None:
        raise ValueError(f"address: {device.title} has none")
    if line_map.request:
        line_map.request.render(values)
    return values


def _max_reply_s(section: LineSection, device: LineDevice) -> float:
    """The slowest answer; of a talker, how long a poll waits for its next message."""
    if device.every is None:
        return device.max_reply if section.max_reply is None else section.max_reply
    if section.max_reply is not None:
        raise ValueError(f"max_reply: {device.title} is not asked, it talks on its own")
    return min(_PATIENCE * device.every, _MAX_WAIT_S)


def _unit_id(device: LineDevice, known: Parameters) -> int | None:
    address = known.get("address")
    if device.speaks == "sdi-12":
        return sdi12.number_of(str(address))
    return address if isinstance(address, int) else None


def _question(line_map: LineMap, known: Parameters) -> bytes:
    return line_map.request.render(known) if line_map.request else line_map.device.request.encode("latin-1")


def _exchanges(line_map: LineMap, known: Parameters, max_reply_s: float) -> tuple[Exchange, ...]:
    device = line_map.device
    if device.speaks == "sdi-12":
        return sdi12.exchanges(max(int(p.field[1:]) for p in line_map.found.values()), max_reply_s)
    if device.every is not None:
        return ()
    sizes = [m.size if isinstance(m, Template) else 8 + len(m.text) for m in line_map.messages.values()]
    return (Exchange(len(_question(line_map, known)), max(sizes), max_reply_s),)


def _finder(line_map: LineMap, known: Parameters) -> Finder:
    messages = line_map.messages.values()
    if line_map.device.speaks == "text":
        return LineFinder(message for message in messages if isinstance(message, Pattern))
    return FrameFinder((message for message in messages if isinstance(message, Template)), known)


def readings_of(samples: Mapping[str, tuple[Decoded, int]]) -> list[Reading]:
    """Readings of samples, the oldest first."""
    readings = [Reading(name, d.value, d.quality, mono_ns, d.reason) for name, (d, mono_ns) in samples.items()]
    return sorted(readings, key=lambda reading: reading.mono_ns)


class Asked:
    """An instrument that answers a question with one message."""

    def __init__(
        self,
        name: str,
        line: RawLine,
        line_map: LineMap,
        decoder: RecordDecoder,
        *,
        known: Parameters,
        max_reply_s: float,
    ) -> None:
        self.name = name
        self._line = line
        self._map, self._known = line_map, known
        self._finder = _Wanted(_finder(line_map, known), decoder, set(line_map.found) - _hidden(line_map))
        self._max_reply_s = max_reply_s
        self._unit = _unit_id(line_map.device, known) or 0
        self._ready_s = 0.0

    async def poll(self) -> Sequence[Reading]:
        """Ask once. Raises DriverError when there was no answer, or none with a point of the map."""
        question = _question(self._map, self._known)
        self._finder.refused = question
        async with self._line.turn:
            if (wait_s := self._ready_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            try:
                samples, mono_ns = await self._line.ask(
                    question, self._finder, reply_s=self._max_reply_s, unit=self._unit
                )
            finally:
                self._ready_s = time.monotonic() + self._map.device.gap
        return readings_of({name: (decoded, mono_ns) for name, decoded in samples[-1].items()})


def _hidden(line_map: LineMap) -> set[str]:
    return {name for name, point in line_map.registers.point.items() if point.hidden}


class _Wanted:
    """Of what a finder finds, the messages that have a point of the map; never the question itself come back."""

    def __init__(self, finder: Finder, decoder: RecordDecoder, names: set[str]) -> None:
        self._finder, self._decoder, self._names = finder, decoder, names
        self._came = bytearray()
        self.refused = b""

    def feed(self, data: bytes) -> list[dict[str, Decoded]]:
        self._came += data
        records: list[Record] = self._finder.feed(data)
        if records and len(self._came) >= len(self.refused) and self._came.startswith(self.refused):
            # A question can look like an answer: an adapter that echoes would make a value of it.
            raise BadFrame("the adapter echoes what is sent; set echo = true for this bus")
        samples: dict[str, Decoded] = {}
        for record in records:
            samples |= self._decoder.decode(record)
        return [samples] if samples else []

    def clear(self) -> None:
        self._finder.clear()
        self._came.clear()

    def why_not(self) -> str:
        return self._finder.why_not()


class Talker:
    """An instrument that talks on its own. What it said since the last poll becomes one reading of each point."""

    def __init__(
        self, name: str, line: RawLine, finder: Finder, decoder: RecordDecoder, *, line_map: LineMap, wait_s: float
    ) -> None:
        self.name = name
        self._line, self._finder, self._decoder = line, finder, decoder
        self._how = {name: place.combine for name, place in line_map.found.items()}
        self._every_s = line_map.device.every or wait_s
        self._wait_s = wait_s
        self._heard: deque[tuple[dict[str, Decoded], int]] = deque(maxlen=_MAX_HEARD)
        self._news = asyncio.Event()
        self._last_ns = time.monotonic_ns()

    def hear(self, data: bytes, mono_ns: int) -> None:
        """Take what came; each message with the time of its last byte."""
        for record in self._finder.feed(data):
            samples = self._decoder.decode(record)
            if samples:
                self._heard.append((samples, mono_ns))
                self._news.set()
                self._line.count(0, Outcome(b"", None, mono_ns, 0.0))
                self._last_ns = mono_ns

    async def poll(self) -> Sequence[Reading]:
        """What was said since the last poll; nothing when the next message is not due yet.

        Raises Timeout when it is overdue, BadFrame when only nonsense came, NotPresent when the line is not there.
        """
        if not self._heard:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await self._news.wait()
        self._news.clear()
        if not self._heard:
            return self._nothing()
        samples: dict[str, list[tuple[Decoded, int]]] = {}
        for decoded, mono_ns in self._heard:
            for name, sample in decoded.items():
                samples.setdefault(name, []).append((sample, mono_ns))
        self._heard.clear()
        return readings_of({name: combined(told, self._how[name]) for name, told in samples.items()})

    def _nothing(self) -> Sequence[Reading]:
        if not self._line.health.is_open:
            raise NotPresent(f"{self._line.name}: {self._line.health.reason}")
        silent_s = (time.monotonic_ns() - self._last_ns) / 1e9
        if silent_s < _PATIENCE * self._every_s:
            return []
        why = self._finder.why_not()
        self._finder.clear()
        due = f"nothing heard for {silent_s:.1f} s; a message is due every {self._every_s:g} s"
        error = Misframed("noise", why) if why else Timeout(due)
        self._line.count(0, Outcome(b"", error, time.monotonic_ns(), silent_s))
        raise error
