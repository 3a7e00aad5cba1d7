"""What a restart, a changed site file or a failing output must never do to an alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import Site, load_site
from hil.rig import Rig
from rules.alarm import NotPossible
from tests.agent.guard.test_core import Town

Change = Callable[[str], str]


@pytest.fixture
def changed(rig: Rig, site_at: Callable[[str], Path]) -> Callable[[Change], Site]:
    """The site with its text changed."""

    def load(change: Change) -> Site:
        path = site_at(str(rig.lines["wire"].path))
        text = path.read_text(encoding="utf-8")
        assert change(text) != text
        path.write_text(change(text), encoding="utf-8")
        return load_site(path)

    return load


@pytest.fixture
def town(site: Site) -> Town:
    town = Town(site)
    town.core.assert_all(town.now_ns)
    return town


def restarted(town: Town, site: Site | None = None, *, after_s: float = 1.0) -> Town:
    """A new process that takes up what the old one kept."""
    town.core._keep(town.core.now_s, town.now_ns, moved=True)
    again = Town(site or town.site, start_s=town.now_ns / 1e9 + after_s)
    again.core.restore(town.kept.blobs["judgement"], town.kept.blobs.get("windows"), again.now_ns)
    again.core.assert_all(again.now_ns)
    return again


def without_yellow(text: str) -> str:
    start = text.index("[alarm.flood.level.yellow]")
    return text[:start] + text[text.index("[alarm.flood.level.red]") :]


def ten_minutes(text: str) -> str:
    action = 'output = "siren"\npattern = "pulse"\n'
    return text.replace(action, action + 'until = "10 min"\n')


def test_a_level_taken_away_while_it_sounds(town: Town, changed: Callable[[Change], Site]) -> None:
    town.hold(200, 1.0)
    again = restarted(town, changed(without_yellow))
    assert again.core.book["flood"].level == 0
    assert again.wanted("horn") is None, "no all-clear: the water is where it was"
    again.hold(450, 1.0)
    assert again.wanted("siren") is not None


def test_a_changed_rule_goes_on_sounding_until_it_clears_itself(town: Town, changed: Callable[[Change], Site]) -> None:
    town.hold(450, 1.0)
    again = restarted(town, changed(lambda text: text.replace('"pit.level > 40 cm"', '"pit.level > 42 cm"')))
    assert again.wanted("siren").level == "red"  # type: ignore[union-attr]
    again.hold(450, 1.0)
    assert again.core.book["flood"].level == 2
    again.hold(20, 1.0)
    assert again.wanted("horn").cause == "flood all clear"  # type: ignore[union-attr]


def test_shelving_does_not_pass_to_another_level_of_the_same_number(
    town: Town, changed: Callable[[Change], Site]
) -> None:
    town.core.operate("shelve", "flood", "li", town.now_ns, why="sensor cleaning", for_s=3600.0)
    again = restarted(town, changed(without_yellow))
    again.hold(450, 1.0)
    assert again.core.book["flood"].withheld == ""
    assert again.wanted("siren") is not None


def test_a_siren_that_failed_before_the_restart_still_fails_and_has_its_stand_in(town: Town) -> None:
    town.hold(450, 1.0)
    town.core.output_event("siren", "fault", {"faults": {"unproven": "not confirmed"}}, town.now_ns)
    again = restarted(town)
    assert again.wanted("horn").stands_in_for == "siren"  # type: ignore[union-attr]
    assert again.coverage()["status"] != "protected"
    assert again.outputs["siren"].recalled == {"unproven": "not confirmed"}
    again.core.output_event("siren", "mended", {"faults": {}}, again.now_ns)
    assert again.core.book["output.siren"].level == 0
    assert again.wanted("horn") is None


def test_a_device_that_was_lost_stays_lost_until_it_answers(town: Town) -> None:
    town.core.lost("pit", "no answer", town.now_ns)
    town.wait(2.0)
    again = restarted(town)
    again.wait(0.5)
    assert again.core.book["device.pit"].level == 1
    again.hold(20, 1.0)
    assert again.core.book["device.pit"].level == 0
    assert again.coverage()["status"] == "protected"


def test_what_is_held_for_a_time_goes_on_for_the_rest_of_it(changed: Callable[[Change], Site]) -> None:
    site = changed(ten_minutes)
    town = Town(site)
    town.core.assert_all(town.now_ns)
    town.hold(450, 1.0)
    again = restarted(town)
    assert again.wanted("siren").level == "red"  # type: ignore[union-attr]
    again.hold(20, 2.0)
    assert again.wanted("siren") is not None, "for ten minutes, whatever the water does"
    again.wait(601.0)
    assert again.wanted("siren") is None


def test_silencing_also_silences_what_is_held_and_the_end_is_told_all_the_same(
    changed: Callable[[Change], Site],
) -> None:
    site = changed(ten_minutes)
    town = Town(site)
    town.core.assert_all(town.now_ns)
    town.hold(450, 1.0)
    town.core.operate("silence", "flood", "li", town.now_ns, for_s=600.0)
    assert town.wanted("siren") is None
    again = restarted(town)
    again.hold(450, 0.5)
    assert again.wanted("siren") is None, "silence survives"
    again.hold(20, 1.0)
    assert again.wanted("horn").cause == "flood all clear"  # type: ignore[union-attr]
    third = restarted(again)
    assert third.wanted("horn").cause == "flood all clear"  # type: ignore[union-attr]


def test_silenced_at_red_fallen_to_yellow_and_red_again_is_heard(town: Town) -> None:
    town.hold(450, 1.0)
    town.core.operate("silence", "flood", "li", town.now_ns, for_s=600.0)
    town.hold(200, 1.0)
    town.hold(450, 1.0)
    assert town.wanted("siren") is not None


def test_a_reset_while_the_water_stands_opens_no_gate(town: Town) -> None:
    town.hold(350, 1.0)
    with pytest.raises(NotPossible, match="backwater is still orange"):
        town.core.operate("reset", "backwater", "li", town.now_ns)
    assert town.wanted("gate").state is True  # type: ignore[union-attr]
    assert "reset" not in town.events(name="backwater")


TWO = """
[alarm.second]
zone = "yard"
plan = "flood"
[alarm.second.level.red]
when = "siren-current.current > 4 A"
"""


def test_of_two_alarms_of_one_level_the_newer_is_sounded(changed: Callable[[Change], Site]) -> None:
    town = Town(changed(lambda text: text + TWO))
    town.core.assert_all(town.now_ns)
    town.hold(450, 1.0)
    assert town.wanted("siren").alarm == "flood"  # type: ignore[union-attr]
    town.poll("siren-current", {"current": 4.5})
    assert town.wanted("siren").alarm == "second"  # type: ignore[union-attr]
    town.poll("siren-current", {"current": 0.0})
    assert town.wanted("siren").alarm == "flood"  # type: ignore[union-attr]


def test_a_chain_of_alternates_ends_at_the_first_that_works(changed: Callable[[Change], Site]) -> None:
    def chained(text: str) -> str:
        third = text[text.index("[output.horn]") : text.index("[output.gate]")]
        third = third.replace("output.horn", "output.bell").replace("channel = 2", "channel = 4")
        return text.replace("channel = 2\n", 'channel = 2\nalternate = "bell"\n') + third

    town = Town(changed(chained))
    town.core.assert_all(town.now_ns)
    town.hold(450, 1.0)
    for output in ("horn", "siren"):
        town.core.output_event(output, "fault", {"faults": {"write": "no answer"}}, town.now_ns)
    assert town.wanted("bell").stands_in_for == "siren"  # type: ignore[union-attr]


def test_a_second_lost_point_of_a_faulty_device_shows_in_the_coverage(town: Town) -> None:
    town.hold(20, 1.0)
    town.poll("pit", {"level": 20, "distance": None, "install-height": 500})
    for _ in range(30):
        town.poll("pit", {"level": 20, "distance": None, "install-height": 500})
    assert town.core.book["device.pit"].level == 1
    assert town.coverage()["status"] == "protected", "the rule does not use that point"
    for _ in range(30):
        town.poll("pit", {"level": None, "distance": None, "install-height": 500})
    assert town.coverage()["status"] == "blind"
