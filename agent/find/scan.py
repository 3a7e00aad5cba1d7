"""`tocsin scan`: listens, asks, recognises, and shows how far it is. The searching itself is in `drivers.find`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from agent.find.fragment import fragment
from agent.find.place import port_at
from agent.find.result import Result, Unit
from agent.find.show import show_result, span, told_of
from drivers.api import DriverError
from drivers.find.likeness import named, recognise
from drivers.find.listening import Traffic, judge
from drivers.find.order import EVERYBODY, Ask, likely, settings_of, sweep
from drivers.find.port import HostPort, Parity, SerialPort, Settings
from drivers.find.sample import sample, shown
from drivers.find.survey import Survey
from drivers.find.sweep import Found, Tried, Unclear, search
from drivers.frames import Table
from drivers.registers import RegisterMap, load_map, map_names

Port = SerialPort | HostPort
_OTHER_SPEED_S = 1.5  # how long each other speed is listened at, once something was heard
_SAMPLES = 4  # values shown of a unit


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for."""

    port: str
    baudrates: Sequence[int]
    parities: Sequence[Parity]
    unit_ids: Sequence[int]
    tables: Sequence[Table] = ("holding",)
    wait_s: float = 0.1
    listen_s: float = 3.0
    anyway: bool = False  # ask although somebody else is master
    first: bool = False  # stop at the first setting at which units were found


def scan(wanted: Search, console: Console, progress: Console, *, as_json: bool = False) -> int:
    """Search, show and offer a site-file fragment. 0: units were found, 1: none, or somebody else is master here."""
    maps = {name: load_map(name) for name in map_names()}
    with port_at(wanted.port) as port:
        work = Scan(wanted, port, maps, progress)
        result = work.result
        try:
            work.run()
        except DriverError as error:
            progress.print(f"{error.reason}\n{_advice(error.reason)}".strip(), markup=False, highlight=False)
            return 1
        text = fragment(port, result.units, maps) if result.units else ""
    if as_json:
        console.print_json(json.dumps({**result.plain(), "fragment": text}, ensure_ascii=False))
    else:
        show_result(result, text, maps, console)
    return 0 if result.units else 1


def _advice(reason: str) -> str:
    if "another program" in reason:
        return "Is tocsin running on this port? Stop it for the search, or watch its frames with tocsin trace BUS."
    return ""


class Scan:
    """One search on an open port, and what it has brought so far."""

    def __init__(self, wanted: Search, port: Port, maps: Mapping[str, RegisterMap], progress: Console) -> None:
        self.result = Result(wanted.port)
        self._wanted, self._port, self._maps, self._progress = wanted, port, maps, progress
        serial = isinstance(port, SerialPort)
        self._settings = settings_of(wanted.baudrates, wanted.parities) if serial else [Settings(0)]
        self._found: dict[tuple[Settings, int], Found] = {}
        self._left_s = 0.0

    def run(self) -> None:
        """Listen, ask, recognise. What Ctrl-C breaks off leaves what was found. Raises NotPresent."""
        started_s = time.monotonic()
        result = self.result
        result.traffic, result.heard_at = self._listen()
        if result.traffic.is_foreign:
            self._say(told_of(result.traffic, result.heard_at))
            if not self._wanted.anyway:
                result.ended = False
                return
        for step in (self._ask, self._recognise):
            try:
                step()
            except KeyboardInterrupt:
                result.ended = False
                self._say("Broken off; what was found so far:")
        result.took_s = time.monotonic() - started_s

    def _say(self, text: str) -> None:
        self._progress.print(text, markup=False, highlight=False)

    def _listen(self) -> tuple[Traffic, Settings | None]:
        """What is said before we say anything. Other speeds are tried only once something was heard."""
        port, seconds = self._port, self._wanted.listen_s
        if isinstance(port, HostPort) or not seconds:
            return Traffic("silent"), None
        self._say(f"Listening on {port.path} for {seconds:g} s: is somebody else master here?")
        port.tune(self._settings[0])
        first = judge(port.listen(seconds))
        if first.verdict != "unreadable":
            return first, self._settings[0] if first.is_foreign else None
        for other in self._settings[1:]:
            port.tune(other)
            traffic = judge(port.listen(_OTHER_SPEED_S))
            if traffic.verdict in {"master", "units", "text"}:
                return traffic, other
        return first, None

    def _ask(self) -> None:
        wanted, settings = self._wanted, self._settings
        first = list(likely(settings, wanted.unit_ids, self._maps, wanted.wait_s))
        rest = list(sweep(settings, wanted.unit_ids, wanted.tables, wanted.wait_s))
        self._left_s = sum(ask.cost_s for ask in (*first, *rest))
        self._say(
            f"Asking {len(wanted.unit_ids)} unit ids at {len(settings)} settings: at most {span(self._left_s)}.\n"
            "Nothing is written. Ctrl-C ends it with what was found."
        )
        columns = (TextColumn("{task.description:<25}"), BarColumn(24), TextColumn("{task.fields[left]}"))
        with Progress(*columns, console=self._progress, transient=True) as bar:
            task = bar.add_task("likely ones first", total=self._left_s, left="")
            self._carry_out(first, bar, task)
            seen = {place[0] for place in self._found} | {one.settings for one in self.result.unclear}
            for one in sorted(settings, key=lambda one: one not in seen):  # where somebody answered, others are likely
                self._carry_out([ask for ask in rest if ask.settings == one], bar, task)
                if wanted.first and any(place[0] == one for place in self._found):
                    return

    def _carry_out(self, asks: Sequence[Ask], bar: Progress, task: TaskID) -> None:
        fresh = [ask for ask in asks if (ask.settings, ask.request.unit_id) not in self._found]
        self._left_s -= sum(ask.cost_s for ask in asks) - sum(ask.cost_s for ask in fresh)
        for event in search(self._port, fresh):
            match event:
                case Tried(ask=ask):
                    self.result.asked += 1
                    self._left_s -= ask.cost_s
                    what = f"{ask.settings}, unit id {ask.request.unit_id}"
                    done = (bar.tasks[0].total or 0.0) - self._left_s
                    bar.update(task, completed=done, description=what, left=f"{span(max(0.0, self._left_s))} left")
                case Found() if event.unit_id not in EVERYBODY:  # who answers to every id is met at its own
                    self._found[event.key] = event
                    bar.console.print(_line(event), highlight=False)
                case Unclear():
                    self.result.unclear.append(event)

    def _recognise(self) -> None:
        columns = (TextColumn("{task.description:<25}"), BarColumn(24))
        with Progress(*columns, console=self._progress, transient=True) as bar:
            task = bar.add_task("recognising", total=len(self._found))
            for one in self._found.values():
                bar.update(task, description=f"recognising unit {one.unit_id}")
                self.result.units.append(self._unit(one))
                bar.advance(task)
        self.result.units.sort(key=lambda unit: (str(unit.settings), unit.unit_id))

    def _unit(self, found: Found) -> Unit:
        self._port.tune(found.settings)
        survey = Survey(self._port, found.unit_id)
        likenesses = recognise(survey, found.settings, self._maps)
        model = named(likenesses)
        readings: list[str] = []
        if model is not None:
            decoded = sample(survey.cells, self._maps[model.model])
            readings = [shown(name, one, self._maps[model.model]) for name, one in decoded.items()][:_SAMPLES]
        return Unit(
            found.unit_id, found.settings, found.elapsed_s, found.late, tuple(likenesses), model, tuple(readings)
        )


def _line(found: Found) -> str:
    manner = " after its time" if found.late else ""
    return f"  unit {found.unit_id} answers at {found.settings}{manner}, {1000 * found.elapsed_s:.0f} ms"
