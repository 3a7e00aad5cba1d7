"""How records and steps are written as bytes, exactly and small; no files, no clocks.

A record is one line of canonical JSON with a CRC-32 that also covers its identity (epoch, seq): a row that was changed,
or moved to another number, is told apart from a good one. (An `integrity_check` misses a flipped bit in a text.)

Steps are packed together, point by point: the values of one point lie side by side, so that zlib finds the repeats of
a slow sensor. Floats keep every bit, NaN payloads and -0.0 included. Little-endian, as every machine we run on is.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from typing import Any

from agent.records import ClockTrust, Lane, Record, SampleRow, Stamp, Step

_CLOCKS: tuple[ClockTrust, ...] = ("trusted", "untrusted", "redated")  # stored by position: only ever append
_BLOB_VERSION = 1
_HEADER = struct.Struct("<BIII")  # version, steps, samples, shapes
_MASK = (1 << 64) - 1
_ZLIB_LEVEL = 1  # level 6 saves a tenth and costs three times as much


class BlobError(ValueError):
    """Bytes that are not what they claim to be."""


# --- records ---------------------------------------------------------------------------------------------------


def record_line(record: Record) -> str:
    """Canonical JSON of a record, ASCII only. Raises ValueError or TypeError for a body that JSON cannot hold."""
    stamp = record.stamp
    return json.dumps(
        {
            "lane": record.lane.value,
            "kind": record.kind,
            "boot_id": stamp.boot_id,
            "mono_ns": stamp.mono_ns,
            "wall_ns": stamp.wall_ns,
            "clock": stamp.clock,
            "body": record.body,
        },
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )


def record_of(line: str) -> Record:
    """The record of a canonical line. Raises BlobError."""
    try:
        raw: dict[str, Any] = json.loads(line)
        stamp = Stamp(raw["boot_id"], raw["mono_ns"], raw["wall_ns"], raw["clock"])
        return Record(Lane(raw["lane"]), raw["kind"], stamp, raw["body"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BlobError(f"not a record: {line[:80]!r} ({error})") from error


def row_crc(epoch: str, seq: int, content: str | bytes) -> int:
    """CRC-32 of a row's content and identity: `content` is a record's line or a steps blob."""
    data = content.encode() if isinstance(content, str) else content
    return zlib.crc32(data, zlib.crc32(f"{epoch}:{seq}:".encode()))


# --- steps -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Columns:
    """Steps of one boot, unpacked but not turned into objects: what a back-test or a batch on the wire wants."""

    mono_ns: array[int]  # one per step
    wall_ns: array[int]
    clock: tuple[ClockTrust, ...]
    time_s: array[float]
    shape: array[int]  # per step: which of `shapes` its samples have
    shapes: tuple[tuple[int, ...], ...]  # point columns of a step, in the step's order
    series: dict[int, tuple[array[float], bytes]]  # point -> values and quality codes, in the order of the steps


def pack_steps(steps: Sequence[Step]) -> bytes:
    """Steps of one boot as bytes. The boot id is not in them. Raises OverflowError, ValueError or TypeError."""
    shapes: dict[tuple[int, ...], int] = {}
    shape = array("I")
    values: dict[int, list[float]] = {}
    qualities: dict[int, list[int]] = {}
    for step in steps:
        points = tuple([sample.point for sample in step.samples])
        shape.append(shapes.setdefault(points, len(shapes)))
        for point, value, quality in step.samples:
            if point not in values:
                values[point], qualities[point] = [], []
            values[point].append(value)
            qualities[point].append(quality)
    order = sorted(values)
    mono = [step.stamp.mono_ns for step in steps]
    offsets = [step.stamp.wall_ns - step.stamp.mono_ns for step in steps]
    lengths = array("I", [len(points) for points in shapes])
    parts = [
        _shuffled(array("Q", _differences(mono))),
        _shuffled(array("Q", _differences(offsets))),
        _shuffled(array("Q", _time_residues([step.time_s for step in steps], mono))),
        bytes([_CLOCKS.index(step.stamp.clock) for step in steps]),
        _shuffled(shape),
        lengths.tobytes(),
        array("I", chain.from_iterable(shapes)).tobytes(),
        bytes(chain.from_iterable(qualities[point] for point in order)),
        array("d", chain.from_iterable(values[point] for point in order)).tobytes(),
    ]
    samples = sum(map(len, values.values()))
    body = zlib.compress(b"".join(parts), _ZLIB_LEVEL)
    return _HEADER.pack(_BLOB_VERSION, len(steps), samples, len(shapes)) + body


def unpack_columns(blob: bytes) -> Columns:
    """What `pack_steps` packed, in columns. Raises BlobError."""
    try:
        version, count, samples, shape_count = _HEADER.unpack_from(blob)
        if version != _BLOB_VERSION:
            raise BlobError(f"a steps blob of version {version}; this software reads version {_BLOB_VERSION}")
        body = memoryview(zlib.decompress(blob[_HEADER.size :]))
    except (struct.error, zlib.error) as error:
        raise BlobError(f"not a steps blob: {error}") from error
    cut = _Cutter(body)
    mono = _sums(_unshuffled("Q", cut.take(8 * count)))
    offsets = _sums(_unshuffled("Q", cut.take(8 * count)))
    residues = _unshuffled("Q", cut.take(8 * count))
    clocks = bytes(cut.take(count))
    shape = _unshuffled("I", cut.take(4 * count))
    lengths = array("I", bytes(cut.take(4 * shape_count)))
    columns = array("I", bytes(cut.take(4 * sum(lengths))))
    qualities = bytes(cut.take(samples))
    values = array("d", bytes(cut.take(8 * samples)))
    cut.end()
    ends = list(accumulate(lengths))
    shapes = tuple(tuple(columns[end - length : end]) for end, length in zip(ends, lengths, strict=True))
    if any(index >= shape_count for index in shape) or any(code >= len(_CLOCKS) for code in clocks):
        raise BlobError("a steps blob with numbers out of range")
    return Columns(
        mono_ns=array("q", mono),
        wall_ns=array("q", [a + b for a, b in zip(mono, offsets, strict=True)]),
        clock=tuple(_CLOCKS[code] for code in clocks),
        time_s=_times(residues, mono),
        shape=shape,
        shapes=shapes,
        series=_series(shape, shapes, values, qualities),
    )


def unpack_steps(blob: bytes, boot_id: str) -> list[Step]:
    """The steps again, equal bit by bit to those packed. Raises BlobError."""
    columns = unpack_columns(blob)
    rows = {
        point: map(SampleRow._make, zip(repeat(point), values, qualities, strict=False))
        for point, (values, qualities) in columns.series.items()
    }
    return [
        Step(Stamp(boot_id, mono, wall, clock), time_s, tuple([next(rows[point]) for point in columns.shapes[index]]))
        for mono, wall, clock, time_s, index in zip(
            columns.mono_ns, columns.wall_ns, columns.clock, columns.time_s, columns.shape, strict=True
        )
    ]


class _Cutter:
    """Cuts parts of known sizes off a buffer."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> memoryview:
        part = self._body[self._at : self._at + size]
        if len(part) != size:
            raise BlobError(f"a steps blob that ends after {len(self._body)} bytes")
        self._at += size
        return part

    def end(self) -> None:
        if self._at != len(self._body):
            raise BlobError(f"a steps blob with {len(self._body) - self._at} bytes too many")


def _series(
    shape: Iterable[int], shapes: Sequence[tuple[int, ...]], values: array[float], qualities: bytes
) -> dict[int, tuple[array[float], bytes]]:
    sizes: dict[int, int] = {}
    uses = [0] * len(shapes)
    for index in shape:
        uses[index] += 1
    for points, used in zip(shapes, uses, strict=True):
        for point in points:
            sizes[point] = sizes.get(point, 0) + used
    if sum(sizes.values()) != len(values):
        raise BlobError("a steps blob whose samples do not fit its steps")
    series = {}
    at = 0
    for point in sorted(sizes):
        series[point] = (values[at : at + sizes[point]], qualities[at : at + sizes[point]])
        at += sizes[point]
    return series


def _differences(numbers: Sequence[int]) -> list[int]:
    """Each number less the one before it, modulo 2**64, so that no pair can overflow."""
    return [(b - a) & _MASK for a, b in zip([0, *numbers], numbers, strict=False)]


def _sums(differences: Iterable[int]) -> list[int]:
    return [_signed(number) for number in accumulate(differences, lambda a, b: (a + b) & _MASK)]


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _time_residues(times: Sequence[float], mono: Sequence[int]) -> list[int]:
    """Judgement time follows the monotonic clock; what is left is a unit in the last place, now and then."""
    bits = array("Q", array("d", times).tobytes())
    guesses = array("d", [0.0, *(t + (b - a) / 1e9 for t, a, b in zip(times, mono, mono[1:], strict=False))])
    return [(a - b) & _MASK for a, b in zip(bits, array("Q", guesses.tobytes()), strict=False)]


def _times(residues: Iterable[int], mono: Sequence[int]) -> array[float]:
    times = array("d")
    guess = 0.0
    for index, residue in enumerate(residues):
        if index:
            guess = times[-1] + (mono[index] - mono[index - 1]) / 1e9
        (bits,) = struct.unpack("<Q", struct.pack("<d", guess))
        times.frombytes(((bits + residue) & _MASK).to_bytes(8, "little"))
    return times


def _shuffled(numbers: array[int]) -> bytes:
    """All lowest bytes first, then all second bytes ...: the high bytes of small numbers become one run of zeros."""
    data = numbers.tobytes()
    return b"".join(data[plane :: numbers.itemsize] for plane in range(numbers.itemsize))


def _unshuffled(code: str, data: memoryview) -> array[int]:
    numbers: array[int] = array(code)
    size, count = numbers.itemsize, len(data) // numbers.itemsize
    plain = bytearray(len(data))
    for plane in range(size):
        plain[plane::size] = data[plane * count : (plane + 1) * count]
    numbers.frombytes(bytes(plain))
    return numbers
