"""Random rule sets and random series with bad data, for tests that hold two ways of judging against each other."""

import random

import pytest

from rules.language import parse
from rules.language.checks import find_problems
from rules.model import (
    BAD,
    COMM_FAULT,
    GOOD,
    INHIBITED,
    OVER_RANGE,
    UNCERTAIN,
    UNDER_RANGE,
    AlarmRule,
    LevelRule,
    PointInfo,
    Sample,
)

LEVEL, OTHER, RAIN, FLOW, DEVICE = range(5)
POINTS = (
    PointInfo("a.level", "mm", 12.0, 0.0, 100.0),
    PointInfo("b.level", "cm", 7.0, 0.0, 10.0),
    PointInfo("r.rain", "mm", 40.0, kind="counter", wrap=200.0),
    PointInfo("r.flow", "mm/h", 15.0, kind="intensity"),
    PointInfo("d.state", "", 9.0, states={"ok": 0, "warm-up": 1}),
)
QUALITIES = [GOOD] * 14 + [UNCERTAIN, OVER_RANGE, OVER_RANGE, UNDER_RANGE, INHIBITED, BAD, COMM_FAULT, COMM_FAULT]


def _number(chance, depth):
    length = chance.choice(["4 s", "15 s", "40 s", "2 min"])
    point = chance.choice(["a.level", "b.level"])
    pick = chance.randrange(12 if depth else 3)
    if pick < 3:
        return point
    if pick < 7:
        inner = _number(chance, depth - 1) if chance.random() < 0.2 else point
        return f"{chance.choice(['avg', 'min', 'max', 'last', 'rise', 'fall', 'change'])}({inner}, {length})"
    if pick == 7:
        return f"({_number(chance, depth - 1)} - {_number(chance, depth - 1)} * {chance.choice(['2', '0.5', '-1'])})"
    if pick == 8:
        return f"{chance.choice(['median', 'stddev'])}({_number(chance, depth - 1)}, {length})"
    if pick == 9:
        return f"decayed(r.{chance.choice(['rain', 'flow'])}, {length})"
    if pick == 10:
        return f"forecast({point}, {length}, 20 s)"
    return f"increase(r.{chance.choice(['rain', 'flow'])}, {length})"


def _condition(chance, depth):
    limit = f"{chance.randrange(1, 100)} mm"
    length = chance.choice(["3 s", "10 s", "30 s"])
    match chance.randrange(18 if depth else 6):
        case 0 | 1:
            return f"{_number(chance, 1)} {chance.choice(['<', '<=', '>', '>='])} {limit}"
        case 2:
            return f"rate({chance.choice(['a.level', 'b.level'])}, {length}) > {chance.randrange(1, 20)} mm/s"
        case 3:
            return f"age({chance.choice(['a.level', 'r.rain'])}) {chance.choice(['<', '>'])} {length}"
        case 4:
            return chance.choice(
                ["good(b.level)", "over_range(a.level)", 'state(d.state) == "warm-up"', "good(d.state)"]
            )
        case 5:
            return f"20 mm < {_number(chance, 1)} <= {limit}"
        case 6 | 7:
            return f"({_condition(chance, depth - 1)} and {_condition(chance, depth - 1)})"
        case 8 | 9:
            return f"({_condition(chance, depth - 1)} or {_condition(chance, depth - 1)})"
        case 10:
            return f"not ({_condition(chance, depth - 1)})"
        case 11:
            return f"vote(2, {', '.join(_condition(chance, depth - 1) for _ in range(3))})"
        case 12:
            return f"time_to({_number(chance, 0)}, {chance.choice([limit, _number(chance, 0)])}, {length}) < 1 min"
        case 13:
            return f"streak({_condition(chance, depth - 1)}, {chance.randrange(1, 4)}, {length})"
        case 14:
            test = chance.choice(["time_to_failure({}, {}) < 2 min", "fit({}, {}) > 50 %"])
            return test.format(_number(chance, 0), length)
        case 15:
            return f"{chance.choice(['any', 'all'])}({', '.join(_condition(chance, depth - 1) for _ in range(2))})"
        case 16:
            return f"share({_condition(chance, depth - 1)}, {length}) > 40 %"
        case _:
            return f"{chance.choice(['held', 'within'])}({_condition(chance, depth - 1)}, {length})"


def _alarm(chance, name, mode):
    """An alarm that no check finds senseless."""
    while True:
        alarm = _any_alarm(chance, name, mode)
        trees = [(parse(level.when, POINTS), level.clear and parse(level.clear, POINTS)) for level in alarm.levels]
        if not find_problems(alarm, trees, POINTS):
            return alarm


def _any_alarm(chance, name, mode):
    levels = tuple(
        LevelRule(
            level,
            _condition(chance, 2),
            chance.choice([0.0, 0.0, 1.0, 5.0, 20.0]),
            chance.choice([None, None, _condition(chance, 1)]),
            chance.choice([0.0, 3.0, 12.0]),
        )
        for level in ("yellow", "red")[: chance.randrange(1, 3)]
    )
    return AlarmRule(name, levels, mode or chance.choice(["hold", "hold", "alarm", "clear"]), chance.random() < 0.2)


@pytest.fixture(scope="session")
def points():
    """The points that random rules are about."""
    return POINTS


@pytest.fixture(scope="session")
def random_rules():
    """Alarms of a seed, so many, all with one on_missing if asked."""

    def make(seed, count, mode=None):
        chance = random.Random(seed)
        return [_alarm(chance, f"alarm-{k}", mode) for k in range(count)]

    return make


@pytest.fixture(scope="session")
def random_condition():
    """A condition of a seed; it may be one that checks find senseless."""
    return lambda seed: _condition(random.Random(seed), 2)


@pytest.fixture(scope="session")
def random_series():
    """Steps (t, samples) of a seed: irregular, with gaps, jumps and bad data."""

    def make(seed, count, start=0.0):
        chance = random.Random(seed)
        t, rain, level, found = start, 100.0, 50.0, []
        for _ in range(count):
            t += chance.choice([0.0, 0.25, 1.0, 1.0, 1.0, 2.5, 6.0, chance.uniform(0, 3), chance.uniform(0, 30)])
            level = min(100.0, max(0.0, level + chance.gauss(0, 15)))
            rain = (rain + chance.choice([0, 0, 1, 5])) % 200
            values = (level, level / 10 + chance.gauss(0, 1), rain, chance.uniform(0, 900), float(chance.randrange(3)))
            some = [p for p in range(5) if chance.random() < 0.45]
            samples = []
            for p in some:
                quality = chance.choice(QUALITIES)
                value = values[p] if quality != BAD else chance.choice([float("nan"), float("inf"), -1.0])
                samples.append(Sample(p, value, quality))
            found.append((t, samples))
        return found

    return make
