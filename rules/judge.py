"""Judgement as a plain call: readings in, level changes and the next timer out. No clock, no files, no threads."""

from __future__ import annotations

import json
import math
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from rules.engine import agenda, asked, families, kernel, memories, windows
from rules.engine.families import NO_RING
from rules.engine.tables import TWIN, Kernels, fixed_source
from rules.explain import explain
from rules.model import LevelChange, Sample, Verdict
from rules.ruleset import Ruleset, build_ruleset
from rules.sealed import IMAGE, TIMERS, WHOLE, SnapshotError, opened, seal

__all__ = ["Judge", "Ruleset", "SnapshotError", "build_ruleset"]

_NOTHING: tuple[LevelChange, ...] = ()


class Judge:
    """The state of a rule set. One thread; every method is a plain call that neither waits nor reads a clock.

    Times are judgement time: seconds that never go back, continuous through restarts.
    """

    def __init__(self, ruleset: Ruleset, now_s: float) -> None:
        tables = ruleset.tables
        self.ruleset = ruleset
        self._tab, self._par = array("q", tables.tab), array("d", tables.par)
        self._num, self._ints = array("d", tables.num), array("q", tables.ints)
        self._row_points = tables.tab[windows.H_POINTS]
        self._inbox, self._values = tables.tab[windows.H_INBOX], tables.tab[windows.H_INBOX_VALUES]
        self._out = tables.tab[windows.H_OUT]
        self._room = max(len(ruleset.points), 1)
        self._now = self._born = float(now_s)  # `_born`: when nothing was known yet
        self._started = False
        for p, point in enumerate(ruleset.points):
            self._num[self._row_points + p * asked.POINT_ROW + asked.Q_GOOD_AT] = now_s
            agenda.set_due(self._tab, self._num, agenda.POINTS, p, windows.just_after(now_s + point.stale_after_s))
        for row in self._window_rows():  # what was before is not known
            n = self._tab[row + windows.W_NUM]
            if self._tab[row + windows.W_FAMILY] == windows.SPAN:
                self._num[n + memories.N_UNKNOWN_END] = now_s
            elif self._tab[row + windows.W_FAMILY] == windows.STREAK:
                self._num[n + memories.N_MAYBE] = now_s
        self.use(TWIN)

    def _window_rows(self) -> range:
        first = self._tab[windows.H_WINDOWS]
        return range(first, first + len(self.ruleset.plan.windows) * windows.W_ROW, windows.W_ROW)

    def use(self, kernels: Kernels) -> None:
        """Judge with these functions from the next step on; the state stays where it is."""
        self.kernels = kernels
        state = [kernels.arrays(a) for a in (kernels.tables(self._tab), self._par, self._num, self._ints)]
        self._judge: Callable[[float, int], int] = partial(kernels.run, *state)
        self._history: Callable[..., int] = partial(kernels.history, *state)

    # --- judging --------------------------------------------------------------------------------------------------

    def step(self, t_s: float, samples: Sequence[Sample]) -> Verdict:
        """Judge up to `t_s`, then with the readings of `t_s`. A time before the last one counts as the last one.

        Calling it more often with no readings never changes what comes out later.
        """
        t = self._now = max(float(t_s), self._now)
        changes: list[LevelChange] = [] if self._started else self._start()
        ints, values = self._ints, self._num
        while True:
            count = 0
            for point, value, quality in samples[: self._room]:
                values[self._values + count] = value
                ints[self._inbox + 2 * count] = point
                ints[self._inbox + 2 * count + 1] = quality
                count += 1
            while self._judge(t, count):
                changes += self._changes()
            if ints[kernel.G_OUT]:
                changes += self._changes()
            samples = samples[self._room :]
            if not samples:
                return Verdict(changes or _NOTHING, self._deadline())

    def recorded(
        self,
        at_s: Sequence[float],
        first: Sequence[int],
        points: Sequence[int],
        values: Sequence[float],
        qualities: Sequence[int],
    ) -> Iterator[tuple[float, list[LevelChange]]]:
        """Judge many recorded steps; gives control back at each move, the judge standing right behind it.

        Step k is at `at_s[k]` with the samples `first[k]` to `first[k + 1]`; numpy arrays for a JIT build, lists for
        the twin. It decides what as many calls of `step` would, one at each time in `at_s` and at each deadline.
        """
        if not self._started and (changes := self._start()):
            yield self._born, changes
        step, steps = 0, len(at_s)
        while step < steps:
            step = self._history(at_s, first, points, values, qualities, steps, step)
            if not self._ints[kernel.G_OUT]:
                break
            step = -1 - step if step < 0 else step
            self._now = max(self._now, self._num[self._values])
            yield self._now, self._changes()
        if steps:
            self._now = max(self._now, float(at_s[-1]))

    def reset(self, alarm: int, t_s: float) -> Verdict:
        """An operator's reset of a latched alarm: levels whose clear condition is met let go, others stay."""
        before = self.step(t_s, ())
        self._ints[kernel.G_OUT] = 0
        kernel.release(self._tab, self._par, self._num, self._ints, alarm, self._now)
        return Verdict([*before.changes, *self._changes()], self._deadline())

    def rezero(self, point: int, value: float, t_s: float) -> Verdict:
        """An audited re-zero: `value`, in the point's unit, is its baseline from `t_s` on. Raises ValueError."""
        if not math.isfinite(value):
            raise ValueError(f"a baseline is a number; got {value}")
        before = self.step(t_s, ())
        self._ints[kernel.G_OUT] = 0
        kernel.rezero(self._tab, self._par, self._num, self._ints, point, value, self._now)
        return Verdict([*before.changes, *self._changes()], self._deadline())

    def dated(self, local_offset_s: float) -> None:
        """Local time is judgement time plus this: only running totals with a known reset time ask for it."""
        self._num[windows.LOCAL_OFFSET] = local_offset_s

    def _deadline(self) -> float | None:
        deadline = agenda.next_due(self._tab, self._num)
        return deadline if deadline < windows.INF else None

    def _changes(self) -> list[LevelChange]:
        out, count = self._out, self._ints[kernel.G_OUT]
        found = [LevelChange(*self._ints[out + 3 * k : out + 3 * k + 3]) for k in range(count)]
        self._ints[kernel.G_OUT] = 0
        return found

    def _start(self) -> list[LevelChange]:
        """Look at everything once, with nothing known, at the time the judge was made: sets the first timers."""
        self._started = True
        tab, ints = self._tab, self._ints
        for w in range(tab[windows.H_WINDOW_COUNT]):
            agenda.mark(ints, tab[windows.H_WINDOW_LIST], kernel.G_WINDOWS, w, 1)
        for a in range(tab[windows.H_ALARM_COUNT]):
            agenda.mark(ints, tab[windows.H_ALARM_LIST], kernel.G_ALARMS, a, 1)
        ints[kernel.G_OUT] = 0
        kernel.settle(tab, self._par, self._num, ints, self._born)
        return self._changes()

    # --- looking ----------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """The judgement time of the last step."""
        return self._now

    @property
    def pending(self) -> bool:
        """Whether some on- or off-delay is running."""
        return self._ints[kernel.G_PENDING] > 0

    def level(self, alarm: int) -> int:
        """The alarm's level: 0 normal, 1 the lowest."""
        return self._ints[self._tab[self._tab[windows.H_ALARMS] + alarm * kernel.A_ROW + kernel.A_STATE]]

    def baseline(self, point: int) -> float | None:
        """The value a point had when it was last re-zeroed; None before."""
        value = self._num[self._row_points + point * asked.POINT_ROW + asked.Q_BASELINE]
        return value if value < windows.INF else None

    def values(self, alarm: int) -> dict[str, float | None]:
        """What the points that an alarm depends on hold now, by name; None: no usable value."""
        rows = {p: self._row_points + p * asked.POINT_ROW for p in sorted(self.ruleset.used_points(alarm))}
        held = {self.ruleset.points[p].name: self._num[row + asked.Q_LO] for p, row in rows.items()}
        return {name: value if math.isfinite(value) else None for name, value in held.items()}

    def rising(self, alarm: int) -> list[bool]:
        """Per level, lowest first: whether it is active or its on-delay runs."""
        states = [self._ints[i : i + kernel.LEVEL_INT] for _, i in self._levels(alarm)]
        return [bool(state[kernel.D_ACTIVE]) or state[kernel.D_TRUTH] == 1 for state in states]

    def clearable(self, alarm: int) -> bool:
        """Whether a reset would let every active level of a latched alarm go."""
        states = [self._ints[i : i + kernel.LEVEL_INT] for _, i in self._levels(alarm)]
        active = [state for state in states if state[kernel.D_ACTIVE]]
        return bool(active) and all(state[kernel.D_DONE] for state in active)

    def explain(self, alarm: int) -> list[dict[str, Any]]:
        """Per level: its condition, truth, delays, and every part of it with values and the readings that decided."""
        if not self._started:
            self.step(self._now, ())
        state = (self._tab, self._par, self._num[:], self._ints[:])  # looking into a window forgets what is over
        return explain(self.ruleset, alarm, state, self._now)

    def _levels(self, alarm: int) -> list[tuple[int, int]]:
        """Where each level's state stands: (num, ints)."""
        tab = self._tab
        row = tab[windows.H_ALARMS] + alarm * kernel.A_ROW
        first = tab[windows.H_LEVELS] + tab[row + kernel.A_FIRST] * kernel.L_ROW
        rows = range(first, first + tab[row + kernel.A_LEVELS] * kernel.L_ROW, kernel.L_ROW)
        return [(tab[at + kernel.L_NUM], tab[at + kernel.L_INT]) for at in rows]

    # --- surviving ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything that must survive: delays, levels, latches, windows, ages. Worth compressing, elsewhere."""
        names: dict[str, int] = {}
        parts: list[bytes] = []
        for key, row in zip(self.ruleset.window_digests, self._window_rows(), strict=True):
            names[key] = len(parts)
            num, ints = self._window_state(row)
            parts.append(num.tobytes() + ints.tobytes())
        points = {}
        for p, point in enumerate(self.ruleset.points):
            n = self._row_points + p * asked.POINT_ROW
            points[point.name] = [self._num[n + asked.Q_GOOD_AT], self._num[n + asked.Q_EVER]]
        body = {**self._levels_state(), "points": points, "windows": names, "sizes": [len(part) for part in parts]}
        text = json.dumps(body).encode()
        return seal(WHOLE, struct.pack("<I", len(text)) + text + b"".join(parts))

    def timers(self) -> bytes:
        """The small part of a snapshot: delays, levels and latches; cheap enough for every second."""
        return seal(TIMERS, json.dumps(self._levels_state()).encode())

    def restore(self, data: bytes, now_s: float) -> None:
        """Take over a snapshot before the first step. Raises SnapshotError.

        Unchanged rules keep all they had, others start fresh. Every truth is unknown until readings come, so the time
        between does not count towards any delay.
        """
        payload = opened(data, WHOLE)
        try:
            (length,) = struct.unpack_from("<I", payload)
            body = json.loads(payload[4 : 4 + length])
            ends, at = [], 4 + length
            for size in body["sizes"]:
                ends.append(payload[at : at + size])
                at += size
            windows_state = {key: ends[place] for key, place in body["windows"].items()}
            points = {name: (float(at), float(ever)) for name, (at, ever) in body["points"].items()}
            levels, active, baselines = _levels_of(body), dict(body["active"]), dict(body["baselines"])
            then = float(body["t"])
        except (KeyError, IndexError, ValueError, TypeError, struct.error) as error:
            raise SnapshotError(f"the snapshot is not understood ({error!r}); judgement starts fresh") from error
        self._restart(max(now_s, then))
        for p, point in enumerate(self.ruleset.points):
            if point.name in points:
                n = self._row_points + p * asked.POINT_ROW
                self._num[n + asked.Q_GOOD_AT], self._num[n + asked.Q_EVER] = points[point.name]
        for key, row in zip(self.ruleset.window_digests, self._window_rows(), strict=True):
            if key in windows_state:
                self._restore_window(row, windows_state[key], then)
        self._restore_baselines(baselines)
        self._restore_levels(levels, active)

    def restore_timers(self, data: bytes, now_s: float) -> None:
        """Take over delays, levels and latches only. Raises SnapshotError."""
        try:
            body = json.loads(opened(data, TIMERS))
            levels, active, baselines = _levels_of(body), dict(body["active"]), dict(body["baselines"])
        except (KeyError, ValueError, TypeError) as error:
            raise SnapshotError(f"the timers are not understood ({error!r}); judgement starts fresh") from error
        self._restart(now_s)
        self._restore_baselines(baselines)
        self._restore_levels(levels, active)

    def image(self) -> bytes:
        """The whole state, bit for bit, for this very rule set: who takes it over goes on as if it had never stopped.

        For proving: a restart takes `snapshot`, which knows that readings were missed.
        """
        head = {"rules": self.ruleset.digest, "layout": self._layout()}
        head |= {"now": self._now, "born": self._born, "started": self._started}
        text = json.dumps(head).encode()
        return seal(IMAGE, struct.pack("<I", len(text)) + text + self._num.tobytes() + self._ints.tobytes())

    def _layout(self) -> int:
        """A checksum of where everything stands and of what is done with it."""
        return zlib.crc32(fixed_source().encode(), zlib.crc32(self._tab.tobytes()))

    def resume(self, image: bytes) -> None:
        """Be as the judge was whose image this is. Raises SnapshotError."""
        payload = opened(image, IMAGE)
        try:
            (length,) = struct.unpack_from("<I", payload)
            head = json.loads(payload[4 : 4 + length])
            rules, layout, now, born, started = (head[key] for key in ("rules", "layout", "now", "born", "started"))
        except (KeyError, ValueError, TypeError, struct.error) as error:
            raise SnapshotError(f"the image is not understood ({error!r})") from error
        state = payload[4 + length :]
        cut = 8 * len(self._num)
        if rules != self.ruleset.digest:
            raise SnapshotError(f"the image is of the rules {rules[:12]}, not of {self.ruleset.digest[:12]}")
        if layout != self._layout() or len(state) != cut + 8 * len(self._ints):
            raise SnapshotError("the image is of another version of this software")
        self._num[:], self._ints[:] = array("d", state[:cut]), array("q", state[cut:])
        self._now, self._born, self._started = now, born, started

    def _restart(self, now_s: float) -> None:
        """Nothing is known yet, and staleness counts from now: an outage of ours is not the sensors'."""
        if self._started:
            raise RuntimeError("a judge takes over state before its first step; make a new one")
        self._now = self._born = max(float(now_s), self._now)
        for p, point in enumerate(self.ruleset.points):
            agenda.set_due(self._tab, self._num, agenda.POINTS, p, windows.just_after(self._now + point.stale_after_s))

    def _levels_state(self) -> dict[str, Any]:
        alarms, active = {}, {}
        for a, key in enumerate(self.ruleset.alarm_digests):
            states: list[list[float]] = []
            alarm = self.ruleset.alarms[a]
            on = [
                rule.level
                for rule, (_, i) in zip(alarm.levels, self._levels(a), strict=True)
                if self._ints[i + kernel.D_ACTIVE]
            ]
            if on:
                active[alarm.name] = on
            for n, i in self._levels(a):
                spent = self._num[n + kernel.D_SUM]
                if self._ints[i + kernel.D_TRUTH] == 1:
                    spent += self._now - self._num[n + kernel.D_SINCE]
                if self._ints[i + kernel.D_ACTIVE] or spent:
                    states.append([len(states), self._ints[i + kernel.D_ACTIVE], spent])
                else:
                    states.append([])
            if any(states):
                alarms[key] = states
        return {"t": self._now, "alarms": alarms, "active": active, "baselines": self._baselines()}

    def _baselines(self) -> dict[str, list[float | str | None]]:
        """Per point that was re-zeroed: what its site file declared then, and the baseline since."""
        found: dict[str, list[float | str | None]] = {}
        for p, point in enumerate(self.ruleset.points):
            value = self._num[self._row_points + p * asked.POINT_ROW + asked.Q_BASELINE]
            if value < windows.INF and value != point.baseline:
                found[point.name] = [point.baseline, value]
        return found

    def _restore_baselines(self, baselines: dict[str, list[Any]]) -> None:
        """A baseline stays until it is re-zeroed, or the site file declares another one than it did."""
        for p, point in enumerate(self.ruleset.points):
            declared, value = baselines.get(point.name, (None, None))
            if value is not None and declared == point.baseline:
                self._num[self._row_points + p * asked.POINT_ROW + asked.Q_BASELINE] = float(value)

    def _restore_levels(self, levels: dict[str, list[tuple[int, float]]], active_levels: dict[str, list[str]]) -> None:
        for a, key in enumerate(self.ruleset.alarm_digests):
            alarm, level = self.ruleset.alarms[a], 0
            states = levels.get(key)
            if states is None:  # the rule changed: delays start fresh, but what sounds goes on until the rule clears it
                known = active_levels.get(alarm.name, ())
                states = [(int(rule.level in known), 0.0) for rule in alarm.levels]
            for k, (n, i) in enumerate(self._levels(a)):
                active, spent = states[k]
                self._ints[i : i + kernel.LEVEL_INT] = array("q", [active, 2, 0, 0])
                self._num[n + kernel.D_SUM] = spent
                level = k + 1 if active else level
            self._ints[self._tab[self._tab[windows.H_ALARMS] + a * kernel.A_ROW + kernel.A_STATE]] = level

    def _window_state(self, row: int) -> tuple[array[float], array[int]]:
        size = self._window_size(row)
        n, i = self._tab[row + windows.W_NUM], self._tab[row + windows.W_INT]
        return self._num[n : n + size], self._ints[i : i + windows.I_SIZE]

    def _window_size(self, row: int) -> int:
        """Numbers that a window's other ones follow from: the ring and the back part's aggregate."""
        tab = self._tab
        without = NO_RING.get(tab[row + windows.W_FAMILY])
        return tab[row + windows.W_SUFFIX] - tab[row + windows.W_NUM] if without is None else len(without)

    def _restore_window(self, row: int, state: bytes, then: float) -> None:
        size = self._window_size(row)
        if len(state) != 8 * (size + windows.I_SIZE):
            return
        n, i = self._tab[row + windows.W_NUM], self._tab[row + windows.W_INT]
        self._num[n : n + size] = array("d", state[: 8 * size])
        self._ints[i : i + windows.I_SIZE] = array("q", state[8 * size :])
        ring = self._tab[row + windows.W_FAMILY] not in NO_RING
        if ring:
            windows.rebuild(self._tab, self._num, self._ints, row)
        if not ring or self._ints[i + windows.I_COUNT]:
            families.feed(self._tab, self._par, self._num, self._ints, row, then, windows.NAN, windows.NAN)


def _levels_of(body: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    return {
        key: [(int(state[1]), float(state[2])) if state else (0, 0.0) for state in states]
        for key, states in body["alarms"].items()
    }
