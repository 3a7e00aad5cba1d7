"""Saved states of a judge as bytes that tell what they are and whether they are whole."""

from __future__ import annotations

import struct
import zlib

_MAGIC = b"TOCSIN"
_HEAD = struct.Struct("<6sBBII")  # magic, version, kind, length, crc32
_VERSION = 3
WHOLE, TIMERS, IMAGE = 1, 2, 3  # kinds


class SnapshotError(ValueError):
    """A snapshot that is damaged, or of another version; the judge it was meant for is as it was."""


def seal(kind: int, payload: bytes) -> bytes:
    """A payload with its head."""
    return _HEAD.pack(_MAGIC, _VERSION, kind, len(payload), zlib.crc32(payload)) + payload


def opened(data: bytes, kind: int) -> bytes:
    """The payload of a sealed snapshot. Raises SnapshotError."""
    if len(data) < _HEAD.size:
        raise SnapshotError(f"the snapshot is {len(data)} bytes, too short; judgement starts fresh")
    magic, version, got, length, crc = _HEAD.unpack_from(data)
    payload = data[_HEAD.size :]
    if magic != _MAGIC or got != kind:
        raise SnapshotError("this is not such a snapshot; judgement starts fresh")
    if version != _VERSION:
        raise SnapshotError(f"the snapshot has version {version}, known is {_VERSION}; judgement starts fresh")
    if len(payload) != length or zlib.crc32(payload) != crc:
        raise SnapshotError("the snapshot is damaged (checksum); judgement starts fresh")
    return payload
