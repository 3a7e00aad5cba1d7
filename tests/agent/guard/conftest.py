"""A community on a virtual line, and its site file, for tests of the guard's rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config import Site, load_site
from hil.rig import Rig

RIG = """
[line.wire]
baudrate = 115200
[device.radar]
line = "wire"
unit_id = 3
model = "hlk-ld8001h"
set = { install_cm = 500, level_mm = 20 }
[device.relay]
line = "wire"
unit_id = 1
model = "waveshare-relay-8ch"
[device.analog]
line = "wire"
unit_id = 2
model = "waveshare-analog-8ch"
[siren.roof]
relay = "relay"
channel = 0
rated_a = 3.0
analog = "analog"
input = 0
span_a = 5.0
"""

SITE = """
[site]
id = "test-site"
languages = ["en"]
[bus.wire]
port = "{port}"
baudrate = 115200
timeout = "200 ms"
[device.pit]
bus = "wire"
unit_id = 3
map = "hlk-ld8001h"
period = "100 ms"
stale_after = "1 s"
zone = "pit"
[device.siren-current]
bus = "wire"
unit_id = 2
map = "current.toml"
period = "100 ms"
stale_after = "1 s"
[output.siren]
driver = "waveshare-relay"
bus = "wire"
unit_id = 1
channel = 1
max_on = "10 s"
min_off = "200 ms"
max_starts_per_hour = 100
confirm = {{ point = "siren-current.current", above = "0.5 A", within = "1 s" }}
alternate = "horn"
reassert = "500 ms"
[output.horn]
driver = "waveshare-relay"
bus = "wire"
unit_id = 1
channel = 2
max_on = "10 s"
min_off = "200 ms"
max_starts_per_hour = 100
reassert = "500 ms"
[output.gate]
driver = "waveshare-relay"
bus = "wire"
unit_id = 1
channel = 3
states = {{ closed = true, open = false }}
max_on = "unlimited"
min_off = "0 s"
max_starts_per_hour = 100
at_exit = "keep"
[alarm.flood]
zone = "pit"
plan = "flood"
[alarm.flood.level.yellow]
when = "pit.level > 15 cm"
for = "200 ms"
clear = "pit.level < 12 cm"
[alarm.flood.level.red]
when = "pit.level > 40 cm"
for = "200 ms"
[alarm.backwater]
zone = "pit"
plan = "gate-only"
[alarm.backwater.level.orange]
when = "pit.level > 30 cm"
[pattern.pulse]
segments = ["on 300 ms", "off 200 ms"]
repeat = 10
[plan.flood]
[[plan.flood.level.yellow]]
output = "horn"
pattern = "pulse"
[[plan.flood.level.red]]
output = "siren"
pattern = "pulse"
[[plan.flood.all_clear]]
output = "horn"
pattern = "pulse"
[plan.gate-only]
[[plan.gate-only.level.orange]]
output = "gate"
state = "closed"
until = "reset"
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    description = tmp_path / "rig.toml"
    description.write_text(RIG, encoding="utf-8")
    with Rig.load(description, tmp_path) as up:
        yield up


@pytest.fixture
def site_at(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the site file for a port; returns its path."""

    def write(port: str) -> Path:
        path = tmp_path / "site.toml"
        path.write_text(SITE.format(port=port), encoding="utf-8")
        lianhua = Path(__file__).parents[3] / "hil" / "sites" / "lianhua"
        (tmp_path / "current.toml").write_text(
            (lianhua / "current-0-5a.toml").read_text(encoding="utf-8"), encoding="utf-8"
        )
        return path

    return write


@pytest.fixture
def site(rig: Rig, site_at: Callable[[str], Path]) -> Site:
    return load_site(site_at(str(rig.lines["wire"].path)))
