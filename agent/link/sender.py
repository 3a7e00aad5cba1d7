"""The link's one loop: connects, sends what the outbox gives, books what the broker and the platform answer.

It alone touches the outbox and the ledger; paho's threads and the guard line only put events on its inbox.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from typing import Any, Literal

from pydantic import ValidationError

from agent.link.asks import AskDesk, Reply
from agent.link.guard import GuardLine
from agent.link.lanes import Parcel
from agent.link.ledger import DeadLetter, Ledger
from agent.link.messages import Received, dump, when
from agent.link.outbox import WINDOW, Outbox
from agent.link.retry import V5, Retry
from agent.link.session import BrokerLimits, Event, Inbox, Incoming, Session
from agent.link.settings import UplinkSettings
from agent.link.source import RECORDS, STEPS, Source, dated
from agent.link.topics import Topic, topic
from agent.records import SCHEMA_VERSION, Stamp

log = logging.getLogger(__name__)

_EVENTS_A_TURN = 200
_SAVE_S = 1.0
_THREADS = 4  # sessions whose threads have not ended (a name that resolves for minutes)
_FAREWELL_S = 2.0
_HEADER_BYTES = 150  # topic and fixed header at their longest

Phase = Literal["idle", "connecting", "up"]


class Link:
    """The uplink of one site. `run` returns after `stop`; everything works without broker, network, clock or guard."""

    def __init__(
        self,
        settings: UplinkSettings,
        source: Source,
        ledger: Ledger,
        *,
        boot_id: str,
        versions: Mapping[str, str],
        guard_socket: Path | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._ledger = ledger
        self._boot_id = boot_id
        self._versions = dict(versions)
        self._alive = alive  # told at each turn of the loop: the watchdog's proof of progress
        self._inbox: Inbox = Inbox()
        self.outbox = Outbox(source, ledger, settings)
        self._guard = GuardLine(guard_socket, self._inbox, lambda: self._state) if guard_socket is not None else None
        self._desk = AskDesk(settings.site, self.outbox, self.state, self._pass_on)
        self._phase: Phase = "idle"
        self._session: Session | None = None
        self._old: list[Session] = []
        self._retry = Retry(settings.version)
        self._opened = False  # the broker's port answered in this attempt
        self._largest: int | None = None  # bytes of a message that the broker takes
        self._window = WINDOW  # messages without PUBACK
        self._flying: dict[int, Parcel | None] = {}  # packet id -> what it carries; None: state, birth, answer
        self._progress_s = 0.0
        self._since_s = time.monotonic()
        self._trouble = "not connected yet"
        self._refusal = ""  # of this attempt; says more than the end that follows it
        self._refused_topics: set[str] = set()
        self._catalogue: dict[str, Any] | None = None
        self._birth = b""
        self._bad_received = 0
        self._acknowledged = 0
        self._next_look_s = self._next_save_s = 0.0
        self._stopping = False
        self._state: dict[str, Any] = {}

    def stop(self) -> None:
        """End soon; may be called from a signal."""
        self._stopping = True

    def run(self) -> None:
        """Send and listen until `stop`."""
        if self._guard is not None:
            self._guard.start()
        self._state = self.state()
        try:
            while not self._stopping:
                self._turn()
            self._farewell()
        finally:
            if self._guard is not None:
                self._guard.stop()
            self._ledger.close()

    # --- one turn

    def _turn(self) -> None:
        behind = not self.outbox.records.caught_up
        self._drain(0.001 if behind else self._settings.poll_s)
        now_s = time.monotonic()
        if behind or now_s >= self._next_look_s:
            self._next_look_s = now_s + self._settings.poll_s
            self.outbox.look(now_s, connected=self._phase == "up")
            self._tend(now_s)
        if self._phase == "up":
            self._pump(now_s)
        if now_s >= self._next_save_s:
            self._next_save_s = now_s + _SAVE_S
            self._ledger.save()
            self._state = self.state()
            if self._phase == "up":
                self._publish_birth()
        self._alive()

    def _drain(self, timeout_s: float) -> None:
        try:
            self._take(self._inbox.get(timeout=timeout_s))
            for _ in range(_EVENTS_A_TURN):
                self._take(self._inbox.get_nowait())
        except Empty:
            return

    def _take(self, event: Event) -> None:
        if event.what == "guard":
            self._answer(self._desk.answered(event.number, event.content))
        elif event.what == "catalogue":
            self._catalogue = event.content if isinstance(event.content, dict) else None
        elif self._session is not None and event.session == self._session.number:
            if event.what == "puback":
                self._on_puback(event)
            elif event.what == "message":
                self._on_message(event.content)
            elif event.what == "connack":
                self._on_connack(event)
            elif event.what == "opened":
                self._opened = True
            elif event.what == "suback":
                self._progress_s = time.monotonic()
                if event.reason >= 128:
                    log.error("the broker refused the subscription to `received` and `ask`: reason %d", event.reason)
                    self._trouble = f"subscription refused: reason {event.reason}"
            else:
                self._on_ended(event.text)

    def _pump(self, now_s: float) -> None:
        session = self._session
        while session is not None and len(self._flying) < self._window:
            parcel = self.outbox.take(now_s, self._boot_id, time.monotonic_ns())
            if parcel is None:
                return
            if self._largest is not None and len(parcel.payload) + _HEADER_BYTES > self._largest:
                self._set_aside(parcel, f"{len(parcel.payload)} bytes, the broker takes {self._largest}")
                continue
            name = topic(self._settings.site, parcel.topic)
            if not self._publish(name, parcel.payload, parcel, retain=parcel.retain):
                return
            if parcel.retain:
                self._ledger.keep("protection", parcel.payload.decode())

    def _set_aside(self, parcel: Parcel, reason: str) -> None:
        log.error("set aside: %s %s %d..%d: %s", parcel.topic, parcel.epoch, parcel.first, parcel.last, reason)
        self.outbox.forget(parcel)
        self._ledger.bury(DeadLetter(parcel.epoch, parcel.first, parcel.last, parcel.topic, reason))

    def _publish(
        self,
        name: str,
        payload: bytes,
        parcel: Parcel | None = None,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
    ) -> bool:
        session = self._session
        packet_id = 0
        if session is not None:
            packet_id = session.publish(name, payload, retain=retain, correlation=correlation)
        if not packet_id:
            if parcel is not None:
                self.outbox.lost(parcel)
            return False
        if not self._flying:
            self._progress_s = time.monotonic()
        self._flying[packet_id] = parcel
        return True

    # --- what came in

    def _on_puback(self, event: Event) -> None:
        now_s = self._progress_s = time.monotonic()
        parcel = self._flying.pop(event.number, None)
        if event.reason >= 128:
            what = parcel.topic if parcel is not None else "state, birth or answer"
            if what not in self._refused_topics:
                self._refused_topics.add(what)
                log.error("the broker refuses %s: %s (%d)", what, event.text, event.reason)
        else:
            self._retry.useful()
            if parcel is not None:
                self._refused_topics.discard(parcel.topic)
        if parcel is not None:
            self.outbox.puback(parcel, event.reason, now_s)

    def _on_message(self, message: Incoming) -> None:
        now_s = time.monotonic()
        if message.topic == topic(self._settings.site, Topic.RECEIVED):
            if message.retain:
                self._bad_received += 1
                return
            try:
                received = Received.model_validate_json(message.payload)
            except ValidationError:
                self._bad_received += 1
                return
            self._acknowledged += self.outbox.received(received.epoch, received.ranges(), now_s)
        elif message.topic == topic(self._settings.site, Topic.ASK):
            self._answer(self._desk.take(message, now_s))

    def _answer(self, reply: Reply | None) -> None:
        if reply is not None and self._phase == "up" and len(self._flying) < self._window:
            self._publish(reply.topic, reply.payload, correlation=reply.correlation)

    def _pass_on(self, number: int, request: dict[str, Any]) -> bool:
        return self._guard is not None and self._guard.ask(number, request)

    # --- the connection

    def _tend(self, now_s: float) -> None:
        self._old = [session for session in self._old if session.alive]
        session = self._session
        if session is None:
            if now_s >= self._retry.next_s and len(self._old) < _THREADS:
                self._connect(now_s)
        elif not session.alive:
            self._on_ended("the network thread ended")
        elif self._phase == "connecting":
            if now_s - self._since_s > self._settings.connect_timeout_s + self._settings.keepalive_s:
                self._give_up("no answer to the connection request")
        elif self._flying and now_s - self._progress_s > 2 * self._settings.keepalive_s:
            self._give_up("nothing acknowledged for two keepalives")

    def _connect(self, now_s: float) -> None:
        settings = self._settings
        number = self._ledger.next_session()
        last_will = dump(
            {"v": SCHEMA_VERSION, "site": settings.site, "state": "offline", "session": number, "reason": "lost"}
        )
        self._session = Session(
            settings, number, self._retry.version, (topic(settings.site, Topic.STATE), last_will), self._inbox
        )
        self._phase, self._since_s, self._opened, self._refusal = "connecting", now_s, False, ""
        self._session.start()

    def _on_connack(self, event: Event) -> None:
        session = self._session
        if session is None:
            return
        if event.reason >= 128:
            self._retry.refused(event.reason)
            self._refusal = f"the broker refused the connection: {event.text} ({event.reason})"
            return
        now_s = time.monotonic()
        self._phase, self._since_s, self._progress_s = "up", now_s, now_s
        self._retry.accepted()
        limits: BrokerLimits = event.content
        self._largest = limits.packet_bytes
        self._window = max(1, min(WINDOW, limits.unacknowledged))
        self._birth = b""
        log.info("connected to %s:%d, session %d", self._settings.host, self._settings.port, session.number)
        self._trouble = ""
        site = self._settings.site
        session.subscribe([topic(site, Topic.RECEIVED), topic(site, Topic.ASK)])
        self._publish_state("online", "connected")
        self._publish_birth()
        protection = self._ledger.kept("protection")
        if protection is not None:
            self._publish(topic(site, Topic.PROTECTION), protection.encode(), retain=True)
        self.outbox.connected(now_s, self._window)
        self._tell_guard()

    def _give_up(self, reason: str) -> None:
        if self._session is not None:
            self._session.drop()
        self._on_ended(reason, cut=True)

    def _on_ended(self, reason: str, *, cut: bool = False) -> None:
        session, self._session = self._session, None
        now_s = time.monotonic()
        held_s = now_s - self._since_s if self._phase == "up" else 0.0
        if session is not None and session.alive:
            self._old.append(session)
        flying, self._flying = self._flying, {}
        for parcel in flying.values():
            if parcel is not None:
                self.outbox.lost(parcel)
        if self._phase == "connecting" and self._opened and not self._refusal and not cut:
            self._retry.hung_up()
        reason = self._retry.ended(now_s, held_s, self._refusal or reason or "the connection ended")
        self._phase, self._since_s = "idle", now_s
        self._say(reason)
        self._tell_guard()

    def _say(self, trouble: str) -> None:
        # One line per change, not one per attempt.
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("uplink to %s:%d: %s", self._settings.host, self._settings.port, trouble)

    def _farewell(self) -> None:
        if self._session is None:
            return
        if self._phase == "up":
            self._publish_state("offline", "closed")
            until_s = time.monotonic() + _FAREWELL_S
            while self._flying and time.monotonic() < until_s and self._session is not None:
                self._drain(0.05)
        if self._session is not None:
            self._session.close()

    # --- what is told of ourselves

    def _now(self) -> Stamp:
        stamp = Stamp(self._boot_id, time.monotonic_ns(), time.time_ns(), "untrusted")
        return dated(stamp, self._source.anchors())

    def _publish_state(self, state: Literal["online", "offline"], reason: str) -> None:
        session = self._session
        if session is None:
            return
        content = {
            "v": SCHEMA_VERSION,
            "site": self._settings.site,
            "state": state,
            "session": session.number,
            "reason": reason,
            **when(self._now()),
        }
        self._publish(topic(self._settings.site, Topic.STATE), dump(content), retain=True)

    def _publish_birth(self) -> None:
        session = self._session
        if session is None:
            return
        anchor = max(
            (a for a in self._source.anchors() if a.boot_id == self._boot_id), key=lambda a: a.mono_ns, default=None
        )
        epochs = {name: epoch for name in (RECORDS, STEPS) if (epoch := self._source.epoch(name)) is not None}
        content = {
            "v": SCHEMA_VERSION,
            "site": self._settings.site,
            "session": session.number,
            "versions": self._versions,
            "epochs": epochs,
            "acknowledge": self._settings.acknowledge,
            "clock": when(anchor) if anchor is not None else None,
            "catalogue": self._catalogue,
        }
        payload = dump(content)
        if payload != self._birth and self._publish(topic(self._settings.site, Topic.BIRTH), payload, retain=True):
            self._birth = payload

    def _tell_guard(self) -> None:
        self._state = self.state()
        if self._guard is not None:
            self._guard.changed()

    def state(self) -> dict[str, Any]:
        """Everything about the link that guard, the console and the platform may want to know. JSON."""
        session = self._session
        return {
            "connected": self._phase == "up",
            "phase": self._phase,
            "since_mono_ns": round(self._since_s * 1e9),
            "session": session.number if session is not None else None,
            "version": "5" if self._retry.version == V5 else "3.1.1",
            "broker": f"{self._settings.host}:{self._settings.port}",
            "trouble": self._trouble,
            "refused_topics": sorted(self._refused_topics),
            "lanes": self.outbox.counts(),
            "sent": self.outbox.sent,
            "acknowledged": self._acknowledged,
            "delivered": self._ledger.delivered(),
            "dead_letters": len(self._ledger.dead),
            "dead": [asdict(letter) for letter in self._ledger.dead[:5]],
            "bad_received": self._bad_received,
            "ignored_asks": self._desk.ignored,
            "dropped_messages": session.dropped if session is not None else 0,
            "ledger": self._ledger.trouble or "ok",
            "damaged": sorted(self._source.damaged)[:20],
        }
