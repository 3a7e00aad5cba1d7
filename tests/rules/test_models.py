"""The library as shipped: both languages, a source for every figure, cases of every kind, and all of them come true.

No model alarms because its sensors died, and none lets go because they did.
"""

import re
from dataclasses import replace
from functools import cache

import pytest

from rules.cases import read_cases
from rules.cases.series import BAD, NOTHING, READING, Slot
from rules.library import load_model, names
from rules.scenario import compare, run_case

KINDS = {"onset", "boundary", "decoy", "fault", "gap", "restart"}
LEVELS = ["blue", "yellow", "orange", "red"]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:?!()]")
ABOUT_LOSS = {"gas-detector-health"}  # missing readings are what it is about

pytestmark = pytest.mark.parametrize("name", names())


@cache
def judged(name):
    """A model and its cases, each with what its alarm does."""
    model = load_model(name)
    return model, [(case, run_case(case)) for case in read_cases(list(model.cases), model, model.case_parameters)]


def test_residents_and_technicians_can_read_it(name):
    model, _ = judged(name)
    described = [*model.inputs.values(), *model.parameters.values()]
    for text in [model.title, model.text, *(one.title for one in described)]:
        assert CHINESE.search(text["zh"]), text
        assert not HALF_WIDTH.search(text["zh"]), text
        assert re.fullmatch(r"[ -~]{2,}", text["en"]), text
    assert model.hazard


def test_every_figure_has_a_source(name):
    model, _ = judged(name)
    assert model.sources
    for parameter in model.parameters.values():
        assert parameter.source, parameter.name
        assert parameter.default is not None or parameter.authority, parameter.name


def test_levels_stand_from_lowest_to_highest(name):
    model, _ = judged(name)
    levels = [level.level for level in model.levels]
    assert levels == [level for level in LEVELS if level in levels]


def test_it_has_cases_of_every_kind(name):
    model, _ = judged(name)
    tokens = {kind: set() for kind in KINDS}
    for case in model.cases:
        for text in case["series"].values():
            tokens[case["kind"]] |= {re.sub(r"x\d+$", "", token) for token in text.split()}
    assert all(tokens.values())
    assert set().union(*tokens.values()) & {"bad", "stale", "over"}
    assert "_" in tokens["gap"]
    assert "@reboot" in tokens["restart"]


def test_its_cases_come_out_as_expected(name):
    _, cases = judged(name)
    assert {case.name: failures for case, moves in cases if (failures := compare(case, moves))} == {}


def test_every_level_is_reached_by_some_case(name):
    model, cases = judged(name)
    assert {level.level for level in model.levels} <= {move.level for _, moves in cases for move in moves}


def test_dead_sensors_neither_raise_nor_clear(name):
    model, cases = judged(name)
    if name in ABOUT_LOSS or model.on_missing != "hold":
        pytest.skip("missing readings are what it is about")
    rank = [*LEVELS, "normal"].index
    for case, moves in cases[:2]:
        top = max((move for move in moves if move.level != "normal"), key=lambda move: rank(move.level), default=None)
        at = 3 if top is None else int(top.at_s // case.interval_s) + 1
        quiet = [Slot(BAD)] * 2 + [Slot(NOTHING)] * 60
        died = {point: [*slots[:at], *quiet] for point, slots in case.series.items() if slots[0].what == READING}
        later = [move for move in run_case(replace(case, series=died)) if move.at_s >= at * case.interval_s]
        assert later == [], case.name
