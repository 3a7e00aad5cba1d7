"""A real broker, a journal in memory, and a link running against them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from functools import cached_property
from queue import Empty, SimpleQueue

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.journal.blobs import pack_steps, unpack_columns
from agent.journal.reader import BatchRow
from agent.link.ledger import Ledger
from agent.link.sender import Link
from agent.link.settings import UplinkSettings
from agent.link.source import RECORDS, STEPS
from agent.records import Lane, Record, SampleRow, Stamp, Step
from hil.platform import Platform

BOOT = "boot-1"


class PaperJournal:
    """A journal that only remembers: the link's view of one, without a disk."""

    def __init__(self, boot=BOOT):
        self.boot = boot
        self.epochs = {RECORDS: "rec0", STEPS: "step0"}
        self.rows: list[tuple[int, Record]] = []
        self.step_rows: list[BatchRow] = []
        self.known: list[Stamp] = []
        self.damaged = set()
        self._lock = threading.Lock()

    def stamp(self, clock="trusted", mono_ns=None):
        return Stamp(self.boot, mono_ns if mono_ns is not None else time.monotonic_ns(), time.time_ns(), clock)

    def write(self, lane=Lane.EVENT, kind="test", body=None, stamp=None):
        with self._lock:
            seq = (self.rows[-1][0] if self.rows else 0) + 1
            self.rows.append((seq, Record(lane, kind, stamp or self.stamp(), body or {"n": seq})))
        return seq

    def read(self, values, quality=0, points=("a.x", "a.y", "b.z"), stamp=None):
        with self._lock:
            seq = (self.step_rows[-1].seq if self.step_rows else 0) + 1
            samples = [SampleRow(i, v, quality) for i, v in enumerate(values)]
            columns = unpack_columns(pack_steps([Step(stamp or self.stamp(), 0.0, samples)]))
            self.step_rows.append(BatchRow(seq, seq, self.boot, tuple(points), columns))
        return seq

    # the seam
    def epoch(self, stream):
        return self.epochs[stream]

    def newest(self, stream):
        if stream == RECORDS:
            return self.rows[-1][0] if self.rows else 0
        return self.step_rows[-1].seq if self.step_rows else 0

    def records(self, epoch, after_seq, limit):
        if epoch != self.epochs[RECORDS]:
            return []
        first = max(0, after_seq - self.rows[0][0] + 1) if self.rows else 0
        while first < len(self.rows) and self.rows[first][0] > after_seq and first > 0:
            first -= 1
        return [row for row in self.rows[first : first + limit + 50] if row[0] > after_seq][:limit]

    def batches(self, epoch, after_seq, limit):
        if epoch != self.epochs[STEPS]:
            return []
        return [row for row in self.step_rows[max(0, after_seq - 50) :] if row.seq > after_seq][: 100 * limit]

    def anchors(self):
        return self.known


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """mosquitto on a free loopback port; can be killed, frozen and started again."""

    def __init__(self, directory, extra="", *, plain=True):
        self.port = free_port()
        self.directory = directory
        self.conf = directory / f"mosquitto-{self.port}.conf"
        head = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n" if plain else ""
        common = "user root\npersistence false\nmax_queued_messages 0\n"
        self.conf.write_text(head + common + extra.replace("@PORT", str(self.port)))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["mosquitto", "-c", str(self.conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise AssertionError("mosquitto did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


class Ear:
    """A subscriber that keeps what it hears."""

    def __init__(self, port, *topics, version=MQTTProtocolVersion.MQTTv311):
        self.heard = SimpleQueue()
        self.log = []
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        self.client.on_message = lambda _c, _d, m: self.heard.put(m)
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_connect = lambda c, *_: c.subscribe([(t, 1) for t in topics])
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(5)

    def next(self, timeout=5.0):
        message = self.heard.get(timeout=timeout)
        self.log.append(message)
        return message

    def json(self, timeout=5.0):
        message = self.next(timeout)
        return message.topic.rsplit("/", 1)[-1], json.loads(message.payload)

    def until(self, fits, timeout=8.0):
        """The first message (name, content) that fits."""
        end = time.monotonic() + timeout
        seen = []
        while (left := end - time.monotonic()) > 0:
            try:
                seen.append(self.json(left))
            except Empty:
                break
            if fits(*seen[-1]):
                return seen[-1][1]
        raise AssertionError(f"not heard; heard {[(name, str(c)[:200]) for name, c in seen[-20:]]}")

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Rig:
    """Everything a test of the link needs; what it starts is stopped at the end of the test."""

    def __init__(self, directory):
        self.directory = directory
        self.journal = PaperJournal()
        self._brokers = []
        self._ears = []

    @cached_property
    def broker(self):
        return self.make_broker().start()

    def make_broker(self, extra="", **more):
        self._brokers.append(Broker(self.directory, extra, **more))
        return self._brokers[-1]

    def ear(self, *topics, port=None, **more):
        self._ears.append(Ear(port or self.broker.port, *(topics or ("tocsin/v1/#",)), **more))
        return self._ears[-1]

    @contextmanager
    def link(self, port=None, ledger="link.db", guard_socket=None, alive=lambda: None, **more):
        """A link in a thread."""
        given = {"host": "127.0.0.1", "acknowledge": "puback", "poll_s": 0.02, "batch_s": 0.1, "site": "demo"} | more
        link = Link(
            UplinkSettings(port=port or self.broker.port, **given),
            self.journal,
            Ledger(self.directory / ledger),
            boot_id=BOOT,
            versions={"tocsin-agent": "test"},
            guard_socket=guard_socket,
            alive=alive,
        )
        thread = threading.Thread(target=link.run)
        thread.start()
        try:
            yield link
        finally:
            link.stop()
            thread.join(8)
            assert not thread.is_alive(), "the link did not end"

    @contextmanager
    def platform(self, port=None, **more):
        """The reference platform in a thread."""
        platform = Platform("127.0.0.1", port or self.broker.port, "demo", self.directory / "platform.db", **more)
        thread = threading.Thread(target=platform.run)
        thread.start()
        try:
            yield platform
        finally:
            platform.stop()
            thread.join(8)

    def wait(self, fits, timeout=10.0):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if found := fits():
                return found
            time.sleep(0.02)
        raise AssertionError(f"not within {timeout} s")

    @contextmanager
    def frozen(self, process):
        """SIGSTOP, then SIGCONT."""
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGCONT)

    def upto(self, link):
        """What is done, by epoch."""
        return defaultdict(int, {mark["epoch"]: mark["upto"] for mark in link.state()["delivered"]})

    def close(self):
        for ear in self._ears:
            ear.close()
        for broker in self._brokers:
            broker.stop()


@pytest.fixture
def paper_journal():
    """The class, for tests that need many."""
    return PaperJournal


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.close()
