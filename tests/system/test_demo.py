"""`tocsin demo` as somebody runs it who has just cloned the repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOCSIN = Path(sys.executable).with_name("tocsin")
LONGEST_S = 120.0


def naming(directory: Path) -> list[str]:
    """Command lines of processes that name a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in words:
            found.append(words)
    return found


def left_behind(directory: Path) -> list[str]:
    until_s = time.monotonic() + 5
    while (left := naming(directory)) and time.monotonic() < until_s:
        time.sleep(0.1)
    return left + [path.name for path in directory.iterdir()]


class Demo:
    """One run of the whole demo, begun long before it is looked at: it takes a minute that other tests can use."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.began_s, self.ended_s = time.monotonic(), 0.0
        self.process = subprocess.Popen(
            [str(TOCSIN), "demo"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TMPDIR": str(directory)},
        )
        self.said = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        self.said = self.process.communicate()[0]
        self.ended_s = time.monotonic()

    def result(self) -> tuple[int | None, str, float]:
        """Exit code, what it printed, and the seconds it took; waits for it."""
        self._listener.join(max(0.0, LONGEST_S - (time.monotonic() - self.began_s)))
        return self.process.poll(), self.said, self.ended_s - self.began_s


@pytest.fixture(scope="session", autouse=True)
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="td-") as text:
        running = Demo(Path(text))
        yield running
        running.process.terminate()
        running.process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_the_demo_of_the_command_line_ends_by_itself(demo: Demo, figure: Callable[[str], None]) -> None:
    code, said, took_s = demo.result()
    assert code == 0, said
    for words in (
        "underpass-flood RED",
        "the siren was ordered and proved by its current",
        "of the alarm records 0 are missing",
        "recordings played",
        "underpass-flood all clear",
    ):
        assert words in said, said
    assert "\x1b[" not in said, "plain lines without a terminal"
    assert left_behind(demo.directory) == []
    assert took_s < LONGEST_S
    figure(f"tocsin demo: {took_s:.0f} s, {len(said.splitlines())} lines")


@pytest.mark.slow
def test_a_demo_that_is_kept_ends_on_ctrl_c_with_all_it_started() -> None:
    with tempfile.TemporaryDirectory(prefix="td-") as text:
        environment = os.environ | {"TMPDIR": text, "PYTHONUNBUFFERED": "1"}
        argv = [str(TOCSIN), "demo", "--keep"]
        demo = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )
        try:
            assert demo.stdout is not None
            for line in demo.stdout:
                if "STORY" in line:
                    break
            assert len(naming(Path(text))) >= 3, "agent, broker and platform run"
            os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to all of the group
            told, _ = demo.communicate(timeout=30)
        finally:
            demo.kill()
            demo.wait()
        assert demo.returncode == 0, told
        assert "What happened" in told
        assert left_behind(Path(text)) == []
