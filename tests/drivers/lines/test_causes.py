"""What is wrong with a line, guessed from what happens on it: real lines with one fault each, and what is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DriverError
from drivers.causes import LINE, causes_of
from drivers.health import LineHealth
from drivers.modbus import LineSection, ModbusLine, open_line
from drivers.overheard import overheard
from hil.codec import RTU
from hil.faults import Emission, Fault, FaultPlan, Reply
from hil.line import VirtualLine

QUESTION = RTU.frame(7, bytes.fromhex("0300100002"))
ANSWER = RTU.frame(7, bytes.fromhex("030400010002"))
TO_ALL = RTU.frame(0, bytes.fromhex("0600010064"))


class Clash(FaultPlan):
    """Two units with one id drive the wires at once: a 0 wins over a 1."""

    def emit(self, fault: Fault | None, reply: Reply) -> list[Emission]:
        other = reply.framing.frame(
            reply.unit_id, bytes(byte ^ 0x5A if n > 1 else byte for n, byte in enumerate(reply.pdu))
        )
        return [Emission(bytes(a & b for a, b in zip(reply.frame, other, strict=True)))]


async def ask(line: ModbusLine, units: tuple[int, ...] = (3, 4), rounds: int = 12) -> None:
    for _ in range(rounds):
        for unit_id in units:
            try:
                await line.read("holding", unit_id, 10, 2)
            except DriverError:
                continue


def told(line: ModbusLine) -> dict[int, str]:
    return {unit_id: cause.code for unit_id, cause in causes_of(line.health, time.monotonic_ns()).items()}


Spoil = Callable[[VirtualLine], object]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda bench: None, {}),
        (lambda bench: bench.units.clear(), {LINE: "nothing-heard"}),
        (lambda bench: bench.units.pop(3), {3: "silent"}),
        (lambda bench: bench.faults.update({3: Clash()}), {3: "address-clash"}),
        (lambda bench: bench.faults.update({3: FaultPlan({Fault.WRONG_CRC: 0.1}, seed=3)}), {3: "bad-joint"}),
        (
            lambda bench: bench.faults.update({u: FaultPlan({Fault.WRONG_CRC: 0.3}, seed=u) for u in (3, 4)}),
            {LINE: "noise"},
        ),
        (lambda bench: bench.faults.update({3: FaultPlan({Fault.SILENT: 0.4}, seed=5)}), {3: "comes-and-goes"}),
        (
            lambda bench: bench.faults.update({3: FaultPlan.always(Fault.LATE, late_s=0.05)}),
            {3: "too-short-a-time-out"},
        ),
        (lambda bench: bench.faults.update({3: FaultPlan.always(Fault.WRONG_UNIT)}), {3: "stranger-answers"}),
        (lambda bench: bench.faults.update({3: FaultPlan.always(Fault.EXCEPTION)}), {3: "map-does-not-fit"}),
        (lambda bench: bench.faults.update({u: FaultPlan.always(Fault.ECHO) for u in (3, 4)}), {LINE: "echo"}),
        (
            lambda bench: bench.faults.update({u: FaultPlan.always(Fault.GARBAGE, seed=u) for u in (3, 4)}),
            {LINE: "speed-or-parity"},
        ),
    ],
)
def test_each_fault_of_a_line_is_told_by_its_likely_cause(
    spoil: Spoil, expected: dict[int, str], serial_line: VirtualLine, run
) -> None:
    spoil(serial_line)

    async def check() -> None:
        section = LineSection(port=str(serial_line.path), baudrate=115200, timeout="10 ms", retries=0)
        async with open_line("test", section, quiet_s=0.05) as line:
            await ask(line)
            assert told(line) == expected

    run(check())


def test_another_master_and_its_broadcasts_are_recognised_and_disturb_no_reading(serial_line, run) -> None:
    async def check() -> None:
        async with open_line("test", LineSection(port=str(serial_line.path), baudrate=115200), quiet_s=0.02) as line:
            await ask(line, rounds=4)
            for _ in range(3):
                serial_line.send(QUESTION + ANSWER)
                serial_line.send(TO_ALL)
                await ask(line, rounds=1)
            health = line.health
            assert (health.foreign_requests, health.broadcasts, health.foreign_replies) == (6, 3, 3)
            assert health.foreign_units == {7}
            assert told(line)[LINE] == "another-master"
            assert sum(unit.late for unit in health.units.values()) == 0
            assert health.units[3].ok == health.units[3].requests == 7

    run(check())


def test_frames_are_found_between_noise_and_a_write_is_told_from_its_echo() -> None:
    write = RTU.frame(9, bytes.fromhex("0600020001"))
    found = overheard(b"\x00\xff" + QUESTION + ANSWER + b"\x13" + write + write + RTU.frame(9, b"\x83\x02") + TO_ALL)
    kinds = [(frame.kind, frame.unit_id, frame.function) for frame in found]
    assert kinds == [
        ("request", 7, 3), ("reply", 7, 3), ("request", 9, 6), ("reply", 9, 6), ("reply", 9, 3), ("broadcast", 0, 6),
    ]  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_can_be_overheard(data: bytes) -> None:
    assert sum(len(frame.data) for frame in overheard(data)) <= len(data)


def test_nothing_is_said_of_a_line_that_was_hardly_used() -> None:
    assert causes_of(LineHealth(), 1) == {}


def test_a_port_of_another_speed_is_told(tmp_path: Path, run) -> None:
    with VirtualLine(tmp_path / "port", {3: None, 4: None}, baudrate=9600) as bench:  # type: ignore[dict-item] # never asked

        async def check() -> None:
            section = LineSection(port=str(bench.path), baudrate=19200, timeout="10 ms")
            async with open_line("test", section, quiet_s=0.01) as line:
                await ask(line, rounds=6)
                assert told(line) == {LINE: "nothing-heard"}

        run(check())
