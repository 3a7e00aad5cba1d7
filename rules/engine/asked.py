"""What conditions ask of points and of each other's parts. Legal as Python and as njit; it changes no state."""
# ruff: noqa: PLR0917, FURB136 - njit wants flat arguments; min and max cost a call

from __future__ import annotations

from rules.engine.dispatch import shape
from rules.engine.windows import H_PARTS, INF, NAN, RESULT, Counts, Floats, Ints, State, just_after

# --- copied into the generated module from here on --------------------------------------------------------------

# A point's state in `num`, `stale_after` in `par` at the point's number. Its baseline: NaN none, inf the next reading.
# Between Q_BELOW and Q_ABOVE lies none of the constants that it is compared with.
Q_LO, Q_HI, Q_GOOD_AT, Q_EVER, Q_STALE, Q_QUALITY, Q_BASELINE, Q_BELOW, Q_ABOVE = range(9)
POINT_ROW = 9
OVER_RANGE = 2


def good(num: State, n: int) -> int:
    """Whether x has a usable value; unknown only before the first reading."""
    if num[n + Q_LO] == num[n + Q_LO]:
        return 1
    return 2 if num[n + Q_QUALITY] < 0.0 and num[n + Q_STALE] == 0.0 else 0


def over_range(num: State, n: int) -> int:
    """Whether x is at or above what the device can measure."""
    if num[n + Q_LO] != num[n + Q_LO]:
        return 2
    return 1 if num[n + Q_QUALITY] == OVER_RANGE else 0


def older(num: State, n: int, limit: float, t: float) -> tuple[int, float]:
    """Whether x is older than the limit, and when that becomes true."""
    end = num[n + Q_GOOD_AT] + limit
    if t > end:
        return 1, INF
    return (0 if num[n + Q_EVER] == 1.0 else 2), just_after(end)


def age(num: State, n: int, t: float) -> tuple[float, float, float]:
    """Bounds of the age in seconds, and when to look again: at first once a second, later less often."""
    seconds = t - num[n + Q_GOOD_AT]
    wait = seconds / 64.0
    return seconds, (seconds if num[n + Q_EVER] == 1.0 else INF), t + (wait if wait > 1.0 else 1.0)


def baseline(num: State, n: int) -> float:
    """The value that x had when it was last re-zeroed; NaN before."""
    value = num[n + Q_BASELINE]
    return value if value < INF else NAN


def as_number(truth: int) -> float:
    """A truth as a window is fed with it; unknown is missing."""
    return NAN if truth == 2 else 1.0 * truth


def part(tab: Ints, par: Floats, num: State, ints: Counts, c: int, t: float) -> tuple[int, float]:
    """(truth of part c of conditions, when it may change by time alone)."""
    row = tab[tab[H_PARTS] + c]
    due = shape(tab[row], tab, par, num, ints, row + 2, tab[row + 1], t)
    return int(num[RESULT]), due


def tally(tab: Ints, par: Floats, num: State, ints: Counts, at: int, t: float) -> tuple[int, int, float]:
    """(how many of the listed parts are true, how many may be, when that may change by time alone)."""
    trues, possible, due = 0, 0, INF
    for k in range(at + 1, at + 1 + tab[at]):
        truth, when = part(tab, par, num, ints, tab[k], t)
        trues += truth == 1
        possible += truth != 0
        due = when if when < due else due
    return trues, possible, due
