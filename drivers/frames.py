"""Modbus frames and their checks: the one place that knows pymodbus. Pure: no wires, no clocks, no retries."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu import bit_message as bits
from pymodbus.pdu import register_message as registers
from pymodbus.pdu.utils import unpack_bitstring

from drivers.api import BadFrame, Refused, Timeout

Table = Literal["holding", "input", "coil", "discrete"]
BIT_TABLES: frozenset[str] = frozenset({"coil", "discrete"})
MAX_WORDS = 125  # of one read, Modbus application protocol 1.1b3, 6.3
MAX_BITS = 2000

Fault = Literal["crc", "unit", "function", "length", "echo", "noise", "transaction", "protocol"]

_READS: dict[str, type[ModbusPDU]] = {
    "coil": bits.ReadCoilsRequest,
    "discrete": bits.ReadDiscreteInputsRequest,
    "holding": registers.ReadHoldingRegistersRequest,
    "input": registers.ReadInputRegistersRequest,
}
_RTU = FramerRTU(DecodePDU(False))  # False: not a server
_SOCKET = FramerSocket(DecodePDU(False))
_ECHOING = frozenset({0x05, 0x06, 0x0F, 0x10})  # write functions: the reply repeats the first 5 bytes of the request
_WRITES: dict[int, tuple[Table, int, int]] = {  # table, where the address stands, where the count (0: one cell)
    0x05: ("coil", 1, 0),
    0x06: ("holding", 1, 0),
    0x0F: ("coil", 1, 3),
    0x10: ("holding", 1, 3),
    0x16: ("holding", 1, 0),  # mask write
    0x17: ("holding", 5, 7),  # read and write
}
_MAX_NOISE = 8  # bytes before a frame that are taken for the line's turn-around, not for a frame
_REFUSALS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still working",
    6: "device busy",
    7: "negative acknowledge",
    8: "memory parity error",
}
_GATEWAY_SILENT = {10: "the gateway has no path to the unit", 11: "the gateway got no answer from the unit"}


class Misframed(BadFrame):
    """A reply that failed a check; `fault` says which, for the counters of the line."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


class ExceptionReply(Refused):
    """The unit's own refusal, with its Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the unit refused: {_REFUSALS.get(code, 'unknown exception')} (exception {code})")
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A request with everything needed to know its reply: that many PDU bytes, beginning with `prefix`."""

    unit_id: int
    pdu: bytes
    prefix: bytes
    reply_size: int
    table: Table | None = None  # of a read
    count: int = 0
    rtu: bytes = field(init=False)  # as sent on a serial line

    def __post_init__(self) -> None:
        """Frame it once; requests are kept and sent again and again."""
        if not 0 <= self.unit_id <= 255:
            raise ValueError(f"unit id {self.unit_id} is not within 0 to 255")
        object.__setattr__(self, "rtu", _RTU.encode(self.pdu, self.unit_id, 0))

    @property
    def is_read(self) -> bool:
        """Whether asking again changes nothing at the unit."""
        return self.table is not None

    @property
    def rtu_reply_size(self) -> int:
        """Bytes of a good reply on a serial line."""
        return self.reply_size + 3

    def tcp(self, transaction_id: int) -> bytes:
        """The request as sent over Modbus TCP."""
        return _SOCKET.encode(self.pdu, self.unit_id, transaction_id)

    def values(self, reply: bytes) -> list[int]:
        """Words, or 0/1 for bits, of a checked read reply."""
        if self.table in BIT_TABLES:
            return [int(bit) for bit in unpack_bitstring(reply[2:])[: self.count]]
        return list(struct.unpack(f">{self.count}H", reply[2:]))


@lru_cache(maxsize=4096)
def read_request(table: Table, unit_id: int, address: int, count: int) -> Request:
    """Read `count` words or bits from 0-based `address`. Raises ValueError outside what Modbus allows."""
    limit = MAX_BITS if table in BIT_TABLES else MAX_WORDS
    if table not in _READS:
        raise ValueError(f"table {table!r} is none of {', '.join(_READS)}")
    if not (1 <= count <= limit and address >= 0 and address + count <= 65536):
        raise ValueError(f"{count} from address {address} of {table} is outside 1..{limit} within 0..65535")
    pdu = _pdu(_READS[table](address=address, count=count))
    size = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    return Request(unit_id, pdu, bytes((pdu[0], size)), 2 + size, table, count)


def write_request(table: Table, unit_id: int, address: int, values: Sequence[int]) -> Request:
    """Write one value (FC05, FC06) or several (FC0F, FC10). Raises ValueError outside what Modbus allows."""
    if table not in ("coil", "holding"):
        raise ValueError(f"table {table!r} can't be written; only coil and holding can")
    if not (1 <= len(values) <= (1968 if table == "coil" else 123) and 0 <= address <= 65536 - len(values)):
        raise ValueError(f"{len(values)} values from address {address} can't be written in one request")
    message: ModbusPDU
    write: type[bits.WriteSingleCoilRequest | bits.WriteMultipleCoilsRequest]
    if table == "coil":
        write = bits.WriteSingleCoilRequest if len(values) == 1 else bits.WriteMultipleCoilsRequest
        message = write(address=address, bits=[bool(value) for value in values])
    elif len(values) == 1:
        message = registers.WriteSingleRegisterRequest(address=address, registers=list(values))
    else:
        message = registers.WriteMultipleRegistersRequest(address=address, registers=list(values))
    return raw_request(unit_id, _pdu(message))


def raw_request(unit_id: int, pdu: bytes, expect: bytes | int | None = None) -> Request:
    """A PDU of one's own, e.g. FC05 with a value the standard doesn't know (Waveshare's pulses).

    `expect` is the whole reply PDU, or its length in bytes; None: the echo that the write functions give.
    Raises ValueError when None is given for another function.
    """
    if expect is None:
        if not pdu or pdu[0] not in _ECHOING:
            raise ValueError(f"function 0x{pdu[:1].hex()} has no usual reply; say what to expect, as bytes or length")
        return Request(unit_id, pdu, pdu[:5], 5)
    if isinstance(expect, int):
        return Request(unit_id, pdu, pdu[:1], expect)
    return Request(unit_id, pdu, expect, len(expect))


def written_cells(pdu: bytes) -> tuple[Table, int, int] | None:
    """Table, first address and count of what a PDU writes; None for reads and functions that write no table."""
    if len(pdu) >= 5 and (function := pdu[0]) in _WRITES:
        table, address_at, count_at = _WRITES[function]
        count = int.from_bytes(pdu[count_at : count_at + 2], "big") if count_at else 1
        return table, int.from_bytes(pdu[address_at : address_at + 2], "big"), count
    return None


def _pdu(message: ModbusPDU) -> bytes:
    return bytes((message.function_code,)) + message.encode()


# --- replies ----------------------------------------------------------------------------------------------------


def _crc_ok(frame: bytes | bytearray) -> bool:
    return FramerRTU.check_CRC(bytes(frame[:-2]), int.from_bytes(frame[-2:], "big"))


def rtu_reply(request: Request, data: bytes) -> bytes | None:
    """The checked reply PDU within what has come so far; None while more bytes may complete it.

    Raises Misframed when no further byte can make it good, ExceptionReply when the unit refused. Up to 8 bytes
    before the frame are overlooked: transceivers make them when the line turns round.
    """
    size = request.rtu_reply_size
    if (found := _frame_at(request, data, 0)) is not None:
        return found
    if request.is_read and data[:8] == request.rtu[: len(data)]:
        if len(data) < 8:
            return None
        raise Misframed("echo", "the adapter echoes what is sent; set echo = true for this bus")
    if len(data) >= 3 and data[0] == request.unit_id and _wrong_count(request, data):
        raise Misframed("length", f"{data[2]} bytes announced, {request.prefix[1]} asked for")
    if len(data) < size:
        return None
    if data[0] != request.unit_id or data[1] & 0x7F != request.pdu[0]:
        for offset in range(1, min(_MAX_NOISE, len(data) - 1) + 1):
            if data[offset] != request.unit_id or (
                offset + 1 < len(data) and data[offset + 1] & 0x7F != request.pdu[0]
            ):
                continue
            if (found := _frame_at(request, data, offset)) is not None:
                return found
            if len(data) < offset + size:
                return None
    raise diagnose_rtu(request, data)


def _frame_at(request: Request, data: bytes, offset: int) -> bytes | None:
    size = request.rtu_reply_size
    head = data[offset : offset + 2]
    if head == bytes((request.unit_id, request.pdu[0])):
        frame = data[offset : offset + size]
        if len(frame) == size and _crc_ok(frame):
            return check_pdu(request, frame[1:-2])
    elif head == bytes((request.unit_id, request.pdu[0] | 0x80)):
        frame = data[offset : offset + 5]
        if len(frame) == 5 and _crc_ok(frame):
            return check_pdu(request, frame[1:-2])
    return None


def _wrong_count(request: Request, data: bytes) -> bool:
    return data[1] == request.pdu[0] and request.is_read and data[2] != request.prefix[1]


def diagnose_rtu(request: Request, data: bytes) -> Timeout | Misframed:
    """Why what came by the deadline is no reply."""
    if not data:
        return Timeout(f"no answer from unit {request.unit_id}")
    for size in (request.rtu_reply_size, 5, len(data)):
        if 5 <= size <= len(data) and _crc_ok(data[:size]):
            if data[0] != request.unit_id:
                return Misframed("unit", f"unit {data[0]} answered, unit {request.unit_id} was asked")
            if data[1] & 0x7F != request.pdu[0]:
                return Misframed("function", f"function {data[1]} answered, function {request.pdu[0]} was asked")
            return Misframed("length", f"{size} bytes came, {request.rtu_reply_size} are right")
    if len(data) < request.rtu_reply_size:
        return Misframed("length", f"only {len(data)} of {request.rtu_reply_size} bytes came")
    if data[0] != request.unit_id:
        return Misframed("noise", f"noise on the line: {data[:8].hex(' ')}")
    return Misframed("crc", "checksum wrong")


def check_pdu(request: Request, pdu: bytes) -> bytes:
    """The reply PDU if it is the one asked for: function, byte count or echo, length.

    Raises ExceptionReply, Timeout (a gateway's word that the unit is silent) or Misframed.
    """
    if len(pdu) == 2 and pdu[0] == request.pdu[0] | 0x80:
        if pdu[1] in _GATEWAY_SILENT:
            raise Timeout(_GATEWAY_SILENT[pdu[1]])
        raise ExceptionReply(pdu[1])
    if pdu[:1] != request.pdu[:1]:
        raise Misframed("function", f"function {pdu[:1].hex()} answered, {request.pdu[:1].hex()} was asked")
    if len(pdu) != request.reply_size:
        raise Misframed("length", f"{len(pdu)} bytes answered, {request.reply_size} are right")
    if not pdu.startswith(request.prefix):
        raise Misframed("length", f"the reply begins {pdu[:5].hex(' ')}, {request.prefix.hex(' ')} is right")
    return pdu


def tcp_frame(data: bytes | bytearray) -> tuple[int, int, bytes] | None:
    """Transaction id, unit id and PDU of the first whole Modbus TCP frame in `data`; None while it is not whole.

    The frame took 7 + len(pdu) bytes. Raises Misframed when the stream is out of step and must be closed.
    """
    if len(data) < 7:
        return None
    transaction_id, protocol, length, unit_id = struct.unpack_from(">HHHB", data)
    if protocol != 0 or not 2 <= length <= 254:
        raise Misframed("protocol", f"not Modbus TCP: protocol id {protocol}, length {length}")
    if len(data) < 6 + length:
        return None
    return transaction_id, unit_id, bytes(data[7 : 6 + length])


def is_whole_rtu(data: bytes | bytearray) -> bool:
    """Whether `data` is one frame with a good checksum: a late reply, not noise."""
    return len(data) >= 5 and _crc_ok(data)


def is_whole_tcp(data: bytes | bytearray) -> bool:
    """Whether `data` begins with a whole Modbus TCP frame."""
    try:
        return tcp_frame(data) is not None
    except Misframed:
        return False
