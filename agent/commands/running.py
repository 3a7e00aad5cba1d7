"""Commands that run the agent, alone or against a virtual community."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from agent.commands.shared import NO_JIT, SITE, SOCKET, STATE, cache_of, socket_of, state_of


@click.command()
@SITE
@STATE
@SOCKET
@NO_JIT
def run(site: Path, state: Path | None, socket: Path | None, no_jit: bool) -> None:
    """Guard SITE until stopped; with an [uplink], the link runs as a child."""
    _guard(site, state, socket, with_link=True, jit=not no_jit)


@click.command()
@SITE
@STATE
@SOCKET
@NO_JIT
def guard(site: Path, state: Path | None, socket: Path | None, no_jit: bool) -> None:
    """As `run`, but without the link: for systemd, where it is a service of its own."""
    _guard(site, state, socket, with_link=False, jit=not no_jit)


@click.command()
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

    state, socket = state_of(state), socket_of(socket, state_of(state))
    options = ["--state", str(state), "--socket", str(socket), *(["--ledger", str(ledger)] if ledger else [])]
    sys.exit(link_main([str(site), *options]))


def _guard(site: Path, state: Path | None, socket: Path | None, *, with_link: bool, jit: bool) -> None:
    from agent.config import ConfigErrors
    from agent.guard.assemble import Places, assemble
    from agent.guard.run import run as run_guard
    from agent.logs import set_up as set_up_logs

    set_up_logs()
    state = state_of(state)
    places = Places(state, cache_of(state), socket_of(socket, state))
    try:
        assembled = assemble(site.resolve(), places)
    except ConfigErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"{site}: {error.strerror}", err=True)
        sys.exit(2)
    asyncio.run(run_guard(assembled, with_link=with_link, jit=jit))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def demo(options: tuple[str, ...]) -> None:
    """A whole virtual community on this machine, a flood that rises, and the same `run` as on a gateway against it.

    --keep stays until Ctrl-C.
    """
    # In our place, not below us: Ctrl-C must reach the demo alone, which ends everything it started.
    os.execv(sys.executable, [sys.executable, "-m", "hil.demo", *options])


COMMANDS = (run, guard, link, demo)
