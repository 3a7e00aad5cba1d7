"""A gateway driven by hand with a real journal: readings in, restarts at any place, and what the journal has of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.config import Site, load_site
from agent.explain.again import Proof, Replay
from agent.guard.clock import Clock
from agent.guard.core import Core
from agent.journal.journal import Journal
from agent.journal.reader import AlarmRow, JournalReader
from drivers.api import Quality, Reading
from rules.judge import Judge

SECOND = 10**9
CURRENT = Path(__file__).parents[3] / "hil" / "sites" / "lianhua" / "current-0-5a.toml"

SITE = """
[site]
id = "trial"
name = { zh = "莲花三社区", en = "Lianhua community 3" }
languages = ["zh", "en"]
timezone = "Asia/Shanghai"
[zone.underpass]
title = { zh = "下穿通道", en = "the underpass" }
[bus.wire]
port = "/dev/serial/by-id/none"
baudrate = 9600
[device.pit]
bus = "wire"
unit_id = 3
map = "hlk-ld8001h"
period = "1 s"
stale_after = "5 s"
zone = "underpass"
[device.pump]
bus = "wire"
unit_id = 2
map = "current.toml"
period = "1 s"
stale_after = "5 s"
[device.rain]
bus = "wire"
unit_id = 7
map = "rain.toml"
period = "1 s"
stale_after = "20 s"
[device.rain.point.total]
reset = "hh:51"
[alarm.flood]
title = { zh = "下穿通道积水", en = "Underpass flooding" }
zone = "underpass"
hazard = "flood"
[alarm.flood.level.yellow]
when = "pit.level > 15 cm"
for = "3 s"
clear = "pit.level < 12 cm"
clear_for = "5 s"
[alarm.flood.level.red]
when = "pit.level > 40 cm or rise(pit.level, 10 s, coverage = 0.3) > 20 cm"
for = "2 s"
[alarm.pump]
title = { zh = "水泵不转", en = "Pump stands still" }
latch = true
[alarm.pump.level.orange]
when = "avg(pit.level, 8 s, coverage = 0.3) > 15 cm and pump.current < 1 A"
clear = "pump.current > 2 A"
[alarm.rain]
title = { zh = "强降雨", en = "Heavy rain" }
[alarm.rain.level.yellow]
when = "increase(rain.total, 30 s, coverage = 0.2) > 4 mm"
[alarm.settling]
title = { zh = "沉降", en = "Settlement" }
shadow = true
[alarm.settling.level.blue]
when = "pit.level - baseline(pit.level) > 30 cm"
"""

RAIN = """
[device]
title = "A rain gauge that starts again at 0 each hour"
maturity = "experimental"
source = ["made for this test"]
[point.total]
table = "input"
address = 0
type = "u16"
scale = 0.1
unit = "mm"
kind = "running_total"
"""


class Gateway:
    """A core, its journal in a directory, and a clock that is moved by hand."""

    def __init__(self, directory: Path, site: Site, boot: str = "boot-a") -> None:
        self.directory, self.site, self.boot, self.now_ns = directory, site, boot, 1000 * SECOND
        self.blobs: dict[str, bytes] = {}
        self.start()

    def start(self) -> None:
        """A process: opens the journal, takes up what survived, and puts its image between the steps."""
        self.journal = Journal(self.directory, site=self.site.id, boot_id=self.boot, ballast_bytes=0, commit_every_s=60)
        self.journal.start()
        self.journal.catalogue(list(self.site.points))
        clock = Clock(boot=self.boot, trust="trusted")
        judge = Judge(self.site.ruleset, clock.judgement_s(self.now_ns))
        self.core = Core(self.site, judge, clock, self.journal, listeners={}, mono_ns=self.now_ns)
        judgement = self.journal.recall("judgement")
        if judgement is not None:
            self.core.restore(judgement, self.journal.recall("windows"), self.now_ns)
        self.core.event("start", {"timezone": self.site.timezone}, self.now_ns)
        self.core.keep_image(self.now_ns)
        self.core.assert_all(self.now_ns)

    def stop(self) -> None:
        """The end of a process; what it had not kept by then is lost."""
        assert self.journal.close(10)

    def restart(self, after_s: float = 1.0, *, site: Site | None = None, boot: str = "") -> None:
        self.stop()
        self.site, self.boot = site or self.site, boot or self.boot
        self.now_ns += round(after_s * SECOND)
        self.start()

    def poll(self, device: str, after_s: float = 1.0, **values: float | None) -> None:
        """A reply of a device, `after_s` later; None is a bad reading."""
        self.wait(after_s)
        readings = [
            Reading(name, math.nan if value is None else value, Quality.BAD if value is None else Quality.GOOD, 0)
            for name, value in values.items()
        ]
        self.core.ingest(device, readings, self.now_ns)

    def hold(self, level_mm: float | None, for_s: int) -> None:
        for _ in range(for_s):
            self.poll("pit", level=level_mm)

    def wait(self, for_s: float, late_s: float = 0.0) -> None:
        """Time passes; the guard ticks when timers are due, and never to the nanosecond."""
        end_ns = self.now_ns + round(for_s * SECOND)
        while (due_s := self.core.deadline_mono_s) is not None and due_s * SECOND < end_ns:
            self.now_ns = max(self.now_ns + 1, round((due_s + late_s) * SECOND))
            self.core.tick(self.now_ns)
        self.now_ns = max(self.now_ns, end_ns)

    def written(self) -> JournalReader:
        """What is on the card by now."""
        self.journal.durable().result(10)
        return JournalReader(self.directory)

    def rows(self) -> list[AlarmRow]:
        reader = self.written()
        return reader.alarms(reader.epoch("records") or "", 0, 10_000)

    def prove_all(self) -> list[Proof]:
        """Every record of an alarm, judged again."""
        replay = Replay(self.written())
        return [replay.prove(row) for row in self.rows()]

    def body(self, alarm: str, event: str) -> dict[str, Any]:
        return next(
            row.record.body
            for row in self.rows()
            if (row.record.body["alarm"], row.record.body["event"]) == (alarm, event)
        )


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Site]:
    """The site, with its text changed."""

    def loaded(change: Callable[[str], str] = lambda text: text) -> Site:
        directory = tmp_path_factory.mktemp("site")
        (directory / "current.toml").write_text(CURRENT.read_text(encoding="utf-8"), encoding="utf-8")
        (directory / "rain.toml").write_text(RAIN, encoding="utf-8")
        (directory / "site.toml").write_text(change(SITE), encoding="utf-8")
        return load_site(directory / "site.toml")

    return loaded


@pytest.fixture
def gateway(tmp_path: Path, load: Callable[..., Site]) -> Iterator[Gateway]:
    up = Gateway(tmp_path / "state", load())
    yield up
    up.stop()
