"""Reads Parquet files a few rows at a time, whatever the size of their row groups. Judges no values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.site.problems import ConfigErrors, Problem

from .arrow import pa, parquet
from .batches import Batch, Opened
from .plan import Plan

BATCH_CELLS = 400_000
_LEAST_ROWS = 1_000
_BUFFER_BYTES = 1 << 16  # read ahead for each column


class ParquetFile:
    """One Parquet file."""

    def __init__(self, path: Path) -> None:
        """Look at its schema. Raises ConfigErrors when it has none."""
        self.path = path
        self.head_lines = 0
        with self._open() as file:
            schema = file.schema_arrow
        kinds = [schema.field(at).type for at in range(len(schema.names))]
        typed_time = {
            at: getattr(kind, "tz", None) is not None
            for at, kind in enumerate(kinds)
            if pa().types.is_timestamp(kind) or pa().types.is_date(kind)
        }
        self.opened = Opened(schema.names, 1, [], typed_time)
        for batch in self._batches(None, 20):
            rows = zip(*(column.cast(pa().string()).to_pylist() for column in batch.columns), strict=True)
            self.opened = Opened(schema.names, 1, [[cell or "" for cell in row] for row in rows], typed_time)
            break

    def _open(self) -> Any:
        try:
            return parquet().ParquetFile(self.path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (OSError, pa().ArrowInvalid) as error:
            raise self._error(error) from None

    def _batches(self, names: list[str] | None, rows: int) -> Iterator[Any]:
        try:
            with self._open() as file:
                yield from file.iter_batches(batch_size=rows, columns=names, use_threads=False)
        except (OSError, pa().ArrowInvalid) as error:
            raise self._error(error) from None

    def blocks(self, plan: Plan, share: int) -> Iterator[Any]:
        """Its rows, decoded."""
        wanted = sorted({*plan.times, *plan.texts, *plan.numbers})
        names = [self.opened.names[at] for at in wanted]
        for batch in self._batches(names, max(_LEAST_ROWS, BATCH_CELLS // (len(wanted) * share))):
            yield {at: batch.column(place) for place, at in enumerate(wanted)}, batch.num_rows

    def batch(self, block: Any, plan: Plan) -> Batch:
        """Decoded rows as a batch."""
        columns, rows = block
        for at in plan.texts:
            if not pa().types.is_dictionary(columns[at].type):
                columns[at] = columns[at].cast(pa().string()).dictionary_encode()
        return Batch(columns, rows)

    def _error(self, error: Exception) -> ConfigErrors:
        return ConfigErrors([Problem(self.path, 1, None, "", f"can't be read as Parquet: {error}", "")])
