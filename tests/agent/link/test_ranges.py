from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.link.ranges import Ranges

SPAN = st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(st.tuples(st.booleans(), SPAN), max_size=30), SPAN)
def test_behaves_like_a_set_of_numbers(changes, asked):
    ranges, model = Ranges(), set()
    for adding, (first, last) in changes:
        numbers = set(range(first, last + 1))
        if adding:
            ranges.add(first, last)
            model |= numbers
        else:
            ranges.remove(first, last)
            model -= numbers
    runs = list(ranges)
    assert {n for first, last in runs for n in range(first, last + 1)} == model
    assert all(a[1] + 1 < b[0] for a, b in pairwise(runs)), "runs neither overlap nor touch"
    assert ranges.count() == len(model)
    wanted = set(range(asked[0], asked[1] + 1))
    assert {n for a, b in ranges.within(*asked) for n in range(a, b + 1)} == wanted & model
    assert {n for a, b in ranges.missing(*asked) for n in range(a, b + 1)} == wanted - model
    assert ranges.covers(*asked) == (wanted <= model)
    upto = 0
    while upto + 1 in model:
        upto += 1
    assert ranges.upto() == upto
    assert ranges.highest() == max(model, default=0)


def test_an_empty_range_changes_nothing():
    ranges = Ranges([(3, 5)])
    ranges.add(9, 8)
    ranges.remove(5, 3)
    assert list(ranges) == [(3, 5)]
