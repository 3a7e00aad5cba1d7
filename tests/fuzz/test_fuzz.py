"""A short run of the fuzzer over every parser: the same mutations each time, and some seconds guided by coverage."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.api import Quality
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, sound

SECONDS = 2


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_input_is_borne(name: str) -> None:
    target, slowest_s = TARGETS[name], 0.0
    target.run(b"")
    count = {"map-text": 100, "rule": 150, "finding": 200}.get(name, 1500)
    for data in itertools.islice(mutated(target, 1), len(target.seeds) + count):
        before_s = time.process_time()
        target.run(data)
        slowest_s = max(slowest_s, time.process_time() - before_s)
    assert slowest_s < 1.0, "no input takes long"


def test_the_check_of_the_targets_would_find_a_made_up_value() -> None:
    sound(float("nan"), Quality.BAD)
    with pytest.raises(AssertionError, match="nan is called GOOD"):
        sound(float("nan"), Quality.GOOD)


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this platform")
def test_coverage_guided_input_is_borne(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.fuzz.guided", "all", f"-max_total_time={SECONDS}", "-seed=1"]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Done " in done.stderr, "it did run"
