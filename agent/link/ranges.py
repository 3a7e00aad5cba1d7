"""Sets of sequence numbers as ranges: what was sent, what is done. Pure; knows nothing of journals or brokers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]  # first and last number, both within


class Ranges:
    """A set of whole numbers that costs memory per unbroken run, not per number."""

    __slots__ = ("_first", "_last")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        # Two sorted columns; runs neither overlap nor touch.
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Take in first..last; an empty range changes nothing."""
        if last < first:
            return
        begin = bisect_left(self._last, first - 1)  # the first run that touches or lies behind
        end = bisect_right(self._first, last + 1)
        if begin < end:
            first = min(first, self._first[begin])
            last = max(last, self._last[end - 1])
        self._first[begin:end] = [first]
        self._last[begin:end] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take out first..last."""
        if last < first:
            return
        begin = bisect_left(self._last, first)
        end = bisect_right(self._first, last)
        if begin >= end:
            return
        left, right = self._first[begin], self._last[end - 1]
        kept = [(a, b) for a, b in ((left, first - 1), (last + 1, right)) if a <= b]
        self._first[begin:end] = [a for a, _ in kept]
        self._last[begin:end] = [b for _, b in kept]

    def covers(self, first: int, last: int) -> bool:
        """Whether every number of first..last is in the set."""
        at = bisect_left(self._last, first)
        return at < len(self._last) and self._first[at] <= first and last <= self._last[at]

    def within(self, first: int, last: int) -> list[Range]:
        """The runs of the set that lie in first..last, cut to it."""
        begin = bisect_left(self._last, first)
        end = bisect_right(self._first, last)
        return [(max(first, self._first[i]), min(last, self._last[i])) for i in range(begin, end)]

    def missing(self, first: int, last: int) -> list[Range]:
        """The numbers of first..last that are not in the set."""
        holes: list[Range] = []
        at = first
        for begin, end in self.within(first, last):
            if at < begin:
                holes.append((at, begin - 1))
            at = end + 1
        if at <= last:
            holes.append((at, last))
        return holes

    def upto(self) -> int:
        """The highest number n such that all of 1..n are in the set; 0 when 1 is missing."""
        return self._last[0] if self._first and self._first[0] <= 1 else 0

    def highest(self) -> int:
        """The highest number in the set, 0 for none."""
        return self._last[-1] if self._last else 0

    def lowest(self) -> Range | None:
        """The lowest run, None for an empty set."""
        return (self._first[0], self._last[0]) if self._first else None

    def count(self) -> int:
        """How many numbers the set holds."""
        return sum(last - first + 1 for first, last in self)

    def clear(self) -> None:
        """Forget everything."""
        self._first.clear()
        self._last.clear()

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def __iter__(self) -> Iterator[Range]:
        return iter(list(zip(self._first, self._last, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._first)

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"
