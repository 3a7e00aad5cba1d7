"""Reads events that people labelled: a CSV of intervals. Judges no alarm by them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import numpy as np

from agent.site.document import Document
from agent.site.problems import ConfigErrors, Problem, listed, nearest, shown
from agent.site.validate import checked

from .arrow import pa, require
from .mapping import LabelsTable
from .rows import seconds
from .stamps import Format, format_of, recognised, stamps
from .zones import LocalClock, zone_of

_KNOWN = {
    "start": ("start", "begin", "from", "start_time", "start_s", "begins", "onset", "开始", "开始时间"),
    "end": ("end", "until", "to", "end_time", "end_s", "ends", "stop", "结束", "结束时间"),
    "alarm": ("alarm", "报警"),
    "hazard": ("hazard", "灾种"),
    "text": ("text", "name", "event", "title", "label", "名称", "事件"),
}


@dataclass(frozen=True, slots=True)
class Label:
    """An event as somebody labelled it; times are seconds since 1970-01-01 UTC."""

    start_s: float
    end_s: float
    alarm: str | None  # the one alarm that it asks for
    hazard: str | None  # every alarm of this hazard; with neither, all alarms
    text: str  # what people call it
    line: int  # where it stands


def read_labels(path: Path, *, zone: tzinfo | str, mapping: Path | None = None) -> list[Label]:
    """The labels in a CSV file, by their start. Raises ConfigErrors with everything that is wrong.

    Columns are found by their names (start, end, alarm, hazard, name) or by the `[labels]` table of a mapping file;
    `zone` is for times without an offset.
    """
    require(path)
    given = _given(mapping) if mapping else LabelsTable()
    try:
        text = path.read_bytes().decode(given.encoding)
    except OSError as error:
        raise ConfigErrors([Problem(path, 1, None, "", f"the file can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        message = f"is not written in {given.encoding}: {error.reason} at byte {error.start}"
        raise ConfigErrors([Problem(path, 1, None, "", message, "a mapping can say what it is")]) from None
    rows = _rows(text, given.delimiter or _delimiter(text))
    if not rows:
        message = "is empty, expected a line with the names of columns (start, end, ...) and a line for each event"
        raise ConfigErrors([Problem(path, 1, None, "", message)])
    zone = zone_of(given.zone) if given.zone else zone_of(zone) if isinstance(zone, str) else zone
    return _Labels(path, rows, given, zone).read()


def _given(mapping: Path) -> LabelsTable:
    document = Document(mapping)
    table = checked(document, LabelsTable, document.data.get("labels", {}), ("labels",))
    if document.errors or table is None:
        raise ConfigErrors(document.in_order(document.errors))
    return table


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t|", key=lambda mark: (first.count(mark), mark == ","))


class _Labels:
    """One file; collects what is wrong with it."""

    def __init__(self, path: Path, rows: Sequence[tuple[int, list[str]]], given: LabelsTable, zone: tzinfo) -> None:
        (self._line, self._names), self._rows = rows[0], rows[1:]
        self._path, self._given, self._zone = path, given, zone
        self._problems: list[Problem] = []

    def read(self) -> list[Label]:
        """The labels. Raises ConfigErrors."""
        places = {key: self._place(key) for key in _KNOWN}
        if self._problems:
            raise ConfigErrors(self._problems)
        rows = [(line, row + [""] * (len(self._names) - len(row))) for line, row in self._rows]
        starts, ends = self._times(rows, "start", places), self._times(rows, "end", places)
        labels = []
        for (line, row), start_s, end_s in zip(rows, starts, ends, strict=True):
            words = {key: row[at] for key, at in places.items() if at is not None and at < len(row)}
            if end_s < start_s:
                self._error(line, "end", f"got {shown(words['end'])}, which is before the start {words['start']}")
            names = (words.get("alarm") or self._given.is_alarm, words.get("hazard") or self._given.is_hazard)
            labels.append(Label(start_s, end_s, *names, words.get("text", ""), line))
        if self._problems:
            raise ConfigErrors(sorted(self._problems, key=lambda problem: problem.line))
        return sorted(labels, key=lambda label: (label.start_s, label.end_s, label.line))

    def _place(self, key: str) -> int | None:
        name = getattr(self._given, key)
        plain = [each.lower() for each in self._names]
        if name is None:
            found = next((plain.index(word) for word in _KNOWN[key] if word in plain), None)
        else:
            found = self._names.index(name) if name in self._names else None
        if found is None and (name or key in ("start", "end")):
            wanted = shown(name) if name else f"for the {key} of events, such as {shown(key)}"
            message = f"has no column {wanted}; its columns are {listed(self._names)}"
            likely = [each for each in self._names if key in each.lower()]
            told = f"the table [labels] of a mapping can name it: {key} = {shown((likely or ['...'])[0])}"
            hint = nearest(name, self._names) if name else told
            self._error(self._line, "", message, hint)
        return found

    def _times(self, rows: Sequence[tuple[int, list[str]]], key: str, places: Mapping[str, int | None]) -> list[float]:
        at = places[key] or 0
        cells = [row[at] for _, row in rows]
        found = stamps([pa().array(cells, pa().string())], self._format(cells))
        local = found.valid & ~found.dated
        utc, exists = found.ns.copy(), found.valid.copy()
        for place in np.flatnonzero(local).tolist():  # each by itself: events need not be in order
            utc[place : place + 1], exists[place : place + 1] = LocalClock(self._zone).utc(found.ns[place : place + 1])
        for place in np.flatnonzero(~exists).tolist():
            expected = "a time such as 2024-05-06 07:08" if self._given.format is None else self._given.format
            self._error(rows[place][0], key, f"got {shown(cells[place])}, expected {expected}")
        times: list[float] = np.where(exists, seconds(utc), math.nan).tolist()
        return times

    def _format(self, cells: Sequence[str]) -> Format:
        return format_of(self._given.format or next(filter(None, map(recognised, cells)), "iso"))

    def _error(self, line: int, key: str, message: str, hint: str = "") -> None:
        self._problems.append(Problem(self._path, line, None, key, message, hint))
