"""A limited switch keeps its limits on a device whose writes fail, lie and hang, and whatever its caller does."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.api import DriverError, Limits, NotPresent, Refused, Timeout
from drivers.limits import RETRY_S, WRITE_S, LimitedSwitch, LimitedVoice, LimitReached, limited

LIMITS = Limits(max_on_s=30.0, min_off_s=5.0, max_starts_per_hour=3)


class Relay:
    """What a relay on a bad line does: each write takes the next mood."""

    name = "siren"
    refresh_s = None

    def __init__(self, moods=()):
        self.moods = list(moods)
        self.on = False
        self.writes: list[tuple[float, bool, str]] = []  # time, state, how it went
        self.carried: list[tuple[float, bool, bool]] = []  # time, state, and whether the caller was told

    async def set(self, *, on):
        mood = self.moods.pop(0) if self.moods else "ok"
        now_s = asyncio.get_running_loop().time()
        self.writes.append((now_s, on, mood))
        if mood in ("ok", "reply lost", "hangs after", "obeyed, then absent"):
            self.on = on
            self.carried.append((now_s, on, mood == "ok"))
        if mood.startswith("hangs"):
            await asyncio.Event().wait()
        if mood.endswith("absent"):
            raise NotPresent("no port")
        if mood == "refused":
            raise Refused("exception 2")
        if mood in ("lost", "reply lost"):
            await asyncio.sleep(0.5)
            raise Timeout("no answer")

    async def read_back(self):
        return self.on


MOODS = st.sampled_from(
    ["ok", "ok", "ok", "lost", "reply lost", "absent", "obeyed, then absent", "refused", "hangs before", "hangs after"]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("on"), st.just(0.0)),
        st.tuples(st.just("off"), st.just(0.0)),
        st.tuples(st.just("wait"), st.floats(0.01, 60.0)),
        st.tuples(st.just("wait"), st.floats(60.0, 2000.0)),
        st.tuples(st.just("cancelled on"), st.floats(0.001, 6.0)),
        st.tuples(st.just("cancelled off"), st.floats(0.001, 6.0)),
        st.tuples(st.just("restart"), st.just(0.0)),
    ),
    max_size=40,
)


async def drive(relay, steps):
    held = LimitedSwitch(relay, LIMITS)
    for step, seconds in steps:
        on = step.endswith("on")
        try:
            if step in ("on", "off"):
                await held.set(on=on)
            elif step == "wait":
                await asyncio.sleep(seconds)
            elif step == "restart":
                history = json.loads(json.dumps(held.history()))
                held._disarm()
                if held._forcing is not None:
                    held._forcing.cancel()
                    await asyncio.wait([held._forcing])
                held._disarm()
                held = LimitedSwitch(relay, LIMITS)
                held.resume(history)
            else:
                async with asyncio.timeout(seconds):
                    await held.set(on=on)
        except (Timeout, NotPresent, Refused, TimeoutError):
            pass
    relay.moods = []
    await asyncio.sleep(LIMITS.max_on_s + WRITE_S + RETRY_S + 1)
    await held.close()


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moods=st.lists(MOODS, max_size=40), steps=STEPS)
def test_limits_hold_on_a_bad_line(jumping_loop, moods, steps):
    relay = Relay(moods)
    jumping_loop().run_on_own_clock(drive(relay, steps))
    assert not relay.on

    # Activations as the limits mean them: ended by an off that was confirmed and lasted.
    activations: list[list[float]] = []
    rested_since = None
    for time_s, on, told in relay.carried:
        if not on:
            if told and rested_since is None:
                rested_since = time_s
            continue
        if not activations or (rested_since is not None and time_s - rested_since >= LIMITS.min_off_s - 1e-6):
            activations.append([time_s, time_s])
        activations[-1][1] = time_s
        rested_since = None
    for begin_s, last_on_s in activations:
        assert last_on_s - begin_s <= LIMITS.max_on_s + 1e-6
    begins = [begin_s for begin_s, _ in activations]
    for first, beyond in zip(begins, begins[LIMITS.max_starts_per_hour :], strict=False):
        assert beyond - first >= 3600 - 1e-6

    # Whatever is on at max_on is written off then, and again until it is confirmed.
    for index, (time_s, on, _) in enumerate(relay.carried):
        if on:
            begin_s = max(begin_s for begin_s in begins if begin_s <= time_s)
            end_s = next(time_s for time_s, on, _ in relay.carried[index:] if not on)
            failed = sum(1 for at_s, on, mood in relay.writes if not on and mood != "ok" and time_s <= at_s <= end_s)
            assert end_s <= begin_s + LIMITS.max_on_s + failed * (2 * WRITE_S + RETRY_S) + WRITE_S + 0.1


def test_forced_off_needs_no_caller(jumping_loop):
    async def main():
        relay = Relay()
        held = LimitedSwitch(relay, LIMITS)
        kept = []
        held.changed = lambda: kept.append(held.history())
        await held.set(on=True)
        await asyncio.sleep(29.9)
        assert relay.on
        await asyncio.sleep(0.2)
        assert not relay.on
        assert held.forced_offs == 1
        assert [entry["off_ns"] is None for entry in kept] == [True, False]
        with pytest.raises(LimitReached, match=r"max_on.*again in 4\.9 s"):
            await held.set(on=True)
        await held.close()

    jumping_loop().run_on_own_clock(main())


def test_hanging_on_write_does_not_delay_the_off(jumping_loop):
    async def main():
        relay = Relay(["ok", "hangs after"])
        held = LimitedSwitch(relay, LIMITS)
        await held.set(on=True)
        await asyncio.sleep(29)
        with pytest.raises(Timeout):
            await held.set(on=True)
        await asyncio.sleep(0.01)
        assert not relay.on
        on_at_s, off_at_s = relay.writes[0][0], relay.writes[-1][0]
        assert off_at_s - on_at_s == pytest.approx(30, abs=0.05)
        await held.close()

    jumping_loop().run_on_own_clock(main())


def test_off_is_retried_until_written(jumping_loop):
    async def main():
        relay = Relay(["ok", *["lost"] * 10])
        held = LimitedSwitch(relay, LIMITS)
        await held.set(on=True)
        await asyncio.sleep(30 + 9 * (0.5 + RETRY_S))
        assert relay.on
        await asyncio.sleep(2 * (0.5 + RETRY_S))
        assert not relay.on
        await held.close()

    jumping_loop().run_on_own_clock(main())


def test_dead_line_for_hours_uses_one_start_and_none_when_refused(jumping_loop):
    async def main():
        for mood, starts, error in (
            ("lost", 1, Timeout),
            ("absent", 1, (NotPresent, Timeout)),
            ("refused", 0, Refused),
        ):
            relay = Relay([mood] * 20_000)
            held = LimitedSwitch(relay, LIMITS)
            for _ in range(3000):
                with pytest.raises(error, match=r"no answer|no port|exception 2"):  # never only a limit
                    await held.set(on=True)
                await asyncio.sleep(1)
            assert len(held.history()["starts_ns"]) == starts
            relay.moods = []
            async with asyncio.timeout(LIMITS.min_off_s + 2 * RETRY_S):  # the line is back: it sounds soon
                while not relay.on:
                    try:
                        await held.set(on=True)
                    except DriverError:
                        await asyncio.sleep(0.5)
            await held.close()

    jumping_loop().run_on_own_clock(main())


def test_a_port_that_goes_after_the_device_obeyed_does_not_lift_max_on(jumping_loop):
    async def main():
        relay = Relay(["obeyed, then absent", *["absent"] * 20])
        held = LimitedSwitch(relay, LIMITS)
        with pytest.raises(NotPresent):
            await held.set(on=True)
        await asyncio.sleep(29)
        assert relay.on
        await asyncio.sleep(25)  # nobody calls; the line comes back
        assert not relay.on
        await held.close()

    jumping_loop().run_on_own_clock(main())


def test_connection_is_off_at_both_ends_and_survives_an_absent_line(jumping_loop):
    async def main():
        relay = Relay()
        relay.on = True
        async with limited(relay, LIMITS) as held:
            assert not relay.on
            await held.set(on=True)
            assert await held.read_back() is True
        assert not relay.on
        async with limited(Relay(["absent"]), LIMITS) as held:
            await held.set(on=True)

    jumping_loop().run_on_own_clock(main())


def test_what_is_moved_can_be_kept_over_a_restart_and_for_ever(jumping_loop):
    async def main():
        barrier = Relay()
        limits = Limits(math.inf, 0.0, 60, keep=True)
        async with limited(barrier, limits) as held:
            await held.set(on=True)
            await asyncio.sleep(30 * 86_400)
            history = held.history()
        async with limited(barrier, limits) as held:
            held.resume(history)
            await asyncio.sleep(86_400)
        assert barrier.on
        assert len(barrier.writes) == 1
        async with limited(barrier, Limits(120.0, 0.0, 60, keep=True)) as held:
            held.resume(history)  # now with a limit, long passed
            await asyncio.sleep(0.1)
            assert not barrier.on

    jumping_loop().run_on_own_clock(main())


def test_history_of_another_boot_counts_only_time_since_boot(jumping_loop):
    async def main():
        held = LimitedSwitch(Relay(), Limits(30.0, 5.0, 1))
        await held.set(on=True)
        await held.set(on=False)
        history = held.history() | {"boot": "another"}
        after = LimitedSwitch(Relay(), Limits(30.0, 5.0, 1))
        after.resume(history)  # this boot is 1000 s old by the test's clock
        with pytest.raises(LimitReached) as refusal:
            await after.set(on=True)
        assert refusal.value.again_s == pytest.approx(2600, abs=1)
        for damaged in ({}, {"boot": 1, "now_ns": "x"}, history | {"starts_ns": 3}):
            with pytest.raises(ValueError, match="not a history"):
                after.resume(damaged)

    jumping_loop().run_on_own_clock(main())


def test_voice_is_cut_off_and_counted(jumping_loop):
    class Speaker:
        name = "speaker"
        fails = None

        async def play(self, recording):
            if self.fails:
                raise self.fails
            await asyncio.sleep(float(recording.stem))

    async def main():
        speaker = Speaker()
        held = LimitedVoice(speaker, LIMITS)
        speaker.fails = NotPresent("no player")
        for _ in range(9):
            with pytest.raises(NotPresent):
                await held.play(Path("1.wav"))
        speaker.fails = None
        await held.play(Path("20.wav"))
        with pytest.raises(LimitReached, match="cut off"):
            await held.play(Path("20.wav"))
        with pytest.raises(LimitReached, match="max_on"):
            await held.play(Path("1.wav"))
        for _ in range(2):
            await asyncio.sleep(6)
            await held.play(Path("1.wav"))
        await asyncio.sleep(6)
        with pytest.raises(LimitReached, match="max_starts_per_hour"):
            await held.play(Path("1.wav"))
        assert len(held.history()["starts_ns"]) == 3

    jumping_loop().run_on_own_clock(main())
