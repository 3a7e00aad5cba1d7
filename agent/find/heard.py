"""What a running agent tells of a line, as objects: its settings, its devices, exchanges with their readings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.api import Quality
from drivers.decode import Decoded
from drivers.find.sample import sample, shown
from drivers.find.spoken import answered, asked
from drivers.frames import Table
from drivers.instrument import ModbusSection, site_map
from drivers.registers import Cell, RegisterMap

_READ_TABLES: Mapping[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with what came back, or bytes that nobody had asked for (`request` is empty)."""

    number: int  # of its last frame
    mono_ns: int  # of its end
    elapsed_s: float
    request: bytes
    reply: bytes
    fault: str

    @property
    def unit_id(self) -> int | None:
        """Whom it was about, on Modbus lines."""
        frame = self.request or self.reply
        return frame[0] if frame else None


@dataclass(frozen=True, slots=True)
class Line:
    """How the line is spoken on."""

    carries: str  # "rtu", "tcp", "raw"
    serial: bool
    baudrate: int
    bytesize: int
    parity: str
    stopbits: int

    @property
    def text(self) -> str:
        """As people write it: "9600 8N1", or "TCP"."""
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}" if self.serial else "TCP"

    def delay_s(self, exchange: Exchange) -> float:
        """From the end of the request to the beginning of the answer, less the silence that every unit keeps."""
        if not self.serial:
            return exchange.elapsed_s
        character_s = (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate
        silence_s = 0.00175 if self.baudrate > 19200 else 3.5 * character_s
        spoken_s = (len(exchange.request) + len(exchange.reply)) * character_s
        return max(0.0, exchange.elapsed_s - spoken_s - silence_s)


class Device:
    """One device of the site on that line, and what its frames mean."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.unit_id: int | None = told["unit_id"]
        self.driver: str = told["driver"]
        self.section: Mapping[str, Any] = told["section"]
        self._map = _map_of(told)

    @property
    def header(self) -> Mapping[str, Any]:
        """Its section for the header of a capture, the unit id always in it."""
        return {**self.section, **({} if self.unit_id is None else {"unit_id": self.unit_id})}

    def readings(self, exchange: Exchange) -> list[str]:
        """What the answer says by the device's map: only points that it holds whole."""
        return [shown(name, one, self._map) for name, _, one in self.decoded([exchange]) if self._map]

    def decoded(self, exchanges: Iterable[Exchange]) -> list[tuple[str, str, Decoded]]:
        """Every point that these answers hold whole: its name, its unit, and what it read."""
        cells = {cell: word for one in exchanges for cell, word in read_cells(one).items()}
        if self._map is None or not cells:
            return []
        points = self._map.point
        decoded = sample(cells, self._map).items()
        return [(name, points[name].unit, one) for name, one in decoded if one.quality is not Quality.COMM_FAULT]


def _map_of(told: Mapping[str, Any]) -> RegisterMap | None:
    if told["driver"] != "modbus":
        return None
    # The agent dumped durations as seconds, which a site file may not hold; they matter only while polling.
    keys = {
        key: told["section"][key] for key in ("map", "unit_id", "constants", "only", "point") if key in told["section"]
    }
    try:
        return site_map(ModbusSection.model_validate(keys), Path(told["base"]))
    except ValueError:  # the map has changed since the agent read it: frames are shown without values
        return None


def read_cells(exchange: Exchange) -> dict[Cell, int]:
    """The registers or bits that a good read answer holds."""
    request, reply = exchange.request, exchange.reply
    if exchange.fault or len(request) < 8 or request[1] not in _READ_TABLES or reply[1:2] != request[1:2]:
        return {}
    table, address = _READ_TABLES[request[1]], int.from_bytes(request[2:4], "big")
    count, data = int.from_bytes(request[4:6], "big"), reply[3 : 3 + reply[2]]
    if table in {"coil", "discrete"}:
        bits = [data[i // 8] >> (i % 8) & 1 for i in range(min(count, 8 * len(data)))]
        return {(table, address + i): bit for i, bit in enumerate(bits)}
    return {(table, address + i): int.from_bytes(data[2 * i : 2 * i + 2], "big") for i in range(len(data) // 2)}


def exchanges_of(frames: Iterable[tuple[int, int, str, str, str]]) -> list[Exchange]:
    """Frames of the ring, paired: a request with what came back."""
    found: list[Exchange] = []
    sent: tuple[int, bytes] | None = None
    for number, mono_ns, way, data, fault in frames:
        said = bytes.fromhex(data)
        if way == ">":
            sent = mono_ns, said
            continue
        start_ns, request = sent if way == "<" and sent else (mono_ns, b"")
        found.append(Exchange(number, mono_ns, (mono_ns - start_ns) / 1e9, request, said, fault))
        sent = None
    return found


def words_of(line: Line, exchange: Exchange) -> tuple[str, str]:
    """What was asked, and what was answered."""
    if line.carries != "raw":
        return asked(exchange.request), answered(exchange.request, exchange.reply, exchange.fault)
    reply = _raw(exchange.reply) if exchange.reply else "silence" if exchange.request else ""
    return _raw(exchange.request), f"{exchange.fault}: {reply}" if exchange.fault else reply


def _raw(data: bytes) -> str:
    """Bytes of a line without Modbus: as text where they are."""
    if data and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in data):
        return repr(data.decode("ascii"))[1:-1]
    return data[:24].hex(" ") + (f" and {len(data) - 24} more" if len(data) > 24 else "")
