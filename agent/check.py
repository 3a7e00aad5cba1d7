"""`tocsin check`: everything that can be known of a site before start, for people and for machines. Opens no line."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.site.load import load_site
from agent.site.model import AlarmConfig, ModelUse, OutputConfig, PointConfig, Site
from agent.site.problems import ConfigErrors, Problem

OK, BAD_INPUT = 0, 2  # exit codes


@dataclass(frozen=True, slots=True)
class Dependence:
    """What one hazard in one zone is watched with and warned by."""

    hazard: str
    zone: str  # "" for the whole site
    alarms: tuple[str, ...]
    devices: tuple[str, ...]
    buses: tuple[str, ...]
    outputs: tuple[str, ...]  # audible, alternates included
    weak: tuple[str, ...]  # in words: what alone decides whether anybody is warned


def check(path: Path, console: Console, *, json: bool = False) -> int:
    """Check the site at `path`; problems go to stderr as `file:line: key: message`, the rest to `console`.

    With `json` everything goes to `console` as one document. Returns 0, or 2 when the site can't be used.
    """
    try:
        site = load_site(path)
    except ConfigErrors as errors:
        if json:
            _print_json(console, None, errors.problems, errors.warnings)
        else:
            _tell(errors.warnings)
            _tell(errors.problems)
            count = len(errors.problems)
            sys.stderr.write(f"{path}: {count} {'error' if count == 1 else 'errors'}; the site can't be used\n")
        return BAD_INPUT
    if json:
        _print_json(console, site, (), site.warnings)
        return OK
    _tell(site.warnings)
    for table in (
        _points(site), _rules(site), _models(site), _lookups(site), _outputs(site), _buses(site), _dependences(site)
    ):  # fmt: skip
        if table.row_count:
            console.print(table)
    told = f", {len(site.warnings)} to think about" if site.warnings else ""
    console.print(f"{site.id}: the site is right{told}; digest {site.digest[:12]}", highlight=False, markup=False)
    return OK


def dependences(site: Site) -> list[Dependence]:
    """What each hazard and zone of the site depends on, alarms on trial left out."""
    groups: dict[tuple[str, str], list[AlarmConfig]] = {}
    for alarm in site.alarms.values():
        if not alarm.shadow:
            groups.setdefault((alarm.hazard, alarm.zone or ""), []).append(alarm)
    return [_dependence(site, hazard, zone, alarms) for (hazard, zone), alarms in groups.items()]


def devices_of(site: Site, alarm: AlarmConfig) -> tuple[str, ...]:
    """The devices whose points an alarm's expressions use."""
    points = list(site.points.values())
    return tuple(dict.fromkeys(points[index].device for index in sorted(site.ruleset.used_points(alarm.index))))


def _dependence(site: Site, hazard: str, zone: str, alarms: Iterable[AlarmConfig]) -> Dependence:
    alarms = list(alarms)
    devices: dict[str, None] = {}
    heard: dict[str, None] = {}
    weak = []
    for alarm in alarms:
        own = devices_of(site, alarm)
        devices.update(dict.fromkeys(own))
        outputs = _audible(site, alarm)
        heard.update(dict.fromkeys(outputs))
        if absent := [name for name in own if not site.devices[name].description.live]:
            weak.append(f"{alarm.name} has only recordings of {', '.join(absent)}")
        if len(own) == 1:
            weak.append(f"{alarm.name} sees with {own[0]} alone")
        if not outputs:
            weak.append(f"{alarm.name} is heard by nobody")
        elif len(outputs) == 1:
            weak.append(f"{alarm.name} is heard through {outputs[0]} alone")
    buses = dict.fromkeys(bus for name in devices if (bus := site.devices[name].bus))
    names = tuple(alarm.name for alarm in alarms)
    return Dependence(hazard, zone, names, tuple(devices), tuple(buses), tuple(heard), tuple(weak))


def _audible(site: Site, alarm: AlarmConfig) -> list[str]:
    """The outputs that make an alarm heard, and those that stand in for them."""
    plan = site.plans[alarm.plan] if alarm.plan is not None else None
    found: dict[str, None] = {}
    for actions in plan.levels.values() if plan else ():
        for action in actions:
            name: str | None = action.output
            while name is not None and name not in found and site.outputs[name].audible:
                found[name] = None
                name = site.outputs[name].alternate
    return list(found)


# --- for people -------------------------------------------------------------------------------------------------


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        mark = "warning: " if problem.severity == "warning" else ""
        place, _, told = str(problem).partition(": ")
        sys.stderr.write(f"{place}: {mark}{told}\n")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(cell) for cell in cells))  # never markup: the site's own words may have brackets


def _points(site: Site) -> Table:
    table = _table("Points", "point", "title", "unit", "range", "every", "missing after", "stuck after", "jump")
    for point in site.points.values():
        title = point.title[site.languages[0]]
        _row(
            table,
            point.name,
            "" if title == point.name else title,
            point.unit,
            _range(point),
            _span(site.devices[point.device].period_s),
            _span(point.stale_after_s),
            _span(point.flat_after_s),
            "" if point.max_step is None else f"{point.max_step:g}",
        )
    return table


def _rules(site: Site) -> Table:
    table = _table("Rules", "alarm", "level", "when", "for", "clear", "plan")
    for alarm in site.alarms.values():
        for level in alarm.rule.levels:
            clear = " ".join(part for part in (level.clear or "", f"for {_span(level.clear_for_s)}") if part)
            plan = "on trial" if alarm.shadow else alarm.plan or "reported only"
            shown_clear = clear if level.clear or level.clear_for_s else ""
            _row(table, alarm.name, level.level, level.when, _span(level.for_s), shown_clear, plan)
    return table


def _models(site: Site) -> Table:
    table = _table("Models", "alarm", "model", "input", "points", "parameter", "value", "set by")
    for alarm in site.alarms.values():
        if (use := alarm.model) is None:
            continue
        names = use.bound.names
        inputs = [(name, ", ".join(points) or "none") for name, points in names.points.items()]
        figures = [(name, value, _set_by(use, name)) for name, value in names.quantities.items()]
        for at in range(max(len(inputs), len(figures), 1)):
            first = (alarm.name, use.model.name) if at == 0 else ("", "")
            bound = inputs[at] if at < len(inputs) else ("", "")
            _row(table, *first, *bound, *(figures[at] if at < len(figures) else ("", "", "")))
    return table


def _set_by(use: ModelUse, name: str) -> str:
    if name not in use.bound.defaults:
        return "the site"
    source = use.model.parameters[name].source
    told = f"the model ({source})" if source else "the model"
    return f"{told}: for the local authority to set" if name in use.bound.unset else told


def _lookups(site: Site) -> Table:
    table = _table("Lookup tables", "table", "x", "y")
    for lookup in site.tables.values():
        xs = ", ".join(f"{x:g}" for x in lookup.xs)
        ys = ", ".join(f"{y:g}" for y in lookup.ys)
        _row(table, lookup.name, f"{xs} {lookup.x_unit}".rstrip(), f"{ys} {lookup.y_unit}".rstrip())
    return table


def _outputs(site: Site) -> Table:
    table = _table("Outputs", "output", "driver", "bus", "longest on", "rest", "starts/h", "proven by", "else")
    for output in site.outputs.values():
        limits = output.limits
        _row(
            table,
            output.name,
            output.driver_name,
            output.bus or "",
            "unlimited" if limits.max_on_s == float("inf") else _span(limits.max_on_s),
            _span(limits.min_off_s),
            str(limits.max_starts_per_hour),
            _proof(site, output),
            output.alternate or "",
        )
    return table


def _buses(site: Site) -> Table:
    table = _table("Lines", "bus", "port", "speed", "devices", "outputs", "load", "at slowest")
    for bus in site.buses.values():
        section = bus.section
        _row(
            table,
            bus.name,
            str(section.port) if section.host is None else f"{section.host}:{section.port or 502}",
            f"{section.baudrate} {section.bytesize}{section.parity}{section.stopbits}" if section.host is None else "",
            str(sum(device.bus == bus.name for device in site.devices.values())),
            str(sum(output.bus == bus.name for output in site.outputs.values())),
            f"{bus.load:.0%}",
            f"{bus.slowest_load:.0%}",
        )
    return table


def _dependences(site: Site) -> Table:
    table = _table(
        "What each hazard and zone depends on", "hazard", "zone", "alarms", "devices", "lines", "heard by", "weak"
    )
    for item in dependences(site):
        _row(
            table,
            item.hazard,
            item.zone or "whole site",
            "\n".join(item.alarms),
            "\n".join(item.devices),
            "\n".join(item.buses),
            "\n".join(item.outputs),
            "\n".join(item.weak),
        )
    return table


def _range(point: PointConfig) -> str:
    if point.low is None and point.high is None:
        return ""
    low = "" if point.low is None else f"{point.low:g}"
    high = "" if point.high is None else f"{point.high:g}"
    return f"{low} .. {high}"


def _span(seconds: float | None) -> str:
    """Seconds as a site file would write them; nothing for none."""
    if not seconds:
        return ""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size and (seconds / size).is_integer():
            return f"{seconds / size:g} {unit}"
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def _proof(site: Site, output: OutputConfig) -> str:
    confirm = output.confirm
    if confirm is None:
        return ""
    unit = site.points[confirm.point].unit
    bounds = ((">", confirm.above), ("<", confirm.below))
    told = " ".join(f"{sign} {value:g} {unit}".rstrip() for sign, value in bounds if value is not None)
    return f"{confirm.point} {told} in {_span(confirm.within_s)}"


# --- for machines -----------------------------------------------------------------------------------------------


def _print_json(console: Console, site: Site | None, errors: Iterable[Problem], warnings: Iterable[Problem]) -> None:
    body: dict[str, Any] = {
        "ok": site is not None,
        "errors": [_problem(problem) for problem in errors],
        "warnings": [_problem(problem) for problem in warnings],
    }
    if site is not None:
        body |= {
            "site": site.id,
            "digest": site.digest,
            "rules": site.ruleset.digest,
            "points": [
                {"name": p.name, "unit": p.unit, "low": p.low, "high": p.high, "stale_after_s": p.stale_after_s}
                for p in site.points.values()
            ],
            "alarms": [
                {
                    "name": a.name, "hazard": a.hazard, "zone": a.zone, "plan": a.plan, "shadow": a.shadow,
                    "devices": devices_of(site, a), "model": _model(a.model) if a.model else None,
                }
                for a in site.alarms.values()
            ],
            "tables": [
                {"name": t.name, "x_unit": t.x_unit, "y_unit": t.y_unit, "x": t.xs, "y": t.ys}
                for t in site.tables.values()
            ],
            "outputs": [
                {"name": o.name, "driver": o.driver_name, "confirmed_by": o.confirm.point if o.confirm else None}
                for o in site.outputs.values()
            ],
            "buses": [{"name": b.name, "load": b.load, "slowest_load": b.slowest_load} for b in site.buses.values()],
            "hazards": [
                {
                    "hazard": d.hazard, "zone": d.zone or None, "alarms": d.alarms, "devices": d.devices,
                    "buses": d.buses, "outputs": d.outputs, "weak": d.weak,
                }
                for d in dependences(site)
            ],
        }  # fmt: skip
    console.file.write(json_text.dumps(body, ensure_ascii=False, indent=2) + "\n")


def _model(use: ModelUse) -> dict[str, Any]:
    names, bound = use.bound.names, use.bound
    return {
        "name": use.model.name,
        "inputs": dict(names.points),
        "parameters": {
            name: {"value": value, "by": "model" if name in bound.defaults else "site", "to_set": name in bound.unset}
            for name, value in names.quantities.items()
        },
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.file),
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
    }
