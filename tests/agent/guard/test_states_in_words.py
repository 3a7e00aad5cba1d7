"""Codes of a device are told in its map's words, as a number only where it has none."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from agent.config import load_site
from agent.guard import status
from agent.screens import _points
from tests.agent.guard.test_core import Town

SITE = """
[site]
id = "canteen"
languages = ["en"]
[bus.air]
port = "/dev/null"
[device.gas]
bus = "air"
map = "gas-6in1"
period = "1 s"
"""


def test_codes_are_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    town = Town(load_site(path))
    town.poll("gas", {"status": 6.0, "concentration": 51.0})
    points = status.points(town.core)
    assert points["gas.status"]["state"] == "high-alarm"
    assert points["gas.concentration"]["state"] is None
    screen = Console(file=io.StringIO(), width=100)
    screen.print(_points(points))
    shown = screen.file.getvalue()
    assert "high-alarm (6)" in shown
    assert "51 %LEL" in shown
    town.poll("gas", {"status": 14.0})
    assert status.points(town.core)["gas.status"]["state"] is None, "a code without a word stays a number"
