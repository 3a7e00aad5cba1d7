"""Topics of one site, built from parts, and which topics an answer may go to. Nothing else makes a topic."""

from __future__ import annotations

import re
from enum import StrEnum

ROOT = "tocsin/v1"

_ID = re.compile(r"[a-z0-9-]{1,64}")
_BELOW_ANSWER = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){0,4}")


class Topic(StrEnum):
    """What follows the site in a topic."""

    STATE = "state"
    BIRTH = "birth"
    ALARM = "alarm"
    READING = "reading"
    EVENT = "event"
    PROTECTION = "protection"
    RECEIVED = "received"
    ANSWER = "answer"
    ASK = "ask"


def topic(site: str, what: Topic) -> str:
    """The full topic. Raises ValueError for a site id that is not made of a-z, 0-9 and "-"."""
    if not _ID.fullmatch(site):
        raise ValueError(f"a site id is 1 to 64 of a-z, 0-9 and '-'; got {site!r}: change `site.id` in the site file")
    return f"{ROOT}/{site}/{what}"


def answer_topic(site: str, wanted: str | None) -> str:
    """Where an answer goes: the asker's wish, or the site's `answer`.

    Raises ValueError unless the wish is `tocsin/v1/<site>/answer` or at most four plain levels below it. Whoever may
    ask needs no signature, so it must not be able to make a gateway publish on another topic of the platform.
    """
    own = topic(site, Topic.ANSWER)
    if wanted is None:
        return own
    if not wanted.startswith(own) or not _BELOW_ANSWER.fullmatch(wanted[len(own) :]):
        raise ValueError(f"answers go to {own} or below it (letters, digits, '.', '_', '~', '-'); got {wanted[:100]!r}")
    return wanted
