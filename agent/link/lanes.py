"""What of the journal still has to go, in which order, as finished messages. Knows no broker, has no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from agent.link.ledger import Ledger
from agent.link.messages import reading_message, record_message
from agent.link.ranges import Range, Ranges
from agent.link.source import RECORDS, STEPS, Source, StepRow, dated, steps_of
from agent.link.topics import Topic
from agent.records import Lane, Record

_PAGE = 500  # rows of the journal at once
_BATCHES = 4  # of steps at once: the journal packs up to some hundred steps into one
_PAGES = 4  # per look: a long backlog is walked through between sends, not before them
_REOPENED = 5000  # numbers that one question may have sent again
_HELD = 2000  # records kept in memory between finding and sending
_OFFSET_NS = 10_000_000  # a batch has one wall time; a step of the wall clock ends it
_STEPS = 500  # in a batch, however few readings they hold
_TOPICS = {Lane.ALARM: Topic.ALARM, Lane.EVENT: Topic.EVENT, Lane.PROTECTION: Topic.PROTECTION}


class Way(IntEnum):
    """The lanes, in order of precedence."""

    ALARM = 0
    LIVE = 1
    EVENT = 2
    BACKLOG = 3


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message and the numbers it carries."""

    way: Way
    epoch: str
    first: int
    last: int
    topic: Topic
    payload: bytes
    retain: bool = False
    readings: int = 0


class RecordLanes:
    """Alarm and event lanes. Alarms are found by walking ahead, so that they overtake whatever waits."""

    def __init__(self, source: Source, ledger: Ledger, site: str) -> None:
        self._source = source
        self._ledger = ledger
        self._site = site
        self.epoch: str | None = None
        self.caught_up = True  # False: there may be alarms that were not found yet
        self._scanned = 0
        self._old = 0  # numbers up to here were there before the connection
        self._fresh: dict[Way, deque[int]] = {Way.ALARM: deque(), Way.EVENT: deque()}
        self._again: dict[Way, deque[int]] = {Way.ALARM: deque(), Way.EVENT: deque()}
        self._held: dict[int, Record] = {}
        self._holes: dict[int, Range] = {}  # number -> numbers before it that do not exist, told with it
        self._newest_protection = 0

    def look(self) -> None:
        """Take note of what the journal has now."""
        epoch = self._source.epoch(RECORDS)
        if epoch is None:
            return
        if epoch != self.epoch:
            self._begin(epoch)
        done = self._ledger.marks(epoch).done
        for _ in range(_PAGES):
            rows = self._source.records(epoch, self._scanned, _PAGE)
            for seq, record in rows:
                if seq > self._scanned + 1:  # pruned, or never committed
                    self._ledger.done(epoch, self._scanned + 1, seq - 1)
                    self._holes[seq] = (self._scanned + 1, seq - 1)
                self._scanned = seq
                if record.lane is Lane.PROTECTION:
                    self._newest_protection = seq
                if seq not in done:
                    self._fresh[_way(record)].append(seq)
                    self._hold(seq, record)
            if len(rows) < _PAGE:
                self.caught_up = True
                return
        self.caught_up = False

    def connected(self) -> None:
        """From now on, what is already there counts as replay."""
        self._old = self._scanned

    def waiting(self, way: Way) -> int:
        """Records known and not sent."""
        return len(self._fresh[way]) + len(self._again[way])

    def again(self, way: Way, first: int, last: int) -> None:
        """Send these once more, after all fresh ones."""
        self._again[way].extend(range(first, last + 1))

    def reopen(self, first: int, last: int) -> tuple[Ranges, int]:
        """Send first..last again although they may be done, so many at once as is fair.

        Gives back those that exist, and the number up to which this was looked into.
        """
        found, at = Ranges(), first - 1
        if self.epoch is None:
            return found, at
        last = min(last, self._source.newest(RECORDS))
        while at < last and found.count() < _REOPENED:
            rows = self._source.records(self.epoch, at, _PAGE)
            if not rows:  # can't be read just now
                break
            for seq, record in rows:
                if seq <= last:
                    found.add(seq, seq)
                    self._again[_way(record)].append(seq)
            at = min(rows[-1][0], last)
        for begin, end in found:
            self._ledger.reopen(self.epoch, begin, end)
        return found, at

    def take(self, way: Way, *, fresh_only: bool = False) -> Parcel | None:
        """The next message of a lane; None when there is none now."""
        epoch = self.epoch
        if epoch is None:
            return None
        marks = self._ledger.marks(epoch)
        for queue in (self._fresh[way],) if fresh_only else (self._fresh[way], self._again[way]):
            while queue:
                seq = queue[0]
                if seq in marks.done:
                    queue.popleft()
                    continue
                record = self._fetch(epoch, seq)
                if record is None:
                    if seq in marks.done:
                        continue
                    return None  # the journal can't be read just now
                queue.popleft()
                return self._parcel(way, epoch, seq, record, replay=seq <= self._old or seq in marks.sent)
        return None

    def _parcel(self, way: Way, epoch: str, seq: int, record: Record, *, replay: bool) -> Parcel:
        stamp = dated(record.stamp, self._source.anchors() if record.stamp.clock != "trusted" else ())
        payload = record_message(self._site, epoch, seq, record, stamp, replay=replay, absent=self._holes.get(seq))
        # An old coverage map, sent again, must not replace the newest one at the broker.
        retain = record.lane is Lane.PROTECTION and seq == self._newest_protection
        return Parcel(way, epoch, seq, seq, _TOPICS[record.lane], payload, retain)

    def _begin(self, epoch: str) -> None:
        self.epoch = epoch
        self._scanned = self._old = self._ledger.marks(epoch).done.upto()
        self._newest_protection = 0
        self._held.clear()
        self._holes.clear()
        for queue in (*self._fresh.values(), *self._again.values()):
            queue.clear()

    def _hold(self, seq: int, record: Record) -> None:
        if len(self._held) < _HELD:
            self._held[seq] = record

    def _fetch(self, epoch: str, seq: int) -> Record | None:
        if seq in self._held:
            return self._held.pop(seq)
        rows = self._source.records(epoch, seq - 1, _PAGE // 4)
        if len(self._held) > _HELD - _PAGE:
            self._held.clear()
        for number, record in rows:
            self._hold(number, record)
        if rows and rows[0][0] > seq:
            self._ledger.done(epoch, seq, rows[0][0] - 1)  # pruned since it was seen
        return self._held.pop(seq, None)


def _way(record: Record) -> Way:
    return Way.ALARM if record.lane is Lane.ALARM else Way.EVENT


class StepLanes:
    """Live readings and the backlog. What was there before the connection is backlog; so is what waits too long."""

    def __init__(self, source: Source, ledger: Ledger, site: str, batch_readings: int, live_ns: int) -> None:
        self._source = source
        self._ledger = ledger
        self._site = site
        self._batch = batch_readings
        self._live_ns = live_ns
        self.epoch: str | None = None
        self._live_after = 0
        self.owed = Ranges()  # the backlog: numbers to send, whether or not they still exist
        self._page: deque[StepRow] = deque()

    def look(self, *, offline: bool) -> None:
        """Take note of a new file; while offline, of what becomes backlog."""
        epoch = self._source.epoch(STEPS)
        if epoch is None:
            return
        if epoch != self.epoch:
            self.epoch = epoch
            self._page.clear()
            self.owed.clear()
            self._live_after = 0
            self._to_backlog(epoch)
        elif offline:
            self._to_backlog(epoch)

    def again(self, first: int, last: int) -> None:
        """Send these once more, on the backlog lane."""
        self.owed.add(first, last)
        if self._page and first <= self._page[-1].seq:
            self._page.clear()

    def reopen(self, first: int, last: int) -> tuple[Ranges, int]:
        """As `RecordLanes.reopen`."""
        found, at = Ranges(), first - 1
        if self.epoch is None:
            return found, at
        last = min(last, self._source.newest(STEPS))
        while at < last and found.count() < _REOPENED:
            batches = self._source.batches(self.epoch, at, _BATCHES)
            if not batches:
                break
            for batch in batches:
                found.add(max(first, batch.first_seq), min(last, batch.seq))
            at = min(batches[-1].seq, last)
        for begin, end in found:
            self._ledger.reopen(self.epoch, begin, end)
            self.again(begin, end)
        return found, at

    def take_live(self, boot_id: str, mono_ns: int) -> tuple[Parcel | None, bool]:
        """The next live batch, and whether more waits behind it. Readings that waited too long join the backlog."""
        epoch = self.epoch
        if epoch is None:
            return None, False
        rows = self._read(epoch, self._live_after)
        if not rows:
            return None, False
        stamp = rows[0].stamp
        if stamp.boot_id == boot_id and mono_ns - stamp.mono_ns > self._live_ns:
            self._to_backlog(epoch)
            return None, False
        batch = self._batch_of(rows)
        first, self._live_after = self._live_after + 1, batch[-1].seq
        return self._parcel(Way.LIVE, epoch, batch, first), len(batch) < len(rows)

    def take_backlog(self) -> Parcel | None:
        """The oldest batch that is owed."""
        epoch = self.epoch
        while epoch is not None and (run := self.owed.lowest()) is not None:
            first, last = run
            holes = self._ledger.marks(epoch).done.missing(first, last)
            if not holes or holes[0][0] > first:  # acknowledged meanwhile
                self.owed.remove(first, holes[0][0] - 1 if holes else last)
                continue
            last = holes[0][1]
            while self._page and self._page[0].seq < first:
                self._page.popleft()
            if not self._page or self._page[0].seq > last:
                self._page = deque(self._read(epoch, first - 1))
            if not self._page:
                return None  # the journal can't be read just now
            if self._page[0].seq > last:  # pruned
                self._ledger.done(epoch, first, last)
                continue
            batch = self._batch_of([row for row, _ in zip(self._page, range(_STEPS), strict=False) if row.seq <= last])
            self.owed.remove(first, batch[-1].seq)
            return self._parcel(Way.BACKLOG, epoch, batch, first)
        return None

    def _to_backlog(self, epoch: str) -> None:
        newest = self._source.newest(STEPS)
        for first, last in self._ledger.marks(epoch).done.missing(self._live_after + 1, newest):
            self.owed.add(first, last)
        self._live_after = max(self._live_after, newest)

    def _read(self, epoch: str, after_seq: int) -> list[StepRow]:
        return [row for batch in self._source.batches(epoch, after_seq, _BATCHES) for row in steps_of(batch, after_seq)]

    def _batch_of(self, rows: Sequence[StepRow]) -> Sequence[StepRow]:
        # As many from the front as fit one message: one boot, one catalogue, one offset of the wall clock.
        stamp, points = rows[0].stamp, rows[0].points
        offset_ns = stamp.wall_ns - stamp.mono_ns
        readings = 0
        for count, row in enumerate(rows):
            at = row.stamp
            readings += len(row.columns)
            if count and (
                readings > self._batch
                or count == _STEPS
                or at.boot_id != stamp.boot_id
                or at.clock != stamp.clock
                or abs(at.wall_ns - at.mono_ns - offset_ns) > _OFFSET_NS
                or row.points != points
            ):
                return rows[:count]
        return rows

    def _parcel(self, way: Way, epoch: str, batch: Sequence[StepRow], first: int) -> Parcel:
        # Numbers before the first step that do not exist are told with it, so that no platform has to ask for them.
        last = batch[-1].seq
        absent: list[Range] = []
        if last - first + 1 != len(batch):
            absent = Ranges((row.seq, row.seq) for row in batch).missing(first, last)
        stamp = batch[0].stamp
        stamp = dated(stamp, self._source.anchors() if stamp.clock != "trusted" else ())
        payload = reading_message(
            self._site, (epoch, first, last), batch, stamp, replay=way is Way.BACKLOG, absent=absent
        )
        readings = sum(len(row.columns) for row in batch)
        return Parcel(way, epoch, first, last, Topic.READING, payload, readings=readings)
