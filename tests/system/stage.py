"""The alarm path on a stage: an agent as a process between two pseudo-terminals, and what must not matter to it.

Both far ends are served here with the bench's own codec, so that the last byte of a reading and the first byte of the
siren's write are taken by one clock in one process.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from hil.codec import RTU, Request
from hil.follower import NoAnswer, ask
from hil.processes import Child

SITE = """
[site]
id = "bench"
languages = ["en"]
[bus.sensors]
port = "{directory}/sensors"
baudrate = 115200
timeout = "500 ms"
[bus.actuators]
port = "{directory}/actuators"
baudrate = 115200
timeout = "500 ms"
[device.pit]
bus = "sensors"
unit_id = 1
map = "level.toml"
period = "50 ms"
[output.siren]
driver = "modbus-coil"
bus = "actuators"
unit_id = 1
coil = 0
max_on = "1 min"
min_off = "0 s"
max_starts_per_hour = 100000
[pattern.steady-minute]
segments = ["on 1 min"]
[alarm.flood]
plan = "flood"
[alarm.flood.level.red]
when = "pit.level > 40 cm"
[plan.flood]
[[plan.flood.level.red]]
output = "siren"
pattern = "steady-minute"
{uplink}
"""
MAP = """
[device]
title = "Level"
maturity = "stable"
source = ["the bench"]
baudrates = [115200]
max_reply = "100 ms"
[point.level]
address = 0
type = "u16"
unit = "mm"
low = 0
high = 5000
"""


CHARACTER_S = 10 / 115200


class Wire:
    """One pty whose far end answers here; notes when a reply was out and when a request's first byte came."""

    def __init__(self, path: Path, answer: Callable[[Request], bytes]) -> None:
        self._ours, theirs = os.openpty()
        tty.setraw(self._ours)
        tty.setraw(theirs)
        self._theirs = theirs
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(theirs))
        self._answer = answer
        self.replied: Callable[[Request, float], None] = lambda _request, _at_s: None
        self.asked: Callable[[Request, float], None] = lambda _request, _at_s: None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def _serve(self) -> None:
        buffer, first_s = b"", 0.0
        while not self._ended.is_set():
            if not select.select([self._ours], [], [], 0.05)[0]:
                buffer = b""
                continue
            read = os.read(self._ours, 256)
            if not buffer:
                first_s = time.monotonic()
            buffer += read
            length = RTU.request_length(buffer)
            if length is None or len(buffer) < length:
                continue
            unit_id, pdu = RTU.parse(buffer[:length])
            buffer = buffer[length:]
            request = Request.decode(pdu)
            self.asked(request, first_s)
            reply = RTU.frame(unit_id, self._answer(request))
            # A pty has no speed: what the request, the silence after it and the reply take on a wire is waited here,
            # so that the reply's last byte comes when a wire could bring it, and no sooner.
            time.sleep((length + 3.5 + len(reply)) * CHARACTER_S)
            self.replied(request, time.monotonic())  # before it is out: who reads it may be quicker than this thread
            os.write(self._ours, reply)


class Stage:
    """The two wires and the agent between them."""

    def __init__(self, directory: Path, *, uplink: str = "", options: Sequence[str] = ()) -> None:
        self.directory, self.state = directory, directory / "state"
        self.level_mm, self.coil = 100, 0
        self._high_s = 0.0  # when the first reply above the limit was out
        self.delays_s: list[float] = []
        self.wires = [
            Wire(directory / "sensors", lambda request: request.reply([self.level_mm])),
            Wire(directory / "actuators", self._actuate),
        ]
        self.wires[0].replied = self._read
        self.wires[1].asked = self._written
        (directory / "level.toml").write_text(MAP, encoding="utf-8")
        (directory / "site.toml").write_text(SITE.format(directory=directory, uplink=uplink), encoding="utf-8")
        command = [sys.executable, "-m", "agent.cli", "run", str(directory / "site.toml"), "--state", str(self.state)]
        self.agent = Child("agent", [*command, *options], directory / "agent.log")
        self.first_judged_s = 0.0  # monotonic

    def __enter__(self) -> Self:
        self.agent.__enter__()
        self.await_agent()
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.stop()
        for wire in self.wires:
            wire.close()

    def await_agent(self, within_s: float = 20.0) -> dict[str, Any]:
        """The status once it has judged a reading."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            with contextlib.suppress(NoAnswer):
                status = self.status()
                if status["points"]["pit.level"]["value"] is not None:
                    self.first_judged_s = time.monotonic()
                    return status
            time.sleep(0.01)
        raise RuntimeError(f"the agent does not judge:\n{self.agent.last_words}")

    def status(self) -> dict[str, Any]:
        """What the agent says of itself."""
        status: dict[str, Any] = ask(self.state / "control.sock", {"do": "status"})
        return status

    def await_status(self, fits: Callable[[dict[str, Any]], bool], within_s: float = 15.0) -> None:
        """Until the status fits. Raises RuntimeError."""
        end_s = time.monotonic() + within_s
        while not fits(status := self.status()):
            if time.monotonic() > end_s:
                raise RuntimeError(f"not within {within_s:g} s: {status['journal']}, {status['uplink']}")
            time.sleep(0.1)

    def measure(self, count: int) -> list[float]:
        """Raise and lower the level `count` times; the delays of the siren's writes in seconds."""
        self.delays_s = []
        for _ in range(count):
            self._high_s, self.level_mm = 0.0, 900
            self._until(lambda: self.coil == 1)
            self.level_mm = 100
            self._until(lambda: self.coil == 0)
            time.sleep(0.02)
        return self.delays_s

    def _until(self, met: Callable[[], bool]) -> None:
        end_s = time.monotonic() + 20.0
        while not met():
            if time.monotonic() > end_s:
                raise RuntimeError(f"the siren did not follow:\n{self.agent.last_words}")
            time.sleep(0.001)

    def _read(self, _request: Request, at_s: float) -> None:
        if self.level_mm > 400 and not self._high_s:
            self._high_s = at_s

    def _written(self, request: Request, at_s: float) -> None:
        if not request.reads and request.written[0] and self._high_s and not self.coil:
            self.delays_s.append(at_s - self._high_s)

    def _actuate(self, request: Request) -> bytes:
        if request.reads:
            return request.reply([self.coil])
        self.coil = int(bool(request.written[0]))
        return request.reply()


# --- conditions that must not matter ------------------------------------------------------------------------------


@contextmanager
def quiet(_directory: Path) -> Iterator[dict[str, Any]]:
    """Nothing is wrong."""
    yield {}


@contextmanager
def broker_dead(_directory: Path) -> Iterator[dict[str, Any]]:
    """The uplink names a broker that is not there."""
    yield {
        "uplink": '[uplink]\nbroker = "mqtt://127.0.0.1:1"\n',
        "holds": lambda status: status["uplink"].get("connected") is False,
    }


@contextmanager
def database_locked(directory: Path) -> Iterator[dict[str, Any]]:
    """Another process holds both databases locked all the time."""
    held: list[sqlite3.Connection] = []

    def written() -> bool:
        files = ask(directory / "state" / "control.sock", {"do": "status"})["journal"]["files"]
        return len(files) == 2 and all(file["last_seq"] > 0 or name == "critical.db" for name, file in files.items())

    def lock() -> None:
        end_s = time.monotonic() + 20.0
        while not written():  # a file that the agent has not made yet would be another one than it writes
            if time.monotonic() > end_s:
                raise RuntimeError("the journal is not written to")
            time.sleep(0.1)
        for name in ("critical.db", "telemetry.db"):
            connection = sqlite3.connect(directory / "state" / name, timeout=10, isolation_level=None)
            connection.execute("BEGIN EXCLUSIVE")
            held.append(connection)

    yield {"after_start": lock, "holds": _store_waits}
    for connection in held:
        connection.close()


@contextmanager
def disk_full(directory: Path) -> Iterator[dict[str, Any]]:
    """The state directory is a file system of 2 MB that something else has filled. Needs root."""
    state = directory / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)], check=True)

    def fill() -> None:
        with contextlib.suppress(OSError), (state / "filler").open("wb") as filler:
            while True:
                filler.write(b"\0" * 4096)
                filler.flush()

    try:
        yield {"after_start": fill, "holds": _store_waits}
    finally:
        subprocess.run(["umount", "-l", str(state)], check=False)


@contextmanager
def cache_scrambled(directory: Path) -> Iterator[dict[str, Any]]:
    """Every file of the JIT cache of an earlier run is overwritten with noise."""
    with Stage(directory) as stage:
        deadline_s = time.monotonic() + 60
        while stage.status()["judging"] == "twin" and time.monotonic() < deadline_s:
            time.sleep(0.2)
    for name in ("sensors", "actuators"):
        (directory / name).unlink()
    for file in (directory / "state" / "cache" / "rules").rglob("*"):
        if file.is_file():
            file.write_bytes(os.urandom(max(64, file.stat().st_size // 2)))
    yield {}


@contextmanager
def fsync_stalled(directory: Path) -> Iterator[dict[str, Any]]:
    """Every fsync of the agent takes 2 s, by strace."""
    strace: list[subprocess.Popen[bytes]] = []

    def stall() -> None:
        pid = ask(directory / "state" / "control.sock", {"do": "status"})["pid"]
        command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", "/dev/null", "-p", str(pid)]
        command += ["-e", "inject=fsync,fdatasync:delay_enter=2000000"]
        strace.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        time.sleep(0.5)

    yield {"after_start": stall, "holds": lambda _status: strace[0].poll() is None}
    for process in strace:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def _store_waits(status: dict[str, Any]) -> bool:
    return all(file["state"] != "ok" for file in status["journal"]["files"].values())


CONDITIONS = {
    "nothing wrong": quiet,
    "broker dead": broker_dead,
    "databases locked": database_locked,
    "disk full": disk_full,
    "JIT cache scrambled": cache_scrambled,
    "fsync takes 2 s": fsync_stalled,
}


def possible(name: str) -> str:
    """Say what is missing to make the condition here; empty when nothing is."""
    if name == "disk full" and os.geteuid() != 0:
        return "needs root"
    if name == "fsync takes 2 s" and shutil.which("strace") is None:
        return "needs strace"
    return ""


def delays_under(name: str, count: int) -> list[float]:
    """`count` delays in seconds under one condition. Raises RuntimeError when the agent felt nothing of it."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as text, ExitStack() as stack:
        directory = Path(text)
        given = stack.enter_context(CONDITIONS[name](directory))
        after_start, holds = given.pop("after_start", None), given.pop("holds", lambda _status: True)
        stage = stack.enter_context(Stage(directory, **given))
        if after_start is not None:
            after_start()
        delays_s = stage.measure(count)
        stage.await_status(holds)
        return delays_s
