"""Merges the streams of several recordings by time, holding a few rows of each. Knows neither files nor points."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .counts import Counts
from .rows import Rows, joined, merge_equal_times, pieces, rising


@dataclass(slots=True)
class _Stream:
    """A stream that is being read: the rows at hand, and those to come."""

    place: int  # which of two that say different things is believed: the lower
    rows: Rows
    rest: Iterator[Rows]

    def refill(self) -> bool:
        """Make sure that there are rows at hand; False at the end."""
        while not len(self.rows):
            following = next(self.rest, None)
            if following is None:
                return False
            self.rows = following
        return True


def merge(streams: Sequence[tuple[int, Iterator[Rows]]], counts: Counts, most_cells: int) -> Iterator[Rows]:
    """Rows of rising time, each time once. `streams` come with the time of their first row.

    A stream is begun when its time has come: years of recordings in a file each are never open at once. Where two say
    different things of a point at one time, the first usable one is kept, by their order in `streams`.
    """
    waiting = deque(sorted((first_ns, place, rest) for place, (first_ns, rest) in enumerate(streams)))
    open_: list[_Stream] = []
    while waiting or open_:
        if not open_:
            _begin(waiting, open_, most_cells)
            continue
        horizon = min(int(stream.rows.at_ns[-1]) for stream in open_)
        if waiting and waiting[0][0] <= horizon:
            _begin(waiting, open_, most_cells)
            continue
        parts = []
        for stream in open_:  # in the order of their places
            cut = int(np.searchsorted(stream.rows.at_ns, horizon, side="right"))
            parts.append(stream.rows.slice(0, cut))
            stream.rows = stream.rows.slice(cut, len(stream.rows))
        open_ = [stream for stream in open_ if stream.refill()]
        yield _one(parts, counts)


def _begin(waiting: deque[tuple[int, int, Iterator[Rows]]], open_: list[_Stream], most_cells: int) -> None:
    _, place, rest = waiting.popleft()
    share = max(1, most_cells // (len(waiting) + len(open_) + 1))
    small = (piece for rows in rest for piece in pieces(rows, share))
    if (rows := next(small, None)) is not None:
        open_.append(_Stream(place, rows, small))
        open_.sort(key=lambda stream: stream.place)


def _one(parts: Sequence[Rows], counts: Counts) -> Rows:
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    rows = joined(parts)
    if rising(rows):
        return rows
    merged = merge_equal_times(rows)
    counts.drop("same time and value in another recording", merged.same)
    counts.drop("same time, another value in another recording", merged.other)
    counts.joined += len(rows) - len(merged.rows)
    return merged.rows
