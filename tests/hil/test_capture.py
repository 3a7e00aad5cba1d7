"""Captures are said again byte for byte, in order and in time."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import serial

from hil.capture import Capture, CaptureError, Golden, ReplayedLine, ReplayedTcp, written
from hil.codec import RTU, Mbap, Request

LATE = Path(__file__).parent / "captures" / "late-answer.cap"
LEVEL = RTU.frame(3, Request(3, 3, 1).encode())
HEIGHT = RTU.frame(3, Request(3, 5, 1).encode())


def test_a_capture_is_said_again(tmp_path: Path) -> None:
    with (
        ReplayedLine(tmp_path / "line", Capture.load(LATE)) as line,
        serial.Serial(str(line.path), 9600, timeout=0.3) as port,
    ):
        port.write(LEVEL)
        assert port.read(1) == b"", "the first request got no answer in time"
        port.write(HEIGHT)
        start_s = time.monotonic()
        assert port.read(7) == RTU.frame(3, Request(3, 3, 1).reply([350]))
        assert port.read(7) == RTU.frame(3, Request(3, 5, 1).reply([500]))
        assert time.monotonic() - start_s == pytest.approx(8 * 10 / 9600 + 0.060 + 7 * 10 / 9600, abs=0.02)
        port.write(LEVEL)
        assert port.read(7) == RTU.frame(3, Request(3, 3, 1).reply([352]))
        port.write(RTU.frame(3, Request(3, 9, 1).encode()))
        assert port.read(1) == b""
        time.sleep(0.01)
        port.write(LEVEL)
        assert port.read(1) == b"", "from the beginning again"
    assert line.unknown == [RTU.frame(3, Request(3, 9, 1).encode())]
    assert len(line.times_s(3)) == 5


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["> 01"], "Line: 9600 8N1"),
        (["# line: 9600 8N1", "< 0.1 01"], "cap:2"),
        (["# line: 9600 8N1", "> 0G"], "cap:2"),
        (["# line: 9600 8N1", "> 01", "< 01"], "cap:3"),
        (["# line: 9600 8N1", "01 02"], "cap:2"),
    ],
)
def test_what_is_no_capture_is_refused(lines: list[str], told: str) -> None:
    with pytest.raises(CaptureError, match=told):
        Capture.parse(lines, "cap")


def test_settings_come_from_the_file() -> None:
    capture = Capture.parse(["# line: 19200 8E1", "# notes", "", "> 01 02"])
    assert (capture.baudrate, capture.parity, capture.stopbits) == (19200, "E", 1)
    assert capture.exchanges[0].request == b"\x01\x02"
    assert capture.exchanges[0].pieces == ()


# --- scenes and goldens -------------------------------------------------------------------------------------------

TWO = [
    "# Device: radar",
    "# Line: 9600 8N1",
    "# Section: map = 'x'",
    "# Section: unit_id = 3",
    f"> {LEVEL.hex(' ')}",
    f"< 0.012 {RTU.frame(3, Request(3, 3, 1).reply([350])).hex(' ')}",
    "= level 350 mm good",
    "= relay-* 0 - good",
    f"> {RTU.frame(3, Request(3, 3, 3).encode()).hex(' ')}",
    f"< 0.012 {RTU.frame(3, Request(3, 3, 3).reply([360, 7, 500])).hex(' ')}",
    "= level - mm over_range",
]


def test_goldens_end_a_scene_and_patterns_come_after_names() -> None:
    capture = Capture.parse(TWO)
    assert [len(scene.exchanges) for scene in capture.scenes] == [1, 1]
    first, second = capture.scenes
    assert first.golden("level") == Golden("level", 350, "mm", "good")
    assert first.golden("relay-7") == Golden("relay-*", 0, "", "good")
    assert first.golden("pump") is None
    assert second.golden("level") == Golden("level", None, "mm", "over_range")
    assert capture.header["section"] == "map = 'x'\nunit_id = 3"


def test_what_is_written_is_read_again() -> None:
    capture = Capture.parse(TWO)
    text = written(capture.header, capture.scenes)
    assert Capture.parse(text.splitlines()) == capture


def test_a_scene_answers_reads_that_were_not_recorded_as_such(tmp_path: Path) -> None:
    with (
        ReplayedLine(tmp_path / "line", Capture.parse(TWO), timed=False) as line,
        serial.Serial(str(line.path), 9600, timeout=0.3) as port,
    ):
        line.scene(1)
        asked = (
            (Request(3, 5, 1), Request(3, 5, 1).reply([500])),
            (Request(3, 3, 2), Request(3, 3, 2).reply([360, 7])),
            (Request(3, 5, 2), bytes([0x83, 2])),  # 6 was never recorded: refused, as a device would
        )
        for request, reply in asked:
            port.write(RTU.frame(3, request.encode()))
            assert port.read(len(reply) + 3) == RTU.frame(3, reply)
        assert not line.unknown
        port.write(RTU.frame(4, Request(3, 3, 1).encode()))
        assert port.read(1) == b"", "another unit"
        assert len(line.unknown) == 1


def test_over_tcp_a_frame_is_unit_id_and_pdu() -> None:
    capture = Capture.parse(["# Line: tcp", "> 07 03 00 02 00 01", "< 0.001 07 03 02 00 2A"])
    with ReplayedTcp(capture) as gateway, socket.create_connection((gateway.host, gateway.port), 1) as client:
        for transaction in (1, 500):
            client.sendall(Mbap(transaction).frame(7, Request(3, 2, 1).encode()))
            assert client.recv(64) == Mbap(transaction).frame(7, bytes.fromhex("03 02 00 2A"))
