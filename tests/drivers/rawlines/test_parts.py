"""Checksums, patterns, templates and maps: known figures, round trips, and no crash on whatever comes."""

from __future__ import annotations

import math
import struct
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers import checksums
from drivers.api import Quality
from drivers.decode import Decoded
from drivers.linemaps import RecordDecoder, combined, line_map_names, load_line_map, parse_line_map
from drivers.patterns import LineFinder, compile_pattern
from drivers.registers import MapError
from drivers.templates import FrameFinder, compile_template


def test_checksums_have_their_known_figures():
    check = b"123456789"  # the catalogue of CRCs gives each one's value of it
    assert checksums.crc16(check) == 0x4B37
    assert checksums.crc16(check, 0) == 0xBB3D
    assert checksums.crc16_ccitt(check) == 0x29B1
    assert checksums.sum8(check) == 0xDD
    assert checksums.sum16(check) == 0x01DD
    assert checksums.xor(check) == 0x31
    assert (checksums.sum8(check) + checksums.complement8(check)) & 0xFF == 0
    assert checksums.sdi12(b"0+3.14") == b"OqZ"  # the specification's example, 4.4.12.4
    assert checksums.nmea_body("$GPGLL,5057.970,N,00146.110,E,142451,A*27") == "$GPGLL,5057.970,N,00146.110,E,142451,A"
    assert checksums.nmea_body("$GPGLL,5057.970,N,00146.110,E,142451,A*28") is None


@pytest.mark.parametrize(
    ("pattern", "line", "record"),
    [
        ("R{distance:4}", "R0123", {"distance": 123.0}),
        ("R{distance:4}", "R123", None),
        ("R{distance:4}", "R01234", None),
        ("A={a} B={b:hex}", "A= -1.5e2  B=ff", {"a": -150.0, "b": 255.0}),
        ("{a},{b}", "1,", {"a": 1.0, "b": math.nan}),
        ("{a},{b}", '"NAN",-INF', {"a": math.nan, "b": -math.inf}),
        ("{a},{b}", "1,2,3", None),
        ("{a},{b}", "1..2,3", None),
        ("{*};{name:text};{?}", "x,y; hello ;z", {"name": "hello"}),
    ],
)
def test_patterns(pattern, line, record):
    found = compile_pattern(pattern).records(line)
    if record is None:
        assert found is None
    else:
        assert [repr(value) for value in found[0].values()] == [repr(value) for value in record.values()]


def test_no_line_takes_long():
    """Patterns of many numbers on a line of digits are where expressions are slow that give back what they took."""
    pattern = compile_pattern("1".join(f"{{a{n}}}" for n in range(20)))
    started_s = time.monotonic()
    assert pattern.records("1" * 512) is None
    assert compile_pattern("x{each}", each="{a} {b:text},{c}").records("x" + "1 1," * 128) is None
    assert time.monotonic() - started_s < 0.1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "brace"),
        ("{a}{b}", "nothing between"),
        ("{a},{a}", "twice"),
        ("{A}", "none of"),
        ("{a:words}", "no kind of field"),
        ("{each}", "go together"),
    ],
)
def test_patterns_that_are_wrong(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        compile_pattern(text)


NUMBERS = st.tuples(
    st.integers(0, 255), st.integers(-32768, 32767), st.floats(width=32, allow_nan=False), st.integers(0, 2**32 - 1)
)
TEMPLATE = "AA 55 {address:u8} {x:i16} {y:f32} {z:u32:CDAB} {^} {*2} {raw:hex3} {crc16-high-first} 0D"


@given(NUMBERS, st.binary(min_size=3, max_size=3), st.binary(max_size=20), st.integers(1, 30))
def test_frames_are_found_whatever_surrounds_them(numbers, raw, noise, piece):
    template = compile_template(TEMPLATE)
    address, x, y, z = numbers
    frame = template.render({"address": address, "x": x, "y": y, "z": z, "raw": raw.hex()})
    assert len(frame) == template.size
    finder = FrameFinder([template], {"address": address})
    stream = noise.replace(b"\xaa", b"\x00") + frame + frame
    found = [r for at in range(0, len(stream), piece) for r in finder.feed(stream[at : at + piece])]
    assert found == [{"address": address, "x": x, "y": y, "z": z, "raw": raw.hex()}] * 2


@given(NUMBERS, st.data())
def test_a_frame_with_a_turned_bit_is_none(numbers, data):
    template = compile_template("7E {address:u8} {x:i16} {y:f32} {z:u32} {crc16}")
    address, x, y, z = numbers
    frame = bytearray(template.render({"address": address, "x": x, "y": y, "z": z}))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    finder = FrameFinder([template], {"address": address})
    assert finder.feed(bytes(frame)) == []
    assert finder.why_not()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("A", "two hexadecimal digits"),
        ("{x}", "no type"),
        ("{x:u17}", "no type"),
        ("{x:u8} {x:u8}", "twice"),
        ("", "0 bytes"),
        ("{*600}", "600 bytes"),
        ("{x:u16:DABC}", "neither"),
    ],
)
def test_templates_that_are_wrong(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        compile_template(text)


def test_requests_say_what_does_not_fit():
    template = compile_template("01 {address:u8} {id:hex4} {crc16}")
    for parameters, wrong in (
        ({"address": 1}, "id is missing"),
        ({"address": 256, "id": "00000000"}, "address = 256"),
        ({"address": 1, "id": "0000"}, "2 bytes, 4 are right"),
        ({"address": 1, "id": "no hex"}, "does not fit"),
    ):
        with pytest.raises(ValueError, match=wrong):
            template.render(parameters)


# --- maps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", line_map_names())
def test_every_map_that_comes_with_tocsin(name):
    line_map = load_line_map(name)
    assert line_map.registers.points
    assert line_map.device.source
    if line_map.device.maturity != "stable":
        assert line_map.device.unverified or line_map.device.notes


def test_all_that_is_wrong_with_a_map_is_told_at_once():
    with pytest.raises(MapError) as caught:
        parse_line_map(
            """
            [device]
            title = "t"
            maturity = "beta"
            source = ["s"]
            speaks = "text"
            [message.a]
            pattern = "{x} {unit:text}"
            [message.b]
            template = "01"
            [point.level]
            [point.x]
            address = 3
            [point.unit]
            unt = "m"
            """,
            "m.toml",
        )
    told = "\n".join(caught.value.problems)
    for part in (
        "m.toml: device: request",
        "message.b: lines of text have a pattern",
        "point.level.field: no message has a field 'level'; there are x, unit",
        "point.x: address is for registers",
        "point.unit.texts",
        "point.unit.unt: no such key; nearest: unit",
    ):
        assert part in told


@pytest.mark.parametrize("name", [name for name in line_map_names() if load_line_map(name).messages])
@settings(max_examples=30)
@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"R1234\r", b"R\xb2\xb3\xb9\xb2\r"])  # digits of Unicode are none
@example([b"$WIXDR,C,1e999,C,TEMP*00\r\n"])
def test_whatever_comes_there_is_no_crash_and_no_value_that_is_none(name, pieces):
    line_map = load_line_map(name)
    parameters = dict.fromkeys(line_map.parameters, 1) | {"address": 1}
    if name.startswith("mojiang"):
        parameters["address"] = "00" * 8
    patterns = list(line_map.messages.values())
    is_text = line_map.device.speaks == "text"
    finder = LineFinder(patterns) if is_text else FrameFinder(patterns, parameters)
    decoder = RecordDecoder(line_map, line_map.registers)
    for piece in pieces:
        for record in finder.feed(piece):
            for decoded in decoder.decode(record).values():
                assert math.isfinite(decoded.value) or not decoded.quality.usable
    finder.why_not()


def test_numbers_that_no_point_can_hold():
    line_map = parse_line_map(
        """
        [device]
        title = "t"
        maturity = "beta"
        source = ["s"]
        speaks = "frames"
        every = "1 s"
        [message.a]
        template = "AA 55 {flags:u32} {big:u64} {day:bcd2} {crc16}"
        [point.flags]
        bits = [0, 3]
        [point.big]
        [point.day]
        """,
        "m.toml",
    )
    template = line_map.messages["a"]
    decoder = RecordDecoder(line_map, line_map.registers)

    def decoded(body: bytes):
        frame = b"\xaa\x55" + body
        frame += struct.pack("<H", checksums.crc16(frame))
        (record,) = FrameFinder([template], {}).feed(frame)
        return decoder.decode(record)

    good = decoded(bytes.fromhex("00000013 FFFFFFFFFFFFFFFF 0731"))
    assert (good["flags"].value, good["big"].value, good["day"].value) == (3, 2.0**64, 731)
    bad = decoded(bytes.fromhex("00010000 0000000000000000 07A1"))
    assert (bad["flags"].quality, bad["day"].quality) == (Quality.BAD, Quality.BAD)


def test_several_samples_become_one():
    def sample(value, quality=Quality.GOOD):
        return Decoded(value, quality), int(value) if math.isfinite(value) else 0

    good = [sample(3), sample(9), sample(4)]
    assert combined(good, "latest") == good[-1]
    assert combined(good, "median") == (Decoded(4, Quality.GOOD), 4)
    assert combined(good, "sum") == (Decoded(16, Quality.GOOD), 4)
    mixed = [sample(3), sample(math.nan, Quality.BAD)]
    assert combined(mixed, "median") == mixed[-1]  # most are bad: then so it is
    total, _ = combined(mixed, "sum")
    assert (total.value, total.quality) == (3, Quality.UNCERTAIN)
    assert total.reason
