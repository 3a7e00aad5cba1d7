"""The demo as a whole: it sounds, proves and clears, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.processes import end_strays

QUICK = """
title = { en = "A flash flood" }
duration = "14 s"
[series]
"underpass.level_mm" = [["0 s", 20], ["2 s", 20], ["3 s", 480], ["9 s", 500], ["10 s", 40]]
"""


def processes_of(directory: str) -> list[str]:
    """Command lines that name a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if directory in words:
            found.append(words)
    return found


class Running:
    """A demo in a process of its own, its output read until a word comes."""

    def __init__(self, temporary: Path, *options: str) -> None:
        argv = [sys.executable, "-m", "hil.demo", "--plain", *options]
        temporary.mkdir()
        environment = os.environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
        self.temporary = temporary

    def read_until(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line.decode():
                return
        raise AssertionError(f"the demo ended without {word!r}")

    def end(self) -> tuple[int, str]:
        told, _ = self.process.communicate(timeout=60)
        return self.process.returncode, told.decode()

    def leaves_nothing(self) -> bool:
        deadline_s = time.monotonic() + 10
        while processes_of(str(self.temporary)) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        return not processes_of(str(self.temporary))


@pytest.fixture
def start_demo() -> Iterator[Callable[..., Running]]:
    demos: list[Running] = []
    with tempfile.TemporaryDirectory() as directory:  # short: the path of a Unix socket has at most 107 bytes

        def start(*options: str) -> Running:
            demos.append(Running(Path(directory) / "t", *options))
            return demos[-1]

        yield start
        for demo in demos:
            demo.process.kill()
            demo.process.communicate()
        end_strays(directory)


@pytest.mark.slow
def test_the_demo_sounds_proves_clears_and_ends_by_itself(tmp_path: Path, start_demo: Callable[..., Running]) -> None:
    scenario = tmp_path / "quick.toml"
    scenario.write_text(QUICK)
    demo = start_demo("--scenario", str(scenario), "--for", "50")
    code, told = demo.end()
    assert code == 0, told
    for words in (
        "underpass-flood RED",
        "roof-siren sounds by siren-current.current = 2",
        "barrier reads back on",
        "underpass-flood all clear",
        "the siren was ordered and proved by its current",
        "of the alarm records 0 are missing",
    ):
        assert words in told, told
    assert demo.leaves_nothing()
    assert not list(demo.temporary.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_takes_everything_with_it_when_told_to_end(
    start_demo: Callable[..., Running], number: signal.Signals
) -> None:
    demo = start_demo("--keep")
    demo.read_until("STORY")
    assert processes_of(str(demo.temporary))
    demo.process.send_signal(number)
    code, told = demo.end()
    assert code == 0, told
    assert "What happened" in told
    assert demo.leaves_nothing()
    assert not list(demo.temporary.iterdir())


@pytest.mark.slow
def test_a_killed_demo_leaves_no_process(start_demo: Callable[..., Running]) -> None:
    demo = start_demo("--keep")
    demo.read_until("STORY")
    assert processes_of(str(demo.temporary))
    demo.process.kill()
    demo.process.communicate(timeout=10)
    assert demo.leaves_nothing(), processes_of(str(demo.temporary))
