"""Contacts: floats in waves, buckets that tip, doors opened between two polls; every pulse once, no bounce twice."""

from __future__ import annotations

import asyncio
import importlib
import math
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.api import Kind, NotPresent, Quality
from drivers.contacts import Contact
from drivers.gpio import GpioInputDriver
from hil import pins

DRIVER = GpioInputDriver()


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_GPIO_MODULE", "hil.pins")
    monkeypatch.setenv("TOCSIN_PINS", str(tmp_path))
    importlib.reload(pins)
    return tmp_path


def inputs(point, **section):
    section = DRIVER.Section.model_validate({"point": point, **section})
    return DRIVER.connect("yard", section, None, Path())


# --- by themselves ----------------------------------------------------------------------------------------------


def seen(contact, levels, every_s=0.005, start_s=100.0):
    for number, level in enumerate(levels):
        contact.see(level, start_s + number * every_s)
    return contact


def test_nothing_is_known_before_it_has_rested():
    contact = Contact(0.1, 2, 1.0)
    assert contact.shown is None
    assert seen(contact, [1] * 20).shown is None
    assert not contact.rests
    assert not contact.bounces
    assert seen(contact, [1] * 3, start_s=100.1).shown == 1
    assert contact.pulses == 0  # it was closed when we came


def test_a_float_in_waves_keeps_its_state_and_bounces_only_when_it_never_rests():
    contact = seen(Contact(2.0, 2, 20.0), [0] * 30, every_s=0.2)
    seen(contact, [1, 1, 1, 0, 0] * 10, every_s=0.2, start_s=106.0)
    assert (contact.state, contact.bounces, contact.pulses) == (0, False, 0)
    seen(contact, [1] * 12, every_s=0.2, start_s=116.0)
    assert (contact.state, contact.pulses) == (1, 1)
    seen(contact, [0, 1] * 100, every_s=0.2, start_s=118.4)
    assert not contact.bounces  # it comes back to its state again and again


def test_unrest_away_from_the_state_ends_as_a_bounce():
    contact = Contact(0.0, 3, 0.15)
    seen(contact, [0, 1] * 20)
    assert contact.bounces
    assert contact.shown is None


def test_an_opening_is_shown_for_as_long_as_it_is_held():
    contact = seen(Contact(0.0, 2, 1.0, hold_s=5.0), [0, 0, 1, 1, 0, 0])
    assert (contact.state, contact.shown) == (0, 1)
    contact.see(0, 104.9)
    assert contact.shown == 1
    contact.see(0, 105.1)
    assert contact.shown == 0


@given(
    st.lists(st.tuples(st.integers(4, 30), st.integers(4, 30), st.lists(st.integers(0, 1), max_size=2)), max_size=30),
    st.integers(0, 2**32),
)
def test_every_pulse_counts_once_whatever_its_edges_do(pulses, start):
    contact = Contact(0.0, 3, 0.15)
    levels = [0] * 4
    for closed, opened, bounce in pulses:
        levels += [*bounce, *[1] * closed, *bounce, *[0] * opened]
    seen(contact, levels, start_s=float(start))
    assert contact.pulses == len(pulses)
    assert contact.shown == 0


@given(st.lists(st.integers(0, 1), max_size=200))
def test_a_state_is_one_that_was_seen_so_many_times_in_a_row(levels):
    contact = Contact(0.0, 3, 0.15)
    for number, level in enumerate(levels):
        before = contact.state
        contact.see(level, number * 0.005)
        if contact.state != before:
            assert levels[number - 2 : number + 1] == [contact.state] * 3


# --- on pins ----------------------------------------------------------------------------------------------------


def test_a_tipping_bucket(board):
    point = {"rain": {"pin": 6, "active_low": True, "pull": "up", "per_pulse": "0.2 mm"}}
    description = DRIVER.describe(DRIVER.Section.model_validate({"point": point}), Path())
    assert [(p.name, p.unit, p.kind, p.low) for p in description.points] == [("rain", "mm", Kind.COUNTER, 0.0)]
    assert description.notes == ("rain: pulses shorter than 40 ms, or while the agent is down, don't count",)

    async def main():
        async with inputs(point) as yard:
            (reading,) = await yard.poll()
            assert (reading.value, reading.quality) == (0.0, Quality.GOOD)
            for _ in range(5):  # between two polls
                await asyncio.to_thread(pins.pulse, board, 6, active_low=True, for_s=0.08)
                await asyncio.sleep(0.04)
            (reading,) = await yard.poll()
            assert reading.value == 1.0
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    asyncio.run(main())


def test_a_count_says_when_nobody_looked(board):
    async def main():
        async with inputs({"rain": {"pin": 6, "active_low": False, "per_pulse": "0.5 mm"}}) as yard:
            await yard.poll()
            time.sleep(0.3)  # noqa: ASYNC251 - somebody blocks the loop
            await asyncio.sleep(0)
            (reading,) = await yard.poll()
            assert reading.quality is Quality.UNCERTAIN
            assert reading.reason.startswith("nobody looked for 0.3")
            (reading,) = await yard.poll()
            assert reading.quality is Quality.GOOD

    asyncio.run(main())


def test_a_float_and_a_tamper_loop(board):
    point = {
        "float": {"pin": 23, "active_low": True, "pull": "up", "words": ["dry", "wet"], "debounce": "200 ms"},
        "tamper": {"pin": 24, "active_low": False, "pull": "up", "words": ["sealed", "opened"], "hold": "400 ms"},
    }
    described = DRIVER.describe(DRIVER.Section.model_validate({"point": point}), Path()).points
    assert [dict(p.states) for p in described] == [{"dry": 0, "wet": 1}, {"sealed": 0, "opened": 1}]

    async def states(yard):
        return {r.point: (r.value, r.quality) for r in await yard.poll()}

    async def main():
        pins.press(board, 24, 0)  # the loop is closed
        async with inputs(point) as yard:
            first = await yard.poll()
            assert (first[0].quality, first[0].reason) == (Quality.INHIBITED, "not seen at rest yet")
            assert math.isnan(first[0].value)
            assert (first[1].value, first[1].quality) == (0.0, Quality.GOOD)
            await asyncio.sleep(0.25)
            assert (await states(yard))["float"] == (0.0, Quality.GOOD)
            pins.press(board, 23, 0)
            pins.press(board, 24, 1)
            await asyncio.sleep(0.06)  # a splash, and a door that is open for a moment
            pins.press(board, 23, 1)
            pins.press(board, 24, 0)
            await asyncio.sleep(0.05)
            assert await states(yard) == {"float": (0.0, Quality.GOOD), "tamper": (1.0, Quality.GOOD)}
            pins.press(board, 23, 0)
            await asyncio.sleep(0.5)
            assert await states(yard) == {"float": (1.0, Quality.GOOD), "tamper": (0.0, Quality.GOOD)}

    asyncio.run(main())


def test_watched_pins_may_be_absent_and_come(board):
    async def main():
        (board / "fault").write_text("No access to /dev/mem.")
        async with inputs({"rain": {"pin": 6, "active_low": False, "per_pulse": "0.5 mm"}}) as yard:
            await asyncio.sleep(0.02)
            with pytest.raises(NotPresent, match="pins of yard"):
                await yard.poll()
            (board / "fault").unlink()
            assert (await yard.poll())[0].value == 0.0

    asyncio.run(main())


def test_watching_leaves_no_thread_and_costs_little(board):
    async def main():
        threads = threading.active_count()
        async with inputs({"rain": {"pin": 6, "active_low": False, "per_pulse": "0.5 mm"}}):
            pins.press(board, 6, None)
            start_s = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - start_s < 0.1
            assert threading.active_count() == threads

    asyncio.run(main())


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"per_pulse": "0.2"}, r"an amount with its unit is expected, such as .*; got '0\.2'"),
        ({"per_pulse": "0 mm"}, "an amount with its unit"),
        ({"per_pulse": "0.2 mm", "hold": "1 s"}, "no words and no hold"),
        ({"words": ["open", "open"]}, "two different ones"),
    ],
)
def test_keys_that_can_not_be_right(keys, told):
    point = {"x": {"pin": 6, "active_low": False, **keys}}
    with pytest.raises(ValidationError, match=told):
        DRIVER.Section.model_validate({"point": point})
