"""What the current of a 4-20 mA transmitter means: its measurement, a broken wire, a fault it reports; pure.

NAMUR NE 43: 3.8 to 20.5 mA are measurements, 3.6 mA and less or 21 mA and more are the transmitter's (or the wire's)
word that there is none. Above its range we keep to what makes a gas or level alarm: at least the value, never a fault
that would leave an alarm waiting.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from drivers.api import Quality

BROKEN_MA, LOWEST_MA, HIGHEST_MA, FAULT_MA = 3.6, 3.8, 20.5, 21.0
Ends = tuple[float, float]  # what 4 mA and 20 mA mean


class Loop(NamedTuple):
    """Value, quality and why it is not GOOD."""

    value: float
    quality: Quality
    reason: str


def value_at(current_ma: float, ends: Ends) -> float:
    """On the straight line through both ends."""
    at_4, at_20 = ends
    return at_4 + (at_20 - at_4) * (current_ma - 4.0) / 16.0


def range_of(ends: Ends) -> tuple[float, float]:
    """Lowest and highest value that a transmitter can tell."""
    lowest, highest = sorted((value_at(LOWEST_MA, ends), value_at(HIGHEST_MA, ends)))
    return lowest, highest


def judged(current_ma: float, ends: Ends) -> Loop:
    """The value of a current with its quality."""
    value = value_at(current_ma, ends)
    told = f"{current_ma:.2f} mA"
    if not math.isfinite(current_ma):
        return Loop(math.nan, Quality.BAD, f"{current_ma} is no current")
    if current_ma <= BROKEN_MA:
        why = "the wire is broken" if current_ma < 1.0 else "the transmitter has no supply, or reports a fault"
        return Loop(math.nan, Quality.UNDER_RANGE, f"{told}: {why} (NAMUR NE 43)")
    if current_ma < LOWEST_MA:
        return Loop(value, Quality.UNCERTAIN, f"{told}: just below its range")
    if current_ma <= HIGHEST_MA:
        return Loop(value, Quality.GOOD, "")
    fault = "" if current_ma < FAULT_MA else ", or a fault that it reports, or a short circuit (NAMUR NE 43)"
    if ends[1] < ends[0]:  # more current is less: what lies beyond is not "at least"
        return Loop(math.nan, Quality.UNDER_RANGE, f"{told}: below its range{fault}")
    return Loop(value, Quality.OVER_RANGE, f"{told}: above its range{fault}")
