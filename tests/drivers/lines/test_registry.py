"""Drivers by name: ours, those of other distributions, and the limits that none of them can avoid."""

from __future__ import annotations

import importlib
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers import registry
from drivers.api import Description, Limits, Refused, Section
from drivers.instrument import ModbusDriver
from drivers.limits import LimitedSwitch
from drivers.registry import UnknownDriver, instrument_driver, names, output_driver

ACME = """
from contextlib import asynccontextmanager
from drivers.api import Description, Section

class Lamp:
    name, refresh_s, on = "lamp", None, False
    async def set(self, *, on): self.on = on
    async def read_back(self): return self.on

Section = Section
speaks = False
def describe(section, base): return Description(points=())
@asynccontextmanager
async def connect(name, section, bus, limits, base): yield Lamp()
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution that nobody here knows."""
    (tmp_path / "tocsin_driver_acme.py").write_text(ACME)
    (tmp_path / "tocsin_driver_acme-1.dist-info").mkdir()
    (tmp_path / "tocsin_driver_acme-1.dist-info" / "METADATA").write_text("Name: tocsin-driver-acme\nVersion: 1\n")
    (tmp_path / "tocsin_driver_acme-1.dist-info" / "entry_points.txt").write_text(
        "[tocsin.outputs]\nacme-lamp = tocsin_driver_acme\n"
        "[tocsin.drivers]\nacme-broken = tocsin_driver_missing:Driver\nmodbus = tocsin_driver_acme:Lamp\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tocsin_driver_acme", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def test_our_own():
    assert isinstance(instrument_driver("modbus"), ModbusDriver)
    assert "modbus" in names("tocsin.drivers")
    assert {"modbus-coil", "waveshare-relay"} <= set(names("tocsin.outputs"))
    assert not output_driver("modbus-coil").speaks


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownDriver, match="no instrument driver 'modbuss'; nearest: modbus"):
        instrument_driver("modbuss")
    with pytest.raises(UnknownDriver, match=r"no output driver 'zzz'; installed: .*modbus-coil"):
        output_driver("zzz")


def test_what_can_not_be_loaded_or_is_offered_twice(acme):
    with pytest.raises(UnknownDriver, match=r"acme-broken.*can't be loaded"):
        instrument_driver("acme-broken")
    with pytest.raises(UnknownDriver, match="offered twice"):
        instrument_driver("modbus")


def test_a_foreign_output_is_held_within_its_limits(acme, run):
    driver = output_driver("acme-lamp")
    assert driver.Section is Section
    assert driver.describe(Section(), acme) == Description(points=())

    async def check() -> None:
        limits = Limits(max_on_s=10, min_off_s=0, max_starts_per_hour=1)
        async with driver.connect("lamp", Section(), None, limits, acme) as lamp:
            assert isinstance(lamp, LimitedSwitch)
            await lamp.set(on=True)
            await lamp.set(on=False)
            with pytest.raises(Refused, match="max_starts_per_hour"):
                await lamp.set(on=True)

    run(check())


def test_limits_are_not_put_on_twice(run, monkeypatch):
    class Held:
        Section = Section
        speaks = False

        @asynccontextmanager
        async def connect(self, *parts):
            yield LimitedSwitch(Lamp(), parts[3])

    class Lamp:
        name, refresh_s = "lamp", None

    monkeypatch.setattr(registry, "_load", lambda _group, _name: Held())

    async def check() -> None:
        limits = Limits(max_on_s=10, min_off_s=0, max_starts_per_hour=1)
        async with output_driver("x").connect("lamp", Section(), None, limits, Path()) as switch:
            assert isinstance(switch._switch, Lamp)

    run(check())
