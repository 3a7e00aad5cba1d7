"""`tocsin trace`: the frames of a running agent's line, from its ring and then live; saved as a capture."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from agent.client import AgentError
from agent.find.capture import capture, goldens, latest
from agent.find.heard import Device, Exchange, Line, exchanges_of, words_of

LOOK_S = 0.25  # between two questions to the agent
_MOST_READINGS = 6

Call = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked for."""

    bus: str
    unit_id: int | None = None  # only this one
    last: int = 10  # exchanges shown of those before now
    follow: bool = True
    faults: bool = False  # only what went wrong
    save: Path | None = None
    golden: bool = False  # save one poll of one device, and what it read


@dataclass(slots=True)
class Trace:
    """One watching of a line."""

    watch: Watch
    call: Call
    console: Console
    line: Line
    devices: Mapping[int, Device]
    after: int = 0
    kept: list[Exchange] = field(default_factory=list)
    _wall_ns: int = 0  # of the agent's monotonic time 0

    def take(self, told: Mapping[str, Any]) -> list[Exchange]:
        """What is new, and wanted. A gap is told: the ring holds only so much."""
        self._wall_ns = time.time_ns() - told["mono_ns"]
        frames = told["frames"]
        if frames and self.after and frames[0][0] > self.after + 1:
            self.console.print(f"... {frames[0][0] - self.after - 1} frames went by unseen", style="yellow")
        self.after = frames[-1][0] if frames else self.after
        fresh = [one for one in exchanges_of(frames) if self._is_wanted(one)]
        self.kept += fresh
        return fresh

    def _is_wanted(self, exchange: Exchange) -> bool:
        unit_id = self.watch.unit_id
        return unit_id is None or exchange.unit_id == unit_id

    def show(self, exchanges: Sequence[Exchange]) -> None:
        """One or two lines for each."""
        for one in exchanges:
            if not self.watch.faults or one.fault or not one.request:
                self.console.print(self._text(one), soft_wrap=True)

    def _text(self, one: Exchange) -> Text:
        moment = dt.datetime.fromtimestamp((self._wall_ns + one.mono_ns) / 1e9).astimezone()
        device = self.devices.get(-1 if one.unit_id is None else one.unit_id) if self.line.carries != "raw" else None
        who = (
            "" if self.line.carries == "raw" or not one.request else f"{one.unit_id:>3} {device.name if device else ''}"
        )
        question, answer = words_of(self.line, one)
        text = Text(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03} ", style="dim")
        text.append(f"{who:<12} " if who else "")
        text.append(f"{question or 'unasked'}: ")
        text.append(answer, style="red" if one.fault else "yellow" if not one.request else "")
        text.append(f"  {1000 * one.elapsed_s:.0f} ms" if one.request else "", style="dim")
        if device and (readings := device.readings(one)):
            more = f" and {len(readings) - _MOST_READINGS} more" if len(readings) > _MOST_READINGS else ""
            text.append(f"\n{'':<13}{', '.join(readings[:_MOST_READINGS])}{more}", style="green")
        return text

    def follow(self) -> None:
        """Until Ctrl-C, or the agent ends."""
        while True:
            told = self.call({"do": "trace", "bus": self.watch.bus, "after": self.after})
            self.show(self.take(told))
            if not told["frames"]:
                time.sleep(LOOK_S)


def trace(watch: Watch, call: Call, console: Console, errors: Console) -> int:
    """Show and save. 0, or 1 when no agent answers, it has no such line, or the file can't be written."""
    try:
        told = call({"do": "trace", "bus": watch.bus, "after": 0})
    except AgentError as error:
        errors.print(str(error), markup=False, highlight=False)
        return 1
    devices = [Device(one) for one in told["devices"]]
    line = Line(**told["line"])
    work = Trace(watch, call, console, line, {one.unit_id: one for one in devices if one.unit_id is not None})
    names = ", ".join(one.name if one.unit_id is None else f"{one.unit_id} {one.name}" for one in devices)
    console.print(f"Bus {watch.bus}, {line.text}{'' if told['open'] else ' (closed)'}: {names}", style="bold")
    before = work.take(told)
    work.show(before[-watch.last :] if watch.last else [])
    status = 0
    if watch.follow:
        try:
            work.follow()
        except KeyboardInterrupt:
            errors.print("")
        except AgentError as error:
            errors.print(str(error), markup=False, highlight=False)
            status = 1
    return max(status, _save(work, devices, errors)) if watch.save else status


def _save(work: Trace, devices: Sequence[Device], errors: Console) -> int:
    path, unit_id = work.watch.save, work.watch.unit_id
    assert path is not None  # noqa: S101 - only called with one
    told = [one for one in devices if unit_id in {None, one.unit_id}]
    kept = latest(work.kept) if work.watch.golden else work.kept
    text = capture(work.line, kept, told, dt.datetime.now().astimezone().date())
    if work.watch.golden and len(told) == 1:
        text += "\n".join([*goldens(told[0], kept), ""])
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        errors.print(f"{path}: {error.strerror}", markup=False, highlight=False)
        return 1
    told_of = f"{len(kept)} exchanges saved in {path}; `python -m hil replay {path}` says them again."
    errors.print(told_of, highlight=False, soft_wrap=True)
    return 0
