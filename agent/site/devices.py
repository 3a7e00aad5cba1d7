"""Builds devices with their points from their tables and what their drivers say of them. Opens no line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from drivers.api import Kind, Point, Section
from drivers.registry import instrument_driver

from .around import Around, split
from .model import DeviceConfig, PointConfig
from .places import Path
from .problems import listed, nearest, shown
from .sections import DeviceTable, PointTable
from .text import title_of
from .validate import checked, keys_of, model_at, named

_POINT_KEYS = frozenset(keys_of(PointTable))


def read_devices(around: Around) -> tuple[dict[str, DeviceConfig], set[str]]:
    """Devices that are right, and the names of those that are not."""
    devices, broken = {}, set()
    for name, raw in named(around.document, "device").items():
        device = _device(around, name, raw)
        if device is None:
            broken.add(name)
        else:
            devices[name] = device
    return devices, broken


def _device(around: Around, name: str, raw: Any) -> DeviceConfig | None:
    document, path = around.document, ("device", name)
    if not isinstance(raw, Mapping):
        document.error(path, f"got {shown(raw)}, expected a table")
        return None
    common, own = split(raw, DeviceTable)
    points, passed = _point_tables(around, path, own.pop("point", {}))
    if passed:
        own["point"] = passed
    table = checked(document, DeviceTable, common, path)
    driver = around.driver(path, common.get("driver", "modbus"), instrument_driver, "tocsin.drivers")
    known = around.described(path, driver, own, DeviceTable) if driver else None
    if table is None or driver is None or known is None:
        return None
    section, description = known
    sound = around.joined(path, table.bus, table.zone, description)
    names = [point.name for point in description.points]
    for point_name in points:
        if point_name not in names:
            message = f"got a point the device does not have, expected one of {listed(names)}"
            document.error((*path, "point", point_name), message, nearest(point_name, names))
    configs = {
        point.name: _point(
            around, name, table, point, points.get(point.name, PointTable()), usual_s=description.stale_after_s
        )
        for point in description.points
    }
    if File(str(getattr(section, "map", ""))).is_absolute():
        document.warn((*path, "map"), "has an absolute path: the kept copy of this site will not have it of its own")
    if not description.live:
        message = "has recordings only and never gives a reading live: what depends on it is not protected"
        document.warn((*path, "driver"), message)
    if (ranged := _ranged(driver, section, points, configs)) is not None:
        try:
            section, description = ranged, driver.describe(ranged, document.file(path).parent)
        except ValueError as error:
            document.error((*path, "point"), f"got a range the device can't have: {error}")
    if not sound:
        return None
    return DeviceConfig(
        name=name,
        title=title_of(document, path, table.title, name, around.languages),
        driver_name=table.driver,
        driver=driver,
        section=section,
        base=document.file(path).parent,
        bus=table.bus,
        zone=table.zone,
        period_s=table.period,
        description=description,
        points=MappingProxyType({point.name: point for point in configs.values()}),
    )


def _ranged(
    driver: Any, section: Section, points: Mapping[str, PointTable], configs: Mapping[str, PointConfig]
) -> Section | None:
    """The section with the site's ranges as numbers in each point's unit, for a driver that gives quality by them.

    None where the site gives no range or the driver takes none.
    """
    model = model_at(driver.Section, ("point", "any"))
    if model is None or not {"low", "high"} <= model.model_fields.keys():
        return None
    given = {
        name: {key: getattr(configs[name], key) for key in ("low", "high") if getattr(table, key) is not None}
        for name, table in points.items()
        if name in configs
    }
    if not any(given.values()):
        return None
    held: Mapping[str, BaseModel] = getattr(section, "point", {})
    ranged = {name: held.get(name, model()).model_copy(update=limits) for name, limits in given.items() if limits}
    return section.model_copy(update={"point": {**held, **ranged}})


def _point_tables(around: Around, path: Path, raw: Any) -> tuple[dict[str, PointTable], dict[str, Any]]:
    """What the site says of each point, and what it passes on to the driver."""
    document = around.document
    if not isinstance(raw, Mapping):
        document.error((*path, "point"), f"got {shown(raw)}, expected tables")
        return {}, {}
    tables, passed = {}, {}
    for name, keys in raw.items():
        at = (*path, "point", name)
        if not isinstance(keys, Mapping):
            document.error(at, f"got {shown(keys)}, expected a table")
            continue
        table = checked(document, PointTable, {k: v for k, v in keys.items() if k in _POINT_KEYS}, at)
        if table is not None:
            tables[name] = table
        if rest := {k: v for k, v in keys.items() if k not in _POINT_KEYS}:
            passed[name] = rest
    return tables, passed


def _point(
    around: Around, device: str, table: DeviceTable, point: Point, own: PointTable, *, usual_s: float | None
) -> PointConfig:
    document, name = around.document, f"{device}.{point.name}"
    path = ("device", device, "point", point.name)
    period = own.period or table.period
    stale = own.stale_after or table.stale_after or usual_s or max(3 * period, period + 2.0)
    if stale < period:
        key = (*path, "stale_after") if own.stale_after else ("device", device, "stale_after")
        document.error(key, f"got {stale:g} s, expected at least the period of {period:g} s")
    low = around.quantity((*path, "low"), own.low, point.unit)
    high = around.quantity((*path, "high"), own.high, point.unit)
    low, high = (point.low if low is None else low), (point.high if high is None else high)
    if low is not None and high is not None and low >= high:
        got = f"{low:g} to {high:g} {point.unit}".rstrip()
        document.error(path, f"got a range from {got}, expected low below high")
    if own.reset is not None and point.kind is not Kind.RUNNING_TOTAL:
        document.error((*path, "reset"), f"got it for a {point.kind}, expected a running total")
    wrap = around.quantity((*path, "wrap"), own.wrap, point.unit)
    return PointConfig(
        name=name,
        device=device,
        zone=table.zone,
        title=title_of(document, path, own.title, name, around.languages),
        unit=point.unit,
        low=low,
        high=high,
        kind=str(point.kind),
        states=MappingProxyType(dict(point.states)),
        wrap=point.wrap if wrap is None else wrap,
        reset=own.reset,
        baseline="first" if own.baseline == "first" else around.quantity((*path, "baseline"), own.baseline, point.unit),
        period_s=period,
        stale_after_s=stale,
        flat_after_s=own.flat_after or table.flat_after,
        max_step=around.quantity((*path, "max_step"), own.max_step, point.unit, step=True),
    )
