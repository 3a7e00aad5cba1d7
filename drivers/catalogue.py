"""All maps that come with Tocsin as cards for people, and docs/instruments.md (`python -m drivers.catalogue`).

It says what the maps say and nothing more; it opens no line.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.api import Kind
from drivers.linemaps import LineMap, LinePoint, line_map_names, load_line_map
from drivers.mapkeys import keys_page
from drivers.registers import DeviceModel, MapError, MapPoint, RegisterMap, load_map, map_names
from drivers.vocabulary import Constant, Gate

INTRO = """# Instruments

An instrument is a map: one TOML file that says where a device keeps what, in which form, and where each fact comes
from. `tocsin maps` lists these, `tocsin maps NAME` shows one; `tocsin scan` finds units on a line and names those it
knows, `tocsin probe` shows the registers of the others. A map in a file of one's own is used the same way:
`map = "maps/acme.toml"`; see [writing a driver](writing-a-driver.md).

- Maturity: **experimental**, from a document or somebody's code alone; **beta**, also read by public drivers or held
  against a virtual device made from the maker's document; **stable**, in service. What nobody has confirmed is listed.
- Addresses are those of the protocol, counted from 0: what many sheets call 40001 is holding 0x0000.
- Numbers of 32 bits are written as their bytes come: ABCD big end first, CDAB words swapped, BADC bytes swapped.
- A value is only GOOD when everything that the device says of it allows that: gates are the column "valid when".
- "the site gives" are figures of the single instrument: `constants = { k = 0.0016 }` in its table of the site file.
- What is locked is never written while guarding, whoever asks: such a write is refused and nothing is sent.

[How quirks are written](#how-quirks-are-written) and [all keys](#keys-of-a-register-map) stand at the end.

This page is made from the maps by `python -m drivers.catalogue`; a test holds them together.
"""
_NUMBER = re.compile(r"\d+")
_NUMBERED = re.compile(r"-\d+(?=\")")  # of a name in a map: "age-12"
_FEW = 3  # points alike from so many on are told in one row


@dataclass(frozen=True, slots=True)
class Row:
    """A point, or several alike, in words."""

    name: str
    where: str
    unit: str
    extent: str  # range, states
    valid: str
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """A map in words."""

    name: str
    driver: str
    title: str
    maturity: str
    line: str  # speed, parity, unit id
    source: tuple[str, ...]
    notes: tuple[str, ...]
    unverified: tuple[str, ...]
    manners: tuple[str, ...]  # what it writes, what is locked, how it is known
    given: tuple[str, ...]  # figures that the site gives
    rows: tuple[Row, ...]
    points: int

    def speaks_of(self, words: str) -> bool:
        """Whether its name, title or points hold every one of the words."""
        text = " ".join((self.name, self.title, *(row.name for row in self.rows))).lower()
        return all(word in text for word in words.lower().split())


def cards() -> list[Card]:
    """All maps, by name."""
    found = [register_card(name, load_map(name)) for name in map_names()]
    found += [line_card(name, load_line_map(name)) for name in line_map_names()]
    return sorted(found, key=lambda card: card.name)


def card_of(name: str) -> Card:
    """The map of that name, or in that file. Raises MapError: nearest names, or all that is wrong in it."""
    if name.endswith(".toml"):
        try:
            return register_card(Path(name).stem, load_map(name))
        except MapError as errors:
            try:
                return line_card(Path(name).stem, load_line_map(name))
            except MapError:
                raise errors from None
    if name in map_names():
        return register_card(name, load_map(name))
    if name in line_map_names():
        return line_card(name, load_line_map(name))
    known = [*map_names(), *line_map_names()]
    near = ", ".join(difflib.get_close_matches(name, known, 3, 0.4))
    raise MapError([f"no map {name!r}{f'; nearest: {near}' if near else ''}; a file is given with .toml"])


def register_card(name: str, register_map: RegisterMap) -> Card:
    """The card of a register map."""
    device = register_map.device
    return Card(
        name=name,
        driver="modbus",
        title=device.title,
        maturity=device.maturity,
        line=_line(device.baudrates, device.parity, "unit id", device.unit_id),
        source=device.source,
        notes=device.notes,
        unverified=device.unverified,
        manners=tuple(_manners(device)),
        given=tuple(_given(register_map.constant)),
        rows=tuple(_rows({n: p for n, p in register_map.point.items() if not p.hidden}, _registers)),
        points=len(register_map.points),
    )


def line_card(name: str, line_map: LineMap) -> Card:
    """The card of an instrument without Modbus."""
    device = line_map.device
    asks = f"asked with {device.request!r}" if device.request else f"SDI-12, a{device.command}!"
    manners = f"talks on its own, at least every {device.every:g} s" if device.every else asks
    given = [f"{key}: {parameter.note}" for key, parameter in line_map.parameters.items()]
    points = {n: p for n, p in line_map.registers.point.items() if not p.hidden}
    return Card(
        name=name,
        driver="line",
        title=device.title,
        maturity=device.maturity,
        line=_line(device.baudrates, device.parity, "address", device.address),
        source=device.source,
        notes=device.notes,
        unverified=device.unverified,
        manners=(manners,),
        given=(*given, *_given(line_map.registers.constant)),
        rows=tuple(_rows(points, lambda n, _: _field(line_map.found[n]))),
        points=len(points),
    )


# --- words ------------------------------------------------------------------------------------------------------


def _line(baudrates: Sequence[int], parity: str, what: str, address: object) -> str:
    speed = f"{baudrates[0]} baud" if baudrates else "speed unknown"
    others = f" (or {', '.join(map(str, baudrates[1:]))})" if baudrates[1:] else ""
    parities = {"N": "no parity", "E": "even parity", "O": "odd parity", "": "parity as set"}
    return f"{speed}{others}, {parities[parity]}, " + (f"no usual {what}" if address is None else f"{what} {address}")


def _manners(device: DeviceModel) -> Iterator[str]:
    if device.trigger:
        trigger = device.trigger
        yield (
            f"before every poll {trigger.value:#06x} is written to {trigger.table} {trigger.address:#06x}, "
            f"and {trigger.wait:g} s are waited"
        )
    if device.gap:
        yield f"left alone for {device.gap:g} s between two requests"
    for part in device.locked:
        last = f" to {part.address + part.count - 1:#06x}" if part.count > 1 else ""
        yield f"locked: {part.table} {part.address:#06x}{last}, {part.why}"
    for sign in device.signature:
        holds = "its unit id" if sign.unit_id else " or ".join(f"{v:#x}" if v > 9 else str(v) for v in sign.values)
        mask = "" if sign.mask == 0xFFFF else f" (under mask {sign.mask:#06x})"
        yield f"known by: {sign.table} {sign.address:#06x} holds {holds}{mask}"


def _given(constants: Mapping[str, Constant]) -> Iterator[str]:
    for name, constant in constants.items():
        default = "the site must give it" if constant.value is None else f"{constant.value:g} unless the site says so"
        yield f"{name}: {constant.note}; {constant.allowed}; {default}"


def _rows(points: Mapping[str, MapPoint], where: Callable[[str, MapPoint], str]) -> Iterator[Row]:
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, point in points.items():
        shape = point.model_copy(update={"address": 0}).model_dump_json()
        alike.setdefault((_NUMBER.sub("#", name), _NUMBERED.sub("-#", shape)), []).append(name)
    for names in alike.values():
        if len(names) < _FEW:
            yield from (_row(name, points[name], where(name, points[name])) for name in names)
            continue
        first, second, last = names[0], names[1], names[-1]
        step = points[second].address - points[first].address
        place = f"{where(first, points[first])}, every {step}" if step > 1 else where(first, points[first])
        row = _row(f"{first} to {last}", points[first], place)
        one = re.compile(rf"-{first.rpartition('-')[2]}\b")  # the others refer to their own numbers
        yield replace(row, where=one.sub("-#", row.where), valid=one.sub("-#", row.valid))


def _row(name: str, point: MapPoint, where: str) -> Row:
    kind = "" if point.kind is Kind.GAUGE else point.kind.replace("_", " ")
    wraps = "" if point.wrap is None else f"wraps at {point.wrap:g}"
    note = "; ".join(part for part in (kind, wraps, point.note) if part)
    return Row(name, where, point.unit, _extent(point), "; ".join(_gates(point.valid_when)), note)


def _registers(_: str, point: MapPoint) -> str:
    words = [f"{point.table} {point.address:#06x}"]
    if point.type == "bits" and point.bits:
        low, high = point.bits
        words.append(f"bit {low}" if low == high else f"bits {low} to {high}")
    elif point.type != "bit":
        words.append(f"{point.type} {point.order}" if point.order and point.words > 1 else point.type)
    if point.decode:
        words.append(f"`{point.decode}`")
    if point.polynomial:
        words.append(" + ".join(f"{c:g} raw^{power}" for power, c in enumerate(point.polynomial)))
    if point.scale != 1:
        words.append(f"x {point.scale:g}")
    if point.offset:
        words.append(f"{point.offset:+g}")
    if point.scale_from:
        words.append(f"scaled by {point.scale_from.point}")
    if point.unit_from:
        words.append(f"unit by {point.unit_from.point}")
    return ", ".join(words)


def _field(found: LinePoint) -> str:
    message = f" of {found.message}" if found.message else ""
    where = "".join(f", where {key} = {value}" for key, value in (found.where or {}).items())
    how = "" if found.combine == "latest" else f", {found.combine} of all since the last poll"
    return f"field {found.field}{message}{where}{how}"


def _extent(point: MapPoint) -> str:
    if point.states:
        return ", ".join(f"{code} {state}" for state, code in point.states.items())
    if point.low is None and point.high is None:
        return ""
    low = "" if point.low is None else f"{point.low:g}"
    return f"{low} to {'' if point.high is None else f'{point.high:g}'}".strip()


def _gates(gates: Iterable[Gate]) -> Iterator[str]:
    for gate in gates:
        if gate.within:
            low, high = (bound if isinstance(bound, str) else f"{bound:g}" for bound in gate.within)
            yield f"{gate.point} {low} to {high}, else {gate.otherwise}".replace("_range", "-range")
            continue
        words = ("good", "uncertain", "over_range", "inhibited", "bad")
        said = [f"{word} when {', '.join(getattr(gate, word))}" for word in words if getattr(gate, word)]
        yield f"{gate.point}: {'; '.join([*said, f'else {gate.otherwise}'])}".replace("_range", "-range")


# --- the page ---------------------------------------------------------------------------------------------------


def instruments_page() -> str:
    """The text of docs/instruments.md."""
    found = cards()
    table = _table(
        ["map", "device", "driver", "maturity", "points"],
        ([f"[{c.name}](#{c.name})", c.title, c.driver, c.maturity, str(c.points)] for c in found),
    )
    count = f"{len(found)} maps: {len(map_names())} of registers, {len(line_map_names())} of lines and frames."
    return "\n".join([INTRO, count, "", table, *("\n".join(_section(card)) for card in found), keys_page()])


def _section(card: Card) -> Iterator[str]:
    yield f"\n## {card.name}\n"
    yield f'**{card.title}** (`driver = "{card.driver}"`, {card.maturity}): {card.line}.\n'
    rows = ([f"`{row.name}`", row.where, row.unit, row.extent, row.valid, row.note] for row in card.rows)
    yield _table(["point", "where", "unit", "range or states", "valid when", "note"], rows)
    sections = (("The site gives:", card.given), ("Manners:", card.manners), ("Quirks:", card.notes))
    for title, lines in (*sections, ("Not verified:", card.unverified), ("Sources:", card.source)):
        if lines:
            yield f"{title}\n"
            yield "\n".join(f"- {line}" for line in lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main(directory: Path) -> None:
    """Write the page into `directory`."""
    (directory / "instruments.md").write_text(instruments_page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
