"""What windows give: bounds of means, extremes, medians, amounts. Legal as Python and as njit; it feeds no window."""

from __future__ import annotations

from math import sqrt

from rules.engine.windows import (
    CAPACITY,
    EXTREME,
    EXTREME_STRIDE,
    I_COUNT,
    I_SORTED,
    INCREASE,
    INCREASE_STRIDE,
    INF,
    MEAN,
    MEAN_STRIDE,
    N_AT,
    N_BACK,
    N_HI,
    N_LO,
    NAN,
    ORDER,
    ORDER_STRIDE,
    P_COVER,
    P_LENGTH,
    PAST,
    PAST_STRIDE,
    S_A,
    S_B,
    S_C,
    S_D,
    S_E,
    S_F,
    S_GOOD,
    S_START,
    SPREAD,
    SPREAD_STRIDE,
    W_INT,
    W_NUM,
    W_PAR,
    Counts,
    Floats,
    Ints,
    State,
    expire,
    lower,
    place,
    sorted_at,
    upper,
)

# ruff: noqa: PLR0124, PLR0917 - x != x is NaN; njit wants flat arguments; min and max cost a call
# --- copied into the generated module from here on --------------------------------------------------------------


def times(a: float, b: float) -> float:
    """The product, where nothing times anything is nothing."""
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def product(al: float, ah: float, bl: float, bh: float) -> tuple[float, float]:
    """Bounds of a product."""
    if al != al or bl != bl or ah != ah or bh != bh:
        return NAN, NAN
    p, q, r, s = times(al, bl), times(al, bh), times(ah, bl), times(ah, bh)
    return lower(lower(p, q), lower(r, s)), upper(upper(p, q), upper(r, s))


def quotient(al: float, ah: float, bl: float, bh: float) -> tuple[float, float]:
    """Bounds of a quotient; unknown when the divisor may be zero."""
    if bl != bl or bh != bh or (bl <= 0.0 <= bh):
        return NAN, NAN
    return product(al, ah, 1.0 / bh, 1.0 / bl)


def lookup(par: Floats, at: int, lo: float, hi: float) -> tuple[float, float]:
    """Bounds of a table over [lo, hi]: `par[at]` knots, then their xs, then their ys; held beyond its ends."""
    if lo != lo or hi != hi:
        return NAN, NAN
    count = int(par[at])
    xs, ys = at + 1, at + 1 + count
    first, last = interpolated(par, xs, ys, count, lo), interpolated(par, xs, ys, count, hi)
    least, most = lower(first, last), upper(first, last)
    for k in range(count):
        if lo < par[xs + k] < hi:
            least, most = lower(least, par[ys + k]), upper(most, par[ys + k])
    return least, most


def interpolated(par: Floats, xs: int, ys: int, count: int, x: float) -> float:
    """The table's value at `x`."""
    if x <= par[xs]:
        return par[ys]
    for k in range(1, count):
        a, b = par[xs + k - 1], par[xs + k]
        if x <= b:
            return par[ys + k - 1] + (par[ys + k] - par[ys + k - 1]) * ((x - a) / (b - a))
    return par[ys + count - 1]


def inside(
    family: int, stride: int, tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float
) -> tuple[float, float, int, int]:
    """(share of the oldest segment that is inside, time since the last value inside, oldest, open segment or -1)."""
    expire(family, stride, tab, par, num, ints, r, t)
    count = ints[tab[r + W_INT] + I_COUNT]
    if count == 0:
        return 0.0, 0.0, -1, -1
    start = t - par[tab[r + W_PAR] + P_LENGTH]
    oldest = place(stride, tab, ints, r, 0)
    newest = -1
    begin = num[oldest + S_START]
    end = num[tab[r + W_NUM] + N_AT]
    tail = t - upper(end, start)
    if count > 1:
        newest = place(stride, tab, ints, r, count - 1)
        end = num[place(stride, tab, ints, r, 1) + S_START]
    if begin >= start:
        return 1.0, tail, oldest, newest
    if end <= start:
        return 0.0, tail, oldest, newest
    return (end - start) / (end - begin), tail, oldest, newest


def covered(stride: int, tab: Ints, num: State, r: int, part: float, tail: float, oldest: int, newest: int) -> float:
    """Seconds of good data inside; none while the value is missing, for what is missing now clears nothing."""
    n = tab[r + W_NUM]
    if oldest < 0 or num[n + N_LO] != num[n + N_LO]:
        return 0.0
    good = num[between(stride, tab, r) + S_GOOD] + part * num[oldest + S_GOOD]
    if newest >= 0:
        good += num[newest + S_GOOD]
    return good + tail


def between(stride: int, tab: Ints, r: int) -> int:
    """Where the aggregate of the segments between the oldest and the open one stands."""
    return tab[r + W_NUM] + N_BACK + stride


def integral(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float, float]:
    """(seconds of good data, integral of lo, integral of hi) over a mean's window."""
    part, tail, oldest, newest = inside(MEAN, MEAN_STRIDE, tab, par, num, ints, r, t)
    n, total = tab[r + W_NUM], between(MEAN_STRIDE, tab, r)
    good = covered(MEAN_STRIDE, tab, num, r, part, tail, oldest, newest)
    if oldest < 0:
        return 0.0, 0.0, 0.0
    lo = num[total + S_A] + times(part, num[oldest + S_A])
    hi = num[total + S_B] + times(part, num[oldest + S_B])
    if newest >= 0:
        lo += num[newest + S_A]
        hi += num[newest + S_B]
    if num[n + N_LO] == num[n + N_LO]:
        lo += times(tail, num[n + N_LO])
        hi += times(tail, num[n + N_HI])
    return good, lo, hi


def read_avg(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Time-weighted mean."""
    good, lo, hi = integral(tab, par, num, ints, r, t)
    if good < par[tab[r + W_PAR] + P_COVER]:
        return NAN, NAN
    return lo / good, hi / good


def read_amount(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Integral of an intensity, in its unit times seconds; at least what was seen."""
    good, lo, hi = integral(tab, par, num, ints, r, t)
    if good < par[tab[r + W_PAR] + P_COVER]:
        return (NAN, NAN) if good == 0.0 and lo == 0.0 else (lo, INF)
    return lo, hi


def read_share(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Share of time that a condition (fed as 1.0 or 0.0) was true."""
    good, lo, _ = integral(tab, par, num, ints, r, t)
    p = tab[r + W_PAR]
    if good < par[p + P_COVER]:
        return lo / par[p + P_LENGTH], 1.0
    return lo / good, lo / good


def extremes(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float, float, float]:
    """Bounds (min lo, min hi, max lo, max hi); one-sided below the coverage."""
    part, tail, oldest, newest = inside(EXTREME, EXTREME_STRIDE, tab, par, num, ints, r, t)
    n, total = tab[r + W_NUM], between(EXTREME_STRIDE, tab, r)
    if oldest < 0:
        return NAN, NAN, NAN, NAN
    a, b, c, d = num[total + S_A], num[total + S_B], num[total + S_C], num[total + S_D]
    if part > 0.0:
        a, b = lower(a, num[oldest + S_A]), lower(b, num[oldest + S_B])
        c, d = upper(c, num[oldest + S_C]), upper(d, num[oldest + S_D])
    if newest >= 0:
        a, b = lower(a, num[newest + S_A]), lower(b, num[newest + S_B])
        c, d = upper(c, num[newest + S_C]), upper(d, num[newest + S_D])
    a, b = lower(a, num[n + N_LO]), lower(b, num[n + N_HI])
    c, d = upper(c, num[n + N_LO]), upper(d, num[n + N_HI])
    if covered(EXTREME_STRIDE, tab, num, r, part, tail, oldest, newest) < par[tab[r + W_PAR] + P_COVER] and a == a:
        return -INF, b, c, INF
    return a, b, c, d


def read_min(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Least value held."""
    a, b, _, _ = extremes(tab, par, num, ints, r, t)
    return a, b


def read_max(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Largest value held."""
    _, _, c, d = extremes(tab, par, num, ints, r, t)
    return c, d


def read_rise(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Now minus the least value; never below zero."""
    a, b, _, _ = extremes(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    if num[n + N_LO] != num[n + N_LO]:
        return NAN, NAN
    return upper(num[n + N_LO] - b, 0.0), num[n + N_HI] - a


def read_fall(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """The largest value minus now; never below zero."""
    _, _, c, d = extremes(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    if num[n + N_LO] != num[n + N_LO]:
        return NAN, NAN
    return upper(c - num[n + N_HI], 0.0), d - num[n + N_LO]


def read_last(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """The value held W ago."""
    part, tail, oldest, newest = inside(PAST, PAST_STRIDE, tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    p = tab[r + W_PAR]
    if oldest < 0 or num[oldest + S_START] > t - par[p + P_LENGTH]:
        return NAN, NAN
    if covered(PAST_STRIDE, tab, num, r, part, tail, oldest, newest) < par[p + P_COVER]:
        return NAN, NAN
    if newest < 0 and part == 0.0:  # everything since is held
        return num[n + N_LO], num[n + N_HI]
    return num[oldest + S_A], num[oldest + S_B]


def read_change(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Now minus the value held W ago."""
    lo, hi = read_last(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    return num[n + N_LO] - hi, num[n + N_HI] - lo


def read_median(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Median of one reading of each slot, the value held at the window's start among them."""
    part, tail, oldest, newest = inside(ORDER, ORDER_STRIDE, tab, par, num, ints, r, t)
    if covered(ORDER_STRIDE, tab, num, r, part, tail, oldest, newest) < par[tab[r + W_PAR] + P_COVER]:
        return NAN, NAN
    count = ints[tab[r + W_INT] + I_SORTED]
    if count == 0:
        return NAN, NAN
    at = sorted_at(tab, r) + (count - 1) // 2
    if count % 2 == 1:
        return num[at], num[at + CAPACITY]
    return (num[at] + num[at + 1]) / 2.0, (num[at + CAPACITY] + num[at + CAPACITY + 1]) / 2.0


def read_stddev(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Sample standard deviation of the readings, two at least; unknown if one was over-range."""
    part, tail, oldest, newest = inside(SPREAD, SPREAD_STRIDE, tab, par, num, ints, r, t)
    if covered(SPREAD_STRIDE, tab, num, r, part, tail, oldest, newest) < par[tab[r + W_PAR] + P_COVER]:
        return NAN, NAN
    total = between(SPREAD_STRIDE, tab, r)
    count, mean, squares, over = num[total + S_A], num[total + S_B], num[total + S_E], num[total + S_F]
    for k in range(2):
        seg = oldest if k == 0 else newest
        if seg < 0 or num[seg + S_A] == 0.0:
            continue
        more = num[seg + S_A]
        apart = num[seg + S_B] - mean
        squares += num[seg + S_E] + apart * apart * count * more / (count + more)
        mean += apart * more / (count + more)
        count += more
        over += num[seg + S_F]
    if count < 2.0 or over > 0.0:
        return NAN, NAN
    spread = sqrt(squares / (count - 1.0))
    return spread, spread


def read_increase(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """What readings added; at least what was seen."""
    part, tail, oldest, newest = inside(INCREASE, INCREASE_STRIDE, tab, par, num, ints, r, t)
    p, total = tab[r + W_PAR], between(INCREASE_STRIDE, tab, r)
    good = covered(INCREASE_STRIDE, tab, num, r, part, tail, oldest, newest)
    if oldest < 0:
        return NAN, NAN
    start = t - par[p + P_LENGTH]
    lo, hi = num[total + S_A], num[total + S_B]
    if num[oldest + S_C] > start:
        lo += num[oldest + S_A]
        hi += num[oldest + S_B]
    if newest >= 0 and num[newest + S_C] > start:
        lo += num[newest + S_A]
        hi += num[newest + S_B]
    if good < par[p + P_COVER]:
        return (NAN, NAN) if good == 0.0 and lo == 0.0 else (lo, INF)
    return lo, hi
