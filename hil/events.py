"""The records of an agent in one line each, for people, and what a run of them adds up to. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]

COLOURS = {"normal": "green", "blue": "blue", "yellow": "yellow", "orange": "dark_orange", "red": "bold red"}
_SPOKEN = {"protected": "green", "degraded": "yellow", "blind": "bold red"}


@dataclass(frozen=True, slots=True)
class Line:
    """What is shown of one record."""

    kind: str  # ALARM, OUTPUT, FAULT, PROTECTED, AGENT
    text: str
    style: str = ""


@dataclass(slots=True)
class OutputTally:
    """What one output was asked to do and proved."""

    written: int = 0
    confirmed: int = 0
    faults: int = 0
    slowest_written_ms: float = 0.0
    slowest_confirmed_ms: float = 0.0


@dataclass(slots=True)
class Tally:
    """What happened, for the summary."""

    alarms: dict[str, list[str]] = field(default_factory=dict)  # name -> levels reached, in order
    outputs: dict[str, OutputTally] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    lanes: Counter[str] = field(default_factory=Counter)

    def take(self, record: Record) -> None:
        """Count one record."""
        self.lanes[record["lane"]] += 1
        body = record["body"]
        if record["kind"] == "alarm" and body["level"] != body["previous_level"]:
            self._moved(body)
        elif record["kind"] == "output":
            self._output(body)

    def _moved(self, body: Record) -> None:
        name = body["alarm"]
        if body["level"]:
            self.alarms.setdefault(name, []).append(body["level_name"])
            self.cleared.discard(name)
        else:
            self.cleared.add(name)

    def _output(self, body: Record) -> None:
        tally = self.outputs.setdefault(body["output"], OutputTally())
        match body["event"]:
            case "written":
                tally.written += 1
                tally.slowest_written_ms = max(tally.slowest_written_ms, body.get("written", 0.0))
            case "confirmed":
                tally.confirmed += 1
                tally.slowest_confirmed_ms = max(tally.slowest_confirmed_ms, body.get("confirmed", 0.0))
            case "fault":
                tally.faults += 1


class Narrator:
    """Turns records into lines; remembers the coverage map, so that only changes of it are told."""

    def __init__(self) -> None:
        self._coverage: dict[str, str] = {}

    def tell(self, record: Record) -> list[Line]:
        """The lines of one record; none for what a person need not see."""
        body, kind = record["body"], record["kind"]
        match kind:
            case "alarm":
                return _alarm(body)
            case "equipment":
                return _equipment(body)
            case "output":
                return _output(body)
            case "protection":
                return self._protection(body)
            case "start" | "stop" | "store" | "gap" | "config":
                brief = ", ".join(
                    f"{key} {value}" for key, value in body.items() if isinstance(value, str | int | float)
                )
                return [Line("AGENT", f"{kind}: {brief}"[:160])]
            case _:
                return []

    def _protection(self, body: Record) -> list[Line]:
        lines = []
        for entry in body["coverage"]:
            name, status = entry["alarm"], entry["status"]
            if self._coverage.get(name, "protected") != status:
                why = "; ".join(entry["why"])
                lines.append(
                    Line(
                        "PROTECTED" if status == "protected" else "EXPOSED",
                        f"{name}: {status}" + (f" ({why})" if why else ""),
                        _SPOKEN.get(status, ""),
                    )
                )
            self._coverage[name] = status
        return lines


def title(texts: dict[str, str]) -> str:
    """A title in all its languages."""
    return " / ".join(dict.fromkeys(texts.values()))


def number(value: float | None, unit: str) -> str:
    """A value as people read it."""
    return "-" if value is None else f"{value:.4g} {unit}".strip()


def _alarm(body: Record) -> list[Line]:
    if body["level"] == body["previous_level"]:
        return []
    readings = ", ".join(f"{name} = {number(r['value'], r['unit'])}" for name, r in body.get("readings", {}).items())
    level = body["level_name"]
    word = level.upper() if body["level"] else "all clear"
    text = f"{body['alarm']} {word}  {title(body['title'])}  [{readings}]"
    eases = 0 < body["level"] < body["previous_level"]
    return [Line("EASES" if eases else "ALARM", text, COLOURS.get(level, "magenta"))]


def _equipment(body: Record) -> list[Line]:
    if body["level"] == body["previous_level"]:
        return []
    if body["level"]:
        return [Line("FAULT", f"{body['alarm']}: {body.get('why') or 'fault'}", "magenta")]
    return [Line("MENDED", body["alarm"], "green")]


def _output(body: Record) -> list[Line]:
    name = body["output"]
    match body["event"]:
        case "written":
            return [Line("OUTPUT", f"{name} {'on' if 'on' in body else 'speaks'}{_after(body, 'written')}", "cyan")]
        case "confirmed" if "point" not in body:
            proof = "reads back on" if "read_back" in body else "has spoken to the end"
            return [Line("PROVEN", f"{name} {proof}{_after(body, 'confirmed')}", "bold green")]
        case "confirmed":
            evidence = f"{body['point']} = {number(body.get('value'), body.get('unit', ''))}"
            return [Line("PROVEN", f"{name} sounds by {evidence}{_after(body, 'confirmed')}", "bold green")]
        case "off":
            return [Line("OUTPUT", f"{name} off", "cyan")]
        case "fault":
            return [Line("FAULT", f"{name}: {body.get('reason', '')}", "bold red")]
        case "mended":
            return [Line("MENDED", name, "green")]
        case event:
            return [Line("OUTPUT", f"{name} {event} {body.get('cause', '')}".strip(), "cyan")]


def _after(body: Record, key: str) -> str:
    return f", {body[key]:.0f} ms after the deciding reading" if key in body else ""
