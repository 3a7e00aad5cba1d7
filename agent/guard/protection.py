"""What is protected and what is not: for each hazard and zone protected, degraded or blind, and why. Pure."""

from __future__ import annotations

from typing import Any

from agent.guard.equipment import Equipment
from agent.site.model import AlarmConfig, Site
from rules.alarm import AlarmBook
from rules.judge import Judge
from rules.model import Truth

PROTECTED, DEGRADED, BLIND = "protected", "degraded", "blind"


def coverage(site: Site, judge: Judge, book: AlarmBook, equipment: Equipment) -> list[dict[str, Any]]:
    """One entry an alarm: alarm, hazard, zone, status, why (list of reasons, empty when protected)."""
    return [_entry(site, alarm, judge, book, equipment) for alarm in site.alarms.values()]


def _entry(site: Site, alarm: AlarmConfig, judge: Judge, book: AlarmBook, equipment: Equipment) -> dict[str, Any]:
    sensing, sensing_why = _sensing(site, alarm, judge, equipment)
    sounding, sounding_why = _sounding(site, alarm, equipment)
    withheld = "shadow: judged but never sounded" if alarm.shadow else book[alarm.name].withheld
    worst = max((sensing, sounding, BLIND if withheld else PROTECTED), key=(PROTECTED, DEGRADED, BLIND).index)
    return {
        "alarm": alarm.name,
        "hazard": alarm.hazard,
        "zone": alarm.zone,
        "status": worst,
        "why": [*([withheld] if withheld else []), *sensing_why, *sounding_why],
    }


def _sensing(site: Site, alarm: AlarmConfig, judge: Judge, equipment: Equipment) -> tuple[str, list[str]]:
    names = list(site.points)
    used = sorted(site.ruleset.used_points(alarm.index))
    why = [f"{names[i]}: {equipment.point_fault(i)}" for i in used if equipment.point_fault(i)]
    if not why:
        return PROTECTED, []
    # A vote or an `or` may still decide without the lost point: then protection is degraded, not gone.
    truths = [Truth[level["truth"].upper()] for level in judge.explain(alarm.index)]
    blind = len(why) == len(used) or all(truth is Truth.UNKNOWN for truth in truths)
    return (BLIND if blind else DEGRADED), why


def _sounding(site: Site, alarm: AlarmConfig, equipment: Equipment) -> tuple[str, list[str]]:
    if alarm.plan is None:
        return BLIND, ["no response plan: nothing would sound"]
    plan = site.plans[alarm.plan]
    outputs = dict.fromkeys(action.output for actions in plan.levels.values() for action in actions)
    why = [f"{name}: {equipment.output_fault(name)}" for name in outputs if equipment.output_fault(name)]
    if not why:
        return PROTECTED, []
    audible = [name for name in outputs if site.outputs[name].audible]
    silent = audible and all(equipment.output_fault(name) for name in audible)
    return (BLIND if silent else DEGRADED), why
