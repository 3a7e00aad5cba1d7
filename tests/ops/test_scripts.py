"""The scripts behind `make`: they say what they do before they do it, and what to do when they can't."""

import os
import subprocess

import pytest

from tests.ops.installed import ROOT

CI = ROOT / ".ci"


@pytest.fixture
def machine(tmp_path):
    """A machine with few programs; a function that runs a script on it, and what was asked of apt-get."""
    place, asked = tmp_path / "bin", tmp_path / "asked"
    place.mkdir()
    for name in ("sh", "dirname", "env", "id"):
        (place / name).symlink_to(os.path.realpath(f"/usr/bin/{name}"))

    def program(name, text):
        (place / name).write_text(f"#!/bin/sh\n{text}\n")
        (place / name).chmod(0o755)

    def run(*command, **environment):
        done = subprocess.run(
            command, cwd=ROOT, env={"PATH": str(place), **environment},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return done, asked.read_text().splitlines() if asked.exists() else []

    def with_apt(code=0):
        program("apt-get", f'echo "$@" >> {asked}; echo noise; echo trouble >&2; exit {code}')
        program("sudo", f'echo sudo >> {asked}; exec "$@"')

    run.program, run.with_apt = program, with_apt
    return run


def test_nothing_missing_nothing_said(machine):
    machine.with_apt()
    done, asked = machine(".ci/programs", "sh", "env")
    assert (done.returncode, done.stdout, done.stderr, asked) == (0, "", "", [])


def test_what_is_missing_is_told_and_installed(machine):
    machine.with_apt()
    done, asked = machine(".ci/programs", "sh", "tocsin-bell", "mosquitto_rr", "python3-venv")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "missing on this machine: tocsin-bell mosquitto-clients python3-venv"
    assert "apt-get install" in done.stdout
    assert "noise" not in done.stdout
    assert asked[-1].endswith(" tocsin-bell mosquitto-clients python3-venv")
    assert asked[-1].startswith("install -y")
    assert ("sudo" in asked) == (os.geteuid() != 0)


def test_a_failed_installation_is_told(machine):
    machine.with_apt(code=100)
    done, _ = machine(".ci/programs", "tocsin-bell")
    assert done.returncode == 1
    assert "trouble" in done.stderr
    assert "not installed: tocsin-bell" in done.stderr


def test_a_machine_without_apt(machine):
    done, _ = machine(".ci/programs", "tocsin-bell")
    assert done.returncode == 1
    assert "missing on this machine: tocsin-bell" in done.stdout
    assert "no apt-get" in done.stderr


def test_a_python_that_does_not_fit_is_refused(machine, tmp_path):
    machine.program("python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done, _ = machine(".ci/setup", str(tmp_path / "venv"))
    assert done.returncode == 2
    assert "3.11 to 3.13" in done.stderr
    assert "3.9.2" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_python_that_was_named_is_the_one(machine, tmp_path):
    machine.program("python3", "exit 3")
    (tmp_path / "mine").write_text(
        '#!/bin/sh\ncase "$1" in --version) echo Python 3.12.9;;\n'
        f'-m) mkdir -p "$3/bin"; printf "#!/bin/sh\\necho \\"\\$@\\" > {tmp_path}/pip" > "$3/bin/pip";'
        ' chmod +x "$3/bin/pip";; esac\n'
    )
    (tmp_path / "mine").chmod(0o755)
    for name in ("mkdir", "chmod"):
        machine.program(name, f'exec /usr/bin/{name} "$@"')
    done, _ = machine(".ci/setup", str(tmp_path / "venv"), PYTHON=str(tmp_path / "mine"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "Python 3.12.9" in done.stdout
    assert "-c constraints.txt -e .[dev]" in (tmp_path / "pip").read_text()


def test_scripts_are_plain_shell():
    for script in (CI / name for name in ("run", "setup", "programs")):
        assert os.access(script, os.X_OK), script
        text = script.read_text(encoding="utf-8")
        assert text.startswith("#!/bin/sh\n# ")
        assert subprocess.run(["sh", "-n", str(script)], check=False, timeout=10).returncode == 0
    dry = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    for step in ("ruff check .", "ruff format --check .", "mypy", "lint-imports", "codespell", "-m tests"):
        assert step in dry.stdout


def test_make_alone_tells_every_target():
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout
    for target in ("demo", "test", "check", "bench", "clean"):
        assert f"make {target} " in told


def test_constraints_hold_versions_and_no_places():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.count("==") == 1 and not set(line) & set("/@:;") for line in lines)
