"""Guard and link as the two users of their units over one journal: each reads and writes what it must, and no more."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hil.follower import NoAnswer, ask
from hil.processes import free_port
from tests.ops.installed import ROOT, install, public_python, settings

GUARD, LINK, GROUP = 64001, 64002, 64000
SITE = """
[site]
id = "two-users"
[uplink]
broker = "mqtt://127.0.0.1:{port}"
username = "gateway"
password_file = "password"
"""

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it runs programs as two other users"),
    pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (util-linux) is not installed"),
]


def as_user(user, *command):
    return ["setpriv", f"--reuid={user}", f"--regid={GROUP}", "--clear-groups", "--bounding-set=-all", "--", *command]


def unit(name):
    return settings(ROOT / "systemd" / f"tocsin-{name}.service")


class Gateway:
    """Directories and processes as the two units make them, elsewhere."""

    def __init__(self, root, tocsin):
        self.root, self.tocsin = root, tocsin
        self.running = {}
        self.port = free_port()
        self.open_port = free_port()
        for name, owner in (("guard", GUARD), ("link", LINK)):
            told = unit(name)
            for kind, place in (("State", "lib"), ("Cache", "cache"), ("Runtime", "run")):
                if f"{kind}Directory" in told:
                    directory = root / place / told[f"{kind}Directory"]
                    directory.mkdir(parents=True)
                    directory.chmod(int(told[f"{kind}DirectoryMode"], 8))
                    os.chown(directory, owner, GROUP)
        self.site = root / "etc" / "tocsin" / "site.toml"
        self.site.parent.mkdir(parents=True)
        self.site.write_text(SITE.format(port=self.port))
        password = self.site.with_name("password")
        password.write_text("correct horse\n")
        password.chmod(0o400)
        os.chown(password, LINK, GROUP)
        self.state = root / "lib" / "tocsin"
        self.socket = root / "run" / "tocsin" / "control.sock"
        self.database = root / "platform.db"

    def command(self, name):
        """A unit's own command line with its places moved."""
        line = unit(name)["ExecStart"]
        moved = {"/opt/tocsin/bin/tocsin": self.tocsin, "/etc/tocsin": self.site.parent}
        moved |= {"/var/lib": self.root / "lib", "/run/tocsin": self.socket.parent}
        for old, new in moved.items():
            line = line.replace(old, str(new))
        return line.split()

    def start(self, name):
        user = {"guard": GUARD, "link": LINK}[name]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "RUNTIME_DIRECTORY": str(self.socket.parent),
            "CACHE_DIRECTORY": str(self.root / "cache" / "tocsin"),
        }
        if name == "guard":
            environment["STATE_DIRECTORY"] = str(self.state)
        with (self.root / f"{name}.log").open("a") as log:
            self.running[name] = subprocess.Popen(
                as_user(user, *self.command(name)),
                env=environment, cwd="/", stdout=log, stderr=log, start_new_session=True,
                umask=int(unit(name)["UMask"], 8),
            )  # fmt: skip

    def start_world(self):
        secret, conf = self.root / "mosquitto.secret", self.root / "mosquitto.conf"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(secret), "gateway", "correct horse"],
            check=True, capture_output=True, timeout=10,
        )  # fmt: skip
        conf.write_text(
            "per_listener_settings true\nuser root\n"
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {secret}\n"
            f"listener {self.open_port} 127.0.0.1\nallow_anonymous true\n"
        )
        self.running["broker"] = subprocess.Popen(
            ["mosquitto", "-c", str(conf)], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        options = ["--port", str(self.open_port), "--db", str(self.database)]
        with (self.root / "platform.log").open("w") as log:
            self.running["platform"] = subprocess.Popen(
                [sys.executable, "-m", "hil.platform", *options],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name, number=signal.SIGTERM):
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(15)

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()
            with contextlib.suppress(ProcessLookupError):  # the compiler that a killed guard leaves behind
                os.killpg(process.pid, signal.SIGKILL)

    def wait(self, fits, within_s=15.0):
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            if found := fits():
                return found
            time.sleep(0.05)
        raise AssertionError("\n".join(f"{log.name}:\n{log.read_text()}" for log in self.root.glob("*.log")))

    def uplink(self):
        try:
            return ask(self.socket, {"do": "status"})["uplink"]
        except NoAnswer:
            return {}

    def delivered(self):
        return sum(mark["upto"] for mark in self.uplink().get("delivered", ()))

    def stored(self):
        """How many records the platform printed that it has stored."""
        lines = (self.root / "platform.log").read_text().splitlines()
        return json.loads(lines[-1]).get("event", 0) if lines else 0


@pytest.fixture(scope="module")
def public_tocsin(wheel):
    """An installation that every user may run."""
    python = public_python()
    if python is None:
        pytest.skip("no Python of this version that other users may run")
    root = Path(tempfile.mkdtemp(prefix="tocsin-two-users-"))
    root.chmod(0o755)
    try:
        tocsin = install(wheel, root / "venv", python)
        looked = subprocess.run(as_user(LINK, str(tocsin), "--help"), capture_output=True, timeout=20, check=False)
        if looked.returncode:
            pytest.skip("other users may not read the packages that Tocsin needs")
        yield tocsin
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def gateway(public_tocsin):
    root = Path(tempfile.mkdtemp(prefix="tocsin-two-users-"))
    root.chmod(0o755)
    made = Gateway(root, public_tocsin)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.slow
def test_one_journal_two_users(gateway):
    gateway.start_world()
    gateway.start("guard")
    gateway.start("link")
    first = gateway.wait(gateway.delivered)  # read by the link, acknowledged by the platform, told to guard
    assert gateway.wait(gateway.stored)
    # While nobody writes the link reads the file at rest; a killed guard leaves its log behind.
    assert gateway.stop("guard") == 0
    gateway.start("guard")
    second = gateway.wait(lambda: (now := gateway.delivered()) > first and now)
    gateway.stop("guard", signal.SIGKILL)
    gateway.start("guard")
    third = gateway.wait(lambda: (now := gateway.delivered()) > second and now)
    # A new link goes on where the old one ended: its ledger is its own.
    assert gateway.stop("link") == 0
    # A site file that broke meanwhile does not take the uplink away: guard's last good copy is there for both.
    gateway.site.write_text("[site\n")
    gateway.start("link")
    gateway.stop("guard")
    gateway.start("guard")
    gateway.wait(lambda: gateway.delivered() > third)
    assert "last good copy" in (gateway.root / "link.log").read_text()
    assert "last good copy" in (gateway.root / "guard.log").read_text()
    assert (gateway.root / "lib" / "tocsin-link" / "link.db").stat().st_uid == LINK


def test_each_may_only_what_it_must(gateway):
    gateway.start("guard")
    gateway.wait(gateway.socket.exists)
    gateway.wait((gateway.state / "critical.db").exists)

    def may(user, *command):
        done = subprocess.run(as_user(user, *command), capture_output=True, timeout=10, check=False)
        return done.returncode == 0

    journal, password = gateway.state / "critical.db", gateway.site.with_name("password")
    assert may(LINK, "cat", str(journal))
    assert not may(LINK, "dd", "if=/dev/null", f"of={journal}", "conv=notrunc")
    assert not may(LINK, "touch", str(gateway.state / "link.db"))
    assert not may(LINK, "touch", str(gateway.root / "cache" / "tocsin" / "rules"))
    assert not may(GUARD, "cat", str(password))
    assert not may(GUARD, "ls", str(gateway.root / "lib" / "tocsin-link"))
    for path in (*gateway.state.rglob("*"), gateway.state):
        assert not path.stat().st_mode & 0o007, path
    # The link may ask; acting is for operators.
    python, client = (
        str(gateway.tocsin.with_name("python")),
        "from agent.client import call; from pathlib import Path; ",
    )
    place = f"[Path({str(gateway.socket)!r})]"
    assert may(LINK, python, "-I", "-c", f"{client}call({{'do': 'status'}}, {place})")
    told = subprocess.run(
        as_user(LINK, python, "-I", "-c", f"{client}call({{'do': 'ack', 'alarm': 'x'}}, {place})"),
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    assert "tocsin-operators" in told.stderr
