"""What a recording's file gives block by block, before anything of it is understood. Data only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .plan import Plan


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file as arrow arrays by the number of their column."""

    columns: Mapping[int, Any]
    rows: int
    lines: int = 0  # of text, of which these rows were made
    ragged: int = 0  # lines with too few or too many cells
    blank: int = 0  # empty lines and comments
    continued: int = 0  # lines inside a quoted text


@dataclass(frozen=True, slots=True)
class Opened:
    """What the start of a file shows."""

    names: Sequence[str]  # of its columns
    line: int  # where they stand
    sample: Sequence[Sequence[str]]  # the first rows as texts
    typed_time: Mapping[int, bool] = field(default_factory=dict)  # columns that are times by type: with a zone?


class Recording(Protocol):
    """A file that can be read block by block, as often as one likes."""

    path: Path
    opened: Opened
    head_lines: int  # before the first row

    def blocks(self, plan: Plan, share: int) -> Iterator[Any]:
        """Its raw blocks in order, so much smaller as it is one of `share` that are open. Raises ConfigErrors."""
        ...

    def batch(self, block: Any, plan: Plan) -> Batch:
        """A block's rows, by any thread."""
        ...
