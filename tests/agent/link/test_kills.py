"""The link as a process, reading a real journal, with everything around it killed at random."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.journal.journal import Journal
from agent.records import Lane, Record, SampleRow, Stamp, Step

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
POINTS = ("a.x", "a.y", "b.z")


def stamp(clock="trusted"):
    return Stamp(BOOT, time.monotonic_ns(), time.time_ns(), clock)


class Programs:
    """The link and the platform as processes that can be killed and started again."""

    def __init__(self, rig):
        self.directory = rig.directory
        self.state = rig.directory / "state"
        self.state.mkdir()
        self.site = rig.directory / "site.toml"
        self.site.write_text(f'[site]\nid = "demo"\n[uplink]\nbroker = "mqtt://127.0.0.1:{rig.broker.port}"\n')
        self.db = rig.directory / "platform.db"
        self.commands = {
            "link": ["-m", "agent.link", str(self.site), "--state", str(self.state)],
            "platform": f"-m hil.platform --port {rig.broker.port} --site demo --db {self.db}".split(),
        }
        self.running = {}

    def start(self, name):
        log = (self.directory / f"{name}.log").open("ab")
        self.running[name] = subprocess.Popen([sys.executable, *self.commands[name]], stdout=log, stderr=log)
        log.close()

    def kill(self, name):
        self.running[name].kill()
        self.running[name].wait()

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()

    def stored(self, epoch):
        """Numbers that the platform has committed, with what they carry."""
        if not self.db.exists():
            return {}
        with sqlite3.connect(self.db, timeout=5) as db:
            rows = db.execute("SELECT first, last, payload FROM message WHERE epoch = ?", (epoch,)).fetchall()
        db.close()
        return {n: payload for first, last, payload in rows for n in range(first, last + 1)}


@pytest.fixture
def programs(rig):
    made = Programs(rig)
    yield made
    made.close()


@pytest.fixture
def journal(programs):
    made = Journal(programs.state, site="demo", boot_id=BOOT, commit_every_s=0.5)
    made.start()
    made.catalogue(POINTS)
    yield made
    assert made.close(5.0)


def epochs(programs):
    found = {}
    for name, file in (("records", "critical.db"), ("steps", "telemetry.db")):
        with sqlite3.connect(f"file:{programs.state / file}?mode=ro", uri=True) as db:
            found[name] = db.execute("SELECT epoch FROM epoch").fetchone()[0]
        db.close()
    return found


@pytest.mark.slow
def test_nothing_is_lost_however_often_they_are_killed(rig, programs, journal):
    chance = random.Random(7)
    for name in ("link", "platform"):
        programs.start(name)
    wanted = 0
    for _round in range(12):
        for _ in range(200):
            wanted += 1
            lane = Lane.ALARM if wanted % 3 == 0 else Lane.EVENT
            journal.record(Record(lane, "test", stamp(), {"n": wanted}))
            if wanted % 10 == 0:
                journal.step(Step(stamp(), 0.0, [SampleRow(0, float(wanted), 0), SampleRow(2, 0.5, 0)]))
        time.sleep(chance.uniform(0.1, 0.6))
        victim = chance.choice(["link", "link", "platform", "broker"])
        if victim == "broker":
            rig.broker.kill()
            time.sleep(chance.uniform(0.0, 0.3))
            rig.broker.start()
        else:
            programs.kill(victim)
            programs.start(victim)
    names = rig.wait(lambda: epochs(programs))

    def bodies():
        stored = [json.loads(p) for p in programs.stored(names["records"]).values()]
        return {told["body"]["n"] for told in stored if told["kind"] == "test"}

    rig.wait(lambda: len(bodies()) == wanted, timeout=60)
    assert bodies() == set(range(1, wanted + 1))

    def readings():
        told = set(programs.stored(names["steps"]).values())
        return {step[2] for p in told for step in json.loads(p)["steps"]}

    rig.wait(lambda: len(readings()) == wanted // 10, timeout=40)
    assert readings() == set(range(10, wanted + 1, 10))


def test_it_ends_in_order_within_five_seconds(rig, programs, journal):
    ear = rig.ear("tocsin/v1/demo/#")
    programs.start("link")
    ear.until(lambda name, told: name == "state" and told["state"] == "online")
    journal.record(Record(Lane.ALARM, "test", stamp(), {"n": 1}))
    ear.until(lambda name, _: name == "alarm")
    began = time.monotonic()
    programs.running["link"].send_signal(signal.SIGTERM)
    assert programs.running["link"].wait(5) == 0
    assert time.monotonic() - began < 5
    ear.until(lambda name, told: name == "state" and (told["state"], told["reason"]) == ("offline", "closed"))


def test_a_record_made_without_a_clock_is_dated_by_the_journals_anchor(rig, programs, journal):
    ear = rig.ear("tocsin/v1/demo/alarm")
    then = stamp("untrusted")
    journal.record(Record(Lane.ALARM, "test", Stamp(BOOT, then.mono_ns, 12345, "untrusted"), {}))
    journal.anchor(Stamp(BOOT, then.mono_ns + 60_000_000_000, 1_700_000_060_000_000_000, "trusted"))
    journal.durable().result(5)
    programs.start("link")
    told = ear.json(10)[1]
    assert (told["clock"], told["wall"]) == ("redated", "2023-11-14T22:13:20.000000Z")


def test_without_journal_guard_or_broker_it_lives(rig, programs):
    rig.broker.kill()
    programs.start("link")
    time.sleep(1.5)
    assert programs.running["link"].poll() is None
    programs.running["link"].send_signal(signal.SIGTERM)
    assert programs.running["link"].wait(5) == 0
    log = (programs.directory / "link.log").read_text()
    assert log.count("Connection refused") == 1, "one line per change of state"
