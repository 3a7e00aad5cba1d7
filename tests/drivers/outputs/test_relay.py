"""Relays on a virtual serial line: what is written, read back, timed by the module, and refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.api import BadFrame, DriverError, Limits, NotPresent, OutputDriver, Refused, Timeout
from drivers.modbus import LineSection, open_line
from drivers.relay import ModbusCoilDriver, WaveshareRelayDriver
from hil.devices.relay import LINKED, SoundAndLight, WaveshareRelay8
from hil.faults import Fault, FaultPlan
from hil.line import VirtualLine

LIMITS = Limits(max_on_s=60.0, min_off_s=0.0, max_starts_per_hour=100)
COIL, WAVESHARE = ModbusCoilDriver(), WaveshareRelayDriver()


@pytest.fixture
def wire(tmp_path):
    with VirtualLine(tmp_path / "actuators", {1: WaveshareRelay8()}) as line:
        yield line


@asynccontextmanager
async def connected(line, driver, limits=LIMITS, **section):
    async with open_line("actuators", LineSection(port=str(line.path), timeout="200 ms"), quiet_s=0.05) as bus:
        checked = driver.Section.model_validate(section)
        async with driver.connect("siren", checked, bus, limits, Path()) as switch:
            yield switch


def relay_of(line) -> WaveshareRelay8:
    return line.units[1]


@pytest.mark.parametrize(
    ("driver", "section"),
    [
        (COIL, {"unit_id": 1, "coil": 2}),
        (COIL, {"unit_id": 1, "coil": 2, "read_block": 8}),
        (WAVESHARE, {"channel": 3}),
        (WAVESHARE, {"channel": 3, "pulse": "3 s"}),
    ],
)
def test_off_at_both_ends_and_read_back_between(wire, driver: OutputDriver, section):
    relay_of(wire).operate(2, on=True)  # left on by an earlier life

    async def main():
        async with connected(wire, driver, **section) as switch:
            assert relay_of(wire).coils == [False] * 8
            await switch.set(on=True)
            assert relay_of(wire).coils == [False, False, True, *[False] * 5]
            assert await switch.read_back() is True
            relay_of(wire).operate(2, on=False)  # by hand
            assert await switch.read_back() is False
            await switch.set(on=True)
            await switch.set(on=False)
            assert await switch.read_back() is False
            await switch.set(on=True)
        assert not relay_of(wire).coil(2)

    asyncio.run(main())


def test_inverted_coil_is_on_while_zero(wire):
    async def main():
        async with connected(wire, COIL, unit_id=1, coil=0, inverted=True) as switch:
            assert relay_of(wire).coil(0)
            await switch.set(on=True)
            assert not relay_of(wire).coil(0)
            assert await switch.read_back() is True

    asyncio.run(main())


def test_dead_man_pulse_falls_off_without_refresh_and_holds_with_it(wire):
    async def main():
        async with connected(wire, WAVESHARE, channel=1, pulse="1 s") as switch:
            assert switch.refresh_s == pytest.approx(1 / 3)
            begun_s = time.monotonic()
            while time.monotonic() - begun_s < 1.5:
                await switch.set(on=True)
                await asyncio.sleep(switch.refresh_s)
                assert relay_of(wire).coil(0)
            await asyncio.sleep(1.0)
            assert not relay_of(wire).coil(0)
            assert await switch.read_back() is False

    asyncio.run(main())
    pulses = {heard.pdu for heard in wire.heard if heard.pdu[1] == 0x02}
    assert pulses == {bytes.fromhex("05 0200 000A")}


AGENT = """
import asyncio, pathlib, sys
from drivers.api import Limits
from drivers.modbus import LineSection, open_line
from drivers.relay import WaveshareRelayDriver as Driver

async def main():
    section = Driver.Section.model_validate({"channel": 1, "pulse": "1500 ms"})
    async with open_line("actuators", LineSection(port=sys.argv[1])) as bus:
        async with Driver().connect("siren", section, bus, Limits(60, 0, 9), pathlib.Path()) as switch:
            while True:
                await switch.set(on=True)
                print("on", flush=True)
                await asyncio.sleep(switch.refresh_s)

asyncio.run(main())
"""


def test_killed_while_on_the_module_switches_off_by_itself(wire):
    with subprocess.Popen([sys.executable, "-c", AGENT, str(wire.path)], stdout=subprocess.PIPE) as agent:
        try:
            for _ in range(5):
                assert agent.stdout.readline() == b"on\n"
            assert relay_of(wire).coil(0)
        finally:
            agent.kill()
        killed_s = time.monotonic()
    assert relay_of(wire).coil(0)
    while relay_of(wire).coil(0):
        assert time.monotonic() - killed_s < 1.7
        time.sleep(0.02)


def test_max_on_switches_the_real_relay_off(wire):
    async def main():
        limits = Limits(max_on_s=0.5, min_off_s=5.0, max_starts_per_hour=100)
        async with connected(wire, COIL, limits, unit_id=1, coil=0) as switch:
            await switch.set(on=True)
            await asyncio.sleep(0.8)
            assert not relay_of(wire).coil(0)
            with pytest.raises(Refused, match="max_on"):
                await switch.set(on=True)

    asyncio.run(main())
    on, off = relay_of(wire).history
    assert off.mono_s - on.mono_s == pytest.approx(0.5, abs=0.1)


def test_linked_channel_is_reported_but_still_obeys(wire):
    relay_of(wire).modes[0] = LINKED
    relay_of(wire).inputs[0] = True

    async def main():
        async with connected(wire, WAVESHARE, channel=1) as switch:
            with pytest.raises(Refused, match=r"channel 1 of unit 1 is in linked mode \(1\).*write 0 to .*0x1000"):
                await switch.read_back()
            await switch.set(on=True)
            relay_of(wire).modes[0] = 0
            assert await switch.read_back() is True

    asyncio.run(main())


@pytest.mark.parametrize(("driver", "section"), [(COIL, {"unit_id": 1, "coil": 0}), (WAVESHARE, {"channel": 1})])
def test_wrong_echoes_refusals_and_silence_are_errors(wire, driver, section):
    async def main():
        async with connected(wire, driver, **section) as switch:
            faults = [
                (Fault.WRONG_CRC, BadFrame),
                (Fault.WRONG_UNIT, BadFrame),
                (Fault.WRONG_FUNCTION, BadFrame),
                (Fault.EXCEPTION, Refused),
                (Fault.SILENT, Timeout),
            ]
            for fault, expected in faults:
                wire.faults[1] = FaultPlan(script=[fault])
                with pytest.raises(DriverError) as raised:
                    await switch.set(on=True)
                assert isinstance(raised.value, expected | Timeout), fault
                del wire.faults[1]
            await switch.set(on=True)
            assert await switch.read_back() is True

    asyncio.run(main())


def test_adapter_pulled_after_the_relay_obeyed_still_ends_at_max_on(wire):
    async def main():
        limits = Limits(max_on_s=1.0, min_off_s=0.0, max_starts_per_hour=100)
        async with connected(wire, COIL, limits, unit_id=1, coil=0, timeout="2 s") as switch:
            wire.faults[1] = FaultPlan(script=[Fault.SILENT])
            writing = asyncio.create_task(switch.set(on=True))
            await asyncio.sleep(0.3)
            assert relay_of(wire).coil(0)
            await asyncio.to_thread(wire.unplug)
            with pytest.raises(DriverError):
                await writing
            del wire.faults[1]
            wire.replug()
            async with asyncio.timeout(10):
                while relay_of(wire).coil(0):
                    await asyncio.sleep(0.05)

    asyncio.run(main())


def test_absent_line_at_start_then_present(wire):
    wire.unplug()

    async def main():
        async with connected(wire, WAVESHARE, channel=1) as switch:
            with pytest.raises(NotPresent):
                await switch.set(on=True)
            wire.replug()
            async with asyncio.timeout(8):
                while True:
                    try:
                        await switch.set(on=True)
                        break
                    except (NotPresent, Timeout):
                        await asyncio.sleep(0.1)
            assert relay_of(wire).coil(0)

    asyncio.run(main())


def test_sound_and_light_alarm_gets_its_pauses_and_its_off_coil(tmp_path):
    alarm = SoundAndLight()
    with VirtualLine(tmp_path / "alarm", {1: alarm}) as line:

        async def main():
            section = {"unit_id": 1, "coil": 2, "off_coil": 0, "settle": "60 ms"}
            async with connected(line, COIL, **section) as switch:
                for _ in range(5):
                    await switch.set(on=True)
                    assert await switch.read_back() is True
                    await switch.set(on=False)
                    assert await switch.read_back() is False
                alarm.lamp = True
            assert not alarm.lamp

        asyncio.run(main())
    assert alarm.lost == 0


@pytest.mark.parametrize(
    ("driver", "section", "key"),
    [
        (COIL, {"unit_id": 0, "coil": 0}, "unit_id"),
        (COIL, {"unit_id": 1, "coil": 65536}, "coil"),
        (COIL, {"unit_id": 1, "coil": 0, "settle": 50}, "settle"),
        (COIL, {"unit_id": 1, "coil": 0, "inverted": True, "off_coil": 1}, "exclude each other"),
        (COIL, {"unit_id": 1, "coil": 0, "colour": "red"}, "colour"),
        (WAVESHARE, {"channel": 0}, "channel"),
        (WAVESHARE, {"channel": 9}, "channel"),
        (WAVESHARE, {"channel": 1, "pulse": "200 ms"}, "pulse"),
    ],
)
def test_sections_that_can_not_be_right(driver, section, key):
    with pytest.raises(ValidationError, match=key):
        driver.Section.model_validate(section)


def test_descriptions_tell_the_load_of_a_write_and_its_read_back():
    described = COIL.describe(COIL.Section(unit_id=7, coil=3, read_block=16), Path())
    assert [(e.request_bytes, e.reply_bytes) for e in described.exchanges] == [(8, 8), (8, 7)]
    assert described.unit_id == 7
    assert not WAVESHARE.describe(WAVESHARE.Section.model_validate({"channel": 1, "pulse": "3 s"}), Path()).notes
    assert "stays" in WAVESHARE.describe(WAVESHARE.Section(channel=1), Path()).notes[0]
