"""What a running guard tells of itself, as JSON. Reads everything, changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from agent.explain.times import iso, zone_of
from agent.guard.annunciate import Annunciator
from agent.guard.core import Core
from agent.guard.poll import BusPoller
from agent.guard.schedule import Slot
from drivers.causes import LINE, Cause, causes_of
from drivers.health import LineHealth
from rules.alarm import Alarm


def age_s(mono_ns: int) -> float | None:
    """Seconds since a monotonic time; None for never."""
    return round((time.monotonic_ns() - mono_ns) * 1e-9, 3) if mono_ns else None


def points(core: Core) -> dict[str, Any]:
    """Every point's newest reading, and how old the newest usable one is."""
    result = {}
    for index, name in enumerate(core.site.points):
        reading = core.recorder.reading(index)
        reading.pop("mono_ns")
        reading["age_s"] = age_s(reading.pop("usable_mono_ns"))
        reading["baseline"] = core.judge.baseline(index)
        states = core.site.points[name].states
        reading["state"] = next((word for word, code in states.items() if code == reading["value"]), None)
        result[name] = reading
    return result


def alarms(core: Core) -> dict[str, Any]:
    """Every hazard alarm, and every equipment alarm that is not normal."""
    result = {}
    for alarm in core.book.alarms.values():
        config = core.site.alarms.get(alarm.name)
        if config is not None:
            names = ("normal", *(rule.level for rule in config.rule.levels))
            result[alarm.name] = {"title": dict(config.title), "level": names[alarm.level], **_alarm(core, alarm)}
            result[alarm.name] |= {"zone": config.zone, "hazard": config.hazard, "shadow": config.shadow}
            result[alarm.name] |= {"model": config.model.model.name if config.model else None}
            if config.shadow:
                result[alarm.name] |= {"withheld": "shadow", "trial": _trial(core, alarm.name)}
        elif alarm.level or alarm.state != "normal":
            level = "fault" if alarm.level else "normal"
            result[alarm.name] = {
                "title": {},
                "level": level,
                **_alarm(core, alarm),
                "why": core.equipment.why(alarm.name),
            }
    return result


def _trial(core: Core, alarm: str) -> dict[str, Any] | None:
    """What an alarm on trial would have done, its latest activation in the site's local time."""
    told = core.shadows.tell(alarm, core.now_s)
    if told is not None and told["last"] is not None:
        last = dict(told["last"])
        told["last"] = {"at": iso(last.pop("wall_ns"), zone_of(core.site.timezone)), **last}
    return told


def _alarm(core: Core, alarm: Alarm) -> dict[str, Any]:
    since_s = core.now_s - alarm.since_s
    return {
        "rank": alarm.level,
        "state": alarm.state.value,
        "since_s": round(since_s, 3) if alarm.activations else None,
        "withheld": alarm.withheld,
        "activations": alarm.activations,
        "chattering": core.book.chattering(alarm.name),
    }


def outputs(annunciators: Mapping[str, Annunciator]) -> dict[str, Any]:
    """Every output: what is wanted, what was written, whether it is confirmed, what is wrong."""
    result = {}
    for name, annunciator in annunciators.items():
        state = asdict(annunciator.state)
        state["since_s"] = age_s(state.pop("since_mono_ns"))
        state["title"] = dict(annunciator.config.title)
        result[name] = state
    return result


def buses(pollers: Iterable[BusPoller], lines: Mapping[str, Any]) -> dict[str, Any]:
    """Every bus: its line, and every device's place in the schedule."""
    result = {}
    for poller in pollers:
        entry: dict[str, Any] = {"devices": {slot.device.name: _slot(slot) for slot in poller.slots}}
        health = getattr(lines.get(poller.name), "health", None)
        if health is not None:
            causes = causes_of(health, time.monotonic_ns())
            told = {unit_id: _told(cause) for unit_id, cause in causes.items()}
            entry |= {"open": health.is_open, "reason": health.reason, "units": _units(health, told)}
            entry |= {"cause": told.get(LINE), "stray_bytes": health.stray_bytes}
            entry["foreign"] = {
                "requests": health.foreign_requests,
                "replies": health.foreign_replies,
                "broadcasts": health.broadcasts,
                "units": sorted(health.foreign_units),
                "age_s": age_s(health.foreign_mono_ns or 0),
            }
        result[poller.name] = entry
    return result


def _slot(slot: Slot) -> dict[str, Any]:
    gaps = [later - earlier for earlier, later in pairwise(slot.recent_s)]
    return {
        "period_s": slot.period_s,
        "kept_period_s": round(median(gaps), 4) if gaps else None,
        "polls": slot.polls,
        "ok": slot.ok,
        "failures_in_a_row": slot.failures,
        "fault": slot.fault,
        "age_s": age_s(slot.last_ok_mono_ns),
    }


def _told(cause: Cause) -> dict[str, Any]:
    return {"code": cause.code, "text": dict(cause.text), "look": dict(cause.look)}


def _units(health: LineHealth, causes: Mapping[int, Any]) -> dict[str, Any]:
    counters: tuple[str, ...] = (
        "requests",
        "ok",
        "timeouts",
        "crc_errors",
        "wrong_unit",
        "wrong_function",
        "wrong_length",
    )
    counters += ("other_faults", "exceptions", "late", "retries", "last_error")
    return {
        str(unit_id): {name: getattr(unit, name) for name in counters}
        | {"median_s": unit.median_s, "p99_s": unit.p99_s, "cause": causes.get(unit_id)}
        for unit_id, unit in health.units.items()
    }


def plain(value: Any) -> Any:
    """A dataclass, mapping or sequence as JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(entry) for key, entry in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value
