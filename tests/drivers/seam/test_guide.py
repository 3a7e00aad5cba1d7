"""docs/writing-a-driver.md does what it says: its files are written out as they stand there, and run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from agent.config import load_site
from drivers.contract import DriverContract

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "writing-a-driver.md").read_text(encoding="utf-8")
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


def contract_tests():
    return [name for name in vars(DriverContract) if name.startswith("test_")]


def test_the_guide_names_every_test_of_the_contract():
    rows = re.findall(r"^\| (?!what|---|the |speaks|prints)", GUIDE, re.MULTILINE)
    assert len(rows) == len(contract_tests()) == 9


@pytest.mark.parametrize("test", contract_tests())
@pytest.mark.parametrize("name", ["test_acme_r6", "test_acme_rt"])
def test_its_maps_keep_the_contract(written, monkeypatch, name, test):
    spec = importlib.util.spec_from_file_location(name, written / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    (contract,) = [kind for kind in vars(module).values() if isinstance(kind, type) and kind is not DriverContract]
    monkeypatch.setattr(contract, "spoilings", 1)
    getattr(contract(), test)()


def test_its_site_file_is_right(written):
    site = load_site(written / "site.toml")
    assert set(site.points) == {"rain.total", "rain.intensity", "gauge.level", "gauge.temperature"}
    assert site.buses["rain"].section.carries == "raw"
