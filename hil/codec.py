"""Modbus as the specification has it, for the far end of a line; it owns frames, and borrows nothing from a client.

Written from "MODBUS Application Protocol V1.1b3" and "MODBUS over Serial Line V1.02" so that it is an independent peer
of the agent's drivers: a misreading there cannot be repeated here by sharing code.

    Request.decode(pdu) / request.encode()       one request, functions 01 02 03 04 05 06 0F 10
    request.reply(values) / request.values(pdu)  the answer to it, and what is in an answer
    RTU.frame(unit_id, pdu), RTU.parse(frame)    unit id, PDU, CRC16
    Mbap(transaction).frame(unit_id, pdu), Mbap.take(buffer)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

READ_COILS, READ_DISCRETES, READ_HOLDING, READ_INPUTS = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16

TABLES: Final = {
    READ_COILS: "coil",
    READ_DISCRETES: "discrete",
    READ_HOLDING: "holding",
    READ_INPUTS: "input",
    WRITE_COIL: "coil",
    WRITE_REGISTER: "holding",
    WRITE_COILS: "coil",
    WRITE_REGISTERS: "holding",
}
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, BUSY = 1, 2, 3, 4, 6
COIL_ON, COIL_OFF = 0xFF00, 0x0000

_MOST = {READ_COILS: 2000, READ_DISCRETES: 2000, READ_HOLDING: 125, READ_INPUTS: 125}
_MOST |= {WRITE_COILS: 1968, WRITE_REGISTERS: 123}


class FrameError(ValueError):
    """Bytes that are no frame: too short, wrong CRC, wrong protocol id."""


class ModbusFault(Exception):  # noqa: N818 - it becomes an exception reply
    """What a unit answers with instead of data; `code` as in the specification, section 7."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code

    def reply(self, function: int) -> bytes:
        """The PDU that says so."""
        return bytes([function | 0x80, self.code])


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC: Final = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0xA001 reflected, start 0xFFFF. Sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def pack_bits(bits: Sequence[int]) -> bytes:
    """Bits to bytes, the first bit lowest in the first byte (specification 6.1)."""
    packed = bytearray((len(bits) + 7) // 8)
    for i, bit in enumerate(bits):
        if bit:
            packed[i // 8] |= 1 << (i % 8)
    return bytes(packed)


def unpack_bits(data: bytes, count: int) -> tuple[int, ...]:
    """The first `count` bits of `data`, 0 or 1 each."""
    return tuple(data[i // 8] >> (i % 8) & 1 for i in range(count))


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `written` holds 16-bit words (05: the raw word, for devices beside the standard), or bits for 0F."""

    function: int
    address: int
    count: int = 1
    written: tuple[int, ...] = ()

    @property
    def table(self) -> str:
        """Which of the four tables it is about: coil, discrete, holding, input."""
        return TABLES[self.function]

    @property
    def reads(self) -> bool:
        """Whether it asks, rather than writes."""
        return self.function <= READ_INPUTS

    @classmethod
    def decode(cls, pdu: bytes) -> Request:
        """The request in a PDU. Raises ModbusFault with the code that a unit would answer."""
        if not pdu or pdu[0] not in TABLES:
            raise ModbusFault(ILLEGAL_FUNCTION)
        function = pdu[0]
        if len(pdu) < 5:
            raise ModbusFault(ILLEGAL_VALUE)
        address, word = struct.unpack_from(">HH", pdu, 1)
        if function in {WRITE_COIL, WRITE_REGISTER}:
            if len(pdu) != 5:
                raise ModbusFault(ILLEGAL_VALUE)
            return cls(function, address, 1, (word,))
        if not 1 <= word <= _MOST[function]:
            raise ModbusFault(ILLEGAL_VALUE)
        if function <= READ_INPUTS:
            if len(pdu) != 5:
                raise ModbusFault(ILLEGAL_VALUE)
            return cls(function, address, word)
        size = (word + 7) // 8 if function == WRITE_COILS else 2 * word
        if len(pdu) != 6 + size or pdu[5] != size:
            raise ModbusFault(ILLEGAL_VALUE)
        body = pdu[6:]
        values = unpack_bits(body, word) if function == WRITE_COILS else struct.unpack(f">{word}H", body)
        return cls(function, address, word, values)

    def encode(self) -> bytes:
        """The PDU of this request."""
        if self.reads:
            return struct.pack(">BHH", self.function, self.address, self.count)
        if self.function in {WRITE_COIL, WRITE_REGISTER}:
            return struct.pack(">BHH", self.function, self.address, self.written[0])
        data = _pack(self.function, self.written)
        return struct.pack(">BHHB", self.function, self.address, self.count, len(data)) + data

    def reply(self, values: Sequence[int] = ()) -> bytes:
        """The PDU that answers it: `values` are what was read; writes are confirmed as the specification says."""
        if self.reads:
            data = _pack(self.function, values)
            return bytes([self.function, len(data)]) + data
        if self.function in {WRITE_COIL, WRITE_REGISTER}:
            return self.encode()
        return struct.pack(">BHH", self.function, self.address, self.count)

    def values(self, pdu: bytes) -> tuple[int, ...]:
        """What the answer holds, after every check. Raises ModbusFault for an exception reply, FrameError otherwise."""
        if len(pdu) == 2 and pdu[0] == self.function | 0x80:
            raise ModbusFault(pdu[1])
        if not self.reads:
            if pdu != self.reply():
                raise FrameError(f"the answer {pdu.hex(' ')} does not confirm {self.encode().hex(' ')}")
            return ()
        bits = self.function <= READ_DISCRETES
        size = (self.count + 7) // 8 if bits else 2 * self.count
        if len(pdu) != 2 + size or pdu[0] != self.function or pdu[1] != size:
            raise FrameError(f"function {self.function} with {size} data bytes was expected, got {pdu.hex(' ')}")
        return unpack_bits(pdu[2:], self.count) if bits else struct.unpack(f">{self.count}H", pdu[2:])


def _pack(function: int, values: Sequence[int]) -> bytes:
    if function in {READ_COILS, READ_DISCRETES, WRITE_COILS}:
        return pack_bits(values)
    return struct.pack(f">{len(values)}H", *values)


class Framing(Protocol):
    """How a PDU is wrapped for one exchange."""

    def frame(self, unit_id: int, pdu: bytes) -> bytes:
        """The whole frame."""
        ...

    def spoil(self, frame: bytes) -> bytes:
        """The frame with its own check made wrong: the CRC, or the protocol id where there is no CRC."""
        ...


class RtuFraming:
    """Unit id, PDU, CRC low byte first."""

    def frame(self, unit_id: int, pdu: bytes) -> bytes:
        """The whole frame."""
        head = bytes([unit_id]) + pdu
        return head + struct.pack("<H", crc16(head))

    def spoil(self, frame: bytes) -> bytes:
        """The frame with a wrong CRC."""
        return frame[:-2] + bytes([frame[-2] ^ 0x55, frame[-1] ^ 0xAA])

    def parse(self, frame: bytes) -> tuple[int, bytes]:
        """Unit id and PDU. Raises FrameError."""
        if len(frame) < 4:
            raise FrameError(f"{len(frame)} bytes are too few for a frame, the shortest has 4")
        want, got = crc16(frame[:-2]), int.from_bytes(frame[-2:], "little")
        if want != got:
            raise FrameError(f"CRC {got:04X} in the frame, {want:04X} computed")
        return frame[0], frame[1:-2]

    def request_length(self, buffer: bytes) -> int | None:
        """Length of the request that begins the buffer; None while it is not known, or for unknown functions."""
        if len(buffer) < 2 or buffer[1] not in TABLES:
            return None
        if buffer[1] in {WRITE_COILS, WRITE_REGISTERS}:
            return 9 + buffer[6] if len(buffer) > 6 else None
        return 8


RTU: Final = RtuFraming()


@dataclass(frozen=True, slots=True)
class Mbap:
    """Modbus TCP: transaction id, protocol id 0, length, unit id, PDU."""

    transaction: int

    def frame(self, unit_id: int, pdu: bytes) -> bytes:
        """The whole frame."""
        return struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, unit_id) + pdu

    def spoil(self, frame: bytes) -> bytes:
        """The frame with a wrong protocol id: TCP has no CRC."""
        return frame[:2] + b"\x00\x01" + frame[4:]

    @classmethod
    def take(cls, buffer: bytes) -> tuple[Mbap, int, bytes, int] | None:
        """The first frame of the buffer: framing, unit id, PDU, bytes used. None: not whole yet. Raises FrameError."""
        if len(buffer) < 8:
            return None
        transaction, protocol, length, unit_id = struct.unpack_from(">HHHB", buffer)
        if protocol != 0 or not 2 <= length <= 254:
            raise FrameError(f"protocol {protocol}, length {length}: not Modbus TCP")
        if len(buffer) < 6 + length:
            return None
        return cls(transaction), unit_id, bytes(buffer[7 : 6 + length]), 6 + length
