"""Everything that a driver must keep, as tests that its author inherits; knows no driver and needs no hardware.

    class TestAcme(DriverContract):
        driver = "acme"                      # its entry point, or the driver itself
        section = {"address": 7}             # its part of a `[device.x]` table
        captures = "captures/acme_*.cap"     # beside this file; see `drivers.replay` for their text

Run with pytest. Each capture is said again on a pseudo-terminal: as recorded (readings must match its goldens), then
silent, cut, with bits turned and with garbage (there must be an error, never a value). All of it on a loop that is
watched. See docs/writing-a-driver.md.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import ClassVar

from drivers.api import Description, DriverError, Instrument, InstrumentDriver, Quality, Reading
from drivers.bench import Bench, must
from drivers.registry import instrument_driver
from drivers.replay import Golden, Mood, Replay, Scene
from drivers.watched import Misbehaved, run_watched

Outcome = Sequence[Reading] | DriverError  # of a poll

POLL_S = 7.0  # the agent waits no longer for a poll
CANCEL_S = 1.0  # nor for one that it gave up
_SPOILED = (Mood.GARBAGE, Mood.BIT_TURNED, Mood.CUT, Mood.FOREIGN)
_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")


_named = cache(instrument_driver)  # looking one up reads files, which no watched loop should do


class DriverContract(Bench):
    """What an instrument driver must keep. Inherit, and fill in `driver`, `section`, `captures` and what is below."""

    protected: ClassVar[bool] = True  # a checksum guards its messages, so that no turned bit may pass
    spoilings: ClassVar[int] = 2  # so many polls of each kind of spoiled line

    # --- the tests -----------------------------------------------------------------------------------------------

    def test_it_describes_itself_without_a_wire(self) -> None:
        """Points, named and told alike each time, before anything is opened."""

        async def describe() -> tuple[Description, Description]:
            return self._describe(), self._describe()

        first, second = run_watched(describe(), POLL_S)
        must(first == second, "describe() says something else the second time")
        names = [point.name for point in first.points]
        must(bool(names), "it describes no point")
        must(len(set(names)) == len(names), f"a point is named twice: {names}")
        for point in first.points:
            must(
                bool(_NAME.fullmatch(point.name)),
                f'point {point.name!r}: names are small letters, digits and "-", such as "water-level"',
            )
            if point.low is not None and point.high is not None:
                must(point.low < point.high, f"point {point.name}: low {point.low:g} is not below {point.high:g}")
        must(0 < first.max_reply_s < POLL_S, f"max_reply_s = {first.max_reply_s:g}: more than 0, less than {POLL_S:g}")

    def test_it_opens_and_closes_twice(self) -> None:
        """Nothing is left behind, so that it can be opened again."""

        async def twice(_replay: Replay, path: Path) -> None:
            for _ in range(2):
                async with self._open(path) as instrument:
                    must(instrument.name == "bench", f"its name is {instrument.name!r}, connect() said 'bench'")
                await asyncio.sleep(0)

        self._on_line(self._scenes()[0], Mood.AS_RECORDED, twice)

    def test_readings_match_the_goldens(self) -> None:
        """What was recorded is understood as the capture says."""

        async def poll(replay: Replay, path: Path) -> tuple[Outcome, list[bytes]]:
            return await self._one_poll(replay, path), replay.unknown

        for scene in self._scenes():
            readings, unknown = self._on_line(scene, Mood.AS_RECORDED, poll)
            if isinstance(readings, DriverError):
                asked = ", ".join(request.hex(" ") for request in unknown)
                why = f"it asked what the capture does not hold: {asked}" if unknown else readings.reason
                raise Misbehaved(f"no reading from a good line: {why}") from readings
            if self.bus is not None:
                _compare(scene, readings, self._describe())

    def test_silence_is_an_error(self) -> None:
        """A unit that says nothing has no values."""
        if self.bus is None:
            return
        outcome = self._on_line(self._scenes()[0], Mood.SILENT, self._one_poll)
        must(
            not _usable(outcome),
            f"the line is silent, yet there are values: {_shown(outcome)}; raise drivers.api.Timeout",
        )

    def test_no_value_is_given_twice(self) -> None:
        """When a unit falls silent its last values are not given again."""
        if self.bus is None:
            return

        async def falls_silent(replay: Replay, path: Path) -> list[Outcome]:
            async with self._open(path) as instrument:
                polls = _Polls(instrument, self._describe())
                await polls.next()
                replay.mood = Mood.SILENT
                await asyncio.sleep(0.05)
                await polls.next()  # a talker may have been heard just before
                return [await polls.next(), await polls.next()]

        for outcome in self._on_line(self._scenes()[0], Mood.AS_RECORDED, falls_silent):
            must(not _usable(outcome), f"the unit fell silent, yet there are values: {_shown(outcome)}")

    def test_no_value_comes_from_spoiled_bytes(self) -> None:
        """Garbage, turned bits, cut and foreign bytes: an error, or what was really sent."""
        if self.bus is None:
            return
        for mood in _SPOILED if self.protected else (Mood.GARBAGE,):
            scene = self._scenes()[0]

            async def spoiled(_replay: Replay, path: Path) -> list[Outcome]:
                async with self._open(path) as instrument:
                    polls = _Polls(instrument, self._describe())
                    return [await polls.next() for _ in range(self.spoilings)]

            for outcome in self._on_line(scene, mood, spoiled):
                for reading in _usable(outcome):
                    golden = scene.golden(reading.point)
                    must(
                        golden is not None and golden.value is not None and _same(reading.value, golden.value),
                        f"a value from a line with {mood}: {_shown([reading])}",
                    )

    def test_a_poll_can_be_cancelled(self) -> None:
        """The agent stops a poll whenever it must, and polls again."""

        async def cancelled(replay: Replay, path: Path) -> None:
            async with self._open(path) as instrument:
                poll = asyncio.ensure_future(instrument.poll())
                await asyncio.sleep(0.005)
                if poll.done():
                    _ = poll.exception()
                    return
                poll.cancel()
                await asyncio.wait({poll}, timeout=CANCEL_S)
                must(poll.done(), f"a poll goes on {CANCEL_S:g} s after it was cancelled")
                must(poll.cancelled(), "a poll swallows its cancellation; let asyncio.CancelledError pass")
                replay.mood = Mood.AS_RECORDED
                if self.bus is not None:  # the line may have to be quiet for that long
                    await asyncio.sleep(min(2.0, 2 * self._describe().max_reply_s))
                outcome = await _Polls(instrument, self._describe()).next()
                if isinstance(outcome, DriverError):
                    raise Misbehaved(f"after a poll was cancelled the next one fails: {outcome.reason}")

        self._on_line(self._scenes()[0], Mood.SILENT, cancelled)

    def test_a_missing_port_is_an_error_and_no_more(self) -> None:
        """A line that is not there costs its devices a DriverError, and nobody anything else."""
        if self.bus is None:
            return

        async def missing(replay: Replay, path: Path) -> Outcome:
            return await self._one_poll(replay, path.with_name("absent"))

        outcome = self._on_line(self._scenes()[0], Mood.AS_RECORDED, missing)
        must(isinstance(outcome, DriverError), f"there is no port, yet poll() gives {_shown(outcome)}")

    # --- how -----------------------------------------------------------------------------------------------------

    def _driver(self) -> InstrumentDriver:
        driver = self.driver
        if isinstance(driver, str):
            return _named(driver)
        made: InstrumentDriver = driver() if isinstance(driver, type) else driver
        return made

    @asynccontextmanager
    async def _open(self, path: Path) -> AsyncIterator[Instrument]:
        if self.bus is None:
            async with self._driver().connect("bench", self._section(), None, self._base) as instrument:
                yield instrument
            return
        async with (
            self.open_bus({**self._settings, "port": str(path), **self.bus}) as bus,
            self._driver().connect("bench", self._section(), bus, self._base) as instrument,
        ):
            yield instrument

    async def _one_poll(self, _replay: Replay, path: Path) -> Outcome:
        async with self._open(path) as instrument:
            return await _Polls(instrument, self._describe()).next()


class _Polls:
    """Polls of one instrument, each checked for what needs no golden."""

    def __init__(self, instrument: Instrument, description: Description) -> None:
        self._instrument = instrument
        self._known = {point.name for point in description.points}
        self._slowest_ns = int(description.max_reply_s * 1e9)
        self._since_mono_ns = time.monotonic_ns()  # the poll before; a talker may have been heard since
        self._given: set[tuple[str, int]] = set()

    async def next(self) -> Outcome:
        """Its readings, or its DriverError. Anything else that it raises is the driver's mistake.

        Of a talker, whose poll gives nothing until its next message is due, the first poll that gives something.
        """
        end_s = time.monotonic() + POLL_S
        while True:
            outcome = await self._once()
            if outcome or time.monotonic() > end_s:
                return outcome
            await asyncio.sleep(0.01)

    async def _once(self) -> Outcome:
        start_mono_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(POLL_S):
                readings = list(await self._instrument.poll())
        except DriverError as error:
            must(bool(error.reason), f"{type(error).__name__} without a reason")
            return error
        except TimeoutError:
            raise Misbehaved(f"a poll took longer than {POLL_S:g} s; raise drivers.api.Timeout") from None
        except Exception as error:
            raise Misbehaved(f"poll() raised {type(error).__name__} ({error}), not a DriverError") from error
        self._check(readings)
        self._since_mono_ns = start_mono_ns
        return readings

    def _check(self, readings: Sequence[Reading]) -> None:
        given = [reading.point for reading in readings]
        unknown = sorted(set(given) - self._known)
        must(not unknown, f"readings of points that were not described: {unknown}")
        must(len(set(given)) == len(given), f"a point was given twice in one poll: {given}")
        now_mono_ns = time.monotonic_ns()
        for reading in readings:
            name, quality = reading.point, reading.quality
            must(
                not quality.usable or math.isfinite(reading.value),
                f"{name}: {reading.value} is no {quality.name} value",
            )
            must(quality is Quality.GOOD or bool(reading.reason), f"{name}: no reason why it is {quality.name}")
            age_s = (now_mono_ns - reading.mono_ns) / 1e9
            must(age_s >= 0, f"{name}: its time is in the future; use time.monotonic_ns()")
            fresh = reading.mono_ns >= self._since_mono_ns - self._slowest_ns
            must(fresh, f"{name}: its value is {age_s:.1f} s old, so from before the poll")
            must((name, reading.mono_ns) not in self._given, f"{name}: a value was given again by a later poll")
            self._given.add((name, reading.mono_ns))


def _same(value: float, golden: float) -> bool:
    return math.isclose(value, golden, rel_tol=1e-6, abs_tol=1e-9)


def _usable(outcome: Outcome) -> list[Reading]:
    return [] if isinstance(outcome, DriverError) else [reading for reading in outcome if reading.quality.usable]


def _shown(outcome: Outcome) -> str:
    if isinstance(outcome, DriverError):
        return f"{type(outcome).__name__}: {outcome.reason}"
    return ", ".join(f"{r.point} = {r.value:g} {_word(r)}" for r in outcome)


def _word(reading: Reading) -> str:
    return reading.quality.name.lower().replace("_", "-")


def _compare(scene: Scene, readings: Sequence[Reading], description: Description) -> None:
    """Every reading has its golden, every golden its reading. Raises Misbehaved with all differences."""
    units = {point.name: point.unit for point in description.points}
    differences = []
    for reading in readings:
        golden = scene.golden(reading.point)
        got = f"{reading.point} {reading.value:g} {units[reading.point] or '-'} {_word(reading)}"
        if golden is None:
            differences.append(f"got {got}: the capture has no golden for it")
        elif not _fits(golden, reading, units[reading.point]):
            value = "-" if golden.value is None else f"{golden.value:g}"
            differences.append(f"got {got}: expected {value} {golden.unit or '-'} {golden.quality}")
    given = [reading.point for reading in readings]
    differences += [
        f"no reading of {golden.pattern}"
        for golden in scene.goldens
        if not any(scene.golden(point) is golden for point in given)
    ]
    must(not differences, "\n".join(differences))


def _fits(golden: Golden, reading: Reading, unit: str) -> bool:
    if golden.quality != _word(reading) or golden.unit != unit:
        return False
    return golden.value is None or _same(reading.value, golden.value)
