"""Maps on a terminal: the list, and one of them whole. What a map says is told by `drivers.catalogue`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivers.catalogue import Card, card_of, cards
from drivers.registers import MapError

_WIDE = 100  # columns from which on points are a table
_MATURITY = {"experimental": "yellow", "beta": "cyan", "stable": "green"}


def show_maps(wanted: str, console: Console, *, as_json: bool = False) -> int:
    """All maps, those that speak of `wanted`, or the one that is called so or stands in that file. The exit code."""
    try:
        found = _found(wanted)
    except MapError as errors:
        for problem in errors.problems:
            console.print(problem, markup=False, highlight=False, soft_wrap=True)
        return 2
    if as_json:
        console.print_json(json.dumps([asdict(card) for card in found], ensure_ascii=False))
    elif len(found) == 1 and wanted:
        _show_card(found[0], console)
    else:
        _show_list(found, console)
    return 0


def _found(wanted: str) -> list[Card]:
    if not wanted:
        return cards()
    try:
        return [card_of(wanted)]
    except MapError:
        speaking = [] if wanted.endswith(".toml") else [card for card in cards() if card.speaks_of(wanted)]
        if not speaking:
            raise
        return speaking


def _show_list(found: Sequence[Card], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("map", "device", "points", "line", "maturity"):
        table.add_column(head, overflow="fold")
    for card in found:
        points = ", ".join(row.name for row in card.rows)
        maturity = Text(card.maturity, style=_MATURITY.get(card.maturity, ""))
        table.add_row(card.name, card.title, points, card.driver, maturity)
    console.print(table)
    console.print(f"{len(found)} maps; `tocsin maps NAME` shows one", style="dim")


def _points(card: Card) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("point", "where", "unit", "range or states", "valid when", "note"):
        table.add_column(head, overflow="fold")
    for row in card.rows:
        table.add_row(row.name, Text(row.where), row.unit, Text(row.extent), Text(row.valid), Text(row.note))
    return table


def _show_card(card: Card, console: Console) -> None:
    console.print(Text(card.title, style="bold"))
    console.print(Text(f'map = "{card.name}", driver = "{card.driver}", {card.maturity}; {card.line}'))
    if console.width < _WIDE:
        for row in card.rows:
            told = [row.where, row.unit, row.extent, row.valid and f"valid when {row.valid}", row.note]
            console.print(Text(row.name, style="bold"), Text("; ".join(part for part in told if part)))
    else:
        console.print(_points(card))
    sections = (("The site gives", card.given), ("Manners", card.manners), ("Quirks", card.notes))
    for title, lines in (*sections, ("Not verified", card.unverified), ("Sources", card.source)):
        if lines:
            console.print(Text(f"\n{title}", style="bold"))
            for line in lines:
                console.print(Text(f"- {line}"), soft_wrap=False)
