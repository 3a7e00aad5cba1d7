"""A set of virtual lines and devices described in TOML; it puts them up and takes them down, and must not judge them.

with Rig.load("hil/sites/lianhua/rig.toml", directory) as rig:
    rig.device("underpass").level_mm = 350
    rig.lines["sensors"].path                 # what a site file names as its port
    rig.fail("gas", FaultPlan.always(Fault.SILENT)); rig.heal("gas")
    rig.sirens["roof"].sounding

[line.sensors]            baudrate, parity, stopbits, timed; or tcp = "tcp" | "rtu" for a TCP gateway
[device.underpass]        line, unit_id, model (see hil.devices.CATALOGUE), set = { attribute = value }
[siren.roof]              relay, channel, rated_a; and analog, input, span_a for its current transducer (4-20 mA)
"""

from __future__ import annotations

import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil.devices import CATALOGUE, AnalogInput8, Device, Siren, WaveshareRelay8, loop_ma
from hil.faults import FaultPlan
from hil.line import VirtualLine
from hil.tcp import VirtualTcp


@dataclass(frozen=True, slots=True)
class Placed:
    """A device and where it is."""

    device: Device
    line: VirtualLine | VirtualTcp
    unit_id: int


class Rig:
    """Lines, devices and sirens by name. Context manager: lines are up inside it, and nothing is left behind."""

    def __init__(self, description: dict[str, Any], directory: Path) -> None:
        self.lines = {name: _line(table, directory / name) for name, table in description.get("line", {}).items()}
        self.devices = {name: self._place(name, table) for name, table in description.get("device", {}).items()}
        self.sirens = {name: self._siren(table) for name, table in description.get("siren", {}).items()}
        self._stack = ExitStack()

    @classmethod
    def load(cls, path: str | Path, directory: Path) -> Rig:
        """The rig that a file describes; serial lines get their links in `directory`. Raises KeyError, ValueError."""
        with Path(path).open("rb") as file:
            return cls(tomllib.load(file), directory)

    def __enter__(self) -> Self:
        for line in self.lines.values():
            self._stack.enter_context(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def device(self, name: str) -> Any:
        """The device of that name; typed loosely because each model has attributes of its own."""
        return self.devices[name].device

    def thing(self, name: str) -> Any:
        """A device or a siren."""
        return self.sirens[name] if name in self.sirens else self.device(name)

    def fail(self, name: str, plan: FaultPlan) -> None:
        """Give a device faults."""
        placed = self.devices[name]
        placed.line.faults[placed.unit_id] = plan

    def heal(self, name: str) -> None:
        """Take a device's faults away."""
        placed = self.devices[name]
        placed.line.faults.pop(placed.unit_id, None)

    def _place(self, name: str, table: dict[str, Any]) -> Placed:
        model = table["model"]
        if model not in CATALOGUE:
            raise ValueError(f"device {name}: model {model!r} is not known; known are {', '.join(CATALOGUE)}")
        device = CATALOGUE[model]()
        for attribute, value in table.get("set", {}).items():
            put(device, attribute, value)
        line, unit_id = self.lines[table["line"]], table.get("unit_id", device.default_unit_id)
        if unit_id in line.units:
            raise ValueError(f"device {name}: unit id {unit_id} is taken on line {table['line']}")
        line.units[unit_id] = device
        return Placed(device, line, unit_id)

    def _siren(self, table: dict[str, Any]) -> Siren:
        relay = self.device(table["relay"])
        if not isinstance(relay, WaveshareRelay8):
            raise TypeError(f"{table['relay']} is no relay module")
        siren = Siren(relay, table["channel"], rated_a=table.get("rated_a", 2.0))
        if "analog" in table:
            analog = self.device(table["analog"])
            if not isinstance(analog, AnalogInput8):
                raise TypeError(f"{table['analog']} has no analog inputs")
            analog.signal[table["input"]] = loop_ma(siren.current_a, low=0.0, high=table.get("span_a", 5.0))
        return siren


def put(thing: object, attribute: str, value: object) -> None:
    """Set an attribute that exists. Raises ValueError for one that does not: a misspelt name must not go unseen."""
    if not hasattr(thing, attribute):
        known = sorted(name for name in vars(thing) if not name.startswith("_"))
        raise ValueError(f"{type(thing).__name__} has no {attribute!r}; it has {', '.join(known)}")
    setattr(thing, attribute, value)


def _line(table: dict[str, Any], path: Path) -> VirtualLine | VirtualTcp:
    if "tcp" in table:
        return VirtualTcp(port=table.get("port", 0), framing=table["tcp"], timed=table.get("timed", True))
    return VirtualLine(
        path,
        baudrate=table.get("baudrate", 9600),
        parity=table.get("parity", "N"),
        stopbits=table.get("stopbits", 1),
        timed=table.get("timed", True),
    )
