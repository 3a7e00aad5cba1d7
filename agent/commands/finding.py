"""Commands for a technician at a line with unknown units."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from agent.commands.shared import JSON, SOCKET, duration_of, places_of


@click.command()
@click.argument("port")
@click.option("--baud", "baudrates", metavar="RATE,...", help="Only these speeds. Default: eight, the usual first.")
@click.option("--parity", "parities", default="N,E,O", show_default=True, metavar="N,E,O", help="Only these parities.")
@click.option("--units", "unit_ids", default="1-247", show_default=True, metavar="1-247", help="Only these unit ids.")
@click.option("--wait", default="100 ms", show_default=True, help="For each answer; later ones are understood too.")
@click.option("--listen", default="3 s", show_default=True, help="How long to listen before anything is asked.")
@click.option("--first", is_flag=True, help="Stop at the first speed and parity at which units were found.")
@click.option("--deep", is_flag=True, help="Ask each unit id also for input registers and coils.")
@click.option("--anyway", is_flag=True, help="Ask although somebody else is master: it disturbs both.")
@click.option("--sdi12", is_flag=True, help="Look for SDI-12 sensors behind an adapter; --baud is its own speed.")
@JSON
def scan(port: str, *, sdi12: bool, **options: Any) -> None:
    """Find the units on PORT (or HOST:PORT), name the known ones, offer a piece of a site file. Never writes.

    Listens first: where somebody else is master, nothing is asked.
    """
    from rich.console import Console

    from agent.find.options import search_of
    from agent.find.scan import scan as scan_port
    from agent.find.sensors import find_sensors

    if sdi12:
        speed = options["baudrates"] or "9600"
        if not speed.isdecimal():
            raise click.BadParameter(f"one speed is needed, got {speed!r}", param_hint="--baud")
        deep, as_json = options["deep"], options["as_json"]
        sys.exit(find_sensors(port, int(speed), Console(), Console(stderr=True), deep=deep, as_json=as_json))

    for key in ("wait", "listen"):
        options[f"{key}_s"] = duration_of(options.pop(key), f"--{key}")
    as_json = options.pop("as_json")
    sys.exit(scan_port(search_of(port, **options), Console(), Console(stderr=True), as_json=as_json))


@click.command()
@click.argument("port")
@click.option("--unit", "unit_id", type=click.IntRange(1, 255), required=True, help="The unit id.")
@click.option("--baud", type=click.IntRange(300, 4_000_000), default=9600, show_default=True, help="Speed.")
@click.option("--parity", type=click.Choice(["N", "E", "O"]), default="N", show_default=True, help="Parity.")
@click.option("--table", help="holding, input, coil or discrete. Default: holding and input.")
@click.option("--from", "start", default="0", show_default=True, metavar="ADDRESS", help="First address.")
@click.option("--count", type=click.IntRange(1, 2000), default=64, show_default=True, help="How many from there.")
@click.option("--at", metavar="ADDRESS", help="Only this one, every decoding, and its neighbours: 3, 0x0100, 40004.")
@click.option("--expect", metavar='"1.25 m"', help="What the device shows: the decodings that give it, likest first.")
@click.option("--ask", is_flag=True, help="Then ask what it shows now, again and again: two values find the truth.")
@click.option("--write-map", type=click.Path(path_type=Path, dir_okay=False), help="Write the draft of a map there.")
def probe(port: str, **options: Any) -> None:
    """Read registers of one unit on PORT (or HOST:PORT) and show every decoding side by side. Never writes to it."""
    from rich.console import Console

    from agent.find.options import asking, probe_of
    from agent.find.probe import probe as probe_unit

    ask = asking if options.pop("ask") else None
    sys.exit(probe_unit(probe_of(port, **options), ask, Console(), Console(stderr=True)))


@click.command()
@click.argument("bus")
@click.option("--unit", "unit_id", type=click.IntRange(0, 255), help="Only this unit id.")
@click.option("--last", type=click.IntRange(0), default=10, show_default=True, help="Show so many of the latest first.")
@click.option("--once", is_flag=True, help="Show what was kept, and end.")
@click.option("--faults", is_flag=True, help="Show only what went wrong.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="At the end, write it all as a capture.")
@click.option("--golden", is_flag=True, help="With --unit: save one poll with what it read, as a test.")
@SOCKET
def trace(bus: str, socket: Path | None, once: bool, **options: Any) -> None:
    """Watch the frames on BUS of a running agent, decoded, until Ctrl-C. Nothing is asked of the line for it."""
    from rich.console import Console

    from agent.client import call
    from agent.find.trace import Watch
    from agent.find.trace import trace as trace_bus

    if options["golden"] and (options["unit_id"] is None or options["save"] is None):
        raise click.UsageError("--golden is of one unit, and is saved: give --unit and --save too")
    watch = Watch(bus, follow=not once, **options)
    sys.exit(trace_bus(watch, lambda do: call(do, places_of(socket)), Console(), Console(stderr=True)))


@click.command()
@click.argument("name", nargs=-1)
@JSON
def maps(name: tuple[str, ...], as_json: bool) -> None:
    """List the instruments that are known, or those that speak of these words; show the map NAME, or one in a file.

    Of a map: points, units, sources, maturity, quirks, what is not verified, and what the site must give.
    """
    from rich.console import Console

    from agent.maps import show_maps

    sys.exit(show_maps(" ".join(name), Console(), as_json=as_json))


COMMANDS = (scan, probe, trace, maps)
