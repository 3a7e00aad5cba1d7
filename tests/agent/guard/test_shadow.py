"""What an alarm on trial would have done, and re-zeroing: accounts that survive restarts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import Site, load_site
from agent.guard import status
from drivers.api import Quality
from hil.rig import Rig
from rules.alarm import NotPossible
from tests.agent.guard.test_core import Town
from tests.agent.guard.test_restart import restarted

TRIAL = """
[alarm.trial]
zone = "pit"
plan = "flood"
shadow = true
[alarm.trial.level.yellow]
when = "pit.level > 15 cm"
[alarm.trial.level.red]
when = "pit.level - baseline(pit.level) > 40 cm"
"""


@pytest.fixture
def town(rig: Rig, site_at: Callable[[str], Path]) -> Town:
    path = site_at(str(rig.lines["wire"].path))
    path.write_text(path.read_text(encoding="utf-8") + TRIAL, encoding="utf-8")
    town = Town(load_site(path))
    town.core.assert_all(town.now_ns)
    return town


def test_a_trial_is_counted_and_sounds_nothing(town: Town) -> None:
    town.hold(20, 1.0)
    for _ in range(2):
        town.hold(160, 3.0)
        town.hold(20, 1.0)
    told = status.alarms(town.core)["trial"]
    assert told["withheld"] == "shadow"
    assert told["trial"]["activations"] == 2
    assert told["trial"]["level"] == "normal"
    assert told["trial"]["would_have_sounded_s"] == {"yellow": pytest.approx(6.0, abs=0.01)}
    assert told["trial"]["last"]["highest"] == "yellow"
    assert told["trial"]["last"]["lasted_s"] == pytest.approx(3.0, abs=0.01)
    assert {want.alarm for want in town.outputs["horn"].wants if want} == {"flood"}
    records = [r.body for r in town.kept.records if r.kind == "alarm" and r.body["alarm"] == "trial"]
    assert {body["withheld"] for body in records} == {"shadow"}


def test_an_outage_is_no_time_that_would_have_sounded(town: Town) -> None:
    town.hold(160, 2.0)
    again = restarted(town, after_s=100.0)
    again.hold(160, 1.0)
    told = status.alarms(again.core)["trial"]["trial"]
    assert told["activations"] == 1
    assert told["would_have_sounded_s"]["yellow"] == pytest.approx(3.0, abs=0.3)


def test_a_re_zero_takes_the_present_reading_and_survives(town: Town) -> None:
    town.hold(100, 1.0)
    told = town.core.rezero("pit.level", None, "li", "sensor moved", town.now_ns)
    assert (told["before"], told["baseline"], told["given"]) == (None, 100.0, False)
    (record,) = (r.body for r in town.kept.records if r.kind == "rezero")
    assert (record["who"], record["why"], record["point"], record["unit"]) == ("li", "sensor moved", "pit.level", "mm")
    again = restarted(town)
    assert status.points(again.core)["pit.level"]["baseline"] == 100.0
    again.hold(501, 1.0)
    assert again.core.book["trial"].level == 2
    told = again.core.rezero("pit.level", 200.0, "li", "and back", again.now_ns)
    assert (told["before"], told["baseline"], told["given"]) == (100.0, 200.0, True)
    assert again.core.book["trial"].level == 1, "judged at once"
    assert [mark.kind for mark in again.kept.marks] == ["rezero"]


def test_a_re_zero_needs_a_usable_reading_a_reason_and_a_point(town: Town) -> None:
    with pytest.raises(NotPossible, match="no usable reading"):
        town.core.rezero("pit.level", None, "li", "sensor moved", town.now_ns)
    town.level(math.nan, Quality.BAD)
    with pytest.raises(NotPossible, match=r"no usable reading \(NaN\); give a value"):
        town.core.rezero("pit.level", None, "li", "sensor moved", town.now_ns)
    town.level(20)
    town.wait(5.0)
    with pytest.raises(NotPossible, match="no usable reading"):
        town.core.rezero("pit.level", None, "li", "sensor moved", town.now_ns)
    town.level(20)
    with pytest.raises(NotPossible, match="needs a reason"):
        town.core.rezero("pit.level", None, "li", " ", town.now_ns)
    with pytest.raises(NotPossible, match=r"no point is called 'pit.lvl'; there are: pit.level"):
        town.core.rezero("pit.lvl", None, "li", "sensor moved", town.now_ns)
    assert not town.kept.marks


def test_local_time_is_told_only_where_a_rule_goes_by_it(town: Town, site: Site) -> None:
    town.core.dated(28_800.0, town.now_ns)
    assert not town.kept.marks
