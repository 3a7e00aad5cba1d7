"""Known models are recognised by what they hold, at any unit id; nothing is named on little evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.find.likeness import Likeness, named, recognise
from drivers.find.port import SerialPort, Settings
from drivers.find.sample import sample, shown
from drivers.find.survey import Survey
from drivers.registers import load_map, map_names
from hil.devices import CATALOGUE, Device, GasModule
from hil.line import VirtualLine

from .conftest import FAST

MAPS = {name: load_map(name) for name in map_names()}
TWINS = {"witmotion-inclinometer", "wtvb01-485", "qdy30a", "seeed-s-yw-01b"}  # pairs with the same registers
MAP_OF = {"dfrobot-sen0575": "sen0575", "waveshare-analog-8ch": "waveshare-analog-8ch-4-20ma"}
SLOW = {"sound-and-light"}  # silent wherever it has nothing


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
    if isinstance(device, GasModule):
        device.min_poll_s = 0.0
    return device


def likenesses_of(model: str, path: Path) -> list[Likeness]:
    """Of a virtual device at a unit id that is not its factory's, on a line that takes no time."""
    device = made(model)
    line = VirtualLine(path, {33: device}, baudrate=115200, timed=False)
    with line, SerialPort(str(path)) as port:
        port.tune(FAST)
        return recognise(Survey(port, 33, wait_s=0.05), Settings(device.default_baudrate), MAPS)


def test_known_models_are_named_and_none_is_named_wrongly(tmp_path):
    right, alike = set(), set()
    for model in sorted(CATALOGUE.keys() - SLOW):
        likenesses = likenesses_of(model, tmp_path / "line")
        likest = {one.model for one in likenesses if one.bits > likenesses[0].bits - 2}
        name = named(likenesses)
        if name is not None:
            assert name.model == MAP_OF.get(model, model), f"{model} is taken for {name.model}: {name.reasons}"
            assert name.reasons
            right.add(model)
        elif likest & TWINS:
            alike.add(model)
    assert right >= {"hlk-ld8001h", "keller-30", "dfrobot-sen0575", "waveshare-relay-8ch", "gas-6in1", "otis-oi7032"}
    assert alike == TWINS & CATALOGUE.keys(), "those that only differ in what their registers mean are told together"
    assert len(right) >= 15


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
