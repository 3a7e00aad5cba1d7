"""No sequence of calls, times and restarts exceeds a limit."""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from drivers.api import Limits, Refused
from drivers.limits import Course, Governor, LimitReached

S = 10**9


def governor(max_on_s=180.0, min_off_s=10.0, starts=3) -> Governor:
    return Governor(Limits(max_on_s, min_off_s, starts))


def test_pattern_segments_shorter_than_min_off_are_one_activation():
    held = governor()
    for begin_s in range(0, 180, 12):
        held.on(begin_s * S)
        held.off((begin_s + 6) * S)
    assert held.course.starts_ns == (0,)
    with pytest.raises(LimitReached) as refusal:
        held.on(180 * S)
    assert refusal.value.limit == "max_on"
    assert refusal.value.again_s == 4.0  # off at 174 s, so from 184 s
    assert isinstance(refusal.value, Refused)
    assert "again in 4.0 s" in refusal.value.reason
    held.on(184 * S)
    assert held.deadline_ns == (184 + 180) * S


def test_starts_per_hour_says_when_again():
    held = governor()
    for begin_s in (0, 100, 200):
        held.on(begin_s * S)
        held.off((begin_s + 50) * S)
    with pytest.raises(LimitReached) as refusal:
        held.on(300 * S)
    assert (refusal.value.limit, refusal.value.again_s) == ("max_starts_per_hour", 3300.0)
    held.on(3600 * S)


def test_not_known_to_be_off_is_on():
    held = governor()
    held.on(0)
    with pytest.raises(LimitReached) as refusal:
        held.on(1000 * S)
    assert refusal.value.again_s is None
    assert "once it is off" in refusal.value.reason


@pytest.mark.parametrize("limits", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(ValueError, match="max_on > 0"):
        Governor(Limits(*limits))


def test_restart_in_the_middle_of_an_activation_keeps_its_end():
    held = governor()
    held.on(0)
    after = governor()
    after.off(20 * S)  # written at connect
    after.resume(held.course, 20 * S)
    after.on(21 * S)
    assert after.deadline_ns == 180 * S
    assert after.course.starts_ns == (0,)


def test_restart_after_a_lost_end_waits_for_the_rest():
    held = governor()
    held.on(0)
    after = governor()
    after.off(500 * S)
    after.resume(held.course, 500 * S)
    with pytest.raises(LimitReached) as refusal:
        after.on(501 * S)
    assert refusal.value.again_s == 9.0
    after.on(510 * S)


class Physical(RuleBasedStateMachine):
    """A device that does what is written, and the limits recomputed from what it did."""

    limits = Limits(30.0, 5.0, 3)

    def __init__(self):
        super().__init__()
        self.now_ns = 7 * S
        self.held = Governor(self.limits)
        self.on = False
        self.spans: list[list[int]] = []  # [begin, end] of each time the device was on; end -1: still on

    def _off(self):
        if self.on:
            self.on = False
            self.spans[-1][1] = self.now_ns
        self.held.off(self.now_ns)

    @rule(wait_ms=st.one_of(st.integers(0, 20_000), st.integers(0, 4_000_000)))
    def wait(self, wait_ms):
        target_ns = self.now_ns + wait_ms * 10**6
        deadline_ns = self.held.deadline_ns
        if deadline_ns is not None and deadline_ns <= target_ns:
            self.now_ns = max(self.now_ns, deadline_ns)
            self._off()
        self.now_ns = target_ns

    @rule()
    def want_on(self):
        again_s = 0.0
        try:
            self.held.on(self.now_ns)
        except LimitReached as refusal:
            again_s = refusal.again_s
        if again_s != 0.0:
            assert again_s is None or again_s > 0
        elif not self.on:
            self.on = True
            self.spans.append([self.now_ns, -1])

    @rule()
    def want_off(self):
        self._off()

    @rule(known_off=st.booleans(), twice=st.booleans())
    def restart(self, known_off, twice):
        course = Course(*(tuple(x) if isinstance(x, list) else x for x in json.loads(self._dump())))
        self.held = Governor(self.limits)
        if known_off or not self.on:
            self._off()
        self.held.resume(course, self.now_ns)
        if twice:
            self.held.resume(course, self.now_ns)

    def _dump(self):
        course = self.held.course
        return json.dumps([course.starts_ns, course.begun_ns, course.off_ns])

    @invariant()
    def within_limits(self):
        activations: list[list[int]] = []
        for begin_ns, end_ns in self.spans:
            end = self.now_ns if end_ns < 0 else end_ns
            if activations and begin_ns - activations[-1][1] < self.limits.min_off_s * S:
                activations[-1][1] = end
            else:
                activations.append([begin_ns, end])
        for begin_ns, end_ns in activations:
            assert end_ns - begin_ns <= self.limits.max_on_s * S
        begins = [begin_ns for begin_ns, _ in activations]
        most = self.limits.max_starts_per_hour
        for first, beyond in zip(begins, begins[most:], strict=False):
            assert beyond - first >= 3600 * S


TestPhysical = Physical.TestCase
TestPhysical.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, database=None)
