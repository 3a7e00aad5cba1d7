"""Windows without a ring: spans, streaks and fading amounts, fed and read. Legal as Python and as njit.

A span knows when its condition was last true; a streak since when it has been true at least once in each period. A
decay is one number that fades by half in each half-life, and the share of its weight that good data has.
"""
# ruff: noqa: PLR0124, PLR0917 - x != x is NaN; njit wants flat arguments

from __future__ import annotations

from rules.engine.windows import (
    INF,
    INTENSITY,
    N_AT,
    N_HI,
    N_LO,
    N_PREVIOUS,
    N_PREVIOUS_AT,
    NAN,
    P_COUNT,
    P_COVER,
    P_KIND,
    P_LENGTH,
    W_NUM,
    W_PAR,
    Counts,
    Floats,
    Ints,
    State,
    added,
)

# --- copied into the generated module from here on --------------------------------------------------------------

# Their state in `num`: a span keeps three numbers, a streak its truth and two starts with the periods that follow
# them, a decay two more than what is held.
N_TRUTH, N_TRUE_END, N_UNKNOWN_END = range(3)
N_SURE, N_SURE_UPTO, N_MAYBE, N_MAYBE_UPTO = range(1, 5)
N_AMOUNT, N_WEIGHT = range(5, 7)


def feed_span(num: State, n: int, t: float, truth: float) -> None:
    """A condition's new truth (1.0, 0.0, NaN) for `within`."""
    if num[n + N_TRUTH] == 1.0:
        num[n + N_TRUE_END] = t
    elif num[n + N_TRUTH] == 2.0:
        num[n + N_UNKNOWN_END] = t
    num[n + N_TRUTH] = truth if truth == truth else 2.0


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


def period_of(start: float, period: float, t: float) -> float:
    """In which period since `start` the time `t` lies, 0 the first; exactly as `start + k * period` says."""
    k = (t - start) // period
    while start + (k + 1.0) * period <= t:
        k += 1.0
    while start + k * period > t:
        k -= 1.0
    return k


def feed_streak(period: float, num: State, n: int, t: float, truth: float) -> None:
    """A condition's new truth: the streak of periods in which it was true, and that in which it may have been."""
    if num[n + N_TRUTH] == 1.0:
        num[n + N_SURE_UPTO] = period_of(num[n + N_SURE], period, t)
    if num[n + N_TRUTH] != 0.0:
        num[n + N_MAYBE_UPTO] = period_of(num[n + N_MAYBE], period, t)
    num[n + N_TRUTH] = truth if truth == truth else 2.0
    if truth == 1.0:
        extend_streak(period, num, n + N_SURE, t)
    if truth != 0.0:
        extend_streak(period, num, n + N_MAYBE, t)


def extend_streak(period: float, num: State, at: int, t: float) -> None:
    """It becomes true at `t`: the streak goes on, or one begins where a whole period passed without."""
    if num[at] > -INF:
        reached = period_of(num[at], period, t)
        if reached <= num[at + 1] + 1.0:
            num[at + 1] = reached
            return
    num[at] = t
    num[at + 1] = 0.0


def read_streak(tab: Ints, par: Floats, num: State, _ints: Counts, r: int, t: float) -> int:
    """Whether a condition was true at least once in each of so many periods in a row, the present one counted."""
    n, p = tab[r + W_NUM], tab[r + W_PAR]
    truth = num[n + N_TRUTH]
    if periods(par[p + P_LENGTH], num, n + N_SURE, truth == 1.0, t) >= par[p + P_COUNT]:
        return 1
    if periods(par[p + P_LENGTH], num, n + N_MAYBE, truth != 0.0, t) >= par[p + P_COUNT]:
        return 2
    return 0


def periods(period: float, num: State, at: int, on: bool, t: float) -> float:
    """How many periods the streak at `at` has at `t`."""
    if num[at] == -INF:
        return 0.0
    reached = period_of(num[at], period, t)
    if on:
        return reached + 1.0
    return num[at + 1] + 1.0 if reached <= num[at + 1] + 1.0 else 0.0


def streak_due(period: float, count: float, num: State, at: int, on: bool, t: float) -> float:
    """When the streak at `at` is long enough, or breaks."""
    if num[at] == -INF:
        return INF
    due = num[at] + ((count - 1.0) if on else (num[at + 1] + 2.0)) * period
    return due if due > t else INF


def faded(halves: float) -> float:
    """2 to the power of -halves, for halves >= 0: by sums and products only, so that every machine gets the same."""
    if halves >= 1075.0:
        return 0.0
    whole = int(halves)
    y = (whole - halves) * 0.6931471805599453
    term, total = 1.0, 1.0
    for k in range(1, 18):
        term *= y / k
        total += term
    for _ in range(whole):
        total *= 0.5
    return total


def evenly(half_life: float, left: float) -> float:
    """What is left of one a second over the time in which `left` of an amount is left."""
    return half_life / 0.6931471805599453 * (1.0 - left)


def feed_decay(par: Floats, num: State, n: int, p: int, t: float, lo: float, hi: float) -> None:
    """A new value for an amount that fades; what came since the last one is spread evenly over the time between.

    Time without a value, or with one that is over-range, has no weight: it is not covered.
    """
    at = num[n + N_AT]
    if at == at and t > at:
        left = faded((t - at) / par[p + P_LENGTH])
        if par[p + P_KIND] == INTENSITY and num[n + N_LO] == num[n + N_LO]:
            num[n + N_AMOUNT] = num[n + N_AMOUNT] * left + num[n + N_LO] * evenly(par[p + P_LENGTH], left)
        else:
            num[n + N_AMOUNT] *= left
        num[n + N_WEIGHT] *= left
        if num[n + N_LO] == num[n + N_HI]:
            num[n + N_WEIGHT] += 1.0 - left
    if lo == lo and par[p + P_KIND] != INTENSITY:
        amount = added(par, num, p, n, t, lo)
        since = t - num[n + N_PREVIOUS_AT]
        if since > 1e-6 * par[p + P_LENGTH]:
            amount *= evenly(par[p + P_LENGTH], faded(since / par[p + P_LENGTH])) / since
        num[n + N_PREVIOUS] = lo
        num[n + N_PREVIOUS_AT] = t
        num[n + N_AMOUNT] += amount
        if lo != hi:
            num[n + N_WEIGHT] = 0.0
    num[n + N_LO] = lo
    num[n + N_HI] = hi
    num[n + N_AT] = t


def read_decayed(tab: Ints, par: Floats, num: State, _ints: Counts, r: int, t: float) -> tuple[float, float]:
    """What is left of an amount that fades by half in each half-life; at least what was seen."""
    n, p = tab[r + W_NUM], tab[r + W_PAR]
    at = num[n + N_AT]
    if at != at:
        return NAN, NAN
    left = faded((t - at) / par[p + P_LENGTH])
    amount = num[n + N_AMOUNT] * left
    weight = num[n + N_WEIGHT] * left
    held = num[n + N_LO]
    if held == held and par[p + P_KIND] == INTENSITY:
        amount += held * evenly(par[p + P_LENGTH], left)
    if held == num[n + N_HI]:
        weight += 1.0 - left
    if held != held or weight < par[p + P_COVER]:
        return (NAN, NAN) if weight == 0.0 and amount == 0.0 else (amount, INF)
    return amount, amount
