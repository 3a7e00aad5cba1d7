"""Frames against the examples of the Modbus specification, and replies spoiled in every way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import frames
from drivers.api import BadFrame, Refused, Timeout
from drivers.frames import ExceptionReply, Misframed, raw_request, read_request, rtu_reply, write_request
from hil.codec import RTU, Mbap


def pdu(text: str) -> bytes:
    return bytes.fromhex(text)


def bits(text: str) -> list[int]:
    return [int(digit) for digit in text.replace(" ", "")]


# Modbus application protocol 1.1b3, examples of sections 6.1 to 6.6, 6.11, 6.12: request and reply PDU, values.
READS = [
    (("coil", 1, 0x13, 19), "01 0013 0013", "01 03 CD 6B 05", bits("1011 0011 1101 0110 101")),
    (("discrete", 1, 0xC4, 22), "02 00C4 0016", "02 03 AC DB 35", bits("0011 0101 1101 1011 1010 11")),
    (("holding", 1, 0x6B, 3), "03 006B 0003", "03 06 02 2B 00 00 00 64", [555, 0, 100]),
    (("input", 1, 8, 1), "04 0008 0001", "04 02 00 0A", [10]),
]  # fmt: skip
WRITES = [
    (("coil", 1, 0xAC, [1]), "05 00AC FF00", "05 00AC FF00"),
    (("coil", 1, 0xAC, [0]), "05 00AC 0000", "05 00AC 0000"),
    (("holding", 1, 1, [3]), "06 0001 0003", "06 0001 0003"),
    (("coil", 1, 0x13, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]), "0F 0013 000A 02 CD 01", "0F 0013 000A"),
    (("holding", 1, 1, [10, 258]), "10 0001 0002 04 000A 0102", "10 0001 0002"),
]


@pytest.mark.parametrize(("arguments", "sent", "came", "values"), READS)
def test_reads_of_the_specification(arguments, sent, came, values):
    request = read_request(*arguments)
    assert request.pdu == pdu(sent)
    assert request.rtu == RTU.frame(1, pdu(sent))
    assert request.tcp(7) == Mbap(7).frame(1, pdu(sent))
    assert request.values(rtu_reply(request, RTU.frame(1, pdu(came)))) == values


@pytest.mark.parametrize(("arguments", "sent", "came"), WRITES)
def test_writes_of_the_specification(arguments, sent, came):
    request = write_request(*arguments)
    assert request.pdu == pdu(sent)
    assert rtu_reply(request, RTU.frame(1, pdu(came))) == pdu(came)
    for place in range(1, len(pdu(came))):  # an echo that differs anywhere is no confirmation
        other = bytearray(pdu(came))
        other[place] ^= 1
        with pytest.raises(Misframed):
            rtu_reply(request, RTU.frame(1, bytes(other)))


def test_golden_bytes_of_a_real_device():
    # Protocol sheet of the 6-in-1 gas module, 1.2.
    assert read_request("holding", 1, 0, 10).rtu == bytes.fromhex("01 03 00 00 00 0A C5 CD")
    reply = bytes.fromhex("01 03 14 00 00 00 00 00 64 01 2C 07 D0 00 05 00 00 00 00 45 00 00 00")
    values = read_request("holding", 1, 0, 10).values(
        rtu_reply(read_request("holding", 1, 0, 10), RTU.frame(1, reply[1:]))
    )
    assert values == [0, 0, 100, 300, 2000, 5, 0, 0, 0x4500, 0]


def test_requests_outside_the_protocol_are_refused_before_they_are_sent():
    for arguments in (("holding", 1, 0, 126), ("holding", 1, 65535, 2), ("coil", 1, 0, 2001), ("holding", 256, 0, 1)):
        with pytest.raises(ValueError, match=r"outside|not within"):
            read_request(*arguments)
    with pytest.raises(ValueError, match="can't be written"):
        write_request("input", 1, 0, [1])
    with pytest.raises(ValueError, match="say what to expect"):
        raw_request(1, b"\x11")


REQUEST = read_request("holding", 3, 10, 4)
REPLY = RTU.frame(3, bytes([3, 8, 0, 1, 0, 2, 0, 3, 0, 4]))


def outcome(data: bytes, request=REQUEST) -> object:
    """The values, None for more bytes wanted, or the fault."""
    try:
        reply = rtu_reply(request, data)
    except Misframed as error:
        return error.fault
    except (Refused, Timeout) as error:
        return type(error)
    return None if reply is None else request.values(reply)


def test_every_check_of_a_reply():
    good = [1, 2, 3, 4]
    assert outcome(REPLY) == good
    assert outcome(b"") is None
    assert outcome(REPLY[:-1]) is None
    assert outcome(b"\x00\xff" + REPLY) == good  # the line's turn-around
    assert outcome(REPLY[:-1] + b"\x00") == "crc"
    assert outcome(RTU.frame(4, REPLY[1:-2])) == "unit"
    assert outcome(RTU.frame(3, b"\x04" + REPLY[2:-2])) == "function"
    assert outcome(RTU.frame(3, bytes([3, 6, 0, 1, 0, 2, 0, 3]))) == "length"
    assert outcome(RTU.frame(3, bytes([3, 10, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5]))) == "length"
    assert outcome(REQUEST.rtu + REPLY) == "echo"
    assert outcome(RTU.frame(3, b"\x83\x02")) is ExceptionReply
    assert outcome(RTU.frame(3, b"\x83\x0b")) is Timeout  # a gateway's word that the unit is silent
    assert outcome(RTU.frame(3, b"\x84\x02") + bytes(8)) == "function"  # another function's refusal


def test_what_came_by_the_deadline_is_named():
    assert isinstance(frames.diagnose_rtu(REQUEST, b""), Timeout)
    assert frames.diagnose_rtu(REQUEST, REPLY[:5]).fault == "length"
    assert "only 5 of 13" in frames.diagnose_rtu(REQUEST, REPLY[:5]).reason
    assert frames.diagnose_rtu(REQUEST, RTU.frame(9, b"\x83\x02")).fault == "unit"


@given(st.binary(max_size=40))
def test_noise_is_never_a_value(data):
    found = outcome(data)
    assert found is None or found in ("crc", "unit", "function", "length", "echo", "noise") or data.find(REPLY[:3]) >= 0


@given(st.integers(0, len(REPLY) - 1), st.integers(1, 255), st.binary(max_size=8))
def test_a_changed_byte_is_never_a_value(place, change, noise):
    frame = bytearray(REPLY)
    frame[place] ^= change
    assert not isinstance(outcome(noise.replace(b"\x03", b"") + bytes(frame)), list)


def test_tcp_frames():
    frame = Mbap(500).frame(3, REPLY[1:-2])
    assert frames.tcp_frame(frame + b"more") == (500, 3, REPLY[1:-2])
    for size in range(len(frame)):
        assert frames.tcp_frame(frame[:size]) is None
    for wrong in (frame[:2] + b"\x00\x01" + frame[4:], frame[:4] + b"\xff\xff" + frame[6:]):
        with pytest.raises(BadFrame):
            frames.tcp_frame(wrong)
