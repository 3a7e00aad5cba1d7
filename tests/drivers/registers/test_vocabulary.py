"""What a map can say beyond registers: constants, other points, ages, triggers, locks, signs, points by number."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Limits, Quality, Refused
from drivers.decode import Decoded, Decoder
from drivers.instrument import ModbusDriver
from drivers.modbus import LineSection, open_line
from drivers.registers import MapError, parse_map
from drivers.relay import WaveshareRelayDriver
from drivers.vocabulary import Locked, Sign, locks
from drivers.words import compile_formula
from hil.devices.level import Ultrasonic14
from hil.devices.motion import Inclinometer
from hil.devices.relay import WaveshareRelay8
from hil.line import VirtualLine

HEAD = '[device]\ntitle = "x"\nmaturity = "beta"\nsource = ["sheet"]\n'
DRIVER = ModbusDriver()


def decoded(body: str, words: list[int], constants: dict[str, float] | None = None, name: str = "a") -> Decoded:
    register_map = parse_map(HEAD + body, "acme.toml").with_constants(constants or {})
    cells = {("holding", address): word for address, word in enumerate(words)}
    return Decoder(register_map).decode(cells, {})[name]


def problems(body: str, head: str = HEAD) -> str:
    with pytest.raises(MapError) as caught:
        parse_map(head + body, "acme.toml")
    return "\n".join(caught.value.problems)


# --- constants and other points -----------------------------------------------------------------------------------

WIRE = """
[constant.k]
note = "gauge factor, on the calibration sheet"
unit = "kPa/Hz2"
[constant.f0]
note = "frequency in air"
low = 300
high = 6000
[constant.kt]
note = "thermal term"
value = 0.0
[point.a]
address = 0
type = "u16"
decode = "k * ((raw / 10) ** 2 - f0 ** 2) + kt * (t - 20)"
uses = { t = "temperature" }
unit = "kPa"
[point.temperature]
address = 1
type = "i16"
scale = 0.1
unit = "degC"
low = -40
high = 80
invalid = [-9990]
"""


@given(st.floats(-1, 1), st.floats(300, 6000), st.integers(0, 65535), st.integers(-400, 800))
def test_constants_and_other_points_in_a_formula(k, f0, raw, tenths):
    result = decoded(WIRE, [raw, tenths & 0xFFFF], {"k": k, "f0": f0, "kt": 0.5})
    assert result.value == pytest.approx(k * ((raw / 10) ** 2 - f0**2) + 0.5 * (tenths * 0.1 - 20))
    assert result.quality is Quality.GOOD


def test_a_value_is_no_better_than_what_it_is_made_of():
    constants = {"k": 1.0, "f0": 1000.0, "kt": 1.0}
    assert decoded(WIRE, [10000, 65536 - 9990], constants).quality is Quality.BAD
    hot = decoded(WIRE, [10000, 900], constants)
    assert (hot.value, hot.quality, hot.reason) == (70.0, Quality.UNCERTAIN, "temperature: above 80 degC")
    assert decoded(WIRE, [10000, 65536 - 500], constants).quality is Quality.UNDER_RANGE


def test_constants_are_asked_for_all_at_once():
    register_map = parse_map(HEAD + WIRE, "acme.toml")
    with pytest.raises(ValueError, match="nearest") as caught:
        register_map.with_constants({"f0": 5.0, "kk": 1.0})
    told = str(caught.value)
    assert "constants.k: is missing, expected a number kPa/Hz2: gauge factor, on the calibration sheet" in told
    assert "constants.f0: got 5, expected a number from 300 to 6000: frequency in air" in told
    assert "constants.kk: x has no such constant; nearest: k" in told
    with pytest.raises(ValueError, match=r"constants\.k: got nan"):
        register_map.with_constants({"k": math.nan, "f0": 500.0})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('[point.a]\naddress = 0\ntype = "u16"\ndecode = "k * raw"', "'k' is not allowed; use raw, numbers"),
        ('[point.a]\naddress = 0\ntype = "u16"\ndecode = "t"\nuses = { t = "b" }', "refers to point 'b'"),
        ('[point.a]\naddress = 0\ntype = "u16"\nuses = { t = "b" }\n[point.b]\naddress = 1\ntype = "u16"', "decode"),
        (
            (
                '[point.a]\naddress = 0\ntype = "u16"\ndecode = "raw + b"\nuses = { b = "b" }\n'
                '[point.b]\naddress = 1\ntype = "u16"\ndecode = "raw + a"\nuses = { a = "a" }'
            ),
            "needs itself: ",
        ),
        ('[constant.K]\nnote = "x"\n[point.a]\naddress = 0\ntype = "u16"', "constant.K: names are small letters"),
        ('[constant.raw]\nnote = "x"\n[point.a]\naddress = 0\ntype = "u16"', 'and not "raw"'),
        (
            (
                '[point.a]\naddress = 0\ntype = "u16"\nvalid_when = { point = "b", within = [0, "max_agee"] }\n'
                '[point.b]\naddress = 1\ntype = "u16"\n[constant.max_age]\nnote = "x"'
            ),
            "no constant 'max_agee'; nearest: max_age",
        ),
        (
            (
                '[point.a]\naddress = 0\ntype = "u16"\nvalid_when = { point = "b", within = [0, 1], good = ["x"] }\n'
                '[point.b]\naddress = 1\ntype = "u16"\nstates = { x = 1 }'
            ),
            "can't both be used",
        ),
        ('[point."a-#"]\naddress = 0\ntype = "u16"\nrepeat = 0\nstep = 1', "needs repeat = 1 to 999"),
        ('[point."a-#"]\naddress = 65535\ntype = "u16"\nrepeat = 2\nstep = 1', "point.a-2.address"),
        ('[point.a]\naddress = 0\ntype = "u16"\nrepeat = 2', "point.a.repeat: no such key"),
    ],
)
def test_mistakes_in_a_map(body, words):
    assert words in problems(body)


def test_mistakes_about_the_device():
    point = '[point.a]\naddress = 0\ntype = "u16"\n'
    trigger = (
        'trigger = { address = 8, value = 12, wait = "100 ms" }\nlocked = [{ address = 7, count = 2, why = "mode" }]\n'
    )
    assert "device.trigger: writes what is locked: mode" in problems(point, HEAD + trigger)
    assert "a sign has either values" in problems(point, HEAD + "signature = [{ address = 1 }]\n")
    assert "a bit tells too little" in problems(
        point, HEAD + 'signature = [{ table = "coil", address = 1, values = [1] }]\n'
    )
    assert "max_bits" in problems(
        '[point."a-#"]\ntable = "coil"\naddress = 0\nrepeat = 9\nstep = 1\ntogether = "g"', HEAD + "max_bits = 0\n"
    )


@pytest.mark.parametrize(
    "text", ["((raw ** 8) ** 8) ** 8", "raw ** -1", "1 << 99", "+".join(["raw"] * 200), "(" * 300 + "raw" + ")" * 300]
)
def test_no_formula_takes_long(text):
    with pytest.raises(ValueError, match="decode ="):
        compile_formula(text)


# --- gates by value -----------------------------------------------------------------------------------------------

AGED = """
[constant.max_age]
note = "three times the reporting interval"
value = 180
[point.a]
address = 0
type = "u16"
valid_when = { point = "age", within = [0, "max_age"], otherwise = "bad" }
[point.age]
address = 1
type = "u16"
unit = "s"
high = 15300
over_range = [65535]
"""


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(1, 600))
def test_an_old_value_is_never_usable(value, age, max_age):
    result = decoded(AGED, [value, age], {"max_age": max_age})
    if age <= max_age:
        assert result == Decoded(value, Quality.GOOD)
    else:
        assert (result.quality, math.isnan(result.value)) == (Quality.BAD, True)
        assert result.reason.startswith("age: ")


# --- points by number ---------------------------------------------------------------------------------------------


def test_points_by_number():
    register_map = parse_map(
        HEAD + '[point."level-#"]\nrepeat = 3\nstep = 2\naddress = 10\ntype = "f32"\norder = "ABCD"\n'
        'note = "channel #"\nvalid_when = { point = "state-#", good = ["ok"], otherwise = "bad" }\n'
        '[point."state-#"]\nrepeat = 3\nstep = 1\naddress = 40\ntype = "u16"\nstates = { ok = 0 }\nhidden = true\n',
        "acme.toml",
    )
    assert [point.name for point in register_map.points] == ["level-1", "level-2", "level-3"]
    third = register_map.point["level-3"]
    assert (third.address, third.valid_when[0].point, third.note) == (14, "state-3", "channel 3")
    assert register_map.point["state-3"].address == 42


# --- signs and locks ----------------------------------------------------------------------------------------------


def test_signs():
    assert Sign(address=1, values=(0x3343,), mask=0x3FFF).fits(0x7343, 9)
    assert not Sign(address=1, values=(0x3343,)).fits(0x7343, 9)
    assert Sign(address=2, unit_id=True).fits(9, 9)
    assert not Sign(address=2, unit_id=True).fits(8, 9)


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 60), st.integers(1, 20))
def test_locks_are_about_overlapping_registers(address, count, at, size):
    overlap = set(range(address, address + count)) & set(range(at, at + size))
    locked = [Locked(address=address, count=count, why="mode")]
    assert locks(locked, "holding", at, size) == ("mode" if overlap else None)
    assert locks(locked, "coil", at, size) is None


def test_a_locked_register_is_never_written_whoever_asks(tmp_path: Path):
    unlock = HEAD + 'unit_id = 80\nlocked = [{ address = 0x69, why = "unlocks its settings" }]\n'
    (tmp_path / "acme.toml").write_text(unlock + '[point.a]\naddress = 0x3D\ntype = "i16"\n')
    device = Inclinometer()

    async def check() -> None:
        section = DRIVER.Section(map="acme.toml")
        async with open_line("line", LineSection(port=str(tmp_path / "p"), baudrate=9600)) as line:
            async with DRIVER.connect("tilt", section, line, tmp_path) as instrument:
                await instrument.poll()
                for attempt in (
                    line.write("holding", 80, 0x69, [0xB588]),
                    line.write("holding", 80, 0x68, [0, 0xB588]),
                    line.exchange(80, bytes((0x17, 0, 0x3D, 0, 1, 0, 0x69, 0, 1, 2, 0xB5, 0x88)), 4),
                ):
                    with pytest.raises(Refused, match=r"0x006[89] of unit 80 is never written while guarding: unlocks"):
                        await attempt
            heard = len(bench.heard)
            assert heard == 1, "nothing but the poll was sent"
            with pytest.raises(Refused):  # the lock outlives the instrument: the line knows the unit
                await line.write("holding", 80, 0x69, [0xB588])

    with VirtualLine(tmp_path / "p", {80: device}, timed=False) as bench:
        asyncio.run(check())


def test_an_output_locks_its_modules_modes_too(tmp_path: Path):
    module = WaveshareRelay8()
    driver = WaveshareRelayDriver()
    section = driver.Section(unit_id=1, channel=1)

    async def check() -> None:
        async with (
            open_line("line", LineSection(port=str(tmp_path / "p"), baudrate=9600)) as line,
            driver.connect("siren", section, line, Limits(60.0, 0.0, 10), tmp_path),
        ):
            with pytest.raises(Refused, match="inputs drive relays behind our back"):
                await line.write("holding", 1, 0x1003, [1])
        assert module.modes == [0] * 8

    with VirtualLine(tmp_path / "p", {1: module}, timed=False):
        asyncio.run(check())


# --- measuring when told ------------------------------------------------------------------------------------------


def test_a_device_that_measures_when_told(tmp_path: Path):
    device = Ultrasonic14(300.0, passive=True)
    section = DRIVER.Section(map="dfrobot-urm14-triggered")
    assert len(DRIVER.describe(section, tmp_path).exchanges) == 2

    async def check() -> None:
        async with (
            open_line("line", LineSection(port=str(tmp_path / "p"), baudrate=19200)) as line,
            DRIVER.connect("urm", section, line, tmp_path) as instrument,
        ):
            for distance in (300.0, 512.3):
                device.distance_mm = distance
                readings = {reading.point: reading for reading in await instrument.poll()}
                assert readings["distance"].value == pytest.approx(distance)
                assert readings["distance"].quality is Quality.GOOD

    with VirtualLine(tmp_path / "p", {0x0C: device}, baudrate=19200, timed=False):
        asyncio.run(check())
