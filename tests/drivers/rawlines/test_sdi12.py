"""SDI-12 through an adapter: commands, waiting, several answers, CRC, and rain that no fault may lose."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import checksums, sdi12
from drivers.api import BadFrame, DriverError, Quality, Timeout
from drivers.buses import open_bus
from drivers.line import LineDriver
from drivers.modbus import LineSection
from hil.devices.speakers import SdiAdapter, SdiRain, SdiSensor
from hil.spoken import SpokenLine

VALUES = (1.234, 3.766, 21.5, 33.0, 0.0)
QUICK = {"max_reply": "60 ms"}


def test_a_sensor_with_crc_in_two_answers(on_line, run):
    adapter = SdiAdapter(SdiSensor("0", VALUES))

    async def check() -> None:
        async with on_line(adapter, map="vega-puls-21") as (instrument, _):
            readings = await instrument.poll()
            assert tuple(reading.value for reading in readings) == VALUES
            assert {reading.quality for reading in readings} == {Quality.GOOD}
            assert adapter.commands == ["0MC!", "0D0!", "0D1!"]

    run(check())


def test_an_adapter_that_echoes_and_two_sensors(on_line, run):
    adapter = SdiAdapter(SdiSensor("0", (1.0,)), SdiSensor("z", (-2.5,)), echo=True)

    async def check() -> None:
        async with on_line(adapter, map="sdi12-one-value", address="z") as (instrument, _):
            assert [reading.value for reading in await instrument.poll()] == [-2.5]

    run(check())


def test_a_measurement_that_takes_its_time(on_line, run):
    sensor = SdiSensor("0", (7.5,), takes_s=1)

    async def check() -> None:
        async with on_line(SdiAdapter(sensor), map="sdi12-one-value") as (instrument, _):
            started_s = time.monotonic()
            assert (await instrument.poll())[0].value == 7.5
            assert time.monotonic() - started_s >= 1
            sensor.takes_s = 30
            assert await instrument.poll() == []  # nobody waits half a minute for it, nor asks it anew
            assert await instrument.poll() == []
            assert sensor.measurements == 2
        sensor.takes_s = 100  # by its map none takes so long: a bit has turned
        async with on_line(SdiAdapter(sensor), map="sdi12-one-value") as (instrument, _):
            with pytest.raises(BadFrame, match="100 s"):
                await instrument.poll()

    run(check())


def test_rain_is_collected_again_when_its_answer_is_lost(on_line, run):
    gauge = SdiRain()
    gauge.waiting_mm = 3.4

    async def check() -> None:
        async with on_line(SdiAdapter(gauge), map="campbell-rainvue10", **QUICK) as (instrument, bench):
            bench.spoil = lambda data: data if data.startswith(b"000") else data.replace(b"3.4", b"8.4")
            with pytest.raises(BadFrame, match="checksum"):
                await instrument.poll()
            bench.spoil = lambda data: data if data.startswith(b"000") else b""
            with pytest.raises(Timeout):
                await instrument.poll()
            bench.spoil = None
            readings = {reading.point: reading.value for reading in await instrument.poll()}
            assert readings["rain"] == 3.4
            assert gauge.measurements == 1
            gauge.waiting_mm = 0.2
            assert (await instrument.poll())[0].value == 0.2

    run(check())


def test_what_is_no_answer_gives_no_value(on_line, run):
    sensor = SdiSensor("0", (1.5, 2.5))

    async def check() -> None:
        async with on_line(SdiAdapter(sensor), map="sdi12-one-value", **QUICK) as (instrument, bench):
            for spoiled in ("1+1.5+2.5", "0+1.5+2.5+3.5", "0"):
                other = f"{spoiled}\r\n".encode("latin-1")
                bench.spoil = lambda data, other=other: data if data.startswith(b"000") else other
                with pytest.raises(DriverError):
                    await instrument.poll()
            bench.spoil = None
            assert (await instrument.poll())[0].value == 1.5

    run(check())


def test_sensors_are_found_and_nothing_is_measured(tmp_path, run):
    sensors = SdiSensor("0"), SdiSensor("5")

    async def check() -> None:
        with SpokenLine(tmp_path / "line", SdiAdapter(*sensors)) as bench:
            table = {"port": str(bench.path), "framing": "raw"}
            async with open_bus("test", LineSection.model_validate(table)) as line:
                assert await sdi12.only_one(line, reply_s=0.03) is None  # both speak at once
                assert await sdi12.identify(line, "1", reply_s=0.03) is None
                found = await sdi12.identify(line, "5", reply_s=0.03)
                assert found == ("5", "14", "TOCSIN", "VIRT01", "100", "")
                bench.speakers[0].sensors.pop(0)
                assert await sdi12.only_one(line, reply_s=0.03) == "5"
                assert [sensor.measurements for sensor in sensors] == [0, 0]

    run(check())


def test_two_sensors_take_turns(tmp_path, run, on_line):
    one, two = SdiSensor("1", (1.0,)), SdiSensor("2", (2.0,))

    async def check() -> None:
        driver = LineDriver()
        async with on_line(SdiAdapter(one, two), map="sdi12-one-value", address="1") as (first, _):
            section = driver.Section(map="sdi12-one-value", address="2")
            async with driver.connect("second", section, first._line, tmp_path) as second:
                told = await asyncio.gather(*(instrument.poll() for instrument in (first, second, first, second)))
                assert [readings[0].value for readings in told] == [1.0, 2.0, 1.0, 2.0]

    run(check())


@given(st.lists(st.integers(-9_999_999, 9_999_999), min_size=1, max_size=9), st.integers(0, 6))
def test_values_come_back_as_they_were_sent(numbers, decimals):
    sent = [number / 10**decimals for number in numbers]
    text = "3" + "".join(f"{value:+.{decimals}f}" for value in sent)
    assert sdi12.parse_values(text, "3", crc=False) == sent
    checked = text + checksums.sdi12(text.encode()).decode()
    assert sdi12.parse_values(checked, "3", crc=True) == sent


@given(st.text(max_size=40))
def test_other_text_is_refused(text):
    for crc in (False, True):
        try:
            values = sdi12.parse_values(text, "0", crc=crc)
        except BadFrame:
            continue
        assert text.startswith("0")
        assert len(values) == text.count("+") + text.count("-")
    with pytest.raises(BadFrame):
        sdi12.parse_measurement(f"x{text}", "0")


@pytest.mark.parametrize("answer", ["1+1.5", "0+1.5+2.x", "+1.5+2.5", "\xff\xfe", "0 1.5+2.5", "0+1.5.2", "0+12345678"])
def test_answers_that_are_none(answer):
    with pytest.raises(BadFrame):
        sdi12.parse_values(answer, "0", crc=False)


@pytest.mark.parametrize("address", ["", "10", "!", None, "é"])
def test_addresses_that_are_none(address):
    with pytest.raises(ValueError, match="SDI-12 addresses"):
        sdi12.address_of(address)
