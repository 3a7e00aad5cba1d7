"""Which reads a search asks, in which order, and how long that takes; the likely ones first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drivers.find.port import Parity, Settings
from drivers.frames import Request, Table, read_request
from drivers.registers import RegisterMap, plan

BAUDRATES = (9600, 115200, 19200, 4800, 38400, 2400, 57600, 1200)
UNIT_IDS = range(1, 248)
EVERYBODY = (255, 254)  # answered by some makers' units whatever their own id: a reply, even garbled, tells the speed
_SLACK_S = 0.02  # what the port grants USB adapters

# Factory settings of what is sold, most frequent first: 9600 8N1 nearly everywhere, then what is fast or old; 8E1 is
# the default of the Modbus specification and is rare in the field.
_USUAL = [Settings(rate) for rate in (9600, 115200, 19200, 4800)] + [Settings(9600, "E"), Settings(19200, "E")]


@dataclass(frozen=True, slots=True)
class Ask:
    """One read at given settings, and how long its answer is waited for."""

    settings: Settings
    request: Request
    wait_s: float

    @property
    def cost_s(self) -> float:
        """How long it takes when nobody answers."""
        sent_s = len(self.request.rtu) * self.settings.character_s
        return sent_s + 2 * self.settings.gap_s + self.wait_s + (_SLACK_S if self.settings.baudrate else 0.0)


def settings_of(baudrates: Sequence[int], parities: Sequence[Parity]) -> list[Settings]:
    """Every pair of them, the usual ones first, then all of one parity before the next."""
    every = [Settings(rate, parity) for parity in parities for rate in baudrates]
    return sorted(every, key=lambda one: _USUAL.index(one) if one in _USUAL else len(_USUAL) + every.index(one))


def likely(
    settings: Iterable[Settings], unit_ids: Iterable[int], maps: Mapping[str, RegisterMap], wait_s: float
) -> Iterator[Ask]:
    """At each setting: who answers to everybody, ids 1 to 3, and known models at their factory unit id.

    A model is asked what it surely has: some are silent where others refuse.
    """
    allowed = set(unit_ids)
    for one in settings:
        asked: set[bytes] = set()
        asks = [Ask(one, read_request("holding", unit_id, 0, 1), wait_s) for unit_id in (*EVERYBODY, 1, 2, 3)]
        asks += _factory(one, maps, wait_s)
        for ask in asks:
            unit_id = ask.request.unit_id
            if ask.request.rtu not in asked and (unit_id in allowed or unit_id in EVERYBODY):
                asked.add(ask.request.rtu)
                yield ask


def _factory(settings: Settings, maps: Mapping[str, RegisterMap], wait_s: float) -> Iterator[Ask]:
    for register_map in maps.values():
        device = register_map.device
        at_home = not settings.baudrate or settings.baudrate in device.baudrates[:1]
        if device.unit_id and at_home and device.parity in {"", settings.parity}:
            block = plan(register_map)[0]
            yield Ask(settings, read_request(block.table, device.unit_id, block.address, block.count), wait_s)


def sweep(
    settings: Iterable[Settings], unit_ids: Iterable[int], tables: Iterable[Table], wait_s: float
) -> Iterator[Ask]:
    """Every unit id at every setting, asked for the first register of each table.

    A unit that has no such register refuses, which tells as well that it is there.
    """
    unit_ids, tables = list(unit_ids), list(tables)
    for one in settings:
        for table in tables:
            for unit_id in unit_ids:
                yield Ask(one, read_request(table, unit_id, 0, 1), wait_s)
