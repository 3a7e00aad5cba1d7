"""Commands that ask and tell a running agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from agent.commands.shared import JSON, SOCKET, ask, duration_of, tell_durable


@click.command()
@SOCKET
@JSON
def status(socket: Path | None, as_json: bool) -> None:
    """What a running agent knows of itself: points, alarms, outputs, what is not protected, uplink, journal."""
    from agent.screens import show_status

    answer = ask({"do": "status"}, socket)
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2)) if as_json else show_status(answer)


@click.command()
@SOCKET
@JSON
def alarms(socket: Path | None, as_json: bool) -> None:
    """Every alarm of a running agent, its level and state."""
    from agent.screens import show_alarms

    answer = ask({"do": "alarms"}, socket)
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2)) if as_json else show_alarms(answer)


@click.command()
@click.argument("alarm")
@SOCKET
def ack(alarm: str, socket: Path | None) -> None:
    """Acknowledge ALARM. This silences the operator's indication, never the public siren."""
    _act({"do": "ack", "alarm": alarm}, socket)


@click.command()
@click.argument("alarm")
@SOCKET
def reset(alarm: str, socket: Path | None) -> None:
    """Reset a latched ALARM whose condition is over, and let go of what its plan holds until reset."""
    _act({"do": "reset", "alarm": alarm}, socket)


@click.command()
@click.argument("alarm")
@click.option("--for", "for_", required=True, metavar="DURATION", help='For how long, such as "2 h"; at most 8 h.')
@click.option("--why", required=True, help="The reason; it is recorded.")
@SOCKET
def shelve(alarm: str, for_: str, why: str, socket: Path | None) -> None:
    """Withhold ALARM for a time, up to its present level. A higher level is sounded all the same."""
    _act({"do": "shelve", "alarm": alarm, "for_s": duration_of(for_), "why": why}, socket)


@click.command()
@click.argument("alarm")
@SOCKET
def unshelve(alarm: str, socket: Path | None) -> None:
    """Bring a shelved ALARM back."""
    _act({"do": "unshelve", "alarm": alarm}, socket)


@click.command()
@click.argument("alarm")
@click.option("--for", "for_", default="10 min", show_default=True, metavar="DURATION", help="At most 10 min.")
@SOCKET
def silence(alarm: str, for_: str, socket: Path | None) -> None:
    """Stop the outputs of an active ALARM for a while. A higher level or a new occurrence sounds all the same."""
    _act({"do": "silence", "alarm": alarm, "for_s": duration_of(for_)}, socket)


def _act(request: dict[str, Any], socket: Path | None) -> None:
    alarm = ask(request, socket)
    withheld = f", {alarm['withheld']}" if alarm.get("withheld") else ""
    click.echo(f"{request['alarm']}: {alarm['level']}, {alarm['state']}{withheld}")
    tell_durable(alarm)


@click.command()
@click.argument("point")
@click.option("--why", required=True, help="The reason; it is recorded.")
@click.option("--value", help='Not the present reading but this, such as "12.3 mm".')
@SOCKET
def rezero(point: str, why: str, value: str | None, socket: Path | None) -> None:
    """Make POINT's present reading its baseline: recorded with who, why, and what it was before."""
    done = ask({"do": "rezero", "point": point, "why": why, "value": value}, socket)
    before = "none" if done["before"] is None else f"{done['before']:g} {done['unit']}"
    click.echo(f"{point}: baseline {done['baseline']:g} {done['unit']}, before {before}".replace(" ,", ","))
    tell_durable(done)


COMMANDS = (status, alarms, ack, reset, shelve, unshelve, silence, rezero)
