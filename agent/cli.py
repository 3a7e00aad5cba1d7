"""The command line, thin: every command is a few lines around a room that does the work."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from agent import __version__

PACKAGES = ("agent", "drivers", "rules", "hil")
SITE = click.argument("site", type=click.Path(path_type=Path, dir_okay=False))
STATE = click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Where the journal is kept. Default: $STATE_DIRECTORY (systemd), else ~/.local/state/tocsin.",
)
NO_JIT = click.option("--no-jit", is_flag=True, help="Judge with plain Python only; saves 100 MB of memory.")
SOCKET = click.option(
    "--socket",
    type=click.Path(path_type=Path),
    envvar="TOCSIN_SOCKET",
    help="Socket of the running agent. Default: the one of the system's service, else of `tocsin run`.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="For machines.")


def same_place() -> None:
    """Refuse to start when the packages come from different places: two half-updated versions must never guard.

    Raises click.ClickException naming where each came from.
    """
    places = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        origin = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        places[package] = origin
    if len(set(places.values())) > 1:
        found = "\n".join(f"  {package}: {origin or 'not found'}" for package, origin in places.items())
        raise click.ClickException(
            f"the packages of tocsin come from different places:\n{found}\n"
            "install tocsin-agent into a virtual environment of its own, and unset PYTHONPATH"
        )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tocsin")
def main() -> None:
    """Tocsin: reads a community's sensors, judges them offline, sounds the alarm and proves that it sounded."""
    same_place()


# --- running ----------------------------------------------------------------------------------------------------


@main.command()
@SITE
@STATE
@SOCKET
@NO_JIT
def run(site: Path, state: Path | None, socket: Path | None, no_jit: bool) -> None:
    """Guard SITE until stopped; with an [uplink], the link runs as a child."""
    _guard(site, state, socket, with_link=True, jit=not no_jit)


@main.command()
@SITE
@STATE
@SOCKET
@NO_JIT
def guard(site: Path, state: Path | None, socket: Path | None, no_jit: bool) -> None:
    """As `run`, but without the link: for systemd, where it is a service of its own."""
    _guard(site, state, socket, with_link=False, jit=not no_jit)


@main.command()
@SITE
@STATE
@SOCKET
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that says what was delivered. Default: link.db beside the journal.",
)
def link(site: Path, state: Path | None, socket: Path | None, ledger: Path | None) -> None:
    """Keep the city's platform in sync with a guard's journal: for systemd."""
    from agent.link.main import main as link_main

    state, socket = _state(state), _socket(socket, _state(state))
    options = ["--state", str(state), "--socket", str(socket), *(["--ledger", str(ledger)] if ledger else [])]
    sys.exit(link_main([str(site), *options]))


def _guard(site: Path, state: Path | None, socket: Path | None, *, with_link: bool, jit: bool) -> None:
    from agent.config import ConfigErrors
    from agent.guard.assemble import Places, assemble
    from agent.guard.run import run as run_guard
    from agent.logs import set_up as set_up_logs

    set_up_logs()
    state = _state(state)
    places = Places(state, _cache(state), _socket(socket, state))
    try:
        assembled = assemble(site.resolve(), places)
    except ConfigErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"{site}: {error.strerror}", err=True)
        sys.exit(2)
    asyncio.run(run_guard(assembled, with_link=with_link, jit=jit))


def _state(given: Path | None) -> Path:
    default = os.environ.get("STATE_DIRECTORY") or Path.home() / ".local" / "state" / "tocsin"
    return (given or Path(default)).absolute()


def _socket(given: Path | None, state: Path) -> Path:
    if given is not None:
        return given.absolute()
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    return Path(runtime) / "control.sock" if runtime else state / "control.sock"


@main.command()
@SITE
@JSON
def check(site: Path, as_json: bool) -> None:
    """Check SITE: everything that can be known before start. Exit code 2 and `file:line: message` lines on errors."""
    from rich.console import Console

    from agent.check import check as check_site

    sys.exit(check_site(site, Console(), json=as_json))


@main.command()
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path, dir_okay=False))
@JSON
def test(files: tuple[Path, ...], as_json: bool) -> None:
    """Run rule scenarios: series in, expected alarms at times out. Without FILE, those of the whole library."""
    from rich.console import Console

    from agent.scenarios.run import run_files

    sys.exit(run_files(files, Console(), Console(stderr=True), json=as_json))


@main.command()
@SITE
@click.argument("more", nargs=-1, type=click.Path(path_type=Path), metavar="")
@click.option(
    "--history",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE...",
    help="Recordings: CSV, Parquet, a mapping that names its files, the agent's journal. Several may follow one flag.",
)
@click.option("--mapping", type=click.Path(path_type=Path), help="What the columns of the recordings mean, in TOML.")
@click.option("--labels", type=click.Path(path_type=Path), help="Events to compare with: a CSV of intervals.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write one HTML page.")
@click.option("--json", metavar="FILE", help='Write JSON; "-" for standard output.')
@click.option("--vary", multiple=True, metavar="ALARM.PARAMETER=FROM..TO/STEP", help="Try other setpoints in one run.")
@click.option(
    "--from", "start", metavar="TIME", help="Judge from then on: ISO 8601, in the site's zone if none is given."
)
@click.option("--to", "end", metavar="TIME", help="Judge up to then.")
@click.option("--margin", default="0 s", show_default=True, help="An alarm that much before an event is a hit.")
@click.option("--tolerance", default="0 s", show_default=True, help="One that much after an event is not false.")
@NO_JIT
def backtest(site: Path, **options: Any) -> None:
    """Judge recorded history by the rules of SITE: what would have sounded, when, and was it right."""
    from agent.backtest.command import Request
    from agent.backtest.command import backtest as run_backtest

    options["history"] += options.pop("more")
    options["jit"] = not options.pop("no_jit")
    for key in ("margin", "tolerance"):
        options[f"{key}_s"] = _duration(options.pop(key), f"--{key}")
    sys.exit(run_backtest(Request(site, cache=_cache() / "rules", **options)))


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL...]")
def prebuild(models: tuple[str, ...]) -> None:
    """Compile the models of the library ahead, all or these, so that a site that uses only them never compiles."""
    from rich.progress import Progress

    from rules.engine.prebuilt import prebuild as prebuild_models
    from rules.library import names
    from rules.library.modelfile import ModelErrors

    chosen = models or tuple(names())
    try:
        with Progress() as progress:
            task = progress.add_task("compiling the models of the library", total=len(chosen))
            result = prebuild_models(_cache() / "rules", chosen, lambda done, _: progress.update(task, completed=done))
            progress.update(task, completed=len(chosen) if result.state == "ready" else None)
    except ModelErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    if result.state != "ready":
        click.echo(f"not compiled, plain Python will judge: {result.reason}", err=True)
        sys.exit(1)
    click.echo(f"{len(chosen)} models are compiled in {_cache() / 'rules'}")


def _cache(state: Path | None = None) -> Path:
    return Path(os.environ.get("CACHE_DIRECTORY", (state or _state(None)) / "cache"))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def demo(options: tuple[str, ...]) -> None:
    """A whole virtual community on this machine, a flood that rises, and the same `run` as on a gateway against it.

    --keep stays until Ctrl-C.
    """
    # In our place, not below us: Ctrl-C must reach the demo alone, which ends everything it started.
    os.execv(sys.executable, [sys.executable, "-m", "hil.demo", *options])


# --- finding what hangs on a line ---------------------------------------------------------------------------------


@main.command()
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
        options[f"{key}_s"] = _duration(options.pop(key), f"--{key}")
    as_json = options.pop("as_json")
    sys.exit(scan_port(search_of(port, **options), Console(), Console(stderr=True), as_json=as_json))


@main.command()
@click.argument("name", nargs=-1)
@JSON
def maps(name: tuple[str, ...], as_json: bool) -> None:
    """List the instruments that are known, or those that speak of these words; show the map NAME, or one in a file.

    Of a map: points, units, sources, maturity, quirks, what is not verified, and what the site must give.
    """
    from rich.console import Console

    from agent.maps import show_maps

    sys.exit(show_maps(" ".join(name), Console(), as_json=as_json))


@main.command()
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


@main.command()
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
    sys.exit(trace_bus(watch, lambda do: call(do, _places(socket)), Console(), Console(stderr=True)))


# --- asking and telling a running agent --------------------------------------------------------------------------


@main.command()
@SOCKET
@JSON
def status(socket: Path | None, as_json: bool) -> None:
    """What a running agent knows of itself: points, alarms, outputs, what is not protected, uplink, journal."""
    from agent.screens import show_status

    answer = _call({"do": "status"}, socket)
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2)) if as_json else show_status(answer)


@main.command()
@SOCKET
@JSON
def alarms(socket: Path | None, as_json: bool) -> None:
    """Every alarm of a running agent, its level and state."""
    from agent.screens import show_alarms

    answer = _call({"do": "alarms"}, socket)
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2)) if as_json else show_alarms(answer)


@main.command()
@click.argument("alarm")
@SOCKET
def ack(alarm: str, socket: Path | None) -> None:
    """Acknowledge ALARM. This silences the operator's indication, never the public siren."""
    _act({"do": "ack", "alarm": alarm}, socket)


@main.command()
@click.argument("alarm")
@SOCKET
def reset(alarm: str, socket: Path | None) -> None:
    """Reset a latched ALARM whose condition is over, and let go of what its plan holds until reset."""
    _act({"do": "reset", "alarm": alarm}, socket)


@main.command()
@click.argument("alarm")
@click.option("--for", "for_", required=True, metavar="DURATION", help='For how long, such as "2 h"; at most 8 h.')
@click.option("--why", required=True, help="The reason; it is recorded.")
@SOCKET
def shelve(alarm: str, for_: str, why: str, socket: Path | None) -> None:
    """Withhold ALARM for a time, up to its present level. A higher level is sounded all the same."""
    _act({"do": "shelve", "alarm": alarm, "for_s": _duration(for_), "why": why}, socket)


@main.command()
@click.argument("alarm")
@SOCKET
def unshelve(alarm: str, socket: Path | None) -> None:
    """Bring a shelved ALARM back."""
    _act({"do": "unshelve", "alarm": alarm}, socket)


@main.command()
@click.argument("alarm")
@click.option("--for", "for_", default="10 min", show_default=True, metavar="DURATION", help="At most 10 min.")
@SOCKET
def silence(alarm: str, for_: str, socket: Path | None) -> None:
    """Stop the outputs of an active ALARM for a while. A higher level or a new occurrence sounds all the same."""
    _act({"do": "silence", "alarm": alarm, "for_s": _duration(for_)}, socket)


# --- the morning after -------------------------------------------------------------------------------------------


LANG = click.option("--lang", type=click.Choice(["zh", "en"]), help="Only in this language. Default: in both.")


@main.command()
@click.argument("event")
@STATE
@SOCKET
@LANG
@JSON
def explain(event: str, state: Path | None, socket: Path | None, lang: str | None, as_json: bool) -> None:
    """Why EVENT happened: the number of a record, an alarm's name (its latest activation), or "last".

    For the name of an alarm that is normal now, a running agent says why it does not sound.
    """
    from rich.console import Console

    from agent.client import call
    from agent.explain import show

    languages, places = (lang,) if lang else ("zh", "en"), _places(socket)
    console = Console()
    sys.exit(show.explain(event, _journal(state), lambda do: call(do, places), languages, console, as_json=as_json))


@main.command()
@click.argument("event", required=False)
@click.option("--all", "everything", is_flag=True, help="Every record of an alarm, as a table.")
@click.option("--from", "begin", type=click.DateTime(), help="With --all: not before this local time.")
@click.option("--to", "end", type=click.DateTime(), help="With --all: not after this local time.")
@STATE
@LANG
@JSON
def replay(  # noqa: PLR0917 - click gives them by name
    event: str | None,
    everything: bool,
    begin: datetime | None,
    end: datetime | None,
    state: Path | None,
    lang: str | None,
    as_json: bool,
) -> None:
    """The judgement of EVENT run again from the journal, bit for bit; exit code 1 when something differs.

    EVENT is as for `explain`. One that can't be judged again any more is unproven, and ends with 1 too.
    """
    from rich.console import Console

    from agent.explain import show

    if everything == (event is not None):
        raise click.UsageError("name an EVENT, or give --all")
    console = Console()
    if everything:
        sys.exit(show.replay_all(_journal(state), begin, end, console, as_json=as_json))
    languages = (lang,) if lang else ("zh", "en")
    sys.exit(show.replay(str(event), _journal(state), languages, console, as_json=as_json))


@main.command()
@click.argument("point")
@click.option("--why", required=True, help="The reason; it is recorded.")
@click.option("--value", help='Not the present reading but this, such as "12.3 mm".')
@SOCKET
def rezero(point: str, why: str, value: str | None, socket: Path | None) -> None:
    """Make POINT's present reading its baseline: recorded with who, why, and what it was before."""
    done = _call({"do": "rezero", "point": point, "why": why, "value": value}, socket)
    before = "none" if done["before"] is None else f"{done['before']:g} {done['unit']}"
    click.echo(f"{point}: baseline {done['baseline']:g} {done['unit']}, before {before}".replace(" ,", ","))
    _tell_durable(done)


def _journal(given: Path | None) -> Path:
    """Where to read: as told, else the journal of the system's service where there is one."""
    service = Path("/var/lib/tocsin")
    return service if given is None and os.access(service / "critical.db", os.R_OK) else _state(given)


def _tell_durable(done: dict[str, Any]) -> None:
    if not done["durable"]:
        click.echo("done, but not yet on disk: a power cut now would undo it (see `tocsin status`, Journal)", err=True)


def _act(request: dict[str, Any], socket: Path | None) -> None:
    alarm = _call(request, socket)
    withheld = f", {alarm['withheld']}" if alarm.get("withheld") else ""
    click.echo(f"{request['alarm']}: {alarm['level']}, {alarm['state']}{withheld}")
    _tell_durable(alarm)


def _duration(text: str, option: str = "--for") -> float:
    from drivers.api import duration

    try:
        return duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _call(request: dict[str, Any], socket: Path | None) -> Any:
    """Ask a running agent. Ends with exit code 1 and the reason when there is none or it refuses."""
    from agent.client import AgentError, call

    try:
        return call(request, _places(socket))
    except AgentError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _places(socket: Path | None) -> list[Path]:
    """Sockets of a running agent, in the order they are tried."""
    return [socket] if socket else [Path("/run/tocsin/control.sock"), _socket(None, _state(None))]


if __name__ == "__main__":
    main()
