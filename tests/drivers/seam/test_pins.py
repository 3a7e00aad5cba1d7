"""Pins keep the contract too, without a line; Modbus and line instruments do so in test_guide.py and elsewhere."""
# ruff: noqa: RUF012 - as short as an author would write it

from __future__ import annotations

import importlib

import pytest

from drivers.contract import DriverContract
from hil import pins


class TestPins(DriverContract):
    driver = "gpio-input"
    section = {"point": {"float": {"pin": 23, "active_low": True, "pull": "up", "words": ["dry", "wet"]}}}
    bus = None

    @pytest.fixture(autouse=True)
    def _board(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TOCSIN_GPIO_MODULE", "hil.pins")
        monkeypatch.setenv("TOCSIN_PINS", str(tmp_path))
        importlib.reload(pins)
