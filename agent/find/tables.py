"""Registers and their decodings as tables of 80 columns. Shows, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivers.find.decodings import ORDERS, Candidate, Expected, Place, candidates, is_sane, orders_of, places, text_of
from drivers.frames import BIT_TABLES
from drivers.frames import Table as RegisterTable
from drivers.registers import Cell
from drivers.words import NumberType, word_count

_STYLES = {"very likely": "bold green", "likely": "green", "possible": ""}
_ROWS: tuple[NumberType, ...] = ("u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64")


def registers(cells: Mapping[Cell, int], table: RegisterTable, width: int) -> RenderableType:
    """A range, a row an address: as words, as 32-bit numbers and floats in each order. Runs of zeros are one row."""
    if table in BIT_TABLES:
        return _bits(cells, table)
    shown = _table()
    wide = width >= 100
    columns = ["address", "hex", "16 bits", "32 ABCD", *(["32 CDAB"] if wide else []), *(f"f32 {o}" for o in ORDERS)]
    for column in columns:
        shown.add_column(column, justify="left" if column == "address" else "right", no_wrap=True)
    found = places(cells, table)
    for start, end in _runs(found):
        if end - start > 2:
            shown.add_row(f"{found[start].address}-{found[end - 1].address}", "0000", "0", *[""] * (len(columns) - 3))
            continue
        for place in found[start:end]:
            integers = [_integer(place, "ABCD"), *([_integer(place, "CDAB")] if wide else [])]
            shown.add_row(_address(place.address), f"{place.word:04X}", _small(place), *integers, *_floats(place))
    texts = [Text(f"text at {address}: {text!r}") for address, text in text_of(cells, table)]
    return _titled(f"{table} registers (wide numbers at their first address; . is no likely float)", shown, *texts)


def _bits(cells: Mapping[Cell, int], table: RegisterTable) -> RenderableType:
    shown = _table()
    shown.add_column("address", no_wrap=True)
    shown.add_column("on")
    rows: dict[int, list[tuple[int, int]]] = {}
    for (where, address), bit in sorted(cells.items()):
        if where == table:
            rows.setdefault(address // 16 * 16, []).append((address, bit))
    for start, bits in rows.items():
        shown.add_row(f"{start}", " ".join(f"[bold green]{address}[/]" if bit else "." for address, bit in bits))
    return _titled(f"{table} bits that are on", shown)


def _runs(found: Sequence[Place]) -> list[tuple[int, int]]:
    """Where runs of neighbouring zeros begin and end; everything else one by one."""
    runs: list[tuple[int, int]] = []
    for i, place in enumerate(found):
        follows = i > 0 and found[i - 1].address + 1 == place.address
        if runs and follows and place.word == 0 and found[i - 1].word == 0:
            runs[-1] = runs[-1][0], i + 1
        else:
            runs.append((i, i + 1))
    return runs


def _address(address: int) -> str:
    return f"{address} {address:04X}h"


def _small(place: Place) -> str:
    return f"{place.word}" if place.word < 0x8000 else f"{place.word} {place.word - 0x10000}"


def _integer(place: Place, order: str) -> Text:
    unsigned, signed = place.numbers["u32", order], place.numbers["i32", order]  # type: ignore[index]
    if unsigned is None or signed is None:
        return Text("")
    return Text(f"{min(unsigned, signed, key=abs):.0f}", style="" if abs(signed) < 10_000_000 else "dim")


def _floats(place: Place) -> list[Text]:
    values = [place.numbers["f32", order] for order in ORDERS]
    return [
        Text("") if value is None else Text(f"{value:.4g}", style="bold") if is_sane(value) else Text(".", style="dim")
        for value in values
    ]


def around(cells: Mapping[Cell, int], table: RegisterTable, address: int, expected: Expected | None) -> RenderableType:
    """Every decoding at an address, the one before and the one after it: manuals count from 0 or from 1."""
    at = {place.address: place for place in places(cells, table)}
    columns = [one for one in (address - 1, address, address + 1) if one >= 0]
    fitting = {(one.address, one.type, one.order) for one in (candidates(cells, expected) if expected else [])}
    shown = _table()
    shown.add_column("", no_wrap=True)
    for one in columns:
        shown.add_column(_address(one) + (" (asked)" if one == address else ""), justify="right", no_wrap=True)
    shown.add_row("hex", *(f"{at[one].word:04X}" if one in at else "refused" for one in columns))
    for kind in _ROWS:
        for order in orders_of(kind):
            row = [_cell(at.get(one), kind, order, (one, kind, order) in fitting) for one in columns]
            if word_count(kind) < 4 or any(cell.style for cell in row):
                shown.add_row(_kind(kind, order), *row)
    return _titled(f"{table}: every decoding at {address}, and at the addresses before and after it", shown)


def _cell(place: Place | None, kind: NumberType, order: str, fits: bool) -> Text:
    number = place.numbers[kind, order] if place else None  # type: ignore[index]
    if number is None:
        return Text("")
    text = f"{number:.6g}" if kind in {"f32", "f64"} else f"{number:.0f}"
    if fits:
        return Text(f"<- {text}", style="bold green")
    odd = kind in {"f32", "f64"} and not is_sane(number)
    return Text(text, style="dim" if odd and word_count(kind) < 4 else "")


def matches(found: Sequence[Candidate], count: int, shown_text: str, unit: str) -> RenderableType:
    """The decodings that give what the device shows."""
    if not found:
        return Text(
            f"No register gives {shown_text}, in any type, order or usual scale. Another range (--from, --count), "
            "another table (--table input), or the value has changed since.",
            style="yellow",
        )
    shown = _table()
    for column in ("", "address", "type", "scale", "gives now"):
        shown.add_column(column, no_wrap=column != "scale")
    for one in found:
        kind = _kind(one.type, one.order)
        place = f"{one.table} {_address(one.address)}"
        gives = f"{one.value:.6g} {unit}".rstrip()
        shown.add_row(Text(one.word, style=_STYLES[one.word]), place, kind, _scale(one), gives)
    ways = f"{count} ways to read that" if count > 1 else "one way to read that"
    return _titled(f"It shows {shown_text}: {ways}, likest first", shown)


def _scale(one: Candidate) -> str:
    scale = one.scale
    return scale.why or ("as it is" if scale.factor == 1 else f"x {scale.factor:g}")


def _kind(kind: NumberType, order: str) -> str:
    return kind if word_count(kind) == 1 and order == "ABCD" else f"{kind} {order}"


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))


def _titled(title: str, *parts: RenderableType) -> Group:
    # Not a table's own title: that would be broken at the width of a narrow table.
    return Group(Text(title, style="italic"), *parts)
