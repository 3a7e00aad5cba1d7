"""Which setpoints a chart shows, and how many bands are drawn."""

from agent.backtest.course import Band
from agent.backtest.drawing import MOST_BANDS, merged
from agent.backtest.limits import limits
from rules.model import AlarmRule, LevelRule, Names, PointInfo
from rules.ruleset import build_ruleset

POINTS = [PointInfo("a.x", "m", 60.0), PointInfo("a.y", "m", 60.0)]


def found(when, names=Names()):  # noqa: B008 - frozen
    ruleset = build_ruleset(POINTS, [AlarmRule("one", (LevelRule("red", when),), names=names)])
    return [(limit.point, limit.value, limit.direct) for limit in limits(ruleset)]


def test_constants_a_point_is_compared_with_in_its_own_unit():
    assert found("a.x > 150 cm and 2 m >= a.y") == [(0, 1.5, True), (1, 2.0, True)]
    assert found("1 m < a.x < 3 m") == [(0, 1.0, True), (0, 3.0, True)]


def test_windows_on_the_same_scale_have_lines_others_only_words():
    assert found("avg(a.x, 5 min) > 2 m") == [(0, 2.0, False)]
    assert found("max(avg(a.x, 5 min), 1 h) > 2 m") == [(0, 2.0, False)]
    assert found("rise(a.x, 5 min) > 2 m") == [(0, None, False)]
    assert found("a.x > a.y") == [(0, None, True), (1, None, True)]
    assert found("share(a.x > 2 m, 1 h) > 50 %") == [(0, None, False), (0, 2.0, True)]


def test_figures_of_models_are_lines_too():
    names = Names(points={"level": ("a.x",)}, quantities={"limit": "2 m", "above": "50 cm"})
    assert found("level > limit + above", names) == [(0, 2.5, True)]


def test_chattering_alarms_are_drawn_with_few_bands():
    bands = [Band(10.0 * k, 10.0 * k + 5.0, 1 + (k == 700)) for k in range(30_000)]
    drawn = merged(bands, 300_000.0)
    assert 100 < len(drawn) <= MOST_BANDS
    assert (drawn[0].start_s, drawn[-1].end_s) == (0.0, bands[-1].end_s)
    assert [band.level for band in drawn if band.start_s <= 7000.0 < band.end_s] == [2]
