"""`tocsin scan PORT --sdi12`: sensors behind an adapter, and a piece of a site file that is right."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path

from rich.console import Console

from agent.config import load_site
from agent.find.sensors import find_sensors
from hil.devices.speakers import SdiAdapter, SdiSensor
from hil.spoken import SpokenLine


def found(path: Path, *, as_json: bool = False) -> tuple[int, str, str]:
    out, told = (Console(file=io.StringIO(), width=120) for _ in range(2))
    code = find_sensors(str(path), 9600, out, told, deep=False, as_json=as_json)
    return code, out.file.getvalue(), told.file.getvalue()


def test_a_sensor_is_named_and_its_fragment_is_a_site(tmp_path):
    sensor = SdiSensor("7")
    with SpokenLine(tmp_path / "adapter", SdiAdapter(sensor, echo=True)) as bench:
        code, shown, told = found(bench.path)
        assert code == 0
        assert "--deep" in told
        assert all(word in shown for word in ("1.4", "TOCSIN", "VIRT01"))
        fragment = shown[shown.index("[bus.") :]
        around = '[site]\nid = "s"\nlanguages = ["en"]\n', '[alarm.a.level.red]\nwhen = "sensor-7.value > 1"\n'
        (tmp_path / "site.toml").write_text(fragment.join(around), encoding="utf-8")
        assert list(load_site(tmp_path / "site.toml").devices) == ["sensor-7"]
        assert tomllib.loads(fragment)["bus"]["sdi12"]["port"] == str(bench.path)
        code, shown, _ = found(bench.path, as_json=True)
        assert json.loads(shown)[0]["address"] == "7"
    assert sensor.measurements == 0


def test_no_port(tmp_path):
    code, shown, told = found(tmp_path / "nowhere")
    assert (code, shown) == (1, "")
    assert "no such file" in told
