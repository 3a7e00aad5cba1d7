"""Stations on a pty or a connection, through the real drivers: answers at once, readings of now, silence told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.api import Kind, NotPresent, Quality, Reading, Refused
from drivers.telemetry.drivers import FireDriver, Hj212Driver, Sl651Driver
from drivers.telemetry.report import BEIJING, Report, Value
from drivers.telemetry.station import Station, Wanted
from hil.telemetry import fire, hydro
from hil.telemetry.dust import DustStation
from hil.telemetry.fire import FireTransmitter
from hil.telemetry.hydro import HydroStation
from hil.telemetry.mouth import SerialMouth, TcpMouth

Run = Callable[[Coroutine[Any, Any, None]], None]
HYDRO = {"point": {"stage": {"element": "stage"}, "rain": {"element": "rain-5min"}}, "station": "0012345678"}
DUST = {"point": {"pm10": {"factor": "pm10"}, "noise": {"factor": "noise"}}, "station": DustStation().mn}
PANEL = {
    "station": "889",
    "point": {
        "fire": {"state": "fire"},
        "smoke": {"of": "component", "component": "10-2", "state": "fire"},
        "heat": {"of": "component", "component": "3-25", "analog": "temperature"},
        "mains": {"of": "device", "state": "mains-fault"},
    },
}


@asynccontextmanager
async def connect(driver: Any, table: dict[str, Any], **where: Any) -> AsyncIterator[Any]:
    async with driver.connect("station", driver.Section.model_validate(table | where), None, Path()) as station:
        station.wait_s = 0.1
        await asyncio.sleep(0.05)  # the port is opened in a thread
        yield station


@asynccontextmanager
async def talking(port: int) -> AsyncIterator[TcpMouth]:
    mouth = TcpMouth(port)
    await asyncio.to_thread(mouth.replug)
    try:
        yield mouth
    finally:
        mouth.unplug()


def got(readings: Sequence[Reading]) -> dict[str, float]:
    return {reading.point: reading.value for reading in readings}


def wall() -> datetime:
    return datetime.now(BEIJING)


async def answer(mouth: SerialMouth | TcpMouth, within_s: float = 1.0) -> bytes:
    return await asyncio.to_thread(mouth.receive, within_s)


async def fresh(station: Any) -> Sequence[Reading]:
    """The next report's readings."""
    async with asyncio.timeout(5):
        while not (readings := await station.poll()):
            pass
        return readings


def test_a_report_is_answered_before_any_poll_and_read_once(run: Run, tmp_path: Path) -> None:
    gauge = HydroStation()

    async def check() -> None:
        with SerialMouth(tmp_path / "port") as mouth:
            async with connect(Sl651Driver(), HYDRO, port=str(mouth.path)) as station:
                assert await station.poll() == ()
                gauge.stage_m, gauge.rain_5min_mm = 2.35, 1.5
                report = gauge.event(wall())
                mouth.send(report, pieces=4, apart_s=0.01)
                assert gauge.answered(await answer(mouth)) == (hydro.EVENT, 1, "stay")
                before_ns = time.monotonic_ns()
                readings = await fresh(station)
                assert got(readings) == {"stage": 2.35, "rain": 1.5}
                assert {r.quality for r in readings} == {Quality.GOOD}
                assert len({r.mono_ns for r in readings}) == 1
                assert readings[0].mono_ns < before_ns, "it has the time of its arrival, not of the poll"
                mouth.send(report)
                assert gauge.answered(await answer(mouth)), "a repeat is answered too: our answer was lost"
                assert await station.poll() == (), "but not read twice"
                assert station.repeats == 1

    run(check())


def test_a_pulled_adapter_is_told_and_taken_up_again(run: Run, tmp_path: Path) -> None:
    gauge = HydroStation()

    async def check() -> None:
        with SerialMouth(tmp_path / "port") as mouth:
            async with connect(Sl651Driver(), HYDRO, port=str(mouth.path)) as station:
                await station.poll()
                mouth.unplug()
                await asyncio.sleep(0.05)
                with pytest.raises(NotPresent, match=r"gone|no such"):
                    await station.poll()
                mouth.replug()
                async with asyncio.timeout(4):
                    while True:
                        try:
                            await station.poll()
                            break
                        except NotPresent:
                            await asyncio.sleep(0.05)
                mouth.send(gauge.event(wall()))
                assert got(await fresh(station))["stage"] == 1.0

    run(check())


def test_what_is_of_another_time_is_no_reading_of_now(run: Run, free_port: int) -> None:
    gauge = HydroStation()

    async def check() -> None:
        async with (
            connect(Sl651Driver(), HYDRO, listen=f"127.0.0.1:{free_port}") as station,
            talking(free_port) as mouth,
        ):
            now = wall()
            gauge.stage_m = 4.0
            mouth.send(gauge.report(now, observed=now - timedelta(hours=3)))
            assert gauge.answered(await answer(mouth)), "the station may forget it"
            gauge.stage_m = 2.0
            mouth.send(gauge.report(now))
            assert got(await fresh(station))["stage"] == 2.0
            gauge.stage_m = 3.0
            mouth.send(gauge.report(now - timedelta(minutes=4)))
            gauge.stage_m, gauge.rain_5min_mm = 2.1, 7.0
            mouth.send(gauge.report(now))
            readings = await fresh(station)
            assert got(readings) == {"stage": 2.1}, "the same five minutes of rain are not counted twice"
            assert station.history == 5

    run(check())


def test_of_several_times_in_one_report_the_newest_counts() -> None:
    now = wall().replace(second=0, microsecond=0)
    ages = [timedelta(minutes=minutes) for minutes in (2, 0, 1)]
    values = tuple(Value("39", float(number), observed=now - age) for number, age in enumerate(ages))
    station = Station("s", {"stage": Wanted("39")}, silent_after_s=600, late_after_s=600)
    station.heard(Report("1", now, values), time.monotonic_ns())
    assert got(asyncio.run(station.poll())) == {"stage": 1.0}


def test_a_wrong_clock_makes_values_uncertain_and_hides_nothing(run: Run, free_port: int) -> None:
    gauge = HydroStation()

    async def check() -> None:
        async with (
            connect(Sl651Driver(), HYDRO | {"silent_after": "300 ms"}, listen=f":{free_port}") as station,
            talking(free_port) as mouth,
        ):
            mouth.send(gauge.report(wall() + timedelta(days=30)))
            [reading, _] = await fresh(station)
            assert reading.quality is Quality.UNCERTAIN
            assert "30 days ahead of" in reading.reason
            await asyncio.sleep(0.35)
            mouth.send(gauge.report(wall()))  # somebody set the clock
            await answer(mouth)
            [reading, _] = await fresh(station)
            assert reading.quality is Quality.GOOD

    run(check())


def test_strangers_and_wrong_passwords_are_left_unanswered(
    run: Run, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        where = {"listen": f"127.0.0.1:{free_port}", "password": "1234"}
        async with connect(Sl651Driver(), HYDRO, **where) as station, talking(free_port) as mouth:
            for gauge in (HydroStation("0000000001"), HydroStation(password=0x4321)) * 2:
                mouth.send(gauge.event(wall()))
                assert await answer(mouth, 0.1) == b""
            assert await station.poll() == ()
            mouth.send(HydroStation().event(wall()))
            assert await answer(mouth)

    run(check())
    told = [record.getMessage() for record in caplog.records if "is left" in record.getMessage()]
    assert len(told) == 2, "each once"


def test_stations_share_an_endpoint_and_protocols_do_not(run: Run, free_port: int) -> None:
    one, two = DustStation("STATION1"), DustStation("STATION2")
    where = {"listen": f"127.0.0.1:{free_port}"}

    async def check() -> None:
        driver = Hj212Driver()
        async with (
            connect(driver, DUST | {"station": "STATION1"}, **where) as first,
            connect(driver, DUST | {"station": "STATION2"}, **where) as second,
        ):
            with pytest.raises(Refused, match="another device"):
                async with connect(driver, DUST | {"station": "STATION2"}, **where):
                    pass
            with pytest.raises(Refused, match="one line, one protocol"):
                async with connect(FireDriver(), PANEL, **where):
                    pass
            async with talking(free_port) as mouth:
                one.factors["a34002"] = ("11", "N")
                two.factors["a34002"] = ("22", "D")
                mouth.send(one.realtime(wall()) + two.realtime(wall()))
                assert got(await fresh(first)) == {"pm10": 11.0, "noise": 62.1}
                bad = {r.point: r for r in await fresh(second)}["pm10"]
                assert (bad.quality, bad.reason) == (Quality.BAD, "the instrument is faulty (D)")
        assert [task for task in asyncio.all_tasks() if "telemetry" in task.get_name()] == []

    run(check())


def test_silence_is_told_in_the_same_words_each_time(run: Run, free_port: int) -> None:
    async def check() -> None:
        table = DUST | {"silent_after": "100 ms"}
        async with connect(Hj212Driver(), table, listen=f"127.0.0.1:{free_port}") as station:
            await asyncio.sleep(0.15)
            told = set()
            for _ in range(3):
                with pytest.raises(NotPresent) as caught:
                    await station.poll()
                told.add(caught.value.reason)
            assert told == {f"nothing heard of station {DustStation().mn} for 0.1 s"}

    run(check())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\x9a\x00\xff\x13" * 20, "bytes come that are no frames: see speed, parity and protocol"),
        (HydroStation().event(wall())[:-1] + b"\x00", "frames come that are not good: checksum wrong"),
        (HydroStation("0000000001").event(wall()), "a report of station '0000000001' is left: no device"),
    ],
)
def test_what_comes_instead_is_told(run: Run, tmp_path: Path, said: bytes, told: str) -> None:
    async def check() -> None:
        with SerialMouth(tmp_path / "port") as mouth:
            async with connect(Sl651Driver(), HYDRO | {"silent_after": "200 ms"}, port=str(mouth.path)) as station:
                mouth.send(said)
                await asyncio.sleep(0.2)
                with pytest.raises(NotPresent, match=told):
                    await station.poll()

    run(check())


def test_a_fire_panel_from_smoke_to_reset(run: Run, free_port: int) -> None:
    panel = FireTransmitter()

    async def check() -> None:
        async with (
            connect(FireDriver(), PANEL, listen=f"127.0.0.1:{free_port}") as station,
            talking(free_port) as mouth,
        ):

            async def says(frame: bytes) -> dict[str, float]:
                mouth.send(frame)
                assert panel.answered(await answer(mouth)), "confirmed"
                return got(await fresh(station))

            mouth.send(panel.heartbeat(wall()))
            assert panel.answered(await answer(mouth)) == (fire.CONFIRM, 0)
            smoke = fire.NORMAL | fire.FIRE
            assert await says(panel.component(wall(), (10, 2), smoke)) == {"smoke": 1.0, "fire": 1.0}
            assert await says(panel.component(wall(), (10, 3), smoke)) == {"fire": 1.0}
            assert await says(panel.component(wall(), (10, 2), fire.NORMAL)) == {"smoke": 0.0, "fire": 1.0}
            other = panel.system(wall(), fire.NORMAL, (1, 2))
            assert await says(other) == {"fire": 1.0}, "another system's word takes nothing back"
            assert await says(panel.reset(wall())) == {"fire": 0.0}
            assert await says(panel.system(wall(), smoke)) == {"fire": 1.0}
            assert await says(panel.system(wall(), fire.NORMAL)) == {"fire": 0.0}
            assert await says(panel.analog(wall(), (3, 25), 3, 685)) == {"heat": 68.5}
            panel.device_state = fire.NORMAL | 8
            assert await says(panel.own(wall())) == {"mains": 1.0}

    run(check())


def test_an_old_fire_is_a_fire(run: Run, free_port: int) -> None:
    panel = FireTransmitter()

    async def check() -> None:
        async with (
            connect(FireDriver(), PANEL, listen=f"127.0.0.1:{free_port}") as station,
            talking(free_port) as mouth,
        ):
            mouth.send(panel.component(wall() - timedelta(days=2), (10, 2), fire.NORMAL | fire.FIRE))
            readings = await fresh(station)
            assert got(readings) == {"smoke": 1.0, "fire": 1.0}
            assert {r.quality for r in readings} == {Quality.UNCERTAIN}

    run(check())


def test_stations_that_wait_to_be_asked_are_asked(run: Run, free_port: int, tmp_path: Path) -> None:
    panel, gauge = FireTransmitter(), HydroStation()
    panel.system_state = fire.NORMAL | fire.FIRE

    async def check() -> None:
        ask = {"ask": "200 ms"}
        async with (
            connect(FireDriver(), PANEL | ask, listen=f"127.0.0.1:{free_port}") as station,
            talking(free_port) as mouth,
        ):
            mouth.send(panel.heartbeat(wall()))
            await answer(mouth)
            asking = asyncio.create_task(station.poll())
            asked = await answer(mouth)
            await asking
            assert [asked[26], asked[27]] == [4, 81]
            for question in (asked[:33], asked[33:]):
                mouth.send(panel.answer(wall(), question) or b"")
            heard = got(await fresh(station)) | got(await fresh(station))
            assert heard == {"mains": 0.0, "fire": 1.0}
        with SerialMouth(tmp_path / "port") as line:
            async with connect(Sl651Driver(), HYDRO | ask, port=str(line.path)) as station:
                await station.poll()
                assert gauge.answered((await answer(line))[:25]) == (hydro.NOW, 0, "asked")
                line.send(gauge.report(wall(), hydro.NOW))
                assert got(await fresh(station))["stage"] == 1.0

    run(check())


def test_a_flood_of_bytes_does_not_stop_the_loop(run: Run, free_port: int) -> None:
    async def check() -> None:
        async with (
            connect(FireDriver(), PANEL, listen=f"127.0.0.1:{free_port}") as station,
            talking(free_port) as mouth,
        ):
            flood = asyncio.create_task(asyncio.to_thread(mouth.send, b"@@" * 100_000, pieces=8))
            longest_s = 0.0
            while not flood.done():
                before_s = time.monotonic()
                await asyncio.sleep(0.001)
                longest_s = max(longest_s, time.monotonic() - before_s)
            await flood
            mouth.send(b"\x00" * 4096)
            panel = FireTransmitter()
            mouth.send(panel.system(wall(), fire.NORMAL))
            assert got(await fresh(station)) == {"fire": 0.0}
            assert longest_s < 0.25

    run(check())


def test_idle_connections_make_room_for_stations(run: Run, free_port: int) -> None:
    panel = FireTransmitter()

    async def check() -> None:
        async with connect(FireDriver(), PANEL, listen=f"127.0.0.1:{free_port}") as station, AsyncExitStack() as stack:
            first = await stack.enter_async_context(talking(free_port))
            first.send(panel.system(wall(), fire.NORMAL))
            assert got(await fresh(station)) == {"fire": 0.0}
            for _ in range(40):
                await stack.enter_async_context(talking(free_port))
            last = await stack.enter_async_context(talking(free_port))
            for mouth in (first, last):
                mouth.send(panel.system(wall(), fire.NORMAL | fire.FIRE))
                assert got(await fresh(station)) == {"fire": 1.0}

    run(check())


@pytest.mark.parametrize(
    ("driver", "table", "told"),
    [
        (Sl651Driver(), HYDRO, "needs listen"),
        (Sl651Driver(), HYDRO | {"listen": "9001"}, "listen must be"),
        (Sl651Driver(), HYDRO | {"listen": ":9001", "port": "/dev/x"}, "neither port nor host"),
        (Sl651Driver(), HYDRO | {"host": "10.0.0.1"}, "TCP port number"),
        (Sl651Driver(), HYDRO | {"port": "/dev/x", "point": {"x": {"element": "stagr"}}}, "nearest: stage"),
        (Sl651Driver(), HYDRO | {"port": "/dev/x", "point": {"x": {"element": "77"}}}, "needs a unit"),
        (Sl651Driver(), HYDRO | {"port": "/dev/x", "point": {"x": {"element": "condition"}}}, "bit belongs"),
        (Hj212Driver(), DUST | {"port": "/dev/x", "point": {"x": {"factor": "pm1"}}}, "did you mean"),
        (FireDriver(), PANEL | {"port": "/dev/x", "point": {"x": {"state": "fir"}}}, "nearest: fire"),
        (FireDriver(), PANEL | {"port": "/dev/x", "point": {"x": {"analog": "gas"}}}, "belong to of"),
        (FireDriver(), PANEL | {"port": "/dev/x", "point": {"x": {}}}, "exactly one"),
    ],
)
def test_a_section_that_makes_no_sense_says_what_would(driver: Any, table: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        driver.Section.model_validate(table)


def test_points_have_the_kinds_of_their_elements() -> None:
    table = HYDRO | {
        "port": "/dev/x",
        "point": {
            "stage": {"element": "39"},
            "rain": {"element": "rain-total"},
            "burst": {"element": "rain-5min"},
            "today": {"element": "rain-today"},
            "door": {"element": "condition", "bit": "door"},
        },
    }
    section = Sl651Driver.Section.model_validate(table)
    points = {point.name: point for point in Sl651Driver().describe(section, Path()).points}
    assert (points["stage"].unit, points["stage"].kind) == ("m", Kind.GAUGE)
    assert (points["rain"].kind, points["rain"].wrap) == (Kind.COUNTER, 100_000.0)
    assert (points["burst"].kind, points["today"].kind) == (Kind.INCREMENT, Kind.RUNNING_TOTAL)
    assert points["door"].states == {"open": 0, "closed": 1}
