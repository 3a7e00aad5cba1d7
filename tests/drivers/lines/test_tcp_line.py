"""A TCP line, Modbus TCP and RTU over TCP: wrong transactions, floods, resets and hosts that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time

import pytest

from drivers.api import DriverError, NotPresent, Timeout
from drivers.frames import ExceptionReply, Misframed
from drivers.modbus import LineSection, open_line
from hil.codec import Mbap
from hil.faults import Fault, FaultPlan
from hil.tcp import VirtualTcp


def opened(line: VirtualTcp, quiet_s: float = 0.02, **settings):
    section = LineSection(
        **{"host": line.host, "port": line.port, "framing": line.framing, "timeout": "40 ms", **settings}
    )
    return open_line("test", section, quiet_s=quiet_s)


def test_reads_and_writes(tcp_line, run):
    async def check() -> None:
        async with opened(tcp_line) as line:
            assert await line.read("holding", 3, 5, 2) == [38, 45]
            await line.write("coil", 3, 8, [1, 0, 1])
            assert await line.read("coil", 3, 7, 4) == [0, 1, 0, 1]
            with pytest.raises(ExceptionReply):
                await line.read("holding", 3, 5000, 1)
            with pytest.raises(Timeout):
                await line.read("holding", 9, 0, 1)
            assert line.health.openings == 1

    run(check())


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NOISE])
def test_each_fault_is_told_and_gone_with_the_next_request(fault, tcp_line, run):
    tcp_line.faults[3] = FaultPlan(script=[fault], late_s=0.09, split_s=0.01)

    async def check() -> None:
        async with opened(tcp_line, quiet_s=0.12, retries=0) as line:
            if fault is Fault.SPLIT:
                assert await line.read("holding", 3, 40, 3) == [283, 290, 297]
            else:
                with pytest.raises(DriverError):
                    await line.read("holding", 3, 40, 3)
            for address in (100, 200):
                deadline_s = time.monotonic() + 5
                while True:  # a stream out of step is closed and opened again
                    try:
                        words = await line.read("holding", 3, address, 3)
                    except NotPresent:
                        assert time.monotonic() < deadline_s
                        await asyncio.sleep(0.02)
                    else:
                        break
                assert words == [address * 7 + 3 + 7 * i for i in range(3)]

    run(check())


def test_random_faults_give_no_wrong_value(tcp_line, run):
    for unit_id in (3, 4):
        tcp_line.faults[unit_id] = FaultPlan(dict.fromkeys(Fault, 0.006), seed=unit_id, late_s=0.05, split_s=0.003)
    chance = random.Random(2)

    async def check() -> None:
        good = 0
        async with opened(tcp_line, quiet_s=0.06, timeout="20 ms") as line:
            for _ in range(500):
                unit_id, address, count = chance.choice([3, 4]), chance.randrange(900), chance.choice([1, 2, 2, 20])
                try:
                    words = await line.read("holding", unit_id, address, count)
                except NotPresent:
                    await asyncio.sleep(0.05)
                except DriverError:
                    continue
                else:
                    assert words == [(address + i) * 7 + 3 for i in range(count)]
                    good += 1
        assert good > 250

    run(check())


def test_an_answer_to_another_transaction_is_no_answer(run):
    async def check() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while request := await reader.read(12):
                writer.write(Mbap(0).frame(3, bytes.fromhex("03 02 0007")))  # as some gateways do
                if request[11] == 2:  # and now the right one as well
                    writer.write(Mbap(int.from_bytes(request[:2], "big")).frame(3, bytes.fromhex("03 04 0001 0002")))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        section = LineSection(host="127.0.0.1", port=port, timeout="50 ms", retries=0)
        async with server, open_line("test", section) as line:
            with pytest.raises(Misframed, match="answers to other requests") as caught:
                await line.read("holding", 3, 0, 1)
            assert caught.value.fault == "transaction"
            assert await line.read("holding", 3, 0, 2) == [1, 2]
            assert line.health.units[3].late == 2

    run(check())


def test_a_flood_is_cut_off(run):
    async def check() -> None:
        poured = 0

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal poured
            try:
                while True:
                    writer.write(Mbap(1).frame(3, bytes.fromhex("03 02 0007")) * 50)
                    poured += 1
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        section = LineSection(host="127.0.0.1", port=server.sockets[0].getsockname()[1], timeout="100 ms", retries=0)
        async with server, open_line("test", section) as line:
            started_s = time.monotonic()
            for _ in range(10):
                with pytest.raises(DriverError):
                    await line.read("holding", 3, 0, 2)
                await asyncio.sleep(0.05)
            assert time.monotonic() - started_s < 5
            assert poured < 20_000

    run(check())


def test_a_host_that_goes_and_comes(tcp_line, run):
    async def check() -> None:
        async with opened(tcp_line) as line:
            assert await line.read("holding", 3, 0, 1) == [3]
            tcp_line.unplug()
            await asyncio.sleep(0.05)
            started_s = time.monotonic()
            for _ in range(20):
                with pytest.raises(NotPresent):
                    await line.read("holding", 3, 0, 1)
            assert time.monotonic() - started_s < 0.2
            assert not line.health.is_open
            tcp_line.replug()
            started_s = time.monotonic()
            words = None
            while words is None:
                with contextlib.suppress(NotPresent):
                    words = await line.read("holding", 3, 0, 1)
                await asyncio.sleep(0.05)
            assert words == [3]
            assert line.health.is_open
            assert time.monotonic() - started_s < 5

    run(check())


def test_an_unreachable_host_holds_nobody_up(run):
    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        started_s = time.monotonic()
        async with open_line("test", LineSection(host="127.0.0.1", port=port)) as line:
            with pytest.raises(NotPresent, match="refused"):
                await line.read("holding", 3, 0, 1)
            assert time.monotonic() - started_s < 1

    run(check())


def test_urgent_requests_overtake(tcp_line, run):
    async def check() -> None:
        async with opened(tcp_line) as line:
            order: list[str] = []

            async def ask(word: str, *, urgent: bool) -> None:
                await line.read("holding", 3, 0, 1, urgent=urgent)
                order.append(word)

            polls = [ask("poll", urgent=False) for _ in range(5)]
            await asyncio.gather(*polls, ask("urgent", urgent=True))
            assert order[:2] == ["poll", "urgent"]  # the first poll was on the wire already

    run(check())


def test_sections_name_what_is_wrong():
    for settings, words in [
        ({}, "needs port"),
        ({"port": 502}, "needs port"),
        ({"port": "/dev/x", "framing": "tcp"}, "needs a host"),
        ({"host": "a", "port": "/dev/x"}, "TCP port number"),
        ({"host": "a", "echo": True}, "serial"),
        ({"port": "/dev/x", "timeout": 1}, "duration"),
        ({"port": "/dev/x", "retries": 9}, "less than or equal to 3"),
        ({"port": "/dev/x", "speed": 9600}, "Extra"),
    ]:
        with pytest.raises(ValueError, match=words):
            LineSection(**settings)
    assert LineSection(port="/dev/x").gap_s == pytest.approx(3.5 * 10 / 9600)
    assert LineSection(port="/dev/x", baudrate=115200).gap_s == 0.00175
    assert LineSection(port="/dev/x", settle="20 ms").gap_s == 0.02
