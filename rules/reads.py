"""What windows give: bounds of means, extremes, slopes, amounts. Legal as Python and as njit; it feeds no window."""

from __future__ import annotations

from rules.windows import (
    CAPACITY,
    I_COUNT,
    I_HEAD,
    INF,
    N_AT,
    N_GOOD,
    N_HI,
    N_LO,
    N_RING,
    N_SUM,
    N_TRUE_END,
    N_TRUTH,
    N_UNKNOWN_END,
    NAN,
    P_COVER,
    P_LENGTH,
    S_A,
    S_B,
    S_C,
    S_D,
    S_E,
    S_GOOD,
    S_START,
    SPAN,
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
    expire,
    lower,
    upper,
)

# ruff: noqa: PLR0124, PLR0917 - x != x is NaN; njit wants flat arguments
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


def inside(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float, int, int]:
    """(share of the oldest segment that is inside, time since the last value inside, oldest, open segment or -1)."""
    expire(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    i = tab[r + W_INT]
    stride = tab[r + W_STRIDE]
    ring = n + N_RING
    count = ints[i + I_COUNT]
    if count == 0:
        return 0.0, 0.0, -1, -1
    start = t - par[tab[r + W_PAR] + P_LENGTH]
    head = ints[i + I_HEAD]
    oldest = ring + head * stride
    newest = -1
    begin = num[oldest + S_START]
    end = num[n + N_AT]
    tail = t - upper(end, start)
    if count > 1:
        newest = ring + (head + count - 1) % CAPACITY * stride
        end = num[ring + (head + 1) % CAPACITY * stride + S_START]
    if begin >= start:
        return 1.0, tail, oldest, newest
    if end <= start:
        return 0.0, tail, oldest, newest
    return (end - start) / (end - begin), tail, oldest, newest


def covered(num: State, n: int, part: float, tail: float, oldest: int, newest: int) -> float:
    """Seconds of good data inside; none while the value is missing, for what is missing now clears nothing."""
    if oldest < 0 or num[n + N_LO] != num[n + N_LO]:
        return 0.0
    good = num[n + N_GOOD] + part * num[oldest + S_GOOD]
    if newest >= 0:
        good += num[newest + S_GOOD]
    return good + tail


def integral(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float, float]:
    """(seconds of good data, integral of lo, integral of hi) over a mean's window."""
    part, tail, oldest, newest = inside(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    good = covered(num, n, part, tail, oldest, newest)
    if oldest < 0:
        return 0.0, 0.0, 0.0
    lo = num[n + N_SUM] + times(part, num[oldest + S_A])
    hi = num[n + N_SUM + 1] + times(part, num[oldest + S_B])
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
    part, tail, oldest, newest = inside(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    if oldest < 0:
        return NAN, NAN, NAN, NAN
    a, b, c, d = num[n + N_SUM], num[n + N_SUM + 1], num[n + N_SUM + 2], num[n + N_SUM + 3]
    if part > 0.0:
        a, b = lower(a, num[oldest + S_A]), lower(b, num[oldest + S_B])
        c, d = upper(c, num[oldest + S_C]), upper(d, num[oldest + S_D])
    if newest >= 0:
        a, b = lower(a, num[newest + S_A]), lower(b, num[newest + S_B])
        c, d = upper(c, num[newest + S_C]), upper(d, num[newest + S_D])
    a, b = lower(a, num[n + N_LO]), lower(b, num[n + N_HI])
    c, d = upper(c, num[n + N_LO]), upper(d, num[n + N_HI])
    if covered(num, n, part, tail, oldest, newest) < par[tab[r + W_PAR] + P_COVER] and a == a:
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
    part, tail, oldest, newest = inside(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    p = tab[r + W_PAR]
    if oldest < 0 or num[oldest + S_START] > t - par[p + P_LENGTH]:
        return NAN, NAN
    if covered(num, n, part, tail, oldest, newest) < par[p + P_COVER]:
        return NAN, NAN
    if newest < 0 and part == 0.0:  # everything since is held
        return num[n + N_LO], num[n + N_HI]
    return num[oldest + S_A], num[oldest + S_B]


def read_change(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Now minus the value held W ago."""
    lo, hi = read_last(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    return num[n + N_LO] - hi, num[n + N_HI] - lo


def read_rate(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Least-squares slope per second over the readings inside, three at least; unknown if one was over-range."""
    part, tail, oldest, newest = inside(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    p = tab[r + W_PAR]
    if covered(num, n, part, tail, oldest, newest) < par[p + P_COVER]:
        return NAN, NAN
    start = t - par[p + P_LENGTH]
    total = n + N_SUM - S_A
    c, mt, mx = num[total + S_A], num[total + S_B], num[total + S_C]
    tx, tt, over = num[total + S_D], num[total + S_E], num[total + S_E + 1]
    for k in range(2):
        seg = oldest if k == 0 else newest
        if seg < 0 or num[seg + S_START] <= start or num[seg + S_A] == 0.0:
            continue
        m = num[seg + S_A]
        dt, dx = num[seg + S_B] - mt, num[seg + S_C] - mx
        if c == 0.0:
            mt, mx, dt, dx = num[seg + S_B], num[seg + S_C], 0.0, 0.0
        tx += num[seg + S_D] + dt * dx * c * m / (c + m)
        tt += num[seg + S_E] + dt * dt * c * m / (c + m)
        mt += dt * m / (c + m)
        mx += dx * m / (c + m)
        c += m
        over += num[seg + S_E + 1]
    if c < 3.0 or over > 0.0 or tt <= 0.0:
        return NAN, NAN
    return tx / tt, tx / tt


def read_increase(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """What readings added; at least what was seen."""
    part, tail, oldest, newest = inside(tab, par, num, ints, r, t)
    n = tab[r + W_NUM]
    p = tab[r + W_PAR]
    good = covered(num, n, part, tail, oldest, newest)
    if oldest < 0:
        return NAN, NAN
    start = t - par[p + P_LENGTH]
    lo, hi = num[n + N_SUM], num[n + N_SUM + 1]
    if num[oldest + S_C] > start:
        lo += num[oldest + S_A]
        hi += num[oldest + S_B]
    if newest >= 0 and num[newest + S_C] > start:
        lo += num[newest + S_A]
        hi += num[newest + S_B]
    if good < par[p + P_COVER]:
        return (NAN, NAN) if good == 0.0 and lo == 0.0 else (lo, INF)
    return lo, hi


def read_within(tab: Ints, par: Floats, num: State, _ints: Counts, r: int, t: float) -> int:
    """Whether a condition was true at some time inside; exact."""
    n = tab[r + W_NUM]
    length = par[tab[r + W_PAR] + P_LENGTH]
    truth = num[n + N_TRUTH]
    if truth == 1.0 or t < num[n + N_TRUE_END] + length:
        return 1
    if truth == 2.0 or t < num[n + N_UNKNOWN_END] + length:
        return 2
    return 0


def window_due(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> float:
    """When the window's value may change by time alone."""
    n = tab[r + W_NUM]
    length = par[tab[r + W_PAR] + P_LENGTH]
    if tab[r + W_FAMILY] == SPAN:
        first, second = num[n + N_TRUE_END] + length, num[n + N_UNKNOWN_END] + length
        due = INF
        if num[n + N_TRUTH] != 1.0:
            if first > t:
                due = first
            if num[n + N_TRUTH] == 0.0 and t < second < due:
                due = second
        return due
    if ints[tab[r + W_INT] + I_COUNT] == 0:
        return INF
    if num[n + N_LO] != num[n + N_LO] and t - num[n + N_AT] > length:  # empty for good
        return INF
    tick = length / TICKS
    due = (t // tick + 1.0) * tick  # on one grid, so that windows of one length tick together
    return due if due > t else due + tick
