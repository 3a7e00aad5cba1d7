"""The units, rules and users as files: hardened, understood by systemd, and as the page about installing says."""

import re
import shutil
import subprocess

import pytest

from tests.ops.installed import ROOT, settings

SYSTEMD = ROOT / "systemd"
SERVICES = sorted(SYSTEMD.glob("*.service"))
PAGE = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
MOST_EXPOSURE = 20  # tenths: "OK" of systemd-analyze ends at 4.9

needs_analyze = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed (apt install systemd)"
)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@needs_analyze
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_exposure_is_low(unit):
    analyze = ("systemd-analyze", "security", "--offline=yes", "--no-pager")
    done = run(*analyze, f"--threshold={MOST_EXPOSURE}", str(unit))
    told = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert told, done.stdout + done.stderr
    assert float(told[1]) <= MOST_EXPOSURE / 10
    assert done.returncode == 0
    assert run(*analyze, "--threshold=1", str(unit)).returncode == 1  # the gate closes


@needs_analyze
def test_exposure_is_low_with_tcp_buses(tmp_path):
    """The drop-in opens one network and nothing else."""
    shutil.copy(SYSTEMD / "tocsin-guard.service", tmp_path)
    text = (tmp_path / "tocsin-guard.service").read_text(encoding="utf-8")
    dropped = (SYSTEMD / "tocsin-guard.tcp.conf").read_text(encoding="utf-8").split("[Service]")[1]
    (tmp_path / "tocsin-guard.service").write_text(text.replace("\n[Install]", f"{dropped}\n[Install]"))
    done = run(
        "systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSURE}",
        str(tmp_path / "tocsin-guard.service"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "IPAddressDeny=any" in text
    assert "IPAddressAllow=" in dropped


@needs_analyze
def test_systemd_understands_every_line():
    done = run("systemd-analyze", "verify", *map(str, SERVICES))
    told = [
        line for line in (done.stdout + done.stderr).splitlines() if "/opt/tocsin/bin/tocsin is not exec" not in line
    ]
    assert [line for line in told if "tocsin" in line] == []


def test_guard_outlives_everything():
    guard = settings(SYSTEMD / "tocsin-guard.service")
    assert guard["Restart"] == "always"
    assert guard["StartLimitIntervalSec"] == "0"
    assert guard["Type"] == "notify"
    assert int(guard["WatchdogSec"]) <= 10
    assert guard["OOMPolicy"] == "continue"
    assert "Requires" not in guard
    assert "BindsTo" not in guard
    assert not {"network-online.target", "time-sync.target"} & set(str(guard).split())
    link = settings(SYSTEMD / "tocsin-link.service")
    assert not {"Requires", "BindsTo", "PartOf"} & set(link)  # each restarts without the other


def test_no_directory_has_two_owners():
    """A state directory is given to its unit's user: two that name the same one take it from each other."""
    owned = {}
    for unit in SERVICES:
        told = settings(unit)
        for kind in ("StateDirectory", "CacheDirectory", "RuntimeDirectory", "LogsDirectory"):
            if kind in told:
                owner = owned.setdefault((kind, told[kind]), told["User"])
                assert owner == told["User"], f"{kind}={told[kind]} in {unit.name}"
    assert {unit: settings(SYSTEMD / unit)["Group"] for unit in ("tocsin-guard.service", "tocsin-link.service")} == {
        "tocsin-guard.service": "tocsin",
        "tocsin-link.service": "tocsin",
    }


def test_users_and_groups_are_made():
    sysusers = SYSTEMD / "tocsin.sysusers.conf"
    lines = [line.split() for line in sysusers.read_text(encoding="utf-8").splitlines() if line[:1] not in ("#", "")]
    made = {words[1] for words in lines}
    debian = {"dialout", "audio"}  # base-passwd
    for unit in SERVICES:
        told = settings(unit)
        wanted = {told["User"], told["Group"], *told.get("SupplementaryGroups", "").split()}
        assert wanted <= made | debian, unit.name
    rules = (SYSTEMD / "99-tocsin.rules").read_text(encoding="utf-8")
    assert set(re.findall(r'GROUP="(\w+)"', rules)) <= made | debian
    if shutil.which("systemd-sysusers"):
        done = run("systemd-sysusers", "--dry-run", str(sysusers))
        assert done.returncode == 0, done.stderr
        assert "ignoring" not in done.stderr
        assert "tocsin-link" in done.stdout + sysusers.read_text(encoding="utf-8")


def test_adapters_may_be_plugged_in_later():
    """A device group that the kernel does not know yet is left out of what a unit may open, with no error."""
    guard = (SYSTEMD / "tocsin-guard.service").read_text(encoding="utf-8")
    modules = (SYSTEMD / "tocsin.modules.conf").read_text(encoding="utf-8").splitlines()
    for group, module in (("char-ttyUSB", "usbserial"), ("char-ttyACM", "cdc_acm")):
        assert f"DeviceAllow={group} rw\n" in guard
        assert module in modules
        assert re.search(rf"modprobe -a .*\b{module}\b", PAGE)


def test_udev_understands_the_rules():
    udevadm = shutil.which("udevadm")
    if udevadm is None or "verify" not in run(udevadm, "--help").stdout:
        pytest.skip("udevadm verify is not here (systemd 254 or newer)")
    done = run(udevadm, "verify", "--resolve-names=never", str(SYSTEMD / "99-tocsin.rules"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_installs_what_is_there():
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert run("sh", "-n", "-c", re.sub(r"^\s+", "", block, flags=re.MULTILINE)).stderr == ""
    named = re.findall(r"(?<![/\w])((?:systemd|docs|hil)/[\w./-]+\w)", PAGE)
    assert {"systemd/tocsin-guard.service", "systemd/tocsin-link.service", "systemd/99-tocsin.rules"} <= set(named)
    assert {str(path.relative_to(ROOT)) for path in SYSTEMD.iterdir()} <= set(named)
    for name in named:
        assert (ROOT / name).exists(), name
    for unit in SERVICES:
        told = settings(unit)
        assert told["ExecStart"].split()[0] == "/opt/tocsin/bin/tocsin"
        for kind, place in (("State", "/var/lib"), ("Cache", "/var/cache")):
            if f"{kind}Directory" in told:
                assert f"`{place}/{told[f'{kind}Directory']}`" in PAGE
        document = told["Documentation"].removeprefix("file:/usr/share/doc/tocsin/")
        assert f"docs/{document}" in PAGE
    assert "/run/tocsin/control.sock" in PAGE
