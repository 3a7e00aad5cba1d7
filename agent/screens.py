"""Status and alarms as a technician reads them on a terminal: in words first, colour only helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {"blue": "blue", "yellow": "yellow", "orange": "dark_orange", "red": "bold red", "fault": "magenta"}
COVERAGE = {"protected": "green", "degraded": "yellow", "blind": "bold red"}


def show_status(status: Mapping[str, Any], console: Console | None = None) -> None:
    """Everything `tocsin status` tells, most urgent first."""
    console = console or Console()
    site = status["site"]
    console.print(
        f"[bold]{site['id']}[/] {' / '.join(site['name'].values())}  up {span(status['uptime_s'])}, "
        f"judging with {status['judging']}, clock {status['clock']}, version {status['version']}"
    )
    if site["fault"]:
        console.print(Text(site["fault"], style="bold red"))
    show_alarms(status["alarms"], console)
    console.print(_protection(status["protection"]))
    console.print(_outputs(status["outputs"]))
    console.print(_points(status["points"]))
    console.print(_buses(status["buses"]))
    show_lines(status["buses"], console)
    _rest(status, console)


def show_alarms(alarms: Mapping[str, Mapping[str, Any]], console: Console | None = None) -> None:
    """The alarms as a table. Of one on trial, what it would have done is told."""
    table = _table("Alarms", "alarm", "level", "state", "since", "model", "")
    for name, alarm in sorted(alarms.items(), key=lambda item: -item[1]["rank"]):
        title = " / ".join(alarm["title"].values())
        notes = ", ".join(
            note
            for note in (
                "shadow: sounds nothing" if alarm.get("shadow") else alarm["withheld"],
                "chattering" if alarm["chattering"] else "",
                alarm.get("why", ""),
            )
            if note
        )
        table.add_row(
            f"{name}  {title}".strip(),
            Text(alarm["level"], style=COLOURS.get(alarm["level"], "")),
            alarm["state"],
            span(alarm["since_s"]) if alarm["rank"] else "",
            alarm.get("model") or "",
            notes,
        )
    console = console or Console()
    console.print(table)
    if trials := {name: alarm["trial"] for name, alarm in alarms.items() if alarm.get("trial")}:
        console.print(_trials(trials))


def _trials(trials: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("On trial (shadow)", "alarm", "now", "activations", "would have sounded", "last")
    for name, trial in trials.items():
        sounded = ", ".join(f"{level} {span(spent)}" for level, spent in trial["would_have_sounded_s"].items())
        last, told = trial["last"], "never"
        if last is not None:
            clock = "" if last["clock"] == "trusted" else " (clock not set)"
            told = f"{last['at'][:19].replace('T', ' ')}{clock}, to {last['highest']}, {span(last['lasted_s'])}"
        level = Text(trial["level"], style=COLOURS.get(trial["level"], ""))
        table.add_row(name, level, str(trial["activations"]), sounded or "never", told)
    return table


def span(seconds: float | None) -> str:
    """A time span as people say it: "0.4 s", "12 min", "3 h 5 min", "2 d 4 h"; "never" for None."""
    if seconds is None:
        return "never"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"


def _protection(coverage: list[Mapping[str, Any]]) -> Table:
    table = _table("Protection", "hazard", "zone", "status", "why")
    for entry in coverage:
        status = Text(entry["status"], style=COVERAGE[entry["status"]])
        table.add_row(entry["alarm"], entry["zone"] or "all", status, "; ".join(entry["why"]))
    return table


def _outputs(outputs: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("Outputs", "output", "wanted", "written", "confirmed", "fault")
    for name, output in outputs.items():
        written = {None: "not yet", True: "on", False: "off"}[output["asserted"]]
        confirmed = {None: "", True: "yes", False: "NO"}[output["confirmed"]]
        table.add_row(name, output["wanted"] or "at rest", written, confirmed, Text(output["fault"], style="red"))
    return table


def _points(points: Mapping[str, Mapping[str, Any]]) -> Table:
    zeroed = any(point.get("baseline") is not None for point in points.values())
    table = _table("Points", "point", "value", *(["baseline"] if zeroed else []), "quality", "age", "reason")
    for name, point in points.items():
        value = "" if point["value"] is None else f"{point['value']:g} {point['unit']}"
        value = f"{point['state']} ({value.strip()})" if point.get("state") else value
        good = point["quality"] in {"good", "uncertain"} and not point["reason"]
        quality = Text(point["quality"], style="" if good else "red")
        baseline = "" if point.get("baseline") is None else f"{point['baseline']:g} {point['unit']}"
        more = [baseline] if zeroed else []
        table.add_row(name, value, *more, quality, span(point["age_s"]), point["reason"])
    return table


def _buses(buses: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("Buses", "bus", "device", "period", "polls", "answered", "fault")
    for name, bus in buses.items():
        line = f"{name}" if bus.get("open", True) else f"{name} (closed: {bus['reason']})"
        for device, slot in bus["devices"].items():
            period = f"{slot['kept_period_s'] or 0:.2f} of {slot['period_s']:g} s"
            share = f"{100 * slot['ok'] / slot['polls']:.1f} %" if slot["polls"] else ""
            table.add_row(line, device, period, str(slot["polls"]), share, Text(slot["fault"], style="red"))
            line = ""
    return table


def show_lines(buses: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """How each unit answers, and what is probably wrong where one does not."""
    table = _table(
        "Lines",
        "bus",
        "unit",
        "requests",
        "median",
        "p99",
        "time-outs",
        "CRC",
        "wrong unit",
        "other",
        "late",
        "retries",
    )
    causes = []
    for name, bus in buses.items():
        causes += [(name, bus["cause"])] if bus.get("cause") else []
        for unit_id, unit in bus.get("units", {}).items():
            other = unit["wrong_function"] + unit["wrong_length"] + unit["other_faults"] + unit["exceptions"]
            counts = [unit[key] for key in ("timeouts", "crc_errors", "wrong_unit")] + [
                other,
                unit["late"],
                unit["retries"],
            ]
            times = ["" if unit[key] is None else f"{1000 * unit[key]:.0f} ms" for key in ("median_s", "p99_s")]
            table.add_row(name, unit_id, str(unit["requests"]), *times, *(str(count or "") for count in counts))
            causes += [(f"{name}, unit {unit_id}", unit["cause"])] if unit["cause"] else []
    if table.row_count:
        console.print(table)
    for where, cause in causes:
        console.print(Text(f"{where}: {cause['text']['en']}", style="yellow"))
        console.print(f"  look: {cause['look']['en']}")
        console.print(Text(f"  {cause['text']['zh']}。{cause['look']['zh']}"))
    for name, bus in buses.items():
        if (foreign := bus.get("foreign")) and foreign["requests"]:
            units = ", ".join(map(str, foreign["units"])) or "all (broadcast)"
            console.print(f"{name}: {foreign['requests']} requests of another master to units {units}")


def _rest(status: Mapping[str, Any], console: Console) -> None:
    files = ", ".join(f"{name} {entry['state']}" for name, entry in status["journal"]["files"].items())
    console.print(f"Journal: {files}")
    uplink = status["uplink"]
    if uplink is None:
        console.print("Uplink: none in the site file")
    elif uplink["age_s"] is None or uplink["age_s"] > 30:
        console.print(f"Uplink: the link process has not been heard of for {span(uplink['age_s'])}", style="yellow")
    else:
        words = [str(uplink.get("phase", "?")), f"broker {uplink.get('broker')}", f"MQTT {uplink.get('version')}"]
        words += [f"{uplink.get(key, 0)} {key.replace('_', ' ')}" for key in ("acknowledged", "dead_letters")]
        words += [str(uplink["trouble"])] if uplink.get("trouble") else []
        console.print(f"Uplink: {', '.join(words)}", style="" if uplink.get("connected") else "yellow")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table
