"""The JSON Schema of the site file, made from the tables and the drivers' sections. Reads no site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from drivers.api import Section
from drivers.modbus import LineSection
from drivers.registry import instrument_driver, names, output_driver

from .sections import TABLES, DeviceTable, OutputTable, PointTable
from .validate import NAME

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def site_schema() -> Schema:
    """The schema of a site file, for JSON or TOML editors. Values with units are strings, as everywhere.

    A file meant to be included has some of the tables only, so none is required.
    """
    single = {name: _table(TABLES[name]) for name in ("site", "uplink", "storage")}
    simple = {name: _table(TABLES[name]) for name in ("zone", "pattern", "message", "plan", "table", "alarm")}
    collections = {
        **simple,
        "bus": _table(LineSection),
        "device": _with_drivers(DeviceTable, instrument_sections(), default="modbus"),
        "output": _with_drivers(OutputTable, output_sections(), default=None),
    }
    actions = simple["plan"]["properties"]["all_clear"]
    simple["plan"]["properties"]["all_clear"] = {"anyOf": [actions, actions["items"]]}
    properties: Schema = {
        "include": {"type": "array", "items": {"type": "string"}, "description": "Files that belong to this one."},
        **single,
        **{name: _named(schema) for name, schema in collections.items()},
    }
    return {
        "$schema": DIALECT,
        "title": "Tocsin site file",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def instrument_sections() -> dict[str, type[Section]]:
    """Sections of the installed instrument drivers by name."""
    return {name: instrument_driver(name).Section for name in names("tocsin.drivers")}


def output_sections() -> dict[str, type[Section]]:
    """Sections of the installed output drivers by name."""
    return {name: output_driver(name).Section for name in names("tocsin.outputs")}


def shown_default(schema: Mapping[str, Any]) -> str | None:
    """The default of a key as the site file would write it; None where it has none."""
    default = schema.get("default")
    if default is None or default in ({}, [], ""):
        return None
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, (int, float)):
        return _IN_UNITS.get(str(schema.get("format")), "{:g}".format)(default)
    if isinstance(default, str):
        return f'"{default}"'
    return "[" + ", ".join(f'"{item}"' for item in default) + "]"


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f'"{seconds / size:g} {unit}"'
    return f'"{seconds * 1000:g} ms"' if 0 < seconds < 1 else f'"{seconds:g} s"'


_IN_UNITS: dict[str, Callable[[float], str]] = {
    "duration": _duration,
    "size": lambda size: f'"{size / 1e6:g} MB"',
    "percentage": lambda share: f'"{share:.0%}"'.replace("%", " %"),
    "rate": lambda rate: f'"{rate:g} /s"',
}


def _table(model: type[BaseModel]) -> Schema:
    """A section's schema without references, as TOML has it: no null, defaults with their units."""
    schema = model.model_json_schema(mode="validation", by_alias=True)
    definitions = schema.pop("$defs", {})
    return dict(_plain(schema, definitions))


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **rest}
    if "anyOf" in schema:
        branches = [branch for branch in schema["anyOf"] if branch != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        if len(branches) == 1:
            return _plain({**branches[0], **rest}, definitions)
        schema = {**rest, "anyOf": branches}
    flat = {key: value if key == "default" else _plain(value, definitions) for key, value in schema.items()}
    if isinstance(flat.get("title"), str):
        del flat["title"]  # pydantic's, the key once more
    if "default" in flat:
        shown = shown_default(flat)
        if shown is None:
            del flat["default"]
        elif "format" in flat:
            flat["default"] = shown.strip('"')
    return flat


def _named(schema: Schema) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": schema,
    }


def _with_drivers(common: type[BaseModel], sections: Mapping[str, type[Section]], default: str | None) -> Schema:
    """One alternative for each driver, and one for drivers this schema does not know."""
    base = _table(common)
    alternatives = [_joined(base, name, section, default) for name, section in sections.items()]
    other = {**base["properties"], "driver": {"type": "string", "not": {"enum": list(sections)}}}
    required = sorted({*base.get("required", ()), "driver"})
    alternatives.append({"type": "object", "properties": other, "required": required})
    return {"anyOf": alternatives}


def _joined(base: Schema, name: str, section: type[Section], default: str | None) -> Schema:
    own = _table(section)
    properties = {**own.get("properties", {}), **base["properties"], "driver": {"const": name}}
    if "point" in own.get("properties", {}) or default is not None:
        properties["point"] = _points(own.get("properties", {}).get("point"))
    required = {*base.get("required", ()), *own.get("required", ())}
    required = required - {"driver"} if name == default else required | {"driver"}
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def _points(own: Schema | None) -> Schema:
    """What the site says of a point and what its driver takes of it, in one table."""
    table = _table(PointTable)
    extra = own.get("additionalProperties") if own else None
    if isinstance(extra, dict):
        table["properties"] = {**extra.get("properties", {}), **table["properties"]}
    return {"type": "object", "additionalProperties": table}


def keys(schema: Schema) -> Iterable[tuple[str, Schema, bool]]:
    """Key, schema and whether it must be given, for each key of a table."""
    required = schema.get("required", ())
    return ((key, value, key in required) for key, value in schema.get("properties", {}).items())


def table_schema(model: type[BaseModel]) -> Schema:
    """One table's schema, as it stands in the site's."""
    return _table(model)
