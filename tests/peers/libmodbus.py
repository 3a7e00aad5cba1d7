"""Builds the libmodbus peer, where a C compiler and libmodbus are installed (Debian: libmodbus-dev)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def build(directory: Path) -> Path | None:
    """The program (see libmodbus.c) in `directory`; None where it can't be built."""
    if not (shutil.which("cc") and shutil.which("pkg-config")):
        return None
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        return None
    program = directory / "libmodbus"
    source = Path(__file__).with_name("libmodbus.c")
    subprocess.run(["cc", "-O2", "-o", program, source, *flags.stdout.split()], check=True)
    return program
