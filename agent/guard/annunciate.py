"""One task per output: makes what is wanted true, keeps it true, and finds out whether it really is.

An output is a wanted state, not a command: it is written again every `reassert_s`, read back, and where the site names
a point as evidence (current, contact, microphone) it counts as confirmed only by that. Decides nothing about alarms.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent.guard.respond import Want
from agent.guard.supervise import Backoff, Progress, contained
from agent.site.model import Confirm, OutputConfig
from drivers.api import DriverError, Switch
from drivers.limits import LimitReached

# Kinds of faults. A siren that was not proven stays unproven at rest: only a proven sounding (or a reset) ends that.
WRITE, LIMITED, UNPROVEN, STRAY = "write", "limited", "unproven", "stray"

log = logging.getLogger("tocsin.output")
T = TypeVar("T")

CALL_S = 8.0  # longest time a driver's call may take, its own retries included
SHOW_S = 1.0  # how often an output's task shows that it lives
RETRY_S = 0.25  # between tries of a write that failed
TRIES = 3  # failed writes in a row before an output counts as faulty
REST_SHARE = 6  # at rest an output is asserted so many times less often than when it is wanted on
STRAY_S = 3.0  # evidence of sound for so long after switching off: it sounds though nobody wants it


@dataclass(slots=True)
class OutputState:
    """What is known of an output, for status and records."""

    wanted: str = ""  # cause, "" at rest
    on: bool = False  # wanted on at this moment of the pattern
    asserted: bool | None = None  # what was last written with success
    confirmed: bool | None = None  # None: not asked yet or can't be told
    fault: str = ""
    since_mono_ns: int = field(default_factory=time.monotonic_ns)
    latency_ms: dict[str, float] = field(default_factory=dict)  # want -> written, confirmed


Report = Callable[[str, str, dict[str, Any]], None]  # output, event, details; a plain call into the core


def segment(want: Want | None, elapsed_s: float) -> tuple[bool, float]:
    """Whether a want is on at `elapsed_s` since it began, and for how much longer. Counts from the begin: no drift."""
    if want is None or want.message is not None:
        return False, math.inf
    if want.pattern is None:
        return bool(want.state), math.inf
    pattern = want.pattern
    period_s = max(want.every_s or 0.0, pattern.total_s)
    if elapsed_s >= period_s * want.repeat:
        return False, math.inf
    played_s = elapsed_s % period_s
    if played_s >= pattern.total_s:
        return False, period_s - played_s
    at_s = played_s % (pattern.total_s / pattern.repeat)
    for on, seconds in pattern.segments:
        if at_s < seconds:
            return on, min(seconds - at_s, pattern.total_s - played_s)
        at_s -= seconds
    return False, pattern.total_s - played_s  # rounding left nothing of the last segment


class Annunciator(ABC):
    """What switches and voices share: the want, what is known of the output, and telling the core about it."""

    def __init__(self, config: OutputConfig, report: Report, progress_s: float) -> None:
        self.config = config
        self.state = OutputState()
        self.progress = Progress(f"output {config.name}", progress_s)
        self._report = report
        self._want: Want | None = None
        self._want_mono_ns = self._began_mono_ns = time.monotonic_ns()
        self._stirred = asyncio.Event()
        self._faults: dict[str, str] = {}  # kind -> reason; each kind ends in its own way

    def want(self, want: Want | None, mono_ns: int) -> None:
        """What it is wanted to do from now on; `mono_ns` is when the deciding reading arrived. A plain call."""
        if want == self._want:
            return
        self._want, self._want_mono_ns, self._began_mono_ns = want, mono_ns, time.monotonic_ns()
        self.state.wanted = want.cause if want else ""
        self.state.since_mono_ns, self.state.latency_ms = mono_ns, {}
        self.state.confirmed = None
        self._stirred.set()

    def observe(self, value: float, mono_ns: int) -> None:  # noqa: B027 - not every output has evidence
        """A usable reading of the point that is this output's evidence. A plain call."""

    @abstractmethod
    async def run(self) -> None:
        """The output's task, until cancelled."""

    @asynccontextmanager
    async def _connected(self, connect: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """The open output; tried again for ever while it can't be opened, which is a fault meanwhile."""
        backoff = Backoff(1.0, 30.0)
        while True:
            self._stirred.clear()
            async with AsyncExitStack() as stack:
                try:
                    opening = stack.enter_async_context(connect())
                    output = await contained(f"output {self.config.name}", opening, CALL_S)
                except DriverError as error:
                    self._fail(WRITE, error.reason)
                    await self._rest(backoff.next_s())  # or until an alarm is a reason to try at once
                    continue
                yield output
                return

    async def _rest(self, seconds: float) -> None:
        """Wait for so long, or until stirred; shows all the while that the task lives."""
        end_s = time.monotonic() + seconds
        while not self._stirred.is_set() and (left_s := end_s - time.monotonic()) > 0:
            self.progress.made()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, SHOW_S)):
                    await self._stirred.wait()
        self.progress.made()

    def recall(self, faults: Mapping[str, str]) -> None:
        """Its faults, by kind, as they were before a restart: they end as they would have without it."""
        self._faults = dict(faults)
        self.state.fault = "; ".join(faults.values())

    def forgive(self) -> None:
        """A technician reset the output's faults: it counts as working until it is seen to fail again."""
        for kind in list(self._faults):
            self._mend(kind)

    def _confirm(self, mono_ns: int, evidence: dict[str, Any]) -> None:
        self.state.confirmed = True
        self.state.latency_ms["confirmed"] = (mono_ns - self._want_mono_ns) * 1e-6
        self._mend(UNPROVEN)
        self._report(self.config.name, "confirmed", {**evidence, "cause": self.state.wanted, **self.state.latency_ms})

    def _fail(self, kind: str, reason: str) -> None:
        if self._faults.get(kind) != reason:
            self._faults[kind] = reason
            self.state.fault = "; ".join(self._faults.values())
            log.warning("output %s: %s", self.config.name, reason)
            self._report(self.config.name, "fault", self._told())

    def _mend(self, kind: str) -> None:
        if self._faults.pop(kind, ""):
            self.state.fault = "; ".join(self._faults.values())
            log.warning("output %s: %s", self.config.name, self.state.fault or "works again")
            self._report(self.config.name, "fault" if self._faults else "mended", self._told())

    def _told(self) -> dict[str, Any]:
        return {"reason": self.state.fault, "faults": dict(self._faults), "cause": self.state.wanted}


class SwitchAnnunciator(Annunciator):
    """Keeps a switch in its wanted state."""

    def __init__(
        self, config: OutputConfig, connect: Callable[[], AbstractAsyncContextManager[Switch]], report: Report
    ) -> None:
        super().__init__(config, report, 2 * CALL_S + 2 * SHOW_S)
        self._connect = connect
        self._failures = {True: 0, False: 0}  # in a row, of writing on and of writing off
        self._tried_mono_ns: int | None = None  # first attempt to write the present want on
        self._written_mono_ns: int | None = None  # first such write that succeeded
        self._evidence_mono_ns: int | None = None  # latest reading that shows the output working
        self._off_mono_ns = time.monotonic_ns()

    # --- plain calls from the core -------------------------------------------------------------------------------

    def want(self, want: Want | None, mono_ns: int) -> None:
        """As of every output; what was written and seen for the old want proves nothing for the new one."""
        if want is not None and want.state is not None and self._want is not None and want.state == self._want.state:
            self._want, self.state.wanted = want, want.cause  # another reason for the state it is in
            return
        if want != self._want:
            self._tried_mono_ns = self._written_mono_ns = self._evidence_mono_ns = None
        super().want(want, mono_ns)

    def observe(self, value: float, mono_ns: int) -> None:
        """A usable reading of the point that is this output's evidence."""
        confirm = self.config.confirm
        if confirm is None:
            return
        sounding = (confirm.above is not None and value > confirm.above) or (
            confirm.below is not None and value < confirm.below
        )
        if sounding and self.state.on and self._written_mono_ns is not None and mono_ns >= self._written_mono_ns:
            self._evidence_mono_ns = mono_ns
            if not self.state.confirmed:
                self._confirm(mono_ns, {"point": confirm.point, "value": value})
        elif sounding and not self.state.on and self._idle_for_s(mono_ns) > confirm.within_s + STRAY_S:
            self._fail(STRAY, f"it works though nobody wants it: {confirm.point} is {value:g}")
        elif not sounding or self.state.on:
            self._mend(STRAY)

    # --- its task -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: assert, read back, judge the evidence, sleep until something is due.

        Closing the switch leaves it off, or as it is where the site says `at_exit = "keep"`.
        """
        async with self._connected(self._connect) as switch:
            while True:
                self._stirred.clear()
                on, left_s = self._segment()
                wait_s = min(left_s, await self._assert(switch, on=on))
                self._weigh_evidence()
                await self._rest(max(wait_s, 0.001))

    def _segment(self) -> tuple[bool, float]:
        return segment(self._want, (time.monotonic_ns() - self._began_mono_ns) * 1e-9)

    async def _assert(self, switch: Switch, *, on: bool) -> float:
        """Write and read back. Returns the seconds after which it must be done again."""
        name, state, want = self.config.name, self.state, self._want
        if state.on and not on:
            self._off_mono_ns = time.monotonic_ns()
        state.on = on
        if on and self._tried_mono_ns is None:
            self._tried_mono_ns = time.monotonic_ns()
        try:
            await contained(f"output {name}", switch.set(on=on), CALL_S)
            written_mono_ns = time.monotonic_ns()
            seen = await contained(f"output {name}", switch.read_back(), CALL_S)
        except LimitReached as error:
            state.asserted = False
            self._fail(LIMITED, error.reason)
            return max(0.5, min(error.again_s or self.config.reassert_s, self.config.reassert_s))
        except DriverError as error:
            return self._failed(error.reason, on=on)
        if seen is not None and seen != on:
            return self._failed(f"written {'on' if on else 'off'}, but it reads back {'on' if seen else 'off'}", on=on)
        if want is not self._want:
            return 0.0  # it was wanted otherwise meanwhile: what was written proves nothing for the new want
        self._note_written(written_mono_ns, on=on, seen=seen)
        return self._again_s(switch, on=on)

    def _failed(self, reason: str, *, on: bool) -> float:
        """A write that failed or did not take. Tried again soon, then at the pace of re-assertion."""
        self._failures[on] += 1
        if self._failures[on] >= TRIES:
            self._fail(WRITE, reason)
        return RETRY_S if self._failures[on] <= TRIES else self.config.reassert_s

    def _note_written(self, mono_ns: int, *, on: bool, seen: bool | None) -> None:
        state, was_on = self.state, self.state.asserted is True
        state.asserted = on
        self._failures[on] = 0
        if on and self._written_mono_ns is None:
            self._written_mono_ns = mono_ns
            state.latency_ms["written"] = (mono_ns - self._want_mono_ns) * 1e-6
            told = {"on": True, "read_back": seen, "cause": state.wanted, **state.latency_ms}
            self._report(self.config.name, "written", told)
        elif was_on and not on and math.isinf(self._segment()[1]):  # not merely between two segments
            self._report(self.config.name, "off", {"on": False, "read_back": seen})
        if on or math.isinf(self._segment()[1]):
            # An off between segments heals nothing: a relay that never goes on would look well twice a second.
            self._mend(WRITE)
            self._mend(LIMITED)
        if self.config.confirm is None and on and seen is not None and state.confirmed is None:
            self._confirm(time.monotonic_ns(), {"read_back": seen})

    def _again_s(self, switch: Switch, *, on: bool) -> float:
        again_s = self.config.reassert_s if on or self._want is not None else self.config.reassert_s * REST_SHARE
        if on and switch.refresh_s is not None:
            again_s = min(again_s, switch.refresh_s)
        if on and self.config.confirm is not None and self._evidence_mono_ns is None:
            again_s = min(again_s, self.config.confirm.within_s / 2)
        return again_s

    # --- evidence -------------------------------------------------------------------------------------------------

    def _weigh_evidence(self) -> None:
        """An output that is on but shows no evidence in time is unconfirmed: an alarm of its own."""
        confirm, tried_mono_ns = self.config.confirm, self._tried_mono_ns
        if confirm is None or not self.state.on or tried_mono_ns is None:
            return
        latest_mono_ns = self._evidence_mono_ns or self._written_mono_ns or tried_mono_ns
        allowed_s = confirm.within_s if self._evidence_mono_ns is None else _longest_gap_s(self._want, confirm)
        if (time.monotonic_ns() - latest_mono_ns) * 1e-9 > allowed_s and self.state.confirmed is not False:
            self.state.confirmed = False
            self._fail(UNPROVEN, f"not confirmed: {confirm.point} showed nothing within {allowed_s:g} s")

    def _idle_for_s(self, mono_ns: int) -> float:
        return (mono_ns - self._off_mono_ns) * 1e-9


def _longest_gap_s(want: Want | None, confirm: Confirm) -> float:
    """How long evidence may be absent while a pattern runs: its longest off segment, and time to be read."""
    pauses = [seconds for on, seconds in want.pattern.segments if not on] if want and want.pattern else []
    return max(pauses, default=0.0) + 2 * confirm.within_s
