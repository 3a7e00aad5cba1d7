"""Owns how long, how often and how soon again an output may be on; must not know why anybody wants it on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from drivers.api import DriverError, Limits, NotPresent, Refused, Switch, Timeout, Voice

HOUR_NS = 3600 * 10**9
FOREVER_S = 100 * 365 * 86_400.0  # what stands for no limit
WRITE_S = 5.0  # one write or read-back, retries of the line included; a device that hangs longer is a fault
RETRY_S = 1.0  # between attempts to force an output off


class LimitReached(Refused):
    """An output's own limits said no: `limit` is the key in the site file, `again_s` how long from now.

    `again_s` is None while the output is not known to be off.
    """

    def __init__(self, limit: str, reason: str, again_s: float | None) -> None:
        wait = "once it is off" if again_s is None else f"in {again_s:.1f} s"
        super().__init__(f"{limit}: {reason}; it may start again {wait}")
        self.limit = limit
        self.again_s = again_s


@dataclass(frozen=True, slots=True)
class Course:
    """What a governor knows of an output, in monotonic nanoseconds of this boot (earlier boots: below zero)."""

    starts_ns: tuple[int, ...] = ()  # begins of activations, oldest first, as many as limits can ask for
    begun_ns: int | None = None  # begin of the latest activation
    off_ns: int | None = None  # known to be off since; None: on, or not known


class Governor:
    """The limits of one output as plain arithmetic: no clock, no wire. See `drivers.api.Limits` for the meaning.

    An off that was not confirmed is no off: the activation goes on, and with it the time to `max_on`. So an output
    whose line is dead uses up one start, not one for each attempt.
    """

    def __init__(self, limits: Limits) -> None:
        if not (limits.max_on_s > 0 and limits.min_off_s >= 0 and limits.max_starts_per_hour >= 1):
            raise ValueError(f"limits need max_on > 0, min_off >= 0 and max_starts_per_hour >= 1; got {limits}")
        self.limits = limits
        self.course = Course()
        self._max_on_ns = round(min(limits.max_on_s, FOREVER_S) * 1e9)
        self._min_off_ns = round(limits.min_off_s * 1e9)

    def on(self, now_ns: int) -> None:
        """Take note that an on is about to be written at `now_ns`. Raises LimitReached when it must not be."""
        course = self.course
        if course.begun_ns is not None and not self._rested(now_ns):
            if now_ns - course.begun_ns >= self._max_on_ns:
                off_s = None if course.off_ns is None else (course.off_ns + self._min_off_ns - now_ns) / 1e9
                raise LimitReached("max_on", f"it was on for its {self.limits.max_on_s:g} s", off_s)
            self.course = Course(course.starts_ns, course.begun_ns, None)
            return
        most = self.limits.max_starts_per_hour
        starts_ns = course.starts_ns[-most:]
        if len(starts_ns) == most and now_ns - starts_ns[0] < HOUR_NS:
            again_s = (starts_ns[0] + HOUR_NS - now_ns) / 1e9
            raise LimitReached("max_starts_per_hour", f"it started {most} times within the hour", again_s)
        self.course = Course((*starts_ns, now_ns)[-most:], now_ns, None)

    def off(self, now_ns: int) -> None:
        """Take note that the output is known to be off at `now_ns`."""
        if self.course.off_ns is None:
            self.course = Course(self.course.starts_ns, self.course.begun_ns, now_ns)

    @property
    def deadline_ns(self) -> int | None:
        """When the output must be switched off; None: it is off, or was never on."""
        course = self.course
        return None if course.begun_ns is None or course.off_ns is not None else course.begun_ns + self._max_on_ns

    def resume(self, earlier: Course, now_ns: int) -> None:
        """Take over what an earlier process knew, without forgetting what this one did since. Safe to repeat."""
        most = self.limits.max_starts_per_hour
        known = self.course
        starts_ns = sorted({min(t, now_ns) for t in (*earlier.starts_ns, *known.starts_ns)})[-most:]
        begun_ns, off_ns = known.begun_ns, known.off_ns
        if begun_ns is None and earlier.begun_ns is not None:
            begun_ns = min(earlier.begun_ns, now_ns)
            # It was off when that process last knew, and nobody else may switch it; else only our own off counts.
            off_ns = min(earlier.off_ns, now_ns) if earlier.off_ns is not None else known.off_ns
        self.course = Course(tuple(starts_ns), begun_ns, off_ns)

    def _rested(self, now_ns: int) -> bool:
        return self.course.off_ns is not None and now_ns - self.course.off_ns >= self._min_off_ns


@lru_cache(maxsize=1)
def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


class _Limited:
    """What limited switches and voices share: a governor, and its course carried over a restart."""

    def __init__(self, limits: Limits) -> None:
        self._governor = Governor(limits)
        self.changed: Callable[[], None] = lambda: None  # plain call after the course changed: time to keep `history()`

    def history(self) -> dict[str, Any]:
        """The course as JSON: `boot` id, `now_ns`, `starts_ns`, `begun_ns`, `off_ns`; for `resume` after a restart."""
        course = self._governor.course
        return {
            "boot": _boot_id(),
            "now_ns": time.monotonic_ns(),
            "starts_ns": list(course.starts_ns),
            "begun_ns": course.begun_ns,
            "off_ns": course.off_ns,
        }

    def resume(self, history: dict[str, Any]) -> None:
        """Go on from what `history()` said before a restart, so that a restart resets no count.

        After a reboot the time the machine was without power is unknown and counts as none; time since boot counts.
        Raises ValueError when it is not such a history.
        """
        try:
            shift_ns = 0 if history["boot"] == _boot_id() != "" else int(history["now_ns"])
            begun_ns, off_ns = history["begun_ns"], history["off_ns"]
            earlier = Course(
                tuple(int(t) - shift_ns for t in history["starts_ns"]),
                None if begun_ns is None else int(begun_ns) - shift_ns,
                None if off_ns is None else int(off_ns) - shift_ns,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a history of an output: {error!r}; go on without it") from error
        self._governor.resume(earlier, time.monotonic_ns())


class LimitedSwitch(_Limited):
    """A switch that no caller can keep on too long, start too often or too soon. The only kind that drivers hand out.

    At `max_on` it switches off by a timer of its own, whatever the caller does or fails to do, and again every
    `RETRY_S` until a write succeeds. Writes run one at a time.
    """

    def __init__(self, switch: Switch, limits: Limits) -> None:
        super().__init__(limits)
        self.forced_offs = 0  # how often `max_on` ended an activation
        self._switch = switch
        self._writing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._forcing: asyncio.Task[None] | None = None
        self._failure = ""  # of the latest write

    @property
    def name(self) -> str:
        """The output's name in the site file."""
        return self._switch.name

    @property
    def refresh_s(self) -> float | None:
        """As of the switch within."""
        return self._switch.refresh_s

    async def set(self, *, on: bool) -> None:
        """Write the state. Raises LimitReached without writing, Timeout after `WRITE_S`, or the switch's DriverError.

        Refused says that nothing was carried out: it uses up no start. After any other failure, or when the caller is
        cancelled, the output counts as on until an off succeeds: a port may go after the device has obeyed.
        """
        async with self._writing:
            before = self._governor.course
            if on:
                self._begin()
                self._arm()
            try:
                await self._write(on=on)
            except DriverError as error:
                if isinstance(error, Refused):
                    self._governor.course = before
                self._failure = error.reason
                raise
            else:
                self._failure = ""
                if not on:
                    self._governor.off(time.monotonic_ns())
            finally:
                self._arm()
                if self._governor.course != before:
                    self.changed()

    async def read_back(self) -> bool | None:
        """The state as the device reports it; None where it can't tell. Raises DriverError; Timeout after `WRITE_S`."""
        try:
            async with asyncio.timeout(WRITE_S):
                return await self._switch.read_back()
        except TimeoutError as error:
            raise Timeout(f"{self.name}: no read-back within {WRITE_S:g} s") from error

    def resume(self, history: dict[str, Any]) -> None:
        """As told above; an activation that was never seen to end is ended at its `max_on`."""
        super().resume(history)
        self._arm()

    async def close(self) -> None:
        """Stop the timer and, unless the limits say `keep`, leave the output off, as far as one write can."""
        forcing, self._forcing = self._forcing, None
        if forcing is not None:
            forcing.cancel()
            await asyncio.wait([forcing])
        try:
            if not self._governor.limits.keep:
                with suppress(DriverError):
                    await self.set(on=False)
        finally:
            self._disarm()

    def _begin(self) -> None:
        try:
            self._governor.on(time.monotonic_ns())
        except LimitReached as refusal:
            if refusal.again_s is None and self._failure:  # the limit is only a consequence
                raise Timeout(f"{self._failure}; max_on is over and no off was confirmed") from refusal
            raise

    async def _write(self, *, on: bool) -> None:
        within_s = WRITE_S
        if on and (deadline_ns := self._governor.deadline_ns) is not None:
            # An on that still hangs at max_on must not stand in the way of the off.
            within_s = min(within_s, (deadline_ns - time.monotonic_ns()) / 1e9)
        try:
            async with asyncio.timeout(within_s):
                await self._switch.set(on=on)
        except TimeoutError as error:
            raise Timeout(f"{self.name}: a write took longer than {within_s:.1f} s") from error

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at_least_s: float = 0.0) -> None:
        self._disarm()
        if (deadline_ns := self._governor.deadline_ns) is not None:
            delay_s = max(at_least_s, (deadline_ns - time.monotonic_ns()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._force)

    def _force(self) -> None:
        if self._forcing is None or self._forcing.done():
            self._forcing = asyncio.create_task(self._force_off(), name=f"{self.name} max_on")

    async def _force_off(self) -> None:
        try:
            with suppress(DriverError):
                await self.set(on=False)
                self.forced_offs += 1
        finally:
            # Also after an error that no driver should raise: the task dies with it, the next attempt does not.
            self._arm(RETRY_S)


class LimitedVoice(_Limited):
    """A voice within its limits: sound that lasts beyond `max_on` is cut off, more starts than allowed are refused."""

    def __init__(self, voice: Voice, limits: Limits) -> None:
        super().__init__(limits)
        self._voice = voice
        self._speaking = asyncio.Lock()

    @property
    def name(self) -> str:
        """The output's name in the site file."""
        return self._voice.name

    async def play(self, recording: Path) -> None:
        """Play a WAV file, after any other has ended. Raises LimitReached before it or, at `max_on`, during it."""
        async with self._speaking:
            before = self._governor.course
            self._governor.on(time.monotonic_ns())
            left_s = ((self._governor.deadline_ns or 0) - time.monotonic_ns()) / 1e9
            try:
                async with asyncio.timeout(left_s):
                    await self._voice.play(recording)
            except TimeoutError as error:
                limits = self._governor.limits
                raise LimitReached("max_on", f"cut off after {limits.max_on_s:g} s", limits.min_off_s) from error
            except (NotPresent, Refused):
                self._governor.course = before
                raise
            finally:
                self._governor.off(time.monotonic_ns())
                self.changed()


@asynccontextmanager
async def limited(switch: Switch, limits: Limits) -> AsyncIterator[LimitedSwitch]:
    """A switch within its limits, for the length of a connection: off before it is handed over, off at the end.

    With `limits.keep` it is left as it is at both. A line that is not there at the start stops nothing: whoever holds
    the switch asserts its state again and again.
    """
    held = LimitedSwitch(switch, limits)
    if not limits.keep:
        with suppress(DriverError):
            await held.set(on=False)
    try:
        yield held
    finally:
        await held.close()
