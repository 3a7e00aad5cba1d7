"""The demo on a terminal: a live screen where there is one, else a line an event. Shows, decides nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hil.events import COLOURS, Line, number, title

_WIDE = 130  # columns from which values and outputs stand side by side
_BAR_WIDE, _BAR_NARROW = 34, 20
_KEPT_LINES = 30
_STATUS = {"protected": "green", "degraded": "yellow", "blind": "bold red"}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A point as a bar: value x factor in `unit`, full at `full`, levels beginning at `marks`."""

    title: Mapping[str, str]
    unit: str
    full: float
    factor: float = 1.0
    marks: Mapping[str, float] = field(default_factory=dict)

    def bar(self, value: float | None, cells: int = _BAR_WIDE) -> Text:
        """The bar: filled to the value in the colour of the level reached, with a tick where each level begins."""
        text = Text()
        filled = 0 if value is None else max(0, min(cells, round(value / self.full * cells)))
        ticks = {min(cells - 1, round(at / self.full * cells)): level for level, at in self.marks.items()}
        reached = [level for level, at in self.marks.items() if value is not None and value > at]
        style = COLOURS.get(reached[-1], "") if reached else "green"
        for cell in range(cells):
            if cell in ticks:
                text.append("┃", style=COLOURS.get(ticks[cell], ""))
            else:
                text.append("█" if cell < filled else "·", style=style if cell < filled else "dim")
        return text


class Screen:
    """What the demo shows. Context manager; `live` is False where there is no terminal."""

    def __init__(self, gauges: Mapping[str, Gauge], console: Console, *, live: bool) -> None:
        self._gauges = gauges
        self._console = console
        self._lines: deque[tuple[float, Line]] = deque(maxlen=_KEPT_LINES)
        self._start_s = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True) if live else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, line: Line) -> None:
        """One event: on the live screen's list, or printed."""
        at_s = time.monotonic() - self._start_s
        self._lines.append((at_s, line))
        if self._live is None:
            self._console.print(_event(at_s, line), soft_wrap=True)

    def show(self, status: Mapping[str, Any], story: str, counts: Mapping[str, int], heard: Mapping[str, str]) -> None:
        """Draw a status; `story` says where the scenario is, `counts` is the platform's, `heard` each siren's truth."""
        if self._live is None:
            return
        wide, height = self._console.width >= _WIDE, self._console.height
        values = self._points(status["points"], wide=wide)
        outputs = _outputs(status["outputs"], heard, wide=wide)
        above = Table.grid(padding=(0, 3))
        above.add_row(values, outputs) if wide else above.add_row(Group(values, outputs))
        parts: list[RenderableType] = [above, _alarms(status, wide=wide)]
        taken = len(self._gauges) + len(status["alarms"]) + 7 + (0 if wide else len(status["outputs"]) + 2)
        if taken + 4 < height:
            parts.append(_uplink(status, counts))
            taken += 1
        lines = Group(*(_event(at_s, line) for at_s, line in list(self._lines)[-max(2, height - taken) :]))
        parts.append(Panel(lines, title="events"))
        name = _titled(status["site"]["name"], wide=wide)
        self._live.update(Panel(Group(*parts), title=f"Tocsin demo: {name}", subtitle=f"{story}   Ctrl-C ends it"))

    def _points(self, points: Mapping[str, Mapping[str, Any]], *, wide: bool) -> Table:
        table = _table("Values against the levels", "", "", "", "", show_header=False)
        for name, gauge in self._gauges.items():
            point = points.get(name, {"value": None, "quality": "missing", "reason": ""})
            value = None if point["value"] is None else point["value"] * gauge.factor
            good = point["quality"] in {"good", "over-range"} and not point["reason"]
            trust = Text("" if good else f"{point['quality']} {point['reason'] if wide else ''}"[:28], style="magenta")
            bar = gauge.bar(value, _BAR_WIDE if wide else _BAR_NARROW)
            table.add_row(_titled(gauge.title, wide=wide), bar, number(value, gauge.unit), trust)
        return table


def _event(at_s: float, line: Line) -> Text:
    text = Text(f"{at_s:6.1f} s  ", style="dim")
    text.append(f"{line.kind:<9} ", style=line.style or "bold")
    text.append(line.text, style=line.style)
    text.no_wrap = True
    return text


def _outputs(outputs: Mapping[str, Mapping[str, Any]], heard: Mapping[str, str], *, wide: bool) -> Table:
    table = _table("Outputs", "output", "wanted", "confirmed", "")
    words = {None: Text(""), True: Text("yes", "bold green"), False: Text("NO", "bold red")}
    for name, output in outputs.items():
        note = Text(output["fault"][:40], style="red") if output["fault"] else Text(heard.get(name, ""), style="cyan")
        wanted = output["wanted"] or "at rest"
        table.add_row(_titled(output["title"], wide=wide), wanted, words[output["confirmed"]], note)
    return table


def _alarms(status: Mapping[str, Any], *, wide: bool) -> Table:
    table = _table("Alarms and protection", "alarm", "level", "protection", "state", "why")
    coverage = {entry["alarm"]: entry for entry in status["protection"]}
    for name, alarm in status["alarms"].items():
        entry = coverage.get(name, {"status": "", "why": [alarm.get("why", "")]})
        level = Text(alarm["level"], style=COLOURS.get(alarm["level"], "magenta"))
        protection = Text(entry["status"], style=_STATUS.get(entry["status"], ""))
        shown = _titled(alarm["title"], wide=wide) or name
        why = "; ".join(entry["why"])[: 60 if wide else 24]
        table.add_row(shown, level, protection, alarm["state"] if wide else alarm["state"][:7], why)
    return table


def _uplink(status: Mapping[str, Any], counts: Mapping[str, int]) -> Text:
    uplink = status.get("uplink")
    if not uplink:
        return Text("Uplink: no broker here; everything above works without one", style="yellow", no_wrap=True)
    shown = {key: value for key, value in uplink.items() if not key.endswith("_ns") and key != "session"}
    told = ", ".join(f"{key} {value}" for key, value in shown.items() if value and isinstance(value, str | int))
    has = ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing yet"
    return Text(f"Platform has: {has}   Uplink: {told}", style="dim", no_wrap=True)


def _titled(texts: Mapping[str, str], *, wide: bool) -> str:
    # Every language where there is room, else the one that needs least from a terminal.
    return title(dict(texts)) if wide else texts.get("en") or next(iter(texts.values()), "")


def _table(heading: str, *columns: str, show_header: bool = True) -> Table:
    table = Table(title=heading, title_justify="left", show_header=show_header, box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
