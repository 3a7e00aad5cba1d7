"""Makes the captures of virtual devices: `python -m tests.drivers.captures.made [MAP...]`. It invents no golden.

The bytes come from the bench's devices, which are written from the makers' documents and share no code with the maps;
the goldens are written by hand beside the physical state they follow from, in the modules of `states`.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drivers.instrument import ModbusDriver
from drivers.modbus import LineSection, open_line
from hil.capture import Golden, RecordedLine, RecordedTcp, Scene, written
from hil.devices.base import Device
from tests.drivers.captures import states

HERE = Path(__file__).parent


@dataclass(frozen=True)
class State:
    """The device in one state, and the readings that a right poll must give: lines of POINT VALUE UNIT QUALITY."""

    set: Callable[[Any], object]
    expect: str

    @property
    def goldens(self) -> tuple[Golden, ...]:
        words = [line.split() for line in self.expect.strip().splitlines()]
        return tuple(
            Golden(point, None if value == "-" else float(value), "" if unit == "-" else unit, quality)
            for point, value, unit, quality in words
        )


def put(**values: object) -> Callable[[Any], None]:
    """A state of these attributes; the others stay as they are."""

    def become(device: object) -> None:
        for name, value in values.items():
            assert hasattr(device, name), f"{type(device).__name__} has no {name}"
            setattr(device, name, value)

    return become


@dataclass(frozen=True)
class Recording:
    """One capture to make. `source`: what the virtual device was written from."""

    name: str  # of the file, without .cap
    device: Device
    source: str
    states: tuple[State, ...]
    section: str = ""  # TOML beside `map`
    map: str = ""  # `name` when left out
    notes: str = ""
    baudrate: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    tcp: bool = False

    @property
    def header(self) -> dict[str, str]:
        kind = type(self.device)
        header = {
            "Device": (kind.__doc__ or "").splitlines()[0].rstrip("."),
            "Firmware": "-",
            "Line": "tcp" if self.tcp else f"{self.baudrate} 8{self.parity}1",
            "Made": f"by the virtual device {kind.__module__}.{kind.__name__}, written from {self.source}",
            "Submitter": "Tocsin",
            "Driver": "modbus",
            "Section": f'map = "{self.map or self.name}"' + (f"\n{self.section}" if self.section else ""),
        }
        return header | ({"Notes": self.notes} if self.notes else {})


def recordings() -> Iterator[Recording]:
    """All that the modules of `states` declare."""
    for module in pkgutil.iter_modules(states.__path__):
        yield from importlib.import_module(f"{states.__name__}.{module.name}").RECORDINGS


async def record(recording: Recording, directory: Path) -> list[Scene]:
    """Poll the virtual device in each state with the real driver."""
    driver = ModbusDriver()
    section = driver.Section.model_validate(tomllib.loads(recording.header["Section"]))
    unit_id = driver.describe(section, directory).unit_id
    assert unit_id is not None
    units = {unit_id: recording.device}
    bench = RecordedTcp(units) if recording.tcp else RecordedLine(directory / "p", units, baudrate=recording.baudrate)
    scenes = []
    with bench:
        where = (
            LineSection(host=bench.host, port=bench.port)
            if isinstance(bench, RecordedTcp)
            else LineSection(port=str(bench.path), baudrate=bench.baudrate, parity=recording.parity)
        )
        async with open_line("line", where) as line, driver.connect("device", section, line, directory) as instrument:
            for state in recording.states:
                state.set(recording.device)
                bench.said.clear()
                await instrument.poll()
                scenes.append(Scene(tuple(bench.said), state.goldens))
    return scenes


def main(names: list[str]) -> None:
    """Write those captures, or all of them."""
    for recording in recordings():
        if not names or recording.name in names:
            with tempfile.TemporaryDirectory() as directory:
                scenes = asyncio.run(record(recording, Path(directory)))
            (HERE / f"{recording.name}.cap").write_text(written(recording.header, scenes), encoding="utf-8")
            print(recording.name)


if __name__ == "__main__":
    main(sys.argv[1:])
