"""What has to be looked at, and when: marked items in order, and a tree of timers; legal as Python and as njit.

A timer that is put off stays where it is in the tree until its old time comes, and only then moves to its new one:
most timers are put off again and again (a point goes stale only when readings fail to come).
"""

from __future__ import annotations

from rules.windows import (
    H_DUES,
    H_LEAVES,
    H_TREE,
    Counts,
    Ints,
    State,
)

# --- copied into the generated module from here on --------------------------------------------------------------


def set_due(tab: Ints, num: State, leaf: int, due: float) -> None:
    """Set a timer, inf: none. Leaves are points, then windows, then alarms."""
    num[tab[H_DUES] + leaf] = due
    if due < num[tab[H_TREE] + tab[H_LEAVES] + leaf]:
        hang(tab, num, leaf, due)


def hang(tab: Ints, num: State, leaf: int, due: float) -> None:
    """Put a time into the tree of minima (root at 1, leaves behind the inner nodes)."""
    tree = tab[H_TREE]
    at = tab[H_LEAVES] + leaf
    num[tree + at] = due
    while at > 1:
        at >>= 1
        a, b = num[tree + 2 * at], num[tree + 2 * at + 1]
        least = b if b < a else a
        if num[tree + at] == least:
            return
        num[tree + at] = least


def earliest(tab: Ints, num: State) -> int:
    """The leaf whose time in the tree is the earliest."""
    tree, leaves = tab[H_TREE], tab[H_LEAVES]
    t = num[tree + 1]
    at = 1
    while at < leaves:
        at = 2 * at if num[tree + 2 * at] == t else 2 * at + 1
    return at - leaves


def put_off(tab: Ints, num: State) -> None:
    """Move timers that were put off until the earliest one is a real one."""
    root, dues = tab[H_TREE] + 1, tab[H_DUES]
    while num[root] < num[dues + earliest(tab, num)]:
        leaf = earliest(tab, num)
        hang(tab, num, leaf, num[dues + leaf])


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
