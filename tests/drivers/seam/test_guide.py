"""docs/writing-a-driver.md does what it says: its files are written out as they stand there, and run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from agent.config import load_site
from drivers.bench import Bench
from drivers.contract import DriverContract
from drivers.outputcontract import SwitchContract
from drivers.registers import map_names

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "writing-a-driver.md").read_text(encoding="utf-8")
SIRENS = (ROOT / "docs" / "sirens.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("guide")
    for name, text in FILES.items():
        if "/" not in name:
            (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_the_example_is_the_one_that_is_built_and_installed():
    shown = {name: text for name, text in FILES.items() if "/" in name}
    assert len(shown) == 3
    for name, text in shown.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name} and the guide differ"


def contract_tests(contract=DriverContract):
    return [name for name in dir(contract) if name.startswith("test_")]


def test_the_guide_names_every_test_of_the_contract():
    rows = re.findall(r"^\| (?!what|---|the |speaks|prints)", GUIDE, re.MULTILINE)
    assert len(rows) == len(contract_tests()) == 9


CASES = [
    *((file, test) for file in ("test_acme_r6", "test_acme_rt") for test in contract_tests()),
    *(("test_horn", test) for test in contract_tests(SwitchContract)),
]


@pytest.mark.parametrize(("name", "test"), CASES)
def test_what_it_shows_keeps_the_contract(written, monkeypatch, name, test):
    spec = importlib.util.spec_from_file_location(name, written / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    (contract,) = [kind for key, kind in vars(module).items() if key.startswith("Test")]
    assert issubclass(contract, Bench)
    monkeypatch.setattr(contract, "spoilings", 1, raising=False)  # an author has more time than we
    monkeypatch.setattr(contract, "bus", {"retries": 0})
    getattr(contract(), test)()


def test_its_site_file_is_right(written):
    site = load_site(written / "site.toml")
    assert set(site.points) == {"rain.total", "rain.intensity", "gauge.level", "gauge.temperature"}
    assert site.buses["rain"].section.carries == "raw"


def test_the_siren_of_the_other_guide_is_right_too(tmp_path):
    (text,) = re.findall(r"^```toml site.toml\n(.*?)^```$", SIRENS, re.MULTILINE | re.DOTALL)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    site = load_site(tmp_path / "site.toml")
    assert site.points["inputs.channel-1"].unit == "A"
    assert site.points["inputs.channel-2"].low == pytest.approx(-30 - 100 * 0.2 / 16)
    assert dict(site.points["cabinet.door"].states) == {"closed": 0, "opened": 1}
    assert set(re.findall(r"`([a-z0-9-]+)`", SIRENS.partition("Hold three")[0])) - {"gpio-input"} <= set(map_names())
