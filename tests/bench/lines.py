"""Measures the line client: share of what the wire allows, CPU, requests a second over TCP, wrong values under faults.

Beside it, in the same run on the same virtual lines: minimalmodbus, a loop in C on libmodbus, pymodbus with a gap.
`run()` gives rows of name, value, unit and target; targets are those of the design's budgets. Units run in a process of
their own, so that CPU times are the client's alone. `python -m tests.bench.lines` prints the rows.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import multiprocessing
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from drivers.api import DriverError
from drivers.modbus import LineSection, open_line
from hil.devices.base import Device
from hil.faults import Fault, FaultPlan
from hil.line import VirtualLine
from tests.peers.libmodbus import build

_COUNT = 10  # registers a request
_SECONDS = 1.5  # of each serial measurement
_ROUNDS = 3  # the best counts: other work on the machine must not decide
_SHARES = {9600: 0.98, 19200: 0.97, 115200: 0.93}
_CONNECTIONS = 20
_REQUESTS = 1500  # on each connection


class Registers(Device):
    """Every register tells its own address."""

    reply_s = 0.0

    def image(self, table: str) -> dict[int, int]:
        first = 3 if table == "holding" else 11
        return {address: address * 7 + first for address in range(1000)}


# --- peers, in processes of their own ------------------------------------------------------------------------------


def _serial_peer(path: str, baudrate: int, pipe: Any) -> None:
    with VirtualLine(path, {1: Registers()}, baudrate=baudrate) as line:
        pipe.send("ready")
        pipe.recv()
        pipe.send(line.gap_violations + line.collisions)


def _tcp_peer(pipe: Any) -> None:
    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            body = bytes(2 * _COUNT)
            for start in range(0, len(data), 12):
                head = data[start : start + 4] + struct.pack(">HBBB", 3 + len(body), data[start + 6], 3, len(body))
                self.transport.write(head + body)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        server.close()

    asyncio.run(serve())


@contextmanager
def _peer(target: Callable[..., None], *arguments: object) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.close()
        process.join(5)
        process.terminate()


# --- measurements -------------------------------------------------------------------------------------------------


async def _paced(ask: Callable[[], Awaitable[None]], seconds: float) -> tuple[int, float, float]:
    """Requests, wall and CPU seconds of the best round of asking again and again."""
    await ask()
    rounds = []
    for _ in range(_ROUNDS):
        requests, wall_s, cpu_s = 0, time.monotonic(), time.process_time()
        while time.monotonic() - wall_s < seconds:
            await ask()
            requests += 1
        rounds.append((requests, time.monotonic() - wall_s, time.process_time() - cpu_s))
    return max(rounds, key=lambda one: one[0] / one[1])


async def _ours_serial(path: str, baudrate: int) -> tuple[int, float, float]:
    async with open_line("bench", LineSection(port=path, baudrate=baudrate)) as line:

        async def ask() -> None:
            await line.read("holding", 1, 0, _COUNT)

        return await _paced(ask, _SECONDS)


async def _pymodbus_serial(path: str, baudrate: int) -> tuple[int, float, float]:
    client = AsyncModbusSerialClient(path, baudrate=baudrate, retries=0, timeout=1)
    await client.connect()
    gap_s = LineSection(port=path, baudrate=baudrate).gap_s

    async def ask() -> None:
        reply = await client.read_holding_registers(0, count=_COUNT, device_id=1)
        assert not reply.isError()
        await asyncio.sleep(gap_s)

    try:
        return await _paced(ask, _SECONDS)
    finally:
        client.close()


async def _minimalmodbus(path: str, baudrate: int) -> tuple[int, float, float]:
    import minimalmodbus  # noqa: PLC0415 - a peer that need not be installed

    unit = minimalmodbus.Instrument(path, 1)
    unit.serial.baudrate, unit.serial.timeout = baudrate, 1.0

    async def ask() -> None:
        assert unit.read_registers(0, _COUNT)[_COUNT - 1] == 7 * (_COUNT - 1) + 3

    return await _paced(ask, _SECONDS)


def _masters(directory: Path, baudrate: int) -> dict[str, Callable[[str, int], Awaitable[tuple[int, float, float]]]]:
    """Who can ask on this machine, by name."""
    masters = {"tocsin": _ours_serial}
    if importlib.util.find_spec("minimalmodbus"):
        masters["minimalmodbus"] = _minimalmodbus
    if (program := build(directory)) is not None:

        async def libmodbus(path: str, baudrate: int) -> tuple[int, float, float]:
            rounds = []
            for _ in range(_ROUNDS):
                command = [program, "master", path, str(baudrate), "1", str(_SECONDS)]
                run_it = partial(subprocess.run, command, capture_output=True, text=True, check=True)
                told = (await asyncio.to_thread(run_it)).stdout.split()
                assert told[1] == "0", "every answer was right"
                rounds.append((int(told[0]), float(told[2]), float(told[3])))
            return max(rounds, key=lambda one: one[0] / one[1])

        masters["libmodbus in C"] = libmodbus
    if baudrate == 9600:
        masters["pymodbus with a gap"] = _pymodbus_serial
    return masters


def _serial_rows(directory: Path) -> Iterator[dict[str, Any]]:
    cpu_us: dict[str, float] = {}
    for baudrate, target in _SHARES.items():
        for number, (name, client) in enumerate(_masters(directory, baudrate).items()):
            path = str(directory / f"{baudrate}-{number}")
            with _peer(_serial_peer, path, baudrate) as pipe:
                pipe.recv()
                requests, wall_s, cpu_s = asyncio.run(client(path, baudrate))
                pipe.send("stop")
                violations = pipe.recv()
            section = LineSection(port=path, baudrate=baudrate)
            # Request, turn-round of the unit (3.5 characters at least), answer, silence before the next request.
            ideal_s = (8 + 5 + 2 * _COUNT) * section.character_s + 2 * section.gap_s
            share = requests * ideal_s / wall_s
            yield _row(f"wire share at {baudrate}, {name}", share, "1", f">= {target}" if name == "tocsin" else "")
            yield _row(f"gap violations at {baudrate}, {name}", violations, "count", "0" if name == "tocsin" else "")
            if baudrate == 9600:
                cpu_us[name] = cpu_s / requests * 1e6
                yield _row(f"CPU a request at 9600, {name}", cpu_us[name], "us", "")
    ratio = cpu_us["tocsin"] / cpu_us["pymodbus with a gap"]
    yield _row("CPU a request at 9600, tocsin / pymodbus with a gap", ratio, "1", "<= 0.6")


async def _rate(askers: list[Callable[[], Awaitable[None]]]) -> float:
    async def keep_asking(ask: Callable[[], Awaitable[None]]) -> None:
        for _ in range(_REQUESTS):
            await ask()

    started_s = time.monotonic()
    await asyncio.gather(*(keep_asking(ask) for ask in askers))
    return len(askers) * _REQUESTS / (time.monotonic() - started_s)


async def _ours_tcp(port: int) -> float:
    from contextlib import AsyncExitStack  # noqa: PLC0415 - beside its one use

    async with AsyncExitStack() as stack:
        section = LineSection(host="127.0.0.1", port=port)
        lines = [await stack.enter_async_context(open_line(f"l{i}", section)) for i in range(_CONNECTIONS)]

        def asker(line: Any) -> Callable[[], Awaitable[None]]:
            async def ask() -> None:
                await line.read("holding", 1, 0, _COUNT)

            return ask

        return await _rate([asker(line) for line in lines])


async def _pymodbus_tcp(port: int) -> float:
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, retries=0) for _ in range(_CONNECTIONS)]
    await asyncio.gather(*(client.connect() for client in clients))

    def asker(client: Any) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            await client.read_holding_registers(0, count=_COUNT, device_id=1)

        return ask

    try:
        return await _rate([asker(client) for client in clients])
    finally:
        for client in clients:
            client.close()


def _tcp_rows() -> Iterator[dict[str, Any]]:
    with _peer(_tcp_peer) as pipe:
        port = pipe.recv()
        rates = [(asyncio.run(_ours_tcp(port)), asyncio.run(_pymodbus_tcp(port))) for _ in range(_ROUNDS)]
        pipe.send("stop")
    ours, theirs = max(rate for rate, _ in rates), max(rate for _, rate in rates)
    yield _row(f"TCP requests over {_CONNECTIONS} units, tocsin", ours, "1/s", "")
    yield _row(f"TCP requests over {_CONNECTIONS} units, pymodbus", theirs, "1/s", "")
    yield _row("TCP requests, tocsin / pymodbus", ours / theirs, "1", ">= 1.5")


def _fault_rows(directory: Path, reads: int) -> Iterator[dict[str, Any]]:
    """Random faults at 20 % of the answers: how many values were wrong."""
    faults = [fault for fault in Fault if fault not in {Fault.TRANSACTION, Fault.RESET}]
    totals = {"good": 0, "refused": 0, "wrong": 0}

    async def poll(line: Any, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(reads // 8):
            table, address, count = (
                chance.choice(["holding", "input"]),
                chance.randrange(900),
                chance.choice([1, 2, 2, 9]),
            )
            first = 3 if table == "holding" else 11
            try:
                words = await line.read(table, chance.choice([1, 2]), address, count)
            except DriverError:
                totals["refused"] += 1
            else:
                right = words == [(address + i) * 7 + first for i in range(count)]
                totals["good" if right else "wrong"] += 1

    async def main() -> None:
        with ExitStack() as benches:
            jobs = []
            for i in range(8):
                path = directory / f"f{i}"
                bench = benches.enter_context(
                    VirtualLine(path, {1: Registers(), 2: Registers()}, baudrate=115200, timed=False)
                )
                for unit_id in (1, 2):
                    chances = dict.fromkeys(faults, 0.2 / len(faults))
                    bench.faults[unit_id] = FaultPlan(chances, seed=2 * i + unit_id, late_s=0.06, split_s=0.005)
                jobs.append(_on_line(path, i, poll))
            await asyncio.gather(*jobs)

    asyncio.run(main())
    yield _row("reads under random faults", sum(totals.values()), "count", "")
    yield _row("of them answered with the right value", totals["good"], "count", "")
    yield _row("of them wrong without an error", totals["wrong"], "count", "0")


async def _on_line(path: Path, seed: int, poll: Callable[[Any, int], Awaitable[None]]) -> None:
    section = LineSection(port=str(path), baudrate=115200, timeout="15 ms", retries=0)
    async with open_line("bench", section, quiet_s=0.08) as line:
        await poll(line, seed)


def _row(name: str, value: float, unit: str, target: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "target": target}


def run(reads: int = 10_000) -> list[dict[str, Any]]:
    """All rows; takes about two minutes."""
    with tempfile.TemporaryDirectory(prefix="lines-") as directory:
        path = Path(directory)
        return [*_serial_rows(path), *_tcp_rows(), *_fault_rows(path, reads)]


if __name__ == "__main__":
    for row in run(*map(int, sys.argv[1:])):
        print(json.dumps(row))
