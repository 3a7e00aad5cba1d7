"""What differs from one family of windows to the next: their size, how they are fed, when they are looked at again."""
# ruff: noqa: PLR0124, PLR0917 - x != x is NaN; njit wants flat arguments

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.engine import windows
from rules.engine.memories import (
    N_AMOUNT,
    N_MAYBE,
    N_SURE,
    N_TRUE_END,
    N_TRUTH,
    N_UNKNOWN_END,
    feed_decay,
    feed_span,
    feed_streak,
    streak_due,
)
from rules.engine.windows import (
    DECAY,
    EXTREME,
    EXTREME_STRIDE,
    I_COUNT,
    INF,
    MEAN,
    MEAN_STRIDE,
    N_AT,
    N_LO,
    P_COUNT,
    P_LENGTH,
    SLOPE,
    SLOPE_STRIDE,
    SPAN,
    STREAK,
    TICKS,
    W_FAMILY,
    W_INT,
    W_NUM,
    W_PAR,
    W_STRIDE,
    Counts,
    Floats,
    Ints,
    State,
    feed_ring,
    just_after,
)

FAMILIES = {  # name -> (number, floats of a segment, 0: no ring)
    "mean": (windows.MEAN, windows.MEAN_STRIDE),
    "extreme": (windows.EXTREME, windows.EXTREME_STRIDE),
    "past": (windows.PAST, windows.PAST_STRIDE),
    "slope": (windows.SLOPE, windows.SLOPE_STRIDE),
    "increase": (windows.INCREASE, windows.INCREASE_STRIDE),
    "spread": (windows.SPREAD, windows.SPREAD_STRIDE),
    "order": (windows.ORDER, windows.ORDER_STRIDE),
    "span": (windows.SPAN, 0),
    "streak": (windows.STREAK, 0),
    "decay": (windows.DECAY, 0),
}
NO_RING: Mapping[int, Sequence[float]] = {  # family -> its state before the first reading
    windows.SPAN: (2.0, -windows.INF, 0.0),
    windows.STREAK: (2.0, -windows.INF, 0.0, -windows.INF, 0.0),
    windows.DECAY: (windows.NAN, windows.NAN, windows.NAN, windows.NAN, windows.NAN, 0.0, 0.0),
}

# --- copied into the generated module from here on --------------------------------------------------------------


def feed(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float, lo: float, hi: float) -> None:
    """A new value [lo, hi] at `t` (NaN: missing from now on) for the window whose row starts at `r`."""
    family = tab[r + W_FAMILY]
    if family == SPAN:
        feed_span(num, tab[r + W_NUM], t, lo)
    elif family == STREAK:
        feed_streak(par[tab[r + W_PAR] + P_LENGTH], num, tab[r + W_NUM], t, lo)
    elif family == DECAY:
        feed_decay(par, num, tab[r + W_NUM], tab[r + W_PAR], t, lo, hi)
    elif family == MEAN:
        feed_ring(MEAN, MEAN_STRIDE, tab, par, num, ints, r, t, lo, hi)
    elif family == EXTREME:
        feed_ring(EXTREME, EXTREME_STRIDE, tab, par, num, ints, r, t, lo, hi)
    elif family == SLOPE:
        feed_ring(SLOPE, SLOPE_STRIDE, tab, par, num, ints, r, t, lo, hi)
    else:
        feed_ring(family, tab[r + W_STRIDE], tab, par, num, ints, r, t, lo, hi)


def window_due(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> float:
    """When the window's value may change by time alone."""
    n, p = tab[r + W_NUM], tab[r + W_PAR]
    length = par[p + P_LENGTH]
    family = tab[r + W_FAMILY]
    if family == SPAN:
        first, second = num[n + N_TRUE_END] + length, num[n + N_UNKNOWN_END] + length
        due = INF
        if num[n + N_TRUTH] != 1.0:
            if first > t:
                due = first
            if num[n + N_TRUTH] == 0.0 and t < second < due:
                due = second
        return due
    if family == STREAK:
        first = streak_due(length, par[p + P_COUNT], num, n + N_SURE, num[n + N_TRUTH] == 1.0, t)
        second = streak_due(length, par[p + P_COUNT], num, n + N_MAYBE, num[n + N_TRUTH] != 0.0, t)
        return min(second, first)
    at = num[n + N_AT]
    if family == DECAY:
        if at != at or (num[n + N_AMOUNT] == 0.0 and num[n + N_LO] != num[n + N_LO]):
            return INF
    elif ints[tab[r + W_INT] + I_COUNT] == 0 or (num[n + N_LO] != num[n + N_LO] and t - at > length):  # empty for good
        return INF
    due = t + length / TICKS
    return due if due > t else just_after(t)
