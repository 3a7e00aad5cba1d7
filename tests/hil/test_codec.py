"""The bench's codec: the specification's own examples, round trips, agreement with an independent one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from hil.codec import RTU, FrameError, Mbap, ModbusFault, Request, crc16

words = st.integers(0, 0xFFFF)
addresses = st.integers(0, 0xFFFF)

requests = st.one_of(
    st.builds(Request, st.sampled_from([1, 2]), addresses, st.integers(1, 2000)),
    st.builds(Request, st.sampled_from([3, 4]), addresses, st.integers(1, 125)),
    st.builds(Request, st.sampled_from([5, 6]), addresses, st.just(1), st.tuples(words)),
    st.builds(
        lambda a, v: Request(15, a, len(v), tuple(v)), addresses, st.lists(st.integers(0, 1), min_size=1, max_size=1968)
    ),
    st.builds(lambda a, v: Request(16, a, len(v), tuple(v)), addresses, st.lists(words, min_size=1, max_size=123)),
)


@given(requests)
def test_a_request_survives_the_wire(request_: Request) -> None:
    assert Request.decode(request_.encode()) == request_


@given(requests, st.data())
def test_an_answer_survives_the_wire(request_: Request, data: st.DataObject) -> None:
    item = st.integers(0, 1) if request_.function < 3 else words
    values = data.draw(st.lists(item, min_size=request_.count, max_size=request_.count)) if request_.reads else []
    assert list(request_.values(request_.reply(values))) == values


@given(st.binary(min_size=1, max_size=256))
def test_the_crc_agrees_with_an_independent_implementation(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_published_frames() -> None:
    # "Find the address" frame of the CWT manual, and the examples of specification 6.1 and 6.11.
    assert RTU.frame(0xFF, bytes.fromhex("03 07 D0 00 01")) == bytes.fromhex("FF 03 07 D0 00 01 91 59")
    coils = Request(1, 0x13, 19)
    assert coils.encode() == bytes.fromhex("01 00 13 00 13")
    bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1]
    assert coils.reply(bits) == bytes.fromhex("01 03 CD 6B 05")
    assert Request(15, 0x13, 10, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)).encode() == bytes.fromhex("0F 00 13 00 0A 02 CD 01")


@given(st.integers(0, 247), st.binary(min_size=2, max_size=253), st.data())
def test_a_flipped_bit_never_passes(unit_id: int, pdu: bytes, data: st.DataObject) -> None:
    frame = bytearray(RTU.frame(unit_id, pdu))
    assert RTU.parse(bytes(frame)) == (unit_id, pdu)
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        RTU.parse(bytes(frame))


@given(st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253), st.binary(max_size=20))
def test_tcp_frames_are_taken_one_by_one(transaction: int, unit_id: int, pdu: bytes, rest: bytes) -> None:
    framing = Mbap(transaction)
    frame = framing.frame(unit_id, pdu)
    assert Mbap.take(frame[:-1]) is None
    assert Mbap.take(frame + rest) == (framing, unit_id, pdu, len(frame))
    with pytest.raises(FrameError):
        Mbap.take(framing.spoil(frame))


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("", 1),
        ("2B 0E 01 00 00", 1),
        ("03 00 00", 3),
        ("03 00 00 00 00", 3),
        ("03 00 00 00 7E", 3),
        ("03 00 00 00 01 00", 3),
        ("01 00 00 07 D1", 3),
        ("0F 00 00 00 09 01 FF", 3),
        ("10 00 00 00 02 04 00 01", 3),
    ],
)
def test_broken_requests_get_the_code_of_the_specification(pdu: str, code: int) -> None:
    with pytest.raises(ModbusFault) as caught:
        Request.decode(bytes.fromhex(pdu))
    assert caught.value.code == code


def test_answers_are_checked_whole() -> None:
    request_ = Request(3, 0, 2)
    with pytest.raises(ModbusFault):
        request_.values(b"\x83\x02")
    for wrong in ("04 04 00 01 00 02", "03 02 00 01", "03 06 00 01 00 02 00 03", "03 04 00 01"):
        with pytest.raises(FrameError):
            request_.values(bytes.fromhex(wrong))
    with pytest.raises(FrameError):
        Request(6, 1, 1, (2,)).values(bytes.fromhex("06 00 01 00 03"))
