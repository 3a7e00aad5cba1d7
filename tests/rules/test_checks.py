"""Rules that read well and make no sense are told; rules that are merely unusual are not."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine.shapes import Plan
from rules.engine.tables import lay_out
from rules.judge import Judge, build_ruleset
from rules.language import parse
from rules.language.checks import _Look, find_problems
from rules.language.ranges import common, outside, region, value_range
from rules.model import GOOD, OVER_RANGE, AlarmRule, LevelRule, LookupTable, Names, PointInfo, RuleErrors, Sample, Truth
from rules.ruleset import Ruleset

POINTS = (
    PointInfo("g.level", "m", 10.0, 0.0, 5.0),
    PointInfo("g.other", "cm", 10.0),
    PointInfo("a.rain", "mm/h", 10.0, 0.0, 200.0, kind="intensity"),
    PointInfo("b.rain", "mm/h", 10.0, 0.0, 100.0, kind="intensity"),
    PointInfo("t.t", "degC", 10.0, -40.0, 80.0),
    PointInfo("d.state", "", 10.0, states={"ok": 0, "fault": 1}),
    PointInfo("v.f", "Hz", 10.0, 1.0, 200.0),
    PointInfo("v.peak", "mm/s", 10.0, 0.0, 15.0),
)
NAMES = Names(
    points={"level": ("g.level",), "rain": ("a.rain", "b.rain"), "tamper": ()},
    many=frozenset({"rain", "tamper"}),
    quantities={"warning": "2.40 m", "danger": "5.20 m"},
    tables={"din": LookupTable("din", "Hz", "mm/s", (1.0, 10.0, 50.0, 100.0), (5.0, 5.0, 15.0, 20.0))},
)


def problems(*levels):
    """What is wrong with an alarm of levels (when, clear, for), as (level, key, text, message; hint)."""
    rules = tuple(
        LevelRule(f"L{k}", when, *(more[1:] or (0.0,)), *(more[:1] or (None,)))
        for k, (when, *more) in enumerate((level,) if isinstance(level, str) else level for level in levels)
    )
    try:
        build_ruleset(POINTS, [AlarmRule("a", rules, names=NAMES)])
    except RuleErrors as error:
        found = []
        for p in error.problems:
            text = getattr(rules[int(p.level[1])], p.key)
            found.append((p.level, p.key, text[p.column : p.column + p.length], f"{p.message}; {p.hint}"))
        return found
    return []


@pytest.mark.parametrize(
    ("text", "part", "said"),
    [
        ("level > 6 m", "level > 6 m", "level (g.level) is between 0 and 5 m; a reading above a point's range"),
        ("level > danger", "level > danger", "can never be true"),
        ("g.level > 5 m", "g.level > 5 m", "g.level is between 0 and 5 m"),
        ("500 cm < level", "500 cm < level", "can never be true"),
        ("level < 0 m", "level < 0 m", "can never be true"),
        ("level < 6 m", "level < 6 m", "is always true"),
        ("level >= 0 m or good(level)", "level >= 0 m", "is always true"),
        ("level > 1 m or rise(level, 1 h) > 6 m", "rise(level, 1 h) > 6 m", "is between 0 and 5 m"),
        ("good(level) and (level > 1 m or level < -1 m)", "level < -1 m", "can never be true"),
        ("not level >= 0 m", "level >= 0 m", "is always true"),
        ("4 m < level < 3 m", "4 m < level < 3 m", "exclude each other"),
        ("g.other > 3 m and g.other < 2 m", "g.other > 3 m and g.other < 2 m", "exclude each other"),
        ("g.other > 3 m or not g.other > 300 cm", "g.other > 3 m or not g.other > 300 cm", "always true"),
        ("good(level) and not good(level)", "good(level) and not good(level)", "exclude each other"),
        ("age(level) > 1 min and age(level) < 30 s", "age(level) > 1 min and age(level) < 30 s", "exclude"),
        ("g.other > level + 1 m and g.other - level < 9 cm", "g.other > level + 1 m and g.other - level < 9 cm", "ex"),
        ("held(level > 6 m, 1 min)", "level > 6 m", "can never be true"),
        ("not within(level >= 0 m, 1 min)", "level >= 0 m", "is always true"),
        ("streak(level > 6 m, 3, 1 d)", "level > 6 m", "can never be true"),
        ("share(level > 6 m, 1 h) > 30 %", "level > 6 m", "can never be true"),
        ("share(level > 3 m, 1 h) > 130 %", "share(level > 3 m, 1 h) > 130 %", "between 0 and 1"),
        ("avg(level, 1 h) > 5.1 m", "avg(level, 1 h) > 5.1 m", "between 0 and 5 m"),
        ("median(level, 1 h) > 5 m", "median(level, 1 h) > 5 m", "between 0 and 5 m"),
        ("stddev(level, 1 h) > 4 m", "stddev(level, 1 h) > 4 m", "between 0 and 3.53553 m"),
        ("change(level, 1 h) < -6 m", "change(level, 1 h) < -6 m", "between -5 and 5 m"),
        ("fit(level, 1 h) > 110 %", "fit(level, 1 h) > 110 %", "between 0 and 1"),
        ("increase(a.rain, 1 h) > 250 mm", "increase(a.rain, 1 h) > 250 mm", "between 0 and 203.125 mm"),
        ("lookup(din, v.f) > 25 mm/s", "lookup(din, v.f) > 25 mm/s", "between 5 and 20 mm/s"),
        ("v.peak > lookup(din, v.f) + 11 mm/s", "v.peak > lookup(din, v.f) + 11 mm/s", "v.peak is between 0 and 15"),
        ("any(each(rain, rain > 150 mm/h))", "rain > 150 mm/h", "rain (b.rain) is between 0 and 100 mm/h"),
        ("vote(2, level > 1 m, level > 7 m, good(t.t))", "level > 7 m", "can never be true"),
        ("level > 1 m and t.t > 100 degC", "t.t > 100 degC", "between -40 and 80 degC"),
        ("warning < 2 m", "warning < 2 m", "'warning < 2 m' can never be true"),
        ("-level > 1 m", "-level > 1 m", "is between -5 and 0 m"),
    ],
)  # fmt: skip
def test_what_cannot_be_and_what_always_is(text, part, said):
    ((_, key, where, message),) = problems(text)
    assert (key, where) == ("when", part)
    assert said in message


@pytest.mark.parametrize(
    "text",
    [
        "level >= 5 m",
        "over_range(level)",
        "level > danger or over_range(level)",
        "level > 0 m and level >= 0 m and good(level)",  # a guard that says nothing is unusual, no more
        "g.other > 3 km",
        "rate(level, 1 h) > 900 m/h",
        "forecast(level, 1 h, 1 h) > 6 m",
        "increase(a.rain, 1 d) > 1 m",
        "decayed(a.rain, 1 d) > 1 m",
        "level - baseline(level) > 6 m",
        "level / 5 m > 99 % and level / 0.5 m < 20",
        "g.level - g.other > 4 m",
        "time_to(level, 6 m, 1 h) < 1 h",
        "time_to_failure(level, 1 h) > 0 s",
        "age(level) > 1 min and not good(level)",
        "level > 1 m and within(level < 1 m, 1 h)",
        "any(each(tamper, tamper > 3 m))",  # an input that may be left out, and is
        "state(d.state) == 'ok' or state(d.state) == 'fault'",
        "lookup(din, v.f) <= 5 mm/s or lookup(din, v.f) >= 20 mm/s",
        "level * level > 24 m^2",
        "compensated(level, t.t, 1 mm/K) > 6 m",
    ],
)
def test_what_is_merely_unusual_is_no_problem(text):
    assert problems(text) == []


@pytest.mark.parametrize(
    ("when", "clear", "said"),
    [
        ("g.other > 15 cm", "g.other < 20 cm", "g.other is between 15 and 20 cm; clear where it is at most 15 cm"),
        ("g.other > 15 cm", "g.other > 10 cm", "is at least 15 cm; clear where it is at most 15 cm"),
        ("g.other < 15 cm", "g.other > 10 cm", "between 10 and 15 cm; clear where it is at least 15 cm"),
        ("level > 4 m", "4.5 m > level", "between 4 and 4.5 m; clear where it is between 0 and 4 m"),
        ("1 m < level < 3 m", "level < 2 m", "1 and 2 m; clear where it is between 0 and 1 m or between 3 and 5 m"),
        ("level > 4 m or good(t.t)", "level < 4.5 m and g.other < 3 m", "between 4 and 4.5 m"),
        ("rise(level, 1 h) > 20 cm", "rise(level, 1 h) < 30 cm", "rise(level, 1 h) is between 0.2 and 0.3 m"),
        ("g.other - level > 10 cm", "g.other < level + 20 cm", "are both true"),
        ("state(d.state) == 'fault'", "state(d.state) == 'fault'", "are both true"),
        ("not good(level)", "not good(level)", "are both true"),
        ("level > warning", "level < warning + 1 cm", "between 2.4 and 2.41 m"),
    ],
)  # fmt: skip
def test_clearing_while_alarming(when, clear, said):
    ((_, key, where, message),) = problems((when, clear))
    assert (key, where) == ("clear", clear)
    assert said in message


@pytest.mark.parametrize(
    ("when", "clear"),
    [
        ("level > 4 m", "level < 4 m"),
        ("level >= 4 m", "level <= 4 m"),
        ("level > 4 m", "level < 3.9 m"),
        ("3 * level > 12 m", "3 * level <= 12 m"),
        ("level > 4 m or rise(level, 1 h) > 1 m", "level < 4 m"),  # what still alarms does not clear
        ("level > 4 m and g.other > 1 m", "level < 4.5 m"),
        ("level > 4 m", "t.t < 20 degC"),
        ("level > 4 m", "max(level, 10 min) < 4.5 m"),
        ("state(d.state) == 'fault'", "state(d.state) != 'fault'"),
    ],
)
def test_clear_conditions_that_are_right(when, clear):
    assert problems((when, clear)) == []


def test_a_clear_condition_that_cannot_be():
    assert [row[:3] for row in problems(("level > 4 m", "level < 0 m"))] == [("L0", "clear", "level < 0 m")]


@pytest.mark.parametrize(
    ("lower", "higher", "wrong"),
    [
        ("level > 40 cm", "level > 30 cm", True),
        ("level > 30 cm", "level > 40 cm", False),
        ("level < 30 cm", "level < 40 cm", True),
        ("level > 40 cm", "level > 40 cm", True),
        ("level > 40 cm", "level >= 400 mm", True),
        ("level > 40 cm", ("level > 30 cm", None, 60.0), False),  # long water of lower stage: by duration
        (("level > 40 cm", None, 60.0), ("level > 30 cm", None, 20.0), True),
        ("level > 40 cm", "level > 30 cm and good(g.other)", False),
        ("level > 40 cm and good(g.other)", "level > 30 cm", True),
        ("level > 40 cm", "level > 50 cm or rise(level, 1 h) > 1 m", False),
        ("19.5 < g.other / 1 cm < 23", "18 < g.other / 1 cm < 25", True),
        ("not 19.5 < g.other / 1 cm < 23", "not 18 < g.other / 1 cm < 25", False),
        ("not 18 < g.other / 1 cm < 25", "not 19.5 < g.other / 1 cm < 23", True),
        ("increase(a.rain, 6 h) > 50 mm", "increase(a.rain, 3 h) > 50 mm", False),
        ("vote(1, level > 2 m, g.other > 2 m)", "vote(2, level > 2 m, g.other > 2 m)", False),
        ("vote(2, level > 2 m, g.other > 2 m)", "vote(1, level > 2 m, g.other > 2 m)", True),
        ("level > warning", "level > warning - 1 cm", True),
        ("any(each(tamper, tamper > 3 m))", "level > 3 m", False),
    ],
)
def test_levels_out_of_order(lower, higher, wrong):
    found = problems(lower, higher)
    assert bool(found) == wrong
    if wrong:
        ((level, key, _, message),) = found
        assert (level, key) == ("L1", "when")
        assert "L1 is not stricter than L0" in message


def test_all_problems_come_at_once_with_their_places():
    found = problems(("level > 6 m", "level < 0 m"), "level > 7 m")
    assert [row[:3] for row in found] == [
        ("L0", "when", "level > 6 m"),
        ("L0", "clear", "level < 0 m"),
        ("L1", "when", "level > 7 m"),
    ]


def test_what_cannot_be_read_does_not_hide_what_makes_no_sense():
    found = problems("level > 3 s", ("level > 6 m", "level < 5 m"), ("levl > 3 m", "level < 0 m"), "level > 7 m")
    assert [row[:3] for row in found] == [
        ("L0", "when", "3 s"),
        ("L2", "when", "levl"),
        ("L1", "when", "level > 6 m"),
        ("L2", "clear", "level < 0 m"),
        ("L3", "when", "level > 7 m"),
    ]


def test_what_has_too_many_cases_is_let_through():
    text = " and ".join(f"(g.other > {k} m or g.other < -{k} m or rate(level, {k} h) > 1 m/h)" for k in range(1, 12))
    assert problems(text) == []


@given(ops=st.lists(st.tuples(st.sampled_from(["lt", "le", "gt", "ge", "eq"]), st.integers(-3, 3)), max_size=4))
def test_sets_of_values(ops):
    where = region("ge", -math.inf)
    for op, limit in ops:
        where = common(where, region(op, limit))
    for x in (k / 2 for k in range(-8, 9)):
        inside = all({"lt": x < v, "le": x <= v, "gt": x > v, "ge": x >= v, "eq": x == v}[op] for op, v in ops)
        assert any(start < (x, 0.5) < end for start, end in where) == inside
        assert any(start < (x, 0.5) < end for start, end in outside(where)) != inside


# --- against random evaluation: what is said to be impossible never happens ------------------------------------------


def unchecked(points, texts):
    """A judge of conditions as they are, senseless or not."""
    trees = [((parse(text, points), None),) for text in texts]
    alarms = tuple(AlarmRule(f"a{k}", (LevelRule("red", text),)) for k, text in enumerate(texts))
    plan = Plan(tuple(points))
    tables = lay_out(plan, alarms, trees)
    names = tuple(map(str, range(len(plan.windows))))
    return Judge(Ruleset(tuple(points), alarms, "", tuple(trees), tuple(texts), names, plan, tables), 0.0)


def inside_range(series, points):
    """The same steps; good values within the points' ranges, over-range ones at their ends."""
    for t, samples in series:
        found = []
        for p, value, quality in samples:
            low, high = points[p].low, points[p].high
            if high is not None and quality == OVER_RANGE:
                found.append(Sample(p, high, quality))
            else:
                found.append(Sample(p, value if low is None else min(max(value, low), high), quality))
        yield t, found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_cases_are_sound(seed, points, random_condition, random_series):
    texts = [random_condition(seed + k) for k in range(3)]
    look, judge = _Look(points), unchecked(points, texts)
    trees = [pairs[0][0] for pairs in judge.ruleset.trees]
    never = [not look.cases(tree, True) for tree in trees]
    always = [not look.cases(tree, False) for tree in trees]
    implied = [(a, b) for a in range(3) for b in range(3) if a != b and look.implies(trees[a], trees[b])]
    for t, samples in inside_range(random_series(seed, 40), points):
        judge.step(t, samples)
        truths = [Truth[judge.explain(k)[0]["truth"].upper()] for k in range(3)]
        for text, truth, no, yes in zip(texts, truths, never, always, strict=True):
            assert not (no and truth == Truth.TRUE), text
            assert not (yes and truth == Truth.FALSE), text
        for a, b in implied:
            assert (truths[a], truths[b]) != (Truth.TRUE, Truth.FALSE), (texts[a], texts[b])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_limits_at_the_ends_of_ranges_are_sound(seed, points, random_series):
    """Limits right at, just inside and just outside of what a window over points can give."""
    chance = random.Random(seed)
    texts = []
    for name in ("avg", "min", "max", "median", "stddev", "last", "change", "rise", "fall"):
        source = chance.choice(["a.level", "a.level * 3 - 1 cm", "a.level - b.level", "-b.level"])
        number = f"{name}({source}, {chance.choice(['4 s', '20 s'])})"
        side = parse(f"{number} > 0 mm", points).args[0]
        end = chance.choice(value_range(side, points))
        limit = f"{end + chance.choice([0.0, 0.0, 1e-3, -1e-3]):.9f} {side.unit.text}"
        texts.append(f"{number} {chance.choice(['<', '<=', '>', '>='])} {limit}")
    judge, look = unchecked(points, texts), _Look(points)
    trees = [pairs[0][0] for pairs in judge.ruleset.trees]
    for _, (t, samples) in zip(range(40), inside_range(random_series(seed, 60), points), strict=False):
        judge.step(t, samples)
        for k, tree in enumerate(trees):
            truth = judge.explain(k)[0]["truth"]
            assert truth == "unknown" or look.cases(tree, truth == "true"), texts[k]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_places_lie_inside_the_text(seed, points, random_condition):
    texts = [random_condition(seed + k) for k in range(3)]
    alarm = AlarmRule("a", tuple(LevelRule("red", text, clear=texts[0]) for text in texts))
    trees = [(parse(text, points), parse(texts[0], points)) for text in texts]
    for problem in find_problems(alarm, trees, points):
        text = texts[0] if problem.key == "clear" else None
        assert 0 <= problem.column < max(map(len, texts))
        assert problem.length >= 1
        assert text is None or problem.column + problem.length <= len(text)


def test_a_reading_at_the_end_of_its_range_is_not_over_it():
    judge = Judge(build_ruleset(POINTS, [AlarmRule("a", (LevelRule("red", "g.level >= 5 m"),))]), 0.0)
    assert judge.step(0.0, [Sample(0, 5.0, GOOD)]).changes == [(0, 0, 1)]
