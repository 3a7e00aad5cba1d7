"""The one place where guard's objects are built and joined. Starts nothing but the journal."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.config import ConfigErrors, Site, keep_good, load_good, load_site
from agent.guard.annunciate import Annunciator, SwitchAnnunciator
from agent.guard.clock import Clock
from agent.guard.core import Core
from agent.guard.poll import BusPoller
from agent.guard.speak import VoiceAnnunciator
from agent.guard.speech import Speech
from agent.journal.journal import Journal
from agent.records import Record
from agent.site.model import OutputConfig
from drivers.modbus import ModbusLine
from drivers.rawline import RawLine
from rules.engine.build import Builder
from rules.judge import Judge

log = logging.getLogger("tocsin.guard")

KEEP_LIMITS_S = 1.0
RECENT = 200  # records kept in memory for questions


@dataclass(frozen=True, slots=True)
class Places:
    """Where a running agent keeps what it keeps."""

    state: Path  # journal, last good site file
    cache: Path  # compiled rules, rendered speech: may vanish at any time
    socket: Path


def load_or_last_good(path: Path, state: Path) -> tuple[Site, str]:
    """The site as written, or the last good copy with the reason. Raises ConfigErrors when there is neither."""
    try:
        return load_site(path), ""
    except (ConfigErrors, OSError) as error:
        good = load_good(state / "site")
        if good is None:
            raise
        log.error("the site file can't be used, guarding goes on with the last good copy:\n%s", error)  # noqa: TRY400
        return good, f"site file refused, running on the last good copy: {error}"


@dataclass(slots=True)
class Guard:
    """Everything that runs in the guard process."""

    site: Site
    site_fault: str
    places: Places
    journal: Journal
    clock: Clock
    core: Core
    builder: Builder
    speech: Speech
    annunciators: dict[str, Annunciator]
    site_path: Path
    lines: dict[str, ModbusLine | RawLine] = field(default_factory=dict)
    pollers: list[BusPoller] = field(default_factory=list)
    histories: dict[str, Any] = field(default_factory=dict)  # of outputs' limits, so that a restart resets no count
    history: deque[Record] = field(default_factory=lambda: deque(maxlen=RECENT))  # for who asks, without the disk
    link: dict[str, Any] = field(default_factory=dict)  # what the link process last said of itself
    judging: str = "twin"
    wall_offset_s: float | None = None  # of local time to judgement time, as the judge was told
    started_mono_ns: int = field(default_factory=time.monotonic_ns)


def assemble(site_path: Path, places: Places) -> Guard:
    """Build a guard from its site file and what survived of the last one. Nothing is opened yet but the journal."""
    places.state.mkdir(parents=True, exist_ok=True)
    site, fault = load_or_last_good(site_path, places.state)
    clock = Clock()
    clock.look()
    journal = Journal(
        places.state,
        site=site.id,
        boot_id=clock.boot,
        critical_quota_bytes=site.storage.critical_bytes,
        telemetry_quota_bytes=site.storage.telemetry_bytes,
    )
    journal.start()
    annunciators: dict[str, Annunciator] = {}
    core = _core(site, clock, journal, annunciators)
    builder, speech = Builder(site.ruleset.tables, places.cache / "rules"), Speech(places.cache / "speech")
    guard = Guard(site, fault, places, journal, clock, core, builder, speech, annunciators, site_path)
    for config in site.outputs.values():
        annunciators[config.name] = _annunciator(guard, config)
    _recall(guard)
    if not fault:
        with suppress(OSError):  # a full or read-only disk stops no guarding; the journal tells of it
            keep_good(site, places.state / "site")
    return guard


def _core(site: Site, clock: Clock, journal: Journal, annunciators: dict[str, Annunciator]) -> Core:
    mono_ns = time.monotonic_ns()
    judge = Judge(site.ruleset, clock.judgement_s(mono_ns))
    return Core(site, judge, clock, journal, listeners=annunciators, mono_ns=mono_ns)


def _recall(guard: Guard) -> None:
    """Take back what survived the last process: timers, latches, alarms, windows, the limits' counts."""
    journal = guard.journal
    if (limits := journal.recall("limits")) is not None:
        with suppress(ValueError):
            guard.histories.update(json.loads(limits))
    judgement, windows = journal.recall("judgement"), journal.recall("windows")
    if judgement is None:
        return
    try:
        guard.core.restore(judgement, windows, time.monotonic_ns())
    except (ValueError, KeyError, TypeError) as error:
        log.error("what survived of the last run can't be used, starting fresh: %s", error)  # noqa: TRY400
        guard.clock.shift_ns = 0
        guard.core = _core(guard.site, guard.clock, journal, guard.annunciators)
        guard.core.event("start", {"what": "state", "reason": f"not restored: {error}"}, time.monotonic_ns())


def _annunciator(guard: Guard, config: OutputConfig) -> Annunciator:
    def report(output: str, event: str, details: dict[str, Any]) -> None:
        guard.core.output_event(output, event, details, time.monotonic_ns())

    def connect() -> Any:
        bus = guard.lines.get(config.bus) if config.bus else None
        opening = config.driver.connect(config.name, config.section, bus, config.limits, config.base)
        return _counted(guard, config.name, opening)

    if config.speaks:
        return VoiceAnnunciator(config, connect, report, guard.speech, guard.site)
    return SwitchAnnunciator(config, connect, report)


@asynccontextmanager
async def _counted(guard: Guard, name: str, opening: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """An opened output whose limits go on counting where the last process left off."""
    async with opening as output:
        if name in guard.histories:
            try:
                output.resume(guard.histories[name])
            except ValueError as error:
                log.warning("output %s: %s", name, error)

        pending: list[asyncio.TimerHandle] = []

        def keep() -> None:
            pending.clear()
            guard.histories[name] = output.history()
            guard.journal.keep("limits", json.dumps(guard.histories).encode())

        def changed() -> None:
            if not pending:  # a pattern changes it twice a second: the card is spared, a second is all that can be lost
                pending.append(asyncio.get_running_loop().call_later(KEEP_LIMITS_S, keep))

        output.changed = changed
        try:
            yield output
        finally:
            for timer in pending:
                timer.cancel()
            keep()
