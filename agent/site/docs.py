"""Writes docs/site-file.md and docs/site.schema.json from the tables: `python -m agent.site.docs [DIRECTORY]`."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from drivers.modbus import LineSection

from . import sections
from .response import built_in_patterns
from .schema import instrument_sections, keys, output_sections, shown_default, site_schema, table_schema
from .validate import keys_of, model_at

INTRO = """# The site file

One TOML file describes one gateway. `include = ["rules.d/*.toml"]` at its top takes in further files, each of which may
have any of these tables; a name may be given once only. Paths are relative to the file that names them.

Durations, quantities, sizes and rates are strings with their units: `"500 ms"`, `"15 cm"`, `"25 %LEL"`, `"256 MB"`.
A bare number where a unit is needed is an error, and so is an unknown key. `tocsin check SITE.toml` tells everything
that is wrong at once, as `file:line: key: got ..., expected ...; did you mean ...?`, and ends with exit code 2. A
running gateway keeps its last good copy and starts on it when the file is broken.

This page and `site.schema.json` are made from the program by `python -m agent.site.docs`; a test holds them together.
"""

MODEL_EXAMPLE = """An alarm of a model gives its inputs points of this site, and figures that hold here:

```toml
[alarm.river]
model = "river-stage"                   # of the library, or a path: "models/own.toml"
inputs = { level = "gauge.level", rain = ["street.rain", "school.rain"] }
parameters = { warning_stage = "2.40 m" }
plan = "flood"
```

`tocsin check` shows every figure and who set it, and warns of those that are still the model's though the local
authority must set them. Mistakes in a model's conditions are told in the model's file, with the alarm that bound it.
"""

TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[site]", sections.SiteTable),
    ("[zone.NAME]", sections.ZoneTable),
    ("[bus.NAME]", LineSection),
    ("[device.NAME]", sections.DeviceTable),
    ("[device.NAME.point.POINT]", sections.PointTable),
    ("[output.NAME]", sections.OutputTable),
    ("[output.NAME.confirm]", sections.ConfirmTable),
    ("[pattern.NAME]", sections.PatternTable),
    ("[message.NAME]", sections.MessageTable),
    ("[plan.NAME]", sections.PlanTable),
    ("[[plan.NAME.level.LEVEL]] and [plan.NAME.all_clear]", sections.ActionTable),
    ("[alarm.NAME]", sections.AlarmTable),
    ("[alarm.NAME.level.LEVEL]", sections.LevelTable),
    ("[table.NAME]", sections.LookupTableTable),
    ("[uplink]", sections.UplinkTable),
    ("[storage]", sections.StorageTable),
)

_COMMENT = re.compile(r"^    (\w+): .*?  # (?!noqa)(.+)$", re.MULTILINE)


def site_page() -> str:
    """The text of docs/site-file.md."""
    parts = [INTRO]
    for title, model in TABLES:
        parts += [f"## `{title}`\n", f"{_words(model)}\n", _key_table(model)]
        if title == "[device.NAME]":
            parts += _driver_parts("device", instrument_sections())
        elif title == "[output.NAME]":
            parts += _driver_parts("output", output_sections())
        elif title == "[alarm.NAME]":
            parts.append(MODEL_EXAMPLE)
        elif title == "[pattern.NAME]":
            parts.append(_pattern_table())
    return "\n".join(parts)


def schema_text() -> str:
    """The text of docs/site.schema.json."""
    return json.dumps(site_schema(), ensure_ascii=False, indent=1) + "\n"


def main(directory: Path) -> None:
    """Write both files into `directory`."""
    (directory / "site-file.md").write_text(site_page(), encoding="utf-8")
    (directory / "site.schema.json").write_text(schema_text(), encoding="utf-8")


def _words(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def _key_table(model: type[BaseModel], known: Iterable[str] = ()) -> str:
    """Keys with their values, defaults and meanings, those left out that stand in another table."""
    comments = dict(_COMMENT.findall(inspect.getsource(model)))
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, schema, required in keys(table_schema(model)):
        if key in known:
            continue
        default = shown_default(schema)
        if default is not None and "format" in schema:
            default = f'"{default.strip(chr(34))}"'
        told = "must be given" if required else f"`{default}`" if default else ""
        meaning = schema.get("description") or comments.get(key, "")
        lines.append(f"| `{key}` | {_type(schema)} | {told} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


def _driver_parts(kind: str, drivers: Mapping[str, type[BaseModel]]) -> Iterable[str]:
    for name, section in drivers.items():
        yield f'### `[{kind}.NAME]` with `driver = "{name}"`\n'
        yield f"{_words(section)}\n"
        yield _key_table(section)
        point = model_at(section, ("point", "any"))
        if point is not None:
            yield f'#### `[{kind}.NAME.point.POINT]` with `driver = "{name}"`\n'
            yield f"{_words(point)}\n"
            yield _key_table(point, keys_of(sections.PointTable))


def _pattern_table() -> str:
    lines = ["Built in:\n", "| pattern | segments | lasts | source |", "|---|---|---|---|"]
    for name, pattern in built_in_patterns().items():
        steps = ", ".join(f"{'on' if on else 'off'} {seconds:g} s" for on, seconds in pattern.segments)
        times = f" × {pattern.repeat}" if pattern.repeat > 1 else ""
        total_s = pattern.repeat * sum(seconds for _, seconds in pattern.segments)
        locked = "**reserved by law, locked**; " if pattern.locked else ""
        lines.append(f"| `{name}` | {steps}{times} | {total_s:g} s | {locked}{_cell(pattern.source)} |")
    return "\n".join(lines) + "\n"


def _type(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f'`"{schema["const"]}"`'
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(word)}`" for word in schema["enum"])
    if "format" in schema:
        return _cell(str(schema["format"]))
    if "anyOf" in schema:
        return " or ".join(_type(branch) for branch in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        item = _type(schema.get("items", {}))
        return "array of tables" if item == "tables" else f"array of {item}"
    if kind == "object":
        below = schema.get("additionalProperties")
        told = _type(below) if isinstance(below, dict) and "properties" not in below else "tables"
        return told if "tables" in told else f"table of {told}"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        str(kind), "value"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
