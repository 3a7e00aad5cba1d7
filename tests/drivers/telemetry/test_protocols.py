"""The three parsers against encoders that were written apart from them; no bad frame gives a value."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import BadFrame, Quality
from drivers.telemetry import gb26875, hj212, sl651, sl651body
from drivers.telemetry.gb26875 import Gb26875
from drivers.telemetry.hj212 import Hj212
from drivers.telemetry.report import BEIJING, Dialect, Report, Stream, Value
from drivers.telemetry.sl651 import Sl651
from hil.telemetry import dust, fire, hydro
from hil.telemetry.dust import DustStation
from hil.telemetry.fire import FireTransmitter
from hil.telemetry.hydro import HydroStation

NOW = datetime(2026, 7, 14, 3, 25, 10, tzinfo=BEIJING)
TIMES = st.integers(-800_000_000, 2_000_000_000).map(lambda s: NOW + timedelta(seconds=s))  # 2001 to 2089
DIALECTS: dict[str, tuple[Callable[[], Dialect], bytes]] = {
    "sl651": (Sl651, HydroStation().report(NOW)),
    "hj212": (Hj212, DustStation().realtime(NOW)),
    "gb26875": (Gb26875, FireTransmitter().component(NOW, (10, 2), 3)),
}


def reports(dialect: Dialect, *pieces: bytes) -> list[Report]:
    stream = Stream(dialect, 5.0)
    found = []
    for number, piece in enumerate(pieces):
        for frame in stream.feed(piece, 0.01 * number):
            report = dialect.take(frame, NOW)
            if report is not None:
                found.append(report)
    return found


def values(report: Report) -> dict[str, Value]:
    return {value.key: value for value in report.values}


# --- all of them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=60)
@given(data=st.data())
def test_noise_and_cuts_between_frames_lose_none(name: str, data: st.DataObject) -> None:
    make, frame = DIALECTS[name]
    noise = data.draw(st.binary(max_size=12)).replace(frame[:1], b"\x00")
    whole = noise + frame + noise + frame
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert len(reports(make(), *pieces)) == 2


@pytest.mark.parametrize("name", DIALECTS)
def test_no_single_wrong_byte_gives_a_value(name: str) -> None:
    make, frame = DIALECTS[name]
    good = reports(make(), frame)[0].values
    assert good
    for at in range(len(frame)):
        for bit in (0x01, 0x10, 0x80):
            spoiled = frame[:at] + bytes((frame[at] ^ bit,)) + frame[at + 1 :]
            assert not any(report.values for report in reports(make(), spoiled)), (at, bit)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_length_that_lies_holds_nothing_up(name: str) -> None:
    make, frame = DIALECTS[name]
    head = {
        "sl651": frame[:11] + b"\x0f\xff\x02",
        "hj212": b"##9999QN=1",
        "gb26875": frame[:24] + b"\x00\x04\x02",
    }[name]
    dialect = make()
    stream = Stream(dialect, 5.0)
    assert list(stream.feed(head + frame, 0.0)) == []
    assert list(stream.feed(b"", 4.0)) == [], "it may still come"
    assert list(stream.feed(b"", 5.1)) == [frame]
    assert list(stream.feed(frame, 5.2)) == [frame]
    assert "broke off" in stream.last_fault


@pytest.mark.parametrize("name", DIALECTS)
def test_a_flood_is_bounded_and_forgotten(name: str) -> None:
    make, frame = DIALECTS[name]
    stream = Stream(make(), 1.0)
    babble = (frame[:-3] + b"x") * 40
    for number in range(50):
        assert list(stream.feed(babble[:4096], 0.001 * number)) == []
        assert len(stream._data) < 16_384
    assert list(stream.feed(frame, 100.0)) == [frame]


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=150)
@given(noise=st.binary(max_size=300), start=st.integers(0, 40))
def test_garbage_never_raises_anything_else(name: str, noise: bytes, start: int) -> None:
    make, frame = DIALECTS[name]
    with contextlib.suppress(BadFrame):
        assert all(isinstance(report, Report) for report in reports(make(), frame[:start] + noise))


# --- SL 651 ------------------------------------------------------------------------------------------------------


@given(
    TIMES,
    st.integers(-9_999_999, 9_999_999),
    st.integers(0, 999_999),
    st.tuples(st.from_regex(r"[0-9]{10}", fullmatch=True), st.integers(0, 255), st.integers(0, 65535)),
)
def test_a_report_reads_as_it_was_written(
    when: datetime, stage_mm: int, rain: int, addresses: tuple[str, int, int]
) -> None:
    number, centre, password = addresses
    station = HydroStation(number, centre=centre, password=password)
    station.stage_m, station.rain_total_mm = stage_mm / 1000, rain / 10
    [report] = reports(Sl651(), station.report(when))
    got = values(report)
    assert (report.station, report.sent, report.password) == (number, when, f"{password:04x}")
    assert got["39"].value == pytest.approx(stage_mm / 1000)
    assert got["26"].value == pytest.approx(rain / 10)
    assert got["39"].observed == when.replace(second=0)
    assert station.answered(report.reply) == (hydro.EVENT, station.serial, "stay")


@given(
    st.integers(1, 40), st.binary(max_size=200), st.integers(0, 255), st.integers(0, 65535), st.booleans()
)  # fmt: skip
def test_our_frames_and_theirs_are_one(function: int, text: bytes, centre: int, password: int, up: bool) -> None:
    end = sl651.Mark.ETX if up else sl651.Mark.ESC
    frame = sl651.Frame(centre, "0012345678", password, function, text, up, end)
    assert sl651.Frame.decode(frame.encode()) == frame
    if up:
        station = HydroStation(centre=centre, password=password)
        assert station.frame(function, text) == frame.encode()


@given(st.integers(2, 20))
def test_packets_of_one_message_are_put_together(size: int) -> None:
    station, dialect = HydroStation(), Sl651()
    station.stage_m = 3.21
    packets = station.packets(hydro.EVENT, station.report_text(NOW), size)
    found = reports(dialect, *packets)
    assert [values(report)["39"].value for report in found] == [3.21]
    with pytest.raises(BadFrame, match="missing"):
        reports(dialect, *packets[:1], *packets[2:])
    assert len(reports(dialect, *packets)) == 1, "sent again, all of it"


def test_of_a_series_the_last_value_counts() -> None:
    station = HydroStation()
    when = NOW.replace(minute=0, second=5)
    [hourly] = reports(Sl651(), station.hourly(when, [0.5] * 12, [1 + n / 100 for n in range(12)]))
    got = values(hourly)
    assert (got["f4"].value, got["f5"].value) == (pytest.approx(6.0), 1.11)
    assert got["f5"].observed == when.replace(second=0)
    [spoiled] = reports(Sl651(), station.hourly(when, [0.5] * 11 + [None], [1.0] * 11 + [None]))
    assert {values(spoiled)[key].quality for key in ("f4", "f5")} == {Quality.BAD}
    [even] = reports(Sl651(), station.even(when, timedelta(minutes=5), [1.1, 1.2, 1.3]))
    assert values(even)["39"].value == 1.3
    assert values(even)["39"].observed == when.replace(second=0)


def test_what_has_no_value_says_so() -> None:
    station = HydroStation()
    station.stage_m = None
    [report] = reports(Sl651(), station.report(NOW))
    got = values(report)
    assert got["39"].quality is Quality.BAD
    assert math.isnan(got["39"].value)
    assert got["38"].quality is Quality.GOOD
    assert sl651body.number("39", b"\x0a\x12", 1).quality is Quality.BAD


def test_a_foreign_centre_is_told() -> None:
    query = Sl651().query("0012345678", "1234", 1, NOW)
    assert HydroStation().answered(query) == (hydro.NOW, 0, "asked")
    with pytest.raises(BadFrame, match="somebody else master"):
        Sl651().take(query, NOW)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("39", "are left"),
        ("3923000012", "are left"),
        ("F0F1", "come twice"),
        ("F0F02613011200", "no time"),
        ("F1F1001234567948", "reports for"),
        ("3900", "no bytes"),
        ("0408013923", "no step"),
        ("F0F0260113120A", "no number in BCD"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_whole(body: str, told: str) -> None:
    with pytest.raises(BadFrame, match=told):
        sl651body.values(bytes.fromhex(body), NOW, "0012345678")


# --- HJ 212 ------------------------------------------------------------------------------------------------------


@given(TIMES, st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from(sorted(hj212.FLAGS)))
def test_a_factor_reads_as_it_was_written(when: datetime, value: float, flag: str) -> None:
    station = DustStation()
    station.factors["a34002"] = (f"{value:.6f}", flag)
    [report] = reports(Hj212(), station.realtime(when))
    got = values(report)["now:a34002-Rtd"]
    assert got.value == pytest.approx(value, abs=1e-6)
    assert got.quality is hj212.FLAGS[flag][0]
    assert got.observed == report.sent == when
    assert station.answered(report.reply) == ("9014", when.strftime("%Y%m%d%H%M%S") + "000")


@given(st.binary(max_size=300))
def test_the_checksum_is_the_standards(data: bytes) -> None:
    assert f"{hj212.crc(data):04X}" == dust.checksum(data)


@pytest.mark.parametrize(
    ("text", "flag"), [("nan", "N"), ("inf", "N"), ("1e999", "N"), ("", "N"), ("12", "Q"), ("٣", "N")]
)
def test_no_number_and_no_known_flag_is_bad(text: str, flag: str) -> None:
    if not text.isascii():
        assert hj212._NUMBER.fullmatch(text) is None
        return
    station = DustStation()
    station.factors = {"LA": (text, flag)}
    [report] = reports(Hj212(), station.realtime(NOW))
    assert values(report)["now:LA-Rtd"].quality is Quality.BAD


def test_packets_are_answered_one_by_one_and_read_together() -> None:
    station = DustStation()
    frames = station.split(NOW, 2)
    found = reports(Hj212(), *reversed(frames))
    assert [bool(report.values) for report in found] == [False, True]
    assert {"now:a34001-Rtd", "now:LA-Rtd"} <= values(found[-1]).keys()
    assert all(station.answered(report.reply) for report in found)


def test_flag_7_without_packet_numbers_is_one_message() -> None:
    [report] = reports(Hj212(), DustStation().realtime(NOW, flag=7))
    assert "now:LA-Rtd" in values(report)


def test_means_have_names_of_their_own() -> None:
    [report] = reports(Hj212(), DustStation().means(NOW, "2051", {"LA": ("50", "61.5", "80")}))
    assert values(report)["minute:LA-Avg"].value == 61.5


def test_no_answer_where_none_is_wanted() -> None:
    assert [r.reply for r in reports(Hj212(), DustStation().realtime(NOW, flag=4))] == [b""]
    answer = dust.packet("QN=20260714032510000;ST=91;CN=9014;PW=1;MN=A1;Flag=5;CP=&&&&")
    assert [r.reply for r in reports(Hj212(), answer)] == [b""], "answers are not answered, or two would never end"


# --- GB/T 26875.3 ------------------------------------------------------------------------------------------------


@given(TIMES, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 0x1FF), st.integers(1, 2**48 - 1))
def test_a_component_reads_as_it_was_written(when: datetime, zone: int, place: int, state: int, address: int) -> None:
    panel = FireTransmitter(address)
    [report] = reports(Gb26875(), panel.component(when, (zone, place), state, text="二层走廊烟感"))
    got = values(report)
    assert (report.station, report.sent) == (str(address), when)
    for name, bit in gb26875.COMPONENT_STATES.items():
        value = got[f"component:1.1:{zone}-{place}:{name}"]
        assert value.value == (state >> bit & 1) ^ (name == "test")
        assert value.quality is (Quality.GOOD if state & 1 or name == "test" else Quality.UNCERTAIN)
    assert panel.answered(report.reply) == (fire.CONFIRM, panel.serial)


@given(st.sampled_from(sorted(gb26875.ANALOGS)), st.integers(-32768, 32767))
def test_an_analog_value_is_in_its_unit(kind: int, count: int) -> None:
    [report] = reports(Gb26875(), FireTransmitter().analog(NOW, (3, 25), kind, count))
    analog = gb26875.ANALOGS[kind]
    [got] = report.values
    assert got.key == f"component:1.1:3-25:analog:{analog.name}"
    assert got.value == pytest.approx(count * analog.step)
    assert (got.quality is Quality.GOOD) == (analog.low <= got.value <= analog.high)


def test_the_confirmation_of_the_standard_byte_by_byte() -> None:
    when = datetime(2012, 9, 26, 9, 58, 35, tzinfo=BEIJING)
    head = gb26875.Frame(1, when, 889, 88888, gb26875.Command.SEND)
    confirmed = "4040 0100 0101 233A091A090C 385B01000000 790300000000 0000 03 AB 2323"
    assert head.reply(gb26875.Command.CONFIRM, when).encode() == bytes.fromhex(confirmed)
    assert head.reply(gb26875.Command.DENY, when).encode() == bytes.fromhex(confirmed.replace("03 AB", "06 AE"))


def test_questions_are_as_in_the_standard() -> None:
    when = datetime(2012, 9, 26, 9, 58, 32, tzinfo=BEIJING)
    asked = Gb26875().query("889", 88888, [], when)
    assert asked == bytes.fromhex("4040 0100 0101 203A091A090C 385B01000000 790300000000 0300 04 51 01 00 FE 2323")


def test_a_wrong_sum_is_denied_and_gives_nothing() -> None:
    panel = FireTransmitter()
    frame = panel.component(NOW, (1, 1), 3)
    spoiled = frame[:40] + bytes((frame[40] ^ 4,)) + frame[41:]
    [report] = reports(Gb26875(), spoiled)
    assert report.values == ()
    assert panel.answered(report.reply) == (fire.DENY, panel.serial)


@pytest.mark.parametrize("unit", ["01", "0101", "010001", "0201" + "00" * 45, "0102" + "00" * 10, "150101"])
def test_a_unit_of_another_length_than_its_objects_is_refused(unit: str) -> None:
    with pytest.raises(BadFrame):
        gb26875.values_of(bytes.fromhex(unit))
