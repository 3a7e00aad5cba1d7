"""Measures the link: a million readings drained to a local mosquitto, bytes a reading, an alarm meanwhile, memory.

`run()` gives rows of name, value, unit and target; targets are those of the design's budgets.
`python -m tests.bench.link` prints them. The readings are like a gateway's: ten devices with five points each, one step
per device and second.
"""

from __future__ import annotations

import json
import math
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.journal.journal import Journal
from agent.records import Lane, Record, SampleRow, Stamp, Step

READINGS = 1_000_000
_DEVICES, _POINTS = 10, 5
_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _steps(chance: random.Random) -> Iterator[Step]:
    """Registers with a scale of 0.1: slow sines with noise, as levels, temperatures and gas are."""
    begin_mono_ns, begin_wall_ns = time.monotonic_ns() - 10**15, time.time_ns() - 10**15
    for n in range(READINGS // _POINTS):
        second, device = divmod(n, _DEVICES)
        at = second * 1_000_000_000 + device * 13_000_000
        stamp = Stamp(_BOOT, begin_mono_ns + at, begin_wall_ns + at, "trusted")
        samples = [
            SampleRow(
                device * _POINTS + p, round(500 + 400 * math.sin(second / 3600 + p) + chance.gauss(0, 2)) * 0.1, 0
            )
            for p in range(_POINTS)
        ]
        yield Step(stamp, float(second), samples)


def _fill(journal: Journal) -> None:
    journal.catalogue([f"device-{d}.point-{p}" for d in range(_DEVICES) for p in range(_POINTS)])
    for n, step in enumerate(_steps(random.Random(1))):
        journal.step(step)
        if n % 4000 == 3999:  # memory is bounded: whoever hands over a month at once must wait for the disk
            while journal.status().steps_waiting:
                time.sleep(0.01)


@contextmanager
def _broker(directory: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    conf = directory / "mosquitto.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    process = subprocess.Popen(["mosquitto", "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


class _Counter:
    """Counts what arrives, in paho's thread."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[float, int, int]] = []  # when, bytes, readings
        self.alarms: list[float] = []
        self.online_s = 0.0
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_message = self._count
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_connect = lambda client, *_: client.subscribe("tocsin/v1/bench/#", 0)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        ready.wait(5)

    def _count(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        now_s = time.monotonic()
        what = message.topic.rsplit("/", 1)[-1]
        if what == "reading":
            # Every step has five points: counting brackets is cheaper than parsing, and the bench shares the cores.
            steps = message.payload.count(b"[", message.payload.index(b'"steps":[') + 9)
            self.messages.append((now_s, len(message.payload), steps * _POINTS))
        elif what == "alarm":
            self.alarms.append(now_s)
        elif what == "state" and not self.online_s:
            self.online_s = now_s

    def readings(self) -> int:
        return sum(count for _, _, count in list(self.messages))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _drain(state: Path, journal: Journal, acknowledge: str) -> dict[str, float]:
    (state / "link.db").unlink(missing_ok=True)
    with _broker(state) as port:
        counter = _Counter(port)
        site = state / "site.toml"
        site.write_text(
            f'[site]\nid = "bench"\n[uplink]\nbroker = "mqtt://127.0.0.1:{port}"\n'
            f'acknowledge = "{acknowledge}"\nbacklog = "1000000000/s"\n'
        )
        processes = []
        if acknowledge == "platform":
            platform = f"-m hil.platform --port {port} --site bench --db {state / 'platform.db'}".split()
            processes.append(subprocess.Popen([sys.executable, *platform], stdout=subprocess.DEVNULL))
            time.sleep(1.0)
        processes.append(subprocess.Popen([sys.executable, "-m", "agent.link", str(site), "--state", str(state)]))
        asked_s: list[float] = []
        try:
            deadline_s = time.monotonic() + 120
            while counter.readings() < READINGS and time.monotonic() < deadline_s:
                if counter.messages and (not asked_s or time.monotonic() - asked_s[-1] > 0.5):
                    asked_s.append(time.monotonic())
                    stamp = Stamp(_BOOT, time.monotonic_ns(), time.time_ns(), "trusted")
                    journal.record(Record(Lane.ALARM, "bench", stamp, {}))
                time.sleep(0.05)
            time.sleep(1.0)
            status = Path(f"/proc/{processes[-1].pid}/status").read_text(encoding="ascii")
        finally:
            for process in processes:
                process.terminate()
                process.wait()
            counter.close()
        waits = [heard - asked for asked, heard in zip(asked_s, counter.alarms, strict=False)]
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        count = counter.readings()
        return {
            "readings": count,
            "seconds": max(at for at, _, _ in counter.messages) - counter.online_s,
            "bytes": sum(size for _, size, _ in counter.messages) / count,
            "alarm": max(waits, default=float("nan")),
            "rss": int(peak.split()[1]) / 1024,
        }


def run() -> list[dict[str, Any]]:
    """All rows. Takes about a minute."""
    with tempfile.TemporaryDirectory() as made:
        state = Path(made)
        journal = Journal(state, site="bench", boot_id=_BOOT, commit_every_s=0.2)
        journal.start()
        try:
            _fill(journal)
            puback = _drain(state, journal, "puback")
            platform = _drain(state, journal, "platform")
        finally:
            journal.close(10.0)
    return [
        {"name": "link: readings drained, PUBACK", "value": puback["readings"], "unit": "readings", "target": READINGS},
        {"name": "link: drain of 1e6 readings, PUBACK", "value": puback["seconds"], "unit": "s", "target": 5.0},
        {"name": "link: drain, acknowledged by platform", "value": platform["seconds"], "unit": "s", "target": None},
        {"name": "link: on the wire", "value": puback["bytes"], "unit": "B/reading", "target": 12.0},
        {"name": "link: alarm during the drain, slowest", "value": puback["alarm"], "unit": "s", "target": 1.0},
        {"name": "link: peak RSS", "value": max(puback["rss"], platform["rss"]), "unit": "MiB", "target": 60.0},
    ]


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
