"""Stamps of every format, and wall clocks of every zone, against Python's own slow ways."""

# ruff: noqa: DTZ001 - wall times without a zone are what is tested
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.history.order import Order
from agent.history.rows import Rows
from agent.history.stamps import format_of, recognised, stamps
from agent.history.zones import LocalClock, zone_of
from tests.agent.history.test_any_file import in_order

EPOCH = datetime(1970, 1, 1)
moments = st.datetimes(datetime(1970, 1, 3), datetime(2099, 12, 30))


def ns(when: datetime) -> int:
    delta = (when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when) - EPOCH
    return (delta.days * 86400 + delta.seconds) * 10**9 + delta.microseconds * 1000


@settings(max_examples=200, deadline=None)
@given(
    when=moments,
    pattern=st.sampled_from(
        ["%Y-%m-%d %H:%M:%S.%f", "%d.%m.%y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%Y%m%d%H%M%S", "%d %b %Y %H:%M:%S",
         "%B %d, %Y %H:%M", "%Y %j %H", "%Y年%m月%d日", "%Y-%m-%dT%H:%M:%S%z", "%F %T"]
    ),
)  # fmt: skip
def test_patterns_are_read_as_strptime_reads_them(when, pattern):
    text = when.replace(tzinfo=UTC).strftime(pattern)
    long = pattern.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    found = stamps([pa.array([text])], format_of(pattern))
    expected = datetime.strptime(text, long)  # noqa: DTZ007
    assert (found.ns[0], found.valid[0], found.dated[0]) == (ns(expected), True, "%z" in pattern)


@settings(max_examples=200, deadline=None)
@given(when=moments, offset=st.sampled_from(["", "Z", "+08:00", "-0330", "+05"]), between=st.sampled_from("T "))
def test_iso_stamps(when, offset, between):
    text = when.isoformat(between) + offset
    found = stamps([pa.array([text])], format_of("iso"))
    expected = datetime.fromisoformat(text)
    assert (found.ns[0], found.valid[0], found.dated[0]) == (ns(expected), True, bool(offset))
    assert recognised(text) == "iso"


@pytest.mark.parametrize(
    "text",
    ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-01 25:00",
     "2024-01-01 24:01", "2024-01-01 07:60", "1.5", "", "24-1-1"],
)  # fmt: skip
def test_times_that_do_not_exist(text):
    assert not stamps([pa.array([text])], format_of("iso")).valid[0]


def test_midnight_as_24_and_leap_seconds():
    found = stamps([pa.array(["2024-02-29 24:00", "2016-12-31 23:59:60"])], format_of("iso"))
    assert found.ns.tolist() == [ns(datetime(2024, 3, 1)), ns(datetime(2017, 1, 1))]


@settings(max_examples=100, deadline=None)
@given(
    zone=st.sampled_from(
        ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Shanghai", "Africa/Casablanca", "+05:30"]
    ),
    start=moments,
    pauses=st.lists(st.integers(1, 90), min_size=1, max_size=40),
)  # fmt: skip
def test_a_clock_that_runs_on_is_followed_through_every_turn(zone, start, pauses):
    """Stamps of a recorder that keeps the zone's wall time come out as the moments they were made at."""
    tz = zone_of(zone)
    moments_ = start.replace(tzinfo=UTC, microsecond=0, second=0) + np.cumsum([0, *pauses]) * timedelta(minutes=1)
    local = np.array([ns(moment.astimezone(tz).replace(tzinfo=None)) for moment in moments_])
    expected = np.array([ns(moment) for moment in moments_])
    if moments_[0].astimezone(tz).fold:  # it begins in the second pass of an hour: nobody can know
        return
    steps = np.diff(local)
    if (steps[np.diff(expected) >= 60 * 60 * 10**9] != np.diff(expected)[np.diff(expected) >= 60 * 60 * 10**9]).any():
        return  # it slept through the turn
    half = len(local) // 2
    clock = LocalClock(tz)
    parts = [clock.utc(part) for part in (local[:half], local[half:])]
    folded = [moment.astimezone(tz).fold for moment in moments_]
    if any(folded) and not any(np.diff(local) < 0):
        return  # no stamp of the first pass was made
    assert np.concatenate([utc for utc, _ in parts]).tolist() == expected.tolist()
    assert np.concatenate([exists for _, exists in parts]).all()


@pytest.mark.parametrize("cut", range(13))
def test_a_repeated_hour_may_be_cut_anywhere(cut):
    start = datetime(2024, 10, 27, 1, 40)
    minutes = [0, 20, 30, 40, 60, 20, 30, 40, 60, 80, 81, 82]  # the hour from 02:00 to 03:00 begins again at the sixth
    local = np.array([ns(start + timedelta(minutes=minute)) for minute in minutes])
    clock = LocalClock(ZoneInfo("Europe/Berlin"))
    utc = np.concatenate([clock.utc(part)[0] for part in (local[:cut], local[cut:]) if len(part)])
    begin = ns(datetime(2024, 10, 26, 23, 40))
    assert ((utc - begin) // (60 * 10**9)).tolist() == [0, 20, 30, 40, 60, 80, 90, 100, 120, 140, 141, 142]


@given(st.datetimes(datetime(2024, 3, 31, 2), datetime(2024, 3, 31, 2, 59)))
def test_an_hour_that_is_left_out_has_no_time(when):
    assert not LocalClock(ZoneInfo("Europe/Berlin")).utc(np.array([ns(when)]))[1][0]


@settings(max_examples=200, deadline=None)
@given(times=st.lists(st.integers(0, 12), max_size=30), sizes=st.lists(st.integers(1, 7), min_size=30, max_size=30))
def test_order_does_not_depend_on_blocks(times, sizes):
    def rows(part):
        n = len(part)
        place = np.arange(n, dtype=np.int32)
        return Rows(np.array(part, np.int64), np.arange(n + 1), place, np.ones(n), np.zeros(n, np.int8))

    order, kept, at = Order(), [], 0
    for size in sizes:
        ordered = order.take(rows(times[at : at + size]))
        kept += ordered.rows.at_ns[ordered.verdicts == 0].tolist()
        at += size
    ordered = order.take(rows(times[at:]), last=True)
    kept += ordered.rows.at_ns[ordered.verdicts == 0].tolist()
    runs = [time for k, time in enumerate(times) if not k or times[k - 1] != time]
    lengths = [0] * len(runs)
    run = -1
    for k, time in enumerate(times):
        run += not k or times[k - 1] != time
        lengths[run] += 1
    assert kept == [runs[i] for i in in_order(runs) for _ in range(lengths[i])]
