"""Rule sets and histories that the benches of judgement share: 200 rules over 50 points, plain and mixed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

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


def alarms(
    points: Sequence[str], count: int, shapes: Sequence[tuple[str, str | None]], delays_s: tuple[float, float] = (120, 300)
) -> list[AlarmRule]:
    """So many rules over points of 50 to 150 mm."""
    chance, found = random.Random(count), []
    for k in range(count):
        when, clear = shapes[k % len(shapes)]
        high = chance.randrange(105, 140)
        words = dict(zip("abc", (points[(k + n) % len(points)] for n in range(3)), strict=True))
        words |= {"high": high, "low": high - 3, "rise": 20, "rate": 1}
        level = LevelRule("red", when.format(**words), delays_s[0], clear and clear.format(**words), delays_s[1])
        found.append(AlarmRule(f"alarm-{k}", (level,)))
    return found


def site(shapes: Sequence[tuple[str, str | None]], count: int = 200, points: int = 50) -> Ruleset:
    """A rule set over the points of a made recording."""
    infos = history.infos(points)
    return build_ruleset(infos, alarms([info.name for info in infos], count, shapes))


def columns(minutes: int, points: int = 50) -> Steps:
    """The made recording, gapless, as one stretch."""
    values = np.empty((minutes, points))
    done = 0
    for table in history.chunks(minutes, points):
        for k, name in enumerate(history.names(points)):
            values[done : done + len(table), k] = table.column(name).to_numpy()
        done += len(table)
    return Steps(
        history.START_S + 60.0 * np.arange(minutes),
        np.arange(0, (minutes + 1) * points, points),
        np.tile(np.arange(points), minutes),
        values.reshape(-1),
        np.zeros(minutes * points, np.int64),
    )


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
