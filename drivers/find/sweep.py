"""Carries out a search: asks in the given order, knows late answers and clashes for what they are. Never writes.

Short waits make a search of 247 unit ids bearable, and slow units are still found: an answer says whose it is, so one
that comes after its time is taken for its sender, and bytes that are no frame make the last few ids be asked again
with patience.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drivers.api import Refused
from drivers.find.order import EVERYBODY, Ask
from drivers.find.port import Answer, Port, Settings
from drivers.overheard import overheard

PATIENCE_S = 1.0  # for ids that are asked again
_LOOK_BACK = 6  # ids that a late answer may be of
_TRIES = 3
_LINGER_S = 0.3  # for late answers to the last asks at one speed


@dataclass(frozen=True, slots=True)
class Tried:
    """An ask is over; for progress."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Found:
    """A unit that answered."""

    unit_id: int
    settings: Settings
    elapsed_s: float
    refused: str = ""  # how it refused, where it did
    late: bool = False  # it takes longer than the search waits

    @property
    def key(self) -> tuple[Settings, int]:
        """What makes it one unit of its own."""
        return self.settings, self.unit_id


@dataclass(frozen=True, slots=True)
class Unclear:
    """Something answers, but never a sound frame: two units with one id, another speed, noise."""

    unit_id: int
    settings: Settings
    raw: bytes


Event = Tried | Found | Unclear


def search(port: Port, asks: Iterable[Ask]) -> Iterator[Event]:
    """Everything that the asks bring, as it comes. Raises NotPresent when the port is not there (any more)."""
    known: set[tuple[type, Settings, int]] = set()

    def news(events: Iterable[Found | Unclear]) -> Iterator[Event]:
        for event in events:
            places = [(kind, event.settings, event.unit_id) for kind in (Found, type(event))]
            if not known.intersection(places):
                known.add(places[-1])
                yield event

    recent: deque[Ask] = deque(maxlen=_LOOK_BACK)
    for ask in asks:
        if recent and recent[-1].settings != ask.settings:
            yield from news(_last(port, recent))
            recent.clear()
        if (Found, ask.settings, ask.request.unit_id) not in known:
            port.tune(ask.settings)
            recent.append(ask)
            yield from news(_told(port, port.ask(ask.request, ask.wait_s), recent))
        yield Tried(ask)
    if recent:
        yield from news(_last(port, recent))


def _is_answer(answer: Answer) -> bool:
    return answer.pdu is not None or isinstance(answer.error, Refused)


def _found(ask: Ask, answer: Answer, *, late: bool = False) -> Found:
    refused = answer.error.reason if answer.error else ""
    return Found(ask.request.unit_id, ask.settings, answer.elapsed_s, refused, late)


def _told(port: Port, answer: Answer, recent: Sequence[Ask]) -> list[Found | Unclear]:
    """What an answer tells of the unit that was asked, and bytes that are none of it of others."""
    answered = _is_answer(answer)
    events: list[Found | Unclear] = [_found(recent[-1], answer)] if answered else []
    stray = answer.before + (b"" if answered else answer.raw)
    if not stray:
        return events
    asks = list(recent)[:-1] if answered else list(recent)
    return events + _strays(port, stray, asks, None if answered else asks[-1])


def _last(port: Port, recent: Sequence[Ask]) -> list[Found | Unclear]:
    """What comes after the last ask at these settings."""
    stray = b"".join(piece.data for piece in port.listen(_LINGER_S))
    return _strays(port, stray, list(recent), None) if stray else []


def _strays(port: Port, stray: bytes, asks: Sequence[Ask], now: Ask | None) -> list[Found | Unclear]:
    """Whose bytes these are. Asking again clears the line, so whoever is there is found in the end.

    `now` is who was asked last and is still owed an answer.
    """
    by_id = {ask.request.unit_id: ask for ask in asks if ask is not now}
    senders = by_id.keys() & {frame.unit_id for frame in overheard(stray) if frame.kind == "reply"}
    events: list[Found | Unclear] = []
    for ask in [by_id[unit_id] for unit_id in senders] if senders else reversed(asks):
        again = _again(port, ask)
        if _is_answer(again):
            events.append(_found(ask, again, late=ask is not now))
        elif again.raw:
            events.append(Unclear(ask.request.unit_id, ask.settings, again.raw))
        if events and not senders:  # whose bytes they were is clear
            break
    if senders and now is not None and _is_answer(again := _again(port, now)):
        events.append(_found(now, again))
    return events


def _again(port: Port, ask: Ask) -> Answer:
    port.listen(ask.settings.gap_s * 4)
    for _ in range(1 if ask.request.unit_id in EVERYBODY else _TRIES):
        answer = port.ask(ask.request, PATIENCE_S)
        if _is_answer(answer) or not answer.raw:
            break
    return answer
