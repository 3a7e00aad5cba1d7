"""4-20 mA by NAMUR NE 43: a broken wire is never a value, and what is over its range never harmless."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import currentloop
from drivers.api import Quality
from drivers.decode import Decoder
from drivers.instrument import ModbusDriver, site_map

DRIVER = ModbusDriver()
CURRENTS = st.floats(0, 30)
ENDS = st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)).filter(lambda ends: abs(ends[1] - ends[0]) > 1e-3)


@pytest.mark.parametrize(
    ("current_ma", "value", "quality", "told"),
    [
        (0.0, None, Quality.UNDER_RANGE, "0.00 mA: the wire is broken (NAMUR NE 43)"),
        (3.6, None, Quality.UNDER_RANGE, "3.60 mA: the transmitter has no supply, or reports a fault (NAMUR NE 43)"),
        (3.7, -0.1875, Quality.UNCERTAIN, "3.70 mA: just below its range"),
        (3.8, -0.125, Quality.GOOD, ""),
        (4.0, 0.0, Quality.GOOD, ""),
        (12.0, 5.0, Quality.GOOD, ""),
        (20.0, 10.0, Quality.GOOD, ""),
        (20.5, 10.3125, Quality.GOOD, ""),
        (20.6, 10.375, Quality.OVER_RANGE, "20.60 mA: above its range"),
        (22.0, 11.25, Quality.OVER_RANGE, "22.00 mA: above its range, or a fault"),
    ],
)
def test_figures_of_the_standard(current_ma, value, quality, told):
    judged = currentloop.judged(current_ma, (0.0, 10.0))
    assert judged.quality is quality
    assert judged.value == pytest.approx(value) if value is not None else math.isnan(judged.value)
    assert judged.reason.startswith(told)


@given(CURRENTS, ENDS)
def test_a_value_is_on_the_line_or_there_is_none(current_ma, ends):
    value, quality, reason = currentloop.judged(current_ma, ends)
    assert bool(reason) == (quality is not Quality.GOOD)
    if quality.usable:
        assert current_ma > currentloop.BROKEN_MA
        assert value == pytest.approx(ends[0] + (ends[1] - ends[0]) * (current_ma - 4) / 16)
    if quality is Quality.OVER_RANGE:
        assert current_ma > currentloop.HIGHEST_MA
        assert value >= max(ends)  # so that a limit within the range is passed
    if quality is Quality.GOOD:
        lowest, highest = currentloop.range_of(ends)
        assert lowest <= value <= highest


def test_no_current_at_all():
    assert currentloop.judged(math.nan, (0.0, 1.0)).quality is Quality.BAD


def decoded(microamps, **point):
    section = DRIVER.Section.model_validate({"map": "waveshare-analog-8ch-4-20ma", "point": {"channel-1": point}})
    register_map = site_map(section, Path())
    cells = {cell: 3 for p in register_map.point.values() for cell in p.cells if cell[1] >= 0x1000}
    cells |= {("input", channel): 4000 for channel in range(8)} | {("input", 0): microamps}
    return register_map.point["channel-1"], Decoder(register_map).decode(cells, {})["channel-1"]


def test_a_site_says_what_the_ends_mean():
    words = {"loop": [0.0, 5.0], "unit": "m"}
    point, reading = decoded(12000, **words)
    assert (point.unit, point.low, point.high) == ("m", pytest.approx(-0.0625), 5.15625)
    assert (reading.value, reading.quality) == (2.5, Quality.GOOD)
    assert decoded(2000, **words)[1].quality is Quality.UNDER_RANGE
    over = decoded(21500, **words)[1]
    assert (over.quality, over.value > 5.0) == (Quality.OVER_RANGE, True)
    narrow = decoded(18000, **words, high=4.0)[1]
    assert (narrow.quality, narrow.reason) == (Quality.OVER_RANGE, "above 4 m")


def test_more_current_may_mean_less():
    point, reading = decoded(21500, loop=[6.0, 0.0], unit="m")
    assert reading.quality is Quality.UNDER_RANGE  # "at least so much" would be wrong here
    assert point.low < point.high


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"loop": [0, 5]}, 'loop needs unit, such as loop = \\[0, 5\\], unit = "m"'),
        ({"loop": [0, 5], "unit": "m", "scale": 2}, "goes without scale and offset"),
        ({"loop": [5, 5], "unit": "m"}, "two different numbers"),
    ],
)
def test_ends_that_make_no_line_are_refused(words, told):
    with pytest.raises(ValueError, match=told):
        decoded(4000, **words)


def test_only_points_in_milliamperes_have_ends():
    section = DRIVER.Section.model_validate(
        {"map": "keller-30", "point": {"temperature": {"loop": [0, 1], "unit": "m"}}}
    )
    with pytest.raises(ValueError, match=r"point\.temperature\.loop: it is for points in mA, this one is in degC"):
        site_map(section, Path())
