"""Instruments of the maps that come with Tocsin, read from the bench's devices; and units that behave badly."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from drivers.api import Description, DriverError, NotPresent, Quality, Reading, Refused, Timeout
from drivers.instrument import ModbusDriver
from drivers.modbus import LineSection, open_line
from hil.devices.analog import AnalogInput8
from hil.devices.gas import BUMP_TEST, GasModule, Midas
from hil.devices.motion import Inclinometer, Vibration
from hil.devices.relay import WaveshareRelay8
from hil.devices.water import KellerPressure, RadarLevel, TippingRain
from hil.faults import Fault, FaultPlan
from hil.line import VirtualLine
from hil.tcp import VirtualTcp

DRIVER = ModbusDriver()
HEAD = '[device]\ntitle = "x"\nmaturity = "beta"\nsource = ["sheet"]\nunit_id = 3\nmax_reply = "30 ms"\n'


def by_name(readings) -> dict[str, Reading]:
    assert len({reading.mono_ns for reading in readings}) == 1
    assert abs(readings[0].mono_ns - time.monotonic_ns()) < 1e9
    return {reading.point: reading for reading in readings}


def line_of(bench: VirtualLine | VirtualTcp, quiet_s: float = 0.02):
    if isinstance(bench, VirtualTcp):
        return open_line("test", LineSection(host=bench.host, port=bench.port), quiet_s=quiet_s)
    return open_line("test", LineSection(port=str(bench.path), baudrate=bench.baudrate), quiet_s=quiet_s)


@pytest.fixture
def poll(tmp_path: Path, run):
    """Poll a device once by map name: the readings by point."""

    def once(device, map_name: str, **settings) -> dict[str, Reading]:
        section = DRIVER.Section(map=map_name, **settings)
        unit_id = DRIVER.describe(section, tmp_path).unit_id
        found: dict[str, Reading] = {}

        async def check() -> None:
            tcp = isinstance(device, Midas)
            bench = (
                VirtualTcp({unit_id: device}) if tcp else VirtualLine(tmp_path / "p", {unit_id: device}, timed=False)
            )
            with bench:
                async with line_of(bench) as line, DRIVER.connect("d", section, line, tmp_path) as instrument:
                    found.update(by_name(await instrument.poll()))

        run(check())
        return found

    return once


def test_radar_level(poll):
    readings = poll(RadarLevel(level_mm=350, install_cm=500), "hlk-ld8001h")
    assert readings["level"].value == 350
    assert readings["distance"].value == 4650
    assert readings["level"].quality is Quality.GOOD
    readings = poll(RadarLevel(level_mm=350, install_cm=0), "hlk-ld8001h")
    assert readings["level"].quality is Quality.BAD  # 0 mm because nobody told it how high it hangs
    assert readings["distance"].quality is Quality.GOOD


def test_pressure(poll):
    readings = poll(KellerPressure(0.1234, 15.5), "keller-30")
    assert readings["pressure"].value == pytest.approx(0.1234)
    assert readings["temperature"].value == pytest.approx(15.5)
    depth = {"pressure": {"scale": 10.2, "unit": "m", "high": 10.0}}
    readings = poll(KellerPressure(0.5), "keller-30", point=depth)
    assert readings["pressure"].value == pytest.approx(5.1)
    readings = poll(KellerPressure(math.inf, math.nan), "keller-30", point=depth)
    assert (readings["pressure"].value, readings["pressure"].quality) == (10.0, Quality.OVER_RANGE)
    assert readings["temperature"].quality is Quality.BAD
    assert poll(KellerPressure(-math.inf), "keller-30")["pressure"].quality is Quality.UNDER_RANGE


def test_rain(poll):
    gauge = TippingRain()
    gauge.pour(2500 * 0.2794)  # beyond 16 bits, so that a swapped word would show
    readings = poll(gauge, "sen0575")
    assert readings["total"].value == pytest.approx(gauge.tips * 0.2794)
    assert readings["tips"].value == gauge.tips > 2490


@pytest.mark.parametrize(
    ("unit", "decimals", "map_unit", "factor"),
    [
        ("%LEL", 1, "%LEL", 1),
        ("%LEL", 0, "%LEL", 1),
        ("ppm", 0, "ppm", 1),
        ("ppb", 0, "ppm", 1e-3),
        ("vol%", 2, "ppm", 1e4),
    ],
)
def test_gas_module_tells_unit_and_decimals(poll, unit, decimals, map_unit, factor):
    module = GasModule(unit=unit, decimals=decimals, full_scale=100)
    module.concentration = 12.0
    readings = poll(module, "gas-6in1", point={name: {"unit": map_unit} for name in ("concentration", "full-scale")})
    assert readings["concentration"].value == pytest.approx(12 * factor)
    assert readings["concentration"].quality is Quality.GOOD
    assert readings["full-scale"].value == pytest.approx(100 * factor)
    assert readings["temperature"].value == pytest.approx(25)
    assert readings["gas"].value == 11


@pytest.mark.parametrize(
    ("state", "quality"),
    [
        ("warm-up", Quality.INHIBITED),
        ("normal", Quality.GOOD),
        ("sensor-fault", Quality.BAD),
        ("high-alarm", Quality.GOOD),
        ("needs-calibration", Quality.UNCERTAIN),
        ("communication-fault", Quality.BAD),
    ],
)
def test_gas_module_states(poll, state, quality):
    module = GasModule()
    module.state, module.concentration = state, 12.0
    assert poll(module, "gas-6in1")["concentration"].quality is quality


def test_gas_module_over_range_is_at_least_its_full_scale(poll):
    module = GasModule(full_scale=100)
    module.state, module.concentration = "over-range", 3.0  # reads low in too much gas
    reading = poll(module, "gas-6in1")["concentration"]
    assert (reading.value, reading.quality) == (100, Quality.OVER_RANGE)


def test_gas_module_in_another_unit_is_not_believed(poll):
    module = GasModule(unit="mg/m3")
    reading = poll(module, "gas-6in1")["concentration"]
    assert reading.quality is Quality.BAD
    assert "mg/m^3" in reading.reason


def test_midas(poll):
    midas = Midas()
    midas.concentration = 12.5
    readings = poll(midas, "honeywell-midas")
    assert (readings["concentration"].value, readings["concentration"].quality) == (12.5, Quality.GOOD)
    assert readings["high-alarm-limit"].value == 50
    midas.state = BUMP_TEST
    assert poll(midas, "honeywell-midas")["concentration"].quality is Quality.INHIBITED
    midas = Midas()
    midas.fault, midas.fault_number, midas.concentration = 1, 10, 40
    reading = poll(midas, "honeywell-midas")["concentration"]
    assert (reading.value, reading.quality) == (40, Quality.OVER_RANGE)
    midas.fault = 2
    assert poll(midas, "honeywell-midas")["concentration"].quality is Quality.BAD


def test_inclination_and_vibration(poll):
    readings = poll(Inclinometer(roll_deg=-1.5, pitch_deg=0.25), "witmotion-inclinometer")
    assert readings["roll"].value == pytest.approx(-1.5, abs=0.003)
    assert readings["pitch"].value == pytest.approx(0.25, abs=0.003)
    assert readings["acceleration-z"].value == pytest.approx(9.80665, abs=0.005)
    vibration = Vibration()
    vibration.velocity_mm_s = [3, 4, 5]
    readings = poll(vibration, "wtvb01-485")
    assert [readings[f"velocity-{axis}"].value for axis in "xyz"] == [3, 4, 5]
    assert readings["frequency-x"].value == 10


def test_relay_module_and_analog_inputs(poll):
    readings = poll(WaveshareRelay8(), "waveshare-relay-8ch")
    assert readings["relay-1"].value == 0
    assert readings["mode-8"].value == 0
    module = AnalogInput8()
    module.signal[:4] = [12.0, 3.0, 22.0, 12.0]
    module.modes[3] = 2
    clamp = {"scale": 1.25, "offset": -5.0, "unit": "A"}
    readings = poll(module, "waveshare-analog-8ch-4-20ma", point={"channel-1": clamp})
    assert (readings["channel-1"].value, readings["channel-1"].quality) == (pytest.approx(10), Quality.GOOD)
    assert readings["channel-2"].quality is Quality.UNDER_RANGE  # broken wire
    assert readings["channel-3"].quality is Quality.OVER_RANGE
    assert readings["channel-4"].quality is Quality.BAD  # another mode, so another unit
    assert poll(AnalogInput8(), "waveshare-analog-8ch-0-10v")["channel-1"].quality is Quality.BAD


# --- units that behave badly --------------------------------------------------------------------------------------


def test_a_refused_block_is_split_once_and_for_all(serial_line, tmp_path, run):
    text = HEAD + "gap_limit = 20\n" + "".join(
        f'[point.p{address}]\naddress = {address}\ntype = "u16"\n' for address in (1, 990, 995, 1005)
    )  # fmt: skip
    (tmp_path / "acme.toml").write_text(text)
    section = DRIVER.Section(map="acme.toml")

    async def check() -> None:
        async with line_of(serial_line) as line, DRIVER.connect("d", section, line, tmp_path) as instrument:
            for requests in (6, 4, 4):  # 1, the whole block, then its parts; afterwards the parts at once
                before = len(serial_line.heard)
                readings = by_name(await instrument.poll())
                assert readings["p990"].value == 990 * 7 + 3
                assert readings["p1005"].quality is Quality.BAD
                assert "illegal data address" in readings["p1005"].reason
                assert len(serial_line.heard) - before == min(requests, 5 if requests > 4 else 4)

    run(check())


def test_a_silent_unit_costs_one_time_out(serial_line, tmp_path, run):
    (tmp_path / "acme.toml").write_text(
        HEAD + "".join(f'[point.p{a}]\naddress = {a}\ntype = "u16"\n' for a in (1, 9, 17))
    )
    section = DRIVER.Section(map="acme.toml")
    serial_line.faults[3] = FaultPlan.always(Fault.SILENT)

    async def check() -> None:
        async with line_of(serial_line) as line, DRIVER.connect("d", section, line, tmp_path) as instrument:
            with pytest.raises(Timeout):
                await instrument.poll()
            assert len(serial_line.heard) == 1
            serial_line.faults[3] = FaultPlan(script=[None, Fault.SILENT, None])
            readings = by_name(await instrument.poll())  # one lost block takes only its own points with it
            assert sorted(reading.quality for reading in readings.values()) == [0, 0, Quality.COMM_FAULT]
            lost = next(reading for reading in readings.values() if reading.quality)
            assert math.isnan(lost.value)
            assert "no answer" in lost.reason

    run(check())


def test_a_block_that_is_never_answered_hides_no_other(serial_line, tmp_path, run):
    (tmp_path / "acme.toml").write_text(HEAD + "".join(f'[point.p{a}]\naddress = {a}\ntype = "u16"\n' for a in (1, 9)))
    section = DRIVER.Section(map="acme.toml")

    async def check() -> None:
        async with line_of(serial_line) as line, DRIVER.connect("d", section, line, tmp_path) as instrument:
            serial_line.faults[3] = FaultPlan(script=[Fault.SILENT, None, Fault.SILENT])
            with pytest.raises(Timeout):
                await instrument.poll()
            readings = by_name(await instrument.poll())
            assert (readings["p9"].quality, readings["p1"].quality) == (Quality.GOOD, Quality.COMM_FAULT)

    run(check())


def test_all_refused_or_line_gone_is_an_error(serial_line, tmp_path, run):
    (tmp_path / "acme.toml").write_text(HEAD + '[point.a]\naddress = 5000\ntype = "u16"\n')
    section = DRIVER.Section(map="acme.toml")

    async def check() -> None:
        async with line_of(serial_line) as line, DRIVER.connect("d", section, line, tmp_path) as instrument:
            with pytest.raises(Refused):
                await instrument.poll()
            serial_line.unplug()
            with pytest.raises(NotPresent):
                await instrument.poll()
            serial_line.replug()

    run(check())


def test_one_dead_unit_of_four_and_the_others_keep_their_values(tmp_path, numbers, run):
    (tmp_path / "acme.toml").write_text(HEAD + '[point.a]\naddress = 7\ntype = "u16"\n')
    with VirtualLine(tmp_path / "p", {i: numbers() for i in (1, 2, 3)}, baudrate=115200, timed=False) as bench:

        async def check() -> None:
            async with line_of(bench) as line, AsyncExitStack() as stack:
                found: dict[int, list[object]] = {i: [] for i in (1, 2, 3, 4)}

                async def keep_polling(unit_id: int) -> None:
                    section = DRIVER.Section(map="acme.toml", unit_id=unit_id)
                    instrument = await stack.enter_async_context(DRIVER.connect("d", section, line, tmp_path))
                    for _ in range(10):
                        try:
                            found[unit_id].append((await instrument.poll())[0].value)
                        except DriverError as error:
                            found[unit_id].append(type(error))

                await asyncio.gather(*(keep_polling(unit_id) for unit_id in found))
                for unit_id in (1, 2, 3):
                    assert found[unit_id] == [52.0] * 10
                assert found[4] == [Timeout] * 10

        run(check())


# --- what is known before a wire is opened ------------------------------------------------------------------------


def test_description_of_a_section(tmp_path):
    section = DRIVER.Section(
        map="keller-30", unit_id=9, max_reply="80 ms", point={"pressure": {"low": 0.0, "high": 1.0}}
    )
    known = DRIVER.describe(section, tmp_path)
    assert isinstance(known, Description)
    assert [(point.name, point.unit, point.low, point.high) for point in known.points] == [
        ("pressure", "bar", 0, 1), ("depth", "m", -10, 10200), ("temperature", "degC", -40, 120)
    ]  # fmt: skip
    assert (known.unit_id, known.max_reply_s, known.parity, known.baudrates) == (9, 0.08, "N", (9600, 115200))
    assert [(e.request_bytes, e.reply_bytes, e.device_s) for e in known.exchanges] == [(8, 13, 0.08)]
    assert any("echo" in note for note in known.notes)


def test_overrides_move_unit_and_range_together(tmp_path):
    def point(**override):
        section = DRIVER.Section(map="waveshare-analog-8ch-4-20ma", point={"channel-1": override})
        return DRIVER.describe(section, tmp_path).points[0]

    falling = point(scale=-1.0, offset=24.0, unit="m")
    assert (falling.unit, falling.low, falling.high) == ("m", 3.0, pytest.approx(20.4))
    assert (point(low=4.0).low, point(low=4.0).high) == (4.0, 21.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"map": "keller-03"}, "nearest: keller-30"),
        ({"map": "keller-30", "point": {"pressures": {"low": 0.0}}}, "nearest: pressure"),
        ({"map": "keller-30", "point": {"pressure": {"low": 5.0, "high": 1.0}}}, "not below"),
        ({"map": "keller-30", "point": {"pressure": {"scale": 0.0}}}, "other than 0"),
        ({"map": "gas-6in1", "point": {"decimals": {"low": 0.0}}}, "no such point"),
        ({"map": "no.toml"}, "can't be read"),
    ],
)
def test_mistakes_are_told_before_start(settings, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        DRIVER.describe(DRIVER.Section(**settings), tmp_path)


def test_a_unit_that_is_silent_where_it_should_refuse_is_read_in_parts_after_a_while(tmp_path, run, numbers):
    class Shy(type(numbers())):
        def answer(self, pdu: bytes, now_s: float) -> bytes | None:
            return None if int.from_bytes(pdu[3:5]) > 1 else super().answer(pdu, now_s)

    (tmp_path / "two.toml").write_text(TWO, encoding="utf-8")

    async def check() -> None:
        with VirtualLine(tmp_path / "port", {3: Shy()}, baudrate=115200, timed=False) as bench:
            section = LineSection(port=str(bench.path), baudrate=115200)
            async with open_line("test", section, quiet_s=0.01) as line:
                own = ModbusDriver.Section(map="two.toml", unit_id=3)
                async with ModbusDriver().connect("two", own, line, tmp_path) as instrument:
                    failed = 0
                    for _ in range(8):
                        try:
                            readings = await instrument.poll()
                        except DriverError:
                            failed += 1
                    assert [reading.value for reading in readings] == [3, 24]
                    assert failed == 3  # twice whole, in parts, once more whole, and in parts for good
                    asked = len(bench.times_s(3))
                    (only,) = await instrument.poll_points(["b"])
                    assert (only.point, only.value, len(bench.times_s(3)) - asked) == ("b", 24, 1)

    run(check())


TWO = """
[device]
title = "Two"
maturity = "stable"
source = ["the bench"]
max_reply = "20 ms"
gap_limit = 5
[point.a]
address = 0
type = "u16"
[point.b]
address = 3
type = "u16"
"""
