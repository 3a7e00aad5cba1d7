"""What is installed is whole: it runs from the wheel alone, from anywhere, and from one place only."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest

from hil.follower import NoAnswer, ask
from tests.ops.installed import ROOT, fill_lianhua, needed

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TOCSIN"))}


def run(tocsin, *words, env=CLEAN, cwd="/", timeout=40):
    return subprocess.run(
        [str(tocsin), *words], env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False
    )


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "agent", "drivers", "rules", "hil"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    expected = {name for name in tracked if (ROOT / name).exists()} or {
        str(path.relative_to(ROOT))
        for package in ("agent", "drivers", "rules", "hil")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    assert not expected - names
    for ending in ("grammar.lark", ".sql", "maps/hlk-ld8001h.toml", "lianhua/site.toml", "scenarios/flood.toml"):
        assert any(name.endswith(ending) for name in names), ending
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_it_needs_no_tool_of_developers(tocsin):
    assert not needed() & {"pytest", "ruff", "mypy", "hypothesis", "jsonschema", "import-linter", "codespell"}
    program = run(tocsin, "--help")
    assert program.returncode == 0, program.stderr
    assert "sounds the alarm" in program.stdout
    python = tocsin.with_name("python")
    every = (
        "import importlib, pkgutil, agent, drivers, rules, hil\n"
        "for package in (agent, drivers, rules, hil):\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not found.name.endswith('__main__'):\n"
        "            importlib.import_module(found.name)\n"
        "print(agent.__file__)"
    )
    program = run(python, "-c", every)
    assert program.returncode == 0, program.stderr
    assert str(tocsin.parent.parent) in program.stdout


def test_check_finds_the_maps_that_are_installed(tocsin, tmp_path):
    site = fill_lianhua(tmp_path / "site", "/dev")
    program = run(tocsin, "check", str(site), "--json")
    assert program.returncode == 0, program.stdout + program.stderr
    assert json.loads(program.stdout)


def test_it_guards_from_another_directory(tocsin, tmp_path):
    site = fill_lianhua(tmp_path / "site", str(tmp_path))
    socket = tmp_path / "control.sock"
    with (tmp_path / "log").open("w") as log:
        agent = subprocess.Popen(
            [str(tocsin), "run", str(site), "--state", str(tmp_path / "state"), "--socket", str(socket)],
            cwd="/", env=CLEAN, stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip
        try:
            status = await_answer(socket, agent)
        finally:
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(15) == 0, (tmp_path / "log").read_text()
    assert status["site"]["id"] == "lianhua-03"
    assert status["judging"] in ("twin", "jit")
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log, log
    assert not (tmp_path / "state").with_name("control.sock").exists()


def await_answer(socket, agent, within_s=30):
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s and agent.poll() is None:
        try:
            return ask(socket, {"do": "status"})
        except NoAnswer:
            time.sleep(0.1)
    raise AssertionError("the agent does not answer")


@pytest.mark.parametrize("package", ["rules", "drivers"])
def test_it_refuses_to_run_from_two_places(tocsin, tmp_path, package):
    other = tmp_path / "elsewhere"
    (other / package).mkdir(parents=True)
    (other / package / "__init__.py").write_text("")
    program = run(tocsin, "status", env=CLEAN | {"PYTHONPATH": str(other)})
    assert program.returncode == 1
    assert f"{package}: {other}" in program.stderr
    assert f"agent: {tocsin.parent.parent}" in program.stderr
    assert "unset PYTHONPATH" in program.stderr
    assert "Traceback" not in program.stderr


def test_the_version_is_one(tocsin):
    version = run(tocsin, "--version").stdout.split()[-1]
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert version in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_source_archive_is_the_whole_repository(tmp_path):
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert {name for name in tracked if (ROOT / name).exists()} <= names
    assert {".ci/setup", ".ci/programs", ".ci/run", "Makefile", "constraints.txt", "pyproject.toml"} <= names
