"""`tocsin maps`: the list, one map whole, maps by words, and a map of one's own."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from agent.cli import main
from drivers.linemaps import line_map_names
from drivers.registers import map_names


def maps(*words: str, columns: int = 160):
    return CliRunner().invoke(main, ["maps", *words], env={"COLUMNS": str(columns)})


def test_the_list_names_every_map():
    shown = maps(columns=240)
    assert shown.exit_code == 0
    first_words = {line.split()[0] for line in shown.output.splitlines() if line.split()}
    assert {*map_names(), *line_map_names()} <= first_words


def test_one_map_is_shown_whole():
    shown = maps("qdy30a")
    assert shown.exit_code == 0
    for told in ("QDY30A", "unit_m: metres of the unit", "the site must give it", "locked: holding 0x0000", "Quirks",
                 "Not verified", "unit codes", "Sources"):  # fmt: skip
        assert told in shown.output


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_nothing_is_cut_off_on_a_narrow_terminal(columns):
    shown = maps("cwt-weather-station", columns=columns)
    text = "".join(shown.output.split())
    assert all(name in text for name in ("wind-direction", "illuminance", "raw*wind_step", "north-east"))


def test_maps_by_words_and_as_json():
    shown = maps("rain", "tipping", "--json")
    found = json.loads(shown.output)
    assert [card["name"] for card in found] == ["kunpeng-rain", "sen0575"]
    assert found[1]["maturity"] == "beta"
    assert found[1]["source"]
    assert {row["name"] for row in found[1]["rows"]} == {"total", "tips", "running-time"}


@pytest.mark.parametrize(("name", "told"), [("keler-30", "nearest: keller-30"), ("no.toml", "can't be read")])
def test_what_is_not_there(name, told):
    shown = maps(name)
    assert shown.exit_code == 2
    assert told in shown.output


def test_mistakes_in_a_map_of_ones_own_are_told_at_once(tmp_path):
    path = tmp_path / "acme.toml"
    path.write_text(
        '[device]\ntitle = "A"\nmaturity = "beta"\nsource = ["x"]\n[point.a]\naddress = 1\n[point.b]\ntype = "u16"'
    )
    shown = maps(str(path))
    assert shown.exit_code == 2
    assert "point.a: table holding needs a type" in shown.output
    assert "point.b.address" in shown.output
