"""`tocsin probe`: reads registers of one unit, shows every decoding, plausible ones first. Writes only a map draft."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from agent.find.draft import draft
from agent.find.place import port_at
from agent.find.shown import Shown
from agent.find.tables import around, matches, registers
from drivers.api import DriverError
from drivers.find.decodings import Candidate, candidates, confirmed
from drivers.find.port import HostPort, Settings
from drivers.find.survey import Survey
from drivers.frames import BIT_TABLES, Table

_SHOWN = 8  # candidates
_NEIGHBOURS = 5  # registers beyond --at that its widest decodings at +1 take


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked for."""

    port: str
    unit_id: int
    settings: Settings
    tables: Sequence[Table]
    address: int = 0
    count: int = 64
    at: int | None = None  # only this address, with the ones before and after it
    shown: Shown | None = None
    map_file: Path | None = None
    wait_s: float = 1.0


def probe(wanted: Probe, ask: Callable[[], Shown | None] | None, console: Console, errors: Console) -> int:
    """Read, show, compare. `ask` is asked for what the device shows now until it gives None.

    0: something was read; 1: nothing, or the map was not written.
    """
    with port_at(wanted.port) as port:
        settings = Settings(0) if isinstance(port, HostPort) else wanted.settings
        survey = Survey(port, wanted.unit_id, wanted.wait_s)
        try:
            port.tune(settings)
            _read(wanted, survey)
            if not survey.cells:
                errors.print(_nothing(wanted, survey, settings), markup=False, highlight=False)
                return 1
            _show(wanted, survey, console)
            best, shown = _compare(wanted, survey, ask, console)
        except DriverError as error:
            errors.print(error.reason, markup=False, highlight=False)
            return 1
    if wanted.map_file is None:
        return 0
    return _written(wanted.map_file, draft(survey, settings, best, shown, _today()), errors)


def _today() -> dt.date:
    return dt.datetime.now().astimezone().date()


def _read(wanted: Probe, survey: Survey) -> None:
    address, count = wanted.address, wanted.count
    if wanted.at is not None:
        address = max(0, wanted.at - 1)
        count = min(_NEIGHBOURS + 1, 65536 - address)
    for table in wanted.tables:
        survey.explore(table, address, count)
        if survey.silent and not survey.answers_s and not survey.refused and not survey.closed:
            return  # nobody there: other tables would be as silent


def _nothing(wanted: Probe, survey: Survey, settings: Settings) -> str:
    if refusals := [*survey.closed.values(), *survey.refused.values()]:
        tables = " nor ".join(wanted.tables)
        return f"Unit {wanted.unit_id} answers, but for these {tables} registers: {refusals[0]}. Others: --from, --at."
    return (
        f"Unit {wanted.unit_id} does not answer on {wanted.port} at {settings}. "
        f"tocsin scan {wanted.port} finds who does, and at which speed."
    )


def _show(wanted: Probe, survey: Survey, console: Console) -> None:
    expected = wanted.shown.expected if wanted.shown else None
    for table in wanted.tables:
        if not any(where == table for where, _ in survey.cells):
            refused = [reason for (where, _), reason in survey.refused.items() if where == table]
            why = survey.closed.get(table) or next(iter(refused), "no answer")
            console.print(f"{table}: {why}", style="dim", highlight=False)
        elif wanted.at is not None and table not in BIT_TABLES:
            console.print(around(survey.cells, table, wanted.at, expected))
        else:
            console.print(registers(survey.cells, table, console.width))


def _compare(
    wanted: Probe, survey: Survey, ask: Callable[[], Shown | None] | None, console: Console
) -> tuple[Candidate | None, Shown | None]:
    shown = wanted.shown
    if shown is None:
        return None, None
    found = candidates(survey.cells, shown.expected)
    console.print(matches(found[:_SHOWN], len(found), shown.text, shown.unit))
    while ask is not None and found and (now := ask()) is not None:
        shown = now
        survey.again()
        _read(wanted, survey)
        found = confirmed(found, survey.cells, now.expected)
        console.print(matches(found[:_SHOWN], len(found), now.text, now.unit))
    return (found[0] if found else None), shown


def _written(path: Path, text: str, errors: Console) -> int:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        errors.print(f"{path} is there already and is left as it is; name another file", markup=False, highlight=False)
        return 1
    except OSError as error:
        errors.print(f"{path}: {error.strerror}", markup=False, highlight=False)
        return 1
    errors.print(f'Draft written: map = "{path}" in a device table. Hold it against the manual.', highlight=False)
    return 0
