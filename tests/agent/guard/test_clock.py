"""Judgement time never runs backwards; wall time is a label."""

import time

from hypothesis import given
from hypothesis import strategies as st

from agent.guard.clock import Clock, boot_id, kernel_says_synchronised

SECONDS = st.integers(0, 10**9).map(lambda s: s * 10**9)


@given(saved_ns=SECONDS, outage_ns=SECONDS, shift_ns=SECONDS)
def test_within_a_boot_the_outage_counts(saved_ns: int, outage_ns: int, shift_ns: int) -> None:
    before, after = Clock(boot="a", shift_ns=shift_ns), Clock(boot="a")
    after.resume("a", saved_ns, before.judgement_s(saved_ns), saved_ns + outage_ns)
    assert abs(after.judgement_s(saved_ns + outage_ns) - before.judgement_s(saved_ns + outage_ns)) < 1e-3


@given(saved_ns=SECONDS, now_ns=SECONDS, shift_ns=SECONDS)
def test_across_boots_time_goes_on_where_it_stood(saved_ns: int, now_ns: int, shift_ns: int) -> None:
    before, after = Clock(boot="a", shift_ns=shift_ns), Clock(boot="b")
    saved_s = before.judgement_s(saved_ns)
    after.resume("a", saved_ns, saved_s, now_ns)
    assert abs(after.judgement_s(now_ns) - saved_s) < 1e-3
    assert abs(after.mono_s(after.judgement_s(now_ns)) - now_ns / 1e9) < 1e-3


def test_a_stamp_is_of_the_moment_it_speaks_of() -> None:
    clock, mono_ns = Clock(), time.monotonic_ns() - 5 * 10**9
    stamp = clock.stamp(mono_ns)
    assert stamp.boot_id == boot_id()
    assert abs(time.time_ns() - 5 * 10**9 - stamp.wall_ns) < 10**9
    assert stamp.clock == "untrusted", "trusted only after the kernel was asked"


def test_trust_follows_the_kernel() -> None:
    clock = Clock()
    became = clock.look()
    assert (clock.trust == "trusted") == kernel_says_synchronised()
    assert became == (clock.trust == "trusted")
    assert not clock.look(), "told once"
