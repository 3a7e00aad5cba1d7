"""Ten units on one line, three of them dead: the others keep their periods, and the alarm path its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.system.test_lines import MAP
from tests.system.town import Town

NAMES = ("pit", *(f"unit{number}" for number in range(2, 11)))
DEAD = (8, 9, 10)
RIG = "[line.sensors]\nbaudrate = 19200\n" + "".join(
    f"""
[device.{name}]
line = "sensors"
unit_id = {unit_id}
model = "hlk-ld8001h"
set = {{ install_cm = 500, level_mm = 20 }}
"""
    for unit_id, name in enumerate(NAMES, start=1)
)
SITE = """
[site]
id = "town"
languages = ["en"]
[bus.sensors]
port = "@sensors@"
baudrate = 19200
timeout = "100 ms"
[alarm.flood]
[alarm.flood.level.red]
when = "pit.level > 40 cm"
@uplink@
""" + "".join(
    f"""
[device.{name}]
bus = "sensors"
unit_id = {unit_id}
map = "level.toml"
period = "500 ms"
stale_after = "3 s"
"""
    for unit_id, name in enumerate(NAMES, start=1)
)


@pytest.mark.slow
def test_three_of_ten_units_are_dead_and_the_seven_keep_their_periods(figure: Callable[[str], None]) -> None:
    with Town(rig=RIG, site=SITE, uplink=False, with_agent=False) as town:
        (town.directory / "level.toml").write_text(MAP.replace("[9600]", "[19200]"), encoding="utf-8")
        line = town.rig.lines["sensors"]
        pulled = {unit_id: line.units.pop(unit_id) for unit_id in DEAD}
        town.start_agent()
        town.wait(lambda: all(_lost(town, unit_id) for unit_id in DEAD), 10, "the dead units are told")
        from_s = time.monotonic()
        time.sleep(10.0)
        to_s = time.monotonic()
        means_s, worst_s = [], []
        for unit_id in set(range(1, 11)) - set(DEAD):
            gaps_s = [b - a for a, b in pairwise(t for t in line.times_s(unit_id) if from_s <= t < to_s)]
            assert statistics.median(gaps_s) == pytest.approx(0.5, rel=0.05)
            means_s.append(statistics.mean(gaps_s))
            worst_s.append(max(gaps_s))
        assert max(means_s) <= 0.5 * 1.05
        probes = sum(len([t for t in line.times_s(unit_id) if from_s <= t < to_s]) for unit_id in DEAD)
        status = town.status()["buses"]["sensors"]
        assert {
            unit: told["cause"]["code"] for unit, told in status["units"].items() if told["cause"]
        } == dict.fromkeys(map(str, DEAD), "silent")
        line.units.update(pulled)
        town.rig.device("pit").level_mm = 450
        began_s = time.monotonic()
        town.wait(lambda: town.ask("alarms")["flood"]["level"] == "red", 5, "it still guards")
        alarmed_s = time.monotonic() - began_s
        assert line.gap_violations == 0
    figure(
        f"ten units at 19200 baud, three dead, 500 ms: the seven's mean periods {1000 * min(means_s):.0f} to "
        f"{1000 * max(means_s):.0f} ms, longest {1000 * max(worst_s):.0f} ms; {probes} probes of the dead in 10 s; "
        f"alarm {alarmed_s:.2f} s after the water"
    )


def _lost(town: Town, unit_id: int) -> bool:
    return town.status()["buses"]["sensors"]["devices"][NAMES[unit_id - 1]]["failures_in_a_row"] >= 3
