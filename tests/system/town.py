"""A small town for tests of the whole agent: virtual lines, a broker, a platform, and the agent as a process.

It owns everything that it starts, and looks at the agent only as the world does: over its lines, its socket, its
command line, its files and the platform.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from agent.journal.reader import JournalReader
from hil.follower import NoAnswer, ask
from hil.processes import Child, await_port, end_strays, free_port, mosquitto
from hil.rig import Rig

RIG = """
[line.sensors]
baudrate = 115200
[line.air]
baudrate = 9600
[line.actuators]
baudrate = 115200
[device.pit]
line = "sensors"
unit_id = 3
model = "hlk-ld8001h"
set = { install_cm = 500, level_mm = 20 }
[device.gas]
line = "air"
unit_id = 4
model = "gas-6in1"
set = { gas = "CH4", unit = "%LEL", decimals = 1, min_poll_s = 0.0 }
[device.relay]
line = "actuators"
unit_id = 1
model = "waveshare-relay-8ch"
[device.siren-current]
line = "actuators"
unit_id = 2
model = "waveshare-analog-8ch"
[siren.roof]
relay = "relay"
channel = 0
rated_a = 2.0
analog = "siren-current"
input = 0
span_a = 5.0
"""

SITE = """
[site]
id = "town"
name = { en = "Town" }
languages = ["en"]
[zone.pit]
title = { en = "the pit" }
[bus.sensors]
port = "@sensors@"
baudrate = 115200
timeout = "300 ms"
[bus.air]
port = "@air@"
baudrate = 9600
[bus.actuators]
port = "@actuators@"
baudrate = 115200
timeout = "300 ms"
[device.pit]
bus = "sensors"
unit_id = 3
map = "hlk-ld8001h"
zone = "pit"
period = "100 ms"
stale_after = "2 s"
[device.gas]
bus = "air"
unit_id = 4
map = "gas-6in1"
period = "700 ms"
stale_after = "4 s"
[device.siren-current]
bus = "actuators"
unit_id = 2
map = "current-0-5a.toml"
period = "200 ms"
[output.siren]
driver = "waveshare-relay"
bus = "actuators"
unit_id = 1
channel = 1
pulse = "1 s"
reassert = "300 ms"
max_on = "5 min"
min_off = "100 ms"
max_starts_per_hour = 1000
confirm = { point = "siren-current.current", above = "0.5 A", within = "1 s" }
alternate = "speaker"
[output.speaker]
driver = "speaker"
player = @player@
whole = false
max_on = "5 min"
min_off = "100 ms"
max_starts_per_hour = 1000
[alarm.flood]
title = { en = "Flooding" }
zone = "pit"
hazard = "flood"
plan = "flood"
[alarm.flood.level.yellow]
when = "pit.level > 15 cm"
for = "@for@"
[alarm.flood.level.red]
when = "pit.level > 40 cm"
for = "@for@"
clear_for = "300 ms"
[alarm.gas]
title = { en = "Gas" }
plan = "gas"
latch = true
[alarm.gas.level.red]
when = "gas.concentration > 25 %LEL"
clear = "gas.concentration < 8 %LEL"
[pattern.long]
segments = ["on 2 min"]
[plan.flood]
[[plan.flood.level.red]]
output = "siren"
pattern = "long"
[[plan.flood.level.red]]
output = "speaker"
message = "flood-red"
[[plan.flood.all_clear]]
output = "speaker"
message = "flood-clear"
[plan.gas]
[[plan.gas.level.red]]
output = "siren"
pattern = "long"
[message.flood-red.text]
en = "Red warning. Water in {place}: {value}. Leave now."
[message.flood-clear.text]
en = "All clear in {place}."
@uplink@
"""
UPLINK = '[uplink]\nbroker = "mqtt://127.0.0.1:{port}"\nbatch = "1 s"\n'
LIANHUA = Path(__file__).parents[2] / "hil" / "sites" / "lianhua"


class Town:
    """Lines, broker, platform and agent. Context manager: nothing is left behind."""

    def __init__(
        self,
        *,
        rig: str = RIG,
        site: str = SITE,
        delay: str = "200 ms",
        uplink: bool = True,
        jit: bool = False,
        with_agent: bool = True,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(
            prefix="tocsin-town-"
        )  # short: a Unix socket's path has 107 bytes
        self.directory = Path(self._temporary.name)
        self.directory.chmod(0o755)
        self.state, self.said = self.directory / "state", self.directory / "said"
        self.socket, self.site = self.directory / "control.sock", self.directory / "site.toml"
        self.database = self.directory / "platform.db"
        description = self.directory / "rig.toml"
        description.write_text(rig, encoding="utf-8")
        self.rig = Rig.load(description, self.directory)
        self.port = free_port() if uplink else 0
        self._write_site(site, delay)
        argv = [sys.executable, "-m", "agent.cli", "run", str(self.site), "--state", str(self.state)]
        argv += ["--socket", str(self.socket), *([] if jit else ["--no-jit"])]
        self.agent = Child("agent", argv, self.directory / "agent.log")
        platform = [sys.executable, "-m", "hil.platform", "--port", str(self.port), "--db", str(self.database)]
        self.platform = Child("platform", platform, self.directory / "platform.log")
        broker = mosquitto(self.directory, self.port)
        assert broker is not None, "mosquitto is needed: apt-get install mosquitto"
        self.broker = broker
        self._with_agent = with_agent

    def _write_site(self, text: str, delay: str) -> None:
        player = [sys.executable, "-m", "hil.speaker", "--speed", "8", str(self.said), "{wav}"]
        slots = {name: str(line.path) for name, line in self.rig.lines.items()}
        slots |= {"player": json.dumps(player), "for": delay}
        slots["uplink"] = UPLINK.format(port=self.port) if self.port else ""
        for name, value in slots.items():
            text = text.replace(f"@{name}@", value)
        self.site.write_text(text, encoding="utf-8")
        shutil.copy(LIANHUA / "current-0-5a.toml", self.directory)

    def __enter__(self) -> Self:
        try:
            self.rig.__enter__()
            if self.port:
                self.start_broker()
                self.platform.__enter__()
            if self._with_agent:
                self.start_agent()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the agent first, as it talks to all the rest."""
        for child in (self.agent, self.platform, self.broker):
            child.stop()
        self.rig.__exit__(None, None, None)
        end_strays(str(self.directory))
        self._temporary.cleanup()

    # --- processes ------------------------------------------------------------------------------------------------

    def start_broker(self) -> None:
        self.broker.__enter__()
        await_port(self.port, self.broker)

    def start_agent(self, within_s: float = 20.0) -> None:
        """Start it and wait until it has judged a reading."""
        self.agent.__enter__()
        self.wait(lambda: self.status()["points"]["pit.level"]["value"] is not None, within_s)

    @staticmethod
    def kill(child: Child) -> float:
        """SIGKILL, to the process and not to its children; the monotonic time of it."""
        process = child._process
        at_s = time.monotonic()
        process.kill()
        process.wait()
        return at_s

    def kill_link(self) -> None:
        """SIGKILL to the link, if one runs now."""
        for pid in self.links():
            os.kill(pid, signal.SIGKILL)

    def links(self) -> list[int]:
        """Process ids of the links of this town, orphans included."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "agent.link" in words and str(self.site) in words:
                found.append(int(entry.name))
        return found

    # --- looking --------------------------------------------------------------------------------------------------

    def ask(self, do: str, **more: Any) -> Any:
        return ask(self.socket, {"do": do, **more})

    def status(self) -> dict[str, Any]:
        """What the agent says of itself."""
        return self.ask("status")

    def wait(self, fits: Callable[[], Any], within_s: float = 10.0, why: str = "") -> Any:
        """What `fits` gives once it is true; a missing answer is not yet. Fails with the agent's last words."""
        until_s, seen = time.monotonic() + within_s, None
        while time.monotonic() < until_s:
            try:
                if seen := fits():
                    return seen
            except (NoAnswer, KeyError) as error:
                seen = error
            if self.agent._process is not None and self.agent.code is not None and self.agent.code >= 0:
                break
            time.sleep(0.02)
        raise AssertionError(
            f"not within {within_s:g} s: {why} (last seen {seen!r}); the agent's code {self.agent.code}, "
            f"last words:\n{self.agent.last_words}"
        )

    def alarm(self, name: str) -> str:
        """Level of an alarm now."""
        return str(self.ask("alarms")[name]["level"])

    def protection(self, alarm: str) -> str:
        """What the agent says of an alarm: protected, degraded or blind."""
        return next(str(e["status"]) for e in self.status()["protection"] if e["alarm"] == alarm)

    def cli(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """The command line as a process."""
        argv = [*before, sys.executable, "-m", "agent.cli", *words, "--socket", str(self.socket)]
        environment = os.environ | {"COLUMNS": "200"}
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, env=environment)

    @property
    def siren(self) -> Any:
        return self.rig.sirens["roof"]

    def sounded_s(self) -> list[float]:
        """Monotonic times at which the siren's contact closed."""
        return [change.mono_s for change in list(self.siren.relay.history) if change.channel == 0 and change.on]

    def journalled(self) -> dict[int, Any]:
        """Every record of critical.db by number."""
        reader = JournalReader(self.state)
        try:
            found: dict[int, Any] = {}
            epoch = reader.epoch("records") or ""
            while rows := reader.records(epoch, max(found, default=0), 2000):
                found.update(rows)
            return found
        finally:
            reader.close()

    def epoch(self) -> str:
        """Epoch of critical.db."""
        reader = JournalReader(self.state)
        try:
            return reader.epoch("records") or ""
        finally:
            reader.close()

    def stored(self, epoch: str | None = None) -> dict[int, dict[str, Any]]:
        """Every record that the platform has committed, by number."""
        if not self.database.exists():
            return {}
        epoch = self.epoch() if epoch is None else epoch
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as db:
            try:
                rows = db.execute("SELECT first, payload FROM message WHERE epoch = ?", (epoch,)).fetchall()
            except sqlite3.OperationalError:  # it has not made its tables yet
                return {}
        return {first: json.loads(payload) for first, payload in rows}

    def recorded(self) -> int:
        """How many records the journal holds; cheap to ask again and again."""
        with closing(sqlite3.connect(f"file:{self.state / 'critical.db'}?mode=ro", uri=True, timeout=5)) as journal:
            return int(journal.execute("SELECT count(*) FROM record").fetchone()[0])

    def missing(self) -> int:
        """How many of the journal's records the platform has not got."""
        recorded = self.recorded()
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as db:
            stored = db.execute("SELECT count(*) FROM message WHERE epoch = ?", (self.epoch(),)).fetchone()[0]
        return int(recorded - stored)

    def platform_counts(self) -> dict[str, int]:
        """What the platform counted last, since its start."""
        lines = self.platform.last_words.splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    def at_platform(self, kind: str, **body: Any) -> list[dict[str, Any]]:
        """Records of a kind at the platform whose body has these values."""
        records = self.stored().values()
        return [r for r in records if r["kind"] == kind and all(r["body"].get(k) == v for k, v in body.items())]
