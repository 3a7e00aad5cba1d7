import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.functions import FUNCTIONS
from rules.judge import build_ruleset
from rules.language import parse
from rules.model import AlarmRule, LevelRule, PointInfo, RuleErrors
from rules.shapes import canonical
from rules.tree import LanguageError

POINTS = (
    PointInfo("underpass.level", "mm", 10.0),
    PointInfo("siren-current.o2", "percent", 10.0),
    PointInfo("gas.ch4", "%LEL", 10.0),
    PointInfo("room.temp", "degC", 10.0),
    PointInfo("room.kelvin", "K", 10.0),
    PointInfo("gas.state", "", 10.0, states={"warm-up": 1, "ok": 0}),
    PointInfo("gauge.rain", "mm", 10.0, kind="counter"),
    PointInfo("gauge.intensity", "mm/h", 10.0, kind="intensity"),
    PointInfo("tilt.x", "deg", 10.0),
    PointInfo("井.水位", "m", 10.0),
)


def limit(text):
    """The constant on the right of the tree's comparison."""
    return parse(text, POINTS).args[1].value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("underpass.level > 15 cm", 150.0),
        ("underpass.level>15cm", 150.0),
        ("gas.ch4 >= 25 %LEL", 25.0),
        ("siren-current.o2 < 19.5 %", 19.5),
        ("rise(room.temp, 1 min) > 10 degC", 10.0),
        ("rise(room.temp, 1 min) > 18 degF", 10.0),
        ("room.temp > 86 degF", 30.0),
        ("rate(tilt.x, 1 h) > 0.36 deg/h", 0.0001),
        ("increase(gauge.rain, 1 h) > 3 cm", 30.0),
        ("increase(gauge.intensity, 1 h) > 3 cm", 30.0),
        ("share(gas.ch4 > 5 %LEL, 1 h) > 30 %", 0.3),
        ("井.水位 > 240 cm", 2.4),
        ("underpass.level > 2 * 10 cm", 200.0),
        ("underpass.level > -5 mm", -5.0),
        ("underpass.level - 1 m > 10 cm", 100.0),
    ],
)
def test_limits_are_in_the_points_own_unit(text, value):
    assert limit(text) == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("text", "column", "length", "said"),
    [
        ("underpass.level > 30 s", 18, 4, "a time (s) does not compare with a length (mm)"),
        ("underpas.level > 3 mm", 0, 14, "did you mean underpass.level?"),
        ("underpass.level > 5", 18, 1, "such as 5 mm"),
        ("underpass.level > 5 mmm", 20, 3, "did you mean mm?"),
        ("underpass.level >", 17, 1, "the text ends here; expected"),
        ("underpass.level = 5 mm", 16, 1, "expected"),
        ("underpass.level", 0, 15, "is a number where a condition is needed"),
        ("gas.ch4 > 25 %", 10, 4, "explosive limit"),
        ("avrg(room.temp, 5 min) > 3 degC", 0, 4, "did you mean avg?"),
        ("avg(room.temp) > 3 degC", 0, 3, "avg(x, W) is given 1"),
        ("avg(room.temp, 5 mm) > 3 degC", 15, 4, "needs a duration"),
        ("avg(room.temp, 0 s) > 3 degC", 15, 3, "above zero"),
        ("increase(underpass.level, 1 h) > 5 mm", 9, 15, "use rise or change"),
        ('state(gas.state) == "warmup"', 20, 8, "did you mean 'warm-up'?"),
        ("state(room.temp) == 'ok'", 6, 9, "has no states"),
        ("good(3 mm)", 5, 4, "asked of a point"),
        ("room.temp * 2 > 30 degC", 0, 13, "no multiples"),
        ("room.temp + room.temp > 30 degC", 0, 21, "do not add"),
        ("room.kelvin > 30 degC", 14, 7, "write it in K"),
        ("vote(3, good(gas.ch4), good(room.temp))", 5, 1, "from 1 to the number of conditions, 2"),
        ("gas.ch4 and good(gas.ch4)", 0, 7, "condition is needed"),
        ("good(gas.ch4) > 3", 0, 13, "a condition where a number is needed"),
        ("avg(room.temp, 5 min, coverage=120 %) > 3 degC", 31, 5, "up to 100 %"),
        ("height > 5 mm", 0, 6, "names are device.point"),
        ("level > 5 mm", 0, 5, "did you mean underpass.level?"),
        ("tilt.x-underpass.level > 3 deg", 16, 1, "needs spaces"),
        ("", 0, 1, "empty"),
        ("(gas.ch4 > 5 %LEL", 17, 1, "ends here"),
        ("gas.ch4 > 5 %LEL / 0", 19, 1, "division by zero"),
        ("gas.ch4 > 1e400 %LEL", 10, 10, "too large"),
        ("not " * 60 + "good(gas.ch4)", 4 * 41, 4 * 19 + 13, "nested deeper"),
    ],
)
def test_errors_point_at_the_column(text, column, length, said):
    with pytest.raises(LanguageError) as caught:
        parse(text, POINTS)
    problem = caught.value.problems[0]
    assert (problem.span.column, problem.span.length) == (column, length)
    assert said in f"{problem.message}; {problem.hint}"


def test_all_errors_of_a_rule_set_come_at_once():
    rules = (
        AlarmRule("a", (LevelRule("red", "nosuch.x > 3 mm and avrg(gas.ch4, 5 min) > 3 %LEL"),)),
        AlarmRule("b", (LevelRule("red", "underpass.level > 3 s", clear="gas.ch4 <"),)),
        AlarmRule("b", ()),
    )
    with pytest.raises(RuleErrors) as caught:
        build_ruleset(POINTS, rules)
    found = {(p.alarm, p.level, p.key, p.column) for p in caught.value.problems}
    assert {
        ("a", "red", "when", 0),
        ("a", "red", "when", 20),
        ("b", "red", "when", 18),
        ("b", "red", "clear", 9),
    } <= found
    assert {("b", "", "name", None), ("b", "", "level", None)} <= found


def test_chained_comparison_is_both():
    tree = parse("19.5 % < siren-current.o2 < 23 %", POINTS)
    assert (tree.op, [part.op for part in tree.args]) == ("and", ["lt", "lt"])


def test_binding_of_operators():
    tree = parse("not good(gas.ch4) and good(room.temp) or good(tilt.x)", POINTS)
    assert tree.op == "or"
    assert [part.op for part in tree.args] == ["and", "good"]
    assert tree.args[0].args[0].op == "not"


def test_digest_follows_meaning_not_spelling():
    def rules(text, points=POINTS):
        return build_ruleset(points, [AlarmRule("a", (LevelRule("red", text),))])

    first = rules("underpass.level > 15 cm")
    assert first.digest == rules("(underpass.level   > 150 mm)").digest
    assert first.digest != rules("underpass.level > 151 mm").digest
    moved = rules("underpass.level > 15 cm", POINTS[::-1])
    assert first.alarm_digests == moved.alarm_digests


def test_canonical_trees_name_points():
    tree = parse("rise(underpass.level, 10 min) > 20 cm", POINTS)
    assert "underpass.level" in str(canonical(tree, POINTS))


def test_every_window_function_has_what_reads_it():
    ruleset = build_ruleset(POINTS, [AlarmRule("a", (LevelRule("red", "gas.ch4 > 5 %LEL"),))])
    windowed = [name for name, function in FUNCTIONS.items() if function.family]
    assert [name for name in windowed if f"def read_{name}(" not in ruleset.source] == [
        "held"
    ]  # is not within(not ...)


PIECES = [
    *[
        "%",
        "and",
        "or",
        "not",
        "<",
        ">=",
        "==",
        "=",
        "+",
        "-",
        "*",
        "/",
        "(",
        ")",
        "(",
        ")",
        ",",
        ".",
        "水",
        "x",
        "²",
        '"',
        "'ok'",
        "5",
        "2",
        "dB(A)",
    ],
    *["avg(", "vote(", "rise(", "held(", "state(", "good(", "age(", "increase(", "foo(", "coverage="],
    *["underpass.level", "gas.ch4", "gas.state", "gauge.rain", "nosuch.x"],
    *("3 mm", "25 %LEL", "10 min", "0 s", "1e9", "\n"),
]


@settings(max_examples=1500, deadline=None)
@given(text=st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join) | st.text(max_size=30))
def test_whatever_is_written_gives_a_tree_or_problems_with_places(text):
    try:
        problems = parse(text, POINTS).unit and ()
    except LanguageError as error:
        problems = error.problems
    assert problems is None or problems
    for problem in problems or ():
        assert 0 <= problem.span.column <= len(text)
        assert problem.message
