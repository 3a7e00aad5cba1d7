"""What a running guard answers on its socket, and what operators may have it do."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from agent import __version__
from agent.guard import status
from agent.guard.assemble import Guard
from agent.guard.control import Control, Refusal, Request, seconds_of, text_of
from agent.guard.core import Core
from agent.guard.traced import trace
from agent.journal.blobs import record_line
from rules.units import UnitError, quantity

DURABLE_WITHIN_S = 2.0  # an operator is answered no later, whatever the disk does


def control_of(guard: Guard) -> Control:
    """The socket of a guard: who may ask what, and what operators may do."""
    asks: dict[str, Callable[[Request], Any]] = {
        "status": lambda _: describe(guard),
        "points": lambda _: status.points(guard.core),
        "alarms": lambda _: status.alarms(guard.core),
        "catalogue": lambda _: _catalogue(guard),
        "device": partial(_device, guard),
        "rules": lambda _: _rules(guard),
        "explain": partial(_explain, guard),
        "history": partial(_history, guard),
        "trace": partial(trace, guard),
    }
    reports = {"link": partial(_hear_link, guard)}
    acts = {act: partial(_act, guard, act) for act in ("ack", "reset", "unshelve", "return-to-service")}
    acts |= {act: partial(_act, guard, act) for act in ("shelve", "silence", "out-of-service")}
    acts["rezero"] = partial(_rezero, guard)
    return Control(guard.places.socket, asks, acts, reports, durable=partial(_durable, guard))


async def _durable(guard: Guard) -> bool:
    try:
        async with asyncio.timeout(DURABLE_WITHIN_S):
            await asyncio.wrap_future(guard.journal.durable())
    except TimeoutError:
        return False
    return True


def _act(guard: Guard, act: str, request: Request, who: str) -> Any:
    alarm, mono_ns = text_of(request, "alarm"), time.monotonic_ns()
    why = text_of(request, "why") if act in {"shelve", "out-of-service"} else ""
    for_s = seconds_of(request, "for_s") if act in {"shelve", "silence"} else 0.0
    guard.core.operate(act, alarm, who, mono_ns, why=why, for_s=for_s)
    return status.alarms(guard.core).get(alarm, {"level": "normal", "state": "normal"})


def _rezero(guard: Guard, request: Request, who: str) -> Any:
    """A point's baseline becomes its present reading, or the value given with its unit."""
    name, why, given = text_of(request, "point"), text_of(request, "why"), request.get("value")
    point, value = guard.site.points.get(name), None
    if point is not None and given is not None:
        try:
            value = quantity(text_of(request, "value"), point.unit)
        except UnitError as error:
            raise Refusal(f"the value of {name}: {error.message} {error.hint}".strip()) from error
    return guard.core.rezero(name, value, who, why, time.monotonic_ns())


def _explain(guard: Guard, request: Request) -> Any:
    """Why an alarm of the site is where it is now."""
    name, alarms = text_of(request, "alarm"), guard.site.alarms
    if name not in alarms:
        raise Refusal(f"no alarm of the site is called {name!r}; there are: {', '.join(alarms)}")
    return explanation(guard.core, name, time.monotonic_ns())


def explanation(core: Core, name: str, mono_ns: int) -> dict[str, Any]:
    """Where an alarm stands now, what decides it, as its record would say it, and what withholds it."""
    alarm, state = core.site.alarms[name], core.book[name]
    withheld = "shadow" if alarm.shadow else state.withheld or ("" if alarm.plan else "no plan")
    return {
        "alarm": name,
        "title": dict(alarm.title),
        "level": state.level,
        "level_name": core.recorder.level_name(name, state.level),
        "state": state.state.value,
        "activations": state.activations,
        "withheld": withheld,
        "who": state.who if state.withheld else "",
        "reason": (state.reason or state.suppressed_by) if state.withheld else "",
        "model": alarm.model.model.name if alarm.model else None,
        "decided_by": core.judge.explain(alarm.index),
        "readings": core.recorder.readings(name),
        "stamp": asdict(core.clock.stamp(mono_ns)),
        "timezone": core.site.timezone,
    }


def _hear_link(guard: Guard, request: Request, _who: str) -> Any:
    """The link's own state, and what the platform has: the journal may give up that first when room ends."""
    state = request.get("state")
    if not isinstance(state, dict):
        raise Refusal(f"'state' must be an object; got {state!r}")
    guard.link = {**state, "heard_mono_ns": time.monotonic_ns()}
    newest = {file.epoch: file.last_seq for file in guard.journal.status().files.values()}
    for entry in state.get("delivered") or []:
        epoch, upto = (entry.get("epoch"), entry.get("upto")) if isinstance(entry, dict) else (None, None)
        if epoch in newest and isinstance(upto, int) and not isinstance(upto, bool) and upto > 0:
            guard.journal.delivered(str(epoch), min(upto, newest[epoch]))
    return "heard"


def describe(guard: Guard) -> dict[str, Any]:
    """The whole state of a running guard."""
    site, core = guard.site, guard.core
    link = dict(guard.link)
    heard_mono_ns = link.pop("heard_mono_ns", 0)
    return {
        "site": {"id": site.id, "name": dict(site.name), "digest": site.digest, "fault": guard.site_fault},
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": status.age_s(guard.started_mono_ns),
        "clock": guard.clock.trust,
        "judging": guard.judging,
        "rules": site.ruleset.digest,
        "steps": core.steps,
        "points": status.points(core),
        "alarms": status.alarms(core),
        "outputs": status.outputs(guard.annunciators),
        "protection": core.protection,
        "buses": status.buses(guard.pollers, guard.lines),
        "journal": status.plain(guard.journal.status()),
        "uplink": {**link, "age_s": status.age_s(heard_mono_ns)} if site.uplink else None,
    }


def _device(guard: Guard, request: Request) -> Any:
    """One device: how it is read, its points with their newest readings, its place in the schedule, its line."""
    name, devices = text_of(request, "id"), guard.site.devices
    if name not in devices:
        raise Refusal(f"no device is called {name!r}; there are: {', '.join(devices)}")
    device = devices[name]
    bus = next(b for b in status.buses(guard.pollers, guard.lines).values() if name in b["devices"])
    return {
        "driver": device.driver_name,
        "bus": device.bus,
        "zone": device.zone,
        "title": dict(device.title),
        "fault": guard.core.equipment.device_fault(name),
        "points": {point: entry for point, entry in status.points(guard.core).items() if point in device.points},
        "schedule": bus["devices"][name],
        "line": bus.get("units", {}).get(str(device.description.unit_id)),
        "notes": list(device.description.notes),
    }


def _rules(guard: Guard) -> Any:
    """Every alarm's levels with their conditions, delays, and what is true of them now and why."""
    core = guard.core
    return {
        "digest": guard.site.ruleset.digest,
        "alarms": {alarm.name: core.judge.explain(alarm.index) for alarm in guard.site.alarms.values()},
    }


def _history(guard: Guard, request: Request) -> Any:
    """The newest records that guard still has in memory, oldest first; `args.last` of them, all by default.

    Older ones are in the journal: the platform asks for them by number.
    """
    args = request.get("args") or {}
    last = args.get("last", len(guard.history)) if isinstance(args, dict) else None
    if not isinstance(last, int) or isinstance(last, bool) or last < 0:
        raise Refusal(f"'last' must be a number of records; got {last!r}")
    newest = list(guard.history)
    return [json.loads(record_line(record)) for record in newest[max(0, len(newest) - last) :]]


def _catalogue(guard: Guard) -> dict[str, Any]:
    """What the platform is told at birth: devices, points, outputs, alarms, digests."""
    site = guard.site
    return {
        "name": dict(site.name),
        "version": __version__,
        "boot": guard.clock.boot,
        "clock": guard.clock.trust,
        "site_digest": site.digest,
        "rules": site.ruleset.digest,
        "levels": list(site.levels),
        "devices": {d.name: {"driver": d.driver_name, "bus": d.bus, "zone": d.zone} for d in site.devices.values()},
        "points": {
            p.name: {"unit": p.unit, "low": p.low, "high": p.high, "kind": p.kind} for p in site.points.values()
        },
        "outputs": {
            o.name: {"title": dict(o.title), "zone": o.zone, "speaks": o.speaks} for o in site.outputs.values()
        },
        "alarms": {
            a.name: {"title": dict(a.title), "zone": a.zone, "levels": [rule.level for rule in a.rule.levels]}
            for a in site.alarms.values()
        },
    }
