"""Stations that report on their own: who may share an endpoint is told at once; the sites of the docs load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.config import ConfigErrors, load_site

HEAD = '[site]\nid = "a"\nlanguages = ["en"]\n'
DOCS = Path(__file__).parents[3] / "docs" / "telemetry.md"


def station(name: str, driver: str, where: str, number: str, point: str) -> str:
    head = f'[device.{name}]\ndriver = "{driver}"\nperiod = "1 s"\nstale_after = "1 h"\n'
    return f'{head}{where}\nstation = "{number}"\npoint.x = {{ {point} }}\n'


def gauge(name: str, where: str, number: str = "0012345678") -> str:
    return station(name, "sl651", where, number, 'element = "stage"')


def dust(name: str, where: str, number: str = "A1") -> str:
    return station(name, "hj212", where, number, 'factor = "pm10"')


LISTEN, PORT = 'listen = ":9001"', 'port = "/dev/telemetry"'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (gauge("a", LISTEN) + gauge("b", LISTEN), "which a has too, expected every station once"),
        (gauge("a", LISTEN) + dust("b", LISTEN), "expected its driver and speed"),
        (gauge("a", PORT) + gauge("b", f"{PORT}\nbaudrate = 1200", "0000000002"), "expected its driver and speed"),
        (f"[bus.b]\n{PORT}\n" + gauge("a", PORT), "which bus b uses, expected a port of its own"),
        (f"[bus.b]\n{PORT}\n" + gauge("a", f'{LISTEN}\nbus = "b"'), "expected none: it says itself where"),
        (gauge("a", 'port = "\\u0000"') + dust("b", 'port = "\\u0000"'), "expected its driver and speed"),
    ],
)
def test_what_can_not_share_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(ConfigErrors, match=told) as caught:
        load_site(path)
    assert len(caught.value.problems) == 1


def test_stations_of_one_protocol_share_an_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(HEAD + gauge("a", LISTEN) + gauge("b", LISTEN, "0000000002") + gauge("c", PORT), encoding="utf-8")
    assert set(load_site(path).devices) == {"a", "b", "c"}


def test_the_sites_of_the_documentation_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    path = tmp_path / "site.toml"
    path.write_text(HEAD + "\n".join(blocks), encoding="utf-8")
    points = load_site(path).points
    assert points["tower.fire"].states == {"off": 0, "on": 1}
    assert points["weir.rain"].kind == "increment"
    assert points["site-3.pm10"].unit == "ug/m^3"
    stale = {name: points[name].stale_after_s for name in ("weir.stage", "site-3.pm10", "tower.stair-smoke")}
    assert stale == {"weir.stage": 70 * 60, "site-3.pm10": 180, "tower.stair-smoke": 30 * 86400}
