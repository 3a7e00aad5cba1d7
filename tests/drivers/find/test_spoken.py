"""Frames are told in words, and no bytes are too odd for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.find.spoken import answered, asked
from hil.codec import RTU, ModbusFault, Request

READ = RTU.frame(3, Request(3, 1, 5).encode())


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(3, 1, 5), "read holding 1-5"),
        (Request(4, 7, 1), "read input 7"),
        (Request(1, 0, 8), "read coil 0-7"),
        (Request(5, 2, 1, (0xFF00,)), "write coil 2 = on"),
        (Request(5, 2, 1, (0x5500,)), "write coil 2 = 0x5500"),
        (Request(6, 3, 1, (17,)), "write holding 3 = 17"),
        (Request(16, 3, 2, (17, 18)), "write holding 3-4 = 17 18"),
        (Request(15, 0, 3, (1, 0, 1)), "write coil 0-2 = 101"),
    ],
)
def test_what_was_asked(request_, words):
    assert asked(RTU.frame(9, request_.encode())) == words


def test_what_was_answered():
    reply = RTU.frame(3, Request(3, 1, 5).reply([4650, 0, 350, 0, 500]))
    assert answered(READ, reply, "") == "4650 0 350 0 500"
    assert answered(READ, b"", "no answer from unit 3") == "silence"
    assert answered(READ, RTU.frame(3, ModbusFault(2).reply(3)), "refused") == "refused: illegal data address (2)"
    assert answered(READ, b"\x03\x03\x02", "only 3 of 15 bytes came") == "only 3 of 15 bytes came: 03 03 02"
    coils = RTU.frame(3, Request(1, 0, 10).encode())
    assert answered(coils, RTU.frame(3, Request(1, 0, 10).reply([1, 0, 1, 0, 0, 0, 0, 0, 1, 1])), "") == "1010000011"
    write = RTU.frame(3, Request(6, 3, 1, (17,)).encode())
    assert answered(write, write, "") == "done"
    assert answered(b"", b"\x01\x02", "") == "01 02"


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(["", "checksum wrong"]))
def test_any_bytes_are_borne(request_, reply, fault):
    assert isinstance(asked(request_), str)
    assert len(answered(request_, reply, fault)) < 2200
