"""Owns the mapping file: what the columns of a recording mean, as a technician writes it. Opens no recordings."""

from __future__ import annotations

import codecs
import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from agent.site.document import Document
from agent.site.problems import ConfigErrors, nearest, shown
from agent.site.sections import Table
from agent.site.validate import checked
from rules.model import PointInfo
from rules.units import UnitError, factors, unit

from .stamps import format_of
from .zones import zone_of


def _known_encoding(text: object) -> object:
    if isinstance(text, str):
        try:
            codecs.lookup(text)
        except LookupError:
            near = nearest(text, ["utf-8-sig", "utf-16", "gb18030", "gbk", "big5", "latin-1", "cp1252"])
            told = f'got {shown(text)}, expected an encoding such as "utf-8-sig", "utf-16" or "gb18030"'
            raise ValueError("; ".join(part for part in (told, near) if part)) from None
    return text


def _known_format(text: object) -> object:
    if isinstance(text, str):
        format_of(text)
    return text


def _known_zone(text: object) -> object:
    if isinstance(text, str):
        zone_of(text)
    return text


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_character(text: object) -> object:
    if isinstance(text, str) and len(text) != 1:
        raise ValueError(f"got {shown(text)}, expected one character")
    return text


Code = str | int | float
Codes = list[Code]


class TimeTable(Table):
    """The column, or the columns, that tell when a row was recorded."""

    column: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        min_length=1,
        description='The time column; several, such as `["date", "time"]`, are read as one text with a space between.',
    )
    format: Annotated[str, BeforeValidator(_known_format)] = Field(
        default="iso",
        description='`"iso"` (2024-05-06 07:08:09, also with an offset), `"unix"`, `"unix_ms"`, `"unix_us"`, '
        'or a pattern such as `"%d.%m.%Y %H:%M"`.',
    )


class QualityTable(Table):
    """A column that tells how far the readings of a row can be trusted."""

    column: str = Field(description="The column with the codes.")
    good: Codes = Field(default_factory=list, description="Codes of good readings.")
    uncertain: Codes = Field(default_factory=list, description="Codes of readings that are usable with doubt.")
    over_range: Codes = Field(default_factory=list, description="Codes of readings that are at least the value given.")
    inhibited: Codes = Field(default_factory=list, description="Codes for: not measuring (warm-up, calibration).")
    bad: Codes = Field(default_factory=list, description="Codes of readings that are none.")
    otherwise: Literal["good", "uncertain", "over_range", "inhibited", "bad"] = Field(
        default="bad", description="What all other codes mean."
    )


class ColumnTable(Table):
    """What one column holds: `number * scale + offset` in `unit`."""

    point: str = Field(description='The point, such as `"gauge.level"`.')
    unit: str | None = Field(default=None, description="Unit of the column. Default: the point's own.")
    scale: float = Field(default=1.0, description="Factor of the numbers in the file.")
    offset: float = Field(default=0.0, description="Added after the factor.")
    missing: Codes = Field(default_factory=list, description="Codes for a failed reading, besides those of the file.")
    no_reading: Codes = Field(default_factory=list, description="Codes for no reading, besides those of the file.")
    values: dict[str, float] = Field(default_factory=dict, description="Texts and the numbers that they stand for.")
    quality: QualityTable | None = Field(default=None, description="A quality column of its own.")


class LongTable(Table):
    """For files that have a row for each reading: which columns name the point and give the value."""

    point: str = Field(description="The column with names; `[column.NAME]` tells what each name means.")
    value: str = Field(description="The column with numbers.")


class LabelsTable(Table):
    """For labelled events: which columns of their file are what. Names that are not given are found."""

    start: str | None = Field(default=None, description="The column with the start of events.")
    end: str | None = Field(default=None, description="The column with their end.")
    alarm: str | None = Field(default=None, description="The column with the alarm that an event asks for.")
    hazard: str | None = Field(default=None, description="The column with the hazard.")
    text: str | None = Field(default=None, description="The column with what people call it.")
    is_alarm: str | None = Field(default=None, description="The alarm that all events ask for.")
    is_hazard: str | None = Field(default=None, description="The hazard of all events.")
    encoding: Annotated[str, BeforeValidator(_known_encoding)] = Field(
        default="utf-8-sig", description="How texts are stored."
    )
    delimiter: Annotated[str | None, BeforeValidator(_one_character)] = Field(
        default=None, description="What stands between two cells. Default: found in the first line."
    )
    format: Annotated[str | None, BeforeValidator(_known_format)] = Field(
        default=None, description="How times are written, as of `[time]`. Default: found."
    )
    zone: Annotated[str | None, BeforeValidator(_known_zone)] = Field(
        default=None, description="Zone of times without an offset."
    )


class MappingTable(Table):
    """One kind of recording."""

    files: list[str] = Field(
        default_factory=list, description="The recordings, relative to this file; `*` and `**` stand for any name."
    )
    encoding: Annotated[str, BeforeValidator(_known_encoding)] = Field(
        default="utf-8-sig", description='How texts are stored, such as `"gb18030"`.'
    )
    delimiter: Annotated[str | None, BeforeValidator(_one_character)] = Field(
        default=None, description="What stands between two cells. Default: found in the first line."
    )
    decimal: Literal[".", ","] = Field(default=".", description="Decimal point or comma.")
    skip: int = Field(default=0, ge=0, description="Lines to leave out at the start, before the line with names.")
    comment: str | None = Field(default=None, min_length=1, description="Lines that begin so are left out.")
    header: bool = Field(default=True, description='Whether a line names the columns; if not, they are "1", "2" ...')
    after_header: int = Field(default=0, ge=0, description="Lines to leave out behind the names, such as units.")
    time: TimeTable | None = Field(default=None, description="When a row was recorded. Default: found by its name.")
    zone: Annotated[str | None, BeforeValidator(_known_zone)] = Field(
        default=None, description='Zone of stamps without an offset: `"Asia/Shanghai"`, `"UTC"`, `"+08:00"`.'
    )
    missing: Codes = Field(
        default_factory=list,
        description='Codes for a reading that failed, such as `["-200", "M"]`; `""` for empty cells.',
    )
    no_reading: Codes = Field(
        default_factory=list, description="Codes that mean that nothing was read, as empty cells do."
    )
    values: dict[str, float] = Field(
        default_factory=dict, description="Texts that stand for a number, such as `{ T = 0.05 }` for traces of rain."
    )
    quality: QualityTable | None = Field(default=None, description="A column that tells how good a row's readings are.")
    long: LongTable | None = Field(default=None, description="For files with a row for each reading.")
    column: dict[str, ColumnTable] = Field(default_factory=dict, description="What each column holds, by its name.")
    labels: LabelsTable | None = Field(default=None, description="Labelled events, which have a file of their own.")


class Meaning(NamedTuple):
    """A mapping that was checked against the points, and where it stands."""

    table: MappingTable
    document: Document | None
    conversions: Mapping[str, tuple[float, float]]  # column -> scale and shift to the point's unit

    @property
    def zone(self) -> tzinfo | None:
        """The zone it gives."""
        return None if self.table.zone is None else zone_of(self.table.zone)


NO_MAPPING = Meaning(MappingTable(), None, {})


def load_mapping(path: Path, points: Sequence[PointInfo]) -> Meaning:
    """The mapping in a TOML file. Raises ConfigErrors with everything that is wrong with it."""
    document = Document(path)
    table = checked(document, MappingTable, document.data, ())
    conversions = {} if table is None else _check(document, table, {point.name: point for point in points})
    if document.errors or table is None:
        raise ConfigErrors(document.in_order(document.errors))
    return Meaning(table, document, conversions)


def files_of(meaning: Meaning) -> list[Path]:
    """The recordings that a mapping names. Raises ConfigErrors for names that fit no file."""
    document = meaning.document
    if document is None:
        return []
    base, found = document.path.parent, dict[Path, None]()
    for number, pattern in enumerate(meaning.table.files):
        try:
            names = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 - takes absolute patterns too
        except (OSError, ValueError, re.error):
            names = []
        fitting = [base / name for name in sorted(names) if (base / name).is_file()]
        if not fitting:
            near = nearest(Path(pattern).name, [path.name for path in base.iterdir()])
            document.error(("files", number), f"got {shown(pattern)}, which fits no file", near)
        found |= dict.fromkeys(fitting)
    if document.errors:
        raise ConfigErrors(document.in_order(document.errors))
    return list(found)


def _check(document: Document, table: MappingTable, points: Mapping[str, PointInfo]) -> dict[str, tuple[float, float]]:
    conversions: dict[str, tuple[float, float]] = {}
    for name, column in table.column.items():
        path = ("column", name)
        if column.point not in points:
            near = nearest(column.point, points)
            document.error((*path, "point"), f"got {shown(column.point)}, which is no point of the site", near)
            continue
        point = points[column.point]
        if column.scale == 0:
            document.error((*path, "scale"), "got 0, expected a factor other than 0")
        try:
            scale, shift = factors(unit(point.unit if column.unit is None else column.unit), unit(point.unit))
        except UnitError as error:
            message = f"got {shown(column.unit)} for {column.point} in {point.unit or 'plain numbers'}: {error.message}"
            document.error((*path, "unit"), message, error.hint)
            continue
        conversions[name] = (column.scale * scale, column.offset * scale + shift)
        _check_codes(document, path, column)
    _check_codes(document, (), table)
    return conversions


def _check_codes(document: Document, path: tuple[str, ...], table: MappingTable | ColumnTable) -> None:
    """A code has one meaning."""
    meanings: dict[str, str] = {}
    for key, codes in (("missing", table.missing), ("no_reading", table.no_reading), ("values", table.values)):
        _claim(document, (*path, key), codes, meanings)
    if (quality := table.quality) is not None:
        meanings = {}
        for key in ("good", "uncertain", "over_range", "inhibited", "bad"):
            _claim(document, (*path, "quality", key), getattr(quality, key), meanings)


def _claim(document: Document, path: tuple[str, ...], codes: Iterable[Code], meanings: dict[str, str]) -> None:
    for code in map(str, codes):
        if code in meanings:
            document.error(path, f"got {shown(code)}, which is in {meanings[code]} too; a code has one meaning")
        meanings.setdefault(code, path[-1])
