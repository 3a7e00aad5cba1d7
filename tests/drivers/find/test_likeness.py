"""Known models are recognised by what they hold, at any unit id; nothing is named on little evidence."""

from __future__ import annotations

import pytest

from drivers.find.likeness import named, recognise
from drivers.find.sample import sample, shown
from drivers.find.survey import Survey
from drivers.registers import load_map, map_names
from hil.devices import CATALOGUE, Device

from .conftest import FAST

MAPS = {name: load_map(name) for name in map_names()}
TWINS = {"witmotion-inclinometer", "wtvb01-485"}  # the same registers, and which of them mean something differs


class Registers(Device):
    """A device of nobody's make."""

    reply_s = 0.0

    def __init__(self, words: dict[int, int], table: str = "holding") -> None:
        self.words, self.table = words, table

    def image(self, table: str) -> dict[int, int]:
        return self.words if table == self.table else {}


class Anything(Device):
    """Answers every read with zeros."""

    reply_s = 0.0

    def image(self, table: str) -> dict[int, int]:
        return dict.fromkeys(range(65536), 0)


def made(model: str) -> Device:
    device = CATALOGUE[model]()
    device.reply_s = 0.001
    return device


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("hlk-ld8001h", {"hlk-ld8001h"}),
        ("dfrobot-sen0575", {"sen0575"}),
        ("keller-30", {"keller-30"}),
        ("waveshare-relay-8ch", {"waveshare-relay-8ch"}),
        ("witmotion-inclinometer", TWINS),
        ("wtvb01-485", TWINS),
    ],
)
def test_a_known_model_at_a_unit_id_of_its_own(bench, model, expected):
    _, port = bench({33: made(model)})
    port.tune(FAST)
    likenesses = recognise(Survey(port, 33, wait_s=0.05), FAST, MAPS)
    likest = {one.model for one in likenesses if one.bits > likenesses[0].bits - 4}
    assert likest == expected
    assert likenesses[0].reasons
    assert (named(likenesses) is not None) == (len(expected) == 1)


@pytest.mark.parametrize(
    "device",
    [
        Registers({0: 231}),
        Registers(dict.fromkeys(range(64), 0)),
        Registers({0: 21, 1: 560}, "input"),
        Registers({i: (i * 7919) & 0xFFFF for i in range(0x200)}),
        Anything(),
    ],
    ids=["one-number", "zeros", "two-inputs", "arbitrary", "answers-everything"],
)
def test_nobody_is_named_on_little_evidence(bench, device):
    _, port = bench({33: device})
    port.tune(FAST)
    assert named(recognise(Survey(port, 33, wait_s=0.05), FAST, MAPS)) is None


def test_what_it_reads_is_told_in_words(bench):
    radar = made("hlk-ld8001h")
    radar.level_mm = 350
    _, port = bench({3: radar})
    port.tune(FAST)
    survey = Survey(port, 3, wait_s=0.05)
    assert survey.holds("holding", 0, 6)
    decoded = sample(survey.cells, MAPS["hlk-ld8001h"])
    assert shown("level", decoded["level"], MAPS["hlk-ld8001h"]) == "level 350 mm"


def test_a_map_that_needs_constants_gives_no_values(bench):
    needing = [name for name, one in MAPS.items() if any(c.value is None for c in one.constant.values())]
    assert needing
    assert sample({("holding", i): 1 for i in range(32)}, MAPS[needing[0]]) == {}
