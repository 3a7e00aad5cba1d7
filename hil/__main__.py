"""The bench from the shell, for technicians and for trying a driver: a virtual device, a capture, a whole rig.

    python -m hil device hlk-ld8001h --unit-id 3 --path /tmp/radar --set level_mm=350 --fault late=0.1
    python -m hil device honeywell-midas --tcp 5020
    python -m hil speak maxbotix-hrxl --path /tmp/radar --set distance_mm=900      # an instrument without Modbus
    python -m hil replay radar.cap --path /tmp/radar
    python -m hil rig hil/sites/lianhua/rig.toml --dir /tmp/rig --scenario hil/scenarios/flood.toml

Each prints where it can be reached, then a line for every request; Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path

import click

from hil.capture import Capture, ReplayedLine
from hil.devices import CATALOGUE
from hil.devices.speakers import SPEAKERS
from hil.faults import Fault, FaultPlan
from hil.line import VirtualLine
from hil.rig import Rig, put
from hil.scenario import Player, Scenario
from hil.spoken import SpokenLine
from hil.tcp import VirtualTcp

Line = VirtualLine | VirtualTcp


def _setting(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


def _chance(text: str) -> tuple[Fault, float]:
    kind, _, chance = text.partition("=")
    return Fault(kind), float(chance or 1)


def _device(options: argparse.Namespace, stack: ExitStack) -> list[Line]:
    device = CATALOGUE[options.model]()
    for name, value in options.set:
        put(device, name, value)
    unit_id = options.unit_id or device.default_unit_id
    line: Line
    if options.tcp is not None:
        line = VirtualTcp({unit_id: device}, port=options.tcp, framing=options.framing, timed=True)
    else:
        baudrate = options.baudrate or device.default_baudrate
        line = VirtualLine(options.path, {unit_id: device}, baudrate=baudrate, parity=options.parity)
    if options.fault:
        line.faults[unit_id] = FaultPlan(dict(options.fault))
    click.echo(f"{options.model}, unit id {unit_id}")
    stack.enter_context(line)
    return [line]


def _replay(options: argparse.Namespace, stack: ExitStack) -> list[Line]:
    return [stack.enter_context(ReplayedLine(options.path, Capture.load(options.file)))]


def _rig(options: argparse.Namespace, stack: ExitStack) -> list[Line]:
    options.dir.mkdir(parents=True, exist_ok=True)
    rig = stack.enter_context(Rig.load(options.file, options.dir))
    if options.scenario:
        told = stack.enter_context(Player(Scenario.load(options.scenario), rig, lambda event: click.echo(event.say)))
        click.echo(f"the story takes {told.scenario.real_s:.0f} s")
    return list(rig.lines.values())


def _speak(options: argparse.Namespace, stack: ExitStack) -> list[Line]:
    speaker = SPEAKERS[options.model]()
    for name, value in options.set:
        put(speaker, name, value)
    line = stack.enter_context(SpokenLine(options.path, speaker))
    click.echo(f"{options.model}: {line.path}")
    while True:
        time.sleep(0.2)
        asked = line.take_heard()
        if asked:
            click.echo(asked.hex(" "))


def _where(line: Line) -> str:
    if isinstance(line, VirtualTcp):
        return f"{line.host}:{line.port} ({line.framing})"
    return f"{line.path} ({line.baudrate} 8{line.parity}1)"


def _watch(lines: list[Line]) -> None:
    click.echo("\n".join(_where(line) for line in lines))
    while True:
        for line in lines:
            while line.heard:
                heard = line.heard.popleft()
                click.echo(f"{heard.mono_s:.3f} unit {heard.unit_id}: {heard.pdu.hex(' ')}")
        time.sleep(0.2)


def _ended(*_: object) -> None:
    raise KeyboardInterrupt


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("device", help="one virtual device on a line of its own")
    one.add_argument("model", choices=sorted(CATALOGUE))
    one.add_argument("--unit-id", type=int)
    one.add_argument("--path", type=Path, default=Path("virtual-line"), help="the port's name: a link to a pty")
    one.add_argument("--baudrate", type=int)
    one.add_argument("--parity", choices=["N", "E", "O"], default="N")
    one.add_argument("--tcp", type=int, metavar="PORT", help="on TCP instead; 0 picks a port")
    one.add_argument("--framing", choices=["tcp", "rtu"], default="tcp")
    one.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE")
    one.add_argument("--fault", type=_chance, action="append", default=[], metavar="KIND=CHANCE")
    spoken = commands.add_parser("speak", help="one virtual instrument without Modbus")
    spoken.add_argument("model", choices=sorted(SPEAKERS))
    spoken.add_argument("--path", type=Path, default=Path("virtual-line"), help="the port's name: a link to a pty")
    spoken.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE")
    again = commands.add_parser("replay", help="a capture, said again")
    again.add_argument("file", type=Path)
    again.add_argument("--path", type=Path, default=Path("virtual-line"), help="the port's name: a link to a pty")
    many = commands.add_parser("rig", help="every line and device of a rig file")
    many.add_argument("file", type=Path)
    many.add_argument("--dir", type=Path, default=Path("virtual-lines"), help="where the ports' links are made")
    many.add_argument("--scenario", type=Path)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted. 0, or 2 for what cannot be served."""
    options = _options(argv)
    signal.signal(signal.SIGTERM, _ended)
    with ExitStack() as stack:
        try:
            serve = {"device": _device, "speak": _speak, "replay": _replay, "rig": _rig}[options.command]
            _watch(serve(options, stack))
        except KeyboardInterrupt:
            return 0
        except (OSError, ValueError) as error:
            click.echo(error, err=True)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
