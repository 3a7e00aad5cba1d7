"""A real systemd in a container over an overlay of this machine; it leaves nothing behind. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_BOOT_S = 60.0


class CannotBoot(RuntimeError):  # noqa: N818 - the text is why a test is skipped
    """No container can be booted here."""


class Machine:
    """A booted container, in which some directories of this machine are seen even below /tmp. Context manager."""

    def __init__(self, *shown: Path) -> None:
        self._shown = shown
        self.scratch = Path(tempfile.mkdtemp(prefix="tocsin-machine-"))
        self.root = self.scratch / "root"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        try:
            self._mount()
            self._boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._nspawn is not None:
            self._nspawn.send_signal(signal.SIGTERM)
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                if self._leader:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self._leader, signal.SIGKILL)
                self._nspawn.kill()
                self._nspawn.wait()
        subprocess.run(["umount", "-l", str(self.root)], capture_output=True, check=False)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self, *command: str, check: bool = True, timeout: float = 60, cwd: str = "/") -> str:
        """What a command inside prints, both streams. Raises RuntimeError with it when the command fails."""
        inside = ["nsenter", "-t", str(self._leader), "-a", f"--wdns={cwd}", "--", *command]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "USER": "root", "LANG": "C.UTF-8"}
        done = subprocess.run(
            inside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout, env=environment, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def property(self, unit: str, name: str) -> str:
        """A unit's property."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def log(self, *units: str) -> str:
        """What units wrote to the journal."""
        chosen = [word for unit in units for word in ("-u", unit)]
        return self.run("journalctl", "--no-pager", "-o", "short-monotonic", *chosen, check=False)

    def _mount(self) -> None:
        for program in ("systemd-nspawn", "nsenter", "mount"):
            if not shutil.which(program):
                raise CannotBoot(f"{program} is not installed")
        for name in ("upper", "work", "root"):
            (self.scratch / name).mkdir()
        where = f"lowerdir=/,upperdir={self.scratch}/upper,workdir={self.scratch}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", where, str(self.root)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotBoot(f"no overlay over /: {done.stderr.strip()}")
        for target in ("multi-user", "timers", "network-online"):  # what this machine runs is nothing to a gateway
            shutil.rmtree(self.root / "etc" / "systemd" / "system" / f"{target}.target.wants", ignore_errors=True)
        (self.root / "etc" / "machine-id").unlink(missing_ok=True)

    def _boot(self) -> None:
        name = f"tocsin-{os.getpid()}"  # a host name: letters, digits and hyphens
        log = (self.scratch / "console.log").open("wb")
        self._nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={name}", "--boot",
                "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--resolv-conf=off",
                "--timezone=off", *(f"--bind-ro={path}" for path in self._shown),
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        end_s = time.monotonic() + _BOOT_S
        while time.monotonic() < end_s and self._nspawn.poll() is None:
            self._leader = self._leader or self._child()
            if self._leader:
                state = self.run("systemctl", "is-system-running", check=False).strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.2)
        raise CannotBoot(
            f"systemd is not up, {_BOOT_S:g} s were given:\n{(self.scratch / 'console.log').read_text()[-2000:]}"
        )

    def _child(self) -> int:
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text(encoding="ascii")
        return int(children.split()[0]) if children else 0
