"""Windows over held signals: incremental state in flat arrays, legal as Python and as njit; it knows no rules.

A signal is held from one reading to the next; a missing value is NaN. Values are bounds [lo, hi] of the truth:
equal for a plain reading, hi = inf for an over-range one. A window (t-W, t] is a ring of segments; a reading opens
a new segment when the open one is at least W/SLOTS old, otherwise it is merged in. So readings slower than W/SLOTS
are kept exactly; with faster ones the window's start is blurred by up to W/SLOTS: a mean is off by at most (spread
inside the oldest segment)/SLOTS, an extreme or an amount is remembered up to W/SLOTS longer, a slope starts up to
W/SLOTS later, a past value is the one held up to W/SLOTS earlier, a median takes one reading of each W/SLOTS.
Memory: 2 (SLOTS + 4) segments, whatever the length.

The segments between the oldest and the open one are aggregated as two stacks (a queue that adds without taking away:
sums never drift): of the front part every suffix is kept, of the back part the whole; when the front is used up, the
back becomes the front. So a reading costs the same whatever the length.

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
TICKS = 4  # a window is looked at again W/TICKS after the last look, readings or not

MEAN, EXTREME, PAST, SLOPE, INCREASE, SPREAD, ORDER, SPAN, STREAK, DECAY = range(10)
# Numbers of a segment, by family. Who knows the family says it, so that a compiler can leave out all others.
MEAN_STRIDE, EXTREME_STRIDE, PAST_STRIDE, SLOPE_STRIDE, INCREASE_STRIDE = 4, 6, 4, 8, 5
SPREAD_STRIDE, ORDER_STRIDE = 8, 4

# Header of `tab`: where the tables stand, all in one array: calls pass few arguments.
H_POINTS, H_WINDOWS, H_ALARMS, H_LEVELS, H_CONDITIONS, H_BOUNDS, H_DUES, H_OUT, H_OUT_SIZE = (*range(7), 9, 10)
H_WINDOW_LIST, H_ALARM_LIST, H_POINT_WINDOWS, H_POINT_ALARMS, H_WINDOW_WINDOWS, H_WINDOW_ALARMS = range(11, 17)
H_POINT_COUNT, H_WINDOW_COUNT, H_ALARM_COUNT, H_INBOX, H_INBOX_VALUES = range(17, 22)
H_EACH_WINDOWS, H_EACH_ALARMS, H_LIMITS, H_ZONES, H_PARTS = range(22, 27)
HEADER = 27  # H_DUES stands for three groups: see agenda
LOCAL_OFFSET, RESULT = 0, 1  # in `num`: local time = judgement time + this (NaN: not known); what a shape gives, two

# A window's row in `tab`, its parameters in `par`.
W_FAMILY, W_NUM, W_INT, W_PAR, W_STRIDE, W_RING, W_SUFFIX, W_TIMED, W_SHAPE, W_CONSTANTS, W_ARGUMENTS = range(11)
W_ROW = 11
P_LENGTH, P_SLOT, P_COVER, P_KIND, P_WRAP, P_RESET, P_PHASE, P_COUNT = range(8)
COUNTER, INCREMENT, RUNNING_TOTAL, INTENSITY = range(4)

# A window's state in `num`: what is held, then two aggregates shaped like segments (of the back part; of everything
# between the oldest and the open segment), then the ring, then the suffixes of the front part.
N_LO, N_HI, N_AT, N_PREVIOUS, N_PREVIOUS_AT = range(5)
N_BACK = 5
# ... and in `ints`.
I_HEAD, I_COUNT, I_FRONT, I_CHANGED, I_SORTED = range(5)
I_SIZE = 5
# A segment: start, time with good data, then what the family keeps.
S_START, S_GOOD, S_A, S_B, S_C, S_D, S_E, S_F = range(8)


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


# --- the ring ---------------------------------------------------------------------------------------------------


def clear(family: int, stride: int, num: State, seg: int) -> None:
    """An empty segment or aggregate at `seg`."""
    num[seg + S_START] = 0.0
    num[seg + S_GOOD] = 0.0
    empty = NAN if family in (EXTREME, ORDER) else 0.0
    for k in range(S_A, stride):
        num[seg + k] = empty


def combine(family: int, num: State, into: int, seg: int) -> None:
    """Add what stands at `seg` to what stands at `into`."""
    num[into + S_GOOD] += num[seg + S_GOOD]
    if family in (MEAN, INCREASE):
        num[into + S_A] += num[seg + S_A]
        num[into + S_B] += num[seg + S_B]
    elif family == EXTREME:
        num[into + S_A] = lower(num[into + S_A], num[seg + S_A])
        num[into + S_B] = lower(num[into + S_B], num[seg + S_B])
        num[into + S_C] = upper(num[into + S_C], num[seg + S_C])
        num[into + S_D] = upper(num[into + S_D], num[seg + S_D])
    elif family == SLOPE:
        if num[seg + S_A] > 0.0:
            merge(num, into, num[seg + S_A], num[seg + S_B], num[seg + S_C], num[seg + S_D], num[seg + S_E])
        num[into + S_F] += num[seg + S_F]
    elif family == SPREAD:
        if num[seg + S_A] > 0.0:
            merge(num, into, num[seg + S_A], num[seg + S_B], num[seg + S_C], 0.0, num[seg + S_E])
        num[into + S_F] += num[seg + S_F]


def merge(num: State, seg: int, n: float, t: float, x: float, tx: float, tt: float) -> None:
    """Join (count, mean time, mean value, co-moments) into those at `seg`, stably (Chan, Golub, LeVeque 1983)."""
    have = num[seg + S_A]
    if have == 0.0:
        num[seg + S_B] = t
        num[seg + S_C] = x
        num[seg + S_D] = tx
        num[seg + S_E] = tt
    else:
        total = have + n
        dt = t - num[seg + S_B]
        dx = x - num[seg + S_C]
        num[seg + S_B] += dt * n / total
        num[seg + S_C] += dx * n / total
        num[seg + S_D] += tx + dt * dx * have * n / total
        num[seg + S_E] += tt + dt * dt * have * n / total
    num[seg + S_A] = have + n


def flip(family: int, stride: int, tab: Ints, num: State, ints: Counts, r: int, last: int) -> None:
    """The segments 0 to `last` (from the oldest) become the front: every suffix of them is kept."""
    i = tab[r + W_INT]
    ring, suffix, head = tab[r + W_RING], tab[r + W_SUFFIX], ints[i + I_HEAD]
    for k in range(last, -1, -1):
        slot = around(head + k) * stride
        for field in range(stride):
            num[suffix + slot + field] = num[ring + slot + field]
        if k < last:
            combine(family, num, suffix + slot, suffix + around(head + k + 1) * stride)
    ints[i + I_FRONT] = last + 1


def drop(family: int, stride: int, tab: Ints, num: State, ints: Counts, r: int) -> None:
    """Forget the oldest segment."""
    i = tab[r + W_INT]
    if family == ORDER:
        seg = tab[r + W_RING] + ints[i + I_HEAD] * stride
        if num[seg + S_A] == num[seg + S_A]:
            ints[i + I_SORTED] -= 1
            pull(num, sorted_at(tab, r), ints[i + I_SORTED], num[seg + S_A])
            pull(num, sorted_at(tab, r) + CAPACITY, ints[i + I_SORTED], num[seg + S_B])
    ints[i + I_HEAD] = around(ints[i + I_HEAD] + 1)
    ints[i + I_COUNT] -= 1
    ints[i + I_FRONT] -= 1
    ints[i + I_CHANGED] = 1
    if ints[i + I_FRONT] == 0:
        clear(family, stride, num, tab[r + W_NUM] + N_BACK)
        flip(family, stride, tab, num, ints, r, ints[i + I_COUNT] - 2)


def open_segment(family: int, stride: int, tab: Ints, num: State, ints: Counts, r: int, t: float) -> int:
    """Close the open segment and begin one at `t`, the oldest giving way where there is no room. Gives its place."""
    i = tab[r + W_INT]
    if ints[i + I_COUNT] == CAPACITY:
        drop(family, stride, tab, num, ints, r)
    count = ints[i + I_COUNT]
    if count == 1:
        flip(family, stride, tab, num, ints, r, 0)
    elif count > 1:
        combine(family, num, tab[r + W_NUM] + N_BACK, place(stride, tab, ints, r, count - 1))
    ints[i + I_COUNT] = count + 1
    ints[i + I_CHANGED] = 1
    seg = place(stride, tab, ints, r, count)
    clear(family, stride, num, seg)
    num[seg + S_START] = t
    return seg


def place(stride: int, tab: Ints, ints: Counts, r: int, k: int) -> int:
    """Where the k-th segment from the oldest stands."""
    return tab[r + W_RING] + around(ints[tab[r + W_INT] + I_HEAD] + k) * stride


def around(slot: int) -> int:
    """The ring's slot, after its end from its beginning."""
    return slot - CAPACITY if slot >= CAPACITY else slot


def expire(family: int, stride: int, tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> None:
    """Forget segments that ended by t-W, and bring the aggregate of those in between up to date."""
    i = tab[r + W_INT]
    start = t - par[tab[r + W_PAR] + P_LENGTH]
    while ints[i + I_COUNT] > 1 and num[place(stride, tab, ints, r, 1) + S_START] <= start:
        drop(family, stride, tab, num, ints, r)
    if ints[i + I_CHANGED] == 1:
        ints[i + I_CHANGED] = 0
        back = tab[r + W_NUM] + N_BACK
        total = back + stride
        if ints[i + I_FRONT] > 1:
            front = tab[r + W_SUFFIX] + around(ints[i + I_HEAD] + 1) * stride
            for k in range(S_GOOD, stride):
                num[total + k] = num[front + k]
            combine(family, num, total, back)
        else:
            for k in range(S_GOOD, stride):
                num[total + k] = num[back + k]


# --- sorted values of a median's segments: the lower bounds, then the upper ones ---------------------------------


def sorted_at(tab: Ints, r: int) -> int:
    """Where they stand."""
    return tab[r + W_SUFFIX] + CAPACITY * tab[r + W_STRIDE]


def put(num: State, at: int, count: int, x: float) -> None:
    """Sort `x` into `count` numbers."""
    k = at + count
    while k > at and num[k - 1] > x:
        num[k] = num[k - 1]
        k -= 1
    num[k] = x


def pull(num: State, at: int, count: int, x: float) -> None:
    """Take `x` out; `count` numbers stay."""
    k = at
    while num[k] != x:
        k += 1
    while k < at + count:
        num[k] = num[k + 1]
        k += 1


def rebuild(tab: Ints, num: State, ints: Counts, r: int) -> None:
    """Suffixes and sorted values from the segments, after those were put back."""
    i, stride, family = tab[r + W_INT], tab[r + W_STRIDE], tab[r + W_FAMILY]
    flip(family, stride, tab, num, ints, r, ints[i + I_FRONT] - 1)
    ints[i + I_CHANGED] = 1
    if tab[r + W_FAMILY] == ORDER:
        ints[i + I_SORTED] = 0
        for k in range(ints[i + I_COUNT]):
            seg = place(stride, tab, ints, r, k)
            if num[seg + S_A] == num[seg + S_A]:
                put(num, sorted_at(tab, r), ints[i + I_SORTED], num[seg + S_A])
                put(num, sorted_at(tab, r) + CAPACITY, ints[i + I_SORTED], num[seg + S_B])
                ints[i + I_SORTED] += 1


# --- feeding ----------------------------------------------------------------------------------------------------


def feed_ring(
    family: int,
    stride: int,
    tab: Ints,
    par: Floats,
    num: State,
    ints: Counts,
    r: int,
    t: float,
    lo: float,
    hi: float,
) -> None:
    """A new value for a window that keeps a ring."""
    n, i, p = tab[r + W_NUM], tab[r + W_INT], tab[r + W_PAR]
    count = ints[i + I_COUNT]
    seg = place(stride, tab, ints, r, count - 1)
    if count > 0:
        elapsed = t - num[n + N_AT]
        held = num[n + N_LO]
        if held == held and elapsed > 0.0:
            num[seg + S_GOOD] += elapsed
            if family == MEAN:
                num[seg + S_A] += held * elapsed
                num[seg + S_B] += num[n + N_HI] * elapsed
    if count == 0 or t - num[seg + S_START] >= par[p + P_SLOT]:
        seg = open_segment(family, stride, tab, num, ints, r, t)
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
                num[seg + S_F] = 1.0
            merge(num, seg, 1.0, t, lo, 0.0, 0.0)
        elif family == SPREAD:
            if lo != hi:
                num[seg + S_F] = 1.0
            merge(num, seg, 1.0, lo, 0.0, 0.0, 0.0)
        elif family == ORDER:
            if num[seg + S_A] != num[seg + S_A]:
                num[seg + S_A] = lo
                num[seg + S_B] = hi
                put(num, sorted_at(tab, r), ints[i + I_SORTED], lo)
                put(num, sorted_at(tab, r) + CAPACITY, ints[i + I_SORTED], hi)
                ints[i + I_SORTED] += 1
        elif family == INCREASE:
            amount = added(par, num, p, n, t, lo)
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


def added(par: Floats, num: State, p: int, n: int, t: float, value: float) -> float:
    """What a reading adds: counters wrap or restart at zero, running totals restart, increments are amounts."""
    if par[p + P_KIND] == INCREMENT:
        return value if value > 0.0 else 0.0
    previous = num[n + N_PREVIOUS]
    if previous != previous:  # the first reading is where counting starts
        return 0.0
    if par[p + P_RESET] > 0.0 and num[LOCAL_OFFSET] == num[LOCAL_OFFSET]:
        local = num[LOCAL_OFFSET] - par[p + P_PHASE]
        if (t + local) // par[p + P_RESET] > (num[n + N_PREVIOUS_AT] + local) // par[p + P_RESET]:
            return upper(value, 0.0)  # it was reset meanwhile, though it may have passed its old total again
    amount = value - previous
    if amount < 0.0:
        wrapped = amount + par[p + P_WRAP]
        # A wrap continues the count; a big jump after a fall is a restart, which counted `value` since.
        amount = wrapped if 0.0 <= wrapped < 0.5 * par[p + P_WRAP] else upper(value, 0.0)
    return amount
