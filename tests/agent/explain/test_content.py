"""Rule sets survive as bytes: the same digest, so the same judgement."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.config import Site
from agent.explain.content import ContentError, content_of, ruleset_of
from rules.library import bind, load_model, names, own_inputs, own_points
from rules.model import AlarmRule, LevelRule, LookupTable, Names, PointInfo
from rules.ruleset import build_ruleset


def test_a_site_and_whole_numbers_and_tables(load: Callable[..., Site]) -> None:
    assert ruleset_of(content_of(load().ruleset)).digest == load().ruleset.digest
    points = [
        PointInfo("a.x", "mm", 10, reset=(3600, 3060.0), kind="running_total", wrap=100),
        PointInfo("a.y", "Hz", 0.1, states={"on": 1}, baseline="first", low=0),
    ]
    table = LookupTable("din", "Hz", "mm", (1, 10.5), (5, 20.25))
    given = Names({"many": ("a.x", "a.x")}, frozenset({"many"}), {"limit": "5 mm"}, {"din": table})
    levels = (LevelRule("red", "any(each(many, increase(many, 1 h) > limit)) and a.x > lookup(din, a.y)", 30),)
    ruleset = build_ruleset(points, [AlarmRule("one", levels, names=given)])
    assert ruleset_of(content_of(ruleset)).digest == ruleset.digest


def test_every_model_of_the_library_that_needs_no_figures() -> None:
    tried = 0
    for name in names():
        model = load_model(name)
        if any(parameter.default is None for parameter in model.parameters.values()):
            continue
        points = own_points(model, 60.0, {})
        bound = bind(model, own_inputs(model, {}), {}, points)
        ruleset = build_ruleset(points, [AlarmRule(name, bound.levels, bound.on_missing, bound.latch, bound.names)])
        assert ruleset_of(content_of(ruleset)).digest == ruleset.digest, name
        tried += 1
    assert tried >= 10


@pytest.mark.parametrize("content", [b"", b"x\x9c", content_of.__doc__.encode()])  # type: ignore[union-attr]
def test_what_is_no_rule_set_is_refused(content: bytes) -> None:
    with pytest.raises(ContentError, match="can't be built again"):
        ruleset_of(content)
