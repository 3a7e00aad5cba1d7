"""Lines and units that fail: the others go on, nothing is alarmed that is not, and what was lost is said."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from hil.faults import Fault, FaultPlan
from tests.system.stage import Stage
from tests.system.town import Town

PULLED = """
[line.sensors]
baudrate = 9600
""" + "".join(
    f"""
[device.{name}]
line = "sensors"
unit_id = {unit_id}
model = "hlk-ld8001h"
set = {{ install_cm = 500, level_mm = 20 }}
"""
    for unit_id, name in enumerate(("pit", "north", "east", "west"), start=1)
)
MAP = """
[device]
title = "Level"
maturity = "stable"
source = ["the bench"]
baudrates = [9600]
max_reply = "100 ms"
[point.level]
address = 3
type = "u16"
unit = "mm"
low = 0
high = 5000
"""
PERIOD_S = 0.2
FOUR = """
[site]
id = "town"
languages = ["en"]
[bus.sensors]
port = "@sensors@"
baudrate = 9600
timeout = "150 ms"
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
period = "200 ms"
stale_after = "2 s"
"""
    for unit_id, name in enumerate(("pit", "north", "east", "west"), start=1)
)


def median_period_s(town: Town, unit_id: int, from_s: float, to_s: float) -> float:
    times_s = [t for t in town.rig.lines["sensors"].times_s(unit_id) if from_s <= t < to_s]
    return statistics.median(later - earlier for earlier, later in pairwise(times_s))


@pytest.mark.slow
def test_one_of_four_units_is_pulled_and_the_others_keep_their_periods(figure: Callable[[str], None]) -> None:
    with Town(rig=PULLED, site=FOUR, uplink=False, with_agent=False) as town:
        (town.directory / "level.toml").write_text(MAP, encoding="utf-8")
        town.start_agent()
        line = town.rig.lines["sensors"]
        time.sleep(1.0)
        before_s = time.monotonic()
        time.sleep(6.0)
        pulled_s = time.monotonic()
        pulled = line.units.pop(4)
        town.wait(lambda: town.status()["points"]["west.level"]["quality"] == "comm-fault", 10, "the lost unit is seen")
        seen_s = time.monotonic() - pulled_s
        time.sleep(10.0)
        back_s = time.monotonic()
        line.units[4] = pulled
        town.wait(lambda: line.times_s(4)[-1] > back_s, 30, "its next probe")
        probe_s = next(t for t in line.times_s(4) if t > back_s)
        town.wait(lambda: len([t for t in line.times_s(4) if t > probe_s]) >= 12, 10, "it is polled again")
        after_s = [t for t in line.times_s(4) if t >= probe_s]
        figures = []
        for unit_id in (1, 2, 3):
            kept_s, dead_s = (
                median_period_s(town, unit_id, *span) for span in ((before_s, pulled_s), (pulled_s, back_s))
            )
            times_s = [t for t in line.times_s(unit_id) if pulled_s <= t < back_s]
            mean_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
            figures.append(f"{1000 * kept_s:.1f} -> {1000 * dead_s:.1f} ms median ({1000 * mean_s:.1f} ms mean)")
            assert dead_s <= kept_s * 1.05
        gaps_s = [later - earlier for earlier, later in pairwise(after_s)]
        assert statistics.median(gaps_s) == pytest.approx(PERIOD_S, rel=0.05)
        probes = len([t for t in line.times_s(4) if pulled_s + seen_s <= t < back_s])
        assert line.gap_violations == 0
    figure(f"one of four units dead (9600 baud, {1000 * PERIOD_S:g} ms): {'; '.join(figures)}")
    figure(
        f"  lost unit told after {seen_s:.1f} s, probed {probes} times in {back_s - pulled_s - seen_s:.0f} s, "
        f"{probe_s - back_s:.1f} s until its next probe, then {1000 * statistics.median(gaps_s):.1f} ms again"
    )


def test_a_bus_that_is_pulled_is_one_alarm_and_is_back_under_another_name(
    town: Town, figure: Callable[[str], None]
) -> None:
    line = town.rig.lines["sensors"]
    before = line._last_name
    line.unplug()
    pulled_s = time.monotonic()
    town.wait(lambda: town.ask("alarms").get("bus.sensors", {}).get("level") == "fault", 10, "the bus is lost")
    told_s = time.monotonic() - pulled_s
    town.wait(lambda: town.protection("flood") == "blind", 10, "blind without its sensor")
    blind_s = time.monotonic() - pulled_s
    time.sleep(2.0)  # what else would be alarmed
    loud = [name for name, a in town.ask("alarms").items() if a["level"] == "fault" and not a["withheld"]]
    assert loud == ["bus.sensors"]
    line.replug(new_name=True)
    back_s = time.monotonic()
    assert line._last_name != before
    town.wait(lambda: town.status()["points"]["pit.level"]["quality"] == "good", 10, "values are back")
    values_s = time.monotonic() - back_s
    town.wait(lambda: town.ask("alarms").get("bus.sensors", {}).get("level") != "fault", 5, "the bus is well")
    town.wait(lambda: town.protection("flood") == "protected", 5)
    assert values_s <= 5.0
    raised = town.wait(lambda: town.at_platform("equipment", alarm="bus.sensors", event="raised"), 10)
    assert len(raised) == 1
    assert not town.sounded_s()
    figure(
        f"bus pulled: told after {told_s:.2f} s, blind after {blind_s:.2f} s; "
        f"values {values_s:.2f} s after it was back under another name"
    )


@pytest.mark.slow
def test_spoiled_answers_alarm_nobody(figure: Callable[[str], None]) -> None:
    kinds = [kind for kind in Fault if kind not in {Fault.TRANSACTION, Fault.RESET}]  # those two need TCP
    plans = [FaultPlan({kind: 0.6}, seed=5, late_s=0.4) for kind in kinds]
    plans.append(FaultPlan(dict.fromkeys(kinds, 1 / len(kinds)), seed=6))
    with Town(delay="100 ms", uplink=False) as town:
        devices = ("pit", "gas", "siren-current")
        for plan in plans:
            for name in devices:
                town.rig.fail(name, plan)
            time.sleep(1.2)
            for name in devices:
                town.rig.heal(name)
            town.wait(lambda: town.status()["points"]["pit.level"]["quality"] == "good", 10, "it is read again")
            assert sum(plan.counts.values()) > 1, "answers were spoiled"
        assert town.status()["points"]["pit.level"]["value"] == 20
        assert [r.body for r in town.journalled().values() if r.kind == "alarm"] == []
        assert town.sounded_s() == []
        assert not list(town.said.glob("*.wav"))
        # And it still guards.
        town.rig.device("pit").level_mm = 450
        town.wait(lambda: town.siren.sounding, 10, "a real flood after the faults")
    spoiled = sum(sum(plan.counts.values()) for plan in plans)
    figure(f"{spoiled} answers spoiled in {len(kinds)} ways: no alarm, no sound, and then a flood was sounded")


def test_hosts_that_answer_nothing_do_not_delay_the_first_judgement(tmp_path: Path) -> None:
    far = 8
    with ExitStack() as stack:
        buses = ""
        for number in range(far):
            # A full backlog drops what comes next: to a client this host neither accepts nor refuses.
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            buses += f'[bus.far{number}]\nhost = "127.0.0.1"\nport = {listener.getsockname()[1]}\n'
        began_s = time.monotonic()
        stage = stack.enter_context(Stage(tmp_path, uplink=buses, options=["--no-jit"]))
        assert stage.first_judged_s - began_s < far * 0.5, "they are waited for together, if at all"
