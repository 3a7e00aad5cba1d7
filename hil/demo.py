"""The demo: a virtual community, a broker, the same agent as on a gateway, and a story. It owns all that it starts.

    python -m hil.demo [--keep] [--scenario flood | line-cut | siren-dead | FILE] [--plain] [--for SECONDS]

Ends by itself when the story is over and every alarm has cleared, with a summary of what was sounded and confirmed;
exit code 0 when the siren was ordered and proved (or what else the story expects), else 1. `--keep` stays until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from hil.events import Line, Narrator, OutputTally, Tally
from hil.follower import Follower, NoAnswer, ask
from hil.processes import Child, await_port, end_strays, free_port, mosquitto
from hil.rig import Rig
from hil.scenario import Event, Player, Scenario, said
from hil.screen import Gauge, Screen

_HERE = Path(__file__).parent
_SITE = _HERE / "sites" / "lianhua"
_START_S = 30.0  # longest time for the agent to answer
_AFTER_S = 25.0  # longest time for alarms to clear and words to end after the story
_DELIVERY_S = 5.0  # longest time for the last records to reach the platform
_SPEECH = 5.0  # recordings are "played" so many times faster: the story's hours are minutes, too


class DemoFailed(RuntimeError):  # noqa: N818 - the text goes to the terminal
    """Something that the demo started did not do what it must."""


class Demo:
    """Everything of one run, put up by `__enter__` and taken down by `__exit__` in the opposite order."""

    def __init__(self, scenario: Scenario, console: Console, *, live: bool) -> None:
        self.scenario = scenario
        self.console = console
        self.tally = Tally()
        self.counts: dict[str, int] = {}
        self.live = live
        self._stack = ExitStack()
        self._narrator = Narrator()
        self._told: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._platform: Child | None = None

    def __enter__(self) -> Self:
        try:
            self._put_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _put_up(self) -> None:
        stack = self._stack
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-")))
        self.rig = stack.enter_context(Rig.load(_SITE / "rig.toml", self.directory))
        uplink = self._start_uplink()
        site = self._fill_site(uplink)
        stack.callback(end_strays, str(self.directory))
        self.socket = self.directory / "control.sock"
        self.agent = stack.enter_context(self._agent(site))
        self._await_agent()
        self.follower = stack.enter_context(Follower(self.socket))
        self._introduce()
        self.screen = stack.enter_context(Screen(self._gauges(), self.console, live=self.live))
        self.player = stack.enter_context(Player(self.scenario, self.rig, self._event))

    def _introduce(self) -> None:
        out = self.console.print
        title = " / ".join(self.scenario.title.values())
        out(f"[bold]{title}[/], in {self.scenario.real_s:.0f} s", soft_wrap=True)
        for line in self.rig.lines.values():
            out(f"  virtual line {getattr(line, 'path', line)}: units {sorted(line.units)}", soft_wrap=True)
        out(f"  look at the agent from another terminal: tocsin status --socket {self.socket}", soft_wrap=True)

    def _start_uplink(self) -> str:
        port = free_port()
        broker = mosquitto(self.directory, port)
        if broker is None:
            self.console.print("mosquitto is not installed: no uplink in this run (apt install mosquitto)")
            return ""
        await_port(port, self._stack.enter_context(broker))
        database = self.directory / "platform.db"
        options = ["--port", str(port), "--db", str(database)]
        platform = Child("platform", [sys.executable, "-m", "hil.platform", *options], self.directory / "platform.log")
        self._platform = self._stack.enter_context(platform)
        return f'[uplink]\nbroker = "mqtt://127.0.0.1:{port}"\nbatch = "1 s"\n'

    def _fill_site(self, uplink: str) -> Path:
        player = [sys.executable, "-m", "hil.speaker", "--speed", f"{_SPEECH:g}", str(self.directory / "said"), "{wav}"]
        slots = {name: str(line.path) for name, line in self.rig.lines.items() if hasattr(line, "path")}
        slots |= {"player": json.dumps(player), "uplink": uplink}
        text = (_SITE / "site.toml").read_text()
        for name, value in slots.items():
            text = text.replace(f"@{name}@", value)
        for beside in _SITE.glob("*.toml"):
            if beside.name not in {"site.toml", "rig.toml"}:
                shutil.copy(beside, self.directory)
        site = self.directory / "site.toml"
        site.write_text(text)
        return site

    def _agent(self, site: Path) -> Child:
        beside = Path(sys.executable).with_name("tocsin")
        command = [str(beside)] if beside.exists() else [sys.executable, "-m", "agent.cli"]
        options = ["run", str(site), "--state", str(self.directory / "state"), "--socket", str(self.socket)]
        return Child("agent", [*command, *options], self.directory / "agent.log")

    def _await_agent(self) -> None:
        deadline_s = time.monotonic() + _START_S
        while time.monotonic() < deadline_s:
            if self.agent.code is not None:
                raise DemoFailed(f"the agent ended with code {self.agent.code}:\n{self.agent.last_words}")
            try:
                ask(self.socket, {"do": "status"})
            except NoAnswer:
                time.sleep(0.1)
            else:
                return
        raise DemoFailed(f"the agent did not answer within {_START_S:g} s:\n{self.agent.last_words}")

    def _gauges(self) -> dict[str, Gauge]:
        with (_SITE / "rig.toml").open("rb") as file:
            return {point: Gauge(**table) for point, table in tomllib.load(file)["gauge"].items()}

    def _event(self, event: Event) -> None:
        texts = said(event.say, ("en",)), said(event.say, ("zh",))
        self._told.put(Line("STORY", " / ".join(filter(None, texts)), "bold blue"))

    # --- while it runs --------------------------------------------------------------------------------------------

    def run(self, *, keep: bool, longest_s: float) -> None:
        """Until the story is over and all is quiet again, or `longest_s`; with `keep` until interrupted."""
        deadline_s = time.monotonic() + longest_s
        end_s = float("inf")
        while keep or time.monotonic() < min(deadline_s, end_s):
            self._drain()
            if self.agent.code is not None:
                raise DemoFailed(f"the agent ended with code {self.agent.code}:\n{self.agent.last_words}")
            status = self._status()
            if status is not None:
                self.screen.show(status, self._story(), self.counts, self._heard())
                if self.player.over:
                    end_s = min(end_s, time.monotonic() + _AFTER_S)
                    if not keep and _at_rest(status):
                        break
            time.sleep(0.25)
        self._await_delivery()

    def _await_delivery(self) -> None:
        deadline_s = time.monotonic() + _DELIVERY_S
        self._drain()
        while self._platform and self._undelivered() and time.monotonic() < deadline_s:
            time.sleep(0.25)
            self._drain()

    def _undelivered(self) -> int:
        return max(0, self.tally.lanes["alarm"] - self.counts.get("alarm", 0))

    def _drain(self) -> None:
        while not self._told.empty():
            self.screen.say(self._told.get())
        while not self.follower.records.empty():
            record = self.follower.records.get()
            self.tally.take(record)
            for line in self._narrator.tell(record):
                self.screen.say(line)
        if self._platform is not None and (counts := self._platform.last_words):
            self.counts = _counts(counts)

    def _status(self) -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = ask(self.socket, {"do": "status"})
        except NoAnswer:
            return None  # seen again at the next look; an agent that has ended is told above
        return status

    def _story(self) -> str:
        minutes = int(self.player.story_s / 60)
        return f"{said(self.scenario.title, ('en',))}: {minutes // 60} h {minutes % 60:02} min"

    def _heard(self) -> dict[str, str]:
        return {"roof-siren": "sounding" if self.rig.sirens["roof"].sounding else ""}

    # --- afterwards -----------------------------------------------------------------------------------------------

    def summary(self) -> bool:
        """Print what was sounded and confirmed. Whether the siren was proved, or not, as the story expects."""

        def out(text: str) -> None:
            self.console.print(text, soft_wrap=True)

        out("\n[bold]What happened[/]")
        for name, levels in self.tally.alarms.items():
            out(
                f"  alarm  {name}: {' > '.join(levels)}{', cleared' if name in self.tally.cleared else ', NOT cleared'}"
            )
        for name, tally in self.tally.outputs.items():
            out(f"  output {name}: {_told(tally)}")
        for name, siren in self.rig.sirens.items():
            out(
                f"  bench  siren {name}: its contact closed {_times(_closings(siren))}, {_closed_s(siren):.1f} s in all"
            )
        spoken = len(list((self.directory / "said").glob("[0-9]*.wav")))
        out(f"  bench  loudspeaker: {spoken} recordings played")
        if self._platform is not None:
            has = ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing"
            out(f"  bench  platform stored: {has}; of the alarm records {self._undelivered()} are missing")
        roof = self.tally.outputs.get("roof-siren", OutputTally())
        proved = roof.written > 0 and roof.confirmed > 0
        if not self.player.over and not roof.written:
            out("  it ended before the siren was ordered")
            return False
        said_so = "" if proved == self.scenario.proves else ", which is not what this story expects"
        out(f"  the siren was {'ordered and proved by its current' if proved else 'NOT proved to sound'}{said_so}")
        return proved == self.scenario.proves


def _at_rest(status: dict[str, Any]) -> bool:
    hazards = [alarm for alarm in status["alarms"].values() if alarm.get("zone") is not None or alarm.get("hazard")]
    quiet = all(alarm["rank"] == 0 for alarm in hazards)
    return quiet and all(_done(output) for output in status["outputs"].values())


def _done(output: dict[str, Any]) -> bool:
    # An all-clear stays wanted for minutes after it was given.
    return not output["wanted"] or (output["wanted"].endswith("all clear") and output["confirmed"] is not None)


def _counts(printed: str) -> dict[str, int]:
    try:
        counts = json.loads(printed.splitlines()[-1])
    except ValueError:
        return {}
    return counts if isinstance(counts, dict) else {}


def _told(tally: OutputTally) -> str:
    parts = [f"ordered {_times(tally.written)}", f"confirmed {_times(tally.confirmed)}"]
    if tally.written:
        parts.append(f"written at most {tally.slowest_written_ms:.0f} ms after the deciding reading")
    if tally.slowest_confirmed_ms:
        parts.append(f"proved at most {tally.slowest_confirmed_ms:.0f} ms after it")
    if tally.faults:
        parts.append(f"{tally.faults} faults")
    return ", ".join(parts)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _closings(siren: Any) -> int:
    return sum(1 for change in siren.relay.history if change.channel == siren.channel and change.on)


def _closed_s(siren: Any) -> float:
    total_s, since_s = 0.0, None
    for change in list(siren.relay.history):
        if change.channel == siren.channel:
            if change.on:
                since_s = change.mono_s
            elif since_s is not None:
                total_s, since_s = total_s + change.mono_s - since_s, None
    return total_s + (time.monotonic() - since_s if since_s is not None else 0.0)


def _scenario(name: str) -> Scenario:
    path = Path(name) if name.endswith(".toml") else _HERE / "scenarios" / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(found.stem for found in (_HERE / "scenarios").glob("*.toml")))
        raise DemoFailed(f"no scenario {name!r}; known are {known}, or give a file ending in .toml")
    return Scenario.load(path)


def _ended(*_: object) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run the demo; 0 when the siren was proved as expected (or --keep was interrupted), else 1; 2 for bad options."""
    parser = argparse.ArgumentParser(prog="tocsin demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="stay until Ctrl-C")
    parser.add_argument("--scenario", default="flood", help="flood, line-cut, siren-dead, or a file")
    parser.add_argument("--plain", action="store_true", help="a line per event, also on a terminal")
    parser.add_argument("--for", type=float, default=115.0, dest="longest_s", metavar="SECONDS", help="at most so long")
    options = parser.parse_args(argv)
    console = Console(highlight=False)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    live = console.is_terminal and not options.plain
    try:
        with Demo(_scenario(options.scenario), console, live=live) as demo:
            try:
                demo.run(keep=options.keep, longest_s=options.longest_s)
            except KeyboardInterrupt:
                demo.screen.__exit__()
                demo.summary()
                return 0 if options.keep else 1
            demo.screen.__exit__()
            return 0 if demo.summary() else 1
    except KeyboardInterrupt:
        return 1
    except (DemoFailed, RuntimeError) as error:
        console.print(f"the demo failed: {error}", style="red", markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
