"""Joins the columns of one recording with the points: which column is the time, which are whose. Reads no cells."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from agent.site.problems import ConfigErrors, Problem, dotted, listed, nearest, shown
from rules.model import PointInfo

from .cells import FLAGS, Cell, Flags
from .mapping import Code, ColumnTable, Meaning, QualityTable
from .marks import ABSENT, CODE
from .stamps import Format, format_of, recognised

_TIME_NAMES = (
    "time",
    "timestamp",
    "date",
    "datetime",
    "date_time",
    "time_utc",
    "utc",
    "ts",
    "时间",
    "日期",
    "采集时间",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is taken from a recording. Columns are numbers from 0."""

    times: tuple[int, ...]
    written: Format
    zone: tzinfo
    cells: tuple[Cell, ...] = ()  # by rising point
    names: int = -1  # long recordings: the column with names, and with values
    values: int = -1
    by_name: Mapping[str, Cell] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what was recognised, what is not used

    @property
    def long(self) -> bool:
        """Whether each row is one reading."""
        return self.names >= 0

    @property
    def meanings(self) -> tuple[Cell, ...]:
        """All cells there may be."""
        return tuple(self.by_name.values()) if self.long else self.cells

    @property
    def texts(self) -> frozenset[int]:
        """Columns that are read as texts whatever stands in them."""
        flags = {cell.flags.at for cell in self.meanings if cell.flags}
        return frozenset(flags | ({self.names} if self.long else set()))

    @property
    def numbers(self) -> frozenset[int]:
        """Columns of values."""
        return frozenset({self.values} if self.long else {cell.at for cell in self.cells})


class Planner:
    """Makes the plan of one recording; collects what is wrong with it."""

    def __init__(
        self, path: Path, line: int, names: Sequence[str], meaning: Meaning, points: Sequence[PointInfo]
    ) -> None:
        """`line` is where the names stand, `names` are those of the columns."""
        self._path, self._line, self._names = path, line, list(names)
        self._meaning, self._table = meaning, meaning.table
        self._places = {point.name: place for place, point in enumerate(points)}
        self._points = points
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self.used: set[str] = set()  # columns of the mapping that this recording has

    def plan(self, sample: Sequence[Sequence[str]], zone: tzinfo, *, typed_time: Mapping[int, bool]) -> Plan:
        """`sample` are the first rows as texts; `typed_time` are columns whose values are times by their type.

        Raises ConfigErrors.
        """
        times = self._time_columns(typed_time)
        written = self._written(times, sample, typed_time)
        zone = self._meaning.zone or zone
        long = self._table.long
        if long:
            plan = self._long(long.point, long.value, times, written, zone)
        else:
            plan = Plan(times, written, zone, self._wide(times))
            if not plan.cells and not self._problems:
                self._nothing_matched(times)
        if self._problems:
            raise ConfigErrors(self._problems)
        return Plan(
            plan.times, plan.written, zone, plan.cells, plan.names, plan.values, plan.by_name, tuple(self._notes)
        )

    # --- time -----------------------------------------------------------------------------------------------------

    def _time_columns(self, typed_time: Mapping[int, bool]) -> tuple[int, ...]:
        if self._table.time:
            return tuple(self._column(name, ("time", "column")) for name in self._table.time.column)
        plain = [name.strip().lower() for name in self._names]
        for name in _TIME_NAMES:
            if name in plain:
                return (plain.index(name),)
        return (next(iter(typed_time), 0),)

    def _written(self, times: Sequence[int], sample: Sequence[Sequence[str]], typed_time: Mapping[int, bool]) -> Format:
        name = " + ".join(self._names[at] for at in times if at >= 0)
        if len(times) == 1 and times[0] in typed_time:
            self._notes.append(f"time: column {name}, times by type")
            return format_of("iso")
        if self._table.time:
            return format_of(self._table.time.format)
        cells = [row[times[0]] for row in sample if times[0] < len(row) and row[times[0]].strip()]
        found = next(filter(None, map(recognised, cells)), "")
        if cells and not found:
            message = (
                f"column {shown(name)} holds {shown(cells[0])}, expected times (2024-05-06 07:08, or unix seconds)"
            )
            self._error(message, "a mapping can give the time column and its format")
        words = {"iso": "ISO 8601", "unix": "unix seconds", "unix_ms": "unix milliseconds"}
        self._notes.append(f"time: column {name}, {words.get(found, 'no rows')}")
        return format_of(found or "iso")

    # --- columns --------------------------------------------------------------------------------------------------

    def _wide(self, times: Sequence[int]) -> tuple[Cell, ...]:
        cells: dict[int, Cell] = {}
        unused = []
        for at, name in enumerate(self._names):
            column = self._table.column.get(name)
            place = self._places.get(column.point if column else name.strip())
            if place is None or (column is None and place in cells):
                unused.append(name)
                continue
            if self._names.count(name) > 1:
                self._error(f"two columns are called {shown(name)}; only one of them can be {self._points[place].name}")
            if column:
                self.used.add(name)
                if place in cells and self._names[cells[place].at] != name:
                    both = f"{shown(self._names[cells[place].at])} and {shown(name)}"
                    self._error(f"columns {both} are both {column.point}; only one of them can be")
            elif any(other.point == self._points[place].name for other in self._table.column.values()):
                unused.append(name)
                continue
            cells[place] = self._cell(at, place, name, column)
        taken = {at for cell in cells.values() if cell.flags for at in (cell.flags.at,)} | set(times)
        unused = [name for name in unused if self._names.index(name) not in taken]
        if unused:
            self._notes.append(f"columns not used: {listed(unused)}")
        return tuple(cells[place] for place in sorted(cells))

    def _long(self, names: str, values: str, times: tuple[int, ...], written: Format, zone: tzinfo) -> Plan:
        name_at, value_at = self._column(names, ("long", "point")), self._column(values, ("long", "value"))
        by_name = {}
        for name, column in self._table.column.items():
            by_name[name] = self._cell(value_at, self._places[column.point], name, column)
            self.used.add(name)
        for name, place in self._places.items():
            by_name.setdefault(name, self._cell(value_at, place, name, None))
        return Plan(times, written, zone, names=name_at, values=value_at, by_name=by_name)

    def _cell(self, at: int, place: int, name: str, column: ColumnTable | None) -> Cell:
        point, table = self._points[place], self._table
        given = column or ColumnTable(point=point.name)
        codes: dict[str, int] = {"": ABSENT}
        for part in (table, given):
            codes |= {_code(code): ABSENT for code in part.no_reading}
            codes |= {_code(code): CODE for code in part.missing}
        scale, shift = self._meaning.conversions.get(name, (1.0, 0.0)) if column else (1.0, 0.0)
        quality, key = (given.quality, ("column", name)) if given.quality else (table.quality, ())
        return Cell(
            at,
            place,
            scale,
            shift,
            -math.inf if point.low is None else point.low,
            math.inf if point.high is None else point.high,
            {word: float(code) for word, code in point.states.items()},
            {**table.values, **given.values},
            codes,
            table.decimal,
            self._flags(quality, key) if quality else None,
        )

    def _flags(self, quality: QualityTable, key: tuple[str, ...]) -> Flags:
        marks = {_code(code): mark for word, mark in FLAGS.items() for code in getattr(quality, word)}
        return Flags(self._column(quality.column, (*key, "quality", "column")), marks, FLAGS[quality.otherwise])

    # --- mistakes -------------------------------------------------------------------------------------------------

    def _column(self, name: str, key: tuple[str, ...]) -> int:
        if name in self._names:
            return self._names.index(name)
        message = f"has no column {shown(name)}, which {dotted(key)} of the mapping names"
        self._error(message, nearest(name, self._names))
        return -1

    def _nothing_matched(self, times: Sequence[int]) -> None:
        names = [name for at, name in enumerate(self._names) if at not in times]
        message = f"no column is a point of the site; its columns are {listed(names)}"
        hints = [f"{name} as {near.removeprefix('did you mean ').removesuffix('?')}"
                 for name in names if (near := nearest(name, self._places))]  # fmt: skip
        known = f"points are {listed(self._places)}; a mapping tells which column is which"
        self._error(message, f"did you mean {', '.join(hints)}? {known}" if hints else known)

    def _error(self, message: str, hint: str = "") -> None:
        problem = Problem(self._path, self._line, None, "", message, hint)
        if problem not in self._problems:
            self._problems.append(problem)


def unmet(meaning: Meaning, used: Container[str]) -> list[Problem]:
    """What is wrong where a mapping has columns that none of its recordings has."""
    document = meaning.document
    if document is None or meaning.table.long:
        return []
    before = len(document.errors)
    for name in meaning.table.column:
        if name not in used:
            document.error(("column", name), f"got {shown(name)}, a column that none of the recordings has")
    return document.errors[before:]


def _code(code: Code) -> str:
    text = str(code).strip()
    return text.removesuffix(".0") if isinstance(code, float) else text
