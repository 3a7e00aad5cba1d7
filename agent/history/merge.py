"""Merges the streams of several recordings by time, holding a few rows of each. Knows neither files nor points."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .counts import Counts
from .rows import Rows, joined, merge_equal_times, pieces, rising

# Each round of merging ends where one stream's rows at hand end, so few rows at hand are many rounds.
_HELD_CELLS = 1_000_000
_LEAST_CELLS = 1_000


@dataclass(slots=True)
class _Stream:
    """A stream that is being read: the rows at hand, how many of them are given, and those to come."""

    place: int  # which of two that say different things is believed: the lower
    rows: Rows
    rest: Iterator[Rows]
    given: int = 0

    def until(self, horizon_ns: int) -> Rows:
        """The next rows, up to a time."""
        start = self.given
        self.given = int(np.searchsorted(self.rows.at_ns, horizon_ns, side="right"))
        return self.rows.slice(start, self.given)

    def refill(self) -> bool:
        """Make sure that there are rows at hand; False at the end."""
        while self.given == len(self.rows):
            following = next(self.rest, None)
            if following is None:
                return False
            self.rows, self.given = following, 0
        return True


Begin = Callable[[int], Iterator[Rows]]  # a stream, told how many are open with it


def merge(streams: Sequence[tuple[int, Begin]], counts: Counts, most_cells: int) -> Iterator[Rows]:
    """Rows of rising time, each time once. `streams` come with the time of their first row.

    A stream is begun when its time has come: years of recordings in a file each are never open at once. Where two say
    different things of a point at one time, the first usable one is kept, by their order in `streams`.
    """
    waiting = deque(sorted((first_ns, place) for place, (first_ns, _) in enumerate(streams)))
    open_: list[_Stream] = []
    while waiting or open_:
        if not open_:
            _begin(streams, waiting, open_, most_cells)
            continue
        horizon = min(int(stream.rows.at_ns[-1]) for stream in open_)
        if waiting and waiting[0][0] <= horizon:
            _begin(streams, waiting, open_, most_cells)
            continue
        parts = [stream.until(horizon) for stream in open_]  # in the order of their places
        open_ = [stream for stream in open_ if stream.refill()]
        yield _one(parts, counts)


def _begin(
    streams: Sequence[tuple[int, Begin]], waiting: deque[tuple[int, int]], open_: list[_Stream], most_cells: int
) -> None:
    _, place = waiting.popleft()
    most = min(most_cells, max(_LEAST_CELLS, _HELD_CELLS // (len(open_) + 1)))
    small = (piece for rows in streams[place][1](len(open_) + 1) for piece in pieces(rows, most))
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
