"""What is fuzzed: parsers of bytes from a wire, of maps and rules. A target raises only where the parser is wrong.

Whatever comes, a parser ends, raises nothing but the error it documents, keeps little, and calls nothing usable that is
not a finite number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources

from drivers import frames, sdi12
from drivers.api import BadFrame, DriverError, Kind, Quality, duration
from drivers.decode import Decoder
from drivers.find import decodings, listening, spoken
from drivers.find.port import Heard
from drivers.linemaps import LineMap, RecordDecoder, line_map_names, load_line_map, parse_line_map
from drivers.overheard import overheard
from drivers.patterns import LineFinder, Pattern, compile_pattern
from drivers.registers import Cell, MapError, RegisterMap, load_map, map_names, parse_map
from drivers.replay import Capture, CaptureError
from drivers.telemetry.gb26875 import Gb26875
from drivers.telemetry.hj212 import Hj212
from drivers.telemetry.report import BEIJING, Dialect, Stream
from drivers.telemetry.sl651 import Sl651
from drivers.telemetry.station import FirePanel, Station, Wanted
from drivers.templates import FrameFinder, Template, compile_template
from hil.telemetry import dust
from hil.telemetry.dust import DustStation
from hil.telemetry.fire import FireTransmitter
from hil.telemetry.hydro import HydroStation
from rules.language import parse
from rules.language.tree import LanguageError, Problem, Span
from rules.model import PointInfo

NOW = datetime(2026, 7, 14, 3, 25, 10, tzinfo=BEIJING)
KEPT = 16_384  # bytes that a finder may hold on to


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes; `seeds` are inputs that get far."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


def sound(value: float, quality: Quality) -> None:
    assert not quality.usable or math.isfinite(value), f"{value} is called {quality.name}"


# --- telemetry ---------------------------------------------------------------------------------------------------


def _telemetry(
    make: Callable[[], Dialect], station: Callable[[], Station], wrap: Callable[[bytes], bytes]
) -> Callable[[bytes], None]:
    """Bytes as they are, and as what a frame with a right checksum holds: few mutations hit upon one."""

    def run(data: bytes) -> None:
        device = station()
        half = data[0] * len(data) // 256 if data else 0
        _hear(make(), device, (data[:half], data[half:]))
        _hear(make(), device, (wrap(data),))
        for readings in device._waiting:
            for reading in readings:
                sound(reading.value, reading.quality)

    return run


def _hear(dialect: Dialect, device: Station, pieces: Sequence[bytes]) -> None:
    stream = Stream(dialect, 1.0)
    for number, piece in enumerate(pieces):
        for frame in stream.feed(piece, 0.1 * number):
            with suppress(BadFrame):
                report = dialect.take(frame, NOW)
                if report is not None:
                    assert len(report.reply) < 1024
                    device.heard(report, number)
    assert len(stream._data) < KEPT


def _segment(data: bytes) -> bytes:
    return dust.packet(data[:9000].decode("latin-1").encode("ascii", "replace").decode())


def _hydro() -> Station:
    wanted = {
        "stage": Wanted("39"),
        "rain": Wanted("22", Kind.INCREMENT),
        "hour": Wanted("f4", Kind.INCREMENT),
        "level": Wanted("f5"),
        "door": Wanted("45", bit=7),
    }
    return Station("s", wanted, silent_after_s=600, late_after_s=600)


def _dust() -> Station:
    wanted = {"pm10": Wanted("now:a34002-Rtd"), "noise": Wanted("minute:LA-Avg", mean_over="minute")}
    return Station("s", wanted, silent_after_s=600, late_after_s=600)


def _panel() -> FirePanel:
    wanted = {
        "fire": Wanted("any:fire"),
        "smoke": Wanted("component:1.1:10-2:fire"),
        "heat": Wanted("component:1.1:3-25:analog:temperature"),
    }
    return FirePanel("s", wanted, silent_after_s=600, late_after_s=600)


def _hydro_seeds() -> list[bytes]:
    gauge = HydroStation()
    whole = [gauge.report(NOW), gauge.hourly(NOW, [0.5] * 12, [1.0] * 12), gauge.keep_alive(NOW)]
    texts = [frame[14:-3] for frame in whole] + [gauge.even(NOW, timedelta(minutes=5), [1.0, 1.1, 1.2])[14:-3]]
    return [*whole, b"".join(gauge.packets(0x33, gauge.report_text(NOW), 20)), *texts]


def _dust_seeds() -> list[bytes]:
    station = DustStation()
    whole = [station.realtime(NOW), station.means(NOW, "2051", {"LA": ("50", "60", "70")}), *station.split(NOW, 2)]
    return [*whole, b"".join(whole), *(frame[6:-6] for frame in whole)]


def _fire_seeds() -> list[bytes]:
    panel = FireTransmitter()
    whole = [
        panel.component(NOW, (10, 2), 3),
        panel.system(NOW, 3),
        panel.analog(NOW, (3, 25), 3, 300),
        panel.heartbeat(NOW),
        panel.reset(NOW),
        panel.own(NOW),
    ]
    return [*whole, *(frame[27:-3] for frame in whole)]


# --- Modbus ------------------------------------------------------------------------------------------------------

_REQUESTS = (
    frames.read_request("holding", 3, 3, 4),
    frames.read_request("input", 1, 0, 10),
    frames.read_request("coil", 1, 0, 11),
    frames.write_request("coil", 1, 0, [1]),
    frames.write_request("holding", 80, 5, [1, 2]),
)


def modbus(data: bytes) -> None:
    """Replies on serial lines and over TCP, held against a request."""
    request = _REQUESTS[data[0] % len(_REQUESTS)] if data else _REQUESTS[0]
    came = data[1:]
    with suppress(DriverError):
        reply = frames.rtu_reply(request, came)
        if reply is not None:
            assert len(reply) == request.reply_size
            assert not request.is_read or len(request.values(reply)) == request.count
    assert isinstance(frames.diagnose_rtu(request, came), DriverError)
    with suppress(frames.Misframed):
        whole = frames.tcp_frame(came)
        if whole is not None:
            with suppress(DriverError):
                frames.check_pdu(request, whole[2])
    for frame in overheard(came[:600]):
        assert frames.is_whole_rtu(frame.data)


def _modbus_seeds() -> list[bytes]:
    return [
        bytes((0,)) + bytes.fromhex("03030800010002000300042AF8"),
        b"\x03" + _REQUESTS[3].rtu,
        b"\x01\x01\x84\x02\xc2\xc1",
    ]


# --- maps --------------------------------------------------------------------------------------------------------


@cache
def _maps() -> list[RegisterMap]:
    maps = []
    for name in map_names():
        written = load_map(name)
        given = {key: 1.0 for key, constant in written.constant.items() if constant.value is None}
        with suppress(ValueError):
            maps.append(written.with_constants(given))
    return maps


def decoding(data: bytes) -> None:
    """Any words in the registers of any map."""
    register_map = _maps()[data[0] % len(_maps())] if data else _maps()[0]
    words = data[1:] or b"\0"
    cells = {}
    for number, cell in enumerate(sorted({cell for point in register_map.point.values() for cell in point.cells})):
        high, low = words[2 * number % len(words)], words[(2 * number + 1) % len(words)]
        cells[cell] = low & 1 if cell[0] in frames.BIT_TABLES else high << 8 | low
    for name, decoded in Decoder(register_map).decode(cells, {}).items():
        assert not register_map.point[name].hidden
        sound(decoded.value, decoded.quality)


def map_text(data: bytes) -> None:
    """Register maps and line maps as text."""
    text = data.decode("utf-8", "replace")
    for parse_text in (parse_map, parse_line_map):
        with suppress(MapError):
            parse_text(text, "fuzz.toml")
    with suppress(CaptureError):
        Capture.parse(text.splitlines())
    with suppress(ValueError):
        duration(text)
    with suppress(ValueError):
        compile_pattern(text)
    with suppress(ValueError):
        compile_template(text)


def _map_seeds(folder: str, suffix: str = ".toml") -> Iterable[bytes]:
    for entry in sorted((resources.files("drivers") / folder).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(suffix):
            yield entry.read_bytes()


# --- lines without Modbus ----------------------------------------------------------------------------------------


@cache
def _line_maps() -> list[LineMap]:
    return [load_line_map(name) for name in line_map_names()]


def line(data: bytes) -> None:
    """Any bytes on the line of any instrument without Modbus; answers of SDI-12 sensors too."""
    line_map = _line_maps()[data[0] % len(_line_maps())] if data else _line_maps()[0]
    patterns = [m for m in line_map.messages.values() if isinstance(m, Pattern)]
    templates = [m for m in line_map.messages.values() if isinstance(m, Template)]
    decoder = RecordDecoder(line_map, line_map.registers)
    came = data[1:]
    for finder in (LineFinder(patterns), FrameFinder(templates, {})):
        for piece in (came[: len(came) // 2], came[len(came) // 2 :]):
            for record in finder.feed(piece):
                for decoded in decoder.decode(record).values():
                    sound(decoded.value, decoded.quality)
        assert isinstance(finder.why_not(), str)
        assert len(finder._data) < KEPT
    for answer in sdi12.Answers("0").feed(came):
        for crc in (False, True):
            with suppress(BadFrame):
                assert all(math.isfinite(value) for value in sdi12.parse_values(answer, "0", crc=crc))
        with suppress(BadFrame):
            wait_s, count = sdi12.parse_measurement(answer, "0")
            assert 0 <= wait_s < 1000
            assert 0 <= count < 100


# --- finding the unknown, rule texts ------------------------------------------------------------------------------


def finding(data: bytes) -> None:
    """What nobody knows yet: traffic that is only heard, frames in words, every decoding of a few registers."""
    heard = [Heard(0.1 * number, data[at : at + 64]) for number, at in enumerate(range(0, len(data[:512]), 64))]
    traffic = listening.judge(heard)
    assert traffic.verdict in {"silent", "master", "units", "text", "unreadable"}
    half = len(data) // 2
    assert isinstance(spoken.asked(data[:half]), str)
    assert isinstance(spoken.answered(data[:half], data[half:], ""), str)
    words = [int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data[:16]), 2)]
    cells: dict[Cell, int] = {("holding", address): word for address, word in enumerate(words)}
    decodings.places(cells, "holding")
    decodings.text_of(cells, "holding")
    for candidate in decodings.candidates(cells, decodings.Expected(1.25, 0.005)):
        assert abs(candidate.value - 1.25) < 1


_POINTS = (
    PointInfo("pit.level", "m", 10.0, 0.0, 5.0),
    PointInfo("rain.total", "mm", 10.0, kind="counter", wrap=100.0),
    PointInfo("gas.state", "", 10.0, states={"off": 0, "on": 1}),
)
_RULES = (
    b"pit.level > 15 cm and (rise(pit.level, 10 min) > 20 cm or held(pit.level > 0.4 m, 1 min))",
    b'vote(2, pit.level > 1 m, increase(rain.total, 1 h) > 20 mm, state(gas.state) == "on") or not good(pit.level)',
    b"19.5 % < pit.level < 23 %",
    b"time_to(pit.level, 2 m, 30 min) < 10 min and streak(pit.level > 1 m, 3, 1 d)",
)


def rule(data: bytes) -> None:
    """A condition as somebody may write it: a tree, or problems that each have their column."""
    text = data[:2000].decode("utf-8", "replace")
    problems: Sequence[Problem] = ()
    try:
        parse(text, _POINTS)
    except LanguageError as error:
        problems = error.problems or [Problem("", Span(-1, -1))]
    for problem in problems:
        assert problem.message
        assert 0 <= problem.span.column <= len(text) + 1


_SAID = (
    b"R1234\r",
    b"$WIMWV,214.8,R,0.1,K,A*28\r\n",
    b"$WIXDR,C,22.0,C,TEMPA,P,1.0,B,BARO*0A\r\n",
    b'"2026-07-14 03:25:00",17,12.6,1.234\r\n',
    b"Acc 0.01 mm, EventAcc 0.10 mm, TotalAcc 12.30 mm, RInt 1.20 mmph\r\n",
    b"0D0!0+1.23-4.5\r\n00131\r\n",
    bytes.fromhex("0104095A444A43010000000412345678"),
)

_CAPTURE = b"# Line: 9600 8N1\n< 0.1 52 0D\n> 01 03\n< 0.01 01 83 02\n= level 350 mm good\n= relay-* - - bad\n"

TARGETS: dict[str, Target] = {
    "sl651": Target(_telemetry(Sl651, _hydro, lambda data: HydroStation().frame(0x33, data[:4095])), _hydro_seeds()),
    "hj212": Target(_telemetry(Hj212, _dust, _segment), _dust_seeds()),
    "gb26875": Target(
        _telemetry(Gb26875, _panel, lambda data: FireTransmitter().frame(NOW, 2, data[:1024])), _fire_seeds()
    ),
    "modbus": Target(modbus, _modbus_seeds()),
    "decoding": Target(decoding, [bytes((n,)) + bytes(range(40)) for n in range(0, 60, 7)]),
    "line": Target(line, [bytes((n,)) + said for n in range(14) for said in _SAID]),
    "finding": Target(
        finding, [*_modbus_seeds(), b"R1234\r" * 9, bytes.fromhex("3FA000000000A03F007D04E2"), _REQUESTS[4].rtu]
    ),
    "rule": Target(rule, _RULES),
    "map-text": Target(
        map_text, [*_map_seeds("maps"), *_map_seeds("lines"), b"500 ms", b"R{range:4}", b"AA 75 {x:u16}"]
    ),
}
