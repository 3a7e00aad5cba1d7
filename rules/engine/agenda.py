"""What has to be looked at, and when: marked items in order, and timers; legal as Python and as njit.

Timers stand in three groups, each with a bound: none of the group runs out before it. Most timers are put off again
and again (a point goes stale only when readings fail to come), which costs nothing: the bound stays, and only when
its time has come the group is read through, to find what is really due and the next bound.
"""

# ruff: noqa: PLR0917, FURB136, PLR1730 - njit wants flat arguments; min and max cost a call

from __future__ import annotations

from rules.engine.windows import H_BOUNDS, H_DUES, Counts, Ints, State

# --- copied into the generated module from here on --------------------------------------------------------------

POINTS, WINDOWS, ALARMS = range(3)  # groups of timers


def set_due(tab: Ints, num: State, group: int, item: int, due: float) -> None:
    """Set a timer, inf: none."""
    num[tab[H_DUES + group] + item] = due
    if due < num[tab[H_BOUNDS] + group]:
        num[tab[H_BOUNDS] + group] = due


def next_due(tab: Ints, num: State) -> float:
    """No timer runs out before this time."""
    bounds = tab[H_BOUNDS]
    a, b, c = num[bounds], num[bounds + 1], num[bounds + 2]
    a = b if b < a else a
    return c if c < a else a


def mark(ints: Counts, base: int, counter: int, item: int, how: int) -> None:
    """List an item as one to look at, once. At `base + 2k` the k-th of the list, at `base + 2*item + 1` its mark."""
    at = base + 2 * item + 1
    if ints[at] == 0:
        ints[base + 2 * ints[counter]] = item
        ints[counter] += 1
    if ints[at] < how:
        ints[at] = how


def order(ints: Counts, base: int, count: int, total: int) -> None:
    """Put a list of marked items in order."""
    if 8 * count > total:  # many: read the marks
        k = 0
        for item in range(total):
            if ints[base + 2 * item + 1] != 0:
                ints[base + 2 * k] = item
                k += 1
        return
    for k in range(1, count):  # few, and mostly in order
        item = ints[base + 2 * k]
        at = k
        while at > 0 and ints[base + 2 * at - 2] > item:
            ints[base + 2 * at] = ints[base + 2 * at - 2]
            at -= 1
        ints[base + 2 * at] = item


def mark_all(tab: Ints, ints: Counts, base: int, counter: int, links: int, how: int) -> None:
    """Mark every item of the list that `links` points at: count, then items."""
    first = tab[links]
    for k in range(first + 1, first + 1 + tab[first]):
        mark(ints, base, counter, tab[k], how)
