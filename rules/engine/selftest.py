"""Holds a JIT build against its twin before it may judge: random readings with bad data, bit for bit."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from typing import Any

from rules.engine import windows
from rules.engine.tables import TWIN, Kernels, Tables


def _random_samples(chance: random.Random, points: int) -> list[tuple[int, float, int]]:
    """Readings of some points, bad ones among them: (point, value, quality)."""
    found = []
    for p in chance.sample(range(points), chance.randrange(points + 1)):
        quality = chance.choice([0, 0, 0, 0, 1, 2, 3, 5, 6])
        value = chance.choice([chance.uniform(-100.0, 1000.0), float(chance.randrange(10)), windows.NAN])
        found.append((p, value, quality))
    return found


def live(tables: Tables, kernels: Kernels, steps: int) -> None:
    """Judge random readings with bad data in both ways; raises ValueError when any bit of the state differs."""
    chance = random.Random(steps)  # noqa: S311 - test data
    states = [_state(tables), _state(tables)]
    calls = [_call(one, state) for one, state in zip((TWIN, kernels), states, strict=True)]
    t = 0.0
    for step in range(steps):
        t += chance.choice([0.0, 0.5, 1.0, chance.uniform(0.0, 5.0), chance.expovariate(0.02)])
        samples = _random_samples(chance, tables.tab[windows.H_POINT_COUNT])
        for k, (p, value, quality) in enumerate(samples):
            for _, _, num, ints in states:
                num[tables.tab[windows.H_INBOX_VALUES] + k] = value
                ints[tables.tab[windows.H_INBOX] + 2 * k] = p
                ints[tables.tab[windows.H_INBOX] + 2 * k + 1] = quality
        while True:
            again = [call(t, len(samples)) for call in calls]
            if again[0] != again[1] or not _same(*states):
                raise ValueError(f"the JIT build and its twin differ in step {step} of the self-test")
            if not again[0]:
                break


def recorded(tables: Tables, kernels: Kernels, steps: int) -> None:
    """As `live`, as recorded history."""
    chance = random.Random(steps)  # noqa: S311 - test data
    at, first = array("d"), array("q", [0])
    points, values, qualities = array("q"), array("d"), array("q")
    t = 0.0
    for _ in range(steps):
        t += chance.choice([0.5, 1.0, chance.uniform(0.0, 5.0), chance.expovariate(0.02)])
        for p, value, quality in _random_samples(chance, tables.tab[windows.H_POINT_COUNT]):
            points.append(p)
            values.append(value)
            qualities.append(quality)
        at.append(t)
        first.append(len(points))
    states = [_state(tables), _state(tables)]
    ends = []
    for one, state in zip((TWIN, kernels), states, strict=True):
        columns = [
            one.arrays(part) for part in (one.tables(state[0]), *state[1:], at, first, points, values, qualities)
        ]
        step, moves = 0, 0
        while step < steps:
            step = one.history(*columns, steps, step)
            moves += 1
            step = -1 - step if step < 0 else step
        ends.append(moves)
    if ends[0] != ends[1] or not _same(*states):
        raise ValueError("the JIT build and its twin judge recorded history differently")


def _state(tables: Tables) -> tuple[array[int], array[float], array[float], array[int]]:
    return array("q", tables.tab), array("d", tables.par), array("d", tables.num), array("q", tables.ints)


def _call(kernels: Kernels, state: tuple[array[Any], ...]) -> Callable[[float, int], int]:
    tab, par, num, ints = (kernels.arrays(part) for part in (kernels.tables(state[0]), *state[1:]))
    return lambda t, count: kernels.run(tab, par, num, ints, t, count)


def _same(one: tuple[array[Any], ...], two: tuple[array[Any], ...]) -> bool:
    """Equal bit for bit, but any NaN is a NaN."""
    if one[2].tobytes() == two[2].tobytes():
        return one[3] == two[3]
    return one[3] == two[3] and all(a == b or (a != a and b != b) for a, b in zip(one[2], two[2], strict=True))  # noqa: PLR0124
