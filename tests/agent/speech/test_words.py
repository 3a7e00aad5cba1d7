"""Templates are filled or refused whole; what the voice is given can be spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard.speech import SpeechError, fill, spoken

SLOTS = {"place": "下穿通道", "value": "0.45 m", "level": "红色"}


def test_fill():
    assert fill("{place}水深{value}", SLOTS) == "下穿通道水深0.45 m"
    assert fill("{{{level}}}", SLOTS) == "{红色}"
    assert fill("no slots", {}) == "no slots"
    assert fill("{value}", {"value": "{place}"}) == "{place}"  # what was put in is not looked into


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{plce}", r"no slot {plce} here, only level, place, value; did you mean {place}\?"),
        ("{}", "no slot {} here"),
        ("{value!r}", "no slot"),
        ("{value:>9999999}", "no slot"),
        ("{place.__class__}", "no slot"),
        ("{value", "braces that are meant"),
        ("value}", "braces that are meant"),
    ],
)
def test_fill_refuses(template, message):
    with pytest.raises(SpeechError, match=message):
        fill(template, SLOTS)


@given(st.text(max_size=60))
def test_fill_raises_nothing_else(template):
    try:
        assert isinstance(fill(template, SLOTS), str)
    except SpeechError:
        assert "{" in template or "}" in template


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("水深0.45 m", "zh", "水深0.45米"),
        ("水深45cm,上升12 mm/h", "zh", "水深45厘米,上升每小时12毫米"),
        ("燃气浓度25 %LEL", "zh", "燃气浓度爆炸下限的百分之25"),
        ("湿度80 %", "zh", "湿度百分之80"),
        ("气温-3.5 degC", "zh", "气温负3.5摄氏度"),
        ("CO超标,B2层", "zh", "C O 超标, B 2层"),
        ("CH4 120 ppm", "zh", "C H 4 百万分之120"),
        ("level 0.45 m", "en", "level 0.45 metres"),
        ("gas 25 %LEL", "en", "gas 25 percent of the lower explosive limit"),
        ("-3 degC", "en", "minus 3 degrees"),
        ("gate 3 men", "en", "gate 3 men"),
        ("2026-11-23", "zh", "2026-11-23"),
        ("a\x01b [[h@l]]\nc", "en", "a b [ [h@l]] c"),
        ("1 m", "de", "1 m"),
    ],
)
def test_spoken(text, language, expected):
    assert spoken(text, language) == expected
