"""Brings in pyarrow when a recording is read, and says it plainly where there is none. Knows no recordings."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from agent.site.problems import ConfigErrors, Problem


def require(path: Path) -> None:
    """Raises ConfigErrors where pyarrow is not installed: `path` is what then can't be read."""
    try:
        import_module("pyarrow")
    except ImportError as error:
        message = f"reading recordings needs pyarrow, which can't be loaded: {error}"
        hint = "pip install pyarrow; for 32-bit ARM there is none: judge recordings on another machine"
        raise ConfigErrors([Problem(path, 1, None, "", message, hint)]) from None


@cache
def pa() -> Any:
    """The package itself. Nothing of it is typed."""
    return import_module("pyarrow")


@cache
def compute() -> Any:
    """Its functions over arrays."""
    return import_module("pyarrow.compute")


@cache
def csv() -> Any:
    """Its CSV reader."""
    return import_module("pyarrow.csv")


@cache
def parquet() -> Any:
    """Its Parquet reader."""
    return import_module("pyarrow.parquet")
