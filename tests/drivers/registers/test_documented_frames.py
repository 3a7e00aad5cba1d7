"""Frames as makers and public drivers print them: ours are the same, byte for byte, and theirs are understood."""

from __future__ import annotations

import pytest

from drivers.frames import Request, raw_request, read_request, rtu_reply, write_request

# Where it is printed, what we would send, the printed request, the printed answer and what it means.
PRINTED = [
    ("HLK-LD8001H, register list: space height", ("holding", 1, 0x0001, 1), "01 03 00 01 00 01 D5 CA", "", []),
    ("HLK-LD8001H, register list: water level", ("holding", 1, 0x0003, 1), "01 03 00 03 00 01 74 0A", "", []),
    ("HLK-LD8001H, register list: unit id", ("holding", 1, 0x03F4, 1), "01 03 03 F4 00 01 C5 BC", "", []),
    ("HLK-LD8001H, register list: range", ("holding", 1, 0x07D4, 1), "01 03 07 D4 00 01 C5 46", "", []),
    ("ComWinTop, tool: whose unit id is it", ("holding", 255, 0x07D0, 1), "FF 03 07 D0 00 01 91 59", "", []),
    ("QDY30A, several collectors: level", ("holding", 1, 0x0004, 1), "01 03 00 04 00 01 C5 CB", "", []),
    ("WTVB01-485, manual: acceleration", ("holding", 0x50, 0x34, 3), "50 03 00 34 00 03 49 84", "", []),
    (
        "SEN0492, example frames: distance 1803 mm",
        ("holding", 0x50, 0x34, 1), "50 03 00 34 00 01 C8 45", "50 03 02 07 0B 06 7F", [1803],
    ),
    (
        "S-YW-01B, sheet: unit id",
        ("holding", 0x1A, 0x0000, 1), "1A 03 00 00 00 01 87 E1", "1A 03 02 00 01 1D 86", [1],
    ),
]  # fmt: skip
WRITTEN = [
    ("WitMotion, manual: unlock", write_request("holding", 0x50, 0x0069, [0xB588]), "50 06 00 69 B5 88 22 A1"),
    ("Waveshare relay, protocol: relay 1 on", write_request("coil", 1, 0, [1]), "01 05 00 00 FF 00 8C 3A"),
    ("Waveshare relay, protocol: relay 1 off", write_request("coil", 1, 0, [0]), "01 05 00 00 00 00 CD CA"),
    (
        "Waveshare relay, protocol: relay 4 on",
        raw_request(1, bytes.fromhex("05 00 03 FF 00")),
        "01 05 00 03 FF 00 7C 3A",
    ),
]


@pytest.mark.parametrize(("where", "read", "request_bytes", "reply", "values"), PRINTED, ids=[p[0] for p in PRINTED])
def test_requests_and_answers_as_printed(where, read, request_bytes, reply, values):
    request = read_request(*read)
    assert request.rtu == bytes.fromhex(request_bytes)
    if reply:
        pdu = rtu_reply(request, bytes.fromhex(reply))
        assert pdu is not None
        assert request.values(pdu) == values


@pytest.mark.parametrize(("where", "request_", "printed"), WRITTEN, ids=[w[0] for w in WRITTEN])
def test_writes_as_printed(where: str, request_: Request, printed: str):
    assert request_.rtu == bytes.fromhex(printed)
    assert rtu_reply(request_, bytes.fromhex(printed)) == bytes.fromhex(printed)[1:-2]
