"""From the words of the command line to what is searched. Raises click.BadParameter naming what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from agent.find.probe import Probe
from agent.find.scan import Search
from agent.find.shown import Shown
from drivers.find.order import BAUDRATES
from drivers.find.port import Parity, Settings
from drivers.frames import Table

_ENTITIES: Mapping[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}


def search_of(
    port: str,
    *,
    baudrates: str | None,
    parities: str,
    unit_ids: str,
    wait_s: float,
    listen_s: float,
    first: bool,
    deep: bool,
    anyway: bool,
) -> Search:
    """What a scan is asked for."""
    return Search(
        port,
        numbers(baudrates, "--baud", 300, 4_000_000) if baudrates else BAUDRATES,
        parities_of(parities),
        numbers(unit_ids, "--units", 1, 247),
        ("holding", "input", "coil") if deep else ("holding",),
        wait_s,
        listen_s,
        anyway,
        first,
    )


def numbers(text: str, option: str, least: int, most: int) -> tuple[int, ...]:
    """Numbers and ranges: "1-10,80,192"."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not least <= low <= high <= most:
            message = f"got {part.strip()!r}, expected numbers and ranges of {least} to {most}, such as 1-10,80"
            raise click.BadParameter(message, param_hint=option)
        found += [number for number in range(low, high + 1) if number not in found]
    return tuple(found)


def parities_of(text: str) -> tuple[Parity, ...]:
    """Parities: "N,E"."""
    found = tuple(part.strip().upper() for part in text.split(","))
    if wrong := [part for part in found if part not in {"N", "E", "O"}]:
        raise click.BadParameter(f"got {wrong[0]!r}, expected N, E or O, or several: N,E", param_hint="--parity")
    return cast("tuple[Parity, ...]", tuple(dict.fromkeys(found)))


def probe_of(
    port: str,
    *,
    unit_id: int,
    baud: int,
    parity: Parity,
    table: str | None,
    start: str,
    count: int,
    at: str | None,
    expect: str | None,
    write_map: Path | None,
) -> Probe:
    """What a probe is asked for. An address such as 40004 names its table too."""
    place, first = address_of(at, "--at") if at else (None, None), address_of(start, "--from")
    tables: tuple[Table, ...] = ("holding", "input")
    if named := (place[0] or first[0]):
        tables = (named,)
    if table is not None:
        if table not in {"holding", "input", "coil", "discrete"}:
            message = f"got {table!r}, expected holding, input, coil or discrete"
            raise click.BadParameter(message, param_hint="--table")
        tables = (cast("Table", table),)
    shown = shown_of(expect, "--expect") if expect else None
    settings = Settings(baud, parity)
    return Probe(port, unit_id, settings, tables, first[1], count, place[1], shown, write_map)


def address_of(text: str, option: str) -> tuple[Table | None, int]:
    """An address from 0: "3", "0x0100"; or "40004", "30001", counted from 1 with its table in front."""
    if found := re.fullmatch(r"([0134])(\d{4,5})", text.strip()):
        if number := int(found[2]):
            return _ENTITIES[found[1]], number - 1
    elif re.fullmatch(r"0[xX][0-9a-fA-F]{1,4}|\d{1,4}", text.strip()):
        return None, int(text, 0) if text.strip()[:2].lower() == "0x" else int(text)
    message = f"got {text!r}, expected an address from 0 such as 3 or 0x0100, or one such as 40004 (holding, from 1)"
    raise click.BadParameter(message, param_hint=option)


def shown_of(text: str, option: str) -> Shown:
    """What the device shows."""
    try:
        return Shown.of(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def asking() -> Shown | None:
    """What it shows now, asked on the terminal; None when nothing was typed."""
    while text := _typed():
        try:
            return Shown.of(text)
        except ValueError as error:
            click.echo(str(error), err=True)
    return None


def _typed() -> str:
    try:
        text: str = click.prompt("What does it show now? (Enter ends)", default="", show_default=False)
    except click.Abort:  # Ctrl-C, or nobody is there to type: what was found so far counts
        click.echo()
        return ""
    return text.strip()
