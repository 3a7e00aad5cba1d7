"""Any Modbus instrument that a register map describes: map and section to requests, replies to readings."""

from __future__ import annotations

import asyncio
import difflib
import math
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from drivers import api, currentloop, frames
from drivers.api import Description, Duration, Exchange, Quality, Reading
from drivers.decode import Decoded, Decoder
from drivers.frames import ExceptionReply, Request
from drivers.modbus import ModbusLine
from drivers.registers import Block, Cell, MapPoint, RegisterMap, load_map, plan, problems_of
from drivers.vocabulary import Trigger

_NOT_THERE = frozenset({2, 3})  # exception codes of a read that a smaller one may avoid
_DOUBTED_AFTER = 2  # failures of a block that was never answered: its parts are tried by turns with the whole
_PARTS_ANSWER = -1
_NOT_READ = Decoded(math.nan, Quality.COMM_FAULT, "not read")


class PointOverride(api.Section):
    """What the site says of a point beyond its register map: value = scale * map's + offset."""

    scale: float | None = None  # on top of the map's
    offset: float | None = None  # in `unit`
    unit: str | None = None  # of the value; the map's when left out
    loop: tuple[float, float] | None = None  # what 4 and 20 mA mean, in `unit`; for points in mA, see NAMUR NE 43
    low: float | None = None  # numbers in `unit`: the site file writes quantities
    high: float | None = None

    @model_validator(mode="after")
    def _is_one_line(self) -> Self:
        if self.loop and (self.scale is not None or self.offset is not None or self.unit is None):
            raise ValueError('loop needs unit, such as loop = [0, 5], unit = "m", and goes without scale and offset')
        return self


class ModbusSection(api.Section):
    """The driver's part of a `[device.x]` table."""

    map: str  # a name of drivers/maps, or a path that ends in ".toml"
    unit_id: int | None = Field(None, ge=0, le=255)  # the map's factory setting when left out
    max_reply: Duration | None = None  # slowest answer, where the map's is wrong for this line
    constants: dict[str, float] = Field(default_factory=dict)  # of this very instrument: its map says which
    only: tuple[str, ...] = ()  # the points wanted of a device with many; what else it has is not read
    point: dict[str, PointOverride] = Field(default_factory=dict)


class ModbusDriver:
    """Instruments on Modbus lines, `driver = "modbus"`."""

    Section = ModbusSection

    def describe(self, section: ModbusSection, base: Path) -> Description:
        """Points, bus load and quirks. Raises ValueError (MapError with all problems at once)."""
        register_map = site_map(section, base)
        device = register_map.device
        unit_id = _unit_id(section, register_map)
        max_reply_s = device.max_reply if section.max_reply is None else section.max_reply
        requests = [_request(unit_id, block) for block in plan(register_map)]
        notes = [f"{device.title}: {device.maturity}", *device.notes]
        notes += [f"not verified: {fact}" for fact in device.unverified]
        notes += [f"{name}: {point.note}" for name, point in register_map.point.items() if point.note]
        exchanges = [
            Exchange(len(r.rtu), r.rtu_reply_size, max_reply_s, block.points)
            for r, block in zip(requests, plan(register_map), strict=True)
        ]
        if device.trigger:
            exchanges.insert(0, Exchange(8, 8, max_reply_s))
        return Description(
            points=register_map.points,
            exchanges=tuple(exchanges),
            baudrates=device.baudrates,
            parity=device.parity,
            unit_id=unit_id,
            max_reply_s=max_reply_s,
            notes=tuple(notes),
        )

    @asynccontextmanager
    async def connect(
        self, name: str, section: ModbusSection, bus: ModbusLine, base: Path
    ) -> AsyncIterator[ModbusInstrument]:
        """The instrument on its open line. Nothing is sent until the first poll."""
        register_map = site_map(section, base)
        device = register_map.device
        unit_id = _unit_id(section, register_map)
        max_reply_s = device.max_reply if section.max_reply is None else section.max_reply
        bus.expect(unit_id, max_reply_s, device.gap)
        bus.forbid(unit_id, device.locked)
        yield ModbusInstrument(name, bus, unit_id, register_map, max_reply_s)


def site_map(section: ModbusSection, base: Path) -> RegisterMap:
    """The section's map with the site's own words on its points. Raises ValueError."""
    register_map = load_map(section.map, base).with_constants(section.constants)
    points = dict(register_map.point)
    for name, override in section.point.items():
        if name not in points or points[name].hidden:
            known = [point.name for point in register_map.points]
            near = difflib.get_close_matches(name, known, 3, 0.4) or known
            raise ValueError(f"point.{name}: {section.map} has no such point; nearest: {', '.join(near)}")
        if override.loop and points[name].unit != "mA":
            unit = points[name].unit or "a plain number"
            raise ValueError(f"point.{name}.loop: it is for points in mA, this one is in {unit}; give scale and offset")
        try:
            points[name] = overridden(points[name], override)
        except ValidationError as error:
            raise ValueError(f"point.{name}: {'; '.join(problems_of(error))}") from None
    return register_map.model_copy(update={"point": _only(points, section) if section.only else points})


def _only(points: dict[str, MapPoint], section: ModbusSection) -> dict[str, MapPoint]:
    """The points wanted, and hidden those that they can't be told without. Raises ValueError."""
    known = [name for name, point in points.items() if not point.hidden]
    for name in section.only:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.4) or known
            raise ValueError(f"only: {section.map} has no point {name!r}; nearest: {', '.join(near)}")
    needed, waiting = set(section.only), list(section.only)
    while waiting:
        more = points[waiting.pop()].needs - needed
        needed |= more
        waiting += more
    return {
        name: point if name in section.only else point.model_copy(update={"hidden": True})
        for name, point in points.items()
        if name in needed
    }


def overridden(point: MapPoint, override: PointOverride) -> MapPoint:
    """The point as the site wants it. Raises ValidationError where the result makes no sense."""
    if override.loop:
        return _looped(point, override, override.loop)
    scale = 1.0 if override.scale is None else override.scale
    offset = override.offset or 0.0
    unit = point.unit if override.unit is None else override.unit
    limits = [None if limit is None else limit * scale + offset for limit in (point.low, point.high)]
    low, high = limits if scale > 0 else limits[::-1]
    changes: dict[str, Any] = {
        "scale": point.scale * scale,
        "offset": point.offset * scale + offset,
        "unit": unit,
        "low": low if override.low is None else override.low,
        "high": high if override.high is None else override.high,
    }
    if point.unit_from and override.scale is not None:  # the site converts: what the device tells is the map's unit
        units = {code: unit if told == point.unit else told for code, told in point.unit_from.units.items()}
        changes["unit_from"] = {"point": point.unit_from.point, "units": units}
    return MapPoint.model_validate({**point.model_dump(), **changes})


def _looped(point: MapPoint, override: PointOverride, ends: currentloop.Ends) -> MapPoint:
    lowest, highest = currentloop.range_of(ends)
    changes = {
        "loop": ends,
        "unit": override.unit,
        "low": lowest if override.low is None else override.low,
        "high": highest if override.high is None else override.high,
    }
    return MapPoint.model_validate({**point.model_dump(), **changes})


def _unit_id(section: ModbusSection, register_map: RegisterMap) -> int:
    unit_id = register_map.device.unit_id if section.unit_id is None else section.unit_id
    if unit_id is None:
        raise ValueError(f"unit_id is missing, and {register_map.device.title} has no usual one")
    return unit_id


def _request(unit_id: int, block: Block) -> Request:
    return frames.read_request(block.table, unit_id, block.address, block.count)


class ModbusInstrument:
    """One unit on a line. Learns which blocks it refuses to answer whole, in words or by silence."""

    def __init__(
        self, name: str, line: ModbusLine, unit_id: int, register_map: RegisterMap, max_reply_s: float
    ) -> None:
        self.name = name
        self.unit_id = unit_id
        self._line = line
        self._decoder = Decoder(register_map)
        self._trigger = register_map.device.trigger
        self._gap_s = register_map.device.gap
        self._needs = {name: point.needs for name, point in register_map.point.items()}
        self._blocks = plan(register_map)
        self._doubts = {block: 0 for block in self._blocks if block.parts}  # failures before its first answer
        self._max_reply_s = max_reply_s

    @property
    def pauses(self) -> bool:
        """Whether a poll waits for its unit while others may use the line."""
        return self._trigger is not None or (self._gap_s > 0 and len(self._blocks) > 1)

    async def poll(self) -> Sequence[Reading]:
        """Read every point once, as `poll_points`."""
        return await self._read(self._blocks)

    async def poll_points(self, points: Collection[str]) -> Sequence[Reading]:
        """Read these points once, with what they can't be told without; all carry the time of the last reply.

        A block that fails gives its points COMM_FAULT, or BAD where the unit refused it, as long as another one was
        answered. Raises DriverError otherwise; a silent unit costs one time-out.
        """
        wanted, waiting = set(points), list(points)
        while waiting:
            more = self._needs[waiting.pop()] - wanted
            wanted |= more
            waiting += more
        blocks = [block for block in self._blocks if not wanted.isdisjoint(block.points)]
        return [reading for reading in await self._read(blocks) if reading.point in points]

    async def _read(self, blocks: Iterable[Block]) -> Sequence[Reading]:
        if self._trigger:
            await self._measure(self._trigger)
        cells: dict[Cell, int] = {}
        waiting = [part for block in blocks for part in self._tried(block)]
        read = {name for block in waiting for name in block.points}
        failures: dict[str, Decoded] = dict.fromkeys(self._needs.keys() - read, _NOT_READ)
        mono_ns = 0
        first_error: api.DriverError | None = None
        while waiting:
            block = waiting.pop(0)
            request = _request(self.unit_id, block)
            try:
                outcome = await self._line.ask(request, reply_s=self._max_reply_s)
            except ExceptionReply as error:
                if block.parts and error.code in _NOT_THERE:
                    waiting[:0] = self._split(block)
                    continue
                failures |= dict.fromkeys(block.points, Decoded(math.nan, Quality.BAD, error.reason))
                first_error = first_error or error
            except api.DriverError as error:
                if not isinstance(error, api.NotPresent):
                    self._doubt(block)
                if not cells:
                    raise
                failures |= dict.fromkeys(block.points, Decoded(math.nan, Quality.COMM_FAULT, error.reason))
            else:
                self._trust(block)
                mono_ns = outcome.mono_ns
                values = request.values(outcome.reply)
                cells.update(((block.table, block.address + i), value) for i, value in enumerate(values))
        if not cells and first_error:
            raise first_error
        decoded = self._decoder.decode(cells, failures)
        return [Reading(name, d.value, d.quality, mono_ns, d.reason) for name, d in decoded.items()]

    async def _measure(self, trigger: Trigger) -> None:
        values = [trigger.value]
        await self._line.write(
            trigger.table, self.unit_id, trigger.address, values, urgent=False, reply_s=self._max_reply_s
        )
        await asyncio.sleep(trigger.wait)

    def _tried(self, block: Block) -> tuple[Block, ...]:
        """The block, or its parts where the whole was never answered: some devices refuse by silence."""
        doubts = self._doubts.get(block, 0)
        return block.parts if doubts >= _DOUBTED_AFTER and doubts % 2 == 0 else (block,)

    def _doubt(self, failed: Block) -> None:
        """A request was not answered: a block that never is must not hide the others, so it comes last."""
        for block in self._blocks:
            if block is failed or failed in block.parts:
                self._blocks.remove(block)
                self._blocks.append(block)
                if self._doubts.get(block) == _PARTS_ANSWER:
                    self._split(block)
                elif block in self._doubts:
                    self._doubts[block] += 1
                return

    def _trust(self, answered: Block) -> None:
        """A request was answered. Where only the parts are, and then the whole is not again, it is split for good."""
        if not self._doubts:
            return
        self._doubts.pop(answered, None)
        for block in self._doubts:
            if answered in block.parts:
                self._doubts[block] = _PARTS_ANSWER

    def _split(self, block: Block) -> tuple[Block, ...]:
        at = self._blocks.index(block)
        self._blocks[at : at + 1] = block.parts
        self._doubts.pop(block, None)
        return block.parts
