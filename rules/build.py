"""The JIT build of a rule set: compiled and tested in a child process, checked, loaded; whatever fails, the twin stays.

Run as `python -m rules.build` it is that child. Cache files are pickles, and whoever writes them runs code as us:
the directory must be ours alone, and no file is opened by numba before its checksum was found right.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rules import windows
from rules.ruleset import Ruleset
from rules.tables import Kernels, Tables, plain, twin

TIMEOUT_S = 600.0  # a Pi 4 needs a minute for twenty shapes
KEEP = 4  # modules kept in the cache, newest first
_HEAD = '''"""Generated from a rule set; do not edit. The same text, without decorators, is the twin."""

from __future__ import annotations

from math import sqrt

import numba
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def data(typing, array):
    """The bare pointer to an array's data: four of them fit into registers, four arrays do not."""

    def place(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), place
'''
_ENTRIES = '''

@numba.njit(nogil=True, cache=True)
def run_arrays(tab, par, num, ints, t, count):
    return run(data(tab), data(par), data(num), data(ints), t, count)


@numba.njit(nogil=True, cache=True)
def history_arrays(tab, par, num, ints, at, first, points, values, qualities, steps, k):
    columns = data(at), data(first), data(points), data(values), data(qualities)
    return history(data(tab), data(par), data(num), data(ints), *columns, steps, k)
'''


class CacheError(OSError):
    """The cache directory can't be used, in words."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Where a build stands. `twin`: there is no build, and `reason` says why; judgement goes on with the twin."""

    state: Literal["building", "ready", "twin"]
    reason: str
    seconds: float  # since start
    kernels: Kernels | None = None


def module_text(source: str) -> str:
    """The generated module for numba: every function compiled, the entries cached."""
    text = "\n".join(f"@numba.njit(nogil=True)\n{line}" if line.startswith("def ") else line for line in source.split("\n"))
    return f"{_HEAD}\n\n{text}{_ENTRIES}"


def _source(text: str) -> str:
    """The source that a module's text was made from."""
    inner = text[len(_HEAD) + 2 : len(text) - len(_ENTRIES)]
    return "\n".join(line for line in inner.split("\n") if line != "@numba.njit(nogil=True)")


def module_name(source: str) -> str:
    """A stable name: the same shapes give the same module, whatever the numbers in the rules."""
    return "tocsin_rules_" + hashlib.sha256(module_text(source).encode()).hexdigest()[:16]


class Builder:
    """One build of one rule set. `start`, then `poll` from time to time, `close` at the end; none of them waits.

    Compiling happens in a child process of lowest priority, loading in a thread of our own.
    """

    def __init__(
        self, ruleset: Ruleset, cache_dir: Path, *, timeout_s: float = TIMEOUT_S, recorded: bool = False
    ) -> None:
        self._tables = ruleset.tables
        self._recorded = recorded
        self._directory = cache_dir
        self._name = module_name(ruleset.source)
        self._timeout_s = timeout_s
        self._begun = 0.0
        self._attempts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._loader: threading.Thread | None = None
        self._loaded: Kernels | str | None = None  # what the loader found: kernels, or why not
        self._result: BuildResult | None = None

    def start(self) -> None:
        """Load what the cache has, or start compiling. Raises nothing: what is wrong is told by `poll`."""
        self._begun = time.monotonic()
        self._result = BuildResult("building", "", 0.0)
        try:
            check_directory(self._directory)
            if write_source(self._directory, self._name, self._tables.source) and intact(self._directory, self._name):
                self._load()
            else:
                self._spawn()
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
                self._again(str(self._loaded))
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

    def _spawn(self) -> None:
        self._attempts += 1
        forget(self._directory, self._name)
        tables = json.dumps([self._tables.tab, self._tables.par, self._tables.num, self._tables.ints])
        (self._directory / f"{self._name}.json").write_text(tables, encoding="utf-8")
        command = [
            sys.executable,
            "-P",
            "-m",
            "rules.build",
            str(self._directory),
            self._name,
            str(int(self._timeout_s) + 1),
        ]
        with (self._directory / f"{self._name}.log").open("wb") as log:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

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
        elif intact(self._directory, self._name):
            self._load()
        else:
            self._again("the cache was damaged while it was made")

    def _last_words(self) -> str:
        try:
            lines = (self._directory / f"{self._name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            return str(error)
        return lines[-1][:300] if lines else "no reason given"

    def _again(self, reason: str) -> None:
        """Once more from nothing, then never: a compiler that fails twice fails always."""
        if self._attempts > 1:
            self._stay(reason)
            return
        try:
            self._spawn()
        except OSError as error:
            self._stay(f"JIT cache: {error}")

    def _load(self) -> None:
        self._loader = threading.Thread(target=self._loading, name="rules-load", daemon=True)
        self._loader.start()

    def _loading(self) -> None:
        try:
            self._loaded = load(self._directory, self._name, self._tables, recorded=self._recorded)
        except Exception as error:  # noqa: BLE001 - numba raises anything, and judgement must go on with the twin
            self._loaded = f"loading failed: {type(error).__name__}: {error}"


# --- the cache -----------------------------------------------------------------------------------------------------


def check_directory(directory: Path) -> None:
    """Make the cache directory, or refuse one that others could write to. Raises CacheError."""
    for path in (directory, directory / "__pycache__"):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = path.lstat()
        except OSError as error:
            raise CacheError(f"{path} can't be made: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"{path} is not a directory")
        if status.st_uid != os.geteuid():
            raise CacheError(f"{path} belongs to user {status.st_uid}; it must be ours, since cache files run as code")
        if status.st_mode & 0o022:
            raise CacheError(f"{path} is writable by others; chmod go-w it, since cache files run as code")
        if not os.access(path, os.W_OK | os.X_OK):
            raise CacheError(f"{path} is not writable")


def _files(directory: Path, name: str) -> list[Path]:
    return sorted((directory / "__pycache__").glob(f"{name}.*.nb[ic]"))


def _manifest(directory: Path, name: str) -> Path:
    return directory / f"{name}.sums"


def _sums(directory: Path, name: str) -> dict[str, Any]:
    """What a build is: its files' checksums, and everything else numba asks of a cache entry."""
    source = directory / f"{name}.py"
    status = source.stat()
    return {
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(directory, name)},
        "source": [status.st_mtime_ns, status.st_size, hashlib.sha256(source.read_bytes()).hexdigest()],
        "made_by": [sys.version, platform.machine(), _version("numba"), _version("llvmlite"), _processor()],
    }


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only where a build is wanted

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """The processor as the kernel tells it: code made for another one must not be loaded."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return platform.processor()
    keep = [line for line in text.splitlines() if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return hashlib.sha256("\n".join(keep).encode()).hexdigest()


def write_source(directory: Path, name: str, source: str) -> bool:
    """Put the generated module in place; True when it was there already, byte for byte."""
    path = directory / f"{name}.py"
    text = module_text(source).encode()
    with contextlib.suppress(OSError):
        if path.read_bytes() == text:
            return True
    _replace(path, text)
    return False


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


def intact(directory: Path, name: str) -> bool:
    """Whether the cache holds a whole, undamaged, tested build for this machine."""
    try:
        told = json.loads(_manifest(directory, name).read_bytes())
        found = _sums(directory, name)
    except (OSError, ValueError):
        return False
    return bool(found == told and len(found["files"]) >= 2)


def forget(directory: Path, name: str) -> None:
    """Remove a build, and all but the newest others."""
    for path in (*_files(directory, name), _manifest(directory, name)):
        path.unlink(missing_ok=True)
    modules = sorted(directory.glob("tocsin_rules_*.py"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [path.stem for path in modules if path.stem != name][KEEP:]:
        for path in (*_files(directory, old), *directory.glob(f"{old}.*")):
            path.unlink(missing_ok=True)


# --- loading and testing --------------------------------------------------------------------------------------------


def _module(directory: Path, name: str) -> Any:
    """Import the generated file under its own stable name, without a .pyc of it."""
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


def load(directory: Path, name: str, tables: Tables, steps: int = 60, *, recorded: bool = False) -> Kernels:
    """The build from an intact cache, after a short test against the twin. Raises what numba raises, and ValueError.

    `recorded`: its entry for recorded history is tested, and so compiled or loaded, too.
    """
    import numba  # noqa: PLC0415 - late: the guard polls first
    import numpy as np  # noqa: PLC0415

    config: Any = numba.config
    if config.DISABLE_JIT:
        raise ValueError("NUMBA_DISABLE_JIT is set")
    config.CACHE_DIR = ""  # beside the module, where checksums watch, whatever the environment says

    def arrays(state: array[Any]) -> Any:
        return np.frombuffer(state, dtype=np.int64 if state.typecode == "q" else np.float64)

    module = _module(directory, name)
    kernels = Kernels(module.run_arrays, module.history_arrays, arrays, "jit")
    test(tables, kernels, steps)
    if recorded:
        test_recorded(tables, kernels, steps)
    return kernels


def _random_samples(chance: random.Random, points: int) -> list[tuple[int, float, int]]:
    """Readings of some points, bad ones among them: (point, value, quality)."""
    found = []
    for p in chance.sample(range(points), chance.randrange(points + 1)):
        quality = chance.choice([0, 0, 0, 0, 1, 2, 3, 5, 6])
        value = chance.choice([chance.uniform(-100.0, 1000.0), float(chance.randrange(10)), windows.NAN])
        found.append((p, value, quality))
    return found


def test(tables: Tables, kernels: Kernels, steps: int) -> None:
    """Judge random readings with bad data in both ways; raises ValueError when any bit of the state differs."""
    chance = random.Random(steps)  # noqa: S311 - test data
    states = [_state(tables), _state(tables)]
    calls = [_call(one, state) for one, state in zip((plain(twin(tables.source)), kernels), states, strict=True)]
    t = 0.0
    for step in range(steps):
        t += chance.choice([0.0, 0.5, 1.0, chance.uniform(0.0, 5.0), chance.expovariate(0.02)])
        samples = _random_samples(chance, tables.tab[windows.H_POINT_COUNT])
        for k, (p, value, quality) in enumerate(samples):
            for _, _, num, ints in states:
                num[tables.tab[windows.H_INBOX_VALUES] + k] = value
                ints[tables.tab[windows.H_INBOX] + 2 * k] = p
                ints[tables.tab[windows.H_INBOX] + 2 * k + 1] = quality
        while True:
            again = [call(t, len(samples)) for call in calls]
            if again[0] != again[1] or not _same(*states):
                raise ValueError(f"the JIT build and its twin differ in step {step} of the self-test")
            if not again[0]:
                break


def test_recorded(tables: Tables, kernels: Kernels, steps: int) -> None:
    """As `test`, as recorded history."""
    chance = random.Random(steps)  # noqa: S311 - test data
    at, first = array("d"), array("q", [0])
    points, values, qualities = array("q"), array("d"), array("q")
    t = 0.0
    for _ in range(steps):
        t += chance.choice([0.5, 1.0, chance.uniform(0.0, 5.0), chance.expovariate(0.02)])
        for p, value, quality in _random_samples(chance, tables.tab[windows.H_POINT_COUNT]):
            points.append(p)
            values.append(value)
            qualities.append(quality)
        at.append(t)
        first.append(len(points))
    states = [_state(tables), _state(tables)]
    ends = []
    for one, state in zip((plain(twin(tables.source)), kernels), states, strict=True):
        columns = [one.arrays(part) for part in (*state, at, first, points, values, qualities)]
        step, moves = 0, 0
        while step < steps:
            step = one.history(*columns, steps, step)
            moves += 1
            step = -1 - step if step < 0 else step
        ends.append(moves)
    if ends[0] != ends[1] or not _same(*states):
        raise ValueError("the JIT build and its twin judge recorded history differently")


def kernels_for(ruleset: Ruleset, cache_dir: Path, progress: Callable[[float], None] = lambda _: None) -> BuildResult:
    """Build or load, waiting for it; `progress` is told the seconds so far. For who has time: never in a guard."""
    builder = Builder(ruleset, cache_dir, recorded=True)
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


def _state(tables: Tables) -> tuple[array[int], array[float], array[float], array[int]]:
    return array("q", tables.tab), array("d", tables.par), array("d", tables.num), array("q", tables.ints)


def _call(kernels: Kernels, state: tuple[array[Any], ...]) -> Callable[[float, int], int]:
    tab, par, num, ints = (kernels.arrays(part) for part in state)
    return lambda t, count: kernels.run(tab, par, num, ints, t, count)


def _same(one: tuple[array[Any], ...], two: tuple[array[Any], ...]) -> bool:
    """Equal bit for bit, but any NaN is a NaN."""
    if one[2].tobytes() == two[2].tobytes():
        return one[3] == two[3]
    return one[3] == two[3] and all(a == b or (a != a and b != b) for a, b in zip(one[2], two[2], strict=True))  # noqa: PLR0124


def main(directory: Path, name: str, timeout_s: int) -> None:
    """The child: compile by calling, test, and only then write the checksums that make the build valid."""
    os.nice(19)
    signal.alarm(timeout_s)  # should the parent be gone
    tab, par, num, ints = json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
    text = (directory / f"{name}.py").read_text(encoding="utf-8")
    load(directory, name, Tables(tab, par, num, ints, _source(text)), steps=400, recorded=True)
    _replace(_manifest(directory, name), json.dumps(_sums(directory, name)).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
