"""Rule sets and histories that the benches of judgement share: 200 rules over 50 points, plain and mixed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rules.backtest import Steps
from rules.judge import build_ruleset
from rules.model import AlarmRule, LevelRule, PointInfo
from rules.ruleset import Ruleset
from tests.bench import history

# {a} {b} {c}: neighbouring points; {high}, {low}: a setpoint and the one to clear; both in the middle of the data
SHAPES = (
    ("{a} > {high} mm", "{a} < {low} mm"),
    ("{a} > {high} mm", None),
    ("{a} > {high} mm or rise({a}, 10 min) > {rise} mm", None),
    ("avg({a}, 5 min) > {high} mm", "avg({a}, 5 min) < {low} mm"),
    ("vote(2, {a} > {high} mm, {b} > {high} mm, {c} > {high} mm)", None),
    ("max({a}, 1 h) > {high} mm and not held({a} < {low} mm, 30 s)", None),
    ("rate({a}, 10 min) > {rate} mm/min", None),
    ("good({a}) and {low} mm < {a} < {high} mm", None),
)
PLAIN = SHAPES[:1]
DELAY_S, CLEAR_DELAY_S = 120.0, 300.0
Shapes = Sequence[tuple[str, str | None]]


def words(count: int, points: int) -> list[dict[str, int]]:
    """What stands in each rule's text; a, b, c are points' numbers."""
    chance, found = random.Random(count), []
    for k in range(count):
        high = chance.randrange(105, 140)
        places = {letter: (k + n) % points for n, letter in enumerate("abc")}
        found.append({**places, "high": high, "low": high - 3, "rise": 20, "rate": 1})
    return found


def alarms(points: Sequence[str], count: int, shapes: Shapes) -> list[AlarmRule]:
    """So many rules over points of 50 to 150 mm."""
    found = []
    for k, given in enumerate(words(count, len(points))):
        when, clear = shapes[k % len(shapes)]
        said = given | {letter: points[given[letter]] for letter in "abc"}
        level = LevelRule("red", when.format(**said), DELAY_S, clear and clear.format(**said), CLEAR_DELAY_S)
        found.append(AlarmRule(f"alarm-{k}", (level,)))
    return found


def site(shapes: Shapes, count: int = 200, points: int = 50) -> Ruleset:
    """A rule set over the points of a made recording."""
    infos = history.infos(points)
    return build_ruleset(infos, alarms([info.name for info in infos], count, shapes))


STRETCH = 2000  # steps; 100 000 samples


def values(minutes: int, points: int = 50) -> NDArray[np.float64]:
    """The made recording, gapless: a row a minute."""
    found, done = np.empty((minutes, points)), 0
    for table in history.chunks(minutes, points):
        for k, name in enumerate(history.names(points)):
            found[done : done + len(table), k] = table.column(name).to_numpy()
        done += len(table)
    return found


def stretches(recorded: NDArray[np.float64], times: int = 1) -> Iterator[Steps]:
    """The recording as steps, so many times one after the other; what is the same in every stretch is shared."""
    minutes, points = recorded.shape
    first = np.arange(0, (STRETCH + 1) * points, points)
    point, quality = np.tile(np.arange(points), STRETCH), np.zeros(STRETCH * points, np.int64)
    for again in range(times):
        for start in range(0, minutes, STRETCH):
            rows = recorded[start : start + STRETCH]
            count, at_s = len(rows), history.START_S + 60.0 * (again * minutes + start + np.arange(len(rows)))
            yield Steps(at_s, first[: count + 1], point[: rows.size], rows.reshape(-1), quality[: rows.size])


def rough(steps: int, points: Sequence[PointInfo], seed: int) -> Steps:
    """A short random history: irregular times, gaps, few points a step, every quality, values on setpoints."""
    chance = np.random.default_rng(seed)
    gaps = chance.choice([0.0, 1.0, 7.5, 60.0, 61.0, 400.0, 5000.0], steps, p=[0.02, 0.2, 0.2, 0.4, 0.1, 0.07, 0.01])
    counts = chance.integers(0, len(points) + 1, steps)
    places = np.concatenate([chance.permutation(len(points))[:count] for count in counts])
    total = len(places)
    walk = 118 + np.cumsum(chance.normal(0, 0.5, total)) * 0.3
    values = np.round(walk + chance.normal(0, 6, total) * (chance.random(total) < 0.5), chance.integers(0, 2))
    quality = chance.choice([0, 1, 2, 3, 5, 6], total, p=[0.93, 0.02, 0.01, 0.01, 0.02, 0.01])
    values[quality > 2] = np.nan
    values[(quality == 2) & (chance.random(total) < 0.5)] = np.inf
    first = np.concatenate([[0], np.cumsum(counts)])
    return Steps(1e6 + np.cumsum(gaps), first, places.astype(np.int64), values, quality.astype(np.int64))
