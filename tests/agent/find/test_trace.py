"""`tocsin trace` on a running agent: frames in words, live, and saved so that the bench says them again."""

from __future__ import annotations

import asyncio
import sys
import time
import tomllib
from pathlib import Path

import pytest

from agent.find.heard import Line, exchanges_of, words_of
from drivers.instrument import ModbusDriver, ModbusSection
from drivers.modbus import LineSection, open_line
from hil.capture import Capture, ReplayedLine
from hil.devices import KellerPressure, RadarLevel
from hil.faults import Fault, FaultPlan
from hil.follower import NoAnswer, ask
from hil.line import VirtualLine
from hil.processes import Child

SITE = """
[site]
id = "traced"
languages = ["en"]
[bus.wire]
port = "{port}"
baudrate = 115200
timeout = "100 ms"
retries = 0
[device.pit]
bus = "wire"
unit_id = 3
map = "hlk-ld8001h"
period = "100 ms"
[device.well]
bus = "wire"
unit_id = 17
map = "keller-30"
period = "200 ms"
[device.gone]
bus = "wire"
unit_id = 18
map = "keller-30"
period = "200 ms"
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    directory = tmp_path_factory.mktemp("agent")
    units = {3: RadarLevel(350), 17: KellerPressure(0.25)}
    site, socket = directory / "site.toml", directory / "c.sock"
    site.write_text(SITE.format(port=directory / "line"), encoding="utf-8")
    argv = [sys.executable, "-m", "agent.cli", "guard", str(site), "--state", str(directory / "state")]
    argv += ["--socket", str(socket), "--no-jit"]
    with (
        VirtualLine(directory / "line", units, baudrate=115200) as bench,
        Child("agent", argv, directory / "agent.log") as child,
    ):
        wait_for_frames(socket, 20, child)
        yield bench, socket


def wait_for_frames(socket: Path, least: int, child: Child | None = None) -> None:
    until_s = time.monotonic() + 15
    while time.monotonic() < until_s:
        try:
            frames = ask(socket, {"do": "trace", "bus": "wire"})["frames"]
        except NoAnswer:
            frames = []
        if frames and frames[-1][0] >= least:
            return
        time.sleep(0.05)
    raise AssertionError(child.last_words if child else "no frames")


def test_frames_of_a_running_agent(agent, tocsin, tmp_path):
    bench, socket = agent
    bench.faults[17] = FaultPlan.always(Fault.WRONG_CRC)
    newest = ask(socket, {"do": "trace", "bus": "wire"})["frames"][-1][0]
    wait_for_frames(socket, newest + 12)
    whole = tmp_path / "wire.cap"
    shown = tocsin("trace", "wire", "--socket", socket, "--once", "--last", "40", "--save", whole)
    assert shown.exit_code == 0, shown.output
    assert "Bus wire, 115200 8N1: 3 pit, 17 well, 18 gone" in shown.stdout
    assert "3 pit      read holding 1-5: 4650 0 350 0 500" in shown.stdout
    assert "level 350 mm, distance 4650 mm, install-height 500 cm" in shown.stdout
    assert "17 well     read holding 256-259: checksum wrong: 11 03 08" in shown.stdout
    assert "18 gone     read holding 256-259: silence" in shown.stdout
    faults = tocsin("trace", "wire", "--socket", socket, "--once", "--last", "40", "--faults")
    assert "checksum wrong" in faults.stdout
    assert "level 350 mm" not in faults.stdout

    capture = Capture.load(whole)
    assert capture.baudrate == 115200
    assert {exchange.request[0] for exchange in capture.exchanges} == {3, 17, 18}
    assert any(not exchange.pieces for exchange in capture.exchanges if exchange.request[0] == 18)

    golden = tmp_path / "pit.cap"
    saved = tocsin("trace", "wire", "--socket", socket, "--once", "--unit", "3", "--golden", "--save", golden)
    assert saved.exit_code == 0, saved.output
    told = {one.pattern: (one.value, one.unit, one.quality) for one in Capture.load(golden).scenes[0].goldens}
    assert told["level"] == (350, "mm", "good")
    assert read_again(golden, tmp_path) == {name: value for name, (value, _, _) in told.items()}

    nobody = tocsin("trace", "wires", "--socket", socket, "--once")
    assert nobody.exit_code == 1
    assert "no line is called 'wires'; there are: wire" in nobody.stderr


def read_again(path: Path, directory: Path) -> dict[str, float]:
    """What the real driver reads from a capture that is said again."""
    capture = Capture.load(path)
    section = ModbusSection.model_validate(tomllib.loads(capture.header["section"]))

    async def poll(port: Path) -> dict[str, float]:
        settings = LineSection(port=str(port), baudrate=capture.baudrate)
        async with (
            open_line("again", settings) as line,
            ModbusDriver().connect("again", section, line, directory) as instrument,
        ):
            return {reading.point: reading.value for reading in await instrument.poll()}

    with ReplayedLine(directory / "again", capture) as again:
        return asyncio.run(poll(again.path))


def test_watching_goes_on_until_it_is_ended(agent):
    _, socket = agent
    argv = [sys.executable, "-u", "-m", "agent.cli", "trace", "wire", "--socket", str(socket), "--last", "0"]
    log = socket.parent / "trace.log"
    with Child("trace", argv, log) as watching:
        until_s = time.monotonic() + 10
        while log.read_text(encoding="utf-8").count("read holding 1-5") < 8 and time.monotonic() < until_s:
            time.sleep(0.05)
        assert watching.code is None
    lines = [row for row in log.read_text(encoding="utf-8").splitlines() if "read holding 1-5" in row]
    assert len(lines) >= 8
    assert lines == sorted(lines), "in the order of time"
    assert len(set(lines)) == len(lines), "each once"


def test_frames_are_paired_and_odd_ones_borne():
    frames = [
        (4, 1_000, "<", "0303", "cut off: its request went out of the ring"),
        (5, 2_000_000, ">", "030300010005d5eb", ""),
        (6, 12_000_000, "<", "", "no answer from unit 3"),
        (7, 13_000_000, "?", "ff00", ""),
        (8, 14_000_000, ">", "030300010005d5eb", ""),
    ]
    first, second, third = exchanges_of(frames)
    assert (first.request, second.elapsed_s, third.request) == (b"", 0.01, b"")
    line = Line("rtu", serial=True, baudrate=9600, bytesize=8, parity="N", stopbits=1)
    assert words_of(line, second) == ("read holding 1-5", "silence")
    assert line.delay_s(second) == 0.0
    raw = Line("raw", serial=True, baudrate=9600, bytesize=8, parity="N", stopbits=1)
    text = exchanges_of([(1, 1, ">", b"P\r\n".hex(), ""), (2, 2, "<", b"Acc 0.01 mm\r\n".hex(), "")])[0]
    assert words_of(raw, text) == ("P\\r\\n", "Acc 0.01 mm\\r\\n")
