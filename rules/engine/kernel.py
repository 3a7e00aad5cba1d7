"""The fixed part of judgement: points, delays, levels, latches, steps; legal as Python and as njit; it knows no text.

State changes only when a reading comes or when a timer runs out at its own exact time, so calling `run` more often
changes nothing. Timers that run out at t run out before the readings of t are taken in. A point is stale when its
last good reading is *older than* stale_after, so a reading in that very instant is still in time.

What a reading can't change is not looked at: where an alarm or a span only compares a point with constants, it is
marked when the value meets or passes one of them. Everything else that depends on the point is marked at each
reading, and all of it when the point becomes usable, unusable or over-range.
"""
# ruff: noqa: PLR0917, FURB136 - njit wants flat arguments; min and max cost a call

from __future__ import annotations

from rules.engine.agenda import ALARMS, POINTS, WINDOWS, mark, mark_all, next_due, order, set_due
from rules.engine.asked import (
    OVER_RANGE,
    POINT_ROW,
    Q_ABOVE,
    Q_BASELINE,
    Q_BELOW,
    Q_EVER,
    Q_GOOD_AT,
    Q_HI,
    Q_LO,
    Q_QUALITY,
    Q_STALE,
)
from rules.engine.dispatch import shape
from rules.engine.families import feed, window_due
from rules.engine.windows import (
    H_ALARM_COUNT,
    H_ALARM_LIST,
    H_ALARMS,
    H_BOUNDS,
    H_CONDITIONS,
    H_DUES,
    H_EACH_ALARMS,
    H_EACH_WINDOWS,
    H_INBOX,
    H_INBOX_VALUES,
    H_LEVELS,
    H_LIMITS,
    H_OUT,
    H_OUT_SIZE,
    H_POINT_ALARMS,
    H_POINT_COUNT,
    H_POINT_WINDOWS,
    H_POINTS,
    H_WINDOW_ALARMS,
    H_WINDOW_COUNT,
    H_WINDOW_LIST,
    H_WINDOW_WINDOWS,
    H_WINDOWS,
    H_ZONES,
    INF,
    NAN,
    RESULT,
    W_ARGUMENTS,
    W_CONSTANTS,
    W_ROW,
    W_SHAPE,
    W_TIMED,
    Counts,
    Floats,
    Ints,
    State,
    just_after,
)

# --- copied into the generated module from here on --------------------------------------------------------------

# An alarm's row in `tab`; levels' rows; a level's state. Delays stand in `par`, [on, off] a level.
A_FIRST, A_LEVELS, A_LATCH, A_ON_MISSING, A_STATE = range(5)
A_ROW = 5
L_WHEN, L_CLEAR, L_PAR, L_NUM, L_INT, L_POINTS = range(6)
L_ROW = 6
D_SUM, D_SINCE = range(2)
D_ACTIVE, D_TRUTH, D_DONE, D_WAITING = range(4)
LEVEL_NUM = 2
LEVEL_INT = 4
HOLD, ALARM, CLEAR = range(3)
# Head of `ints`.
G_PENDING, G_OUT, G_WINDOWS, G_ALARMS = range(4)
G_SIZE = 4
PLAIN = -1  # W_TIMED of a window that is fed with a point as it is


def condition(tab: Ints, par: Floats, num: State, ints: Counts, c: int, t: float) -> tuple[int, float]:
    """(truth of condition c, when it may change by time alone)."""
    row = tab[tab[H_CONDITIONS] + c]
    due = shape(tab[row], tab, par, num, ints, row + 2, tab[row + 1], t)
    return int(num[RESULT]), due


def source(tab: Ints, par: Floats, num: State, ints: Counts, r: int, t: float) -> tuple[float, float, float]:
    """(lo, hi of what window row r is fed with, when that may change by time alone)."""
    if tab[r + W_TIMED] == PLAIN:
        p = tab[tab[r + W_ARGUMENTS]]
        return num[p], num[p + 1], INF
    due = shape(tab[r + W_SHAPE], tab, par, num, ints, tab[r + W_ARGUMENTS], tab[r + W_CONSTANTS], t)
    return num[RESULT], num[RESULT + 1], due


def mark_point(tab: Ints, ints: Counts, p: int) -> None:
    """Everything that depends on a point has to be looked at."""
    mark_all(tab, ints, tab[H_WINDOW_LIST], G_WINDOWS, tab[H_POINT_WINDOWS] + p, 2)
    mark_all(tab, ints, tab[H_ALARM_LIST], G_ALARMS, tab[H_POINT_ALARMS] + p, 1)


def take(tab: Ints, par: Floats, num: State, ints: Counts, p: int, value: float, quality: int, t: float) -> None:
    """A reading of point p."""
    n = tab[H_POINTS] + p * POINT_ROW
    over = quality == OVER_RANGE
    if quality > OVER_RANGE or not (-INF < value < INF or (over and value == INF)):
        num[n + Q_LO] = NAN
        num[n + Q_HI] = NAN
        num[n + Q_QUALITY] = quality
        mark_point(tab, ints, p)
        return
    # Whether all that depends on the point has to be looked at; over-range may have been inf itself.
    whole = over or not num[n + Q_LO] == num[n + Q_HI] < INF
    num[n + Q_LO] = value
    num[n + Q_HI] = INF if over else value
    num[n + Q_QUALITY] = quality
    num[n + Q_GOOD_AT] = t
    set_due(tab, num, POINTS, p, just_after(t + par[p]))
    if whole:
        num[n + Q_EVER] = 1.0
        num[n + Q_STALE] = 0.0
        if num[n + Q_BASELINE] == INF and not over:
            num[n + Q_BASELINE] = value
        mark_point(tab, ints, p)
    elif tab[tab[H_EACH_WINDOWS] + p] != 0:
        mark_all(tab, ints, tab[H_WINDOW_LIST], G_WINDOWS, tab[H_EACH_WINDOWS] + p, 2)
        mark_all(tab, ints, tab[H_ALARM_LIST], G_ALARMS, tab[H_EACH_ALARMS] + p, 1)
    if not over and not num[n + Q_BELOW] < value < num[n + Q_ABOVE]:
        cross(tab, par, num, ints, p, value)


def cross(tab: Ints, par: Floats, num: State, ints: Counts, p: int, value: float) -> None:
    """Mark what compares the point with a constant that its value meets, leaves or passes.

    A point's constants stand sorted in `par`; its zone is 2k below constant k (and above the one before), 2k + 1 on it.
    """
    row = tab[tab[H_LIMITS] + p]
    count, limits = tab[row], tab[row + 1]
    zone = ints[tab[H_ZONES] + p]
    while zone < 2 * count:
        limit = par[limits + zone // 2]
        if value < limit or (value == limit and zone % 2 == 1):
            break
        mark_limit(tab, ints, row + 2 + 2 * (zone // 2))
        zone += 1
    while zone > 0:
        limit = par[limits + (zone - 1) // 2]
        if value > limit or (value == limit and zone % 2 == 1):
            break
        mark_limit(tab, ints, row + 2 + 2 * ((zone - 1) // 2))
        zone -= 1
    ints[tab[H_ZONES] + p] = zone
    n = tab[H_POINTS] + p * POINT_ROW
    num[n + Q_BELOW] = par[limits + (zone - 1) // 2] if zone > 0 else -INF
    num[n + Q_ABOVE] = par[limits + zone // 2] if zone < 2 * count else INF


def mark_limit(tab: Ints, ints: Counts, links: int) -> None:
    """Mark what compares a point with one constant: windows, then alarms."""
    mark_all(tab, ints, tab[H_WINDOW_LIST], G_WINDOWS, links, 2)
    mark_all(tab, ints, tab[H_ALARM_LIST], G_ALARMS, links + 1, 1)


def delay(num: State, ints: Counts, n: int, i: int, truth: int, length: float, t: float) -> float:
    """Count time true; FALSE resets, UNKNOWN pauses. Gives when it will do, -inf when it does, inf when it stands."""
    if truth == 1:
        if ints[i + D_TRUTH] != 1:
            num[n + D_SINCE] = t
            ints[i + D_TRUTH] = 1
        due = num[n + D_SINCE] + (length - num[n + D_SUM])
        return -INF if t >= due else due
    if truth == 0:
        num[n + D_SUM] = 0.0
    elif ints[i + D_TRUTH] == 1:
        num[n + D_SUM] += t - num[n + D_SINCE]
    ints[i + D_TRUTH] = truth
    return INF


def turn(num: State, ints: Counts, n: int, i: int, active: int, truth: int) -> None:
    """A level becomes active or not; its delay starts afresh."""
    ints[i + D_ACTIVE] = active
    ints[i + D_TRUTH] = truth
    ints[i + D_DONE] = 0
    num[n + D_SUM] = 0.0


def stale(tab: Ints, num: State, links: int) -> int:
    """Whether one of the listed points is stale."""
    for k in range(links + 1, links + 1 + tab[links]):
        if num[tab[H_POINTS] + tab[k] * POINT_ROW + Q_STALE] == 1.0:
            return 1
    return 0


def judge_level(tab: Ints, par: Floats, num: State, ints: Counts, a: int, k: int, t: float) -> float:
    """Judge a level of the alarm whose row is at `a`; gives its next timer."""
    row = tab[H_LEVELS] + k * L_ROW
    n, i, p = tab[row + L_NUM], tab[row + L_INT], tab[row + L_PAR]
    missing = tab[a + A_ON_MISSING]
    truth, due = condition(tab, par, num, ints, tab[row + L_WHEN], t)
    if truth == 2:
        if missing == CLEAR:
            truth = 0
        elif missing == ALARM and stale(tab, num, tab[row + L_POINTS]) == 1:
            truth = 1
    wait = INF
    if ints[i + D_ACTIVE] == 0:
        wait = delay(num, ints, n, i, truth, par[p], t)
        if wait == -INF:
            turn(num, ints, n, i, 1, 0)
    if ints[i + D_ACTIVE] == 1:
        clear = 2 if truth == 2 else 1 - truth
        if tab[row + L_CLEAR] >= 0:
            clear, due_clear = condition(tab, par, num, ints, tab[row + L_CLEAR], t)
            due = due_clear if due_clear < due else due
            if clear == 2 and missing == CLEAR:
                clear = 1
            if truth == 1:  # what still alarms does not clear,
                clear = 0
            elif truth == 2 and clear == 1:  # nor what may: the sensor that raised it may just have been washed away
                clear = 2
        wait = delay(num, ints, n, i, clear, par[p + 1], t)
        ints[i + D_DONE] = 1 if wait == -INF else 0
        if wait == -INF:
            wait = INF
            if tab[a + A_LATCH] == 0:
                turn(num, ints, n, i, 0, truth)
    waiting = 1 if wait < INF else 0
    ints[G_PENDING] += waiting - ints[i + D_WAITING]
    ints[i + D_WAITING] = waiting
    return wait if wait < due else due


def judge_alarm(tab: Ints, par: Floats, num: State, ints: Counts, alarm: int, t: float) -> None:
    """Judge every level; the highest active one is the alarm's."""
    a = tab[H_ALARMS] + alarm * A_ROW
    first = tab[a + A_FIRST]
    due = INF
    level = 0
    for k in range(tab[a + A_LEVELS]):
        when = judge_level(tab, par, num, ints, a, first + k, t)
        due = when if when < due else due
        if ints[tab[tab[H_LEVELS] + (first + k) * L_ROW + L_INT] + D_ACTIVE] == 1:
            level = k + 1
    set_due(tab, num, ALARMS, alarm, due if due > t else just_after(t))
    previous = ints[tab[a + A_STATE]]
    if level != previous:
        ints[tab[a + A_STATE]] = level
        out = tab[H_OUT] + 3 * ints[G_OUT]
        ints[out] = alarm
        ints[out + 1] = previous
        ints[out + 2] = level
        ints[G_OUT] += 1


def settle(tab: Ints, par: Floats, num: State, ints: Counts, t: float) -> None:
    """Feed or look at every marked window, inner ones first, then judge every marked alarm, in order."""
    base = tab[H_WINDOW_LIST]
    order(ints, base, ints[G_WINDOWS], tab[H_WINDOW_COUNT])
    for k in range(ints[G_WINDOWS]):
        w = ints[base + 2 * k]
        r = tab[H_WINDOWS] + w * W_ROW
        due = INF
        if ints[base + 2 * w + 1] == 2 or tab[r + W_TIMED] == 1:
            lo, hi, due = source(tab, par, num, ints, r, t)
            feed(tab, par, num, ints, r, t, lo, hi)
        ints[base + 2 * w + 1] = 0
        own = window_due(tab, par, num, ints, r, t)
        due = own if own < due else due
        set_due(tab, num, WINDOWS, w, due if due > t else just_after(t))
    ints[G_WINDOWS] = 0
    base = tab[H_ALARM_LIST]
    order(ints, base, ints[G_ALARMS], tab[H_ALARM_COUNT])
    for k in range(ints[G_ALARMS]):
        alarm = ints[base + 2 * k]
        ints[base + 2 * alarm + 1] = 0
        judge_alarm(tab, par, num, ints, alarm, t)
    ints[G_ALARMS] = 0


def run_out(tab: Ints, par: Floats, num: State, ints: Counts, t: float) -> None:
    """Everything that is due at `t`, if anything is."""
    bounds = tab[H_BOUNDS]
    for group in range(3):
        if num[bounds + group] > t:
            continue
        dues, least = tab[H_DUES + group], INF
        for item in range(tab[H_POINT_COUNT + group]):
            due = num[dues + item]
            if due <= t:
                num[dues + item] = INF
                run_out_one(tab, num, ints, group, item)
            elif due < least:
                least = due
        num[bounds + group] = least
    settle(tab, par, num, ints, t)


def run_out_one(tab: Ints, num: State, ints: Counts, group: int, item: int) -> None:
    """A point goes stale, a window moves on, an alarm's delay is over."""
    if group == POINTS:
        n = tab[H_POINTS] + item * POINT_ROW
        num[n + Q_LO] = NAN
        num[n + Q_HI] = NAN
        num[n + Q_STALE] = 1.0
        mark_point(tab, ints, item)
    elif group == WINDOWS:
        mark(ints, tab[H_WINDOW_LIST], G_WINDOWS, item, 1)
        mark_all(tab, ints, tab[H_WINDOW_LIST], G_WINDOWS, tab[H_WINDOW_WINDOWS] + item, 1)
        mark_all(tab, ints, tab[H_ALARM_LIST], G_ALARMS, tab[H_WINDOW_ALARMS] + item, 1)
    else:
        mark(ints, tab[H_ALARM_LIST], G_ALARMS, item, 1)


def release(tab: Ints, par: Floats, num: State, ints: Counts, alarm: int, t: float) -> None:
    """An operator's reset: latched levels whose clear condition has been met let go."""
    a = tab[H_ALARMS] + alarm * A_ROW
    first = tab[a + A_FIRST]
    for k in range(first, first + tab[a + A_LEVELS]):
        row = tab[H_LEVELS] + k * L_ROW
        i = tab[row + L_INT]
        if ints[i + D_ACTIVE] == 1 and ints[i + D_DONE] == 1:
            turn(num, ints, tab[row + L_NUM], i, 0, 0)
    mark(ints, tab[H_ALARM_LIST], G_ALARMS, alarm, 1)
    settle(tab, par, num, ints, t)


def rezero(tab: Ints, par: Floats, num: State, ints: Counts, p: int, value: float, t: float) -> None:
    """A new baseline for point p."""
    num[tab[H_POINTS] + p * POINT_ROW + Q_BASELINE] = value
    mark_point(tab, ints, p)
    settle(tab, par, num, ints, t)


def run(tab: Ints, par: Floats, num: State, ints: Counts, t: float, count: int) -> int:
    """Timers up to `t`, then `count` readings from the inbox at `t`. 1: the list of changes is full, call again."""
    ints[G_OUT] = 0
    while next_due(tab, num) <= t:
        if ints[G_OUT] > tab[H_OUT_SIZE]:
            return 1
        run_out(tab, par, num, ints, next_due(tab, num))
    if count > 0:
        if ints[G_OUT] > tab[H_OUT_SIZE]:
            return 1
        for k in range(count):
            inbox = tab[H_INBOX] + 2 * k
            take(tab, par, num, ints, ints[inbox], num[tab[H_INBOX_VALUES] + k], ints[inbox + 1], t)
        settle(tab, par, num, ints, t)
    return 0


def history(
    tab: Ints,
    par: Floats,
    num: State,
    ints: Counts,
    at: Floats,
    first: Ints,
    points: Ints,
    values: Floats,
    qualities: Ints,
    steps: int,
    k: int,
) -> int:
    """Judge `steps` recorded steps from the k-th on; gives the next one's number behind the first that moved an alarm.

    Where a timer before it moved one, the step itself is still to come: then the number is negative, -1 - k.
    The time of the move stands in the inbox, otherwise unused here.
    """
    ints[G_OUT] = 0
    for step in range(k, steps):
        t = at[step]
        while next_due(tab, num) < t:
            due = next_due(tab, num)
            run_out(tab, par, num, ints, due)
            if ints[G_OUT] > 0:
                num[tab[H_INBOX_VALUES]] = due
                return -1 - step
        while next_due(tab, num) <= t:
            run_out(tab, par, num, ints, t)
        for sample in range(first[step], first[step + 1]):
            take(tab, par, num, ints, points[sample], values[sample], qualities[sample], t)
        settle(tab, par, num, ints, t)
        if ints[G_OUT] > 0:
            num[tab[H_INBOX_VALUES]] = t
            return step + 1
    return steps
