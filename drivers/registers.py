"""Register maps: a device model as data. Loads and checks maps and plans block reads; opens nothing but map files."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from drivers.api import Duration, Kind, Point
from drivers.frames import BIT_TABLES, MAX_BITS, MAX_WORDS, Table
from drivers.vocabulary import Constant, Gate, Locked, Part, ScaleFrom, Sign, Trigger, UnitFrom, locks, unrolled
from drivers.words import NumberType, Order, compile_formula, word_count

Maturity = Literal["experimental", "beta", "stable"]  # no hardware seen | on a bench or by a public driver | in service
Cell = tuple[Table, int]  # one register or bit

_ENTITY = re.compile(r"([0134])(\d{4,5})")  # "40001": data model numbering, Modbus application protocol 4.4
_ENTITY_TABLES: Mapping[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}


class MapError(ValueError):
    """Everything that is wrong with a register map, one line each: "file: key: what, got, allowed"."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def _address(value: object) -> object:
    # Text is 1-based data model numbering and carries the table; a number is the 0-based address of the protocol.
    if not isinstance(value, str):
        return value
    found = _ENTITY.fullmatch(value)
    if found is None or int(found[2]) == 0:
        raise ValueError(f'a 0-based address such as 3, or text such as "40004" (holding, address 3); got {value!r}')
    return int(found[2]) - 1


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class MapPoint(Part):
    """One point: where its words are and what they mean.

    value = offset + scale * factor told by the device * (decode, polynomial or the number itself).
    `decode` is a formula of `raw` (the number as it came), the map's constants, and the values of points in `uses`.
    `invalid`, `over_range`, `under_range` are compared with the number as it came, `low` and `high` with the value.
    """

    table: Table = "holding"  # holding (FC03), input (FC04), coil (FC01), discrete (FC02)
    address: Annotated[int, BeforeValidator(_address)] = Field(ge=0, le=65535)  # from 0; text: "40004"
    type: NumberType = "bit"  # bit, bits, u16, i16, u32, i32, u64, i64, f32, f64
    order: Order | None = None  # must be said from 32 bits up
    bits: tuple[int, int] | None = None  # lowest and highest bit, of type "bits"
    decode: str | None = None  # "65535 - raw", "k * (raw ** 2 - f0 ** 2)"
    uses: dict[str, str] = Field(default_factory=dict)  # name in `decode` -> point: { t = "temperature" }
    polynomial: tuple[float, ...] | None = None  # c0 + c1 raw + c2 raw^2 ...
    scale: float = 1.0  # what one step is, in `unit`
    offset: float = 0.0  # in `unit`
    unit: str = ""  # of the value: "mm", "degC", "percent", "%LEL" ...; nothing for plain numbers
    loop: tuple[float, float] | None = None  # what 4 and 20 mA mean; the number with scale and offset is then in mA
    low: float | None = None  # range of the device, in `unit`
    high: float | None = None  # above it a value is OVER_RANGE: a measurement, which alarms
    invalid: tuple[float, ...] = ()  # numbers as they come that mean no value: 65535, nan
    over_range: tuple[float, ...] = ()  # numbers that mean more than `high`, such as inf
    under_range: tuple[float, ...] = ()  # numbers that mean less than can be measured
    states: dict[str, int] = Field(default_factory=dict)  # word -> code; other codes are BAD
    valid_when: Annotated[tuple[Gate, ...], BeforeValidator(_one_or_more)] = ()  # one gate or a list of them
    scale_from: ScaleFrom | None = None  # the device tells the factor: { point = "decimals", factors = { 1 = 0.1 } }
    unit_from: UnitFrom | None = None  # the device tells the unit: { point = "unit-code", units = { 2 = "%LEL" } }
    kind: Kind = Kind.GAUGE  # gauge, counter, increment, running_total, intensity
    wrap: float | None = None  # counters: the value at which they begin again at 0
    together: str | None = None  # points of one group are read in one request
    hidden: bool = False  # read for other points' sake, not one itself
    note: str = ""  # for technicians

    @model_validator(mode="before")
    @classmethod
    def _table_of_entity(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("address"), str):
            found = _ENTITY.fullmatch(value["address"])
            if found:
                table = _ENTITY_TABLES[found[1]]
                if value.get("table", table) != table:
                    raise ValueError(f'address "{value["address"]}" is of table {table}, not {value["table"]}')
                note = f'address "{value["address"]}" is 0-based address {int(found[2]) - 1} of table {table}'
                return {"note": note, **value, "table": table}
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterable[str]:
        if (self.table in BIT_TABLES) != (self.type == "bit"):
            yield f"table {self.table} needs " + ('no type, or "bit"' if self.table in BIT_TABLES else "a type")
        if word_count(self.type) > 1 and self.order is None:
            yield f'type {self.type} needs order = "ABCD", "CDAB", "BADC" or "DCBA"; there is no safe default'
        if (self.type == "bits") != (self.bits is not None):
            yield 'type "bits" and bits = [lowest, highest] go together'
        if self.bits and not 0 <= self.bits[0] <= self.bits[1] <= 15:
            yield f"bits are [lowest, highest] within 0 to 15; got {list(self.bits)}"
        if self.decode and self.polynomial:
            yield "decode and polynomial can't both be used"
        if self.uses and not self.decode:
            yield "uses is for the names in decode, which is missing"
        if self.scale == 0 or not math.isfinite(self.scale) or not math.isfinite(self.offset):
            yield "scale must be a number other than 0, offset a number"
        if self.loop and not (self.loop[0] != self.loop[1] and all(map(math.isfinite, self.loop))):
            yield f"loop is what 4 mA and 20 mA mean, two different numbers; got {list(self.loop)}"
        if self.low is not None and self.high is not None and self.low >= self.high:
            yield f"low = {self.low:g} is not below high = {self.high:g}"
        if self.over_range and self.high is None:
            yield "over_range needs high: it is the value given then"
        if self.address + word_count(self.type) > 65536:
            yield "the last register is beyond address 65535"

    @property
    def words(self) -> int:
        """Registers (or bits) it takes."""
        return word_count(self.type)

    @property
    def cells(self) -> list[Cell]:
        """The registers or bits it is made of, in order."""
        return [(self.table, self.address + i) for i in range(self.words)]

    @property
    def needs(self) -> set[str]:
        """Names of the points without which it can't be told."""
        named = {part.point for part in (*self.valid_when, self.scale_from, self.unit_from) if part}
        return named | {gate.at_least for gate in self.valid_when if gate.at_least} | set(self.uses.values())

    @property
    def values_needed(self) -> set[str]:
        """Those of them whose value in its unit is needed, not only the number as it came."""
        named = {gate.point for gate in self.valid_when if gate.within}
        return named | {gate.at_least for gate in self.valid_when if gate.at_least} | set(self.uses.values())


class DeviceModel(Part):
    """What a map says of the device as a whole. The first of `baudrates` and `unit_id` are the factory's."""

    title: str  # maker, model, what it measures
    maturity: Maturity  # experimental, beta, stable
    source: tuple[str, ...]  # where the facts come from
    unit_id: int | None = Field(None, ge=0, le=255)  # as delivered
    baudrates: tuple[int, ...] = ()  # the first as delivered
    parity: Literal["N", "E", "O", ""] = ""  # "" when it can be set
    stopbits: Literal[1, 2] | None = None  # nothing when it can be set
    max_reply: Duration = 1.0  # slowest answer
    gap: Duration = 0.0  # it must be left alone between two requests
    max_block: int = Field(MAX_WORDS, ge=1, le=MAX_WORDS)  # registers in one request
    max_bits: int = Field(MAX_BITS, ge=1, le=MAX_BITS)  # coils or inputs in one request
    gap_limit: int = Field(0, ge=0)  # registers read in vain to save a request; 0: unused ones must not be read
    trigger: Trigger | None = None  # written before every poll
    locked: tuple[Locked, ...] = ()  # never written while guarding
    signature: tuple[Sign, ...] = ()  # all of them, and it is this model
    notes: tuple[str, ...] = ()  # quirks worth telling a technician
    unverified: tuple[str, ...] = ()  # facts nobody has confirmed yet


class RegisterMap(Part):
    """A checked map: a device model and its points by name."""

    device: DeviceModel
    point: dict[str, MapPoint] = Field(min_length=1)
    constant: dict[str, Constant] = Field(default_factory=dict)  # figures of the single instrument

    @property
    def constants(self) -> dict[str, float]:
        """The constants that have a value."""
        return {name: constant.value for name, constant in self.constant.items() if constant.value is not None}

    def with_constants(self, given: Mapping[str, float]) -> RegisterMap:
        """The map for one instrument. Raises ValueError, a line for each that is missing, wrong or unknown."""
        problems = [
            f"constants.{name}: {self.device.title} has no such constant{_nearest(name, self.constant)}"
            for name in given
            if name not in self.constant
        ]
        settled = {}
        for name, constant in self.constant.items():
            value = given.get(name, constant.value)
            if value is None:
                problems.append(f"constants.{name}: is missing, expected {constant.allowed}: {constant.note}")
            elif not constant.takes(value):
                problems.append(f"constants.{name}: got {value:g}, expected {constant.allowed}: {constant.note}")
            settled[name] = constant.model_copy(update={"value": value})
        if problems:
            raise ValueError("\n".join(problems))
        return self.model_copy(update={"constant": settled})

    @property
    def points(self) -> tuple[Point, ...]:
        """The points as the rest of Tocsin sees them."""
        return tuple(
            Point(name, p.unit, p.low, p.high, p.kind, dict(p.states), p.wrap)
            for name, p in self.point.items()
            if not p.hidden
        )

    def problems(self) -> Iterable[str]:
        """What is wrong between points, as "key: text"."""
        for name, point in self.point.items():
            if not re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name):
                yield f'point.{name}: names are small letters, digits and "-", such as "water-level"'
            yield from self._wrong_references(name, point)
        for name in self.constant:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "raw":
                yield f'constant.{name}: names are small letters, digits and "_", and not "raw"'
        yield from self._circles()
        if (trigger := self.device.trigger) and (why := locks(self.device.locked, trigger.table, trigger.address, 1)):
            yield f"device.trigger: writes what is locked: {why}"
        for group, names in _groups(self.point).items():
            tables = {self.point[name].table for name in names}
            if len(tables) > 1:
                yield f'point.{names[0]}.together: group "{group}" is in several tables: {", ".join(sorted(tables))}'
            elif _span(self.point[name] for name in names) > _limit(self.device, *tables):
                yield f'point.{names[0]}.together: group "{group}" does not fit into one request of this device'
        for name, point in self.point.items():
            if point.words > _limit(self.device, point.table):
                yield f"point.{name}: takes {point.words} registers, max_block = {self.device.max_block}"

    def _circles(self) -> Iterable[str]:
        needed = {name: point.values_needed & set(self.point) for name, point in self.point.items()}
        try:
            TopologicalSorter(needed).prepare()
        except CycleError as error:
            yield f"point.{error.args[1][0]}: needs itself: {' <- '.join(error.args[1])}"

    def _wrong_references(self, name: str, point: MapPoint) -> Iterable[str]:
        for other in sorted(point.needs):
            if other not in self.point or other == name:
                yield f"point.{name}: refers to point {other!r}, which is not there{_nearest(other, self.point)}"
        if point.decode:
            try:
                compile_formula(point.decode, dict.fromkeys(self.constant, 1.0), point.uses)
            except ValueError as error:
                yield f"point.{name}: {error}"
        bounds = [bound for gate in point.valid_when for bound in gate.within or () if isinstance(bound, str)]
        for bound in bounds:
            if bound not in self.constant:
                yield f"point.{name}.valid_when: no constant {bound!r}{_nearest(bound, self.constant)}"
        for gate in point.valid_when:
            states = self.point[gate.point].states if gate.point in self.point else {}
            for state in gate.states:
                if gate.point in self.point and state not in states:
                    yield f"point.{name}.valid_when: {gate.point} has no state {state!r}{_nearest(state, states)}"


# --- loading ----------------------------------------------------------------------------------------------------


def map_names() -> list[str]:
    """Names of the maps that come with Tocsin."""
    return sorted(entry.name.removesuffix(".toml") for entry in _built_in().iterdir() if entry.name.endswith(".toml"))


def load_map(name_or_path: str, base: Path | None = None) -> RegisterMap:
    """The map of that name, or in the file (ends in ".toml"; relative to `base`). Raises MapError with all problems."""
    if name_or_path.endswith(".toml"):
        path = (base or Path()) / name_or_path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MapError([f"{path}: can't be read: {error}"]) from None
        return parse_map(text, str(path))
    names = map_names()
    if name_or_path not in names:
        raise MapError([f"no register map {name_or_path!r}{_nearest(name_or_path, names)}; a file is given with .toml"])
    return parse_map((_built_in() / f"{name_or_path}.toml").read_text(encoding="utf-8"), f"{name_or_path}.toml")


def parse_map(text: str, file: str) -> RegisterMap:
    """A map from TOML text. Raises MapError; `file` is what its lines begin with."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MapError([f"{file}: {error}"]) from None
    written, problems = unrolled(table)
    try:
        register_map = RegisterMap.model_validate(written)
    except ValidationError as error:
        raise MapError([f"{file}: {line}" for line in problems + problems_of(error)]) from None
    if problems := problems + list(register_map.problems()):
        raise MapError([f"{file}: {problem}" for problem in problems])
    return register_map


def problems_of(error: ValidationError) -> list[str]:
    """A line for each mistake: "point.level.type: Input should be ...; got 'u61'"."""
    lines = []
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            known = {**MapPoint.model_fields, **DeviceModel.model_fields}
            message = f"no such key{_nearest(str(detail['loc'][-1]), known)}"
        elif detail["type"] not in ("value_error", "missing"):
            message += f"; got {detail['input']!r}"
        lines.append(f"{key}: {message}" if key else message)
    return lines


def _built_in() -> Any:
    return resources.files("drivers") / "maps"


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 3, 0.5)
    return f"; nearest: {', '.join(near)}" if near else ""


# --- block reads ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the points it serves. `parts`: smaller reads to fall back to when the device refuses it."""

    table: Table
    address: int
    count: int
    points: tuple[str, ...]
    parts: tuple[Block, ...] = ()


def plan(register_map: RegisterMap) -> list[Block]:
    """As few reads as the device allows: neighbours share one while at most `gap_limit` registers are read in vain.

    Points of one `together` group, and the registers of one number, are always in one read: no value is torn.
    """
    device = register_map.device
    blocks: list[Block] = []
    for piece in sorted(_pieces(register_map), key=lambda block: (block.table, block.address, block.count)):
        last = blocks[-1] if blocks else None
        if last and last.table == piece.table:
            gap_limit = device.gap_limit * (16 if piece.table in BIT_TABLES else 1)
            end = max(last.address + last.count, piece.address + piece.count)
            hole = piece.address - (last.address + last.count)
            if hole <= gap_limit and end - last.address <= _limit(device, piece.table):
                parts = (*(last.parts or (last,)), piece)
                blocks[-1] = Block(last.table, last.address, end - last.address, last.points + piece.points, parts)
                continue
        blocks.append(piece)
    return blocks


def _pieces(register_map: RegisterMap) -> Iterable[Block]:
    """What can't be divided: groups, and single points."""
    points = register_map.point
    for names in _groups(points).values():
        members = [points[name] for name in names]
        start = min(member.address for member in members)
        yield Block(members[0].table, start, _span(members), tuple(names))
    for name, point in points.items():
        if point.together is None:
            yield Block(point.table, point.address, point.words, (name,))


def _groups(points: Mapping[str, MapPoint]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, point in points.items():
        if point.together is not None:
            groups.setdefault(point.together, []).append(name)
    return groups


def _span(points: Iterable[MapPoint]) -> int:
    cells = [cell for point in points for _, cell in point.cells]
    return max(cells) - min(cells) + 1


def _limit(device: DeviceModel, table: Table) -> int:
    return device.max_bits if table in BIT_TABLES else device.max_block
