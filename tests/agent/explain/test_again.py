"""What was judged live is judged again from the journal, bit for bit, or said to differ or to be unproven."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from agent.config import Site
from agent.explain.again import Replay
from agent.guard.run import _tell_date
from agent.journal.reader import JournalReader
from drivers.api import Quality, Reading
from rules.alarm import NotPossible
from tests.agent.explain.conftest import Gateway

LEVELS_MM = st.sampled_from([0.0, 20.0, 110.0, 150.0, 150.1, 200.0, 399.9, 450.0, None])
SECONDS = st.sampled_from([0.0, 0.3, 1.0, 2.7, 6.0])
ACTS = st.one_of(
    st.tuples(st.just("level"), LEVELS_MM, SECONDS),
    st.tuples(st.just("level"), LEVELS_MM, SECONDS),
    st.tuples(st.just("early"), LEVELS_MM, SECONDS),
    st.tuples(st.just("current"), st.sampled_from([0.0, 0.9, 2.5, None]), SECONDS),
    st.tuples(st.just("rain"), st.sampled_from([0.0, 0.2, 1.0, 3.0, 9.9]), SECONDS),
    st.tuples(st.just("dated"), st.sampled_from([0.0, 2040.0, 5000.0]), SECONDS),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.004, 0.2]), SECONDS),
    st.tuples(st.just("reset"), st.just("pump"), SECONDS),
    st.tuples(st.just("rezero"), LEVELS_MM, SECONDS),
    st.tuples(st.just("restart"), st.sampled_from(["", "boot-b", "boot-c"]), SECONDS),
    st.tuples(st.just("image"), st.none(), SECONDS),
)


def act(gateway: Gateway, kind: str, value: Any, after_s: float) -> None:
    if kind == "level":
        gateway.poll("pit", after_s, level=value)
    elif kind == "early" and value is not None:  # a reply that had come in before the clock was last looked at
        gateway.wait(after_s)
        reading = Reading("level", value, Quality.GOOD, 0)
        gateway.core.ingest("pit", [reading], gateway.now_ns - 50_000_000)
    elif kind == "current":
        gateway.poll("pump", after_s, current=value)
    elif kind == "rain":
        gateway.poll("rain", after_s, total=value)
    elif kind == "dated":
        gateway.core.dated(value, gateway.now_ns)
    elif kind == "wait":
        gateway.wait(after_s, late_s=value)
    elif kind == "reset":
        try:
            gateway.core.operate("reset", "pump", "li", gateway.now_ns)
        except NotPossible:
            event("a reset that is refused")
    elif kind == "rezero" and value is not None:
        gateway.core.rezero("pit.level", value, "li", "settled", gateway.now_ns)
    elif kind == "restart":
        gateway.restart(after_s, boot=value)
    elif kind == "image":
        gateway.core.keep_image(gateway.now_ns)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, min_size=10, max_size=60))
def test_live_and_replay_agree_bit_for_bit_however_a_history_is_cut(load: Callable[..., Site], acts: list[Any]) -> None:
    with TemporaryDirectory() as directory:
        gateway = Gateway(Path(directory), load())
        try:
            gateway.hold(200, 4)
            for each in acts:
                act(gateway, *each)
            gateway.hold(450, 4)
            proofs = gateway.prove_all()
            event(f"{min(len(proofs) // 4 * 4, 20)} records or more")
            assert proofs
            assert {proof.result for proof in proofs} == {"same"}, [p for p in proofs if p.result != "same"]
        finally:
            gateway.stop()


def test_a_rule_set_that_the_site_no_longer_has_still_judges_what_it_judged(
    gateway: Gateway, load: Callable[..., Site]
) -> None:
    gateway.hold(200, 6)
    gateway.restart(site=load(lambda text: text.replace("pit.level > 15 cm", "pit.level > 30 cm")))
    gateway.hold(450, 6)
    proofs = gateway.prove_all()
    assert {proof.result for proof in proofs} == {"same"}, proofs
    assert len({proof.image.rules for proof in proofs if proof.image}) == 2


def test_what_was_judged_differently_is_said_to_the_last_bit(gateway: Gateway) -> None:
    gateway.hold(200, 6)
    (row,) = gateway.rows()
    body = json.loads(json.dumps(row.record.body))
    body["decided_by"][0]["readings"][0]["value"] = 200.00000000000003
    body["level"] = 2
    told = Replay(gateway.written()).prove(row._replace(record=replace(row.record, body=body)))
    assert told.result == "differs"
    assert told.differences == (
        "move: live 0 -> 2, again 0 -> 1",
        "decided_by[0].readings[0].value: live 200.00000000000003, again 200.0",
    )


def test_missing_steps_are_counted_and_nothing_is_proven(gateway: Gateway) -> None:
    gateway.hold(20, 8)
    gateway.written()
    gateway.hold(200, 6)
    gateway.core.keep_image(gateway.now_ns)
    gateway.hold(450, 6)
    gateway.stop()
    with closing(sqlite3.connect(gateway.directory / "telemetry.db")) as file, file:
        (first,) = file.execute("SELECT min(seq) FROM batch").fetchone()
        file.execute("DELETE FROM batch WHERE seq = ?", (first,))
    gateway.start()
    raised, rose = gateway.prove_all()
    assert (raised.result, raised.reason) == ("unproven", "missing")
    assert raised.details["count"] == 8
    assert rose.result == "same", "from the image behind the hole"


def test_damaged_steps_images_and_rules_prove_nothing(gateway: Gateway) -> None:
    gateway.hold(200, 6)
    gateway.stop()
    path = gateway.directory / "telemetry.db"
    kept = path.read_bytes()
    for change, reason in (
        ("UPDATE batch SET steps = zeroblob(60)", "end"),
        ("UPDATE mark SET image = zeroblob(60)", "bad-image"),
        ("UPDATE mark SET body = '{}'", "no-image"),
        ("UPDATE ruleset SET content = zeroblob(60)", "no-rules"),
    ):
        path.write_bytes(kept)
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(change)
        reader = JournalReader(gateway.directory)
        (row,) = reader.alarms(reader.epoch("records") or "", 0, 10)
        proof = Replay(reader).prove(row)
        assert (proof.result, proof.reason) == ("unproven", reason)
        reader.close()
    path.write_bytes(kept)
    gateway.start()


def test_a_record_of_an_older_version_has_no_place(gateway: Gateway) -> None:
    gateway.hold(200, 6)
    (row,) = gateway.rows()
    assert Replay(gateway.written()).prove(row._replace(place=-1)).reason == "older"


def test_local_time_decides_and_is_journalled_where_a_total_is_reset_by_it(gateway: Gateway) -> None:
    assert gateway.core.keeps_calendar
    gateway.core.dated(2040.0 - 1000.0, gateway.now_ns)  # 34 min past the hour
    gateway.core.dated(2040.0 - 1000.0, gateway.now_ns)
    reader = gateway.written()
    assert [mark.kind for mark in reader.marks()] == ["image", "dated"]
    told = [
        record.body for _, record in reader.records(reader.epoch("records") or "", 0, 100) if record.kind == "dated"
    ]
    assert told == [{"wall_offset_s": 1040.0, "before": None}]
    for total in (0.0, 3.0, 5.0, 6.0):
        gateway.poll("rain", total=total)
    (proof,) = gateway.prove_all()
    assert (proof.result, proof.row.record.body["alarm"]) == ("same", "rain")


def test_the_guard_tells_local_time_once_it_is_known_and_when_it_jumps(gateway: Gateway) -> None:
    core = gateway.core
    guard: Any = SimpleNamespace(core=core, clock=core.clock, site=gateway.site, wall_offset_s=None)
    core.clock.trust = "untrusted"
    _tell_date(guard)
    assert guard.wall_offset_s is None
    core.clock.trust = "trusted"
    _tell_date(guard)
    _tell_date(guard)
    expected = time.time() + 8 * 3600 - core.clock.judgement_s(time.monotonic_ns())
    assert abs(guard.wall_offset_s - expected) < 1.0
    core.clock.shift_ns -= 3600 * 10**9  # as if the wall clock had been put an hour forward
    _tell_date(guard)
    assert [mark.kind for mark in gateway.written().marks()] == ["image", "dated", "dated"]
