"""Periods of single points and bursts of alarms: what the site file says, and what a line has room for."""

from __future__ import annotations

import pytest

from agent.config import load_site

PIT = """
[site]
id = "x"
languages = ["en"]
[bus.wire]
port = "/dev/serial/by-id/x"
baudrate = 9600
[device.pit]
bus = "wire"
unit_id = 3
map = "two.toml"
period = "1 s"
[device.pit.point.battery]
period = "1 min"
[alarm.flood]
burst = "500 ms"
[alarm.flood.level.yellow]
when = "pit.level > 15 cm"
[alarm.flood.level.red]
when = "pit.level > 40 cm"
for = "10 s"
burst = "200 ms"
"""
TWO = """
[device]
title = "Two"
maturity = "stable"
source = ["the bench"]
max_reply = "20 ms"
[point.level]
address = 3
type = "u16"
unit = "mm"
[point.battery]
address = 90
type = "u16"
unit = "V"
"""


@pytest.fixture
def pit(tmp_path):
    (tmp_path / "two.toml").write_text(TWO, encoding="utf-8")

    def write(text: str = PIT):
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return load_site(path)

    return write


def test_points_have_periods_of_their_own_which_their_age_and_the_load_follow(pit):
    site = pit()
    level, battery = site.points["pit.level"], site.points["pit.battery"]
    assert (level.period_s, level.stale_after_s, battery.period_s, battery.stale_after_s) == (1.0, 3.0, 60.0, 180.0)
    once_s = (8 + 7 + 3.5) * 10 / 9600
    assert site.buses["wire"].load == pytest.approx(once_s / 1.0 + once_s / 60.0)


def test_a_burst_is_of_a_level_or_of_all_that_do_not_say_otherwise(pit):
    assert dict(pit().alarms["flood"].burst) == {"yellow": 0.5, "red": 0.2}
    assert dict(pit(PIT.replace('burst = "500 ms"\n', "")).alarms["flood"].burst) == {"red": 0.2}


def test_a_burst_that_the_line_has_no_room_for_is_told(pit):
    assert not any("has a burst" in str(warning) for warning in pit().warnings)
    (warning,) = [str(w) for w in pit(PIT.replace('"200 ms"', '"10 ms"')).warnings if "has a burst" in str(w)]
    assert "alarm.flood: has a burst of 0.01 s that takes 193% of the time of bus wire" in warning
