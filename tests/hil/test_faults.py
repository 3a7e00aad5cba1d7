"""Every fault does what its name says, on a serial line and on TCP."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from hil.codec import RTU, FrameError, Mbap, Request
from hil.devices import RadarLevel
from hil.faults import Emission, Fault, FaultPlan, Reply
from hil.line import VirtualLine
from hil.tcp import VirtualTcp

ASK = Request(3, 0, 4)
GOOD = RTU.frame(3, ASK.reply([0, 4650, 0, 350]))
SENT = RTU.frame(3, ASK.encode())


@pytest.fixture
def line(tmp_path: Path) -> Iterator[VirtualLine]:
    with VirtualLine(tmp_path / "line", {3: RadarLevel(350)}, timed=False) as line:
        yield line


def ask(line: VirtualLine, fault: Fault | None, wait_s: float = 0.25, **options: float) -> bytes:
    line.faults[3] = FaultPlan(script=[fault], **options)  # type: ignore[arg-type]
    with serial.Serial(str(line.path), 9600, timeout=wait_s) as port:
        port.write(SENT)
        return port.read(4096)


def test_no_fault(line: VirtualLine) -> None:
    assert ask(line, None) == GOOD
    assert not line.faults[3].counts


def test_silent(line: VirtualLine) -> None:
    assert ask(line, Fault.SILENT) == b""
    assert line.faults[3].counts == {Fault.SILENT: 1}


def test_late(line: VirtualLine) -> None:
    line.faults[3] = FaultPlan.always(Fault.LATE, late_s=0.2)
    with serial.Serial(str(line.path), 9600, timeout=1) as port:
        start_s = time.monotonic()
        port.write(SENT)
        assert port.read(len(GOOD)) == GOOD
        assert time.monotonic() - start_s == pytest.approx(0.2, abs=0.05)


def test_split(line: VirtualLine) -> None:
    with_pause = FaultPlan.always(Fault.SPLIT, split_s=0.15)
    line.faults[3] = with_pause
    with serial.Serial(str(line.path), 9600, timeout=1) as port:
        port.write(SENT)
        first = port.read(len(GOOD) // 2)
        start_s = time.monotonic()
        rest = port.read(len(GOOD) - len(first))
        assert time.monotonic() - start_s > 0.1
    assert first + rest == GOOD


def test_frames_that_fail_a_check(line: VirtualLine) -> None:
    for fault in (Fault.WRONG_CRC, Fault.GARBAGE, Fault.TRUNCATED, Fault.NOISE):
        got = ask(line, fault)
        assert got
        with pytest.raises(FrameError):
            RTU.parse(got)
    assert ask(line, Fault.NOISE).endswith(GOOD)
    assert GOOD.startswith(ask(line, Fault.TRUNCATED))


def test_good_frames_with_the_wrong_content(line: VirtualLine) -> None:
    assert RTU.parse(ask(line, Fault.WRONG_UNIT)) == (4, GOOD[1:-2])
    assert RTU.parse(ask(line, Fault.WRONG_FUNCTION)) == (3, b"\x04" + GOOD[2:-2])
    assert RTU.parse(ask(line, Fault.SHORT)) == (3, ASK.reply([0, 4650, 0]))
    assert RTU.parse(ask(line, Fault.LONG)) == (3, ASK.reply([0, 4650, 0, 350, 0]))
    assert RTU.parse(ask(line, Fault.EXCEPTION, exception_code=6)) == (3, b"\x83\x06")


def test_echo_and_babble(line: VirtualLine) -> None:
    assert ask(line, Fault.ECHO) == SENT + GOOD
    assert len(ask(line, Fault.BABBLE, babble_bytes=300)) == 300


def test_faults_of_one_unit_leave_the_others_alone(line: VirtualLine) -> None:
    line.units[5] = RadarLevel(10)
    line.faults[3] = FaultPlan.always(Fault.SILENT)
    with serial.Serial(str(line.path), 9600, timeout=0.3) as port:
        port.write(RTU.frame(5, Request(3, 3, 1).encode()))
        assert RTU.parse(port.read(7)) == (5, b"\x03\x02\x00\x0a")


@given(st.integers(0, 1000))
def test_chances_are_kept_and_repeatable(seed: int) -> None:
    chances = {Fault.SILENT: 0.2, Fault.LATE: 0.1}
    first, second = FaultPlan(chances, seed=seed), FaultPlan(chances, seed=seed)
    drawn = [first.draw() for _ in range(300)]
    assert drawn == [second.draw() for _ in range(300)]
    assert 20 < first.counts[Fault.SILENT] < 110
    assert first.counts[Fault.LATE] + first.counts[Fault.SILENT] + drawn.count(None) == 300


def test_chances_beyond_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        FaultPlan({Fault.SILENT: 0.7, Fault.LATE: 0.7})


@pytest.mark.parametrize("request_", [Request(1, 0, 3), Request(5, 0, 1, (0xFF00,)), Request(16, 0, 1, (7,))])
@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_fits_every_request_and_framing(request_: Request, fault: Fault) -> None:
    pdu = request_.reply([1, 0, 1])
    for framing in (RTU, Mbap(77)):
        reply = Reply(3, pdu, framing.frame(3, request_.encode()), framing)
        emitted = FaultPlan().emit(fault, reply)
        assert emitted != [Emission(reply.frame)]


class TcpPeer:
    def __init__(self, gateway: VirtualTcp) -> None:
        self.socket = socket.create_connection((gateway.host, gateway.port), timeout=1)

    def ask(self, transaction: int = 9) -> bytes:
        self.socket.sendall(Mbap(transaction).frame(3, ASK.encode()))
        return self.socket.recv(4096)


def test_tcp_faults() -> None:
    good = Mbap(9).frame(3, GOOD[1:-2])
    with VirtualTcp({3: RadarLevel(350)}) as gateway:
        peer = TcpPeer(gateway)
        with peer.socket:
            assert peer.ask() == good
            gateway.faults[3] = FaultPlan(script=[Fault.TRANSACTION, Fault.WRONG_CRC, Fault.LATE, Fault.RESET])
            assert peer.ask() == Mbap(10).frame(3, GOOD[1:-2])
            assert peer.ask()[2:4] == b"\x00\x01"
            start_s = time.monotonic()
            assert peer.ask() == good
            assert time.monotonic() - start_s > 0.2
            with pytest.raises(ConnectionResetError):
                peer.ask()


def test_tcp_splits_and_joins_requests() -> None:
    with VirtualTcp({3: RadarLevel(350)}) as gateway:
        peer = TcpPeer(gateway)
        with peer.socket:
            frames = b"".join(Mbap(t).frame(3, ASK.encode()) for t in (1, 2))
            peer.socket.sendall(frames[:5])
            time.sleep(0.05)
            peer.socket.sendall(frames[5:])
            want = b"".join(Mbap(t).frame(3, GOOD[1:-2]) for t in (1, 2))
            got = b""
            while len(got) < len(want):
                got += peer.socket.recv(4096)
            assert got == want


def test_rtu_over_tcp_and_a_gateway_that_goes_and_comes() -> None:
    with VirtualTcp({3: RadarLevel(350)}, framing="rtu", timed=True) as gateway:
        with socket.create_connection((gateway.host, gateway.port), timeout=1) as peer:
            peer.sendall(SENT)
            assert peer.recv(100) == GOOD
            peer.sendall(RTU.frame(3, b"\x2b\x0e\x01"))
            assert RTU.parse(peer.recv(100)) == (3, b"\xab\x01")
            gateway.unplug()
            with pytest.raises(ConnectionResetError):
                peer.recv(100)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((gateway.host, gateway.port), timeout=1)
        gateway.replug()
        with socket.create_connection((gateway.host, gateway.port), timeout=1) as peer:
            peer.sendall(SENT)
            assert peer.recv(100) == GOOD
    assert gateway.connections == 2
