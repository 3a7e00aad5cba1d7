"""Builds outputs with their limits and the evidence that they work. Switches nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from drivers.api import Limits
from drivers.registry import output_driver

from .around import Around, split
from .document import Document
from .model import Confirm, DeviceConfig, OutputConfig
from .places import Path
from .problems import listed, nearest, shown
from .sections import ConfirmTable, OutputTable
from .text import title_of
from .validate import checked, named

_LACKING = {
    "max_on": 'a longest time on, such as "3 min": a stuck siren must stop by itself',
    "min_off": 'a shortest rest, such as "10 s"',
    "max_starts_per_hour": "a whole number, such as 12",
}


def read_outputs(
    around: Around, devices: Mapping[str, DeviceConfig], broken: Collection[str]
) -> tuple[dict[str, OutputConfig], set[str]]:
    """Outputs that are right, and the names of those that are not. `broken` are names of devices that are not."""
    outputs, wrong = {}, set()
    for name, raw in named(around.document, "output").items():
        output = _output(around, name, raw, devices, broken)
        if output is None:
            wrong.add(name)
        else:
            outputs[name] = output
    for output in outputs.values():
        _check_alternate(around.document, output, outputs, wrong)
    return outputs, wrong


def _output(
    around: Around, name: str, raw: Any, devices: Mapping[str, DeviceConfig], broken: Collection[str]
) -> OutputConfig | None:
    document, path = around.document, ("output", name)
    if not isinstance(raw, Mapping):
        document.error(path, f"got {shown(raw)}, expected a table")
        return None
    common, own = split(raw, OutputTable)
    table = checked(document, OutputTable, common, path)
    driver = around.driver(path, common.get("driver"), output_driver, "tocsin.outputs")
    known = around.described(path, driver, own, OutputTable) if driver else None
    limits = _limits(document, path, table, raw) if table else None
    confirm = _confirm(around, (*path, "confirm"), table.confirm, devices, broken) if table and table.confirm else None
    if table is None or driver is None or known is None:
        return None
    section, description = known
    sound = around.joined(path, table.bus, table.zone, description)
    if driver.speaks and table.states:
        document.error((*path, "states"), "got states for an output that speaks, expected none")
    if table.at_exit == "keep" and not table.states:
        message = 'got "keep" for an output that sounds, expected "off": left on, nobody would keep its max_on'
        document.error((*path, "at_exit"), message)
    if limits is None or not sound:
        return None
    return OutputConfig(
        name=name,
        title=title_of(document, path, table.title, name, around.languages),
        driver_name=table.driver,
        driver=driver,
        section=section,
        base=around.base(path),
        bus=table.bus,
        zone=table.zone,
        description=description,
        speaks=driver.speaks,
        limits=limits,
        confirm=confirm,
        alternate=table.alternate,
        states=MappingProxyType(dict(table.states)),
        at_exit=table.at_exit,
        reassert_s=table.reassert,
    )


def _limits(document: Document, path: Path, table: OutputTable, raw: Mapping[str, Any]) -> Limits | None:
    for key, expected in _LACKING.items():
        if key not in raw:
            document.error((*path, key), f"got nothing, expected {expected}")
    if table.max_on == math.inf:
        if not table.states:
            message = (
                'got "unlimited" for an output that sounds, expected a duration: a stuck siren must stop by itself'
            )
            document.error((*path, "max_on"), message)
            return None
        document.warn((*path, "max_on"), "has no limit: it stays on until told otherwise, the agent dead or alive")
    if table.max_on is None or table.min_off is None or table.max_starts_per_hour is None:
        return None
    return Limits(table.max_on, table.min_off, table.max_starts_per_hour, keep=table.at_exit == "keep")


def _confirm(
    around: Around, path: Path, table: ConfirmTable, devices: Mapping[str, DeviceConfig], broken: Collection[str]
) -> Confirm | None:
    document = around.document
    points = {point: device for device in devices.values() for point in device.points}
    device = points.get(table.point)
    if table.above is None and table.below is None:
        document.error(path, "got neither above nor below, expected one of them: what shows that it works")
    if device is None:
        if table.point.partition(".")[0] not in broken:
            message = f"got {shown(table.point)}, expected one of the points: {listed(points)}"
            document.error((*path, "point"), message, nearest(table.point, points))
        return None
    if device.period_s > table.within:
        message = f"got {table.within:g} s, expected at least {device.period_s:g} s, the period of {device.name}"
        document.error((*path, "within"), message, "evidence that is read less often can't be there in time")
    unit = device.points[table.point].unit
    above = around.quantity((*path, "above"), table.above, unit)
    below = around.quantity((*path, "below"), table.below, unit)
    return Confirm(table.point, above, below, table.within)


def _check_alternate(
    document: Document, output: OutputConfig, outputs: Mapping[str, OutputConfig], wrong: Collection[str]
) -> None:
    path = ("output", output.name, "alternate")
    if output.alternate is None or output.alternate in wrong:
        return
    if output.alternate not in outputs:
        others = [name for name in (*outputs, *wrong) if name != output.name]
        message = f"got {shown(output.alternate)}, expected another output: {listed(others)}"
        document.error(path, message, nearest(output.alternate, others))
        return
    if outputs[output.alternate].states:
        message = f"got {shown(output.alternate)}, which is moved rather than heard, expected a siren or a loudspeaker"
        document.error(path, message)
        return
    way, at = [output.name], output.alternate
    while at in outputs and at not in way:
        way.append(at)
        at = outputs[at].alternate or ""
    if at == output.name == min(way):  # told once
        document.error(path, f"got a circle: {' -> '.join([*way, at])}, expected an end", "leave one of them without")
