"""A serial line under every fault of the catalogue: no wrong value, no hang, urgent first, and always back."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from pathlib import Path

import pytest

from drivers.api import BadFrame, DriverError, NotPresent, Refused, Timeout
from drivers.frames import ExceptionReply, Misframed
from drivers.modbus import LineSection, ModbusLine, open_line
from hil.faults import Fault, FaultPlan
from hil.line import VirtualLine

SERIAL_FAULTS = [fault for fault in Fault if fault not in {Fault.TRANSACTION, Fault.RESET}]


def section(line: VirtualLine, **settings) -> LineSection:
    return LineSection(**{"port": str(line.path), "baudrate": line.baudrate, "timeout": "30 ms", **settings})


def opened(line: VirtualLine, quiet_s: float = 0.02, **settings):
    return open_line("test", section(line, **settings), quiet_s=quiet_s)


def test_reads_and_writes_of_every_table(serial_line, run):
    async def check() -> None:
        async with opened(serial_line) as line:
            assert await line.read("holding", 3, 5, 2) == [38, 45]
            assert await line.read("input", 3, 5, 1) == [46]
            await line.write("coil", 3, 2, [1])
            await line.write("coil", 3, 8, [1, 0, 1])
            assert await line.read("coil", 3, 0, 12) == [0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0]
            await line.write("holding", 3, 7, [9])
            await line.write("holding", 3, 8, [1, 65535])
            assert serial_line.units[3].written[-3:] == [("holding", 7, 9), ("holding", 8, 1), ("holding", 9, 65535)]
            assert await line.exchange(3, bytes.fromhex("06 0001 0064")) == bytes.fromhex("06 0001 0064")
            assert await line.exchange(3, bytes.fromhex("03 0000 0001"), expect=4) == bytes.fromhex("03 02 0003")
            with pytest.raises(ExceptionReply, match="illegal data address"):
                await line.read("holding", 3, 5000, 1)
            with pytest.raises(Refused, match="broadcast"):
                await line.write("coil", 0, 0, [1])
            health = line.health.units[3]
            assert (health.requests, health.ok, health.exceptions) == (10, 9, 1)
            assert health.median_s is not None
            assert health.last_answer_mono_ns is not None

    run(check())


@pytest.mark.parametrize(
    ("fault", "error", "counter"),
    [
        (Fault.SILENT, Timeout, "timeouts"),
        (Fault.LATE, Timeout, "timeouts"),
        (Fault.WRONG_UNIT, Misframed, "wrong_unit"),
        (Fault.WRONG_CRC, Misframed, "crc_errors"),
        (Fault.WRONG_FUNCTION, Misframed, "wrong_function"),
        (Fault.SHORT, Misframed, "wrong_length"),
        (Fault.LONG, Misframed, "wrong_length"),
        (Fault.TRUNCATED, Misframed, "wrong_length"),
        (Fault.ECHO, Misframed, "other_faults"),
        (Fault.BABBLE, Misframed, None),
        (Fault.GARBAGE, Misframed, None),
        (Fault.EXCEPTION, ExceptionReply, "exceptions"),
        (Fault.NOISE, None, "ok"),
        (Fault.SPLIT, None, "ok"),
    ],
)
def test_each_fault_is_told_and_gone_with_the_next_request(fault, error, counter, serial_line, run):
    serial_line.faults[3] = FaultPlan(script=[fault], late_s=0.08, split_s=0.02)

    async def check() -> None:
        async with opened(serial_line, quiet_s=0.1, retries=0) as line:
            if error is None:
                assert await line.read("holding", 3, 40, 3) == [283, 290, 297]
            else:
                with pytest.raises(error):
                    await line.read("holding", 3, 40, 3)
            if counter:
                assert getattr(line.health.units[3], counter) == 1
            for address in (100, 200):  # the very next requests get their own answers
                assert await line.read("holding", 3, address, 3) == [address * 7 + 3 + 7 * i for i in range(3)]
            assert line.health.units[3].late == (fault is Fault.LATE)

    run(check())


def test_random_faults_on_four_lines_give_no_wrong_value(tmp_path: Path, numbers, run):
    reads = 700  # each; tests/bench/lines.py does the 10 000
    chances = dict.fromkeys(SERIAL_FAULTS, 0.008)

    async def poll(index: int) -> tuple[int, int]:
        chance = random.Random(index)
        good = failed = 0
        with VirtualLine(tmp_path / str(index), {3: numbers(), 4: numbers()}, baudrate=115200, timed=False) as bench:
            for unit_id in (3, 4):
                bench.faults[unit_id] = FaultPlan(chances, seed=index + unit_id, late_s=0.06, split_s=0.005)
            async with opened(bench, quiet_s=0.08, timeout="15 ms") as line:
                for _ in range(reads):
                    table, unit_id = chance.choice(["holding", "input"]), chance.choice([3, 4])
                    address, count = chance.randrange(900), chance.choice([1, 2, 2, 2, 20])
                    try:
                        words = await line.read(table, unit_id, address, count)
                    except DriverError:
                        failed += 1
                    else:
                        assert words == [bench.units[3].word(table, address + i) for i in range(count)]
                        good += 1
        return good, failed

    async def check() -> None:
        results = await asyncio.gather(*(poll(index) for index in range(4)))
        assert sum(good for good, _ in results) > 4 * reads * 0.9
        assert sum(failed for _, failed in results) > 20

    run(check())


def test_retries_repeat_failed_checks_of_reads_and_nothing_else(serial_line, run):
    async def check() -> None:
        async with opened(serial_line) as line:
            serial_line.faults[3] = FaultPlan(script=[Fault.WRONG_CRC])
            assert await line.read("holding", 3, 0, 1) == [3]
            serial_line.faults[3] = FaultPlan(script=[Fault.SILENT])
            with pytest.raises(Timeout):
                await line.read("holding", 3, 0, 1)
            serial_line.faults[3] = FaultPlan(script=[Fault.WRONG_CRC])
            with pytest.raises(BadFrame):
                await line.write("coil", 3, 0, [1])
            assert len(serial_line.times_s(3)) == 4

    run(check())


def test_the_line_is_quiet_for_the_slowest_unit_after_a_failure(serial_line, run):
    serial_line.faults[3] = FaultPlan(script=[Fault.WRONG_CRC])

    async def check() -> None:
        async with opened(serial_line, retries=0) as line:
            line.expect(4, 0.25)
            with pytest.raises(BadFrame):
                await line.read("holding", 3, 0, 1)
            failed_s = time.monotonic()
            await line.read("holding", 4, 0, 1, urgent=True)  # even urgent requests keep it
            assert serial_line.times_s(4)[0] - failed_s >= 0.24

    run(check())


def test_urgent_writes_overtake_queued_polls(tmp_path: Path, numbers, run):
    with VirtualLine(tmp_path / "port", {3: numbers()}, baudrate=19200) as bench:

        async def check() -> None:
            async with opened(bench, timeout="100 ms") as line:
                polls = [asyncio.create_task(line.read("holding", 3, 0, 20)) for _ in range(10)]
                await asyncio.sleep(0.05)
                started_s = time.monotonic()
                await line.write("coil", 3, 0, [1])
                assert time.monotonic() - started_s < 0.12  # one poll on the wire, then the write
                assert sum(poll.done() for poll in polls) <= 4
                await asyncio.gather(*polls)
            assert bench.gap_violations == bench.collisions == 0

        run(check())


def test_a_cancelled_caller_confuses_nobody(serial_line, run):
    async def check() -> None:
        async with opened(serial_line, quiet_s=0.1, timeout="50 ms") as line:
            serial_line.faults[3] = FaultPlan(script=[Fault.LATE], late_s=0.1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await line.read("holding", 3, 7, 1)
            waiting = asyncio.create_task(line.read("holding", 3, 8, 1))
            await asyncio.sleep(0)
            waiting.cancel()  # still queued: never sent
            assert await line.read("holding", 3, 9, 1) == [66]
            assert len(serial_line.times_s(3)) == 2

    run(check())


def test_a_unit_is_left_alone_for_its_gap_while_others_are_asked(serial_line, run):
    async def check() -> None:
        async with opened(serial_line) as line:
            line.expect(3, 0.03, gap_s=0.2)
            await line.read("holding", 3, 0, 1)
            patient = asyncio.create_task(line.read("holding", 3, 0, 1))
            for _ in range(5):
                await line.read("holding", 4, 0, 1)
            assert not patient.done()
            await patient
            first_s, second_s = serial_line.times_s(3)
            assert second_s - first_s >= 0.19

    run(check())


def test_echoing_adapter(serial_line, run):
    serial_line.faults[3] = FaultPlan.always(Fault.ECHO)

    async def check() -> None:
        async with opened(serial_line, echo=True) as line:
            assert await line.read("holding", 3, 1, 2) == [10, 17]
            await line.write("coil", 3, 0, [1])
            serial_line.faults[3] = FaultPlan.always(Fault.SILENT)
            with pytest.raises(DriverError):  # neither echo nor reply
                await line.write("coil", 3, 0, [1])
            serial_line.faults.clear()
            with pytest.raises(DriverError):  # the reply alone is the echo; a dead unit must not look alive
                await line.write("coil", 3, 0, [1])
        serial_line.faults[3] = FaultPlan.always(Fault.ECHO)
        async with opened(serial_line, retries=0) as line:
            with pytest.raises(Misframed, match="set echo = true"):
                await line.read("holding", 3, 1, 2)

    run(check())


def test_babble_without_end_stops_nobody_for_ever(serial_line, run):
    async def check() -> None:
        async with opened(serial_line, retries=0) as line:

            async def babble() -> None:
                while True:
                    serial_line.send(os.urandom(40))
                    await asyncio.sleep(0.002)

            noise = asyncio.create_task(babble())
            started_s = time.monotonic()
            for _ in range(2):
                with pytest.raises(DriverError):
                    await line.read("holding", 9, 0, 4)
            assert time.monotonic() - started_s < 5
            noise.cancel()
            await asyncio.gather(noise, return_exceptions=True)
            await asyncio.sleep(0.05)
            assert await back(line) < 3
            assert line.health.stray_bytes > 0

    run(check())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def back(line: ModbusLine) -> float:
    """Seconds until unit 3 can be read again."""
    started_s = time.monotonic()
    while True:
        try:
            assert await line.read("holding", 3, 0, 1) == [3]
        except DriverError:
            await asyncio.sleep(0.05)
        else:
            return time.monotonic() - started_s


def test_the_adapter_is_pulled_and_put_back_twenty_times(serial_line, run):
    async def check() -> None:
        async with opened(serial_line) as line:
            await line.read("holding", 3, 0, 1)
            descriptors = open_files()
            slowest_s = 0.0
            for cycle in range(20):
                serial_line.unplug()
                with pytest.raises(NotPresent):
                    await line.read("holding", 3, 0, 1)
                assert not line.health.is_open
                started_s = time.monotonic()
                with pytest.raises(NotPresent):
                    await line.read("holding", 3, 0, 1)
                assert time.monotonic() - started_s < 0.1  # told at once
                serial_line.replug(new_name=cycle % 2 == 1)
                slowest_s = max(slowest_s, await back(line))
            assert slowest_s <= 5
            assert open_files() <= descriptors
            assert line.health.openings == 21
            assert line.health.is_open

    run(check())


def test_an_absent_port_is_told_at_each_request_and_logged_once(tmp_path: Path, run, caplog):
    caplog.set_level(logging.INFO)

    async def check() -> None:
        async with open_line("test", LineSection(port=str(tmp_path / "nowhere"))) as line:
            for _ in range(5):
                with pytest.raises(NotPresent, match="no such file"):
                    await line.read("holding", 3, 0, 1)
                await asyncio.sleep(0.1)
            assert line.health.units[3].absent == 5

    run(check())
    assert len([record for record in caplog.records if "closed" in record.message]) == 1


def test_two_masters_on_one_port(serial_line, run):
    async def check() -> None:
        async with opened(serial_line) as line, opened(serial_line) as other:
            await line.read("holding", 3, 0, 1)
            with pytest.raises(NotPresent, match="another program holds the port"):
                await other.read("holding", 3, 0, 1)
            assert await line.read("holding", 3, 0, 1) == [3]

    run(check())


def test_the_time_a_unit_takes_counts_the_quiet_after_its_failures(serial_line, run):
    async def check() -> None:
        async with opened(serial_line, quiet_s=0.2) as line:
            with pytest.raises(Timeout):
                await line.read("holding", 9, 0, 1)
            await line.read("holding", 3, 0, 1)
            assert line.health.units[9].occupied_s > 0.2
            assert line.health.units[3].occupied_s < 0.1

    run(check())


def test_a_port_whose_driver_hangs_holds_nobody_up(serial_line, run):
    async def check() -> None:
        async with opened(serial_line, timeout="300 ms") as line:
            reads = [asyncio.create_task(line.read("holding", unit_id, 0, 1)) for unit_id in (9, 3)]
            await asyncio.sleep(0.05)
            line.hung("the port's driver hangs")  # as the wire tells when its thread does not come back
            results = await asyncio.gather(*reads, return_exceptions=True)
            assert [type(result) for result in results] == [NotPresent, NotPresent]
            with pytest.raises(NotPresent, match="hangs"):
                await line.read("holding", 3, 0, 1)
            assert await back(line) < 2  # the thread did come back

    run(check())


def test_a_closed_line_tells_who_still_waits(serial_line, run):
    async def check() -> None:
        async with opened(serial_line, timeout="200 ms") as line:
            reads = [asyncio.create_task(line.read("holding", 9, 0, 1)) for _ in range(3)]
            await asyncio.sleep(0.02)
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert all(isinstance(result, DriverError) for result in results)
        with pytest.raises(NotPresent):
            await line.read("holding", 3, 0, 1)

    run(check())


def test_the_queue_is_bounded(serial_line, run):
    async def check() -> None:
        async with opened(serial_line) as line:
            reads = [asyncio.create_task(line.read("holding", 3, 0, 1)) for _ in range(100)]
            results = await asyncio.gather(*reads, return_exceptions=True)
            assert sum(isinstance(result, Timeout) for result in results) == 100 - 65
            assert results.count([3]) == 65

    run(check())
