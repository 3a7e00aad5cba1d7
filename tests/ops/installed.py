"""Tocsin as it is installed: the built wheel and what it needs at run time, and nothing else; never the repository."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LIANHUA = ROOT / "hil" / "sites" / "lianhua"


def build_wheel(directory: Path) -> Path:
    """The wheel of the repository as it is now."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return next(directory.glob("tocsin_agent-*.whl"))


def needed(distribution: str = "tocsin-agent") -> set[str]:
    """Names of the distributions that `distribution` needs at run time on this machine, itself left out."""
    found: set[str] = set()
    waiting = [(distribution, frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        for text in importlib.metadata.requires(name) or ():
            wanted = Requirement(text)
            marker = wanted.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
                continue
            known = re.sub(r"[-_.]+", "-", wanted.name).lower()
            if known not in found:
                found.add(known)
                waiting.append((known, frozenset(wanted.extras)))
    return found


def link_needed(site_packages: Path) -> None:
    """Put links to what Tocsin needs at run time into a site-packages directory: no network, and no tools for tests."""
    for name in needed():
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            place = site_packages / top
            if not place.exists():
                place.symlink_to(Path(str(distribution.locate_file(top))).resolve())


def install(wheel: Path, venv: Path, python: str = sys.executable) -> Path:
    """A fresh virtual environment with the wheel in it; its `tocsin`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    subprocess.run([python, "-m", "venv", str(venv)], check=True, capture_output=True, timeout=60, env=clean)
    pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-index", "--no-deps", str(wheel)], check=True, capture_output=True, timeout=60, env=clean
    )
    link_needed(next(venv.glob("lib/python3*/site-packages")))
    return venv / "bin" / "tocsin"


def fill_lianhua(directory: Path, ports: str, uplink: str = "", player: str = '["true", "{wav}"]') -> Path:
    """The demo's site with real places in it; the site file. `ports` is where the lines' links are."""
    directory.mkdir(parents=True, exist_ok=True)
    for beside in LIANHUA.glob("*.toml"):
        if beside.name not in ("site.toml", "rig.toml"):
            shutil.copy(beside, directory)
    slots = {"sensors": f"{ports}/sensors", "actuators": f"{ports}/actuators", "player": player, "uplink": uplink}
    text = (LIANHUA / "site.toml").read_text(encoding="utf-8")
    for name, value in slots.items():
        text = text.replace(f"@{name}@", value)
    site = directory / "site.toml"
    site.write_text(text, encoding="utf-8")
    return site


def public_python() -> str | None:
    """A Python of this version that every user may run; None where there is none."""
    name = f"python3.{sys.version_info.minor}"
    for place in (Path(sys.base_prefix) / "bin", Path("/usr/bin"), Path("/usr/local/bin")):
        python = (place / name).resolve()
        if python.exists() and all(parent.stat().st_mode & 0o001 for parent in python.parents):
            return str(python)
    return None


def settings(unit: Path) -> dict[str, str]:
    """A unit's settings, whatever their section; of several with one name the last."""
    lines = unit.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}
