"""Loads a site: all files read, everything checked, all problems told at once; then frozen. Opens no line."""

from __future__ import annotations

import hashlib
import os
import zoneinfo
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import drivers
from rules.library import LIBRARY

from .alarms import read_alarms, read_tables
from .around import Around
from .broker import broker_address
from .devices import read_devices
from .document import COLLECTIONS, SINGLE, Document
from .lines import join_lines, read_buses, warn_bursts
from .model import AlarmConfig, DeviceConfig, OutputConfig, Site, Storage, Uplink, Zone
from .outputs import read_outputs
from .problems import ConfigErrors, nearest, shown
from .response import read_response, warn_unheard
from .ruleset import site_ruleset
from .sections import SiteTable, StorageTable, UplinkTable, ZoneTable
from .text import title_of
from .validate import checked, named

Value = TypeVar("Value")

_BUILT_IN_MAPS = Path(drivers.__file__).resolve().parent / "maps"
_BUILT_IN_LINES = _BUILT_IN_MAPS.with_name("lines")  # maps of the driver "line"
_BUILT_IN_MODELS = LIBRARY.resolve()
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def load_site(path: Path, *, home: Path | None = None) -> Site:
    """The site at `path`, checked as a whole and frozen; doubtful things are in `site.warnings`.

    `home` is where recordings and keys lie when `path` is a kept copy of the site's files; default: beside the file
    that names them. Raises ConfigErrors with everything that is wrong, in the order of the files.
    """
    document = Document(Path(path))
    for key in document.data:
        if key not in (*COLLECTIONS, *SINGLE):
            known = sorted(("include", *SINGLE, *COLLECTIONS))
            document.error((key,), f"got an unknown key, expected one of {', '.join(known)}", nearest(key, known))
    table = _site_table(document)
    given = table or SiteTable(id="unknown")
    languages, levels = tuple(given.languages), tuple(given.levels)
    zones = _zones(document, languages)
    buses = read_buses(document)
    bad_buses = set(document.collection("bus") or {}) - set(buses)
    around = Around(document, languages, levels, tuple(buses), bad_buses, tuple(zones), home)
    devices, broken = read_devices(around)
    outputs, wrong = read_outputs(around, devices, broken)
    lines = join_lines(document, buses, devices.values(), outputs.values())
    plans, patterns, messages = read_response(around, outputs, wrong)
    points = {name: point for device in devices.values() for name, point in device.points.items()}
    tables = read_tables(document)
    alarms = read_alarms(around, plans, points, tables, broken)
    warn_unheard(document, alarms, plans, outputs)
    uplink = _uplink(document, given.id, home)
    storage = _storage(document)
    ruleset = site_ruleset(document, devices, alarms, broken, storage.telemetry_bytes)
    if ruleset is not None:
        warn_bursts(document, buses, devices.values(), alarms, ruleset)
    warnings = tuple(document.in_order(document.warnings))
    if document.errors or ruleset is None:
        raise ConfigErrors(document.in_order(document.errors), warnings)
    parts = {**_map_contents(document, devices), **document.models}
    if document.errors:
        raise ConfigErrors(document.in_order(document.errors), warnings)
    files = (*document.contents, *(file for file in parts if not is_built_in(file)))
    return Site(
        id=given.id,
        name=title_of(document, ("site",), given.name, given.id, languages),
        languages=languages,
        admin_code=given.admin_code,
        levels=levels,
        timezone=given.timezone,
        zones=_frozen(zones or _mentioned(devices, outputs, alarms, languages)),
        buses=_frozen(lines),
        devices=_frozen(devices),
        points=_frozen(points),
        outputs=_frozen(outputs),
        patterns=_frozen(patterns),
        messages=_frozen(messages),
        plans=_frozen(plans),
        tables=_frozen(tables),
        alarms=_frozen({alarm.name: alarm for alarm in alarms}),
        uplink=uplink,
        storage=storage,
        ruleset=ruleset,
        warnings=warnings,
        files=files,
        digest=digest_of(document.path.parent, document.contents, parts),
    )


def part_files(devices: Iterable[DeviceConfig], alarms: Iterable[AlarmConfig]) -> tuple[Path, ...]:
    """The register maps of devices and the models of alarms, each once."""
    models = (alarm.model.model.file for alarm in alarms if alarm.model is not None)
    return tuple(dict.fromkeys((*map_files(devices), *models)))


def map_files(devices: Iterable[DeviceConfig]) -> tuple[Path, ...]:
    """The maps that devices use, each once: `map` in a driver's section names one, built in or a file."""
    files = []
    for device in devices:
        name = getattr(device.section, "map", None)
        if isinstance(name, str):
            built_in = _BUILT_IN_LINES if device.driver_name == "line" else _BUILT_IN_MAPS
            files.append(device.base / name if name.endswith(".toml") else built_in / f"{name}.toml")
    return tuple(dict.fromkeys(files))


def digest_of(base: Path, files: Mapping[Path, bytes], parts: Mapping[Path, bytes]) -> str:
    """Of names and contents, each with its length; names are relative to `base`, so that a copy has the same digest.

    `parts` are register maps and models, built-in or not.
    """
    total = hashlib.sha256()
    named_contents = [(os.path.relpath(file, base), content) for file, content in files.items()]
    for file, content in parts.items():
        kind = "model" if file.parent == LIBRARY else "map"
        named_contents.append((f"{kind} {file.name}" if is_built_in(file) else os.path.relpath(file, base), content))
    for name, content in sorted(named_contents):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def is_built_in(file: Path) -> bool:
    """Whether a register map or a model came with the software."""
    return any(file.resolve().is_relative_to(place) for place in (_BUILT_IN_MAPS, _BUILT_IN_LINES, _BUILT_IN_MODELS))


def _site_table(document: Document) -> SiteTable | None:
    path = ("site",)
    if "site" not in document.data:
        document.error(path, "got nothing, expected a table [site] with an id")
        return None
    table = checked(document, SiteTable, document.data["site"], path)
    if table is None:
        return None
    for key, words in (("languages", table.languages), ("levels", table.levels)):
        for number, word in enumerate(words):
            if word in words[:number]:
                document.error((*path, key, number), f"got {shown(word)} twice, expected it once")
            elif not word.strip():
                document.error((*path, key, number), "got nothing, expected a word")
    _check_timezone(document, (*path, "timezone"), table.timezone)
    return table


def _check_timezone(document: Document, path: tuple[str, ...], name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        hint = nearest(name, known) if known else "this machine has no time zones: install tzdata"
        document.error(path, f"got {shown(name)}, expected an IANA time zone such as Asia/Shanghai", hint)


def _zones(document: Document, languages: tuple[str, ...]) -> dict[str, Zone]:
    zones = {}
    for name, raw in named(document, "zone").items():
        table = checked(document, ZoneTable, raw, ("zone", name))
        given = table.title if table else {}
        zones[name] = Zone(name, title_of(document, ("zone", name), given, name, languages))
    return zones


def _mentioned(
    devices: Mapping[str, DeviceConfig],
    outputs: Mapping[str, OutputConfig],
    alarms: Iterable[AlarmConfig],
    languages: tuple[str, ...],
) -> dict[str, Zone]:
    """Zones of a site that has no tables for them: every one that is named somewhere, called by its name."""
    things: tuple[DeviceConfig | OutputConfig | AlarmConfig, ...] = (*devices.values(), *outputs.values(), *alarms)
    names = dict.fromkeys(thing.zone for thing in things if thing.zone is not None)
    return {name: Zone(name, _frozen(dict.fromkeys(languages, name))) for name in names}


def _storage(document: Document) -> Storage:
    table = checked(document, StorageTable, document.data.get("storage", {}), ("storage",)) or StorageTable()
    directory = Path(table.directory) if table.directory is not None else None
    return Storage(directory, table.critical, table.telemetry)


def _uplink(document: Document, site: str, home: Path | None) -> Uplink | None:
    if "uplink" not in document.data:
        return None
    path = ("uplink",)
    table = checked(document, UplinkTable, document.data["uplink"], path)
    if table is None:
        return None
    try:
        host, port, tls = broker_address(table.broker)
    except ValueError:
        message = f"got {shown(table.broker)}, expected mqtts://host:port or mqtt://host:port"
        hint = "name and password go into username and password_file" if "@" in table.broker else ""
        document.error((*path, "broker"), message, hint)
        return None
    base = home or document.file(path).parent
    files: dict[str, Path | None] = {}
    for key in ("password_file", "ca", "cert", "key"):
        text = getattr(table, key)
        files[key] = None if text is None else base / text
        if text is not None and not _is_there(base / text):
            document.warn((*path, key), f"got {shown(text)}, which is not there: the platform can't be reached")
    for key, other in (("cert", "key"), ("key", "cert")):
        if files[key] is not None and files[other] is None:
            document.error((*path, other), f"got nothing, expected the file that belongs to {key}")
    if not tls and host not in _LOOPBACK:
        document.warn((*path, "broker"), "has no TLS: anybody on the way can read and change what is sent")
    return Uplink(
        table.broker, host, port, tls, table.client_id or site, table.username, files["password_file"], files["ca"],
        files["cert"], files["key"], table.acknowledge, table.version, table.keepalive, table.batch,
        table.batch_readings, table.backlog,
    )  # fmt: skip


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False


def _map_contents(document: Document, devices: Mapping[str, DeviceConfig]) -> dict[Path, bytes]:
    contents = {}
    for device in devices.values():
        for file in map_files([device]):
            try:
                contents[file] = file.read_bytes()
            except OSError as error:  # it was there a moment ago
                document.error(
                    ("device", device.name, "map"), f"got {file.name}, which can't be read: {error.strerror}"
                )
    return contents


def _frozen(items: Mapping[str, Value]) -> Mapping[str, Value]:
    return MappingProxyType(dict(items))
