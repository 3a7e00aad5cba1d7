"""One task per bus: whose turn it is, how long a dead unit is left alone, and every reply straight into the core.

Keeps to at most one outstanding poll per device. Dead units together cost a capped share of the line's time, so that
the others keep their periods; a unit that answers again is back at its period at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from agent.guard.core import Core
from agent.guard.supervise import EdgeFault, Progress, contained
from agent.site.model import DeviceConfig
from drivers.api import DriverError, Instrument, NotPresent, Quality, Reading

log = logging.getLogger("tocsin.poll")

LOST_AFTER = 3  # failed polls in a row
DEAD_SHARE = 0.04  # of the line's time for all dead units together
ALL_DEAD_SHARE = 0.25  # where no unit is left to be disturbed but outputs, whose writes go first
PROBE_S = 30.0  # a dead unit is asked at least so often, times the number of dead units
SHOW_S = 1.0
POLL_S = 7.0  # longest time a whole poll may take before it is a driver's bug
ABSENT_RETRY_S = 0.5  # a missing port costs no line time; it is looked for often


@dataclass(slots=True)
class Slot:
    """One device's place in its bus's schedule."""

    device: DeviceConfig
    due_mono_s: float
    instrument: Instrument | None = None
    failures: int = 0  # in a row
    fault: str = ""
    polls: int = 0
    ok: int = 0
    last_ok_mono_ns: int = 0
    told_lost_s: float = -math.inf
    recent_s: list[float] = field(default_factory=list)  # starts of the latest polls, for the period that was kept


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


def _arrival_mono_ns(readings: Sequence[Reading]) -> int:
    """When the poll's reply had arrived; never in the future, nor so long ago that it can't be this poll's."""
    now_mono_ns = time.monotonic_ns()
    arrived_mono_ns = readings[0].mono_ns if readings else now_mono_ns
    return arrived_mono_ns if 0 <= now_mono_ns - arrived_mono_ns <= POLL_S * 1e9 else now_mono_ns


class BusPoller:
    """The schedule of one bus. `bus` is the open line, or None for devices that need none."""

    def __init__(self, name: str, bus: Any, devices: Sequence[DeviceConfig], core: Core) -> None:
        now_s = time.monotonic()
        self.name = name
        self.slots = [Slot(device, now_s) for device in devices]
        self.progress = Progress(f"bus {name}", POLL_S + 4 * SHOW_S)
        self._bus, self._core = bus, core
        self._line_fault = ""

    async def run(self) -> None:
        """Poll until cancelled."""
        async with AsyncExitStack() as stack:
            while self.slots:
                slot = min(self.slots, key=lambda s: s.due_mono_s)
                wait_s = slot.due_mono_s - time.monotonic()
                if wait_s > 0:  # however long until somebody's turn, the schedule itself shows that it runs
                    await asyncio.sleep(min(wait_s, SHOW_S))
                else:
                    await self._poll(slot, stack)
                self.progress.made()

    async def _poll(self, slot: Slot, stack: AsyncExitStack) -> None:
        device, started_s = slot.device, time.monotonic()
        slot.polls += 1
        slot.recent_s = [*slot.recent_s[-19:], started_s]
        try:
            if slot.instrument is None:
                opening = device.driver.connect(device.name, device.section, self._bus, device.base)
                entering = stack.enter_async_context(opening)
                slot.instrument = await contained(f"device {device.name}", entering, POLL_S)
            readings = checked(device, await contained(f"device {device.name}", slot.instrument.poll(), POLL_S))
        except DriverError as error:
            self._failed(slot, error, started_s)
            return
        self._line("")
        self._core.ingest(device.name, readings, _arrival_mono_ns(readings))
        slot.ok += 1
        slot.last_ok_mono_ns = time.monotonic_ns()
        if slot.failures >= LOST_AFTER:
            log.warning("device %s answers again after %d failed polls", device.name, slot.failures)
        slot.failures, slot.fault, slot.told_lost_s = 0, "", -math.inf
        self._again(slot, device.period_s)

    def _failed(self, slot: Slot, error: DriverError, started_s: float) -> None:
        device = slot.device
        slot.failures += 1
        slot.fault = error.reason
        if slot.failures == LOST_AFTER:
            log.warning("device %s is lost: %s", device.name, error.reason)
        absent = isinstance(error, NotPresent)
        self._line(error.reason if absent else "")
        if (absent or slot.failures >= LOST_AFTER) and started_s - slot.told_lost_s >= device.period_s:
            slot.told_lost_s = started_s
            self._core.lost(device.name, error.reason, time.monotonic_ns())
        if absent:
            self._again(slot, min(device.period_s, ABSENT_RETRY_S))
        elif slot.failures < LOST_AFTER:
            self._again(slot, device.period_s)
        else:
            # After a failure the line also stays quiet for the slowest reply, which is lost to the others too.
            cost_s = time.monotonic() - started_s + max(s.device.description.max_reply_s for s in self.slots)
            dead = sum(s.failures >= LOST_AFTER for s in self.slots)
            share = DEAD_SHARE if dead < len(self.slots) else ALL_DEAD_SHARE
            self._again(slot, max(device.period_s, dead * min(cost_s / share, PROBE_S)))

    def _line(self, reason: str) -> None:
        """Tell the core when the line is lost or back."""
        if self._bus is not None and reason != self._line_fault:
            self._line_fault = reason
            self._core.bus_state(self.name, reason, time.monotonic_ns())

    @staticmethod
    def _again(slot: Slot, after_s: float) -> None:
        """Keep to the grid of the period; turns that were missed are not made up for."""
        slot.due_mono_s = max(slot.due_mono_s + after_s, time.monotonic())
