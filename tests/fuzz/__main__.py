"""`make fuzz`: every target for a minute each, under atheris where it is installed, else by mutation.

python -m tests.fuzz [--seconds S] [NAME ...]; exit code 1 when a target found something, which is then shown.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time

import click

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS


def guided(name: str, seconds: int) -> int:
    """Under atheris; 0: nothing was found."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, f"-max_total_time={seconds}", "-print_final_stats=1"]
    return subprocess.run(command, check=False).returncode


def blind(name: str, seconds: int) -> int:
    """By mutation, from other seeds each time; 0: nothing was found."""
    end_s, seed, count = time.monotonic() + seconds, time.time_ns(), 0
    for data in mutated(TARGETS[name], seed):
        try:
            TARGETS[name].run(data)
        except Exception:
            print(f"{name}: seed {seed}, input {count}: {data.hex()}", file=sys.stderr)
            raise
        count += 1
        if time.monotonic() > end_s:
            break
    print(f"{name}: {count} inputs, nothing found")
    return 0


@click.command()
@click.option("--seconds", default=60, show_default=True, help="For each target.")
@click.argument("names", nargs=-1, type=click.Choice(list(TARGETS)))
def main(seconds: int, names: tuple[str, ...]) -> None:
    """Fuzz the parsers."""
    run = guided if importlib.util.find_spec("atheris") else blind
    found = [name for name in names or TARGETS if run(name, seconds) != 0]
    if found:
        print(f"found something: {', '.join(found)}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
