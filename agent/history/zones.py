"""Turns local wall times of a recording into UTC, daylight saving included. Reads no files and no system clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from agent.site.problems import nearest

_FIXED = re.compile(r"([+-])(\d\d):?(\d\d)")
_FIRST, _LAST, _STEP = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), timedelta(days=7)
SECOND_NS = 1_000_000_000

Times = NDArray[np.int64]  # nanoseconds since 1970-01-01, of UTC or of the local wall clock
Mask = NDArray[np.bool_]


def zone_of(text: str) -> tzinfo:
    """The zone written as "Asia/Shanghai", "UTC" or "+08:00". Raises ValueError with the nearest right name."""
    if found := _FIXED.fullmatch(text.strip()):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if offset < timedelta(days=1):
            return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(text, available_timezones())
        told = f'got "{text}", expected a zone such as "Asia/Shanghai", "UTC" or "+08:00"'
        raise ValueError("; ".join(part for part in (told, near) if part)) from None


class LocalClock:
    """The wall clock of one recording, whose stamps are given block by block in the order of the file.

    Where an hour comes twice, stamps belong to its first pass until they jump back within it. Stamps of an hour that
    does not exist have no time: their recorder did not follow the zone.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._turn_ns, self._offset_ns = _turns(zone)  # offset k is in force from turn k on
        self._fold = -1  # the turn whose repeated hour was met last
        self._latest = 0  # the last local stamp in it
        self._again = False  # whether it had begun a second time by then
        self.twice = 0  # stamps that were of a repeated hour

    def utc(self, local: Times) -> tuple[Times, Mask]:
        """UTC of local times, and which of them exist."""
        before, after = self._offset_ns[:-1], self._offset_ns[1:]
        turn = self._turn_ns[1:]
        if not len(turn):
            return local - self._offset_ns[0], np.ones(len(local), bool)
        begins, ends = turn + np.minimum(before, after), turn + np.maximum(before, after)  # what local time is unclear
        k = np.searchsorted(ends, local, side="right")  # turns that are over
        utc = local - self._offset_ns[k]
        nearest_turn = np.minimum(k, len(turn) - 1)
        unclear = (k < len(turn)) & (local >= begins[nearest_turn])
        if not unclear.any():
            return utc, ~unclear
        back = after[nearest_turn] < before[nearest_turn]
        missing = unclear & ~back
        places = np.flatnonzero(unclear & back)
        self.twice += len(places)
        for fold in np.unique(k[places]):
            mine = places[k[places] == fold]
            again = self._second_pass(int(fold), local[mine])
            utc[mine[again]] = local[mine[again]] - after[fold]
        return utc, ~missing

    def _second_pass(self, fold: int, local: Times) -> Mask:
        if fold != self._fold:
            self._fold, self._latest, self._again = fold, int(local[0]), False
        falls = np.diff(local, prepend=self._latest) < 0
        again = np.logical_or.accumulate(falls) | self._again
        self._latest, self._again = int(local[-1]), bool(again[-1])
        return again


@cache
def _turns(zone: tzinfo) -> tuple[Times, Times]:
    """When a zone's offset from UTC changes: turn 0 is the beginning of time. In nanoseconds."""
    turns = list(_changes(zone))
    times = [-(2**62), *(int(at.timestamp()) * SECOND_NS for at, _ in turns)]
    offsets = [_offset(zone, _FIRST), *(offset for _, offset in turns)]
    in_ns = [int(offset.total_seconds()) * SECOND_NS for offset in offsets]
    return np.array(times, np.int64), np.array(in_ns, np.int64)


def _changes(zone: tzinfo) -> Iterator[tuple[datetime, timedelta]]:
    at, offset = _FIRST, _offset(zone, _FIRST)
    while at < _LAST:
        early, late = at, at + _STEP
        at = late
        if (new := _offset(zone, late)) == offset:
            continue
        while late - early > timedelta(seconds=1):
            middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
            early, late = (middle, late) if _offset(zone, middle) == offset else (early, middle)
        yield late, new
        offset = new


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
