"""Each virtual device, read over a pty (or TCP) by pymodbus, which shares no code with the bench."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from hil.codec import Request
from hil.devices import (
    CATALOGUE,
    AnalogInput8,
    Device,
    GasModule,
    Inclinometer,
    KellerPressure,
    Midas,
    RadarLevel,
    Siren,
    SoundAndLight,
    TippingRain,
    Vibration,
    WaveshareRelay8,
    loop_ma,
)
from hil.devices.gas import ALARMS_INHIBITED, MONITORING
from hil.devices.relay import LINKED
from hil.line import VirtualLine
from hil.tcp import VirtualTcp

UNIT = 7


class Bench:
    """A device on its line, and a client."""

    def __init__(self, line: VirtualLine, client: ModbusSerialClient) -> None:
        self.line = line
        self.client = client

    def put(self, device: Device) -> None:
        self.line.units[UNIT] = device

    def holding(self, address: int, count: int) -> list[int]:
        answer = self.client.read_holding_registers(address, count=count, device_id=UNIT)
        assert not answer.isError(), answer
        return answer.registers

    def inputs(self, address: int, count: int) -> list[int]:
        answer = self.client.read_input_registers(address, count=count, device_id=UNIT)
        assert not answer.isError(), answer
        return answer.registers

    def refused(self, address: int, value: int) -> bool:
        return self.client.write_register(address, value, device_id=UNIT).isError()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with VirtualLine(tmp_path / "line", timed=False) as line:
        client = ModbusSerialClient(port=str(line.path), baudrate=9600, timeout=0.3, retries=0)
        assert client.connect()
        yield Bench(line, client)
        client.close()


def single(high: int, low: int) -> float:
    return struct.unpack(">f", struct.pack(">HH", high, low))[0]


def signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


def test_radar(bench: Bench) -> None:
    radar = RadarLevel(350)
    bench.put(radar)
    assert bench.holding(1, 1) == [4650]
    assert bench.holding(3, 1) == [350]
    assert bench.holding(5, 1) == [500]
    radar.level_mm = 4990  # closer than 0.15 m it is blind
    assert bench.holding(3, 1) == [4850]
    assert not bench.refused(5, 0)
    assert bench.holding(3, 1) == [0], "no level without an installation height"
    assert bench.refused(3, 1)
    assert bench.client.read_holding_registers(9, count=1, device_id=UNIT).exception_code == 2


def test_keller(bench: Bench) -> None:
    keller = KellerPressure(0.25, -3.5)
    bench.put(keller)
    words = bench.holding(0x0100, 4)
    assert single(*words[:2]) == pytest.approx(0.25)
    assert single(*words[2:]) == pytest.approx(-3.5)
    assert signed(bench.holding(0x0014, 1)[0]) == -350
    assert bench.holding(0x0022, 2) == [0, 25000]
    keller.pressure_bar = math.nan
    assert math.isnan(single(*bench.holding(0x0100, 2)))
    assert bench.holding(0x0011, 1) == [0x7FFF]
    keller.pressure_bar = math.inf
    assert single(*bench.holding(0x0100, 2)) == math.inf
    keller.pressure_bar = -math.inf
    assert single(*bench.holding(0x0100, 2)) == -math.inf


def test_rain(bench: Bench) -> None:
    rain = TippingRain()
    bench.put(rain)
    rain.pour(0.2)
    assert bench.inputs(10, 2) == [0, 0], "the bucket is not full"
    rain.pour(30.0)
    tips = bench.inputs(10, 2)
    assert tips == [108, 0], "low word first"
    low, high = bench.inputs(8, 2)
    assert (high << 16 | low) == 108 * 2794
    assert bench.inputs(6, 2) == [low, high]
    assert bench.inputs(2, 1) == [UNIT]
    assert not bench.refused(6, 24)
    assert bench.holding(6, 1) == [24]
    assert bench.refused(6, 25)
    rain.restart()
    assert bench.inputs(8, 4) == [0, 0, 0, 0]
    assert bench.holding(6, 1) == [1]


def test_gas_module_describes_its_own_unit(bench: Bench) -> None:
    gas = GasModule("CH4", "%LEL", decimals=1)
    gas.min_poll_s = 0
    gas.concentration = 12.3
    gas.temperature_c = -10
    bench.put(gas)
    words = bench.holding(0, 10)
    assert words[0] == 0x2400
    assert words[1:5] == [123, 250, 500, 1000]
    assert (words[7] - 500) / 10 == -10
    assert words[8] >> 8 == 11
    assert words[9] == 600
    assert words[5] == 1, "normal"
    gas.concentration = 120.0
    assert bench.holding(0, 6)[1:6] == [1000, 250, 500, 1000, 8], "over range, at full scale"
    gas.state = "warm-up"
    assert bench.holding(5, 1) == [0]
    gas.concentration = 12.3
    gas.unit, gas.decimals = "ppm", 0
    assert bench.holding(0, 2) == [0x0000, 12]
    gas.unit, gas.decimals = "vol%", 3
    assert bench.holding(0, 2) == [0x4C00, 12300]


def test_gas_module_is_deaf_for_half_a_second(bench: Bench) -> None:
    gas = GasModule()
    bench.put(gas)
    assert bench.holding(0, 1)
    with pytest.raises(ModbusIOException):
        bench.holding(0, 1)
    assert gas.unanswered == 1
    time.sleep(0.5)
    assert bench.holding(0, 1)


def test_midas_over_tcp() -> None:
    midas = Midas()
    midas.concentration = 60.0
    with VirtualTcp({1: midas}, any_unit=True) as gateway:
        client = ModbusTcpClient(gateway.host, port=gateway.port, timeout=1, retries=0)
        assert client.connect()
        words = client.read_holding_registers(0, count=16, device_id=9).registers
        assert words[0] & 0x0F == MONITORING
        assert words[0] & 0xC0 == 0xC0, "low and high alarm"
        assert single(words[3], words[2]) == 60.0, "low word first"
        assert single(words[13], words[12]) == 25.0
        assert words[6] == 1
        midas.concentration = 0.0
        assert client.read_holding_registers(0, count=1, device_id=9).registers[0] & 0xC0 == 0xC0, "latched"
        assert not client.write_registers(20, [0x015E, 0x3626], device_id=9).isError()
        assert client.read_holding_registers(0, count=1, device_id=9).registers[0] & 0xC0 == 0
        assert client.write_registers(20, [0x025E, 0x1234], device_id=9).isError()
        assert not client.write_registers(20, [0x025E, 0x3626], device_id=9).isError()
        assert midas.state == ALARMS_INHIBITED
        client.close()


def test_inclinometer_and_its_lock(bench: Bench) -> None:
    tilt = Inclinometer(roll_deg=-1.5, pitch_deg=90)
    bench.put(tilt)
    roll, pitch, yaw = (signed(word) / 32768 * 180 for word in bench.holding(0x3D, 3))
    assert (roll, pitch, yaw) == pytest.approx((-1.5, 90, 0), abs=0.0055)
    assert signed(bench.holding(0x36, 1)[0]) / 32768 * 16 == pytest.approx(1, abs=0.001)
    assert bench.refused(0x1A, 0x51), "locked"
    assert not bench.refused(0x69, 0xB588)
    assert not bench.refused(0x1A, 0x51)
    assert not bench.refused(0x00, 0)
    assert bench.holding(0x1A, 1) == [0x51]


def test_vibration_is_deaf_below_5_hz(bench: Bench) -> None:
    shake = Vibration()
    shake.velocity_mm_s = [12.4, 0, 7]
    bench.put(shake)
    assert bench.holding(0x3A, 3) == [12, 0, 7]
    assert bench.holding(0x44, 1) == [100]
    shake.frequency_hz = [3.0, 3.0, 3.0]
    assert bench.holding(0x3A, 3) == [0, 0, 0]


def test_relay_coils_and_modes(bench: Bench) -> None:
    relay = WaveshareRelay8()
    bench.put(relay)
    client = bench.client
    client.write_coil(2, True, device_id=UNIT)
    client.write_coils(4, [True, False, True, True], device_id=UNIT)
    assert client.read_coils(0, count=8, device_id=UNIT).bits == [False, False, True, False, True, False, True, True]
    assert client.read_coils(0, count=9, device_id=UNIT).isError(), "eight coils, no more"
    client.write_coil(0x00FF, False, device_id=UNIT)
    assert not any(relay.coils)
    relay.inputs[3] = True
    assert client.read_discrete_inputs(0, count=8, device_id=UNIT).bits[3]
    assert not relay.coil(3)
    assert not bench.refused(0x1003, LINKED)
    assert relay.coil(3), "a linked input drives its relay"
    assert bench.holding(0x1000, 8) == [0, 0, 0, 1, 0, 0, 0, 0]
    relay.refuses = True
    assert client.write_coil(2, True, device_id=UNIT).exception_code == 4


def test_relay_pulses_time_out_and_start_again() -> None:
    relay = WaveshareRelay8()
    pulse = Request(5, 0x0200, 1, (3,)).encode()
    start_s = time.monotonic()
    assert relay.answer(pulse, start_s) == pulse
    assert relay.coil(0)
    time.sleep(0.15)
    assert relay.answer(pulse, time.monotonic()) == pulse
    time.sleep(0.2)
    assert relay.coil(0), "the second pulse started the time again"
    time.sleep(0.15)
    assert not relay.coil(0)
    on, off = relay.history
    assert on.on
    assert not off.on
    assert off.mono_s - start_s == pytest.approx(0.45, abs=0.03)
    assert relay.answer(Request(6, 0x0207, 1, (10,)).encode(), 0) is not None
    assert relay.coil(7)
    assert relay.answer(Request(5, 0x0208, 1, (10,)).encode(), 0) == b"\x85\x02"
    assert relay.answer(Request(5, 1, 1, (0x5500,)).encode(), 0) is not None
    assert relay.coil(1)
    relay.answer(Request(5, 1, 1, (0x5500,)).encode(), 0)
    assert not relay.coil(1)
    assert relay.answer(Request(5, 1, 1, (0x1234,)).encode(), 0) == b"\x85\x03"


def test_siren_current_follows_the_contact(bench: Bench) -> None:
    relay, analog = WaveshareRelay8(), AnalogInput8()
    siren = Siren(relay, 2, rated_a=2.0)
    analog.signal[5] = loop_ma(siren.current_a, low=0, high=5)
    bench.put(analog)
    assert bench.inputs(5, 1) == [4000]
    relay.operate(2, on=True)
    assert not siren.sounding, "not within 50 ms"
    time.sleep(0.08)
    assert siren.sounding
    assert bench.inputs(5, 1) == [10400]
    siren.dead = True
    assert bench.inputs(5, 1) == [4000]
    siren.stuck = True
    relay.operate(2, on=False)
    assert bench.inputs(5, 1) == [10400]


def test_analog_modes(bench: Bench) -> None:
    analog = AnalogInput8()
    bench.put(analog)
    analog.signal[0] = 2.0  # a broken wire
    assert bench.inputs(0, 2) == [2000, 4000]
    assert not bench.refused(0x1000, 0)
    analog.signal[0] = 5.0
    assert bench.inputs(0, 1) == [2500]
    assert bench.refused(0x1000, 9)


def test_sound_and_light_loses_hasty_commands() -> None:
    alarm = SoundAndLight()
    on = Request(5, 2, 1, (0xFF00,)).encode()
    off = Request(5, 0, 1, (0x0000,)).encode()
    assert alarm.answer(on, 10.0) == on
    assert alarm.sounder
    assert alarm.answer(off, 10.04) is None
    assert alarm.sounder
    assert alarm.lost == 1
    assert alarm.answer(off, 10.2) == off
    assert not alarm.sounder


@pytest.mark.parametrize("model", sorted(CATALOGUE))
def test_every_device_survives_every_request(model: str) -> None:
    device = CATALOGUE[model]()
    for function in range(1, 17):
        for address in (0, 1, 7, 0x34, 0x1000, 0xFFFF):
            body = struct.pack(">BHH", function, address, 1)
            answer = device.answer(body, float(function * 1000 + address))
            assert answer is None or answer[0] & 0x7F == function
    assert device.answer(b"", 1e9) == b"\x80\x01"
