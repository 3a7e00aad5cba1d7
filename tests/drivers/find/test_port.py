"""A port for searching asks reads, listens, and can't send a write."""

from __future__ import annotations

import time

import pytest

from drivers.api import NotPresent, Timeout
from drivers.find.port import HostPort, SerialPort, Settings
from drivers.frames import ExceptionReply, Misframed, raw_request, read_request, write_request
from hil.devices import KellerPressure, RadarLevel
from hil.faults import Fault, FaultPlan
from hil.tcp import VirtualTcp

from .conftest import FAST


def test_reads_refusals_silence_and_bad_frames(bench):
    line, port = bench({3: RadarLevel(350), 4: RadarLevel(10)})
    line.faults[4] = FaultPlan.always(Fault.WRONG_CRC)
    port.tune(FAST)
    request = read_request("holding", 3, 3, 1)
    assert request.values(port.ask(request, 0.2).pdu) == [350]
    assert isinstance(port.ask(read_request("input", 3, 0, 1), 0.2).error, ExceptionReply)
    silent = port.ask(read_request("holding", 5, 0, 1), 0.05)
    assert isinstance(silent.error, Timeout)
    assert not silent.raw
    assert 0.05 < silent.elapsed_s < 0.25
    bad = port.ask(read_request("holding", 4, 0, 1), 0.1)
    assert isinstance(bad.error, Misframed)
    assert len(bad.raw) == 7
    assert request.values(port.ask(request, 0.2).pdu) == [350]
    assert line.gap_violations == 0
    assert line.collisions == 0


def test_an_adapter_that_echoes_is_found_out(bench):
    line, port = bench({3: RadarLevel(350)})
    line.faults[3] = FaultPlan.always(Fault.ECHO)
    port.tune(FAST)
    request = read_request("holding", 3, 3, 1)
    assert request.values(port.ask(request, 0.2).pdu) == [350]
    assert port.echo
    line.faults.clear()
    assert request.values(port.ask(request, 0.2).pdu) == [350]


@pytest.mark.parametrize("port", [SerialPort("/dev/null"), HostPort("127.0.0.1", 1)])
def test_no_write_passes(port):
    for request in (
        write_request("holding", 1, 0, [1]),
        write_request("coil", 1, 0, [1, 0]),
        raw_request(1, b"\x05\x00\x00\xff\x00"),
        raw_request(1, b"\x2b\x0e\x01\x00", expect=4),
    ):
        with pytest.raises(ValueError, match="never writes"):
            port.ask(request, 0.1)


def test_a_port_that_is_not_there_or_held(tmp_path, bench):
    with pytest.raises(NotPresent, match="no such file"):
        SerialPort(str(tmp_path / "nothing")).tune(FAST)
    with pytest.raises(NotPresent):
        HostPort("127.0.0.1", 1).tune(Settings(0))
    line, port = bench({})
    port.tune(FAST)
    with SerialPort(str(line.path)) as second, pytest.raises(NotPresent, match="another program holds the port"):
        second.tune(FAST)
    line.unplug()
    with pytest.raises(NotPresent):
        port.ask(read_request("holding", 1, 0, 1), 0.1)


def test_the_wrong_speed_brings_silence(bench):
    line, port = bench({3: RadarLevel()}, baudrate=19200)
    for settings in (Settings(9600), Settings(19200, "O")):
        port.tune(settings)
        assert isinstance(port.ask(read_request("holding", 3, 0, 1), 0.05).error, Timeout)
    assert line.misread == 2
    port.tune(Settings(19200))
    assert port.ask(read_request("holding", 3, 0, 1), 0.1).pdu


def test_listening_gives_the_bytes_with_their_time(bench):
    line, port = bench({})
    port.tune(FAST)
    started_s = time.monotonic()
    line.send(b"R1234\r")
    heard = port.listen(0.15)
    assert b"".join(piece.data for piece in heard) == b"R1234\r"
    assert started_s < heard[0].mono_s < started_s + 0.1
    assert time.monotonic() - started_s >= 0.15


def test_a_tcp_host():
    with VirtualTcp({1: KellerPressure(0.25)}) as gateway, HostPort("127.0.0.1", gateway.port) as port:
        port.tune(Settings(0))
        request = read_request("holding", 1, 0x0011, 1)
        assert request.values(port.ask(request, 0.5).pdu) == [25]
        assert isinstance(port.ask(read_request("holding", 2, 0, 1), 0.05).error, Timeout)
        assert isinstance(port.ask(read_request("input", 1, 0, 1), 0.5).error, ExceptionReply)
        gateway.unplug()
        assert port.ask(request, 0.2).pdu is None
        gateway.replug()
        assert request.values(port.ask(request, 0.5).pdu) == [25]
