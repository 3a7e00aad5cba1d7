"""The units under a real systemd, installed with the very commands of docs/installing.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.ops.installed import ROOT, fill_lianhua, link_needed
from tests.ops.nspawn import CannotBoot, Machine

RIG = "/srv/rig"
SYSTEM_PYTHON = "/usr/bin/python3"

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it boots a container"),
    pytest.mark.skipif(
        not os.path.realpath(SYSTEM_PYTHON).endswith(f"python3.{sys.version_info.minor}"),
        reason="the system's Python, which the gateway uses, is another one than this",
    ),
]


def commands(section):
    """The shell commands of a section of docs/installing.md, in order."""
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    body = text.split(f"\n## {section}", 1)[1].split("\n## ", 1)[0].split("\n**Raspberry Pi 5**", 1)[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", body, re.DOTALL) for line in block.splitlines() if line]


def prepare(machine, wheel):
    """What stands in for the package index: the wheel, and links to what this environment has."""
    shim = machine.root / "usr" / "local" / "bin" / "sudo"
    shim.write_text('#!/bin/sh\nexec "$@"\n')
    shim.chmod(0o755)
    shutil.copy(wheel, machine.root / "srv")
    (machine.root / "srv" / "needed").mkdir()
    link_needed(machine.root / "srv" / "needed")
    for own in (machine.root / "srv" / "needed").glob("pip*"):  # each environment brings its own
        own.unlink()


def do_as_written(machine, section, version=""):
    """Run a section's commands as one script; the kernel and its devices are this machine's and are left alone."""
    script = []
    for command in commands(section):
        if "modprobe" in command or ("udevadm" in command and not shutil.which("udevadm")):
            continue
        if "pip" in command and "install" in command:
            script.append('"$new/bin/pip" install -q --no-index --no-deps /srv/*.whl')
            script.append('cp -aL /srv/needed/. "$new"/lib/python3*/site-packages/')
        else:
            script.append(f"new={version}" if version and command.startswith("new=") else command)
    return machine.run("sh", "-ec", "\n".join(script), cwd=str(ROOT), timeout=90)


def start_world(machine):
    """Virtual lines, a broker and the platform, as services of their own."""
    (machine.root / RIG.lstrip("/")).mkdir(mode=0o777)
    (machine.root / RIG.lstrip("/")).chmod(0o777)
    (machine.root / "srv" / "mosquitto.conf").write_text("listener 1883 127.0.0.1\nallow_anonymous true\n")
    python = "/opt/tocsin/bin/python"
    hil = machine.run(python, "-c", "import hil; print(hil.__path__[0])").strip()
    rig = f"{python} -m hil rig {hil}/sites/lianhua/rig.toml --dir {RIG}"
    for name, user, words in (
        ("bench-rig", "tocsin-guard", f"{rig} --scenario {hil}/scenarios/flood.toml"),
        ("bench-broker", "mosquitto", "mosquitto -c /srv/mosquitto.conf"),
        ("bench-platform", "root", f"{python} -m hil.platform --db /srv/platform.db"),
    ):
        machine.run(
            "systemd-run", f"--unit={name}", f"--uid={user}", "-p", "Environment=PYTHONUNBUFFERED=1", *words.split()
        )


@pytest.fixture(scope="module")
def machine(wheel):
    """A gateway that guards."""
    try:
        with Machine(ROOT, Path(sys.prefix)) as made:
            prepare(made, wheel)
            do_as_written(made, "2. Tocsin")
            fill_lianhua(made.root / "etc" / "tocsin", RIG, '[uplink]\nbroker = "mqtt://127.0.0.1:1883"\nbatch = "1 s"')
            start_world(made)
            for command in commands("4. Start"):
                until(lambda command=command: works(made, command), 20, made)
            yield made
    except CannotBoot as error:
        pytest.skip(f"no systemd can be booted here: {error}")


def works(machine, command):
    try:
        machine.run("sh", "-ec", command)
    except RuntimeError:
        return command.startswith("tocsin") and None  # an agent that is just starting does not answer yet
    return True


def until(fits, within_s, machine):
    """What `fits` gives, and after how many seconds."""
    start_s = time.monotonic()
    while time.monotonic() - start_s < within_s:
        if found := fits():
            return found, time.monotonic() - start_s
        time.sleep(0.05)
    raise AssertionError(machine.log("tocsin-guard", "tocsin-link")[-6000:])


def status(machine):
    try:
        return json.loads(machine.run("tocsin", "status", "--json"))
    except (RuntimeError, ValueError):
        return {}


def guarding(machine, not_pid=""):
    """Whether another process than `not_pid` is ready and has judged a reading."""
    told = machine.run("systemctl", "show", "-p", "ActiveState", "-p", "MainPID", "tocsin-guard")
    if "ActiveState=active" not in told or f"MainPID={not_pid}\n" in told:
        return None
    now = status(machine)
    return now if any(point["value"] is not None for point in now.get("points", {}).values()) else None


def test_both_are_ready(machine):
    now, _ = until(lambda: guarding(machine), 20, machine)
    assert now["site"]["id"] == "lianhua-03"
    for unit in ("tocsin-guard", "tocsin-link"):
        assert machine.property(unit, "ActiveState") == "active"
        assert machine.property(unit, "Type") == "notify"
        assert machine.property(unit, "NRestarts") == "0"
    assert machine.property("tocsin-guard", "StatusText") == "guarding"


def test_the_compiler_works_within_its_rights(machine):
    now, _ = until(lambda: (now := status(machine)) and now["judging"] != "twin" and now, 60, machine)
    assert now["judging"] == "jit"
    assert "rules" in machine.run("ls", "/var/cache/tocsin")


def test_records_reach_the_platform(machine):
    def delivered():
        uplink = status(machine).get("uplink") or {}
        return uplink.get("connected") and sum(mark["upto"] for mark in uplink["delivered"])

    until(delivered, 30, machine)
    assert "event" in machine.log("bench-platform")


def test_a_siren_sounds_and_proves_it(machine):
    def proved():
        return status(machine).get("outputs", {}).get("roof-siren", {}).get("confirmed")

    until(proved, 60, machine)


def test_a_hung_guard_is_restarted(machine, record_property):
    pid = machine.property("tocsin-guard", "MainPID")
    until(lambda: guarding(machine), 20, machine)
    machine.run("kill", "-STOP", pid)
    _, hang_s = until(lambda: guarding(machine, not_pid=pid), 40, machine)
    record_property("hang_to_guarding_s", round(hang_s, 2))
    print(f"hang to guarding again: {hang_s:.2f} s")
    assert hang_s <= 15.0  # 10 s of watchdog, and a start


def test_a_killed_guard_is_restarted(machine, record_property):
    times_s = []
    for _ in range(3):
        until(lambda: guarding(machine), 20, machine)
        pid = machine.property("tocsin-guard", "MainPID")
        machine.run("kill", "-KILL", pid)
        times_s.append(until(lambda pid=pid: guarding(machine, not_pid=pid), 20, machine)[1])
    record_property("kill_to_guarding_s", [round(time_s, 2) for time_s in times_s])
    print("kill to guarding again: " + ", ".join(f"{time_s:.2f} s" for time_s in times_s))
    assert max(times_s) <= 5.0


def test_nothing_asked_for_was_refused(machine):
    log = machine.log("tocsin-guard", "tocsin-link")
    assert "Traceback" not in log, log
    assert "not permitted" not in log, log
    assert "Permission denied" not in log, log


def test_what_is_not_needed_is_refused(machine):
    """Probes run as each unit does, in its own sandbox."""
    for unit, writable, closed in (
        ("tocsin-guard", "/var/lib/tocsin", ("/etc", "/usr", "/opt/tocsin", "/var/lib/tocsin-link")),
        (
            "tocsin-link",
            "/var/lib/tocsin-link",
            ("/etc", "/usr", "/opt/tocsin", "/var/lib/tocsin", "/var/cache/tocsin"),
        ),
    ):
        pid = machine.property(unit, "MainPID")
        ids = machine.run("sh", "-c", f"grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/{pid}/status")
        told = dict(line.split(":\t") for line in ids.splitlines())
        assert told["Uid"].split()[0] != "0"
        assert int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0
        assert told["NoNewPrivs"] == "1"
        assert told["Seccomp"] == "2"
        user = machine.run("id", "-nu", told["Uid"].split()[0]).strip()
        enter = [
            "nsenter",
            "-t",
            pid,
            "-m",
            "-n",
            "--",
            "setpriv",
            f"--reuid={user}",
            "--regid=tocsin",
            "--init-groups",
        ]
        machine.run(*enter, "sh", "-c", f"touch {writable}/probe && rm {writable}/probe")
        for place in closed:
            refused = machine.run(*enter, "sh", "-c", f"touch {place}/probe || echo refused", check=False)
            assert "refused" in refused, (unit, place)
    guard = machine.property("tocsin-guard", "MainPID")
    links = machine.run("nsenter", "-t", guard, "-n", "--", "cat", "/proc/self/net/dev")
    assert "host0" not in links


def test_a_site_without_uplink_needs_no_link(machine):
    site = machine.root / "etc" / "tocsin" / "site.toml"
    whole = site.read_text(encoding="utf-8")
    try:
        site.write_text(whole.split("\n[uplink]")[0], encoding="utf-8")
        machine.run("systemctl", "restart", "tocsin-link", check=False)
        until(lambda: machine.property("tocsin-link", "ActiveState") == "inactive", 15, machine)
        assert machine.property("tocsin-link", "Result") == "success"
    finally:
        site.write_text(whole, encoding="utf-8")


def test_an_update_as_written(machine):
    pid = machine.property("tocsin-guard", "MainPID")
    told = do_as_written(machine, "6. Updating", version="/opt/tocsin-next")
    assert "lianhua-03" in told  # it was checked
    until(lambda: guarding(machine, not_pid=pid), 20, machine)
    pid = machine.property("tocsin-guard", "MainPID")
    assert "/opt/tocsin-next/bin/python" in machine.run("cat", f"/proc/{pid}/cmdline")
    assert machine.run("readlink", "/opt/tocsin").strip() == "/opt/tocsin-next"


def test_it_ends_in_order(machine):
    machine.run("systemctl", "stop", "tocsin-guard")
    assert machine.property("tocsin-guard", "Result") == "success"
    assert machine.property("tocsin-guard", "ExecMainStatus") == "0"
