"""Options and answers that commands share: where things are, and how a running agent is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

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


def state_of(given: Path | None) -> Path:
    """Where state is kept: as told, else as systemd says, else in the home directory."""
    default = os.environ.get("STATE_DIRECTORY") or Path.home() / ".local" / "state" / "tocsin"
    return (given or Path(default)).absolute()


def socket_of(given: Path | None, state: Path) -> Path:
    """Where the agent's own socket is: as told, else beside what systemd gives, else beside the state."""
    if given is not None:
        return given.absolute()
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    return Path(runtime) / "control.sock" if runtime else state / "control.sock"


def cache_of(state: Path | None = None) -> Path:
    """Where compiled rules and rendered speech are kept."""
    return Path(os.environ.get("CACHE_DIRECTORY", (state or state_of(None)) / "cache"))


def journal_of(given: Path | None) -> Path:
    """Where to read: as told, else the journal of the system's service where there is one."""
    service = Path("/var/lib/tocsin")
    return service if given is None and os.access(service / "critical.db", os.R_OK) else state_of(given)


def places_of(socket: Path | None) -> list[Path]:
    """Sockets of a running agent, in the order they are tried."""
    return [socket] if socket else [Path("/run/tocsin/control.sock"), socket_of(None, state_of(None))]


def ask(request: dict[str, Any], socket: Path | None) -> Any:
    """Ask a running agent. Ends with exit code 1 and the reason when there is none or it refuses."""
    from agent.client import AgentError, call

    try:
        return call(request, places_of(socket))
    except AgentError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def tell_durable(done: dict[str, Any]) -> None:
    """Warn where an act is not yet on disk."""
    if not done["durable"]:
        click.echo("done, but not yet on disk: a power cut now would undo it (see `tocsin status`, Journal)", err=True)


def duration_of(text: str, option: str = "--for") -> float:
    """Seconds of a duration. Raises click.BadParameter."""
    from drivers.api import duration

    try:
        return duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
