"""A driver of another distribution: built, installed beside Tocsin, checked, read live, held to the contract."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.replay import Capture, Replay
from hil.follower import NoAnswer, ask
from tests.ops.installed import ROOT

EXAMPLE = Path(__file__).parent / "example_driver"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TOCSIN", "PIP_"))}
SITE = """
[site]
id = "acme-1"
[zone.yard]
[bus.gauges]
port = "{port}"
framing = "raw"
[device.gauge]
driver = "acme-gauge"
bus = "gauges"
address = 7
period = "200 ms"
zone = "yard"
"""


def run(*command, env=CLEAN, cwd="/"):
    return subprocess.run(
        list(map(str, command)), env=env, cwd=cwd, capture_output=True, text=True, timeout=40, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example's source, and where it is installed: a directory of packages with their metadata."""
    source, place = tmp_path_factory.mktemp("source") / "acme", tmp_path_factory.mktemp("site-packages")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source)
    assert built.returncode == 0, built.stdout + built.stderr
    wheel = next((source / "dist").glob("tocsin_driver_acme-*.whl"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = run(*pip, "--target", place, wheel)
    assert done.returncode == 0, done.stderr
    return source, place


def test_its_contract_as_its_author_runs_it(installed):
    source, place = installed
    env = CLEAN | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}"}
    tests = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests", env=env, cwd=source)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "9 passed" in tests.stdout


def test_the_installed_program_checks_and_reads_it(tocsin, installed, tmp_path):
    env = CLEAN | {"PYTHONPATH": str(installed[1])}
    capture = Capture.load(EXAMPLE / "tests" / "captures" / "gauge.cap")
    port, socket = tmp_path / "port", tmp_path / "control.sock"
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(port=port))
    with Replay(port, capture.scenes[0]) as line:
        checked = run(tocsin, "check", site, env=env)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        without = run(tocsin, "check", site)
        assert without.returncode == 2
        assert "acme-gauge" in without.stdout + without.stderr
        with (tmp_path / "log").open("w") as log:
            agent = subprocess.Popen(
                [str(tocsin), "run", str(site), "--state", str(tmp_path / "state"), "--socket", str(socket)],
                cwd="/", env=env, stderr=log, stdout=log, start_new_session=True,
            )  # fmt: skip
            try:
                points = await_points(socket, agent)
            finally:
                agent.send_signal(signal.SIGTERM)
                assert agent.wait(15) == 0, (tmp_path / "log").read_text()
        assert line.unknown == []
    assert points["gauge.level"]["value"] == 350
    assert points["gauge.temperature"]["value"] == 21.5
    assert {point["quality"] for point in points.values()} == {"good"}


def await_points(socket, agent, within_s=30):
    end_s = time.monotonic() + within_s
    points = {}
    while time.monotonic() < end_s and agent.poll() is None:
        try:
            points = ask(socket, {"do": "points"})
            if points["gauge.level"].get("quality") == "good":
                return points
        except NoAnswer:
            pass
        time.sleep(0.1)
    raise AssertionError(f"no reading came: {points}")
