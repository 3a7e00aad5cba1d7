"""Commands about judgement: sites, scenarios, recordings, and why it sounded."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from agent.commands.shared import JSON, NO_JIT, SITE, SOCKET, STATE, cache_of, duration_of, journal_of, places_of


@click.command()
@SITE
@JSON
def check(site: Path, as_json: bool) -> None:
    """Check SITE: everything that can be known before start. Exit code 2 and `file:line: message` lines on errors."""
    from rich.console import Console

    from agent.check import check as check_site

    sys.exit(check_site(site, Console(), json=as_json))


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path, dir_okay=False))
@JSON
def test(files: tuple[Path, ...], as_json: bool) -> None:
    """Run rule scenarios: series in, expected alarms at times out. Without FILE, those of the whole library."""
    from rich.console import Console

    from agent.scenarios.run import run_files

    sys.exit(run_files(files, Console(), Console(stderr=True), json=as_json))


@click.command()
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
        options[f"{key}_s"] = duration_of(options.pop(key), f"--{key}")
    sys.exit(run_backtest(Request(site, cache=cache_of() / "rules", **options)))


@click.command()
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
            result = prebuild_models(
                cache_of() / "rules", chosen, lambda done, _: progress.update(task, completed=done)
            )
            progress.update(task, completed=len(chosen) if result.state == "ready" else None)
    except ModelErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    if result.state != "ready":
        click.echo(f"not compiled, plain Python will judge: {result.reason}", err=True)
        sys.exit(1)
    click.echo(f"{len(chosen)} models are compiled in {cache_of() / 'rules'}")


LANG = click.option("--lang", type=click.Choice(["zh", "en"]), help="Only in this language. Default: in both.")


@click.command()
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

    languages, places = (lang,) if lang else ("zh", "en"), places_of(socket)
    console = Console()
    sys.exit(show.explain(event, journal_of(state), lambda do: call(do, places), languages, console, as_json=as_json))


@click.command()
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
        sys.exit(show.replay_all(journal_of(state), begin, end, console, as_json=as_json))
    languages = (lang,) if lang else ("zh", "en")
    sys.exit(show.replay(str(event), journal_of(state), languages, console, as_json=as_json))


COMMANDS = (check, test, backtest, prebuild, explain, replay)
