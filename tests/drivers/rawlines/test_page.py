"""The page about line instruments says what is: its maps load, its site is right, its list is whole."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from drivers.line import LineDriver
from drivers.linemaps import line_map_names, load_line_map, parse_line_map
from drivers.modbus import LineSection

PAGE = (Path(__file__).parents[3] / "docs" / "line-instruments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_its_maps_are_right():
    maps = [block for block in BLOCKS if block.startswith("[device]\n")]
    assert [parse_line_map(text, "page.toml").device.speaks for text in maps] == ["text", "frames", "sdi-12"]


def test_its_site_is_right():
    site = tomllib.loads(BLOCKS[0])
    for table in site["bus"].values():
        assert LineSection.model_validate(table).carries == "raw"
    for table in site["device"].values():
        own = {key: value for key, value in table.items() if key in LineDriver.Section.model_fields and key != "point"}
        description = LineDriver().describe(LineDriver.Section.model_validate(own), Path())
        assert description.framings == ("raw",)
        assert set(table.get("point", {})) <= {point.name for point in description.points}
        assert table["bus"] in site["bus"]


def test_its_list_is_whole():
    listed = re.findall(r"^\| `([\w-]+)` \| (.*?) \| .*? \| (\w+) \|$", PAGE, re.MULTILINE)
    devices = {name: load_line_map(name).device for name in line_map_names()}
    assert listed == [(name, device.title, device.maturity) for name, device in devices.items()]
