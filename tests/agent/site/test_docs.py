"""The reference page and the JSON Schema are made from the program, and agree with the loader."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from agent.site.docs import TABLES, schema_text, site_page
from agent.site.schema import site_schema

ROOT = Path(__file__).parents[3]


def test_the_page_is_current():
    assert (ROOT / "docs" / "site-file.md").read_text(encoding="utf-8") == site_page()


def test_the_schema_is_current():
    assert (ROOT / "docs" / "site.schema.json").read_text(encoding="utf-8") == schema_text()


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", ["site.toml", "rules.d/flood.toml", "rules.d/gas.toml"])
def test_right_files_are_right_by_the_schema(validator, data, name):
    tree = tomllib.loads((data / "whole" / name).read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(tree)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"sight": {}},
        {"site": {"id": "a", "levels": "red"}},
        {"device": {"d": {"period": 1, "map": "m"}}},
        {"device": {"d": {"period": "1 s", "map": "m", "perod": "1 s"}}},
        {"output": {"o": {"driver": "speaker", "max_on": "1 min", "min_off": "1 s"}}},
        {"alarm": {"a": {"level": {"red": {"when": "x > 1", "for": 3}}}}},
        {"bus": {"b": {"port": "/dev/x", "parity": "X"}}},
        {"bus": {"3 b": {"port": "/dev/x"}}},
        {"alarm": {"a": {"plan": "flood"}}},
        {"alarm": {"a": {"model": "river-stage", "level": {"red": {"when": "x > 1"}}}}},
        {"alarm": {"a": {"model": "river-stage", "inputs": "gauge.level"}}},
        {"table": {"t": {"x": ["1 m", "2 m"]}}},
        {"device": {"d": {"driver": "recorded", "period": "1 s"}}},
        {"device": {"d": {"map": "m", "period": "1 s", "point": {"p": {"reset": "8:00"}}}}},
    ],
)
def test_what_the_loader_refuses_for_its_shape_the_schema_refuses(validator, wrong):
    assert not validator.is_valid(wrong)


def test_models_tables_and_recordings_are_right_by_the_schema(validator):
    tree = {
        "alarm": {
            "a": {
                "model": "river-stage",
                "inputs": {"level": "gauge.level", "rain": ["gauge.rain"]},
                "parameters": {"warning_stage": "2.4 m", "share": 0.5},
                "levels": ["red"],
            }
        },
        "table": {"t": {"x": ["1 m", "2 m"], "y": [1, 2]}},
        "device": {
            "gauge": {
                "driver": "recorded",
                "period": "1 s",
                "point": {
                    "level": {"unit": "m", "low": "0 m", "baseline": "first"},
                    "rain": {"unit": "mm", "kind": "running_total", "reset": "hh:51", "wrap": "9 m"},
                },
            }
        },
    }
    assert [error.message for error in validator.iter_errors(tree)] == []


def test_a_driver_of_another_distribution_may_have_keys_of_its_own(validator):
    assert validator.is_valid({"device": {"d": {"driver": "acme", "period": "1 s", "crate": 3}}})


def test_every_key_of_the_site_tables_has_a_meaning():
    schema = site_schema()
    assert set(schema["properties"]) >= {"site", "bus", "device", "output", "alarm", "plan", "uplink"}
    for title, model in TABLES:
        if model.__module__ == "agent.site.sections":
            for name, field in model.model_fields.items():
                assert field.description, f"{title} {name}"
