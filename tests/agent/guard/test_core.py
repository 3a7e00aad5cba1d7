"""The core as a plain call: readings in, wants and records out; what survives a restart; what it says of itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import Site
from agent.guard.clock import Clock
from agent.guard.core import Core
from agent.guard.respond import Want
from agent.records import Lane, Mark, Record, Step
from drivers.api import Quality, Reading
from rules.alarm import NotPossible, State
from rules.judge import Judge

SECOND = 10**9


@dataclass
class Kept:
    """A keeper in memory: what the journal is given."""

    records: list[Record] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def record(self, record: Record) -> None:
        self.records.append(json.loads(json.dumps(record.body, allow_nan=False)) and record)

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def mark(self, mark: Mark) -> None:
        self.marks.append(mark)

    def keep(self, name: str, blob: bytes) -> None:
        self.blobs[name] = blob


@dataclass
class Heard:
    """A listener in memory: what an output was told."""

    wants: list[Want | None] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    forgiven: int = 0
    recalled: dict[str, str] = field(default_factory=dict)

    def want(self, want: Want | None, mono_ns: int) -> None:
        if not self.wants or self.wants[-1] != want:
            self.wants.append(want)

    def observe(self, value: float, mono_ns: int) -> None:
        self.values.append(value)

    def forgive(self) -> None:
        self.forgiven += 1

    def recall(self, faults: Mapping[str, str]) -> None:
        self.recalled = dict(faults)


class Town:
    """A core with its site, driven by hand; time starts at 1000 s of monotonic time."""

    def __init__(self, site: Site, start_s: float = 1000.0, boot: str = "boot-a") -> None:
        self.site, self.now_ns = site, round(start_s * SECOND)
        self.kept, self.clock = Kept(), Clock(boot=boot)
        self.outputs = {name: Heard() for name in site.outputs}
        judge = Judge(site.ruleset, self.clock.judgement_s(self.now_ns))
        self.core = Core(site, judge, self.clock, self.kept, listeners=self.outputs, mono_ns=self.now_ns)

    def level(self, level_mm: float, quality: Quality = Quality.GOOD, after_s: float = 0.1) -> None:
        """A poll of the pit, `after_s` later."""
        self.wait(after_s)
        readings = [
            Reading("level", level_mm, quality, self.now_ns, "" if quality.usable else "NaN"),
            Reading("distance", 5000.0 - level_mm, Quality.GOOD, self.now_ns),
            Reading("install-height", 500.0, Quality.GOOD, self.now_ns),
        ]
        self.core.ingest("pit", readings, self.now_ns)

    def poll(self, device: str, values: Mapping[str, float | None], after_s: float = 0.1) -> None:
        """A poll of any device; None is a value that is none."""
        self.wait(after_s)
        readings = []
        for name, value in values.items():
            quality = Quality.GOOD if value is not None else Quality.BAD
            reading = Reading(name, math.nan if value is None else value, quality, self.now_ns, "" if value else "NaN")
            readings.append(reading)
        self.core.ingest(device, readings, self.now_ns)

    def hold(self, level_mm: float, for_s: float) -> None:
        for _ in range(round(for_s / 0.1)):
            self.level(level_mm)

    def wait(self, for_s: float) -> None:
        """Time passes; timers run as they would live."""
        end_ns = self.now_ns + round(for_s * SECOND)
        while (due_s := self.core.deadline_mono_s) is not None and due_s * SECOND < end_ns:
            self.now_ns = max(self.now_ns + 1, round(due_s * SECOND))
            self.core.tick(self.now_ns)
        self.now_ns = max(self.now_ns, end_ns)

    def wanted(self, output: str) -> Want | None:
        return self.outputs[output].wants[-1] if self.outputs[output].wants else None

    def events(self, kind: str = "alarm", name: str = "flood") -> list[str]:
        return [r.body["event"] for r in self.kept.records if r.kind == kind and r.body.get("alarm") == name]

    def coverage(self, alarm: str = "flood") -> dict[str, object]:
        return next(entry for entry in self.core.protection if entry["alarm"] == alarm)


@pytest.fixture
def town(site: Site) -> Town:
    town = Town(site)
    town.core.assert_all(town.now_ns)
    return town


def test_rise_level_by_level_and_all_clear(town: Town) -> None:
    town.hold(20, 1.0)
    town.hold(200, 1.0)
    assert town.wanted("horn").level == "yellow"  # type: ignore[union-attr]
    assert town.wanted("siren") is None
    town.hold(450, 1.0)
    assert town.wanted("siren").level == "red"  # type: ignore[union-attr]
    assert town.wanted("horn") is None, "the horn's action is of the lower level"
    town.hold(20, 1.0)
    assert town.wanted("siren") is None
    assert town.wanted("horn").cause == "flood all clear"  # type: ignore[union-attr]
    assert town.events() == ["raised", "rose", "fell", "returned"] or town.events() == ["raised", "rose", "returned"]


def test_on_the_way_down_nothing_new_is_sounded_until_it_rises_again(town: Town) -> None:
    town.hold(450, 1.0)
    town.hold(200, 1.0)
    assert town.core.book["flood"].level == 1
    assert town.wanted("siren") is None
    assert town.wanted("horn") is None, "residents are not woken to hear that it gets better"
    town.hold(450, 1.0)
    assert town.wanted("siren") is not None
    town.hold(20, 1.0)
    town.hold(200, 1.0)
    assert town.wanted("horn").level == "yellow"  # type: ignore[union-attr]


def test_the_record_of_a_raise_says_what_decided_it(town: Town) -> None:
    town.hold(200, 1.0)
    record = next(r for r in town.kept.records if r.kind == "alarm")
    assert record.lane is Lane.ALARM
    assert record.body["level_name"] == "yellow"
    assert record.body["readings"]["pit.level"]["value"] == 200
    assert record.body["rules"] == town.site.ruleset.digest
    decided = {entry["level"]: entry for entry in record.body["decided_by"]}
    assert decided["yellow"]["truth"] == "true"
    assert decided["yellow"]["when"] == "pit.level > 15 cm"


def test_nothing_missing_or_bad_ever_clears(town: Town) -> None:
    town.hold(450, 1.0)
    assert town.wanted("siren") is not None
    for _ in range(50):
        town.level(math.nan, Quality.BAD)
    town.wait(60.0)
    town.core.lost("pit", "no answer", town.now_ns)
    town.wait(3600.0)
    assert town.core.book["flood"].level == 2
    assert town.wanted("siren") is not None
    assert town.coverage()["status"] == "blind"


def test_over_range_is_a_measurement(town: Town) -> None:
    for _ in range(10):
        town.level(40000.0, Quality.OVER_RANGE)
    assert town.core.book["flood"].level == 2


def test_a_lost_device_is_one_equipment_alarm_and_shows_in_the_coverage(town: Town) -> None:
    town.hold(20, 1.0)
    assert town.coverage()["status"] == "protected"
    town.core.lost("pit", "no answer from unit 3", town.now_ns)
    town.wait(2.0)
    assert town.core.book["device.pit"].level == 1
    assert town.coverage()["status"] == "blind"
    assert "no answer from unit 3" in str(town.coverage()["why"])
    town.level(20)
    assert town.core.book["device.pit"].level == 0
    assert town.coverage()["status"] == "protected"


def test_a_dead_bus_is_one_alarm_that_covers_its_devices(town: Town) -> None:
    town.hold(20, 1.0)
    town.core.bus_state("wire", "port is gone", town.now_ns)
    town.core.lost("pit", "port is gone", town.now_ns)
    town.core.lost("siren-current", "port is gone", town.now_ns)
    town.wait(3.0)
    assert town.core.book["bus.wire"].annunciated_level == 1
    assert town.core.book["device.pit"].suppressed_by == "bus.wire"
    assert [a.name for a in town.core.book.active() if a.annunciated_level] == ["bus.wire"]


def test_a_failing_siren_hands_its_task_to_the_alternate(town: Town) -> None:
    town.hold(450, 1.0)
    town.core.output_event("siren", "fault", {"faults": {"unproven": "not confirmed"}}, town.now_ns)
    assert town.wanted("horn").stands_in_for == "siren"  # type: ignore[union-attr]
    assert town.core.book["output.siren"].level == 1
    assert town.coverage()["status"] in {"degraded", "blind"}
    town.core.output_event("siren", "mended", {"faults": {}}, town.now_ns)
    assert town.wanted("horn") is None


def test_acknowledging_leaves_the_siren_on_and_silencing_does_not_outlast_a_rise(town: Town) -> None:
    town.hold(200, 1.0)
    town.core.operate("ack", "flood", "li", town.now_ns)
    assert town.wanted("horn") is not None
    town.core.operate("silence", "flood", "li", town.now_ns, for_s=600.0)
    assert town.wanted("horn") is None
    town.hold(450, 1.0)
    assert town.wanted("siren") is not None
    with pytest.raises(NotPossible):
        town.core.operate("silence", "flood", "li", town.now_ns, for_s=3600.0)


def test_a_gate_stays_closed_until_reset(town: Town) -> None:
    town.hold(350, 1.0)
    assert town.wanted("gate").state is True  # type: ignore[union-attr]
    town.hold(20, 1.0)
    assert town.wanted("gate") is not None, "until reset"
    town.core.operate("reset", "backwater", "li", town.now_ns)
    assert town.wanted("gate") is None


def test_a_restart_takes_up_alarms_acknowledgements_and_held_outputs(site: Site, town: Town) -> None:
    town.hold(450, 1.0)
    town.core.operate("ack", "flood", "li", town.now_ns)
    town.hold(20, 1.0)
    town.hold(350, 1.0)
    again = Town(site, start_s=5.0, boot="boot-b")
    again.core.restore(town.kept.blobs["judgement"], town.kept.blobs.get("windows"), again.now_ns)
    again.core.assert_all(again.now_ns)
    assert again.core.book.snapshot() == town.core.book.snapshot()
    assert again.wanted("gate").state is True  # type: ignore[union-attr]
    assert again.wanted("horn").level == "yellow"  # type: ignore[union-attr]
    assert again.core.book["flood"].state is State.UNACKNOWLEDGED
    assert again.clock.judgement_s(again.now_ns) >= town.core.now_s - 60.0, "at most by what was not kept yet"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut_s=st.floats(0.15, 0.95), outage_s=st.floats(0.0, 100.0))
def test_an_outage_within_the_on_delay_never_lets_it_fire_early(site: Site, cut_s: float, outage_s: float) -> None:
    first = Town(site)
    first.core.assert_all(first.now_ns)
    first.hold(20, 2.0)
    began_ns = first.now_ns
    first.hold(200, 0.1)
    blobs = first.kept.blobs
    again = Town(site, start_s=first.now_ns / SECOND + cut_s + outage_s)
    again.core.restore(blobs["judgement"], blobs.get("windows"), again.now_ns)
    again.core.assert_all(again.now_ns)
    assert again.core.book["flood"].level == 0
    restart_ns = again.now_ns
    while again.core.book["flood"].level == 0:
        again.level(200)
        assert again.now_ns - restart_ns < 2 * SECOND, "it fires in the end"
    assert again.now_ns - began_ns >= 0.2 * SECOND


@pytest.mark.parametrize("damage", [slice(0, -3), slice(0, 20), slice(3, None), slice(0, 0)])
def test_damaged_state_is_refused(site: Site, town: Town, damage: slice) -> None:
    town.hold(450, 1.0)
    again = Town(site)
    with pytest.raises((ValueError, KeyError, TypeError)):
        again.core.restore(town.kept.blobs["judgement"][damage], None, again.now_ns)


def test_every_step_is_kept_as_it_was_judged(town: Town) -> None:
    town.hold(20, 1.0)
    assert len(town.kept.steps) == 10
    assert [round(s.samples[0].value) for s in town.kept.steps] == [20] * 10
    assert all(a.time_s < b.time_s for a, b in zip(town.kept.steps, town.kept.steps[1:], strict=False))
