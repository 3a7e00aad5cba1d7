"""Windows over held signals: incremental state in flat arrays, legal as Python and as njit; it knows no rules.

A signal is held from one reading to the next; a missing value is NaN. Values are bounds [lo, hi] of the truth:
equal for a plain reading, hi = inf for an over-range one. A window (t-W, t] is a ring of segments; a reading opens
a new segment when the open one is at least W/SLOTS old, otherwise it is merged in. So readings slower than W/SLOTS
are kept exactly; with faster ones the window's start is blurred by up to W/SLOTS: a mean is off by at most (spread
inside the oldest segment)/SLOTS, an extreme or an amount is remembered up to W/SLOTS longer, a slope starts up to
W/SLOTS later, a past value is the one held up to W/SLOTS earlier. Memory: SLOTS + 4 segments, whatever the length;
cost per reading does not depend on the length.

Below the coverage asked for, values are unknown, except for what more data could not undo: a maximum is at least what
was seen, a minimum at most, a rise, fall, amount or share of time true at least. Those stay as one-sided bounds, so
a flash flood in the first minutes after a power cut is not missed for want of an hour's history.
"""
# ruff: noqa: PLR0124, PLR0917, FURB136 - x != x is NaN; njit wants flat arguments; min and max cost a call

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

Ints = Sequence[int]
Floats = Sequence[float]
State = MutableSequence[float]
Counts = MutableSequence[int]

# --- copied into the generated module from here on --------------------------------------------------------------

INF = float("inf")
NAN = float("nan")
SLOTS = 64
CAPACITY = SLOTS + 4
TICKS = 16  # a window is looked at W/TICKS after the last look, readings or not

MEAN, EXTREME, PAST, SLOPE, INCREASE, SPAN = range(6)

# Header of `tab`: where the tables stand, all in one array: calls pass few arguments.
H_POINTS, H_WINDOWS, H_ALARMS, H_LEVELS, H_CONDITIONS, H_TREE, H_LEAVES, H_OUT, H_OUT_SIZE = range(9)
H_WINDOW_LIST, H_ALARM_LIST, H_POINT_WINDOWS, H_POINT_ALARMS, H_WINDOW_WINDOWS, H_WINDOW_ALARMS = range(9, 15)
H_POINT_COUNT, H_WINDOW_COUNT, H_ALARM_COUNT, H_INBOX, H_INBOX_VALUES = range(15, 20)
HEADER = 20

# A window's row in `tab`, its parameters in `par`.
W_FAMILY, W_NUM, W_INT, W_PAR, W_STRIDE, W_TIMED, W_SHAPE, W_CONSTANTS, W_ARGUMENTS = range(9)
W_ROW = 9
P_LENGTH, P_SLOT, P_COVER, P_KIND, P_WRAP = range(5)
COUNTER, INCREMENT, RUNNING_TOTAL = range(3)

# A window's state in `num`: header, aggregates of the segments between the oldest and the open one, then the ring.
N_LO, N_HI, N_AT, N_PREVIOUS, N_GOOD, N_SUM = range(6)
N_RING = N_SUM + 6
# A span keeps three numbers only.
N_TRUTH, N_TRUE_END, N_UNKNOWN_END = range(3)
# ... and in `ints`.
I_HEAD, I_COUNT, I_CHANGED = range(3)
I_SIZE = 3
# A segment: start, time with good data, then what the family keeps.
S_START, S_GOOD, S_A, S_B, S_C, S_D, S_E = range(7)


def just_after(t: float) -> float:
    """A time after `t`, by no more than rounding."""
    return t + abs(t) * 2.3e-16 + 5e-324


def lower(a: float, b: float) -> float:
    """The smaller one; NaN counts as nothing."""
    if a != a:  # NaN
        return b
    return b if b < a else a


def upper(a: float, b: float) -> float:
    """The larger one; NaN counts as nothing."""
    if a != a:
        return b
    return b if b > a else a


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


def feed(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float, lo: float, hi: float) -> None:
    """A new value [lo, hi] at `t` (NaN: missing from now on) for the window whose row starts at `r`."""
    family = tab[r + W_FAMILY]
    n = tab[r + W_NUM]
    if family == SPAN:
        if num[n + N_TRUTH] == 1.0:
            num[n + N_TRUE_END] = t
        elif num[n + N_TRUTH] == 2.0:
            num[n + N_UNKNOWN_END] = t
        num[n + N_TRUTH] = lo if lo == lo else 2.0
        return
    i = tab[r + W_INT]
    p = tab[r + W_PAR]
    stride = tab[r + W_STRIDE]
    ring = n + N_RING
    count = ints[i + I_COUNT]
    seg = ring + (ints[i + I_HEAD] + count - 1) % CAPACITY * stride
    if count > 0:
        elapsed = t - num[n + N_AT]
        held = num[n + N_LO]
        if held == held and elapsed > 0.0:
            num[seg + S_GOOD] += elapsed
            if family == MEAN:
                num[seg + S_A] += held * elapsed
                num[seg + S_B] += num[n + N_HI] * elapsed
    if count == 0 or t - num[seg + S_START] >= par[p + P_SLOT]:
        if count == CAPACITY:
            ints[i + I_HEAD] = (ints[i + I_HEAD] + 1) % CAPACITY
            count -= 1
        seg = ring + (ints[i + I_HEAD] + count) % CAPACITY * stride
        ints[i + I_COUNT] = count + 1
        ints[i + I_CHANGED] = 1
        num[seg + S_START] = t
        num[seg + S_GOOD] = 0.0
        empty = NAN if family == EXTREME else 0.0
        for k in range(S_A, stride):
            num[seg + k] = empty
        if family == PAST:
            num[seg + S_A] = lo
            num[seg + S_B] = hi
    elif family == PAST and num[seg + S_START] == t:
        num[seg + S_A] = lo
        num[seg + S_B] = hi
    if lo == lo:
        if family == EXTREME:
            num[seg + S_A] = lower(num[seg + S_A], lo)
            num[seg + S_B] = lower(num[seg + S_B], hi)
            num[seg + S_C] = upper(num[seg + S_C], lo)
            num[seg + S_D] = upper(num[seg + S_D], hi)
        elif family == SLOPE:
            if lo != hi:
                num[seg + S_E + 1] = 1.0
            merge(num, seg, 1.0, t, lo, 0.0, 0.0)
        elif family == INCREASE:
            amount = added(par, p, num[n + N_PREVIOUS], lo)
            num[n + N_PREVIOUS] = lo
            num[seg + S_A] += amount
            num[seg + S_B] += amount if lo == hi else INF
            num[seg + S_C] = t
    num[n + N_LO] = lo
    num[n + N_HI] = hi
    num[n + N_AT] = t


def added(par: Floats, p: int, previous: float, value: float) -> float:
    """What a reading adds: counters wrap or restart at zero, running totals restart, increments are amounts."""
    if par[p + P_KIND] == INCREMENT:
        return value if value > 0.0 else 0.0
    if previous != previous:  # the first reading is where counting starts
        return 0.0
    amount = value - previous
    if amount < 0.0:
        wrapped = amount + par[p + P_WRAP]
        # A wrap continues the count; a big jump after a fall is a restart, which counted `value` since.
        amount = wrapped if 0.0 <= wrapped < 0.5 * par[p + P_WRAP] else upper(value, 0.0)
    return amount


def merge(num: State, seg: int, n: float, t: float, x: float, tx: float, tt: float) -> None:
    """Join (count, mean time, mean value, co-moments) into those at `seg`, stably (Chan, Golub, LeVeque 1983)."""
    have = num[seg + S_A]
    total = have + n
    dt = t - num[seg + S_B]
    dx = x - num[seg + S_C]
    if have == 0.0:
        num[seg + S_B] = t
        num[seg + S_C] = x
        num[seg + S_D] = tx
        num[seg + S_E] = tt
    else:
        num[seg + S_B] += dt * n / total
        num[seg + S_C] += dx * n / total
        num[seg + S_D] += tx + dt * dx * have * n / total
        num[seg + S_E] += tt + dt * dt * have * n / total
    num[seg + S_A] = total


def expire(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> None:
    """Forget segments that ended by t-W; bring aggregates up to date. Early or late, the state is the same."""
    n = tab[r + W_NUM]
    i = tab[r + W_INT]
    stride = tab[r + W_STRIDE]
    ring = n + N_RING
    start = t - par[tab[r + W_PAR] + P_LENGTH]
    head = ints[i + I_HEAD]
    count = ints[i + I_COUNT]
    while count > 1 and num[ring + (head + 1) % CAPACITY * stride + S_START] <= start:
        head = (head + 1) % CAPACITY
        count -= 1
        ints[i + I_CHANGED] = 1
    if ints[i + I_CHANGED] == 0:
        return
    ints[i + I_HEAD] = head
    ints[i + I_COUNT] = count
    ints[i + I_CHANGED] = 0
    family = tab[r + W_FAMILY]
    total = n + N_SUM - S_A  # aggregates stand as a segment's fields do
    num[n + N_GOOD] = 0.0
    for k in range(6):
        num[n + N_SUM + k] = NAN if family == EXTREME else 0.0
    for k in range(1, count - 1):
        seg = ring + (head + k) % CAPACITY * stride
        num[n + N_GOOD] += num[seg + S_GOOD]
        combine(family, num, total, seg)


def combine(family: int, num: State, total: int, seg: int) -> None:
    """Add a segment to aggregates that stand at `total`."""
    if family == EXTREME:
        num[total + S_A] = lower(num[total + S_A], num[seg + S_A])
        num[total + S_B] = lower(num[total + S_B], num[seg + S_B])
        num[total + S_C] = upper(num[total + S_C], num[seg + S_C])
        num[total + S_D] = upper(num[total + S_D], num[seg + S_D])
    elif family == SLOPE:
        if num[seg + S_A] > 0.0:
            merge(num, total, num[seg + S_A], num[seg + S_B], num[seg + S_C], num[seg + S_D], num[seg + S_E])
        num[total + S_E + 1] += num[seg + S_E + 1]
    else:  # integrals and amounts; a past value has none
        num[total + S_A] += num[seg + S_A]
        num[total + S_B] += num[seg + S_B]


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
    """Seconds of good data inside the window."""
    if oldest < 0:
        return 0.0
    good = num[n + N_GOOD] + part * num[oldest + S_GOOD]
    if newest >= 0:
        good += num[newest + S_GOOD]
    if num[n + N_LO] == num[n + N_LO]:
        good += tail
    return good


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
        return (NAN, NAN) if good == 0.0 else (lo, INF)
    return lo, hi


def read_share(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float]:
    """Share of time that a condition (fed as 1.0 or 0.0) was true."""
    good, lo, _ = integral(tab, par, num, ints, r, t)
    p = tab[r + W_PAR]
    if good < par[p + P_COVER]:
        return lo / par[p + P_LENGTH], 1.0 - (good - lo) / par[p + P_LENGTH]
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
