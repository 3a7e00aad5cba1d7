"""Drivers as nobody should write them: each fails the contract, at the test that is about it and with a clear word."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import sys
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from drivers.api import BadFrame, DriverError, Point, Quality, Reading, Timeout
from drivers.contract import DriverContract
from drivers.replay import Mood
from drivers.watched import Misbehaved, run_watched

EXAMPLE = Path(__file__).parents[2] / "ops" / "example_driver"


def load_example():
    spec = importlib.util.spec_from_file_location("example_acme", EXAMPLE / "tocsin_driver_acme" / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


acme = load_example()


def gauge_driver(poll):
    """The example's driver with another poll(gauge), which gets the good gauge."""

    class Bad:
        def __init__(self, good):
            self.name, self.good, self.last = good.name, good, None

        async def poll(self):
            return await poll(self)

    class Driver(acme.GaugeDriver):
        @asynccontextmanager
        async def connect(self, name, section, bus, base):
            async with super().connect(name, section, bus, base) as good:
                yield Bad(good)

    return Driver


def failing(driver, test, **more):
    """What the contract says of the driver at one of its tests."""
    words = {
        "driver": driver,
        "section": {"address": 7},
        "captures": "../../ops/example_driver/tests/captures/gauge.cap",
        "__module__": __name__,
        **more,
    }
    contract = type("Contract", (DriverContract,), words)()
    with pytest.raises(Misbehaved) as told:
        getattr(contract, test)()
    return str(told.value)


GOLDENS, SILENCE, TWICE = (
    "test_readings_match_the_goldens",
    "test_silence_is_an_error",
    "test_no_value_is_given_twice",
)


# --- the loop -----------------------------------------------------------------------------------------------------


async def sleeps(bad):
    time.sleep(0.3)  # noqa: ASYNC251 - its fault
    return await bad.good.poll()


async def computes(bad):
    end_s = time.thread_time() + 0.3
    while time.thread_time() < end_s:
        sum(range(1000))
    return await bad.good.poll()


async def waits_for_ever(bad):
    threading.Event().wait()
    return await bad.good.poll()


@pytest.mark.parametrize("poll", [sleeps, computes, waits_for_ever])
def test_one_that_blocks_the_loop(poll):
    told = failing(gauge_driver(poll), GOLDENS)
    assert "the loop was blocked for" in told
    assert poll.__name__ in told  # and where


# --- cancellation -------------------------------------------------------------------------------------------------


async def swallows(bad):
    try:
        return await bad.good.poll()
    except asyncio.CancelledError:
        return []


async def makes_an_error_of_it(bad):
    try:
        return await bad.good.poll()
    except BaseException as error:
        raise BadFrame("something went wrong") from error


async def insists(bad):
    while True:
        try:
            return await bad.good.poll()
        except (asyncio.CancelledError, Timeout):
            continue


@pytest.mark.parametrize("poll", [swallows, makes_an_error_of_it, insists])
def test_one_that_swallows_cancellation(poll, monkeypatch):
    monkeypatch.setattr("drivers.contract.CANCEL_S", 0.3)
    monkeypatch.setattr("drivers.watched._LEAVE_S", 0.2)
    told = failing(gauge_driver(poll), "test_a_poll_can_be_cancelled")
    assert "swallows its cancellation" in told or "a poll goes on 0.3 s after it was cancelled" in told


# --- made-up values -----------------------------------------------------------------------------------------------


async def remembers(bad):
    try:
        bad.last = await bad.good.poll()
    except DriverError:
        if not bad.last:
            raise
        return [replace(reading, mono_ns=time.monotonic_ns()) for reading in bad.last]
    return bad.last


async def repeats(bad):
    try:
        bad.last = await bad.good.poll()
    except DriverError:
        if not bad.last:
            raise
    return bad.last


async def says_zero(bad):
    try:
        return await bad.good.poll()
    except DriverError:
        return [Reading("level", 0.0, Quality.GOOD, time.monotonic_ns())]


async def good_nan(bad):
    return [replace(reading, value=math.nan, quality=Quality.GOOD) for reading in await bad.good.poll()]


async def always_good(bad):
    return [replace(reading, quality=Quality.GOOD, reason="", value=9999.0) for reading in await bad.good.poll()]


async def half(bad):
    return (await bad.good.poll())[:1]


async def from_the_future(bad):
    return [replace(reading, mono_ns=reading.mono_ns + 10**10) for reading in await bad.good.poll()]


async def on_the_wall_clock(bad):
    return [replace(reading, mono_ns=time.time_ns()) for reading in await bad.good.poll()]


async def old(bad):
    return [replace(reading, mono_ns=reading.mono_ns - 10**10) for reading in await bad.good.poll()]


async def another_point(bad):
    return [replace(reading, point="depth") for reading in await bad.good.poll()]


async def no_reason(bad):
    return [replace(reading, quality=Quality.BAD) for reading in await bad.good.poll()]


async def raises(bad):
    raise KeyError("level")


async def too_late(bad):
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("poll", "test", "told"),
    [
        (remembers, TWICE, "the unit fell silent, yet there are values: level = 350 good"),
        (repeats, TWICE, "a value was given again by a later poll"),
        (says_zero, SILENCE, "the line is silent, yet there are values: level = 0 good"),
        (good_nan, GOLDENS, "level: nan is no GOOD value"),
        (always_good, GOLDENS, "got level 9999 mm good: expected 350 mm good"),
        (half, GOLDENS, "no reading of temperature"),
        (from_the_future, GOLDENS, "its time is in the future"),
        (on_the_wall_clock, GOLDENS, "its time is in the future"),
        (old, GOLDENS, "old, so from before the poll"),
        (another_point, GOLDENS, "not described: ['depth']"),
        (no_reason, GOLDENS, "no reason why it is BAD"),
        (raises, GOLDENS, "poll() raised KeyError"),
    ],
)
def test_one_that_makes_up_values(poll, test, told):
    assert told in failing(gauge_driver(poll), test)


def test_one_that_trusts_whatever_comes(monkeypatch):
    monkeypatch.setattr(acme, "_sum_is_right", lambda _answer: True)
    monkeypatch.setattr("drivers.contract._SPOILED", (Mood.BIT_TURNED,))
    told = failing(acme.GaugeDriver, "test_no_value_comes_from_spoiled_bytes", spoilings=6)
    assert "a value from a line with a bit turned" in told


def test_one_that_takes_too_long(monkeypatch):
    monkeypatch.setattr("drivers.contract.POLL_S", 0.3)
    assert "a poll took longer than 0.3 s" in failing(gauge_driver(too_late), GOLDENS)


# --- what is left behind ------------------------------------------------------------------------------------------


def leaving(leave):
    class Driver(acme.GaugeDriver):
        @asynccontextmanager
        async def connect(self, name, section, bus, base):
            leave()
            async with super().connect(name, section, bus, base) as good:
                yield good

    return Driver


def test_one_that_leaves_things_behind(monkeypatch):
    monkeypatch.setattr("drivers.watched._LEAVE_S", 0.2)
    stop, kept, tasks = threading.Event(), [], []

    def thread():
        kept.append(threading.Thread(target=stop.wait, name="acme-reader", daemon=True))
        kept[-1].start()

    test = "test_it_opens_and_closes_twice"
    assert "threads are left behind: acme-reader" in failing(leaving(thread), test)
    stop.set()
    assert "files or sockets are left open" in failing(leaving(lambda: kept.append(open("/dev/null"))), test)  # noqa: PTH123, SIM115
    kept[-1].close()

    def task():
        tasks.append(asyncio.create_task(asyncio.sleep(9), name="acme-loop"))

    assert "a task is left behind: acme-loop" in failing(leaving(task), test)
    assert tasks[-1].cancelled()


# --- words --------------------------------------------------------------------------------------------------------


def described(**changes):
    class Driver(acme.GaugeDriver):
        def describe(self, section, base):
            return replace(
                super().describe(section, base), **{k: v() if callable(v) else v for k, v in changes.items()}
            )

    return Driver


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"points": ()}, "it describes no point"),
        ({"points": (Point("level"), Point("level"))}, "a point is named twice"),
        ({"points": (Point("Water Level"),)}, "names are small letters"),
        ({"points": (Point("level", low=5.0, high=1.0),)}, "low 5 is not below 1"),
        ({"max_reply_s": 60.0}, "max_reply_s = 60"),
        ({"notes": lambda: (str(time.monotonic_ns()),)}, "says something else the second time"),
    ],
)
def test_one_that_describes_itself_badly(changes, told):
    assert told in failing(described(**changes), "test_it_describes_itself_without_a_wire")


def test_one_that_takes_any_key():
    class Loose(BaseModel):
        address: int

    class Driver(acme.GaugeDriver):
        Section = Loose

    assert "a key that means nothing" in failing(Driver, "test_unknown_keys_are_refused")


def test_one_that_asks_something_else():
    told = failing(acme.GaugeDriver, GOLDENS, section={"address": 8})
    assert "it asked what the capture does not hold: 23 30 38 3f 0d 0a" in told


def test_a_contract_without_captures_is_told():
    assert "no capture found" in failing(acme.GaugeDriver, GOLDENS, captures="none/*.cap")


# --- the watch itself ---------------------------------------------------------------------------------------------


def test_a_loop_that_only_waits_is_not_blocked():
    async def waits():
        await asyncio.sleep(0.15)
        return await asyncio.to_thread(lambda: time.sleep(0.15) or 7)

    assert run_watched(waits(), 5) == 7
