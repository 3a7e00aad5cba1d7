"""Store and forward: which message goes next, what is on its way, when it counts as done. Knows no broker."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from agent.link.lanes import Parcel, RecordLanes, StepLanes, Way
from agent.link.ledger import DeadLetter, Ledger
from agent.link.ranges import Range, Ranges
from agent.link.settings import UplinkSettings
from agent.link.source import Source

log = logging.getLogger(__name__)

# Messages without PUBACK, of a window that paho is fastest with; a broker may allow less. What is no alarm leaves two
# fifths of it free, and of the backlog there is one: on a slow line an alarm waits for no more than that.
WINDOW = 100
_ROOM = {Way.ALARM: 95, Way.LIVE: 5, Way.EVENT: 50, Way.BACKLOG: 1}
# Messages that the broker has and the platform has not acknowledged. Live data never waits: unacknowledged, it
# becomes backlog.
_UNRECEIVED = {Way.ALARM: 10_000, Way.LIVE: 10_000, Way.EVENT: 500, Way.BACKLOG: 200}
# While the platform says nothing, repeats are only a probe: a dead platform must not cost a month's mobile data.
_PROBES = {Way.ALARM: 20, Way.LIVE: 10_000, Way.EVENT: 20, Way.BACKLOG: 1}
_SILENT_AFTER = 2.0  # x resend_s
_TRIES = 5  # refusals by the broker before a message is set aside
_RETRY_S = 1.0  # x tries
_RECONNECTED_S = 5.0  # for the platform to come back and say what it has
_EXHUME_S = 3600.0


@dataclass(slots=True)
class _Waiting:
    parcel: Parcel  # without its payload
    due_s: float


class Outbox:
    """All lanes of one site. `now_s` is monotonic and never decreases."""

    def __init__(self, source: Source, ledger: Ledger, settings: UplinkSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self.records = RecordLanes(source, ledger, settings.site)
        self.steps = StepLanes(
            source, ledger, settings.site, settings.batch_readings, round(settings.live_s * 1_000_000_000)
        )
        self._room = dict(_ROOM)
        self._flying = dict.fromkeys(Way, 0)
        self._waiting: dict[tuple[str, int], _Waiting] = {}
        self._unreceived = dict.fromkeys(Way, 0)
        self._tries: dict[tuple[str, int], int] = {}
        self._next_live_s = 0.0
        self._tokens = settings.backlog_rate  # readings that may go now
        self._tokens_s = 0.0
        self._heard_s = 0.0  # last word of the platform
        self._exhume_s = 0.0
        self.sent = 0  # messages handed over, repeats included
        ledger.exhume()  # a restart may have mended what made the broker refuse

    # --- what goes next

    def look(self, now_s: float, *, connected: bool) -> None:
        """Take note of the journal, of acknowledgements that did not come, and of refused messages that are due."""
        self.records.look()
        self.steps.look(offline=not connected)
        for key in [key for key, waiting in self._waiting.items() if waiting.due_s <= now_s]:
            self._again(self._drop(key).parcel)
        if now_s >= self._exhume_s:
            self._exhume_s = now_s + _EXHUME_S
            for letter in self._ledger.exhume():
                self._tries.pop((letter.epoch, letter.first), None)
                self.reopen(letter.epoch, letter.first, letter.last)

    def connected(self, now_s: float, window: int = WINDOW) -> None:
        """A session began: what is in the journal now is no longer live. `window`: messages that the broker allows."""
        self._room = {way: max(1, room * min(window, WINDOW) // WINDOW) for way, room in _ROOM.items()}
        self.records.connected()
        self.steps.look(offline=True)
        self._heard_s = now_s
        self._next_live_s = now_s
        # The broker may have died with what it had acknowledged: do not wait out the full time.
        for waiting in self._waiting.values():
            waiting.due_s = min(waiting.due_s, now_s + _RECONNECTED_S)

    def take(self, now_s: float, boot_id: str, mono_ns: int) -> Parcel | None:
        """The next message to hand to the broker, None when nothing may go now."""
        for way in Way:
            if self._flying[way] >= self._room[way] or self._unreceived[way] >= _UNRECEIVED[way]:
                continue
            if way >= Way.EVENT and not self.records.caught_up:
                return None  # first find the alarms
            parcel = self._take(way, now_s, boot_id, mono_ns)
            if parcel is not None:
                self._flying[way] += 1
                self.sent += 1
                self._ledger.sent(parcel.epoch, parcel.first, parcel.last)
                return parcel
        return None

    def _take(self, way: Way, now_s: float, boot_id: str, mono_ns: int) -> Parcel | None:
        silent = self._silent(now_s) and self._unreceived[way] + self._flying[way] >= _PROBES[way]
        if way is Way.LIVE:
            if now_s < self._next_live_s:
                return None
            parcel, more = self.steps.take_live(boot_id, mono_ns)
            if not more:
                self._next_live_s = now_s + self._settings.batch_s
            return parcel
        if way is Way.BACKLOG:
            if silent or not self.steps.owed or not self._may_pour(now_s):
                return None
            parcel = self.steps.take_backlog()
            if parcel is not None:
                self._tokens -= parcel.readings
            return parcel
        return self.records.take(way, fresh_only=silent)

    def _may_pour(self, now_s: float) -> bool:
        rate = self._settings.backlog_rate
        if rate <= 0:
            return True
        self._tokens = min(rate, self._tokens + (now_s - self._tokens_s) * rate)
        self._tokens_s = now_s
        return self._tokens > 0

    def _silent(self, now_s: float) -> bool:
        return (
            self._settings.acknowledge == "platform" and now_s - self._heard_s > _SILENT_AFTER * self._settings.resend_s
        )

    # --- what became of it

    def puback(self, parcel: Parcel, reason: int, now_s: float) -> None:
        """The broker answered. Below 128 it has the message; that is delivery only where the site says so."""
        self._flying[parcel.way] -= 1
        key = (parcel.epoch, parcel.first)
        if reason >= 128:
            tries = self._tries[key] = self._tries.get(key, 0) + 1
            if tries < _TRIES:
                self._wait(key, parcel, now_s + _RETRY_S * tries)
                return
            letter = DeadLetter(parcel.epoch, parcel.first, parcel.last, parcel.topic, f"refused with reason {reason}")
            log.error("set aside after %d refusals: %s", tries, letter)
            self._ledger.bury(letter)
            return
        self._tries.pop(key, None)
        if self._settings.acknowledge == "puback":
            self._ledger.done(parcel.epoch, parcel.first, parcel.last)
        elif not self._ledger.marks(parcel.epoch).done.covers(parcel.first, parcel.last):
            self._wait(key, parcel, now_s + self._settings.resend_s)

    def lost(self, parcel: Parcel) -> None:
        """The connection ended before the broker answered."""
        self._flying[parcel.way] -= 1
        self._again(parcel)

    def forget(self, parcel: Parcel) -> None:
        """It was taken and will not be sent: set aside by the caller."""
        self._flying[parcel.way] -= 1

    def received(self, epoch: str, claimed: list[Range], now_s: float) -> int:
        """The platform's acknowledgement. Gives back how many numbers were news."""
        news = self._ledger.confirm(epoch, claimed)
        self._heard_s = now_s
        if news:
            done = self._ledger.marks(epoch).done
            for key in [
                key
                for key, w in self._waiting.items()
                if key[0] == epoch and done.covers(w.parcel.first, w.parcel.last)
            ]:
                self._drop(key)
        return news

    def reopen(self, epoch: str, first: int, last: int) -> tuple[Ranges, int] | None:
        """Send first..last again. Gives back those that exist and how far it looked; None for an epoch not in use."""
        if epoch == self.records.epoch:
            return self.records.reopen(first, last)
        if epoch == self.steps.epoch:
            return self.steps.reopen(first, last)
        return None

    def _wait(self, key: tuple[str, int], parcel: Parcel, due_s: float) -> None:
        if key in self._waiting:
            self._drop(key)
        self._waiting[key] = _Waiting(replace(parcel, payload=b""), due_s)
        self._unreceived[parcel.way] += 1

    def _drop(self, key: tuple[str, int]) -> _Waiting:
        waiting = self._waiting.pop(key)
        self._unreceived[waiting.parcel.way] -= 1
        return waiting

    def _again(self, parcel: Parcel) -> None:
        if parcel.epoch == self.records.epoch:
            self.records.again(parcel.way, parcel.first, parcel.last)
        elif parcel.epoch == self.steps.epoch:
            self.steps.again(parcel.first, parcel.last)
        # Any other epoch belongs to a file that was replaced: nothing is left to read.

    def counts(self) -> dict[str, dict[str, Any]]:
        """Per lane: numbers waiting to be sent, messages without PUBACK, messages without the platform's word."""
        waiting = {
            Way.ALARM: self.records.waiting(Way.ALARM),
            Way.LIVE: 0,
            Way.EVENT: self.records.waiting(Way.EVENT),
            Way.BACKLOG: self.steps.owed.count(),
        }
        return {
            way.name.lower(): {
                "waiting": waiting[way],
                "in_flight": self._flying[way],
                "unreceived": self._unreceived[way],
            }
            for way in Way
        }
