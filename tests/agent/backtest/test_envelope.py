"""A history drawn small: the same however it is cut, right against a slow reference, always as large."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.backtest.envelope import Envelope
from rules.backtest import Steps
from rules.model import BAD, GOOD


def steps_of(rows, points):
    """Rows of (time, {point: value or None for a bad reading})."""
    samples = [(point, value) for _, cells in rows for point, value in cells.items()]
    return Steps(
        np.array([float(at) for at, _ in rows]),
        np.cumsum([0, *(len(cells) for _, cells in rows)]),
        np.array([point for point, _ in samples], dtype=np.int64),
        np.array([np.nan if value is None else value for _, value in samples]),
        np.array([BAD if value is None else GOOD for _, value in samples], dtype=np.int64),
    )


def drawn(stretches, points, columns=8):
    envelope = Envelope(points, columns)
    for rows in stretches:
        envelope.add(steps_of(rows, points))
    return [envelope.trace(point) for point in range(points)]


values = st.one_of(st.none(), st.floats(-5, 5).map(lambda value: round(value, 2)))
histories = st.lists(
    st.tuples(st.integers(0, 40), st.dictionaries(st.integers(0, 2), values, max_size=3)), min_size=1, max_size=40
).map(lambda rows: [(sum(gap for gap, _ in rows[: k + 1]) + 1000, cells) for k, (_, cells) in enumerate(rows)])


@settings(max_examples=60)
@given(histories, st.lists(st.integers(1, 39), max_size=3), st.booleans())
def test_cuts_change_nothing_and_every_column_is_right(rows, cuts, regular):
    if regular:
        rows = [(at, {0: 1.0 * at % 7, 2: None if at % 3 == 0 else at % 5 * 0.5}) for at, _ in rows]
    places = sorted({0, *(cut for cut in cuts if cut < len(rows)), len(rows)})
    pieces = [rows[a:b] for a, b in pairwise(places)]
    whole, cut = drawn([rows], 3), drawn(pieces, 3)
    for point, (one, other) in enumerate(zip(whole, cut, strict=True)):
        assert one.width_s == other.width_s
        for name in ("lo", "hi", "bad"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
        for column in range(len(one.lo)):
            low = one.start_s + column * one.width_s
            mine = [cells[point] for at, cells in rows if point in cells and low <= at < low + one.width_s]
            good = [value for value in mine if value is not None]
            assert one.lo[column] == min(good, default=np.inf)
            assert one.hi[column] == max(good, default=-np.inf)
            assert one.bad[column] == len(mine) - len(good)


def test_ten_years_take_as_much_room_as_a_day():
    envelope = Envelope(2, 64)
    for day in range(0, 3650, 50):
        envelope.add(steps_of([(86400 * day + 3600 * hour, {0: hour, 1: day}) for hour in range(24)], 2))
    trace = envelope.trace(0)
    assert len(trace.lo) <= 64
    assert trace.width_s * len(trace.lo) >= 3600 * 86400
    assert (trace.lo.min(), trace.hi.max()) == (0, 23)


def test_pauses_longer_than_stale_after_are_gaps():
    rows = [(float(at), {0: 1.0}) for at in [*range(0, 600, 60), *range(1800, 2400, 60)]]
    (trace,) = drawn([rows], 1, columns=1024)
    runs = trace.runs(600.0)
    assert len(runs) == 2
    assert trace.runs(3600.0) == [(0, len(trace.lo) - 1)]
    assert len(trace.coarser().lo) == -(-len(trace.lo) // 2)
    assert len(trace.coarser().runs(600.0)) == 2


def test_readings_without_a_date_are_left_out():
    envelope = Envelope(1, 8)
    envelope.add(steps_of([(5.0, {0: 1.0})], 1)._replace(wall_offset_s=float("nan")))
    assert len(envelope.trace(0).lo) == 0
