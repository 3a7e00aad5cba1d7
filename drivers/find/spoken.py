"""Frames in a technician's words: what was asked, what was answered. Pure, and it never fails on odd bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from drivers.frames import is_whole_rtu

_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding", 15: "coil", 16: "holding"}
_READS, _SINGLE, _MANY = {1, 2, 3, 4}, {5, 6}, {15, 16}
_SHOWN_WORDS = 8
_REFUSALS = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure",
    5: "acknowledged, still working", 6: "device busy", 10: "no path to the unit", 11: "the unit is silent",
}  # fmt: skip


def asked(frame: bytes) -> str:
    """What an RTU request asks: "read holding 1-5", "write coil 0 = on"; hexadecimal where it is none of these."""
    if len(frame) < 8:
        return frame.hex(" ")
    function, address, word = frame[1], *struct.unpack_from(">HH", frame, 2)
    table = _TABLES.get(function)
    if function in _READS:
        return f"read {table} {_range(address, word)}"
    if function == 6:
        return f"write {table} {address} = {word}"
    if function == 5:
        state = {0xFF00: "on", 0x0000: "off"}.get(word, f"{word:#06x}")
        return f"write {table} {address} = {state}"
    if function in _MANY and len(frame) >= 9:
        data = frame[7:-2]
        shown = _bits(data, word) if function == 15 else _words(_unpacked(data))
        return f"write {table} {_range(address, word)} = {shown}"
    return f"function {function:#04x} {frame[2:-2].hex(' ')}".rstrip()


def answered(request: bytes, reply: bytes, fault: str) -> str:
    """What came back: numbers, "done", a refusal, "silence", or the bytes with the fault."""
    if not reply:
        return "silence" if request else ""
    pdu = reply[1:-2] if is_whole_rtu(reply) else reply[1:]
    if pdu[:1] and pdu[0] & 0x80 and len(pdu) == 2:
        return f"refused: {_REFUSALS.get(pdu[1], 'exception')} ({pdu[1]})"
    if fault or not request:
        return f"{fault}: {_hex(reply)}" if fault else _hex(reply)
    function = pdu[0] if pdu else 0
    if function in {3, 4} and len(pdu) > 2:
        return _words(_unpacked(pdu[2:]))
    if function in {1, 2} and len(pdu) > 2:
        return _bits(pdu[2:], int.from_bytes(request[4:6], "big"))
    if function in _SINGLE | _MANY:
        return "done"
    return _hex(pdu)


def _range(address: int, count: int) -> str:
    return f"{address}" if count == 1 else f"{address}-{address + count - 1}"


def _unpacked(data: bytes) -> Sequence[int]:
    return struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])


def _words(words: Sequence[int]) -> str:
    more = f" and {len(words) - _SHOWN_WORDS} more" if len(words) > _SHOWN_WORDS else ""
    return " ".join(map(str, words[:_SHOWN_WORDS])) + more


def _bits(data: bytes, count: int) -> str:
    return "".join(str(data[i // 8] >> (i % 8) & 1) for i in range(min(count, 8 * len(data))))


def _hex(data: bytes) -> str:
    return data[:24].hex(" ") + (f" and {len(data) - 24} more" if len(data) > 24 else "")
