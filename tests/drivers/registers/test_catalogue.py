"""The page of instruments says what the maps say; every map can be shown, found by words, and has a capture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.catalogue import card_of, cards, instruments_page
from drivers.linemaps import line_map_names
from drivers.mapkeys import QUIRKS, TABLES, keys_page
from drivers.registers import MapError, map_names, parse_map
from hil.capture import Capture

ROOT = Path(__file__).parents[3]
CARDS = {card.name: card for card in cards()}


def test_the_page_is_current():
    assert (ROOT / "docs" / "instruments.md").read_text(encoding="utf-8") == instruments_page()


def test_every_map_has_a_card_and_no_two_share_a_name():
    assert sorted(CARDS) == sorted([*map_names(), *line_map_names()])


def test_every_register_map_has_a_capture():
    captures = [Capture.load(path) for path in (ROOT / "tests" / "drivers" / "captures").glob("*.cap")]
    named = "\n".join(capture.header["section"] for capture in captures)
    assert [name for name in map_names() if f'map = "{name}"' not in named] == []


def test_points_alike_are_told_in_one_row():
    rows = {row.name: row for row in CARDS["otis-oi7032"].rows}
    assert rows["reading-1 to reading-32"].where == "holding 0x0020, f32 ABCD, unit by gas-#, every 2"
    assert "age-# 0 to max_age, else bad" in rows["reading-1 to reading-32"].valid
    assert CARDS["otis-oi7032"].points == 96


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dfrobot-urm14-triggered", "before every poll 0x000c is written to holding 0x0008, and 0.1 s are waited"),
        ("witmotion-inclinometer", "known by: holding 0x001a holds its unit id"),
        ("sen0575", "known by: input 0x0001 holds 0x3343 (under mask 0x3fff)"),
        ("cwt-weather-station", "locked: holding 0x6000 to 0x6002, zero of wind and rain"),
        ("gas-6in1", "left alone for 0.5 s between two requests"),
        ("maxbotix-hrxl", "talks on its own, at least every 0.25 s"),
        ("vega-puls-21", "SDI-12, aMC!"),
    ],
)
def test_manners_are_told(name, text):
    assert text in CARDS[name].manners


def test_what_the_site_gives():
    (unit_m, _) = CARDS["qdy30a"].given
    assert unit_m.startswith("unit_m: metres of the unit")
    assert unit_m.endswith("one of 1, 0.01, 0.001 m; the site must give it")
    assert CARDS["keller-30"].given[0].endswith("a number from 0.5 to 2; 1 unless the site says so")


def test_maps_are_found_by_words():
    assert {"kunpeng-rain", "sen0575", "hydreon-rg15"} <= {name for name, c in CARDS.items() if c.speaks_of("Rain")}
    assert [name for name, card in CARDS.items() if card.speaks_of("vibrating piezometer")] == ["kunpeng-piezometer"]


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "acme.toml"
    path.write_text(
        '[device]\ntitle = "Acme"\nmaturity = "beta"\nsource = ["x"]\n[point.a]\naddress = 1\ntype = "u16"\n'
    )
    assert (card_of(str(path)).name, card_of(str(path)).title) == ("acme", "Acme")
    path.write_text(path.read_text() + "sclae = 2\n")
    with pytest.raises(MapError, match="nearest: scale"):
        card_of(str(path))
    with pytest.raises(MapError, match="nearest: keller-30"):
        card_of("keller-33")


@pytest.mark.parametrize("number", range(QUIRKS.count("```toml")))
def test_quirks_are_written_as_the_page_shows(number):
    text = re.findall(r"```toml\n(.*?)```", QUIRKS, re.DOTALL)[number]
    device = '[device]\ntitle = "x"\nmaturity = "beta"\nsource = ["y"]\n'
    text = text.replace("[device]\n", device) if "[device]" in text else device + text
    assert parse_map(text, "page").points


def test_every_key_is_explained():
    page = keys_page()
    for _, model in TABLES:
        for key in model.model_fields:
            assert f"| `{key}` |" in page
    assert "| `max_block` | `125` | registers in one request |" in page
    assert "| `title` | must be given | maker, model, what it measures |" in page
