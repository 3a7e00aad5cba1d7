"""Instruments without Modbus on a line: right readings, and an error, never a value, for everything else."""

from __future__ import annotations

import asyncio
import math
import re
import time
from importlib import resources
from pathlib import Path

import pytest

from drivers import checksums
from drivers.api import BadFrame, DriverError, NotPresent, Quality, Timeout
from hil.devices.speakers import (
    FeishangRod,
    LoggerTable,
    MaxBotixRange,
    MojiangGauge,
    MojiangRain,
    Nmea,
    RainLine,
    ZhongdaFrames,
)


def by_name(readings):
    return {reading.point: reading for reading in readings}


def quicken(directory: Path, name: str) -> None:
    """Put a map, changed to an instrument that talks often, where `map = "quick.toml"` finds it."""
    text = (resources.files("drivers") / "lines" / f"{name}.toml").read_text()
    (directory / "quick.toml").write_text(re.sub('every = ".*"', 'every = "100 ms"', text))


async def next_of(instrument):
    """The next poll that gives something."""
    while not (readings := by_name(await instrument.poll())):
        pass
    return readings


async def failure(instrument, *, soon=False) -> DriverError:
    """The error of the next poll; `soon`: of the next one that fails."""
    with pytest.raises(DriverError) as caught:  # noqa: PT012 - a loop
        await instrument.poll()
        while soon:
            await instrument.poll()
    return caught.value


def test_a_rangefinder_that_talks(on_line, run, tmp_path):
    quicken(tmp_path, "maxbotix-hrxl")
    radar = MaxBotixRange()
    radar.every_s = 0.05

    async def check() -> None:
        async with on_line(radar, map="quick.toml") as (instrument, bench):
            before_ns = time.monotonic_ns()
            reading = (await instrument.poll())[0]  # after its lines of power-on
            assert (reading.point, reading.value, reading.quality) == ("distance", 1234.0, Quality.GOOD)
            assert before_ns <= reading.mono_ns <= time.monotonic_ns()
            radar.distance_mm = 0
            await instrument.poll()
            assert (await instrument.poll())[0].quality is Quality.BAD
            radar.distance_mm = 9999
            await instrument.poll()
            assert (await instrument.poll())[0].quality is Quality.OVER_RANGE
            bench.spoil = lambda _: b""
            error = await failure(instrument, soon=True)
            assert isinstance(error, Timeout)
            assert "nothing heard for" in error.reason
            bench.spoil = lambda _: b"\xff\x00R12\x7f4\r"
            assert isinstance(await failure(instrument), BadFrame)
            bench.spoil = None
            radar.distance_mm = 2000
            assert (await instrument.poll())[0].value == 2000

    run(check())


def test_the_median_of_what_was_said_between_two_polls(on_line, run):
    async def check() -> None:
        radar = MaxBotixRange()
        radar.every_s, radar.boot_lines = None, []
        async with on_line(radar, map="maxbotix-hrxl") as (instrument, bench):
            await asyncio.sleep(0.05)
            bench.send(b"R1500\rR0000\rR1510\rR4999\rR15")
            reading = (await instrument.poll())[0]
            assert (reading.value, reading.quality) == (1510.0, Quality.GOOD)
            bench.send(b"20\r")
            assert (await instrument.poll())[0].value == 1520

    run(check())


def test_a_rain_gauge_that_is_asked(on_line, run):
    gauge = RainLine()
    gauge.rain(12.34)
    gauge.intensity_mm_h = 7.5

    async def check() -> None:
        async with on_line(gauge, map="hydreon-rg15", max_reply="60 ms") as (instrument, bench):
            readings = by_name(await instrument.poll())
            assert [(r.point, r.value) for r in readings.values()] == [
                ("total", 12.34), ("event", 12.34), ("intensity", 7.5),
            ]  # fmt: skip
            assert {r.quality for r in readings.values()} == {Quality.GOOD}
            assert bytes(bench.heard) == b"R\n"
            gauge.metric = False
            readings = by_name(await instrument.poll())
            assert math.isclose(readings["total"].value, 12.34, abs_tol=0.013)
            gauge.metric = True
            bench.spoil = lambda _: b""
            assert isinstance(await failure(instrument), Timeout)
            bench.spoil = lambda data: data.replace(b"Total", b"Tot\xffl")
            assert "not a line this map knows" in (await failure(instrument)).reason
            bench.spoil = lambda data: data[:20]
            assert "half a line" in (await failure(instrument)).reason
            bench.spoil = None
            assert by_name(await instrument.poll())["total"].value == 12.34

    run(check())


def test_sentences_with_a_checksum(on_line, run, tmp_path):
    quicken(tmp_path, "nmea-xdr")
    xdr = Nmea("WIXDR,C,21.5,C,TEMP,D,1.234,M,LEVEL", "WIXDR,P,1.0132,B,BARO", "WIXDR,C,,C,TEMP", every_s=0.05)

    async def check() -> None:
        async with on_line(xdr, map="quick.toml") as (instrument, bench):
            await asyncio.sleep(0.12)
            readings = by_name(await instrument.poll())
            assert readings["level"].value == 1.234
            assert readings["pressure"].value == 1.0132
            xdr.bodies = ["WIXDR,C,,C,TEMP"]  # it has none
            await next_of(instrument)
            assert (await next_of(instrument))["temperature"].quality is Quality.BAD
            bench.spoil = lambda data: data.replace(b"C,,C", b"C,9,C")  # the checksum no longer fits
            await asyncio.sleep(0.1)
            with pytest.raises(BadFrame, match="checksum"):
                await next_of(instrument)

    run(check())


def test_wind_in_any_unit_and_void(on_line, run):
    wind = Nmea("WIMWV,214.8,R,36.0,K,A", every_s=0.05)

    async def check() -> None:
        async with on_line(wind, map="nmea-wind") as (instrument, _):
            readings = by_name(await instrument.poll())
            assert math.isclose(readings["speed"].value, 10.0)
            assert readings["direction"].value == 214.8
            wind.bodies = ["WIMWV,214.8,R,36.0,K,V"]
            await instrument.poll()
            readings = await next_of(instrument)
            assert {r.quality for r in readings.values()} == {Quality.BAD}
            wind.bodies = ["WIMWV,214.8,R,36.0,X,A"]
            await instrument.poll()
            readings = await next_of(instrument)
            assert (readings["speed"].quality, readings["direction"].quality) == (Quality.BAD, Quality.GOOD)

    run(check())


def test_printed_records_lose_no_rain(on_line, run):
    logger = LoggerTable(every_s=0.05)

    async def check() -> None:
        async with on_line(logger, map="campbell-csv") as (instrument, _):
            total = 0.0
            for _ in range(3):
                await asyncio.sleep(0.12)
                readings = by_name(await instrument.poll())
                total += readings["rain"].value
                assert readings["stage"].value == 1.25
            assert round(total / 0.2) == readings["record"].value
            logger.stage_m = None
            await instrument.poll()
            readings = await next_of(instrument)
            assert readings["stage"].quality is Quality.BAD
            assert readings["battery"].quality is Quality.GOOD

    run(check())


def test_frames_that_look_like_modbus(on_line, run):
    gauge = ZhongdaFrames(address=5, kind=3, values=(12.5,))

    async def check() -> None:
        section = {"map": "zhongda-zdjc", "address": 5, "parameters": {"type": 3}, "max_reply": "60 ms"}
        async with on_line(gauge, **section) as (instrument, bench):
            assert by_name(await instrument.poll())["value"].value == 12.5
            gauge.values = (-3.25,)
            assert by_name(await instrument.poll())["value"].value == -3.25
            gauge.over_range = True
            reading = by_name(await instrument.poll())["value"]
            assert reading.quality is Quality.OVER_RANGE
            gauge.over_range = False
            bench.spoil = lambda data: data[:-1] + bytes([data[-1] ^ 1])
            assert (await failure(instrument)).reason == "checksum wrong"
            bench.spoil = lambda data: b"\x00\xff" + data  # the line turns round
            assert by_name(await instrument.poll())["value"].value == -3.25
            bench.spoil = None
            bench.echo = True
            assert "echo = true" in (await failure(instrument)).reason

    run(check())


def test_an_echoing_adapter(on_line, run):
    gauge = ZhongdaFrames()

    async def check() -> None:
        section = {"map": "zhongda-zdjc", "address": 1, "parameters": {"type": 3}, "max_reply": "100 ms"}
        async with on_line(gauge, bus={"echo": True}, **section) as (instrument, bench):
            bench.echo = True
            assert by_name(await instrument.poll())["value"].value == 12.5
            bench.speakers.clear()  # dead: only the echo comes back, which looks like an answer
            assert isinstance(await failure(instrument), Timeout)
            bench.echo = False
            assert isinstance(await failure(instrument), Timeout)

    run(check())


def test_tilt_in_frames_of_two_makers(on_line, run):
    async def check() -> None:
        tilt = ZhongdaFrames(values=(18.0, 0.125, -0.5))
        async with on_line(tilt, map="zhongda-zdjc-tilt", address=1, parameters={"type": 3}) as (instrument, _):
            readings = by_name(await instrument.poll())
            assert [readings[name].value for name in ("temperature", "x", "y")] == [18.0, 0.125, -0.5]
        rod = FeishangRod()
        async with on_line(rod, map="feishang-rod", address=7) as (instrument, _):
            readings = by_name(await instrument.poll())
            assert math.isclose(readings["x"].value, -1.234567)
            assert math.isclose(readings["y"].value, 0.000042)
            assert readings["temperature"].value == 18.25

    run(check())


QUOTED = (
    "55 7A 10 00 35 00 28 4C 3D 9A 03 00 00 60 17 03 02 23 21 56 00 C7 7F A4 00 00 C2 32 46 B0 A1 E3 20 20 2A"
    " FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF 59 48 30 30 32 30 20 20 89"
)


QUOTED_RAIN = (
    "55 7A 18 00 58 00 28 F4 04 02 CC 04 C6 5B" + 16 * " FF" + " 59 4C 4A 2D 31 48 20 20 21 02 27" + 53 * " 00" + " EF"
)


def test_the_answers_that_a_makers_script_quotes(on_line, run):
    gauge, rain = MojiangGauge(), MojiangRain()
    for speaker, question, quoted in ((gauge, "10", QUOTED), (rain, "1A", QUOTED_RAIN)):
        asked = bytes.fromhex(f"AA75{question}000E00") + speaker.serial + bytes.fromhex("170302232156")
        used, answers = speaker.hear(asked + bytes([checksums.xor(asked)]))
        assert (used, answers[0].data.hex()) == (21, bytes.fromhex(quoted).hex())

    async def check() -> None:
        async with on_line(gauge, map="mojiang", address="28 4C 3D 9A 03 00 00 60") as (instrument, _):
            readings = by_name(await instrument.poll())
            assert math.isclose(readings["value"].value, 326.76)
            assert math.isclose(readings["temperature"].value, 19.9)
            assert gauge.told[:4] == time.strftime("%y%m")
            gauge.value = -50
            assert by_name(await instrument.poll())["value"].value == -0.5  # the script makes 0 of it
        async with on_line(rain, map="mojiang-rain", address="28F40402CC04C65B") as (instrument, _):
            rain.hours[3], rain.hours[4] = 124, 1
            assert by_name(await instrument.poll())["today"].value == 12.5

    run(check())


@pytest.mark.parametrize("map_name", ["hydreon-rg15", "quick.toml"])
def test_the_adapter_is_pulled_and_put_back(map_name, on_line, run, tmp_path):
    quicken(tmp_path, "maxbotix-hrxl")
    speaker = RainLine() if map_name == "hydreon-rg15" else MaxBotixRange()
    speaker.every_s = None if map_name == "hydreon-rg15" else 0.05

    async def check() -> None:
        async with on_line(speaker, map=map_name) as (instrument, bench):
            assert await instrument.poll()
            bench.unplug()
            assert isinstance(await failure(instrument, soon=True), NotPresent)
            assert isinstance(await failure(instrument), NotPresent)
            bench.replug()
            started_s = time.monotonic()
            while True:
                try:
                    if await instrument.poll():
                        break
                except DriverError:
                    await asyncio.sleep(0.02)
            assert time.monotonic() - started_s < 5

    run(check())


def test_babble_without_end(on_line, run):
    async def check() -> None:
        async with on_line(RainLine(), map="hydreon-rg15") as (instrument, bench):

            async def babble() -> None:
                while True:
                    bench.send(b"\xa5" * 200)
                    await asyncio.sleep(0.001)

            noise = asyncio.create_task(babble())
            started_s = time.monotonic()
            assert isinstance(await failure(instrument), BadFrame)
            assert time.monotonic() - started_s < 2
            noise.cancel()
            await asyncio.sleep(0.1)
            assert await instrument.poll()

    run(check())


def test_a_cancelled_question_confuses_nobody(on_line, run):
    gauge = RainLine()

    async def check() -> None:
        async with on_line(gauge, map="hydreon-rg15", max_reply="100 ms") as (instrument, _):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await instrument.poll()
            gauge.rain(1.0)  # the late answer, without this rain, must not be taken for the next one
            assert by_name(await instrument.poll())["total"].value == 1.0

    run(check())
