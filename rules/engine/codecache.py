"""The directory of JIT builds: generated modules, numba's files, checksums that say what is whole. It compiles nothing.

Cache files are pickles, and whoever writes them runs code as us: the directory must be ours alone, and no file is
opened by numba before its checksum was found right.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import stat
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rules.engine.dispatch import HEAD
from rules.engine.tables import fixed_source

KEEP = 2  # engines whose builds are kept, the newest
_ENGINE = '''"""The fixed part of judgement for numba; the same text, without decorators, is the twin."""

from __future__ import annotations

from math import sqrt

import numba
from numba.core import types
from numba.extending import intrinsic

INTS, FLOATS = types.CPointer(types.int64), types.CPointer(types.float64)
FORM = types.float64(INTS, FLOATS, FLOATS, INTS, types.int64, types.int64, types.float64)


@intrinsic
def data(typing, array):
    """The bare pointer to an array's data: four of them fit into registers, four arrays do not."""

    def place(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), place


@intrinsic
def shape(typing, number, tab, par, num, ints, a, b, t):
    """Call a shape: its number is the machine address of a compiled function of type FORM."""

    def call(context, builder, signature, args):
        from llvmlite import ir

        given = [context.get_value_type(argument) for argument in signature.args[1:]]
        function = ir.FunctionType(context.get_value_type(signature.return_type), given)
        return builder.call(builder.inttoptr(args[0], function.as_pointer()), args[1:])

    return types.float64(types.int64, *FORM.args), call


'''
_ENTRIES = """

@numba.njit(nogil=True, cache=True)
def run_arrays(tab, par, num, ints, t, count):
    return run(data(tab), data(par), data(num), data(ints), t, count)


@numba.njit(nogil=True, cache=True)
def history_arrays(tab, par, num, ints, at, first, points, values, qualities, steps, k):
    columns = data(at), data(first), data(points), data(values), data(qualities)
    return history(data(tab), data(par), data(num), data(ints), *columns, steps, k)
"""
_SHAPE = '''"""A shape of conditions or sources, generated from a rule set."""

from numba import cfunc

from {engine} import *


@cfunc(FORM, cache=True)
'''


class CacheError(OSError):
    """The cache directory can't be used, in words."""


# Large or seldom called functions are called; all others are copied into their callers, since the four bare pointers
# may overlap for all the compiler knows, and each call would have to read everything again.
_CALLED = {
    "settle", "run_out", "run_out_one", "run", "history", "release", "rezero", "flip", "rebuild", "cross", "mark_limit",
    "mark_point", "order", "take", "line", "creep", "feed_decay", "feed_streak", "extend_streak", "period_of", "faded",
    "interpolated", "lookup", "put", "pull", "added",
}  # fmt: skip


@cache
def engine_text() -> str:
    """The module of the fixed part: every function compiled, the entries cached."""
    text = re.sub(r"^def (\w+)", _compiled, fixed_source(), flags=re.MULTILINE)
    return f"{_ENGINE}{text}{_ENTRIES}"


def _compiled(line: re.Match[str]) -> str:
    how = "" if line[1] in _CALLED else ", forceinline=True"
    return f"@numba.njit(nogil=True{how})\n{line[0]}"


@cache
def engine_name() -> str:
    """A stable name: the same for every rule set."""
    return "tocsin_engine_" + hashlib.sha256(engine_text().encode()).hexdigest()[:12]


def modules_of(shapes: Mapping[int, str]) -> dict[str, str]:
    """Every module that a rule set with these shapes needs, and its text: the engine, then a module for each shape."""
    engine = engine_name()
    found = {engine: engine_text()}
    for number, body in shapes.items():
        found[shape_module(number)] = _SHAPE.format(engine=engine) + HEAD + body
    return found


def shape_module(number: int) -> str:
    """The name of a shape's module: of this engine."""
    return f"{engine_name().replace('engine', 'shape')}_{number:014x}"


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


def write(directory: Path, name: str, text: str) -> None:
    """Put a module's text in place."""
    _replace(directory / f"{name}.py", text.encode())


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


def intact(directory: Path, name: str, text: str) -> bool:
    """Whether the cache holds a whole, undamaged, tested build of this module for this machine."""
    try:
        if (directory / f"{name}.py").read_bytes() != text.encode():
            return False
        told = json.loads(_manifest(directory, name).read_bytes())
        found = _sums(directory, name)
    except (OSError, ValueError):
        return False
    return bool(found == told and len(found["files"]) >= 2)


def seal(directory: Path, name: str) -> None:
    """Write the checksums that make a build valid."""
    _replace(_manifest(directory, name), json.dumps(_sums(directory, name)).encode())


def forget(directory: Path, name: str) -> None:
    """Remove a build."""
    for path in (*_files(directory, name), _manifest(directory, name), directory / f"{name}.py"):
        path.unlink(missing_ok=True)


def tidy(directory: Path) -> None:
    """Remove the builds of all but the newest engines."""
    engines = sorted(directory.glob("tocsin_engine_*.py"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [path.stem.rpartition("_")[2] for path in engines if path.stem != engine_name()][KEEP - 1 :]:
        for path in (*directory.glob(f"tocsin_*_{old}*"), *(directory / "__pycache__").glob(f"tocsin_*_{old}*")):
            path.unlink(missing_ok=True)
