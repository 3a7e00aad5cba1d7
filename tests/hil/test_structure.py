"""Virtual gas receivers and structure instruments, read as their sources read them: by the parsers' own arithmetic.

The public parsers take the data bytes of a reply as text in hexadecimal; `data_of` gives the same text.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.codec import Request
from hil.devices import (
    BiaxialInclinometer,
    BolinWire,
    ChengtuoLaser,
    Device,
    EsSoil,
    FeishangWire,
    FukaiteGas,
    KunpengDisplacement,
    KunpengLaser,
    KunpengTemperature,
    KunpengTemperatureHumidity,
    OtisReceiver,
    SanzhiTilt,
    SeeedSoil,
    ShengdiLevel,
    Smt100,
    VibratingWire,
    ZhichuanBox,
    ZhongdaLevel,
)


def data_of(device: Device, request: str) -> str:
    """The data of the answer to "03 0000 0006": function, address and count in hexadecimal."""
    answered = device.answer(bytes.fromhex(request), 0.0)
    assert answered is not None
    assert answered[0] == int(request[:2], 16), answered.hex()
    assert answered[1] == len(answered) - 2
    return answered[2:].hex()


def signed16(text: str) -> int:
    return struct.unpack(">h", bytes.fromhex(text))[0]


def box(text: str) -> float:
    """The arithmetic of ZcBoxSurvey.js."""
    pairs = [int(text[i : i + 2], 16) for i in (2, 4, 6)]
    return (-1) ** int(text[0]) * (int(text[1]) * 100 + pairs[0] + pairs[1] / 100 + pairs[2] / 10000)


@given(st.integers(-9999999, 9999999), st.integers(-9999999, 9999999))
def test_box_inclinometer(x: int, y: int) -> None:
    data = data_of(ZhichuanBox(x / 10000, y / 10000), "03 0000 0006")
    assert box(data[0:8]) == pytest.approx(x / 10000, abs=1e-9)
    assert box(data[8:16]) == pytest.approx(y / 10000, abs=1e-9)


def test_tilt() -> None:
    data = data_of(SanzhiTilt(1.25, -30.5, -7.5), "04 0000 0012")[8:]  # number and model are skipped
    assert [signed16(data[i : i + 4]) for i in (0, 4, 8)] == [-75, 125, -3050]
    data = data_of(BiaxialInclinometer(-0.001, 12.0), "03 0000 0004")
    assert struct.unpack(">ii", bytes.fromhex(data)) == (-1, 12000)


def test_settlement() -> None:
    data = data_of(ShengdiLevel(-12.5), "04 0000 0002")
    assert struct.unpack(">f", bytes.fromhex(data)) == (-12.5,)
    assert signed16(data_of(ZhongdaLevel(50.0), "03 0004 0001")) / 9.80665 == pytest.approx(50.0, abs=0.05)
    assert signed16(data_of(ZhongdaLevel(-50.0), "03 0004 0001")) == -490


def test_displacement_and_distance() -> None:
    assert int(data_of(BolinWire(12.34), "03 0000 0001"), 16) / 100 == 12.34
    assert int(data_of(BolinWire(-5), "03 0000 0001"), 16) == 0, "it can't go below"
    assert signed16(data_of(FeishangWire(-3.2), "03 0000 0001")) == -32
    assert int(data_of(KunpengDisplacement(0.07), "03 0001 0001"), 16) == 7
    assert int(data_of(ChengtuoLaser(12345.6), "03 2001 0002"), 16) / 10 == 12345.6
    assert int(data_of(KunpengLaser(0.1), "03 000F 0002"), 16) == 1


def test_vibrating_wire_and_air() -> None:
    data = data_of(VibratingWire(1234.5, -4.0), "03 0001 0002")
    assert int(data[:4], 16) / 10 == 1234.5
    assert signed16(data[4:]) == -40
    assert signed16(data_of(KunpengTemperature(-12.3), "03 0000 0001")) == -123
    data = data_of(KunpengTemperatureHumidity(-1.0, 45.6), "03 0000 0002")
    assert int(data[:4], 16) == 456
    assert signed16(data[4:]) == -10


def test_fukaite_by_the_examples_of_its_source_and_its_lock() -> None:
    for resolution, ppm in ((0, 1000), (1, 100), (2, 10)):
        gas = FukaiteGas(ppm, resolution)
        assert int(data_of(gas, "03 0000 0001"), 16) == 1000
        assert int(data_of(gas, "03 001E 0001"), 16) == resolution
    assert int(data_of(FukaiteGas(20.9, 3, oxygen=True), "03 0000 0001"), 16) == 2090
    gas = FukaiteGas()
    set_id, unlock = Request(6, 0x13, 1, (9,)).encode(), Request(6, 0x11, 1, (0x18,)).encode()
    assert gas.answer(set_id, 0.0) == b"\x86\x03"
    assert gas.answer(unlock, 0.0) == unlock
    assert gas.answer(set_id, 0.0) == set_id
    assert gas.unit_id == 9


def test_receiver_holds_what_its_source_saw_on_channel_6() -> None:
    receiver = OtisReceiver()
    receiver.hear(6, 0.0, battery_v=23.0, age_s=23)
    assert data_of(receiver, "03 0005 0001") == "0006"
    assert data_of(receiver, "03 002A 0002") == "00000000"
    assert struct.unpack(">f", bytes.fromhex(data_of(receiver, "03 008A 0002"))) == (23.0,)
    assert data_of(receiver, "03 00C5 0001") == "0017"
    assert data_of(receiver, "03 0105 0001") == "0006", "%LEL"
    assert data_of(receiver, "03 1770 0001") == "0001", "its own unit id"
    receiver.hear(32, 1.5, gas="CO")
    assert struct.unpack(">f", bytes.fromhex(data_of(receiver, "03 005E 0002"))) == (1.5,)
    assert data_of(receiver, "03 0120 0001") == "0000"
    assert receiver.answer(bytes.fromhex("03 0140 0001"), 0.0) == b"\x83\x02"


def test_soil_probes_answer_as_their_sources_print_it() -> None:
    assert data_of(SeeedSoil(37.31, 21.92, 590), "04 0000 0003") == "08900e93024e"
    assert data_of(SeeedSoil(temperature_c=-0.01), "03 0000 0001") == "ffff"
    assert data_of(EsSoil(91.1, 31.6), "03 0002 0002") == "038f013c"
    assert data_of(EsSoil(), "03 0100 0002") == "00010002"
    for celsius, word in ((-40.0, "1770"), (0.0, "2710"), (27.97, "31fd"), (80.0, "4650")):
        assert data_of(Smt100(temperature_c=celsius), "03 0000 0001") == word
    assert data_of(Smt100(34.4, permittivity=15.2), "03 0001 0002") == "0d7005f0"
