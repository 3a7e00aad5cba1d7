"""A guard while it runs: its tasks, how they start and how they end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from agent import __version__
from agent.guard.answers import control_of
from agent.guard.assemble import Guard
from agent.guard.control import Control
from agent.guard.poll import BusPoller
from agent.guard.speak import texts_to_prepare
from agent.guard.supervise import Backoff, Progress
from agent.guard.watchdog import notify, watch
from agent.records import Record
from agent.site.model import DeviceConfig
from drivers.buses import open_bus

log = logging.getLogger("tocsin.guard")

JIT_AFTER_S = 2.0  # the first polls come before any compile
LOOK_S = 5.0
DATE_JUMP_S = 1.0  # less is the clock's own drift and correction
TICK_LONGEST_S = 1.0
CLOSE_S = 5.0
CONTROL_RETRY_S = 30.0


async def run(guard: Guard, *, with_link: bool, jit: bool = True) -> None:
    """Guard until SIGTERM or SIGINT. A bug in the core ends the process: its restart is quicker than its repair."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await _guard(guard, stop, with_link=with_link, jit=jit)
        guard.core.event("stop", {"reason": "asked to"}, time.monotonic_ns())
    finally:
        # Also after a bug in the core: what it still knew is written before the process ends.
        guard.builder.close()
        guard.journal.close(CLOSE_S)


async def _guard(guard: Guard, stop: asyncio.Event, *, with_link: bool, jit: bool) -> None:
    loop, site, core = asyncio.get_running_loop(), guard.site, guard.core
    guard.speech.report = lambda reason: core.other_fault("speech", reason, time.monotonic_ns())
    guard.journal.on_fault = lambda *told: _soon(loop, partial(_journal_fault, guard, *told))
    guard.journal.catalogue(list(site.points))
    async with AsyncExitStack() as stack:
        # All at once: hosts that are not there must not make those wait that are.
        opening = (stack.enter_async_context(open_bus(bus.name, bus.section)) for bus in site.buses.values())
        guard.lines.update(zip(site.buses, await asyncio.gather(*opening), strict=True))
        _make_pollers(guard)
        control = control_of(guard)
        core.recorder.follow = partial(_follow, guard, control)
        _started(guard)
        steps = Progress("judgement", 10.0)
        parts = [*(p.progress for p in guard.pollers), *(a.progress for a in guard.annunciators.values()), steps]
        async with asyncio.TaskGroup() as group:
            endless = [
                *(poller.run() for poller in guard.pollers),
                *(annunciator.run() for annunciator in guard.annunciators.values()),
                _tick(guard, steps),
                _look_around(guard),
                *([_compile(guard)] if jit else []),
                _serve(guard, control),
                watch(parts),
                *([_link_child(guard)] if with_link and site.uplink is not None else []),
            ]
            tasks = [group.create_task(each) for each in endless]
            guard.speech.prepare(texts_to_prepare(site))
            # Rules, tables and modules stay for good; the collector need not walk them while an alarm waits.
            gc.collect()
            gc.freeze()
            notify("READY=1\nSTATUS=guarding")
            await stop.wait()
            notify("STOPPING=1")
            for task in tasks:
                task.cancel()
    await guard.speech.close()


def _follow(guard: Guard, control: Control, record: Record) -> None:
    guard.history.append(record)
    control.publish(record)


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """From another thread: have the loop call it."""
    loop.call_soon_threadsafe(call)


def _make_pollers(guard: Guard) -> None:
    """One for each bus; a device without a bus has one of its own, so that no other waits for it."""
    shared: dict[str, list[DeviceConfig]] = {}
    for device in guard.site.devices.values():
        shared.setdefault(device.bus or f"{device.name} (no bus)", []).append(device)
    guard.pollers += [BusPoller(name, guard.lines.get(name), group, guard.core) for name, group in shared.items()]


def _started(guard: Guard) -> None:
    mono_ns, site, core = time.monotonic_ns(), guard.site, guard.core
    body = {
        "version": __version__,
        "site_digest": site.digest,
        "rules": site.ruleset.digest,
        "timezone": site.timezone,
        "python": sys.version.split()[0],
        "warnings": [str(problem) for problem in site.warnings],
    }
    core.event("start", body, mono_ns)
    core.keep_image(mono_ns)  # as it was restored, before anything is judged
    if guard.site_fault:
        core.other_fault("site-file", guard.site_fault, mono_ns)
    core.assert_all(mono_ns)


async def _tick(guard: Guard, progress: Progress) -> None:
    """Run the core's timers, and prove each second that it still judges."""
    core, moved = guard.core, asyncio.Event()
    core.due_changed = moved.set
    while True:
        moved.clear()
        due_s = core.deadline_mono_s
        wait_s = TICK_LONGEST_S if due_s is None else min(due_s - time.monotonic(), TICK_LONGEST_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait_s)):
                await moved.wait()
        due_s = core.deadline_mono_s
        if due_s is not None and time.monotonic() >= due_s:
            core.tick(time.monotonic_ns())
        progress.made()


async def _look_around(guard: Guard) -> None:
    """Look now and then at what tells nothing by itself: the wall clock, and whether the journal still lives."""
    while True:
        _look_at_journal(guard, time.monotonic_ns())
        if guard.clock.look():
            mono_ns = time.monotonic_ns()
            guard.journal.anchor(guard.clock.stamp(mono_ns))
            guard.core.event("clock", {"clock": "trusted"}, mono_ns)
        _tell_date(guard)
        if guard.journal.wants_image():
            guard.core.keep_image(time.monotonic_ns())
        await asyncio.sleep(LOOK_S)


def _tell_date(guard: Guard) -> None:
    """Where a rule goes by the time of day: tell the judge what local time is, once it is known and when it jumps."""
    core, clock, mono_ns = guard.core, guard.clock, time.monotonic_ns()
    if not core.keeps_calendar or clock.trust != "trusted":
        return
    wall_s = clock.stamp(mono_ns).wall_ns * 1e-9
    local = datetime.fromtimestamp(wall_s, ZoneInfo(guard.site.timezone)).utcoffset() or timedelta()
    offset_s = round(wall_s + local.total_seconds() - clock.judgement_s(mono_ns), 1)
    if guard.wall_offset_s is None or abs(offset_s - guard.wall_offset_s) > DATE_JUMP_S:
        guard.wall_offset_s = offset_s
        core.dated(offset_s, mono_ns)


async def _compile(guard: Guard) -> None:
    """Let a child process build the rules; until and unless it succeeds, the twin judges."""
    await asyncio.sleep(JIT_AFTER_S)
    guard.builder.start()
    while True:
        result = guard.builder.poll()
        if result is not None and result.state != "building":
            break
        await asyncio.sleep(0.25)
    if result.kernels is not None:
        guard.core.judge.use(result.kernels)
        guard.judging = "jit"
    else:
        guard.judging = f"twin: {result.reason}"
    log.info("judging with %s after %.1f s", guard.judging, result.seconds)
    guard.core.event("config", {"judging": guard.judging, "seconds": round(result.seconds, 2)}, time.monotonic_ns())
    await asyncio.Event().wait()


async def _serve(guard: Guard, control: Control) -> None:
    """Keep the control socket open; without it nobody is answered, and guarding goes on."""
    while True:
        try:
            await control.run()
        except OSError as error:
            reason = f"{guard.places.socket}: {error}"
            log.error("the control socket can't be served: %s", reason)  # noqa: TRY400
            guard.core.other_fault("control", reason, time.monotonic_ns())
            await asyncio.sleep(CONTROL_RETRY_S)
            guard.core.other_fault("control", "", time.monotonic_ns())


async def _link_child(guard: Guard) -> None:
    """Keep the link running as a child where no systemd does; its end costs guarding nothing."""
    backoff = Backoff(1.0, 60.0)
    where = [str(guard.site_path), "--state", str(guard.places.state), "--socket", str(guard.places.socket)]
    while True:
        started_s = time.monotonic()
        command = (sys.executable, "-m", "agent.link", *where, "--child-of", str(os.getpid()))
        try:
            child = await asyncio.create_subprocess_exec(*command, start_new_session=True)
        except OSError as error:  # no memory or no process left: guarding needs neither
            guard.core.other_fault("link", f"can't be started: {error.strerror}", time.monotonic_ns())
            await backoff.wait()
            continue
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                child.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await child.wait()
            with suppress(ProcessLookupError):
                child.kill()
            raise
        if time.monotonic() - started_s > 60.0:
            backoff.success()
        guard.core.other_fault("link", f"ended with code {code}, started again", time.monotonic_ns())
        await backoff.wait()
        guard.core.other_fault("link", "", time.monotonic_ns())


def _journal_fault(guard: Guard, kind: str, details: dict[str, Any]) -> None:
    mono_ns = time.monotonic_ns()
    guard.core.event("store", {"event": kind, **details}, mono_ns)
    _look_at_journal(guard, mono_ns)


def _look_at_journal(guard: Guard, mono_ns: int) -> None:
    """Tell what of the journal can't be relied on; a thread that died is started again, with all it had in memory."""
    told = guard.journal.status()
    bad = [f"{name}: {entry.state}" for name, entry in told.files.items() if entry.state != "ok"]
    if told.state == "stopped":
        bad = ["its thread died"]
        guard.journal.start()
    guard.core.other_fault("store", "; ".join(bad), mono_ns)
