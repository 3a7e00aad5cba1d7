"""What every virtual unit is: registers over physical state, answering PDUs; it must not know the wire.

A device keeps physical values as plain attributes (`radar.level_mm = 350`), set from any thread. `image(table)` gives
its registers as they are now, `store` takes a write; both are all that a new device needs.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from typing import ClassVar

from hil.codec import COIL_OFF, COIL_ON, ILLEGAL_ADDRESS, ILLEGAL_VALUE, WRITE_COIL, ModbusFault, Request


class Device:
    """A unit on a line. Answers `reply_s` seconds after the request's end (on lines that keep time)."""

    default_unit_id: ClassVar[int] = 1
    unit_id: int = 0  # where it is on its line, which tells it; 0: nobody has asked it yet
    default_baudrate: ClassVar[int] = 9600
    reply_s: float = 0.010
    max_count: int = 125  # most registers in one answer

    def image(self, table: str) -> Mapping[int, int]:
        """Address -> word (or 0/1) of "holding", "input", "coil" or "discrete". Absent addresses are refused."""
        del table
        return {}

    def store(self, table: str, address: int, value: int) -> None:
        """Take one written word (or 0/1). Raises ModbusFault for what cannot be written."""
        del table, address, value
        raise ModbusFault(ILLEGAL_ADDRESS)

    @property
    def own_id(self) -> int:
        """What it holds in its register of the unit id, where it has one."""
        return self.unit_id or self.default_unit_id

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """The PDU that answers, or None where this device says nothing. `now_s`: monotonic end of the request."""
        del now_s
        try:
            return self._answer(Request.decode(pdu))
        except ModbusFault as fault:
            return fault.reply(pdu[0] if pdu else 0)

    def _answer(self, request: Request) -> bytes:
        if request.reads:
            return request.reply(self.read(request.table, request.address, request.count))
        for offset, word in enumerate(request.written):
            value = coil_value(word) if request.function == WRITE_COIL else word
            self.store(request.table, request.address + offset, value)
        return request.reply()

    def read(self, table: str, address: int, count: int) -> list[int]:
        """A block of registers as the wire carries them. Raises ModbusFault."""
        if count > self.max_count and table in {"holding", "input"}:
            raise ModbusFault(ILLEGAL_VALUE)
        image = self.image(table)
        try:
            return [image[a] & 0xFFFF for a in range(address, address + count)]
        except KeyError:
            raise ModbusFault(ILLEGAL_ADDRESS) from None

    def now_s(self) -> float:
        """The device's own clock."""
        return time.monotonic()


def coil_value(word: int) -> int:
    """0 or 1 of the word of function 05. Raises ModbusFault for anything but FF00 and 0000."""
    if word not in {COIL_ON, COIL_OFF}:
        raise ModbusFault(ILLEGAL_VALUE)
    return int(word == COIL_ON)


def float_words(value: float, *, low_word_first: bool = False) -> tuple[int, int]:
    """An IEEE single as two registers, bytes big-endian; NaN and infinities pass."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return (low, high) if low_word_first else (high, low)


def long_words(value: int, *, low_word_first: bool = False) -> tuple[int, int]:
    """A 32-bit integer (signed taken modulo 2**32) as two registers."""
    high, low = value >> 16 & 0xFFFF, value & 0xFFFF
    return (low, high) if low_word_first else (high, low)


def clip(value: float, low: int, high: int) -> int:
    """`value` rounded into what a register can hold."""
    return max(low, min(high, round(value)))
