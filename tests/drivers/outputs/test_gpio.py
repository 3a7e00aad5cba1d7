"""Pins on the bench's stand-in: never a wrong level, inputs steady before they are believed."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.api import Limits, NotPresent, Quality, Refused
from drivers.gpio import GpioInputDriver, GpioOutputDriver
from hil import pins

LIMITS = Limits(max_on_s=60.0, min_off_s=0.0, max_starts_per_hour=100)
OUTPUT, INPUT = GpioOutputDriver(), GpioInputDriver()


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_GPIO_MODULE", "hil.pins")
    monkeypatch.setenv("TOCSIN_PINS", str(tmp_path))
    importlib.reload(pins)
    return tmp_path


def output(limits=LIMITS, **section):
    return OUTPUT.connect("siren", OUTPUT.Section.model_validate(section), None, limits, Path())


def inputs(**section):
    return INPUT.connect("doors", INPUT.Section.model_validate(section), None, Path())


@pytest.mark.parametrize("active_low", [False, True])
def test_levels_from_the_first_moment_to_the_last(board, active_low):
    async def main():
        async with output(pin=17, active_low=active_low) as switch:
            assert await switch.read_back() is False
            await switch.set(on=True)
            assert await switch.read_back() is True
            pins.press(board, 17, int(active_low))  # something holds the pin
            assert await switch.read_back() is False

    asyncio.run(main())
    off, on = int(active_low), int(not active_low)
    made = pins.changes(board, 17)
    assert [change["level"] for change in made] == [off, on, off]
    assert {change["direction"] for change in made} == {"out"}  # left driven: an input floats


def test_max_on_holds_for_pins(board):
    async def main():
        async with output(Limits(0.2, 5.0, 10), pin=4, active_low=False) as switch:
            await switch.set(on=True)
            await asyncio.sleep(0.4)
            assert pins.seen(board, 4)["level"] == 0
            with pytest.raises(Refused, match="max_on"):
                await switch.set(on=True)

    asyncio.run(main())


def test_kept_pin_begins_at_the_level_that_is_wanted(board):
    async def main():
        async with output(Limits(60.0, 0.0, 10, keep=True), pin=5, active_low=True) as switch:
            assert pins.seen(board, 5) is None
            assert await switch.read_back() is None
            await switch.set(on=True)

    asyncio.run(main())
    assert [change["level"] for change in pins.changes(board, 5)] == [0]


def test_one_pin_has_one_owner(board):
    async def main():
        async with output(pin=17, active_low=False):
            with pytest.raises(Refused, match="pin 17 is used by 'siren' already: give 'doors' another"):
                async with inputs(point={"gate": {"pin": 17, "active_low": True}}):
                    pass
        async with inputs(point={"gate": {"pin": 17, "active_low": True}}):
            pass

    asyncio.run(main())


def test_pins_that_are_not_there_say_what_to_do_and_may_come(board, monkeypatch):
    async def main():
        (board / "fault").write_text("No access to /dev/mem. Try running as root!")
        async with output(pin=17, active_low=False) as switch:
            with pytest.raises(NotPresent, match=r"pin 17: .*No access to /dev/mem.*group gpio"):
                await switch.set(on=True)
            (board / "fault").unlink()
            await switch.set(on=True)
            assert pins.seen(board, 17)["level"] == 1
        monkeypatch.setenv("TOCSIN_GPIO_MODULE", "no.such.module")
        async with inputs(point={"gate": {"pin": 2, "active_low": True}}) as contacts:
            with pytest.raises(NotPresent, match=r"pins of doors: .*install RPi\.GPIO, on a Pi 5 rpi-lgpio"):
                await contacts.poll()

    asyncio.run(main())


def test_errors_of_the_library_below_rpi_lgpio_are_not_present_too(tmp_path, monkeypatch):
    (tmp_path / "lgpio.py").write_text("class error(Exception):\n    pass\n")
    (tmp_path / "pi5_pins.py").write_text(
        "import lgpio\n"
        "BCM = 11\n"
        "def setwarnings(on): pass\n"
        "def setmode(mode): raise lgpio.error('can not open gpiochip')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TOCSIN_GPIO_MODULE", "pi5_pins")

    async def main():
        async with output(pin=17, active_low=False) as switch:
            with pytest.raises(NotPresent, match="can not open gpiochip"):
                await switch.set(on=True)

    asyncio.run(main())


def test_here_without_a_pi_the_real_library_is_not_present(monkeypatch):
    monkeypatch.delenv("TOCSIN_GPIO_MODULE", raising=False)
    if Path("/proc/device-tree/model").exists():
        pytest.skip("this is a Raspberry Pi: its pins are not for tests")

    async def main():
        async with output(pin=17, active_low=False) as switch:
            with pytest.raises(NotPresent):
                await switch.set(on=False)

    asyncio.run(main())


def test_importing_the_driver_imports_no_pins():
    code = "import sys, drivers.gpio; print([m for m in sys.modules if m.startswith(('RPi', 'hil', 'lgpio'))])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=15)
    assert said.stdout.strip() == "[]"


def test_contacts_with_pull_and_polarity(board):
    section = {
        "point": {
            "door": {"pin": 22, "active_low": True, "pull": "up"},
            "float": {"pin": 23, "active_low": False, "pull": "down"},
        }
    }

    async def main():
        async with inputs(**section) as contacts:
            assert [(r.point, r.value, r.quality) for r in await contacts.poll()] == [
                ("door", 0.0, Quality.GOOD),
                ("float", 0.0, Quality.GOOD),
            ]
            pins.press(board, 22, 0)
            pins.press(board, 23, 1)
            readings = await contacts.poll()
            assert [r.value for r in readings] == [1.0, 1.0]
            assert len({r.mono_ns for r in readings}) == 1

    asyncio.run(main())
    points = INPUT.describe(INPUT.Section.model_validate(section), Path()).points
    assert [(point.name, dict(point.states)) for point in points] == [
        (n, {"off": 0, "on": 1}) for n in section["point"]
    ]


def test_a_bouncing_contact_is_waited_for_and_one_that_never_rests_is_bad(board):
    stop = threading.Event()

    def bounce(until_s):
        level = 0
        while not stop.is_set() and time.monotonic() < until_s:
            level = 1 - level
            pins.press(board, 22, level)
            time.sleep(0.007)
        pins.press(board, 22, 1)

    async def main(bounces_s):
        section = {"point": {"door": {"pin": 22, "active_low": False}, "gate": {"pin": 23, "active_low": False}}}
        async with inputs(**section, samples=6, apart="10 ms") as contacts:
            thread = threading.Thread(target=bounce, args=(time.monotonic() + bounces_s,))
            thread.start()
            try:
                return await contacts.poll()
            finally:
                stop.set()
                thread.join()
                stop.clear()

    door, gate = asyncio.run(main(0.12))
    assert (door.value, door.quality, gate.quality) == (1.0, Quality.GOOD, Quality.GOOD)
    door, gate = asyncio.run(main(10))
    assert (door.quality, door.reason, gate.quality) == (Quality.BAD, "the contact bounces", Quality.GOOD)


def test_what_another_process_sees(board):
    code = (
        "import asyncio, pathlib\n"
        "from drivers.api import Limits\n"
        "from drivers.gpio import GpioOutputDriver as D\n"
        "async def main():\n"
        "    section = D.Section(pin=9, active_low=False)\n"
        "    async with D().connect('s', section, None, Limits(9, 0, 9), pathlib.Path()) as s:\n"
        "        await s.set(on=True)\n"
        "        import os; os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    before_ns = time.monotonic_ns()
    subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=True, timeout=15)
    assert pins.seen(board, 9)["level"] == 1  # killed while on: the pin stays, only max_on of the next life ends it
    assert before_ns < pins.seen(board, 9)["mono_ns"] < time.monotonic_ns()


@pytest.mark.parametrize(
    ("driver", "section", "key"),
    [
        (OUTPUT, {"pin": 17}, "active_low"),
        (OUTPUT, {"pin": 54, "active_low": True}, "pin"),
        (INPUT, {"point": {}}, "point"),
        (INPUT, {"point": {"a": {"pin": 1}}}, "active_low"),
        (INPUT, {"point": {"a": {"pin": 1, "active_low": True, "pull": "sideways"}}}, "pull"),
    ],
)
def test_sections_that_can_not_be_right(driver, section, key):
    with pytest.raises(ValidationError, match=key):
        driver.Section.model_validate(section)


def test_two_points_on_one_pin_are_a_mistake():
    point = {"pin": 5, "active_low": True}
    with pytest.raises(ValueError, match="'a' and 'b' are both on pin 5"):
        INPUT.describe(INPUT.Section.model_validate({"point": {"a": point, "b": point}}), Path())
