"""Lines through windows: slope, projection, time to failure. Legal as Python and as njit; it feeds no window."""

from __future__ import annotations

from rules.engine.reads import between, covered, inside
from rules.engine.windows import (
    I_COUNT,
    INF,
    NAN,
    P_COVER,
    P_LENGTH,
    S_A,
    S_B,
    S_C,
    S_D,
    S_E,
    S_F,
    S_START,
    SLOPE,
    SLOPE_STRIDE,
    W_INT,
    W_PAR,
    Counts,
    Floats,
    Ints,
    State,
    lower,
    place,
    upper,
)

# ruff: noqa: PLR0124, PLR0917 - x != x is NaN; njit wants flat arguments
# --- copied into the generated module from here on --------------------------------------------------------------

PARTS = 16  # of a window, for velocities
LEAST_VELOCITIES = 4


def line(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float, float]:
    """(slope per second, mean time, mean value) by least squares over the readings inside.

    NaN with fewer than three readings, below the coverage, or if one was over-range.
    """
    part, tail, oldest, newest = inside(SLOPE, SLOPE_STRIDE, tab, par, num, ints, r, t)
    p = tab[r + W_PAR]
    if covered(SLOPE_STRIDE, tab, num, r, part, tail, oldest, newest) < par[p + P_COVER]:
        return NAN, NAN, NAN
    start = t - par[p + P_LENGTH]
    total = between(SLOPE_STRIDE, tab, r)
    c, mt, mx = num[total + S_A], num[total + S_B], num[total + S_C]
    tx, tt, over = num[total + S_D], num[total + S_E], num[total + S_F]
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
        over += num[seg + S_F]
    if c < 3.0 or over > 0.0 or tt <= 0.0:
        return NAN, NAN, NAN
    return tx / tt, mt, mx


def read_rate(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Least-squares slope per second."""
    slope, _, _ = line(tab, par, num, ints, r, t)
    return slope, slope


def read_forecast(
    tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float, horizon: float
) -> tuple[float, float]:
    """Where the line will be `horizon` seconds from now."""
    slope, mt, mx = line(tab, par, num, ints, r, t)
    value = mx + slope * (t + horizon - mt)
    return value, value


def read_time_to(
    tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float, limit_lo: float, limit_hi: float
) -> tuple[float, float]:
    """Seconds until the line meets a limit; infinite when it is level, moves away, or has passed it."""
    slope, mt, mx = line(tab, par, num, ints, r, t)
    if slope != slope or limit_lo != limit_lo or limit_hi != limit_hi:
        return NAN, NAN
    now = mx + slope * (t - mt)
    first, second = meets(slope, limit_lo - now), meets(slope, limit_hi - now)
    return lower(first, second), upper(first, second)


def meets(slope: float, way: float) -> float:
    """Seconds for a way at a speed; infinite backwards."""
    if way == 0.0:
        return 0.0
    if slope == 0.0 or (way > 0.0) != (slope > 0.0):
        return INF
    return way / slope


def creep(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """(seconds to failure, R2) of accelerating motion: the inverse of velocity falls to zero in a line (Fukuzono 1985).

    Velocities are those between the mean positions of sixteen equal parts of the window; the latest unbroken run of
    motion in the direction of the whole counts, four velocities at least. Without one, or where motion does not
    accelerate, no failure is in sight: (infinite, 0). NaN below the coverage.
    """
    part, tail, oldest, newest = inside(SLOPE, SLOPE_STRIDE, tab, par, num, ints, r, t)
    p = tab[r + W_PAR]
    if covered(SLOPE_STRIDE, tab, num, r, part, tail, oldest, newest) < par[p + P_COVER]:
        return NAN, NAN
    count = ints[tab[r + W_INT] + I_COUNT]
    way = num[place(SLOPE_STRIDE, tab, ints, r, count - 1) + S_C] - num[oldest + S_C]
    sign = 1.0 if way > 0.0 else -1.0
    width, start = par[p + P_LENGTH] / PARTS, t - par[p + P_LENGTH]
    at, have, mean_t, mean_x = 0.0, 0.0, 0.0, 0.0  # the part being gathered
    before_t, before_x = NAN, 0.0  # the one before it
    n, mt, my, tt, ty, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0  # regression of inverse velocity on time
    for k in range(count + 1):
        seg = place(SLOPE_STRIDE, tab, ints, r, k if k < count else 0)
        if k < count and (num[seg + S_A] == 0.0 or num[seg + S_B] < start):
            continue
        part_at = (num[seg + S_B] - start) // width if k < count else -1.0
        if have > 0.0 and part_at != at:
            if before_t == before_t:
                speed = sign * (mean_x - before_x) / (mean_t - before_t)
                if speed > 0.0:
                    dt, dy = (mean_t + before_t) / 2.0 - mt, 1.0 / speed - my
                    n += 1.0
                    mt += dt / n
                    my += dy / n
                    tt += dt * dt * (n - 1.0) / n
                    ty += dt * dy * (n - 1.0) / n
                    yy += dy * dy * (n - 1.0) / n
                else:
                    n, mt, my, tt, ty, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            before_t, before_x, have = mean_t, mean_x, 0.0
        if k < count:
            at = part_at
            mean_t = (mean_t * have + num[seg + S_B] * num[seg + S_A]) / (have + num[seg + S_A])
            mean_x = (mean_x * have + num[seg + S_C] * num[seg + S_A]) / (have + num[seg + S_A])
            have += num[seg + S_A]
    if n < LEAST_VELOCITIES or ty >= 0.0 or yy == 0.0:
        return INF, 0.0
    failure = mt - my * tt / ty
    return upper(failure - t, 0.0), ty * ty / (tt * yy)


def read_time_to_failure(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Seconds until the inverse of velocity is zero."""
    seconds, _ = creep(tab, par, num, ints, r, t)
    return seconds, seconds


def read_fit(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """R2 of the inverse velocities' line, 0 to 1."""
    _, fit = creep(tab, par, num, ints, r, t)
    return fit, fit
