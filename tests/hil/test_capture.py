"""Captures are said again byte for byte, in order and in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import serial

from hil.capture import Capture, CaptureError, ReplayedLine
from hil.codec import RTU, Request

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
