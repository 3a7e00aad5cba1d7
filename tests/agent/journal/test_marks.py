"""Marks between the steps: their places, their price, and that they go with the steps they belong to."""

import os
import time
from dataclasses import replace

from agent.journal.handover import Handover, Marked, Waiting
from agent.records import Mark, Stamp

STAMP = Stamp("boot-1", 1, 2, "trusted")


def image(size=1000, rules="r" * 64):
    return Mark("image", STAMP, 1.0, {}, rules, os.urandom(size), b"the rules")


def act(kind="reset", **body):
    return Mark(kind, STAMP, 2.0, body)


def test_marks_stand_between_the_steps_and_records_know_their_places(bench, step, alarm):
    journal = bench.journal(commit_every_s=60)
    journal.catalogue(["a"] * 5)
    first = image()
    journal.mark(first)
    journal.step(step(1))
    journal.step(step(2))
    journal.mark(act(alarm="flood"))
    journal.step(step(3))
    journal.record(alarm(1))
    journal.step(step(4))
    journal.durable().result(10)
    reader = bench.reader()
    marks = reader.marks()
    assert [(mark.kind, mark.place, mark.after_seq) for mark in marks] == [("image", 1, 0), ("reset", 4, 2)]
    assert marks[1].body == {
        "alarm": "flood",
        "time_s": 2.0,
        "boot_id": "boot-1",
        "mono_ns": 1,
        "wall_ns": 2,
        "clock": "trusted",
    }
    assert reader.image(marks[0]) == first.image
    assert reader.ruleset("r" * 64) == b"the rules"
    (row,) = reader.alarms(reader.epoch("records"), 0, 10)
    assert (row.run, row.place) == (marks[0].run, 5)
    assert len(reader.steps(reader.epoch("steps"), 0, 10)) == 4


def test_an_image_is_wanted_when_it_costs_less_than_a_byte_a_reading(bench, step, eventually):
    journal = bench.journal()
    journal.catalogue(["a"] * 5)
    eventually(journal.wants_image)
    journal.mark(image(2000))
    eventually(lambda: bench.reader().marks())
    assert not journal.wants_image()
    for n in range(600):  # 3000 readings
        journal.step(step(n))
    assert journal.wants_image()


def test_restarts_in_a_row_keep_few_images(bench, eventually):
    for number in range(12):
        journal = bench.journal()
        journal.mark(image())
        eventually(lambda number=number: len(bench.reader().marks()) == min(number + 1, 8))
        journal.close(10)


def test_marks_and_rule_sets_are_pruned_with_their_steps(bench, step, eventually):
    journal = bench.journal(telemetry_quota_bytes=400 << 10, commit_every_s=0.05)
    journal.catalogue(["a"] * 50)
    journal.mark(image(rules="old"))
    for number in range(40):
        if number == 20:
            journal.mark(image(rules="new"))
        for n in range(50):
            journal.step(step(number * 50 + n, samples=50))
        time.sleep(0.02)
    journal.durable().result(10)
    reader = bench.reader()
    eventually(lambda: reader.ruleset("old") is None and [mark.rules for mark in reader.marks()] in ([], ["new"]))


def test_thinning_never_takes_a_mark(step):
    handover = Handover(telemetry_bytes=40_000)
    for n in range(200):
        handover.offer_step(("a",), step(n))
        if n % 20 == 0:
            handover.offer_mark(act(n=n))
    found = []
    while handover.steps:
        marked = handover.take_mark()
        found += [marked] if marked else handover.take_steps(1)
    marks = [item for item in found if isinstance(item, Marked)]
    steps = [item for item in found if isinstance(item, Waiting)]
    assert [mark.mark.body["n"] for mark in marks] == list(range(0, 200, 20))
    assert 0 < len(steps) < 200
    assert [mark.place for mark in marks] == [n + n // 20 + 2 for n in range(0, 200, 20)]
    assert handover.step_bytes == 0


def test_a_changed_mark_is_missed_by_its_place(bench, eventually):
    journal = bench.journal()
    journal.mark(act(alarm="flood"))
    journal.mark(replace(act(alarm="gas"), time_s=3.0))
    journal.durable().result(10)
    eventually(lambda: len(bench.reader().marks()) == 2)
    journal.close(10)
    path = bench.directory / "telemetry.db"
    path.write_bytes(path.read_bytes().replace(b'"flood"', b'"blood"'))
    assert [mark.place for mark in bench.reader().marks()] == [2]
