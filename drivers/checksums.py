"""Checksums that instruments put on their messages: pure functions of bytes, and the names that maps call them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce


def xor(data: bytes) -> int:
    """All bytes xored: BCC of many Chinese instruments, NMEA 0183."""
    return reduce(lambda total, byte: total ^ byte, data, 0)


def sum8(data: bytes) -> int:
    """The low byte of the sum: GB/T 26875.3."""
    return sum(data) & 0xFF


def complement8(data: bytes) -> int:
    """What makes the sum of all bytes zero: gas modules with 9-byte frames."""
    return -sum(data) & 0xFF


def sum16(data: bytes) -> int:
    """The low two bytes of the sum."""
    return sum(data) & 0xFFFF


def crc16(data: bytes, initial: int = 0xFFFF) -> int:
    """CRC-16 with the reflected polynomial A001, as Modbus has it (begins with FFFF) and SDI-12 (begins with 0)."""
    return reduce(lambda crc, byte: crc >> 8 ^ _REFLECTED[(crc ^ byte) & 0xFF], data, initial)


def crc16_ccitt(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, not reflected, begins with FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def sdi12(text: bytes) -> bytes:
    """The three characters of SDI-12 1.4, 4.4.12.3, of everything from the address to the last value."""
    crc = crc16(text, 0)
    return bytes((0x40 | crc >> 12, 0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F))


def nmea_body(sentence: str) -> str | None:
    """What stands before the `*hh` of an NMEA 0183 sentence, if it has one and that is right; else None."""
    body, star, told = sentence.rpartition("*")
    if not star or len(told) != 2 or body[:1] not in ("$", "!"):
        return None
    try:
        return body if int(told, 16) == xor(body[1:].encode("latin-1", "replace")) else None
    except ValueError:
        return None


def _reflected(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_REFLECTED = tuple(_reflected(byte) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Check:
    """A checksum as it stands in a frame."""

    size: int
    compute: Callable[[bytes], bytes]


CHECKS: Mapping[str, Check] = {
    "xor": Check(1, lambda data: bytes((xor(data),))),
    "sum8": Check(1, lambda data: bytes((sum8(data),))),
    "complement8": Check(1, lambda data: bytes((complement8(data),))),
    "sum16": Check(2, lambda data: sum16(data).to_bytes(2, "big")),
    "crc16": Check(2, lambda data: crc16(data).to_bytes(2, "little")),  # as on a Modbus line: low byte first
    "crc16-high-first": Check(2, lambda data: crc16(data).to_bytes(2, "big")),
    "crc16-ccitt": Check(2, lambda data: crc16_ccitt(data).to_bytes(2, "big")),
}
