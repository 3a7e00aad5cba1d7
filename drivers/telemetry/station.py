"""One reporting station as an instrument: what is new since the last poll, and what of it may pass as of now."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.api import Kind, NotPresent, Quality, Reading
from drivers.telemetry.inlet import Inlet, now
from drivers.telemetry.report import Report, Value

CLOCKS_APART = timedelta(minutes=10)  # more, and the station's clock or ours is doubtful
_MAX_ON = 10_000  # systems and components that are remembered in one state
_MAX_WAITING = 256  # reports that no poll has fetched; the oldest go first


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a point takes from reports."""

    key: str  # of `report.Value`
    kind: Kind = Kind.GAUGE
    bit: int | None = None  # of a value made of bits
    mean_over: str = ""  # "minute": the station averages, so the value is not quite of now


class Station:
    """A station's device. Each poll gives one report's readings, in the order they came; none: nothing new."""

    wait_s = 2.0  # a poll waits that long for a report: with a period of at most that, no report waits for a poll

    def __init__(
        self,
        name: str,
        wanted: Mapping[str, Wanted],
        *,
        silent_after_s: float,
        late_after_s: float,
        password: str | None = None,
    ) -> None:
        self.name = name
        self.history = 0  # values that were not of now
        self.repeats = 0  # reports that came again
        self.overflows = 0  # reports that no poll fetched in time
        self._wanted = wanted
        self._silent_after_s = silent_after_s
        self._late_after = timedelta(seconds=late_after_s)
        self._password = password
        self._waiting: deque[list[Reading]] = deque()
        self._arrived = asyncio.Event()
        self._heard_s = time.monotonic()
        self._newest: dict[str, tuple[datetime, float]] = {}  # point -> time of its newest value, when it came
        self._identities: deque[tuple[object, ...]] = deque(maxlen=16)
        self._inlet: Inlet | None = None
        self._station = ""
        self._question: Callable[[datetime], bytes] | None = None
        self._every_s = self._next_question_s = math.inf

    def join(
        self, inlet: Inlet, station: str, question: Callable[[datetime], bytes] | None, every_s: float | None
    ) -> None:
        """Begin to be the device of `station`; `question` is asked every so often."""
        self._inlet, self._station, self._question = inlet, station, question
        if every_s is not None:
            self._every_s, self._next_question_s = every_s, time.monotonic()

    async def poll(self) -> Sequence[Reading]:
        """The oldest report that is waiting, else the next one; after `wait_s` without one, none.

        Raises NotPresent while port or socket can't be opened, and once the station was silent for too long.
        """
        self._ask()
        if not self._waiting:
            if self._inlet and self._inlet.reason:
                raise NotPresent(f"{self._inlet.endpoint.where}: {self._inlet.reason}")
            left_s = self._heard_s + self._silent_after_s - time.monotonic()
            if left_s < 0:
                raise NotPresent(self._silence())
            self._arrived.clear()
            try:
                async with asyncio.timeout(min(self.wait_s, left_s)):
                    await self._arrived.wait()
            except TimeoutError:
                return ()
        return self._waiting.popleft()

    def _silence(self) -> str:
        # In the same words each time, so that it is recorded once.
        told = f"nothing heard of station {self._station} for {self._silent_after_s:g} s"
        trouble = self._inlet.trouble if self._inlet else ""
        return f"{told}; {trouble}" if trouble else told

    def _ask(self) -> None:
        now_s = time.monotonic()
        if self._question and self._inlet and now_s >= self._next_question_s:
            asked = self._inlet.send(self._station, self._question(now()))
            self._next_question_s = now_s + (self._every_s if asked else 1.0)

    # -- `inlet.Listener` ---------------------------------------------------------------------------------------

    def accepts(self, report: Report) -> str:
        """Empty, or that the password is wrong."""
        wrong = self._password is not None and report.password is not None and report.password != self._password
        return "its password is wrong" if wrong else ""

    def heard(self, report: Report, mono_ns: int) -> None:
        """Take a report; repeats are answered, but their readings are not taken twice."""
        if report.spoiled:
            return
        self._heard_s = mono_ns / 1e9
        if report.identity is not None:
            if report.identity in self._identities:
                self.repeats += 1
                return
            self._identities.append(report.identity)
        doubt = _doubt(report)
        values = _newest(self.values_of(report))
        readings = []
        for point, wanted in self._wanted.items():
            value = values.get(wanted.key)
            if value is None:
                continue
            if self._is_history(point, wanted, value, report):
                self.history += 1
            else:
                readings.append(_reading(point, wanted, value, doubt, mono_ns))
        if readings:
            if len(self._waiting) >= _MAX_WAITING:
                self._waiting.popleft()
                self.overflows += 1
            self._waiting.append(readings)
            self._arrived.set()

    def values_of(self, report: Report) -> Sequence[Value]:
        """What the report says; a place for what only several reports together say."""
        return report.values

    def _is_history(self, point: str, wanted: Wanted, value: Value, report: Report) -> bool:
        """Whether the value is of another time than now: sent again or sent late, maybe after hours without a network.

        Only the station's own clock is asked, so a wrong clock, ours or its own, hides nothing. After a silence what
        comes first counts: a clock that was put back must not make a station mute.
        """
        if value.observed is None:
            return False
        if report.sent is not None and report.sent - value.observed > self._late_after:
            return True
        newest, came_s = self._newest.get(point, (value.observed, self._heard_s))
        fresh = self._heard_s - came_s <= self._silent_after_s
        again = wanted.kind is Kind.INCREMENT and point in self._newest and value.observed == newest
        if fresh and (value.observed < newest or again):
            return True
        self._newest[point] = value.observed, self._heard_s
        return False


def _newest(values: Sequence[Value]) -> dict[str, Value]:
    """By key, the newest by its time; without times the last word counts."""
    newest: dict[str, Value] = {}
    for value in values:
        before = newest.get(value.key, value).observed
        if before is None or value.observed is None or value.observed >= before:
            newest[value.key] = value
    return newest


def _doubt(report: Report) -> str:
    if report.sent is None:
        return ""
    apart = report.sent - now()
    if abs(apart) <= CLOCKS_APART:
        return ""
    behind = "behind" if apart < timedelta(0) else "ahead of"
    return f"the station's clock is {_about(abs(apart))} {behind} this gateway's"


def _about(apart: timedelta) -> str:
    hours = apart / timedelta(hours=1)
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _reading(point: str, wanted: Wanted, value: Value, doubt: str, mono_ns: int) -> Reading:
    number, quality, reason = value.value, value.quality, value.reason
    if wanted.bit is not None and math.isfinite(number):
        number = float(int(number) >> wanted.bit & 1)
    if quality is Quality.GOOD and (wanted.mean_over or doubt):
        quality, reason = Quality.UNCERTAIN, doubt or f"the mean of the last {wanted.mean_over}"
    return Reading(point, number, quality, mono_ns, reason)


class FirePanel(Station):
    """A transmission device with its panels: also says whether anything behind it is in a state.

    Fire is on as long as a system or one of its components says so. A system that says it has none, or was reset,
    takes back what its components said.
    """

    def __init__(
        self,
        name: str,
        wanted: Mapping[str, Wanted],
        *,
        silent_after_s: float,
        late_after_s: float,
        password: str | None = None,
    ) -> None:
        super().__init__(
            name, wanted, silent_after_s=silent_after_s, late_after_s=late_after_s, password=password
        )  # fmt: skip
        self._on: dict[str, set[tuple[str, str]]] = {}  # state -> (system, component or "") that are in it

    def values_of(self, report: Report) -> Sequence[Value]:
        """What the report says, and for each state it touches "any:STATE"."""
        touched: dict[str, Value] = {}
        for value in report.values:
            match value.key.split(":"):
                case ["system", system, state]:
                    self._said(state, system, "", value)
                    touched[state] = value
                case ["component", system, component, state]:
                    self._said(state, system, component, value)
                    touched[state] = value
                case ["operation", system, "reset"] if system != "device":
                    for state in self._on:
                        self._take_back(state, system)
                        touched[state] = value
        extra = [
            Value(f"any:{state}", float(bool(self._on.get(state))), value.quality, value.reason)
            for state, value in touched.items()
        ]
        return [*report.values, *extra]

    def _said(self, state: str, system: str, component: str, value: Value) -> None:
        who = self._on.setdefault(state, set())
        if value.value > 0:
            if len(who) < _MAX_ON:
                who.add((system, component))
        elif component:
            who.discard((system, component))
        else:
            self._take_back(state, system)

    def _take_back(self, state: str, system: str) -> None:
        self._on[state] = {other for other in self._on[state] if other[0] != system}
