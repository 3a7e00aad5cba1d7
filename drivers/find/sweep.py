"""Carries out a search: asks in the given order, knows late answers and clashes for what they are. Never writes.

Short waits make a search of 247 unit ids bearable, and slow units are still found: an answer says whose it is, so one
that comes after its time is taken for its sender, and bytes that are no frame make the last few ids be asked again
with patience.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.api import Refused
from drivers.find.order import EVERYBODY, Ask
from drivers.find.port import Answer, Port, Settings
from drivers.overheard import overheard

PATIENCE_S = 1.0  # for ids that are asked again
_LOOK_BACK = 6  # ids that a late answer may be of
_TRIES = 3


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
    found: set[tuple[Settings, int]] = set()
    unclear: set[tuple[Settings, int]] = set()
    recent: deque[Ask] = deque(maxlen=_LOOK_BACK)
    for ask in asks:
        unit_id, settings = ask.request.unit_id, ask.settings
        if (settings, unit_id) in found:
            yield Tried(ask)
            continue
        if recent and recent[-1].settings != settings:
            recent.clear()
        port.tune(settings)
        answer = port.ask(ask.request, ask.wait_s)
        recent.append(ask)
        events = [_answered(ask, answer)] if _is_answer(answer) else _unsound(port, answer, recent)
        for event in events:
            known = found if isinstance(event, Found) else unclear
            place = (event.settings, event.unit_id)
            if place not in known and place not in found:
                known.add(place)
                yield event
        yield Tried(ask)


def _is_answer(answer: Answer) -> bool:
    return answer.pdu is not None or isinstance(answer.error, Refused)


def _answered(ask: Ask, answer: Answer, *, late: bool = False) -> Found:
    refused = answer.error.reason if answer.error else ""
    return Found(ask.request.unit_id, ask.settings, answer.elapsed_s, refused, late)


def _unsound(port: Port, answer: Answer, recent: Iterable[Ask]) -> list[Found | Unclear]:
    """What bytes that are no answer tell. Asking again clears the line, so whoever is there is found in the end."""
    if not answer.raw:
        return []
    asks = list(recent)
    now, before = asks[-1], {ask.request.unit_id: ask for ask in asks[:-1]}
    senders = {frame.unit_id for frame in overheard(answer.raw) if frame.kind == "reply"}
    events: list[Found | Unclear] = []
    told = senders & before.keys()
    for ask in [before[unit_id] for unit_id in told] if told else reversed(asks):
        again = _again(port, ask)
        if _is_answer(again):
            events.append(_answered(ask, again, late=ask is not now))
        elif again.raw:
            events.append(Unclear(ask.request.unit_id, ask.settings, again.raw))
        if events and not told:  # whose bytes they were is clear
            break
    if told and _is_answer(again := _again(port, now)):
        events.append(_answered(now, again))
    return events


def _again(port: Port, ask: Ask) -> Answer:
    port.listen(ask.settings.gap_s * 4)
    for _ in range(1 if ask.request.unit_id in EVERYBODY else _TRIES):
        answer = port.ask(ask.request, PATIENCE_S)
        if _is_answer(answer) or not answer.raw:
            break
    return answer
