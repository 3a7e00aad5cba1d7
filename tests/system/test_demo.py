"""`tocsin demo` as somebody runs it who has just cloned the repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_the_demo_of_the_command_line_ends_by_itself(figure: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="td-") as text:
        began_s = time.monotonic()
        ran = subprocess.run(
            [str(TOCSIN), "demo"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
            env=os.environ | {"TMPDIR": text},
        )
        took_s = time.monotonic() - began_s
        assert ran.returncode == 0, ran.stdout + ran.stderr
        for words in (
            "underpass-flood RED",
            "the siren was ordered and proved by its current",
            "of the alarm records 0 are missing",
            "recordings played",
            "underpass-flood all clear",
        ):
            assert words in ran.stdout, ran.stdout
        assert "\x1b[" not in ran.stdout, "plain lines without a terminal"
        assert left_behind(Path(text)) == []
        figure(f"tocsin demo: {took_s:.0f} s, {len(ran.stdout.splitlines())} lines")


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
