"""Figures of the single instrument: what a site must give, told at the key where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import ConfigErrors, load_site

SITE = """
[site]
id = "pit"
languages = ["en"]
[bus.b]
port = "/dev/serial/by-id/usb-1"
[device.pit]
bus = "b"
map = "qdy30a"
period = "1 s"
{constants}
[alarm.flood.level.red]
when = "pit.level > 40 cm"
"""


def site_with(tmp_path: Path, constants: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(constants=constants), encoding="utf-8")
    return path


def test_the_figures_of_an_instrument_reach_its_driver(tmp_path):
    site = load_site(site_with(tmp_path, "constants = { unit_m = 0.01, unit_code = 17 }"))
    assert site.devices["pit"].section.constants == {"unit_m": 0.01, "unit_code": 17}
    assert site.points["pit.level"].unit == "m"


def test_what_is_missing_wrong_or_unknown_is_told_in_its_place(tmp_path):
    with pytest.raises(ConfigErrors) as caught:
        load_site(site_with(tmp_path, "constants = { unit_m = 0.5, unitcode = 17 }"))
    told = [str(problem) for problem in caught.value.problems]
    assert len(told) == 3
    assert all(":11: device.pit.constants." in line for line in told)
    assert any("unit_m: got 0.5, expected one of 1, 0.01, 0.001 m" in line for line in told)
    assert any("unit_code: is missing, expected a number from 0 to 255: code in register 2" in line for line in told)
    assert any("unitcode: QDY30A submersible level transmitter has no such constant; nearest" in line for line in told)


def test_figures_that_are_not_there_at_all(tmp_path):
    with pytest.raises(ConfigErrors) as caught:
        load_site(site_with(tmp_path, ""))
    assert [problem.line for problem in caught.value.problems] == [7, 7]
