"""Everything that the driver of a switched output must keep, as tests that its author inherits; switches nothing real.

    class TestHorn(SwitchContract):
        driver = "acme-horn"
        section = {"address": 9}
        captures = "captures/horn.cap"       # two scenes: what is said while it is off, and while it is on

A scene holds every request with its answer in that state: the write that brings it about, and the read-back; it ends
with "= state 0 - good" or "= state 1 - good". The limits of a site are put around the driver as Tocsin does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

from drivers.api import Description, DriverError, Limits, OutputDriver, Switch
from drivers.bench import Bench, must
from drivers.registry import output_driver, within_limits
from drivers.replay import Mood, Replay, Scene
from drivers.watched import run_watched

SET_S = 7.0  # a write that takes longer is given up
_LIMITS = Limits(max_on_s=60.0, min_off_s=0.0, max_starts_per_hour=1000)


_named = cache(output_driver)  # looking one up reads files, which no watched loop should do


class SwitchContract(Bench):
    """What the driver of an output that is on or off must keep. Inherit, and fill in what `Bench` lists."""

    def test_it_describes_itself_without_a_wire(self) -> None:
        """Load and slowest answer, told alike each time; an output has no points."""

        async def describe() -> tuple[Description, Description]:
            return self._describe(), self._describe()

        first, second = run_watched(describe(), SET_S)
        must(first == second, "describe() says something else the second time")
        must(not first.points, "an output has no points: what shows that it works is an instrument's")
        must(0 < first.max_reply_s < SET_S, f"max_reply_s = {first.max_reply_s:g}: more than 0, less than {SET_S:g}")

    def test_it_is_off_at_both_ends(self) -> None:
        """Off before it is handed over, off when the connection ends, and nothing left behind; twice."""
        off, on = self._off_and_on()

        async def use(replay: Replay, path: Path) -> None:
            for _ in range(2):
                replay.scene, before = off, replay.answered
                async with self._open(path) as switch:
                    must(replay.answered > before, "nothing was switched off when it was opened")
                    replay.scene = on
                    await switch.set(on=True)
                    replay.scene, before = off, replay.answered
                must(replay.answered > before, "it was on when the connection ended, and nothing was switched off")
            must(
                not replay.unknown,
                f"it said what the capture does not hold: {[said.hex(' ') for said in replay.unknown]}",
            )

        self._on_line(off, Mood.AS_RECORDED, use)

    def test_what_is_written_is_read_back(self) -> None:
        """On is on and off is off, or None where the device can't tell."""
        off, on = self._off_and_on()

        async def use(replay: Replay, path: Path) -> None:
            async with self._open(path) as switch:
                must(await switch.read_back() in (False, None), "it is off, read_back() says on")
                replay.scene = on
                await switch.set(on=True)
                must(await switch.read_back() in (True, None), "it is on, read_back() says off")
                replay.scene = off
                must(await switch.read_back() in (False, None), "it went off by itself, read_back() says on")

        self._on_line(off, Mood.AS_RECORDED, use)

    def test_silence_is_an_error(self) -> None:
        """A device that does not answer was not switched, and its state is not known."""
        self._fails(Mood.SILENT)

    def test_garbage_is_an_error(self) -> None:
        """Nor one that answers with anything else."""
        self._fails(Mood.GARBAGE)

    def test_a_write_can_be_cancelled(self) -> None:
        """The agent gives up a write whenever it must."""
        off, _ = self._off_and_on()

        async def use(replay: Replay, path: Path) -> None:
            async with self._open(path) as switch:
                replay.mood = Mood.SILENT
                write = asyncio.ensure_future(switch.set(on=True))
                await asyncio.sleep(0.005)
                write.cancel()
                await asyncio.wait({write}, timeout=1.0)
                must(write.done(), "a write goes on for a second after it was cancelled")
                must(write.cancelled(), "a write swallows its cancellation; let asyncio.CancelledError pass")
                replay.mood = Mood.AS_RECORDED

        self._on_line(off, Mood.AS_RECORDED, use)

    # --- how -----------------------------------------------------------------------------------------------------

    def _fails(self, mood: Mood) -> None:
        off, _ = self._off_and_on()

        async def use(replay: Replay, path: Path) -> None:
            async with self._open(path) as switch:
                replay.mood = mood
                must(not await _succeeds(switch), f"the line is {mood}, yet set() says that it was switched")
                must(await _state(switch) is None, f"the line is {mood}, yet read_back() knows the state")
                replay.mood = Mood.AS_RECORDED

        self._on_line(off, Mood.AS_RECORDED, use)

    def _driver(self) -> OutputDriver:
        if isinstance(self.driver, str):
            return _named(self.driver)
        return within_limits(self.driver() if isinstance(self.driver, type) else self.driver)

    def _off_and_on(self) -> tuple[Scene, Scene]:
        scenes = self._scenes()
        must(len(scenes) == 2, f"captures hold {len(scenes)} scenes, expected two: off and on")
        return scenes[0], scenes[1]

    @asynccontextmanager
    async def _open(self, path: Path) -> AsyncIterator[Switch]:
        settings: dict[str, Any] = {**self._settings, "port": str(path), **(self.bus or {})}
        async with (
            self.open_bus(settings) as bus,
            self._driver().connect("bench", self._section(), bus, _LIMITS, self._base) as output,
        ):
            yield cast("Switch", output)


async def _succeeds(switch: Switch) -> bool:
    try:
        async with asyncio.timeout(SET_S):
            await switch.set(on=True)
    except (DriverError, TimeoutError):
        return False
    return True


async def _state(switch: Switch) -> bool | None:
    try:
        async with asyncio.timeout(SET_S):
            return await switch.read_back()
    except (DriverError, TimeoutError):
        return None
