"""What scan and probe show on a terminal of 80 columns: in words first, colour only helps."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.find.result import Result, Unit
from drivers.find.listening import Traffic
from drivers.find.port import Settings
from drivers.registers import RegisterMap


def span(seconds: float) -> str:
    """A time span as people say it: "8 s", "3 min 20 s", "1 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def told_of(traffic: Traffic, at: Settings | None) -> str:
    """What was heard before anything was asked, and what to do about it."""
    where = f" at {at}" if at else ""
    match traffic.verdict:
        case "master":
            units = ", ".join(map(str, sorted({unit_id for unit_id, _ in traffic.asked or ()})))
            every = f" about every {traffic.period_s:.2g} s" if traffic.period_s else ""
            answers = ", ".join(map(str, sorted(traffic.answered))) or "nobody"
            return (
                f"Somebody else is master here{where}: unit ids {units} are asked{every}; {answers} answers.\n"
                "Two masters on one line disturb each other, and what the other one guards. Ask whose it is, "
                "disconnect it, then scan again; --anyway scans all the same."
            )
        case "units":
            answers = ", ".join(map(str, sorted(traffic.answered)))
            return f"Modbus answers are heard{where}, of unit ids {answers}, and nobody who asks: a master elsewhere?"
        case "text":
            shown = traffic.sample.decode("ascii", "replace").strip().splitlines()
            first = shown[0].strip() if shown else ""
            return f'Somebody talks text here{where}, unasked: "{first[:60]}". That is no Modbus; see line instruments.'
        case "unreadable":
            return (
                f"{traffic.size} bytes were heard that are no Modbus at any speed that was tried: "
                f"{traffic.sample[:12].hex(' ')} ... Noise (A and B, termination, ground), or another protocol. "
                "--anyway scans all the same."
            )
        case _:
            return "Nobody speaks unasked."


def show_result(result: Result, fragment: str, maps: Mapping[str, RegisterMap], console: Console) -> None:
    """The units as a table, what is unclear, and the piece of a site file."""
    if not result.asked:
        return
    if result.units:
        console.print(_units(result, maps))
    else:
        console.print(_nobody(result), highlight=False)
    if unclear := [one for one in result.unclear if (one.settings, one.unit_id) not in _places(result)]:
        console.print(_unclear(unclear[0].settings, sorted({one.unit_id for one in unclear})), highlight=False)
    manner = "" if result.ended else ", broken off"
    console.print(f"{result.asked} questions in {span(result.took_s)}{manner}.", highlight=False)
    if fragment:
        console.print("\nFor the site file:\n", style="bold")
        console.print(fragment, markup=False, highlight=False, soft_wrap=True)


def _places(result: Result) -> set[tuple[Settings, int]]:
    return {(unit.settings, unit.unit_id) for unit in result.units}


def _units(result: Result, maps: Mapping[str, RegisterMap]) -> Table:
    table = Table(title=f"Found on {result.port}", title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("unit", justify="right", no_wrap=True)
    table.add_column("line", no_wrap=True)
    table.add_column("answers", justify="right", no_wrap=True)
    table.add_column("what it is")
    for unit in result.units:
        answers = f"{1000 * unit.elapsed_s:.0f} ms" + (" (late)" if unit.late else "")
        table.add_row(str(unit.unit_id), str(unit.settings), answers, _what(unit, maps))
    return table


def _what(unit: Unit, maps: Mapping[str, RegisterMap]) -> Text:
    if unit.model is not None:
        model = unit.model
        text = Text("" if model.word == "is" else f"{model.word} ".removeprefix("is "))
        text.append(model.model, style="bold green")
        text.append(f": {maps[model.model].device.title}")
        if unit.readings:
            text.append(f"\nreads {', '.join(unit.readings)}", style="dim")
        return text
    if unit.likenesses:
        likest = unit.likenesses[0].bits
        near = " or ".join(one.model for one in unit.likenesses[:3] if one.bits > likest - 4)
        return Text.assemble("unknown, like ", (near, "yellow"))
    return Text("unknown", style="yellow")


def _nobody(result: Result) -> str:
    return (
        f"Nobody answered on {result.port}. In this order: is the device powered; are A and B swapped (try it, it "
        "harms nothing); is the ground connected; does the adapter switch direction by itself; is its speed or "
        "parity one that was tried."
    )


def _unclear(settings: Settings, unit_ids: list[int]) -> str:
    ids = ", ".join(map(str, unit_ids))
    return (
        f"Something answers at {settings} to unit id {ids}, but never a sound frame: two units with one id, a speed or "
        "parity that is nearly right, or missing termination. Connect the units one at a time."
    )
