"""Processes of the bench: started in groups of their own, logged to files, and ended with everything they started."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_STOP_S = 8.0  # after that a process is killed


class Child:
    """One process. Context manager; it also ends when this process dies, however that happens."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        if dies_with_us := shutil.which("setpriv"):  # util-linux; without it only an orderly end is covered
            self._argv = [dies_with_us, "--pdeathsig", "TERM", "--", *self._argv]
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C at the terminal reaches only us, and we end things in order.
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def code(self) -> int | None:
        """Exit code; None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-15:])

    def stop(self) -> int | None:
        """End it, politely first, and whatever is left of its group after it. Its exit code."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):  # nothing was left behind
            os.killpg(process.pid, signal.SIGKILL)
        return process.returncode


def end_strays(mark: str) -> list[str]:
    """End every process that names `mark`, a directory of ours, among its arguments; their command lines.

    For children of children that were killed before they could end their own.
    """
    ended = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if mark in words and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
                ended.append(words)
        except (OSError, ValueError):
            continue  # it ended by itself meanwhile
    return ended


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def mosquitto(directory: Path, port: int) -> Child | None:
    """An MQTT broker on loopback with a configuration of its own; None where mosquitto is not installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    configuration = directory / "mosquitto.conf"
    # As ourselves: a broker that changes its user is no longer told when we die.
    user = pwd.getpwuid(os.getuid()).pw_name
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser {user}\n")
    return Child("mosquitto", [program, "-c", str(configuration)], directory / "mosquitto.log")


def await_port(port: int, child: Child, within_s: float = 5.0) -> None:
    """Until somebody listens on a port. Raises RuntimeError with the last words of the child that should."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s and child.code is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{child.name} does not listen on port {port}:\n{child.last_words}")
