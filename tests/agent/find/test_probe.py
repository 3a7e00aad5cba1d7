"""`tocsin probe`: from a shown value to a map that reads it."""

from __future__ import annotations

import click
import pytest

from agent.config import load_site
from agent.find.options import address_of
from drivers.find import survey
from drivers.registers import load_map
from hil.devices import Device, KellerPressure, RadarLevel, WaveshareRelay8
from hil.devices.base import float_words
from hil.tcp import VirtualTcp


class Unknown(Device):
    """A level as a word-swapped float in metres, among other things."""

    def __init__(self) -> None:
        self.level_m = 1.253

    def image(self, table: str) -> dict[int, int]:
        if table != "holding":
            return {}
        low, high = float_words(self.level_m, low_word_first=True)
        return {0: 17, 1: 9600 // 100, 2: 0, 3: low, 4: high, 5: 226, 6: 65535, 7: 0x4142, 8: 0x4344}


def probe(tocsin, bench, *words):
    return tocsin("probe", bench.path, "--baud", 115200, *words)


def test_every_decoding_side_by_side(line, tocsin):
    bench = line({9: Unknown()})
    result = probe(tocsin, bench, "--unit", 9, "--count", 12)
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()
    assert any(row.startswith("3 0003h") and "1.253" in row for row in rows)
    assert any(row.startswith("6 0006h") and "65535 -1" in row for row in rows)
    assert "text at 7: 'ABCD'" in result.stdout
    assert "input: the unit refused: illegal data address" in result.stdout
    assert all(len(row) <= 80 for row in rows)
    assert {heard.pdu[0] for heard in bench.heard} <= {3, 4}


def test_an_address_of_a_manual_with_its_neighbours(line, tocsin):
    bench = line({1: KellerPressure(1.25)})
    result = probe(tocsin, bench, "--unit", 1, "--at", "40258", "--expect", "1.25 bar")
    assert result.exit_code == 0, result.output
    assert "257 0101h (asked)" in result.stdout
    assert any(row.startswith("f32 ABCD") and "<- 1.25" in row for row in result.stdout.splitlines())
    assert any("f32 ABCD as it is 1.25 bar" in " ".join(row.split()) for row in result.stdout.splitlines())


def test_two_values_find_the_truth_and_a_draft_reads_it(line, tocsin, tmp_path, monkeypatch):
    unknown = Unknown()
    bench = line({9: unknown})
    draft = tmp_path / "unknown.toml"
    typed = iter(["1,9", "1.907 m", ""])

    def technician(*_: object, **__: object) -> str:
        unknown.level_m = 1.907  # moves the float, then types what the display shows
        return next(typed)

    monkeypatch.setattr(click, "prompt", technician)
    words = ("--unit", 9, "--count", 12, "--table", "holding", "--expect", "1.253 m", "--ask", "--write-map", draft)
    result = probe(tocsin, bench, *words)
    assert result.exit_code == 0, result.output
    assert "It shows 1.907 m: one way to read that" in result.stdout
    assert "very likely" in result.stdout
    assert "unit ',9' is not known" in result.stderr
    level = load_map(str(draft)).point["value"]
    assert (level.address, level.type, level.order, level.unit) == (3, "f32", "CDAB", "m")
    site = tmp_path / "site.toml"
    site.write_text(
        f'[site]\nid = "s"\nlanguages = ["en"]\n[bus.b]\nport = "{bench.path}"\nbaudrate = 115200\n'
        '[device.level]\nbus = "b"\nmap = "unknown.toml"\nperiod = "10 s"\n',
        encoding="utf-8",
    )
    assert load_site(site).points["level.value"].unit == "m"
    again = probe(tocsin, bench, *words[:8], "--write-map", draft)
    assert again.exit_code == 1
    assert "is there already" in " ".join(again.stderr.split())


def test_a_draft_without_a_value_names_what_holds_something(line, tocsin, tmp_path):
    bench = line({1: RadarLevel(350)})
    draft = tmp_path / "radar.toml"
    assert probe(tocsin, bench, "--unit", 1, "--count", 6, "--write-map", draft).exit_code == 0
    assert set(load_map(str(draft)).point) == {"holding-1", "holding-3", "holding-5"}


def test_bits(line, tocsin):
    relay = WaveshareRelay8()
    relay.inputs[2] = True
    bench = line({1: relay})
    result = probe(tocsin, bench, "--unit", 1, "--table", "discrete", "--count", 8)
    assert result.exit_code == 0, result.output
    assert ". . 2 . . . . ." in result.stdout


def test_nobody_there_or_nothing_there(line, tocsin, monkeypatch):
    monkeypatch.setattr(survey, "_TRIES", 1)
    bench = line({1: KellerPressure()})
    silent = probe(tocsin, bench, "--unit", 2, "--count", 1)
    assert silent.exit_code == 1
    assert f"tocsin scan {bench.path}" in " ".join(silent.stderr.split()).replace("- ", "-")
    refused = probe(tocsin, bench, "--unit", 1, "--from", "0x7000", "--count", 1)
    assert refused.exit_code == 1
    assert "Unit 1 answers" in refused.stderr


def test_on_a_host(tocsin):
    with VirtualTcp({1: KellerPressure(1.25)}) as gateway:
        result = tocsin("probe", f"127.0.0.1:{gateway.port}", "--unit", 1, "--at", "0x0100", "--expect", "1.25 bar")
    assert result.exit_code == 0
    assert "<- 1.25" in result.stdout


def test_a_value_that_nothing_gives(line, tocsin):
    bench = line({1: RadarLevel(350)})
    result = probe(tocsin, bench, "--unit", 1, "--count", 6, "--expect", "77.77 m")
    assert "No register gives 77.77 m" in result.stdout


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("3", (None, 3)),
        ("0x0100", (None, 256)),
        ("40004", ("holding", 3)),
        ("30001", ("input", 0)),
        ("400257", ("holding", 256)),
        ("9999", (None, 9999)),
    ],
)
def test_addresses_as_manuals_write_them(text, place):
    assert address_of(text, "--at") == place


@pytest.mark.parametrize("words", [("--at", "40000"), ("--at", "x"), ("--expect", "deep"), ("--table", "coils")])
def test_what_is_wrong_on_the_command_line_is_told(tocsin, words):
    result = tocsin("probe", "/dev/null", "--unit", 1, *words)
    assert result.exit_code == 2
    assert "expected" in result.stderr
