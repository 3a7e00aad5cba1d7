"""An output made true, kept true and proven, on a virtual line with a relay module, a siren and its current."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Site
from agent.guard.annunciate import SwitchAnnunciator, segment
from agent.guard.respond import Want
from agent.site.model import Pattern
from drivers.api import NotPresent, Switch
from drivers.modbus import ModbusLine, open_line
from hil.faults import Fault, FaultPlan
from hil.rig import Rig

STEADY = Want("flood", "red", 4, 1, pattern=Pattern("steady", {}, ((True, 60.0),), 1, 60.0, locked=False, source=""))


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.1, 30.0)), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.floats(0.0, 400.0),
)
def test_a_pattern_is_where_its_segments_say_however_late_it_is_asked(
    segments: list[tuple[bool, float]], plays: int, repeat: int, elapsed_s: float
) -> None:
    cycle_s = sum(seconds for _, seconds in segments)
    pattern = Pattern("p", {}, tuple(segments), plays, cycle_s * plays, locked=False, source="")
    on, left_s = segment(replace(STEADY, pattern=pattern, repeat=repeat), elapsed_s)
    timeline = [s for s in segments for _ in [0]] * (plays * repeat)
    end_s, expected = 0.0, False
    for state, seconds in timeline:
        end_s += seconds
        if elapsed_s < end_s - 1e-6:
            expected = state
            break
    else:
        expected = False
    at_an_edge = any(abs(elapsed_s - sum(s for _, s in timeline[:k])) < 1e-6 for k in range(len(timeline) + 1))
    assert on == expected or at_an_edge
    assert left_s > 0


@asynccontextmanager
async def switching(
    site: Site, name: str, told: list[tuple[str, dict[str, Any]]]
) -> AsyncIterator[tuple[SwitchAnnunciator, ModbusLine]]:
    """An output's task running against the rig's line."""
    config = site.outputs[name]
    async with open_line("wire", site.buses["wire"].section) as line:
        annunciator = SwitchAnnunciator(
            config,
            lambda: config.driver.connect(name, config.section, line, config.limits, config.base),
            lambda _, event, details: told.append((event, details)),
        )
        task = asyncio.create_task(annunciator.run())
        try:
            yield annunciator, line
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(met: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for a condition. Fails the test when it does not come about in time."""
    end_s = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < end_s, "it did not come about in time"
        await asyncio.sleep(0.01)


async def read_current(site: Site, line: ModbusLine, annunciator: SwitchAnnunciator) -> None:
    """Poll the siren's current into its annunciator, as the core does."""
    device = site.devices["siren-current"]
    async with device.driver.connect("siren-current", device.section, line, device.base) as instrument:
        while True:
            for reading in await instrument.poll():
                annunciator.observe(reading.value, reading.mono_ns)
            await asyncio.sleep(0.1)


def events(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [event for event, _ in told]


def test_wanted_written_and_confirmed_by_its_current(rig: Rig, site: Site) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with switching(site, "siren", told) as (siren, line):
            current = asyncio.create_task(read_current(site, line, siren))
            siren.want(STEADY, time.monotonic_ns())
            await until(lambda: siren.state.confirmed is True)
            assert rig.sirens["roof"].sounding
            siren.want(None, time.monotonic_ns())
            await until(lambda: not rig.sirens["roof"].sounding)
            current.cancel()

    asyncio.run(play())
    assert events(told)[:2] == ["written", "confirmed"]
    assert told[1][1]["value"] == pytest.approx(3.0, abs=0.1)
    assert 0 < told[0][1]["written"] < told[1][1]["confirmed"]


def test_a_dead_siren_is_unconfirmed_and_stays_so_at_rest_until_it_is_proven(rig: Rig, site: Site) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        rig.sirens["roof"].dead = True
        async with switching(site, "siren", told) as (siren, line):
            current = asyncio.create_task(read_current(site, line, siren))
            siren.want(STEADY, time.monotonic_ns())
            await until(lambda: "not confirmed" in siren.state.fault)
            assert siren.state.confirmed is False
            siren.want(None, time.monotonic_ns())
            await asyncio.sleep(0.5)
            assert "not confirmed" in siren.state.fault, "silence proves nothing"
            rig.sirens["roof"].dead = False
            siren.want(replace(STEADY, occurrence=2), time.monotonic_ns())
            await until(lambda: siren.state.confirmed is True)
            assert siren.state.fault == ""
            current.cancel()

    asyncio.run(play())
    assert "mended" in events(told)


def test_a_relay_switched_from_outside_heals_at_the_next_assertion(rig: Rig, site: Site) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with switching(site, "gate", told) as (gate, line):
            gate.want(replace(STEADY, pattern=None, state=True), time.monotonic_ns())
            await until(lambda: gate.state.confirmed is True)
            await line.write("coil", 1, 2, [0])
            await until(lambda: rig.device("relay").coils[2] is True, 8.0)

    asyncio.run(play())
    assert events(told) == ["written", "confirmed"], "healed without a word: a lost write is no fault yet"


def test_a_unit_that_does_not_obey_is_a_fault_and_heals(rig: Rig, site: Site) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with switching(site, "horn", told) as (horn, _):
            await until(lambda: horn.state.asserted is False)
            rig.fail("relay", FaultPlan.always(Fault.SILENT))
            horn.want(STEADY, time.monotonic_ns())
            began_s = time.monotonic()
            await until(lambda: horn.state.fault != "", 6.0)
            assert time.monotonic() - began_s < 6.0
            rig.heal("relay")
            await until(lambda: horn.state.asserted is True and horn.state.fault == "", 10.0)

    asyncio.run(play())
    assert events(told)[0] == "fault"


def test_a_siren_that_sounds_unwanted_is_told(rig: Rig, site: Site) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with switching(site, "siren", told) as (siren, line):
            await until(lambda: siren.state.asserted is False)
            rig.sirens["roof"].stuck = True
            current = asyncio.create_task(read_current(site, line, siren))
            await until(lambda: "nobody wants it" in siren.state.fault, 8.0)
            current.cancel()

    asyncio.run(play())
    assert events(told) == ["fault"]


def test_the_gate_keeps_its_state_when_the_agent_stops_and_the_siren_does_not(rig: Rig, site: Site) -> None:
    async def play(name: str, want: Want) -> None:
        async with switching(site, name, []) as (output, _):
            output.want(want, time.monotonic_ns())
            await until(lambda: output.state.asserted is True)

    asyncio.run(play("gate", replace(STEADY, pattern=None, state=True)))
    assert rig.device("relay").coils[2] is True
    asyncio.run(play("horn", STEADY))
    assert rig.device("relay").coils[1] is False


def test_a_relay_that_never_goes_on_is_a_fault_however_well_it_goes_off(rig: Rig, site: Site) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    relay = rig.device("relay")

    async def play() -> None:
        async with switching(site, "horn", told) as (horn, _):
            await until(lambda: horn.state.asserted is False)
            evacuate = Pattern("e", {}, ((True, 0.5), (False, 0.5)), 20, 20.0, locked=False, source="")
            stuck = asyncio.create_task(hold_open())
            horn.want(replace(STEADY, pattern=evacuate), time.monotonic_ns())
            await until(lambda: "reads back off" in horn.state.fault, 8.0)
            await asyncio.sleep(1.5)
            assert "reads back off" in horn.state.fault, "an off between two segments heals nothing"
            stuck.cancel()

    async def hold_open() -> None:
        while True:  # the relay's contact never closes
            relay.operate(1, on=False)
            await asyncio.sleep(0.001)

    asyncio.run(play())
    assert events(told).count("fault") == 1


def test_an_output_that_can_not_be_opened_shows_that_it_is_tried_and_is_tried_at_once_when_wanted(site: Site) -> None:
    tries: list[float] = []

    async def play() -> None:
        @asynccontextmanager
        async def absent() -> AsyncIterator[Switch]:
            tries.append(time.monotonic())
            raise NotPresent("no such pin")
            yield

        horn = SwitchAnnunciator(site.outputs["horn"], absent, lambda *_: None)
        task = asyncio.create_task(horn.run())
        await asyncio.sleep(4.5)  # back-off: 1, 2, 4 s
        assert time.monotonic_ns() - horn.progress.last_mono_ns < 1.5e9, "the watchdog must not bite for a missing pin"
        assert "no such pin" in horn.state.fault
        before = len(tries)
        horn.want(STEADY, time.monotonic_ns())
        await until(lambda: len(tries) > before, 1.0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(play())
    assert len(tries) >= 4
