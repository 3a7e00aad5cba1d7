"""A player that keeps what it was given to play, for the bench: it owns one directory and must not know who plays.

    python -m hil.speaker [--speed N] DIR WAV

Each call copies the recording to DIR/0001.wav, 0002.wav ... and takes as long as its sound lasts (divided by N). Lines
of JSON in DIR/played.jsonl tell `{"n", "event": "begin" | "end" | "stopped", "mono_ns", "seconds", "code"}`; "stopped"
is a player that was told to. A file DIR/fault holds `{"code": 1, "after_s": 0.2, "says": "no card", "deaf": false}`: so
the call ends, and whether it ignores being stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
import wave
from pathlib import Path
from typing import Any


class Stopped(Exception):  # noqa: N818 - not an error
    """The player was told to stop."""


def _stop(_signal: int, _frame: object) -> None:
    raise Stopped


def keep(directory: Path, recording: Path) -> int:
    """Copy the recording under the next free number and return that; it appears whole or not at all."""
    half = directory / f".{os.getpid()}"
    shutil.copyfile(recording, half)
    number = 1 + max((int(path.stem) for path in directory.glob("[0-9]*.wav")), default=0)
    try:
        while True:
            try:
                (directory / f"{number:04}.wav").hardlink_to(half)
            except FileExistsError:  # another player at the same moment
                number += 1
            else:
                return number
    finally:
        half.unlink()


def play(directory: Path, recording: Path, speed: float) -> int:
    """Keep the recording, last as long as it does, and return the exit code."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        fault = json.loads((directory / "fault").read_text())
    except FileNotFoundError:
        fault = {}
    signal.signal(signal.SIGTERM, signal.SIG_IGN if fault.get("deaf") else _stop)
    number = keep(directory, recording)
    with wave.open(str(recording), "rb") as sound:
        seconds = sound.getnframes() / sound.getframerate()
    code = int(fault.get("code", 0))

    def tell(event: str, **more: Any) -> None:
        line = {"n": number, "event": event, "mono_ns": time.monotonic_ns(), **more}
        with (directory / "played.jsonl").open("a") as told:
            told.write(json.dumps(line) + "\n")

    tell("begin", seconds=round(seconds, 3))
    try:
        time.sleep(fault.get("after_s", seconds / speed))
    except Stopped:
        tell("stopped", code=143)
        return 143
    if "says" in fault:
        sys.stderr.write(fault["says"] + "\n")
    tell("end", code=code)
    return code


def main() -> int:
    """Command line, see above."""
    parser = argparse.ArgumentParser(prog="hil.speaker", description="A player that keeps what it was given to play.")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("directory", type=Path)
    parser.add_argument("recording", type=Path)
    given = parser.parse_args()
    return play(given.directory, given.recording, given.speed)


if __name__ == "__main__":
    sys.exit(main())
