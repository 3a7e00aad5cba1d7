"""The JIT build of a rule set: compiled and tested in a child process, checked, loaded; whatever fails, the twin stays.

The fixed part (the engine) is compiled once for all rule sets, each shape once for all that have it; what a cache has
already is not compiled again. Run as `python -m rules.engine.build` it is that child.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from rules.engine import selftest
from rules.engine.codecache import (
    check_directory,
    engine_name,
    forget,
    intact,
    modules_of,
    seal,
    shape_module,
    tidy,
    write,
)
from rules.engine.tables import Kernels, Tables, adopt

TIMEOUT_S = 3600.0  # a Pi 4 needs minutes for all shapes of the library


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Where a build stands. `twin`: there is no build, and `reason` says why; judgement goes on with the twin."""

    state: Literal["building", "ready", "twin"]
    reason: str
    seconds: float  # since start
    kernels: Kernels | None = None


class Builder:
    """One build of one rule set's tables. `start`, `poll` from time to time, `close` at the end; none of them waits.

    Compiling happens in a child process of lowest priority, looking and loading in a thread of our own.
    """

    def __init__(
        self, tables: Tables, cache_dir: Path, *, timeout_s: float = TIMEOUT_S, recorded: bool = False
    ) -> None:
        self._tables = tables
        self._recorded = recorded
        self._directory = cache_dir
        self._timeout_s = timeout_s
        self._begun = 0.0
        self._attempts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None  # what the child says
        self._loader: threading.Thread | None = None
        self._loaded: Kernels | str = ""  # what the loader found: kernels, or why not
        self._result: BuildResult | None = None

    def start(self) -> None:
        """Load what the cache has, or start compiling. Raises nothing: what is wrong is told by `poll`."""
        self._begun = time.monotonic()
        self._result = BuildResult("building", "", 0.0)
        try:
            check_directory(self._directory)
            self._load()
        except OSError as error:
            self._stay(f"JIT cache: {error}")

    def poll(self) -> BuildResult | None:
        """Where the build stands; None before `start`."""
        if self._result is None or self._result.state != "building":
            return self._result
        if self._child is not None:
            self._watch(self._child)
        elif self._loader is not None and not self._loader.is_alive():
            self._loader = None
            if isinstance(self._loaded, Kernels):
                self._result = BuildResult("ready", "", time.monotonic() - self._begun, self._loaded)
            else:
                self._compile(self._loaded)
        if self._result.state == "building":
            self._result = BuildResult("building", "", time.monotonic() - self._begun)
        return self._result

    def close(self) -> None:
        """Kill the child, if there is one. Kernels that were handed out stay usable."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        if self._result is not None and self._result.state == "building":
            self._stay("the build was given up")

    def _stay(self, reason: str) -> None:
        self._result = BuildResult("twin", reason, time.monotonic() - self._begun)

    def _compile(self, reason: str) -> None:
        """Start the child, twice at most: a compiler that fails twice fails always."""
        if self._attempts > 1:
            self._stay(reason)
            return
        self._attempts += 1
        tables = self._tables
        job = {
            "shapes": tables.shapes,
            "places": tables.places,
            "state": [tables.tab, tables.par, tables.num, tables.ints],
        }
        command = [sys.executable, "-P", "-m", "rules.engine.build"]
        command += [str(self._directory), str(int(self._timeout_s) + 1)]
        try:
            self._words = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - read when the child has ended
            with tempfile.TemporaryFile(dir=self._directory) as told:
                told.write(json.dumps(job).encode())
                told.seek(0)
                self._child = subprocess.Popen(command, stdin=told, stdout=self._words, stderr=self._words)
        except OSError as error:
            self._stay(f"JIT cache: {error}")

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        code = child.poll()
        if code is None:
            if time.monotonic() - self._begun > self._timeout_s:
                self.close()
                self._stay(f"compiling took longer than {self._timeout_s:g} s")
            return
        self._child = None
        if code != 0:
            self._stay(f"compiling failed ({code}): {self._last_words()}")
        else:
            self._load()

    def _last_words(self) -> str:
        if self._words is None:
            return "no reason given"
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").splitlines()
        return lines[-1][:300] if lines else "no reason given"

    def _load(self) -> None:
        self._loader = threading.Thread(target=self._loading, name="rules-load", daemon=True)
        self._loader.start()

    def _loading(self) -> None:
        try:
            lacking = [
                name for name, text in modules_of(self._tables.shapes).items() if not whole(self._directory, name, text)
            ]
            if lacking:
                self._loaded = f"the cache lacks {len(lacking)} modules, {lacking[0]} first, after it was made"
            else:
                self._loaded = load(self._directory, self._tables, recorded=self._recorded)
        except Exception as error:  # noqa: BLE001 - numba raises anything, and judgement must go on with the twin
            self._loaded = f"loading failed: {type(error).__name__}: {error}"


def whole(directory: Path, name: str, text: str) -> bool:
    """Whether a module is loaded already, or whole in the cache."""
    return _at_hand(directory, name) is not None or intact(directory, name, text)


def _at_hand(directory: Path, name: str) -> Any:
    """The module, where this process has loaded it from this directory; otherwise None."""
    module = sys.modules.get(name)
    return module if module is not None and module.__file__ == str(directory / f"{name}.py") else None


def _module(directory: Path, name: str) -> Any:
    """Import a generated file under its own stable name, without a .pyc of it."""
    if (known := _at_hand(directory, name)) is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, directory / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{directory / name}.py can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: numba's cache looks it up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load(directory: Path, tables: Tables, steps: int = 60, *, recorded: bool = False) -> Kernels:
    """The build from an intact cache, after a short test against the twin. Raises what numba raises, and ValueError.

    `recorded`: its entry for recorded history is tested, and so compiled or loaded, too.
    """
    import numba  # noqa: PLC0415 - late: the guard polls first
    import numpy as np  # noqa: PLC0415

    config: Any = numba.config
    if config.DISABLE_JIT:
        raise ValueError("NUMBA_DISABLE_JIT is set")
    config.CACHE_DIR = ""  # beside the module, where checksums watch, whatever the environment says
    engine = _module(directory, engine_name())
    forms = {number: _module(directory, shape_module(number)).form for number in tables.shapes}  # kept, so not freed

    def arrays(state: array[Any]) -> Any:
        return np.frombuffer(state, dtype=np.int64 if state.typecode == "q" else np.float64)

    def addressed(tab: array[int]) -> array[int]:
        found = array("q", tab)
        for place in tables.places:
            found[place] = forms[found[place]].address
        return found

    kernels = Kernels(engine.run_arrays, engine.history_arrays, arrays, "jit", addressed)
    selftest.live(tables, kernels, steps)
    if recorded:
        selftest.recorded(tables, kernels, steps)
    return kernels


def kernels_for(tables: Tables, cache_dir: Path, progress: Callable[[float], None] = lambda _: None) -> BuildResult:
    """Build or load, waiting for it; `progress` is told the seconds so far. For who has time: never in a guard."""
    builder = Builder(tables, cache_dir, recorded=True)
    builder.start()
    try:
        while (result := builder.poll()) is not None and result.state == "building":
            progress(result.seconds)
            time.sleep(0.05)
    finally:
        builder.close()
    if result is None:
        raise RuntimeError("a builder that was started has a result")
    return result


def compile_missing(directory: Path, tables: Tables) -> None:
    """Compile what the cache lacks by loading it, test it, and only then write the checksums that make it valid."""
    modules = modules_of(tables.shapes)
    lacking = [name for name, text in modules.items() if not intact(directory, name, text)]
    for name in lacking:
        forget(directory, name)
        write(directory, name, modules[name])
    load(directory, tables, steps=400, recorded=True)
    for name in lacking:
        seal(directory, name)
    tidy(directory)


def main(directory: Path, timeout_s: int) -> None:
    """The child: one at a time in a cache."""
    os.nice(19)
    signal.alarm(timeout_s)  # should the parent be gone
    job = json.load(sys.stdin)
    tab, par, num, ints = job["state"]
    tables = Tables(tab, par, num, ints, {int(number): body for number, body in job["shapes"].items()}, job["places"])
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        adopt(tables)
        compile_missing(directory, tables)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
