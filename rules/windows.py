"""Windows over held signals: incremental state in flat arrays, legal as Python and as njit; it knows no rules.

A signal is held from one reading to the next; a missing value is NaN. Values are bounds [lo, hi] of the truth:
equal for a plain reading, hi = inf for an over-range one. A window (t-W, t] is a ring of segments; a reading opens
a new segment when the open one is at least W/SLOTS old, otherwise it is merged in. So readings slower than W/SLOTS
are kept exactly; with faster ones the window's start is blurred by up to W/SLOTS: a mean is off by at most (spread
inside the oldest segment)/SLOTS, an extreme or an amount is remembered up to W/SLOTS longer, a slope starts up to
W/SLOTS later, a past value is the one held up to W/SLOTS earlier. Memory: SLOTS + 4 segments, whatever the length;
cost per reading does not depend on the length.

Below the coverage asked for, and while the value is missing, results are unknown, except for what more data could not
undo: a maximum is at least what was seen, a minimum at most, a rise, fall, amount or share of time true at least.
Those stay as one-sided bounds, so a flash flood in the first minutes after a power cut is not missed for want of an
hour's history, and nothing clears because a sensor died.
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
TICKS = 16  # a window is looked at every W/TICKS, readings or not

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
N_LO, N_HI, N_AT, N_PREVIOUS, N_PREVIOUS_AT, N_GOOD, N_SUM = range(7)
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


def open_segment(num: State, ints: Counts, i: int, ring: int, stride: int, t: float, empty: float) -> int:
    """A new segment from `t` on at the ring's end, the oldest giving way to it; returns where it stands."""
    count = ints[i + I_COUNT]
    if count == CAPACITY:
        ints[i + I_HEAD] = (ints[i + I_HEAD] + 1) % CAPACITY
        count -= 1
    seg = ring + (ints[i + I_HEAD] + count) % CAPACITY * stride
    ints[i + I_COUNT] = count + 1
    ints[i + I_CHANGED] = 1
    num[seg + S_START] = t
    num[seg + S_GOOD] = 0.0
    for k in range(S_A, stride):
        num[seg + k] = empty
    return seg


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
        seg = open_segment(num, ints, i, ring, stride, t, NAN if family == EXTREME else 0.0)
    if family == PAST and num[seg + S_START] == t:
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
            # After a gap longer than the window only the gap's mean rate is surely known: by then some window of this
            # length had seen at least that much, so an outage of ours never makes an alarm that was not due.
            gap = t - num[n + N_PREVIOUS_AT]
            inside = amount * par[p + P_LENGTH] / gap if gap > par[p + P_LENGTH] else amount
            num[n + N_PREVIOUS] = lo
            num[n + N_PREVIOUS_AT] = t
            num[seg + S_A] += amount if par[p + P_KIND] == INCREMENT else inside
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
