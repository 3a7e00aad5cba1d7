"""Finds what is to be explained: a record in the journal, or an alarm of a running agent. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

from agent.explain.again import MOVES
from agent.explain.phrases import LEVELS, SENTENCES, WITHHELD
from agent.explain.tell import Teller
from agent.explain.times import dated, iso, local, zone_of
from agent.journal.reader import AlarmRow, JournalReader
from agent.records import Lane, Record, Stamp

LANES = (Lane.ALARM, Lane.EVENT, Lane.PROTECTION)
ACTIVATIONS = ("raised", "rose")


class NotFound(LookupError):  # noqa: N818 - an answer
    """There is no such record; the text says what there is."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record, its number, and its place where it is of an alarm."""

    epoch: str
    seq: int
    record: Record
    row: AlarmRow | None = None


class Desk:
    """The journal of one state directory, open for questions."""

    def __init__(self, state: Path) -> None:
        self.reader = JournalReader(state)
        epoch = self.reader.epoch("records")
        if epoch is None:
            raise NotFound(
                f"{state} has no journal that can be read ({self.reader.error}); name its place with --state"
            )
        self.epoch = epoch
        self._anchors = self.reader.anchors()

    def find(self, event: str) -> Found:
        """The record of a number ("17", "epoch:17"), of an alarm's latest activation, or "last". Raises NotFound."""
        epoch, _, number = event.rpartition(":")
        if number.isdecimal():
            if epoch not in {"", self.epoch}:
                raise NotFound(f"the journal's epoch is {self.epoch}: {epoch} is of another file, which was replaced")
            return self._numbered(int(number))
        row = self.reader.latest(self.epoch, *(("", MOVES) if event == "last" else (event, ACTIVATIONS)))
        if row is None and (fault := self.reader.latest_fault(self.epoch, event)) is not None:
            return Found(self.epoch, *fault)
        if row is None:
            what = "no move of any alarm" if event == "last" else f"no activation of an alarm called {event!r}"
            raise NotFound(f"the journal has {what}; its records are numbered up to {self.reader.newest('records')}")
        return Found(self.epoch, row.seq, row.record, row)

    def _numbered(self, seq: int) -> Found:
        for row in self.reader.alarms(self.epoch, seq - 1, 1):
            if row.seq == seq:
                return Found(self.epoch, seq, row.record, row)
        for number, record in self.reader.records(self.epoch, seq - 1, 1, LANES):
            if number == seq:
                return Found(self.epoch, seq, record)
        newest = self.reader.newest("records")
        raise NotFound(f"the journal has no record {seq} (any more); its newest is {newest}")

    def rows(self) -> Iterator[AlarmRow]:
        """Every record of an alarm, in order."""
        after = 0
        while page := self.reader.alarms(self.epoch, after, 500):
            yield from page
            after = page[-1].seq

    def stamp(self, record: Record) -> Stamp:
        """When it happened, dated later where the clock was not set then."""
        return dated(record.stamp, self._anchors)

    def zone(self, seq: int) -> tzinfo:
        """The site's time zone when a record was made."""
        start = self.reader.start_of(self.epoch, seq)
        return zone_of(start.body.get("timezone") if start else None)

    def explain(self, found: Found, languages: tuple[str, ...]) -> dict[str, Any]:
        """The record as JSON, with what is said of it in each language."""
        stamp, zone, record = self.stamp(found.record), self.zone(found.seq), found.record
        said = {
            language: list(Teller(language, zone).record(found.seq, record.kind, record.body, stamp))
            for language in languages
        }
        return {
            "epoch": found.epoch,
            "seq": found.seq,
            "kind": record.kind,
            "at": iso(stamp.wall_ns, zone),
            "clock": stamp.clock,
            "body": record.body,
            "said": said,
        }

    def last_activation(self, alarm: str, language: str) -> str:
        """One line on when an alarm was last active."""
        row = self.reader.latest(self.epoch, alarm, ACTIVATIONS)
        if row is None:
            return SENTENCES["never-active"][language]
        level = LEVELS.get(row.record.body["level_name"], {}).get(language, row.record.body["level_name"])
        time = local(self.stamp(row.record).wall_ns, self.zone(row.seq))
        return SENTENCES["last-activation"][language].format(time=time, level=level, number=row.seq)


def withheld_now(answer: dict[str, Any], language: str) -> str:
    """Why a running agent does not sound an alarm that is active and withheld."""
    words = WITHHELD.get(answer["withheld"], {}).get(language, answer["withheld"])
    why = ", ".join(word for word in (answer["who"], answer["reason"]) if word)
    return SENTENCES["now"][language].format(words=f"{words} ({why})" if why else words)


def explain_now(answer: dict[str, Any], desk: Desk | None, languages: tuple[str, ...]) -> dict[str, Any]:
    """What a running agent says of an alarm (`explain` on its socket) as JSON, with the words for it."""
    stamp, zone = Stamp(**answer["stamp"]), zone_of(answer["timezone"])
    said = {}
    for language in languages:
        said[language] = list(Teller(language, zone).now(answer, stamp))
        if desk is not None:
            said[language].append("  " + desk.last_activation(answer["alarm"], language))
    return {"at": iso(stamp.wall_ns, zone), "clock": stamp.clock, "now": answer, "said": said}
