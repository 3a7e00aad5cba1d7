"""docs/finding.md names only commands and options that there are, and figures that the code gives."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from agent.cli import main
from drivers.find.order import BAUDRATES, UNIT_IDS, likely, settings_of, sweep
from drivers.find.port import Settings

TEXT = (Path(__file__).parents[3] / "docs" / "finding.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^tocsin .*", TEXT, re.MULTILINE)


def test_there_are_examples_of_each():
    assert {command.split()[1] for command in COMMANDS} == {"scan", "probe", "trace"}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_is_understood(command):
    _, name, *words = shlex.split(command)
    parent = click.Context(main, **main.context_settings)
    with main.commands[name].make_context(name, words, parent=parent) as context:
        assert context.params


def test_every_option_that_is_named_exists():
    known = {option for name in ("scan", "probe", "trace") for one in main.commands[name].params for option in one.opts}
    assert set(re.findall(r"`(--[a-z0-9-]+)", TEXT)) <= known


def test_the_times_told():
    one = sum(ask.cost_s for ask in sweep([Settings(9600)], UNIT_IDS, ["holding"], 0.1))
    assert 30 < one < 38
    for parities, told_min in ((("N", "E", "O"), 15), (("N",), 5)):
        settings = settings_of(BAUDRATES, parities)
        asks = [*likely(settings, UNIT_IDS, {}, 0.1), *sweep(settings, UNIT_IDS, ["holding"], 0.1)]
        assert sum(ask.cost_s for ask in asks) / 60 == pytest.approx(told_min, rel=0.15)
