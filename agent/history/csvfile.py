"""Reads CSV files block by block: fast where a block is as expected, slower and just as rightly where it is not.

Judges no values: it only cuts text into cells, and accounts for each line.
"""

from __future__ import annotations

import codecs
import csv as plain_csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.site.problems import ConfigErrors, Problem

from .arrow import csv, pa
from .batches import Batch, Opened
from .mapping import MappingTable
from .plan import Plan
from .stamps import NUMBERS, has_zone

BLOCK_BYTES = 1 << 22
_LEAST_BYTES = 1 << 16
_HEAD_BYTES = 1 << 18
_SAMPLE_LINES = 20
_UTF8 = {"utf-8", "utf_8", "utf8", "utf-8-sig", "utf_8_sig", "ascii"}
_BOM = b"\xef\xbb\xbf"
_BACK = 1000  # lines to look back for one that ends outside of quotes


class CsvFile:
    """One CSV file, also compressed (.gz, .bz2, .zst)."""

    def __init__(self, path: Path, table: MappingTable) -> None:
        """Look at its start. Raises ConfigErrors when it has none."""
        self.path = path
        self._table = table
        first = next(self._texts(_HEAD_BYTES), b"")
        self._ends = b"\n" if b"\n" in first or b"\r" not in first else b"\r"  # an old Mac's
        lines = _lines(first.replace(b"\r", b"\n") if self._ends == b"\r" else first)
        at = self._after_comments(lines, table.skip)
        if at >= len(lines):
            raise self._error(f"has no line with column names behind {table.skip} lines to skip")
        self.delimiter = table.delimiter or _delimiter(lines[at])
        self.head_lines = at + (1 + table.after_header if table.header else 0)
        following = lines[self.head_lines : self.head_lines + _SAMPLE_LINES]
        sample = [self._cells(line) for line in following if line.strip() and not self._is_comment(line)]
        width = len(sample[0]) if sample else 0
        names = self._names(lines[at]) if table.header else [str(number + 1) for number in range(width)]
        while len(names) < width and not any(sample[0][len(names) :]):
            names.append("")  # rows that end with a delimiter, under names that do not
        self.opened = Opened(names, at + 1, sample)

    # --- text -----------------------------------------------------------------------------------------------------

    def _texts(self, size: int) -> Iterator[bytes]:
        """The file as UTF-8, in parts of no certain length."""
        encoding = self._table.encoding.lower()
        try:
            with pa().input_stream(str(self.path)) as stream:
                if encoding in _UTF8:
                    part = stream.read(size)
                    yield part.removeprefix(_BOM)
                    while part := stream.read(size):
                        yield part
                else:
                    decoder = codecs.getincrementaldecoder(encoding)("replace")
                    while part := stream.read(size):
                        yield decoder.decode(part).removeprefix("\ufeff").encode()
                    yield decoder.decode(b"", final=True).encode()
        except (OSError, pa().ArrowInvalid) as error:
            raise self._error(f"can't be read: {error}") from None

    def blocks(self, plan: Plan, share: int) -> Iterator[bytes]:  # noqa: ARG002 - cells are cut later, by any thread
        """Whole lines, ended by line feeds, from the first row on."""
        skip = self.head_lines
        for block in self._whole_lines(max(_LEAST_BYTES, BLOCK_BYTES // share) if share > 1 else BLOCK_BYTES):
            start = 0
            while skip and start < len(block):
                start, skip = block.index(b"\n", start) + 1, skip - 1
            if start < len(block):
                yield block[start:] if start else block

    def _whole_lines(self, size: int) -> Iterator[bytes]:
        rest = b""
        for part in self._texts(size):
            rest += part.replace(b"\r", b"\n") if self._ends == b"\r" else part
            if cut := _cut(rest):
                yield rest[:cut]
                rest = rest[cut:]
        if rest:
            yield rest if rest.endswith(b"\n") else rest + b"\n"

    def batch(self, block: bytes, plan: Plan) -> Batch:
        """The rows of a block; its cells are numbers and times, or texts where some are not as expected."""
        lines = block.count(b"\n")
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        comment, blank, torn = self._table.comment, 0, 0
        if comment and comment.encode() in block:
            block, blank = re.subn(rb"(?m)^" + re.escape(comment.encode()) + rb"[^\n]*\n", b"", block)
        if b'"' in block:
            block, torn = self._without_torn(block)
        if b"\n\n" in block or block.startswith(b"\n"):
            blank += len(re.findall(rb"(?m)^\n", block))
        words = {word.encode() for cell in plan.meanings for word in cell.words}
        kinds = self._expected(plan)
        texts = {at: kind if kind == "repeated" else "text" for at, kind in kinds.items()}
        if any(word in block for word in words):
            kinds = texts
        try:
            columns, rows, ragged = self._parse(block, kinds)
        except pa().ArrowInvalid:  # a cell is not as expected, or bytes are no text
            columns, rows, ragged = self._parse(block.decode("utf-8", "replace").encode(), texts)
        continued = lines - torn - blank - rows - ragged
        return Batch(columns, rows, lines, ragged + torn, blank, continued)

    def _expected(self, plan: Plan) -> dict[int, str]:
        kinds = dict.fromkeys(plan.numbers, "number") | dict.fromkeys(plan.texts, "repeated")
        if len(plan.times) > 1 or plan.written.text not in ("iso", *NUMBERS):
            return kinds | dict.fromkeys(plan.times, "text")
        if plan.written.text in NUMBERS:
            return kinds | {plan.times[0]: "number"}
        cells = [row[plan.times[0]] for row in self.opened.sample if plan.times[0] < len(row)]
        return kinds | {plan.times[0]: "instant" if any(map(has_zone, cells)) else "stamp"}

    def _parse(self, block: bytes, kinds: dict[int, str]) -> tuple[dict[int, Any], int, int]:
        """Columns as asked, rows, ragged lines. Raises ArrowInvalid when a cell is not of its kind."""
        types = {
            "number": pa().float64(), "text": pa().string(), "repeated": pa().dictionary(pa().int32(), pa().string()),
            "stamp": pa().timestamp("ns"), "instant": pa().timestamp("ns", tz="UTC"),
        }  # fmt: skip
        wanted = {str(at): types[kind] for at, kind in kinds.items()}
        if not block.strip():
            return {at: pa().array([], wanted[str(at)]) for at in kinds}, 0, 0
        ragged = 0

        def pass_over(_: object) -> str:
            nonlocal ragged
            ragged += 1
            return "skip"

        table = csv().read_csv(
            pa().BufferReader(block),
            csv().ReadOptions(
                column_names=[str(at) for at in range(len(self.opened.names))],
                block_size=len(block) + 1,
                use_threads=False,
            ),
            csv().ParseOptions(delimiter=self.delimiter, invalid_row_handler=pass_over),
            csv().ConvertOptions(
                include_columns=list(wanted),
                column_types=wanted,
                null_values=[""],
                decimal_point=self._table.decimal,
            ),
        )
        columns = {int(name): table.column(name).combine_chunks() for name in wanted}
        return columns, table.num_rows, ragged

    def _without_torn(self, block: bytes) -> tuple[bytes, int]:
        """Leave out lines that open a quote which is never closed: it would swallow all that follow.

        That is so when no later line closes it, or a whole row stands before one does.
        """
        lines = block.splitlines(keepends=True)
        odd = [number for number, line in enumerate(lines) if line.count(b'"') % 2]
        if not odd:
            return block, 0
        delimiter = self.delimiter.encode()
        opening = re.compile(rb'(?:^|%b)"' % re.escape(delimiter))
        row = len(self.opened.names) - 1  # delimiters
        torn = set()
        at = 0
        while at < len(odd):
            start, end = odd[at], odd[at + 1] if at + 1 < len(odd) else len(lines)
            if opening.search(lines[start]) is None:
                at += 1  # a quote in the middle of a cell is a character like others
            elif end == len(lines) or any(line.count(delimiter) == row for line in lines[start + 1 : end]):
                torn.add(start)
                at += 1
            else:
                at += 2
        return b"".join(line for number, line in enumerate(lines) if number not in torn), len(torn)

    def _after_comments(self, lines: list[bytes], at: int) -> int:
        while at < len(lines) and (not lines[at].strip() or self._is_comment(lines[at])):
            at += 1
        return at

    def _is_comment(self, line: bytes) -> bool:
        return self._table.comment is not None and line.startswith(self._table.comment.encode())

    def _names(self, line: bytes) -> list[str]:
        """The cells of the line with names, which must be text: so another encoding is found at once."""
        try:
            line.decode()
        except UnicodeDecodeError:
            likely = "utf-16" if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "gb18030"
            message = f"is not written in {self._table.encoding}"
            raise self._error(message, f'a mapping can say what it is, such as encoding = "{likely}"') from None
        return [name.strip() for name in self._cells(line)]

    def _cells(self, line: bytes) -> list[str]:
        text = line.decode("utf-8", "replace")
        return next(plain_csv.reader(io.StringIO(text), delimiter=self.delimiter), [])

    def _error(self, message: str, hint: str = "") -> ConfigErrors:
        return ConfigErrors([Problem(self.path, 1, None, "", message, hint)])


def _lines(text: bytes) -> list[bytes]:
    return [line.rstrip(b"\r\n") for line in text.split(b"\n")]


def _delimiter(line: bytes) -> str:
    """What stands between the names of a header most often; a comma when nothing does."""
    return max(",;\t|", key=lambda mark: (line.count(mark.encode()), mark == ","))


def _cut(text: bytes) -> int:
    """Behind the last line that ends outside of quotes."""
    cut = text.rfind(b"\n") + 1
    if b'"' not in text or not cut:
        return cut
    inside, end = text.count(b'"', 0, cut) % 2, cut
    for _ in range(_BACK):
        if not inside or not end:
            break
        start = text.rfind(b"\n", 0, end - 1) + 1
        inside ^= text.count(b'"', start, end) % 2
        end = start
    return cut if inside or not end else end
