"""Units that others wrote: libmodbus in C, and pymodbus's own simulator, on a pty and over TCP."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.api import Timeout
from drivers.causes import causes_of
from drivers.frames import ExceptionReply
from drivers.instrument import ModbusDriver
from drivers.modbus import LineSection, ModbusLine, open_line
from tests.peers.libmodbus import build

MAP = """
[device]
title = "Peer"
maturity = "stable"
source = ["the bench"]
max_reply = "500 ms"
gap_limit = 10
[point.a]
address = 2
type = "u16"
[point.b]
address = 6
type = "u32"
order = "ABCD"
[point.c]
address = 5
type = "u16"
table = "input"
"""


@contextmanager
def cable(directory: Path) -> Iterator[tuple[Path, Path]]:
    """Two ports with a wire between them."""
    if shutil.which("socat") is None:
        pytest.skip("socat is not installed")
    ends = directory / "ours", directory / "theirs"
    program = subprocess.Popen(["socat", *(f"pty,rawer,link={end}" for end in ends)])
    try:
        while not all(end.exists() for end in ends):
            time.sleep(0.01)
        yield ends
    finally:
        program.terminate()
        program.wait()


async def hold_against(line: ModbusLine, directory: Path) -> None:
    """Reads, refusals and a silent neighbour; then as an instrument."""
    assert await line.read("holding", 5, 0, 100) == [7 * a + 3 for a in range(100)]
    assert await line.read("input", 5, 9, 1) == [74]
    await line.write("holding", 5, 40, [1, 2, 3])
    await line.write("holding", 5, 43, [4])
    assert await line.read("holding", 5, 40, 5) == [1, 2, 3, 4, 7 * 44 + 3]
    await line.write("coil", 5, 1, [1])
    assert await line.read("coil", 5, 0, 3) == [0, 1, 0]
    with pytest.raises(ExceptionReply, match="illegal data address"):
        await line.read("holding", 5, 5000, 1)
    (directory / "peer.toml").write_text(MAP, encoding="utf-8")
    section = ModbusDriver.Section(map="peer.toml", unit_id=5)
    async with ModbusDriver().connect("peer", section, line, directory) as instrument:
        values = {reading.point: reading.value for reading in await instrument.poll()}
    assert values == {"a": 17, "b": (45 << 16) + 52, "c": 46}
    assert causes_of(line.health, time.monotonic_ns()) == {}


def section_of(port: Path) -> LineSection:
    return LineSection(port=str(port), baudrate=115200, timeout="500 ms")


def test_libmodbus_as_a_unit(tmp_path: Path, run) -> None:
    program = build(tmp_path)
    if program is None:
        pytest.skip("no C compiler or no libmodbus (Debian: libmodbus-dev)")
    with cable(tmp_path) as (ours, theirs):
        unit = subprocess.Popen([program, "unit", theirs, "115200", "5"], stdout=subprocess.PIPE)
        try:
            assert unit.stdout is not None
            assert unit.stdout.readline() == b"ready\n"

            async def check() -> None:
                async with open_line("test", section_of(ours), quiet_s=0.02) as line:
                    await hold_against(line, tmp_path)
                    with pytest.raises(Timeout):
                        await line.read("holding", 6, 0, 1, reply_s=0.05)
                    # libmodbus takes whatever follows a request to somebody else for his answer, and ignores it: a unit
                    # built on it misses one request after a silent neighbour was asked, and no more than that.
                    with pytest.raises(Timeout):
                        await line.read("holding", 5, 1, 1, reply_s=0.1)
                    assert await line.read("holding", 5, 1, 1) == [10]

            run(check())
        finally:
            unit.kill()
            unit.communicate()


def simulated() -> SimDevice:
    def words(offset: int) -> list[SimData]:
        return [SimData(0, values=[7 * a + offset for a in range(1000)], datatype=DataType.REGISTERS)]

    bits = [SimData(0, values=[False] * 64, datatype=DataType.BITS)]
    return SimDevice(5, (bits, bits, words(3), words(11)))


def test_the_simulator_of_pymodbus_on_a_serial_line(tmp_path: Path, run) -> None:
    with cable(tmp_path) as (ours, theirs):

        async def check() -> None:
            server = ModbusSerialServer(simulated(), port=str(theirs), baudrate=115200)
            await server.serve_forever(background=True)
            try:
                async with open_line("test", section_of(ours), quiet_s=0.02) as line:
                    await hold_against(line, tmp_path)
            finally:
                await server.shutdown()

        run(check())


def test_the_simulator_of_pymodbus_over_tcp(tmp_path: Path, run) -> None:
    async def check() -> None:
        server = ModbusTcpServer(simulated(), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        try:
            async with open_line("test", LineSection(host="127.0.0.1", port=port)) as line:
                await asyncio.gather(*(line.read("holding", 5, a, 1) for a in range(20)))
                await hold_against(line, tmp_path)
        finally:
            await server.shutdown()

    run(check())
