"""A driver's mistakes end in the poller; a dead unit costs its neighbours next to nothing."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from agent.config import Site, load_site
from agent.guard.clock import Clock
from agent.guard.core import Core
from agent.guard.poll import BusPoller, checked
from agent.guard.supervise import EdgeFault, contained
from agent.records import Mark, Record, Step
from drivers.api import DriverError, Quality, Reading
from drivers.modbus import open_line
from hil.faults import Fault, FaultPlan
from hil.rig import Rig
from rules.judge import Judge


class Nowhere:
    """A keeper and listener that forgets: these tests look at the core's table."""

    def record(self, record: Record) -> None: ...
    def step(self, step: Step) -> None: ...
    def mark(self, mark: Mark) -> None: ...
    def keep(self, name: str, blob: bytes) -> None: ...
    def want(self, want: object, mono_ns: int) -> None: ...
    def observe(self, value: float, mono_ns: int) -> None: ...
    def forgive(self) -> None: ...
    def recall(self, faults: object) -> None: ...


def core_of(site: Site) -> Core:
    clock, mono_ns = Clock(), time.monotonic_ns()
    judge = Judge(site.ruleset, clock.judgement_s(mono_ns))
    return Core(site, judge, clock, Nowhere(), listeners=dict.fromkeys(site.outputs, Nowhere()), mono_ns=mono_ns)


def test_a_reading_that_was_never_described_is_the_drivers_fault(site: Site) -> None:
    with pytest.raises(EdgeFault, match="'leval'"):
        checked(site.devices["pit"], [Reading("leval", 1.0, Quality.GOOD, 1)])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_that_is_none_passes_as_good(site: Site, value: float) -> None:
    (reading,) = checked(site.devices["pit"], [Reading("level", value, Quality.GOOD, 1)])
    assert reading.quality is Quality.BAD


def test_whatever_an_edge_raises_becomes_a_driver_error() -> None:
    async def wrong() -> None:
        raise KeyError("oops")

    async def hang() -> None:
        await asyncio.sleep(60)

    for call, told in ((wrong(), "KeyError"), (hang(), "no return within")):
        with pytest.raises(DriverError, match=told):
            asyncio.run(contained("it", call, 0.1))


def test_a_silent_unit_is_lost_after_three_polls_and_back_at_once_and_its_neighbour_keeps_its_period(
    rig: Rig, site: Site
) -> None:
    async def play() -> None:
        core = core_of(site)
        async with open_line("wire", site.buses["wire"].section) as line:
            poller = BusPoller("wire", line, list(site.devices.values()), core)
            task = asyncio.create_task(poller.run())
            await asyncio.sleep(0.5)
            rig.fail("radar", FaultPlan.always(Fault.SILENT))
            await asyncio.sleep(4.0)
            level = core.recorder.table[list(site.points).index("pit.level")]
            assert level.quality is Quality.COMM_FAULT
            assert poller.slots[0].failures >= 3
            began_s = time.monotonic()
            await asyncio.sleep(6.0)
            neighbour = [t for t in rig.lines["wire"].times_s(2) if t > began_s]
            assert len(neighbour) >= 0.9 * 6.0 / 0.1, "a dead unit must not slow its neighbour"
            rig.heal("radar")
            poller.slots[0].due_mono_s = time.monotonic()  # its next probe, without the wait for it
            await asyncio.sleep(1.0)
            assert level.quality is Quality.GOOD
            assert poller.slots[0].failures == 0
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(play())


def test_a_rising_level_with_a_burst_has_its_points_polled_more_often_at_once(
    rig: Rig, site_at: Callable[[str], Path]
) -> None:
    site_path = site_at(str(rig.lines["wire"].path))
    text = (
        site_path.read_text(encoding="utf-8")
        .replace('period = "100 ms"', 'period = "2 s"')
        .replace('within = "1 s"', 'within = "3 s"')
    )
    text = text.replace('stale_after = "1 s"', 'stale_after = "5 s"')
    text = text.replace(
        'when = "pit.level > 40 cm"\nfor = "200 ms"', 'when = "pit.level > 40 cm"\nfor = "800 ms"\nburst = "100 ms"'
    )
    site_path.write_text(text, encoding="utf-8")
    site = load_site(site_path)
    assert site.alarms["flood"].burst == {"red": 0.1}

    async def play() -> None:
        core = core_of(site)
        async with open_line("wire", site.buses["wire"].section) as line:
            task = asyncio.create_task(BusPoller("wire", line, list(site.devices.values()), core).run())
            await asyncio.sleep(0.3)
            assert len(rig.lines["wire"].times_s(3)) == 1
            rig.device("radar").level_mm = 450
            await asyncio.sleep(2.7)
            times_s = rig.lines["wire"].times_s(3)
            assert len(times_s) >= 8, "from the reading that started the on-delay on"
            assert times_s[2] - times_s[1] < 0.2
            assert core.book["flood"].level == 2, "and while the level is active"
            others = len(rig.lines["wire"].times_s(2))
            rig.device("radar").level_mm = 20
            await asyncio.sleep(1.0)
            calm = len(rig.lines["wire"].times_s(3))
            await asyncio.sleep(1.0)
            assert len(rig.lines["wire"].times_s(3)) - calm <= 1, "its own period again"
            assert others == 2, "no other device is hurried"
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(play())


SLOW = """
[device]
title = "Measures for a while when told to"
maturity = "stable"
source = ["the bench"]
max_reply = "100 ms"
[device.trigger]
address = 16
value = 0
wait = "600 ms"
[point.level]
address = 3
type = "u16"
unit = "mm"
low = 0
high = 5000
"""


def test_a_device_that_measures_for_a_while_holds_up_nobody_else(
    rig: Rig, site_at: Callable[[str], Path], tmp_path: Path
) -> None:
    path = site_at(str(rig.lines["wire"].path))
    (tmp_path / "slow.toml").write_text(SLOW, encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace('map = "hlk-ld8001h"\nperiod', 'map = "slow.toml"\nperiod')
    path.write_text(text, encoding="utf-8")
    site = load_site(path)

    async def play() -> None:
        core = core_of(site)
        rig.device("radar").store = lambda *written: None
        async with open_line("wire", site.buses["wire"].section) as line:
            poller = BusPoller("wire", line, list(site.devices.values()), core)
            task = asyncio.create_task(poller.run())
            await asyncio.sleep(2.5)
            slow, fast = poller.slots
            assert slow.ok >= 3
            assert slow.polls - slow.ok <= 1, "at most one is under way"
            assert len(rig.lines["wire"].times_s(3)) <= 2 * slow.polls
            assert fast.ok >= 22, "every 100 ms, whatever the other does"
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(play())
