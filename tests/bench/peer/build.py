"""Compiles the C peer of a rule set and calls it with the very columns that the rule engine judges."""

from __future__ import annotations

import _ctypes
import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.backtest import Steps
from rules.ruleset import Ruleset
from tests.bench.peer.generate import Source

HERE = Path(__file__).parent
# Without gcc's vectors of neighbouring fields: they are written one by one and read at once, which stalls (slope: 2 x).
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fno-tree-slp-vectorize", "-ffp-contract=off", "-shared", "-fPIC")
MOVE = np.dtype([("at", "f8"), ("alarm", "i8"), ("previous", "i8"), ("level", "i8")])
Moves = NDArray[np.void]


class Peer:
    """A rule set in C. `judge` starts from nothing each time; `seconds` is what gcc took."""

    def __init__(self, ruleset: Ruleset, compiler: str = "gcc", flags: tuple[str, ...] = FLAGS) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="tocsin-peer-")
        self.path = Path(self._directory.name) / "rules.so"
        self.path.with_name("rules.h").write_text(Source(ruleset).text(), encoding="utf-8")
        command = [
            compiler,
            *flags,
            f"-I{self._directory.name}",
            f"-I{HERE}",
            "-o",
            str(self.path),
            str(HERE / "judge.c"),
        ]
        subprocess.run([*command, "-lm"], check=True)

    def close(self) -> None:
        self._directory.cleanup()

    def judge(self, born_s: float, stretches: Iterable[Steps], room: int = 1 << 20) -> Moves:
        """The moves of a history. A library opened anew has its first state."""
        with tempfile.TemporaryDirectory() as directory:
            library = ctypes.CDLL(shutil.copy(self.path, directory))
        library.judge.restype = ctypes.c_long
        moves = np.zeros(room, MOVE)
        library.begin(ctypes.c_double(born_s), pointer(moves), ctypes.c_long(room))
        count = 0
        for steps in stretches:
            columns = (steps.at_s, steps.first, steps.point, steps.value, steps.quality)
            count = library.judge(ctypes.c_long(len(steps.at_s)), *map(pointer, columns))
        _ctypes.dlclose(library._handle)
        if count > room:
            raise ValueError(f"{count} moves, room for {room}")
        return moves[:count]


def pointer(column: NDArray[Any]) -> ctypes.c_void_p:
    """Where a column stands, for C."""
    if not column.flags.c_contiguous:
        raise ValueError("C reads columns without gaps")
    return ctypes.c_void_p(column.ctypes.data)
