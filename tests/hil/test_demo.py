"""The parts of the demo and the bench's commands, with real processes, sockets and files."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import serial
from rich.console import Console

import hil
from hil.codec import RTU, Request
from hil.events import Line, Narrator, Tally
from hil.follower import Follower, NoAnswer, ask
from hil.processes import Child, await_port, free_port, mosquitto
from hil.screen import Gauge, Screen

HIL = Path(hil.__file__).parent
SITE = HIL / "sites" / "lianhua"


def sleeper(tmp_path: Path, code: str) -> Child:
    return Child("sleeper", [sys.executable, "-c", code], tmp_path / "log")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    deadline_s = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return not alive(pid)


def number_in(log: Path) -> int:
    deadline_s = time.monotonic() + 5
    while not (log.exists() and log.read_text().strip()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return int(log.read_text())


def test_a_child_takes_its_own_children_with_it(tmp_path: Path) -> None:
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid); time.sleep(60)"
    with sleeper(tmp_path, code) as child:
        grandchild = number_in(child.log)
        assert child.code is None
    assert child.code is not None
    assert gone(grandchild)


def test_a_child_dies_with_a_bench_that_was_killed(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from hil.processes import Child
with Child("c", ["sh", "-c", "echo $$; exec sleep 60"], Path({str(tmp_path / "log")!r})):
    time.sleep(60)
"""
    bench = subprocess.Popen([sys.executable, "-c", code])
    child = number_in(tmp_path / "log")
    assert alive(child)
    bench.kill()
    bench.wait()
    assert gone(child)


def test_last_words_say_why_a_child_ended(tmp_path: Path) -> None:
    with sleeper(tmp_path, "raise SystemExit('no such port')") as child:
        with pytest.raises(RuntimeError, match="no such port"):
            await_port(free_port(), child)
        assert child.stop() == 1


def test_a_broker_of_our_own(tmp_path: Path) -> None:
    port = free_port()
    broker = mosquitto(tmp_path, port)
    if broker is None:
        pytest.skip("mosquitto is not installed")
    with broker:
        await_port(port, broker)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


class Agent:
    """The control socket's side of the protocol, as documented in agent.guard.control."""

    def __init__(self, path: Path, records: list[dict[str, Any]]) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.records = records
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        for _ in range(3):
            client, _ = self.listener.accept()
            with client, client.makefile("rwb") as line:
                request = json.loads(line.readline())
                if request["do"] == "follow":
                    line.write(b'{"ok": true, "result": "following"}\n')
                    for record in self.records:
                        line.write(json.dumps({"record": record}).encode() + b"\n")
                elif request["do"] == "status":
                    line.write(b'{"ok": true, "result": {"steps": 7}}\n')
                else:
                    line.write(b'{"ok": false, "error": "not known"}\n')
        self.listener.close()


def test_an_agent_is_asked_and_followed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with pytest.raises(NoAnswer):
        ask(path, {"do": "status"})
    with pytest.raises(NoAnswer):
        Follower(path).__enter__()
    agent = Agent(path, [{"kind": "start"}, {"kind": "stop"}])
    assert ask(path, {"do": "status"}) == {"steps": 7}
    with pytest.raises(NoAnswer, match="not known"):
        ask(path, {"do": "dance"})
    with Follower(path) as follower:
        assert [follower.records.get(timeout=5)["kind"] for _ in range(2)] == ["start", "stop"]
    agent.thread.join(5)
    assert not agent.thread.is_alive()


def alarm(level: int, previous: int) -> dict[str, Any]:
    names = ("normal", "yellow", "orange", "red")
    reading = {"underpass.level": {"value": 412.0, "unit": "mm"}}
    body = {"alarm": "flood", "level": level, "previous_level": previous, "level_name": names[level]}
    return {
        "kind": "alarm",
        "lane": "alarm",
        "body": body | {"title": {"zh": "积水", "en": "Flooding"}, "readings": reading},
    }


def output(event: str, **details: object) -> dict[str, Any]:
    return {"kind": "output", "lane": "alarm", "body": {"output": "siren", "event": event, **details}}


def test_records_are_told_in_one_line_and_add_up() -> None:
    narrator, tally = Narrator(), Tally()
    covered = [{"alarm": "flood", "status": "blind", "why": ["siren: silent"]}]
    records = [
        alarm(1, 0),
        alarm(3, 1),
        output("written", on=True, written=12.3),
        output("confirmed", point="current", value=2.0, confirmed=180.0, written=12.3),
        output("confirmed", read_back=True, confirmed=60.0),
        output("written", cause="flood red", written=90.0),
        output("confirmed", played="a.wav", cause="flood red"),
        output("fault", reason="not confirmed"),
        {"kind": "protection", "lane": "protection", "body": {"coverage": covered}},
        {"kind": "protection", "lane": "protection", "body": {"coverage": covered}},
        {
            "kind": "equipment",
            "lane": "event",
            "body": {"alarm": "device.gas", "level": 1, "previous_level": 0, "why": "no answer"},
        },
        alarm(3, 3),
        alarm(0, 3),
    ]
    told = []
    for record in records:
        tally.take(record)
        told += [(line.kind, line.text) for line in narrator.tell(record)]
    assert told == [
        ("ALARM", "flood YELLOW  积水 / Flooding  [underpass.level = 412 mm]"),
        ("ALARM", "flood RED  积水 / Flooding  [underpass.level = 412 mm]"),
        ("OUTPUT", "siren on, 12 ms after the deciding reading"),
        ("PROVEN", "siren sounds by current = 2, 180 ms after the deciding reading"),
        ("PROVEN", "siren reads back on, 60 ms after the deciding reading"),
        ("OUTPUT", "siren speaks, 90 ms after the deciding reading"),
        ("PROVEN", "siren has spoken to the end"),
        ("FAULT", "siren: not confirmed"),
        ("EXPOSED", "flood: blind (siren: silent)"),
        ("FAULT", "device.gas: no answer"),
        ("ALARM", "flood all clear  积水 / Flooding  [underpass.level = 412 mm]"),
    ]
    assert tally.alarms == {"flood": ["yellow", "red"]}
    assert tally.cleared == {"flood"}
    assert (tally.outputs["siren"].written, tally.outputs["siren"].confirmed) == (2, 3)
    assert tally.lanes == {"alarm": 10, "protection": 2, "event": 1}
    assert tally.outputs["siren"].slowest_confirmed_ms == 180


def test_a_gauge_fills_to_the_value_and_marks_the_levels() -> None:
    gauge = Gauge({"en": "level"}, "cm", 70, 0.1, {"yellow": 15, "red": 40})
    assert gauge.bar(None).plain.count("█") == 0
    assert gauge.bar(35).plain.count("█") == 16, "half of 34 cells, one of them a mark"
    assert gauge.bar(700).plain.count("·") == 0
    assert gauge.bar(0).plain.count("┃") == 2


def test_the_screen_draws_what_an_agent_tells() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160, height=50)
    status = {
        "site": {"name": {"zh": "莲花", "en": "Lianhua"}},
        "points": {"u.level": {"value": 350.0, "unit": "mm", "quality": "good", "reason": ""}},
        "outputs": {"siren": {"title": {"en": "Siren"}, "wanted": "flood red", "confirmed": False, "fault": "silent"}},
        "alarms": {"flood": {"title": {"en": "Flood"}, "level": "red", "state": "unacknowledged", "rank": 3}},
        "protection": [{"alarm": "flood", "zone": "u", "status": "blind", "why": ["siren: silent"]}],
        "uplink": None,
    }
    with Screen({"u.level": Gauge({"en": "water"}, "cm", 70, 0.1)}, console, live=True) as screen:
        screen.say(Line("ALARM", "flood RED"))
        screen.show(status, "1 h", {"alarm": 2}, {})
        screen._live.refresh()
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    for word in ("Lianhua", "water", "35 cm", "Siren", "NO", "flood RED", "blind", "unacknowledged"):
        assert word in drawn, word


def test_without_a_terminal_each_event_is_a_line() -> None:
    out = io.StringIO()
    with Screen({}, Console(file=out, width=80), live=False) as screen:
        screen.say(Line("ALARM", "x" * 200))
    assert out.getvalue().count("\n") == 1
    assert "x" * 200 in out.getvalue()


def test_the_marks_on_the_screen_are_the_levels_of_the_rules() -> None:
    gauges = tomllib.loads((SITE / "rig.toml").read_text())["gauge"]
    rules = re.sub(r"@\w+@", '""', (SITE / "site.toml").read_text()).replace('\n""\n', "\n")
    alarms = tomllib.loads(re.sub(r'""([^"\n]*)""', r'"\1"', rules))["alarm"]
    conditions: dict[str, list[str]] = {level: [] for level in ("yellow", "orange", "red")}
    for alarm in alarms.values():
        for level, own in alarm.get("level", {}).items():
            conditions[level].append(own["when"])
    gas = alarms["canteen-gas"]  # of a model, whose two limits are yellow and red
    for level, limit in (("yellow", "first_limit"), ("red", "second_limit")):
        conditions[level].append(f"{gas['inputs']['gas']} > {gas['parameters'][limit]}")
    for point, gauge in gauges.items():
        for level, mark in gauge.get("marks", {}).items():
            assert any(f"{point} > {mark} {gauge['unit']}" in when for when in conditions[level]), (point, level)


def test_a_device_served_from_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "radar"
    argv = [sys.executable, "-m", "hil", "device", "hlk-ld8001h", "--unit-id", "3", "--path", str(path)]
    bench = subprocess.Popen([*argv, "--baudrate", "9600", "--set", "level_mm=350"], stdout=subprocess.PIPE)
    try:
        deadline_s = time.monotonic() + 10
        while not path.is_symlink() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        with serial.Serial(str(path), 9600, timeout=1) as port:
            port.write(RTU.frame(3, Request(3, 3, 1).encode()))
            assert RTU.parse(port.read(7)) == (3, b"\x03\x02\x01\x5e")
        time.sleep(0.5)
        bench.send_signal(signal.SIGINT)
        told, _ = bench.communicate(timeout=5)
    finally:
        bench.kill()
        bench.wait()
    assert bench.returncode == 0
    assert b"unit 3: 03 00 03 00 01" in told
    assert not path.is_symlink()


def test_the_demo_says_what_is_wrong_with_its_options() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "hil.demo", "--scenario", "drought"], capture_output=True, timeout=15, check=False
    )
    assert asked.returncode == 1
    assert b"flood, line-cut, siren-dead" in asked.stdout


def test_a_rig_served_from_the_shell(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hil", "rig", str(SITE / "rig.toml"), "--dir", str(tmp_path / "rig")]
    bench = subprocess.Popen([*argv, "--scenario", str(HIL / "scenarios" / "flood.toml")], stdout=subprocess.PIPE)
    try:
        path = tmp_path / "rig" / "sensors"
        deadline_s = time.monotonic() + 10
        while not path.is_symlink() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        with serial.Serial(str(path), 9600, timeout=1) as port:
            port.write(RTU.frame(3, Request(3, 3, 1).encode()))
            assert RTU.parse(port.read(7)) == (3, b"\x03\x02\x00\x14"), "20 mm at the beginning of the story"
        bench.send_signal(signal.SIGTERM)
        told, _ = bench.communicate(timeout=5)
    finally:
        bench.kill()
        bench.wait()
    assert bench.returncode == 0
    assert b"the story takes 68 s" in told
    assert not path.is_symlink()
