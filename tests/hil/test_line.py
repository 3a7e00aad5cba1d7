"""Virtual lines against a client that knows nothing of them: timing, gaps, plugging, nothing left behind."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hil.codec import RTU, Request
from hil.devices import RadarLevel, TippingRain, WaveshareRelay8
from hil.line import VirtualLine


class Peer:
    """A plain serial client: writes a frame, reads as many bytes as it is told."""

    def __init__(self, path: Path, baudrate: int = 9600, parity: str = "N", timeout: float = 0.5) -> None:
        self.port = serial.Serial(str(path), baudrate, parity=parity, timeout=timeout)

    def ask(self, unit_id: int, request_: Request, size: int) -> bytes:
        self.port.write(RTU.frame(unit_id, request_.encode()))
        return self.port.read(size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "line"


@pytest.fixture
def open_peer() -> Iterator[type[Peer]]:
    opened: list[Peer] = []

    class Closing(Peer):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            opened.append(self)

    yield Closing
    for peer in opened:
        peer.port.close()


@pytest.mark.parametrize(("baudrate", "parity"), [(9600, "N"), (9600, "E"), (19200, "N"), (115200, "O")])
def test_exchanges_take_the_time_of_the_wire(path: Path, open_peer: type[Peer], baudrate: int, parity: str) -> None:
    radar = RadarLevel(350)
    radar.reply_s = 0.010
    with VirtualLine(path, {3: radar}, baudrate=baudrate, parity=parity) as line:  # type: ignore[arg-type]
        peer = open_peer(path, baudrate, parity)
        took: list[float] = []
        for _ in range(20):
            start_s = time.monotonic()
            answer = peer.ask(3, Request(3, 0, 6), 17)
            took.append(time.monotonic() - start_s)
            assert RTU.parse(answer)[0] == 3
            time.sleep(0.005)
    bits = 10 if parity == "N" else 11
    wire_s = (8 + 17) * bits / baudrate + 0.010
    assert statistics.median(took) == pytest.approx(wire_s, rel=0.05)
    assert min(took) >= wire_s
    assert line.gap_violations == 0
    assert len(line.times_s(3)) == 20


def test_a_master_that_does_not_wait_is_counted(path: Path, open_peer: type[Peer]) -> None:
    with VirtualLine(path, {1: RadarLevel(10)}) as line:
        peer = open_peer(path)
        for _ in range(5):
            peer.ask(1, Request(3, 3, 1), 7)
    assert line.gap_violations == 4


def test_a_master_that_talks_over_a_unit_is_not_understood(path: Path, open_peer: type[Peer]) -> None:
    with VirtualLine(path, {1: RadarLevel(10)}) as line:
        peer = open_peer(path)
        peer.port.write(RTU.frame(1, Request(3, 0, 6).encode()))
        assert peer.port.read(3)  # the answer has begun
        peer.port.write(RTU.frame(1, Request(3, 3, 1).encode()))
        assert len(peer.port.read(14)) == 14
        assert peer.port.read(1) == b""
    assert line.collisions == 1


def test_two_requests_without_a_gap_are_one_broken_frame(path: Path, open_peer: type[Peer]) -> None:
    with VirtualLine(path, {1: RadarLevel(10)}) as line:
        peer = open_peer(path)
        frame = RTU.frame(1, Request(3, 3, 1).encode())
        peer.port.write(frame + frame)
        assert peer.port.read(1) == b""
    assert line.crc_errors == 1


def test_silence_for_absent_units_broadcasts_and_broken_requests(path: Path, open_peer: type[Peer]) -> None:
    relay = WaveshareRelay8()
    with VirtualLine(path, {1: relay}, timed=False) as line:
        peer = open_peer(path)
        peer.port.timeout = 0.1
        assert peer.ask(9, Request(3, 0, 1), 1) == b""
        assert peer.ask(0, Request(5, 0, 1, (0xFF00,)), 1) == b""
        peer.port.write(RTU.spoil(RTU.frame(1, Request(1, 0, 8).encode())))
        assert peer.port.read(1) == b""
        assert line.crc_errors == 1
        assert not any(relay.coils)
        assert len(peer.ask(1, Request(1, 0, 8), 6)) == 6


@pytest.mark.parametrize(("baudrate", "parity"), [(4800, "N"), (9600, "O")])
def test_the_wrong_speed_or_parity_is_not_understood(
    path: Path, open_peer: type[Peer], baudrate: int, parity: str
) -> None:
    with VirtualLine(path, {1: RadarLevel(10)}) as line:
        peer = open_peer(path, baudrate, parity, 0.1)
        assert peer.ask(1, Request(3, 3, 1), 1) == b""
        assert line.misread == 1
        peer.port.close()
        assert len(open_peer(path).ask(1, Request(3, 3, 1), 7)) == 7


def test_unplugged_and_back_under_another_name(path: Path, open_peer: type[Peer]) -> None:
    with VirtualLine(path, {1: RadarLevel(10)}) as line:
        first = path.readlink()
        peer = open_peer(path)
        assert len(peer.ask(1, Request(3, 3, 1), 7)) == 7
        line.unplug()
        line.unplug()
        assert not path.is_symlink()
        with pytest.raises((serial.SerialException, OSError)):
            peer.ask(1, Request(3, 3, 1), 7)
        peer.port.close()
        line.replug(new_name=True)
        assert path.readlink() != first
        assert len(open_peer(path).ask(1, Request(3, 3, 1), 7)) == 7
        with pytest.raises(RuntimeError):
            line.replug()


def test_a_unit_may_talk_unasked(path: Path, open_peer: type[Peer]) -> None:
    with VirtualLine(path) as line:
        peer = open_peer(path)
        line.send(b"unasked")
        assert peer.port.read(7) == b"unasked"


def test_nobody_reading_never_blocks_the_line(path: Path, open_peer: type[Peer]) -> None:
    with VirtualLine(path, {1: RadarLevel(10)}, timed=False) as line:
        for _ in range(4):
            line.send(bytes(4096))
        deadline_s = time.monotonic() + 5
        while line._unsolicited and time.monotonic() < deadline_s:
            time.sleep(0.01)
        peer = open_peer(path)
        peer.port.reset_input_buffer()
        assert len(peer.ask(1, Request(3, 3, 1), 7)) == 7


def test_nothing_is_left_behind(path: Path) -> None:
    threads, descriptors = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with VirtualLine(path, {0xC0: TippingRain()}) as line:
            line.unplug()
            line.replug(new_name=True)
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert not path.is_symlink()
