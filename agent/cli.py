"""The command line's root: refuses to start from a mixed installation, and knows the commands."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from agent import __version__
from agent.commands import finding, judging, operating, running

PACKAGES = ("agent", "drivers", "rules", "hil")


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


for _command in (*running.COMMANDS, *judging.COMMANDS, *finding.COMMANDS, *operating.COMMANDS):
    main.add_command(_command)


if __name__ == "__main__":
    main()
