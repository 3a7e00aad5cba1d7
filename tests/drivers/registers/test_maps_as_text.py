"""Register maps as people write them: every mistake named, all at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.registers import MapError, load_map, map_names, parse_map

HEAD = '[device]\ntitle = "x"\nmaturity = "beta"\nsource = ["sheet"]\nmax_block = 8\n'


def problems(text: str, head: str = HEAD) -> str:
    with pytest.raises(MapError) as caught:
        parse_map(head + text, "acme.toml")
    assert all(line.startswith("acme.toml: ") for line in caught.value.problems)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize("name", map_names())
def test_every_map_is_sound_and_says_where_its_facts_come_from(name):
    register_map = load_map(name)
    assert register_map.device.source
    assert register_map.points
    if register_map.device.maturity != "stable":  # nothing here has been in service yet
        assert register_map.device.unverified or register_map.device.notes


def test_the_devices_that_were_promised():
    assert set(map_names()) >= {
        "hlk-ld8001h", "keller-30", "sen0575", "gas-6in1", "honeywell-midas", "witmotion-inclinometer", "wtvb01-485",
        "waveshare-relay-8ch", "waveshare-analog-8ch-4-20ma", "sound-light-alarm",
    }  # fmt: skip


def test_all_mistakes_at_once():
    told = problems("""
[point.a]
type = "u61"
address = 70000
[point.b]
address = 1
type = "u32"
[point.c]
address = 1
type = "u16"
sclae = 2
""")
    assert "point.a.type: Input should be" in told
    assert "got 'u61'" in told
    assert "point.a.address" in told
    assert "point.b: type u32 needs order" in told
    assert "point.c.sclae: no such key; nearest: scale" in told


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[point.a]\naddress = 1", "table holding needs a type"),
        ('[point.a]\ntable = "coil"\ntype = "u16"\naddress = 1', "table coil needs no type"),
        ('[point.a]\naddress = 1\ntype = "bits"', "bits = [lowest, highest]"),
        ('[point.a]\naddress = 1\ntype = "bits"\nbits = [3, 16]', "within 0 to 15"),
        ('[point.a]\naddress = 1\ntype = "u16"\ndecode = "raw + x"', "not allowed"),
        ('[point.a]\naddress = 1\ntype = "u16"\ndecode = "raw"\npolynomial = [1]', "can't both"),
        ('[point.a]\naddress = 1\ntype = "u16"\nlow = 5\nhigh = 5', "not below"),
        ('[point.a]\naddress = 1\ntype = "u16"\nscale = 0', "other than 0"),
        ('[point.a]\naddress = 1\ntype = "u16"\nover_range = [65535]', "over_range needs high"),
        ('[point.a]\naddress = 65535\ntype = "f32"\norder = "ABCD"', "beyond address 65535"),
        ('[point.a]\naddress = "40000"\ntype = "u16"', "0-based address"),
        ('[point.a]\naddress = "30001"\ntable = "holding"\ntype = "u16"', "is of table input"),
        ('[point.A]\naddress = 1\ntype = "u16"', "small letters"),
        ('[point.a]\naddress = 1\ntype = "u16"\nscale_from = { point = "b", factors = {} }', "refers to point 'b'"),
        (
            (
                '[point.a]\naddress = 1\ntype = "u16"\nvalid_when = { point = "state", good = ["fien"] }\n'
                '[point.state]\naddress = 2\ntype = "u16"\nstates = { fine = 1 }'
            ),
            "no state 'fien'; nearest: fine",
        ),
        (
            (
                '[point.a]\naddress = 1\ntype = "u16"\ntogether = "g"\n'
                '[point.b]\naddress = 10\ntype = "u16"\ntogether = "g"'
            ),
            "does not fit into one request",
        ),
        (
            (
                '[point.a]\naddress = 1\ntype = "u16"\ntogether = "g"\n'
                '[point.b]\ntable = "input"\naddress = 1\ntype = "u16"\ntogether = "g"'
            ),
            "in several tables",
        ),
    ],
)
def test_each_mistake(body, words):
    assert words in problems(body)


def test_toml_mistakes_come_with_their_line():
    assert re.search(r"line \d+", problems("[point.a\n"))


def test_numbering_from_one_is_understood_and_said():
    register_map = parse_map(HEAD + '[point.a]\naddress = "30011"\ntype = "u16"', "acme.toml")
    point = register_map.point["a"]
    assert (point.table, point.address) == ("input", 10)
    assert 'address "30011" is 0-based address 10 of table input' in point.note
    assert parse_map(HEAD + "[point.a]\naddress = 40001\ntype = 'u16'", "acme.toml").point["a"].address == 40001


def test_maps_by_path_and_nearest_name(tmp_path: Path):
    (tmp_path / "acme.toml").write_text(HEAD + '[point.a]\naddress = 1\ntype = "u16"')
    assert load_map("acme.toml", tmp_path).points[0].name == "a"
    with pytest.raises(MapError, match=r"can't be read"):
        load_map("other.toml", tmp_path)
    with pytest.raises(MapError, match=r"nearest: keller-30"):
        load_map("keller-33")
