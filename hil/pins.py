"""Pins without a Raspberry Pi: the part of RPi.GPIO that the agent uses, seen and pressed from outside its process.

    TOCSIN_GPIO_MODULE=hil.pins TOCSIN_PINS=/tmp/pins tocsin run site.toml

In the directory TOCSIN_PINS `17.json` holds what the agent made of pin 17, `{"direction": "out", "level": 1, ...}`
and `pins.jsonl` every change in order. `17.outside`, written by `press`, holds the level that the world puts on the
pin: that of an input, or of an output that is stuck. A file `fault` makes every call fail with its text.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

BOARD, BCM = 10, 11
OUT, IN = 0, 1
LOW, HIGH = 0, 1
PUD_OFF, PUD_DOWN, PUD_UP = 20, 21, 22

_mode: int | None = None
_made: dict[int, dict[str, Any]] = {}


# --- as RPi.GPIO ------------------------------------------------------------------------------------------------


def setmode(mode: int) -> None:
    """Choose BCM or BOARD numbers, once."""
    global _mode  # noqa: PLW0603 - as in the original
    _check_fault()
    if mode not in {BOARD, BCM}:
        raise ValueError("An invalid mode was passed to setmode()")
    if _mode not in {None, mode}:
        raise ValueError("A different mode has already been set!")
    _mode = mode


def setwarnings(on: bool) -> None:
    """Nothing to warn of here."""
    del on


def setup(pin: int, direction: int, *, initial: int | None = None, pull_up_down: int = PUD_OFF) -> None:
    """Make a pin an input, or an output at level `initial` (without it, at whatever it was: low)."""
    _check(pin)
    if direction == OUT:
        _make(pin, direction="out", level=int(bool(initial)))
    else:
        _make(pin, direction="in", level=int(pull_up_down == PUD_UP))


def output(pin: int, level: int) -> None:
    """Drive an output."""
    _check(pin)
    if _made.get(pin, {}).get("direction") != "out":
        raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
    _make(pin, direction="out", level=int(bool(level)))


def input(pin: int) -> int:  # noqa: A001 - its name in the original
    """The level on a pin that was set up."""
    _check(pin)
    if pin not in _made:
        raise RuntimeError("You must setup() the GPIO channel first")
    outside = _directory() / f"{pin}.outside"
    return int(outside.read_text()) if outside.exists() else int(_made[pin]["level"])


def cleanup(pin: int | None = None) -> None:
    """Make pins inputs again, which lets them float."""
    for each in [pin] if pin is not None else list(_made):
        _make(each, direction="in", level=LOW)
        del _made[each]


# --- from outside -----------------------------------------------------------------------------------------------


def press(directory: Path, pin: int, level: int | None) -> None:
    """Put a level on a pin as the world would, or (None) let it go."""
    outside = directory / f"{pin}.outside"
    if level is None:
        outside.unlink(missing_ok=True)
    else:
        _replace(outside, str(level))


def pulse(directory: Path, pin: int, *, active_low: bool, for_s: float = 0.1, bounce_s: float = 0.002) -> None:
    """Close a contact once as a tipping bucket's reed does, bouncing at both ends; returns when it is open again."""
    active, rest = int(not active_low), int(active_low)
    for level, next_s in ((active, bounce_s), (rest, bounce_s), (active, for_s), (rest, bounce_s), (active, bounce_s)):
        press(directory, pin, level)
        time.sleep(next_s)
    press(directory, pin, rest)


def seen(directory: Path, pin: int) -> dict[str, Any] | None:
    """Direction, level and time of the last change of a pin; None: nobody set it up."""
    try:
        made: dict[str, Any] = json.loads((directory / f"{pin}.json").read_text())
    except FileNotFoundError:
        return None
    return made


def changes(directory: Path, pin: int) -> list[dict[str, Any]]:
    """Everything that was ever done to a pin, in order."""
    log = directory / "pins.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return [made for made in map(json.loads, lines) if made["pin"] == pin]


def _directory() -> Path:
    named = os.environ.get("TOCSIN_PINS")
    if not named:
        raise RuntimeError("TOCSIN_PINS names no directory for the bench's pins")
    directory = Path(named)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _check_fault() -> None:
    fault = _directory() / "fault"
    if fault.exists():
        raise RuntimeError(fault.read_text().strip())


def _check(pin: int) -> None:
    _check_fault()
    if _mode is None:
        raise RuntimeError("Please set pin numbering mode using GPIO.setmode(GPIO.BOARD) or GPIO.setmode(GPIO.BCM)")
    if not 0 <= pin < 54:
        raise ValueError("The channel sent is invalid on a Raspberry Pi")


def _make(pin: int, **made: Any) -> None:
    known = _made.get(pin, {})
    _made[pin] = {"pin": pin, **made, "mono_ns": time.monotonic_ns()}
    if {key: known.get(key) for key in made} == made:
        return
    directory = _directory()
    _replace(directory / f"{pin}.json", json.dumps(_made[pin]))
    with (directory / "pins.jsonl").open("a") as log:
        log.write(json.dumps(_made[pin]) + "\n")


def _replace(path: Path, text: str) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text)
    half.replace(path)
