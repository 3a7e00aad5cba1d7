"""The outbox against a platform, a broker and a network that do whatever they like: nothing may be lost."""

from __future__ import annotations

import time
from collections import defaultdict

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from agent.link.lanes import Way
from agent.link.ledger import Ledger, Marks
from agent.link.outbox import WINDOW, Outbox
from agent.link.ranges import Ranges
from agent.link.settings import UplinkSettings
from agent.records import Lane

SETTINGS = UplinkSettings(site="demo", host="h", port=1, batch_readings=5, batch_s=0.0)


class World(RuleBasedStateMachine):
    journal_class: type

    def __init__(self):
        super().__init__()
        self.now_s = 1000.0
        self.journal = self.journal_class()
        self.ledger = Ledger(None)
        self.saved = {}
        self.outbox = Outbox(self.journal, self.ledger, SETTINGS)
        self.flying = []
        self.platform = defaultdict(Ranges)
        self.connected = False

    # --- what happens

    @rule(lanes=st.lists(st.sampled_from([Lane.ALARM, Lane.EVENT, Lane.PROTECTION]), max_size=30))
    def record(self, lanes):
        for lane in lanes:
            self.journal.write(lane)

    @rule(count=st.integers(1, 12))
    def read(self, count):
        for n in range(count):
            self.journal.read([float(n), 1.5])

    @rule()
    def connect(self):
        if not self.connected:
            self.outbox.look(self.now_s, connected=False)
            self.outbox.connected(self.now_s)
            self.connected = True

    @rule(count=st.integers(1, 40))
    def send(self, count):
        self.outbox.look(self.now_s, connected=self.connected)
        for _ in range(count if self.connected else 0):
            parcel = self.outbox.take(self.now_s, "boot-1", time.monotonic_ns())
            if parcel is None:
                return
            assert parcel.payload
            self.flying.append(parcel)

    @rule(at=st.integers(0, 100), arrives=st.booleans(), reason=st.sampled_from([0, 0, 0, 16, 135, 151]))
    def puback(self, at, arrives, reason):
        if self.flying:
            parcel = self.flying.pop(at % len(self.flying))
            if arrives and reason < 128:
                self.platform[parcel.epoch].add(parcel.first, parcel.last)
            self.outbox.puback(parcel, reason, self.now_s)

    @rule(arrives=st.booleans())
    def cut(self, arrives):
        for parcel in self.flying:
            if arrives:
                self.platform[parcel.epoch].add(parcel.first, parcel.last)
            self.outbox.lost(parcel)
        self.flying, self.connected = [], False

    @rule()
    def acknowledge(self):
        for epoch, have in self.platform.items():
            self.outbox.received(epoch, list(have), self.now_s)

    @rule(first=st.integers(1, 50), more=st.integers(0, 1000))
    def claim_what_was_never_sent(self, first, more):
        newest = len(self.journal.rows)
        self.outbox.received("rec0", [(newest + first, newest + first + more)], self.now_s)

    @rule(passed_s=st.sampled_from([0.5, 5.0, 31.0, 100.0, 4000.0]))
    def wait(self, passed_s):
        self.now_s += passed_s

    @rule(first=st.integers(1, 50), more=st.integers(0, 50), epoch=st.sampled_from(["rec0", "step0", "older"]))
    def ask_again(self, first, more, epoch):
        looked = self.outbox.reopen(epoch, first, first + more)
        assert looked is None or epoch != "older"
        if looked is not None:
            found, upto = looked
            assert upto < first + more + 1
            assert found.highest() <= upto

    @rule()
    def save(self):
        self.saved = {epoch: (list(m.done), list(m.sent)) for epoch, m in self.ledger._marks.items()}

    @rule()
    def kill(self):
        self.ledger = Ledger(None)
        self.ledger._marks = {e: Marks(Ranges(done), Ranges(sent)) for e, (done, sent) in self.saved.items()}
        self.outbox = Outbox(self.journal, self.ledger, SETTINGS)
        self.flying, self.connected = [], False

    # --- what must hold

    @invariant()
    def nothing_counts_as_delivered_that_the_platform_does_not_have(self):
        for epoch, marks in self.ledger._marks.items():
            for first, last in marks.done:
                assert self.platform[epoch].covers(first, last)

    @invariant()
    def the_window_is_kept(self):
        assert len(self.flying) <= WINDOW
        assert sum(p.way is Way.BACKLOG for p in self.flying) <= 1

    def teardown(self):
        """A friendly world: now everything must arrive."""
        self.cut(arrives=False)
        self.now_s += 4000.0  # whatever was set aside is offered again
        for _ in range(10):
            self.connect()
            self.send(200)
            while self.flying:
                while self.flying:
                    self.puback(0, arrives=True, reason=0)
                self.acknowledge()
                self.send(200)
            self.now_s += 40.0
        for epoch, count in (("rec0", len(self.journal.rows)), ("step0", len(self.journal.step_rows))):
            assert self.ledger.marks(epoch).done.upto() == count
            assert self.platform[epoch].upto() == count
        self.now_s += 4000.0  # whatever was set aside has been offered again
        self.outbox.look(self.now_s, connected=True)
        assert self.ledger.dead == []


def test_nothing_is_lost_whatever_happens(paper_journal):
    world = type("WorldHere", (World,), {"journal_class": paper_journal})
    # Not shrunk: that takes minutes, and the steps printed are few.
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            report_multiple_bugs=False,
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )


def test_alarms_come_first_and_the_backlog_last(paper_journal):
    journal = paper_journal()
    outbox = Outbox(journal, Ledger(None), SETTINGS)
    for _ in range(30):
        journal.read([1.0, 2.0])
        journal.write(Lane.EVENT)
    outbox.look(0.0, connected=False)
    outbox.connected(0.0)
    journal.write(Lane.ALARM)
    journal.read([3.0])
    outbox.look(0.0, connected=True)
    taken = []
    while (parcel := outbox.take(0.0, "boot-1", time.monotonic_ns())) is not None:
        taken.append(parcel.way)
    assert taken == sorted(taken)
    assert taken[:2] == [Way.ALARM, Way.LIVE]
    assert taken.count(Way.BACKLOG) == 1


def test_readings_that_waited_too_long_become_backlog(paper_journal):
    journal = paper_journal()
    outbox = Outbox(journal, Ledger(None), SETTINGS)
    outbox.look(0.0, connected=False)
    outbox.connected(0.0)
    journal.read([3.0], stamp=journal.stamp(mono_ns=time.monotonic_ns() - 60_000_000_000))
    outbox.look(0.0, connected=True)
    assert outbox.take(0.0, "boot-1", time.monotonic_ns()).way is Way.BACKLOG


def test_the_backlog_is_rate_limited(paper_journal):
    journal = paper_journal()
    limited = UplinkSettings(site="demo", host="h", port=1, batch_readings=10, backlog_rate=100.0, acknowledge="puback")
    outbox = Outbox(journal, Ledger(None), limited)
    for _ in range(2000):
        journal.read([1.0])
    now_s = 50.0
    outbox.look(now_s, connected=False)
    outbox.connected(now_s)
    sent = 0
    for _ in range(100):  # ten seconds
        while (parcel := outbox.take(now_s, "boot-1", time.monotonic_ns())) is not None:
            sent += parcel.readings
            outbox.puback(parcel, 0, now_s)
        now_s += 0.1
    assert 950 <= sent <= 1150
