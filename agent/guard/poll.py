"""One task per bus: polls whoever's turn it is, and every reply goes straight into the core.

Keeps to at most one outstanding poll per device. The turns themselves are `schedule`'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

from agent.guard.core import Core
from agent.guard.schedule import Group, Schedule, Slot, groups_of
from agent.guard.supervise import EdgeFault, Progress, contained
from agent.site.model import DeviceConfig
from drivers.api import DriverError, NotPresent, Quality, Reading, Selective

log = logging.getLogger("tocsin.poll")

SHOW_S = 1.0
POLL_S = 7.0  # longest time a whole poll may take before it is a driver's bug


def checked(device: DeviceConfig, readings: Sequence[Reading]) -> list[Reading]:
    """What a driver gave, held against what it described: its mistakes end here. Raises EdgeFault."""
    known = {name.partition(".")[2] for name in device.points}
    for reading in readings:
        if reading.point not in known:
            raise EdgeFault(f"the driver gave a reading of {reading.point!r}, which it had not described")
    return [
        replace(r, quality=Quality.BAD, reason=f"the driver gave {r.value} as a value")
        if r.quality.usable and not math.isfinite(r.value)
        else r
        for r in readings
    ]


def _arrival_mono_ns(readings: Sequence[Reading], period_s: float) -> int:
    """When the poll's reply had arrived; never in the future, nor so long ago that it can't be this poll's.

    An instrument that talks on its own may have been heard at any time since the poll before.
    """
    now_mono_ns = time.monotonic_ns()
    arrived_mono_ns = readings[0].mono_ns if readings else now_mono_ns
    return arrived_mono_ns if 0 <= now_mono_ns - arrived_mono_ns <= max(POLL_S, 2 * period_s) * 1e9 else now_mono_ns


class BusPoller:
    """The polls of one bus. `bus` is the open line, or None for devices that need none."""

    def __init__(self, name: str, bus: Any, devices: Sequence[DeviceConfig], core: Core) -> None:
        now_s = time.monotonic()
        self.name = name
        self.slots = [
            Slot(device, now_s, groups_of(device, core.vital_points, core.bursts.rules_of, now_s)) for device in devices
        ]
        self.progress = Progress(f"bus {name}", POLL_S + 4 * SHOW_S)
        self._schedule = Schedule(self.slots)
        self._bus, self._core = bus, core
        self._line_fault = ""
        self._stirred = asyncio.Event()  # somebody's turn may come sooner than it looked
        core.bursts.changed.append(self._burst)

    async def run(self) -> None:
        """Poll until cancelled."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as beside:
            while self.slots:
                slot, due_s = self._schedule.next(time.monotonic())
                if slot is None:  # however long until somebody's turn, the schedule itself shows that it runs
                    await self._rest(min(due_s - time.monotonic(), SHOW_S))
                elif slot.instrument is None and not await self._connect(slot, stack):
                    pass
                elif getattr(slot.instrument, "pauses", False):  # it waits while others may use the line
                    slot.polling = True
                    beside.create_task(self._poll_beside(slot))
                else:
                    await self._poll(slot)
                self.progress.made()

    async def _rest(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._stirred.wait()
        self._stirred.clear()

    async def _connect(self, slot: Slot, stack: AsyncExitStack) -> bool:
        device, started_s = slot.device, time.monotonic()
        try:
            opening = device.driver.connect(device.name, device.section, self._bus, device.base)
            entering = stack.enter_async_context(opening)
            slot.instrument = await contained(f"device {device.name}", entering, POLL_S)
        except DriverError as error:
            slot.polls += 1
            self._failed(slot, slot.groups, error, started_s)
            return False
        return True

    async def _poll_beside(self, slot: Slot) -> None:
        try:
            await self._poll(slot)
        finally:
            slot.polling = False
            self._stirred.set()

    async def _poll(self, slot: Slot) -> None:
        device, instrument, started_s = slot.device, slot.instrument, time.monotonic()
        assert instrument is not None  # noqa: S101 - connected before its first turn
        groups = slot.due_groups(started_s)
        slot.polls += 1
        slot.recent_s.append(started_s)
        if len(groups) < len(slot.groups) and isinstance(instrument, Selective):
            reading = instrument.poll_points(frozenset().union(*(group.points for group in groups)))
        else:
            reading = instrument.poll()
        try:
            readings = checked(device, await contained(f"device {device.name}", reading, POLL_S))
        except DriverError as error:
            self._failed(slot, groups, error, started_s)
            return
        self._line("")
        self._core.ingest(device.name, readings, _arrival_mono_ns(readings, slot.period_s))
        slot.ok += 1
        slot.last_ok_mono_ns = time.monotonic_ns()
        if slot.lost:
            log.warning("device %s answers again after %d failed polls", device.name, slot.failures)
        self._schedule.answered(slot, groups, time.monotonic())

    def _failed(self, slot: Slot, groups: Sequence[Group], error: DriverError, started_s: float) -> None:
        device, absent = slot.device, isinstance(error, NotPresent)
        was_lost = slot.lost
        self._schedule.failed(
            slot, groups, error.reason, absent=absent, started_s=started_s, now_s=time.monotonic()
        )  # fmt: skip
        if slot.lost and not was_lost:
            log.warning("device %s is lost: %s", device.name, error.reason)
        self._line(error.reason if absent else "")
        if (absent or slot.lost) and started_s - slot.told_lost_s >= device.period_s:
            slot.told_lost_s = started_s
            self._core.lost(device.name, error.reason, time.monotonic_ns())

    def _line(self, reason: str) -> None:
        """Tell the core when the line is lost or back."""
        if self._bus is not None and reason != self._line_fault:
            self._line_fault = reason
            self._core.bus_state(self.name, reason, time.monotonic_ns())

    def _burst(self) -> None:
        self._schedule.burst(self._core.bursts.period_s, time.monotonic())
        self._stirred.set()
