"""Scenario arithmetic, events on a rig, and every scenario and rig that is shipped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hil
from hil.faults import Fault
from hil.rig import Rig
from hil.scenario import Curve, Event, Player, Scenario

HIL = Path(hil.__file__).parent
RIG = {
    "line": {"sensors": {"timed": False}, "gateway": {"tcp": "tcp"}},
    "device": {
        "underpass": {"line": "sensors", "unit_id": 3, "model": "hlk-ld8001h", "set": {"level_mm": 20}},
        "rain": {"line": "sensors", "model": "dfrobot-sen0575"},
        "relay": {"line": "gateway", "unit_id": 1, "model": "waveshare-relay-8ch"},
        "current": {"line": "gateway", "unit_id": 2, "model": "waveshare-analog-8ch"},
    },
    "siren": {"roof": {"relay": "relay", "channel": 0, "analog": "current", "input": 0}},
}


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=20, unique=True).map(sorted),
    st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=20),
    st.floats(-1e6, 2e6),
)
def test_a_curve_stays_between_its_points(times_s: list[float], values: list[float], at_s: float) -> None:
    curve = Curve(tuple(times_s), tuple(values[: len(times_s)]))
    assert min(curve.values) - 1e-6 <= curve.at(at_s) <= max(curve.values) + 1e-6
    for time_s, value in zip(curve.times_s, curve.values, strict=True):
        assert curve.at(time_s) == pytest.approx(value, abs=1e-6)


def test_a_curve_is_straight_between_and_held_outside() -> None:
    curve = Curve((10, 20, 40), (0, 5, -5))
    assert [curve.at(t) for t in (0, 10, 15, 20, 25, 30, 40, 99)] == [0, 0, 2.5, 5, 2.5, 0, -5, -5]


@pytest.mark.parametrize(("times_s", "values"), [((), ()), ((1, 2), (1,)), ((2, 1), (0, 0)), ((1, 1), (0, 0))])
def test_curves_that_make_no_sense_are_refused(times_s: tuple[float, ...], values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="series"):
        Curve(times_s, values)


def story(**parts: object) -> Scenario:
    return Scenario.parse({"duration": "10 min", "speed": 60, **parts})


def test_a_story_sets_values_and_lets_things_happen_once(tmp_path: Path) -> None:
    heard: list[Event] = []
    scenario = story(
        series={"underpass.level_mm": [["1 min", 20], ["3 min", 220]], "rain.fallen_mm": [["0 s", 0], ["10 min", 30]]},
        event=[
            {"at": "4 min", "unplug": "sensors", "say": {"en": "pulled"}},
            {"at": "5 min", "plug": "sensors", "set": {"roof.dead": True}},
            {"at": "2 min", "fault": {"device": "underpass", "kind": "late", "for": "1 min"}},
        ],
    )
    assert scenario.real_s == 10
    with Rig(RIG, tmp_path) as rig:
        player = Player(scenario, rig, heard.append)
        player.step(120)
        assert rig.device("underpass").level_mm == 120
        assert rig.lines["sensors"].faults[3].draw() is Fault.LATE
        player.step(240)
        assert not rig.lines["sensors"].faults
        assert not rig.lines["sensors"].plugged
        player.step(240)
        player.step(600)
        assert rig.lines["sensors"].plugged
        assert rig.sirens["roof"].dead
        assert rig.device("rain").tips == int(30 / 0.2794)
    assert [event.say["en"] for event in heard] == ["pulled"]


def test_a_story_plays_by_itself_at_its_speed(tmp_path: Path) -> None:
    scenario = Scenario.parse(
        {"duration": "1 min", "speed": 60, "series": {"underpass.level_mm": [["0 s", 0], ["60 s", 600]]}}
    )
    with Rig(RIG, tmp_path) as rig, Player(scenario, rig) as player:
        time.sleep(0.5)
        assert rig.device("underpass").level_mm == pytest.approx(300, abs=100)
        assert not player.over
        time.sleep(0.7)
        assert player.over
        assert rig.device("underpass").level_mm == 600


@pytest.mark.parametrize(
    "parts",
    [
        {"event": [{"at": "1 min", "unplugg": "sensors"}]},
        {"event": [{"at": 60}]},
        {"event": [{"at": "1 s", "fault": {"device": "gas", "kind": "sulking"}}]},
        {"speed": 0},
        {"series": {"a.b": [[1, 2]]}},
    ],
)
def test_stories_that_make_no_sense_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        story(**parts)


def test_a_misspelt_attribute_does_not_go_unseen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no 'levl_mm'; it has"):
        Player(story(series={"underpass.levl_mm": [["0 s", 0]]}), Rig(RIG, tmp_path)).step(0)
    taken = {"line": {"a": {}}, "device": {n: {"line": "a", "model": "keller-30"} for n in ("x", "y")}}
    with pytest.raises(ValueError, match="unit id 1 is taken"):
        Rig(taken, tmp_path)
    with pytest.raises(ValueError, match="model 'radio' is not known"):
        Rig({"line": {"a": {}}, "device": {"x": {"line": "a", "model": "radio"}}}, tmp_path)


@pytest.mark.parametrize("path", sorted((HIL / "scenarios").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_scenarios_play_on_the_demo_rig(path: Path, tmp_path: Path) -> None:
    scenario = Scenario.load(path)
    assert scenario.real_s <= 90
    with Rig.load(HIL / "sites" / "lianhua" / "rig.toml", tmp_path) as rig:
        player = Player(scenario, rig)
        for minute in range(int(scenario.duration_s / 60) + 1):
            player.step(minute * 60.0)
        assert rig.lines["sensors"].plugged
        assert not rig.lines["sensors"].faults, "what was broken is put right in the end"
