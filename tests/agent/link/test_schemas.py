from __future__ import annotations

import json
import struct
from math import isfinite
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journal.blobs import pack_steps, unpack_columns
from agent.journal.reader import BatchRow
from agent.link.docs import files
from agent.link.messages import MODELS, reading_message, record_message, schema
from agent.link.source import dated, iso, number, steps_of
from agent.records import Lane, Record, SampleRow, Stamp, Step

DOCS = Path(__file__).parents[3] / "docs"
TRUSTED = Stamp("b", 10**15, 1_795_000_000_000_000_000, "trusted")


@pytest.mark.parametrize("name", sorted(files()))
def test_generated_documents_are_current(name):
    assert (DOCS / name).read_text(encoding="utf-8") == files()[name], "run `python -m agent.link.docs`"


def test_everything_a_link_says_fits_its_schema(rig):
    for lane in (Lane.ALARM, Lane.EVENT, Lane.PROTECTION):
        rig.journal.write(lane)
    del rig.journal.rows[1]
    rig.journal.read([1.0, float("nan"), 2.5], quality=5)
    ear = rig.ear("tocsin/v1/demo/#")
    seen = {}
    with rig.link() as link:
        rig.wait(lambda: rig.upto(link) == {"rec0": 3, "step0": 1})
        ear.client.publish("tocsin/v1/demo/ask", '{"what": "status"}', qos=1)
        ear.client.publish("tocsin/v1/demo/ask", '{"what": "nonsense"}', qos=1)
        while len([n for n in seen if n != "ask"]) < 6 or len(seen["answer"]) < 2:
            name, told = ear.json()
            seen.setdefault(name, []).append(told)
    seen["state"].append(ear.until(lambda name, _: name == "state"))
    kinds = {"alarm": "record", "event": "record", "protection": "record"}
    del seen["ask"]
    for name, messages in seen.items():
        for told in messages:
            jsonschema.validate(told, schema(kinds.get(name, name)))
    assert set(seen) >= {"state", "birth", "alarm", "protection", "reading", "answer"}
    assert any(told.get("absent") for told in seen["protection"])


numbers = st.floats(allow_nan=True, allow_infinity=True)
samples = st.lists(st.tuples(st.integers(0, 5), numbers, st.integers(0, 6)), max_size=6, unique_by=lambda s: s[0])


@given(st.lists(st.tuples(st.integers(0, 10**10), samples), min_size=1, max_size=20), st.integers(1, 2**40))
def test_a_batch_can_be_read_again(rows, first):
    mono_ns, steps = 10**15, []
    for later_ns, taken in rows:
        mono_ns += later_ns
        stamp = Stamp("b", mono_ns, 1_795_000_000_000_000_000 + mono_ns, "trusted")
        steps.append(Step(stamp, 0.0, [SampleRow(*sample) for sample in taken]))
    names = tuple(f"d.p{n}" for n in range(6))
    batch = BatchRow(first, first + len(steps) - 1, "b", names, unpack_columns(pack_steps(steps)))
    told = json.loads(reading_message("demo", ("e", first, batch.seq), list(steps_of(batch, 0)), TRUSTED, replay=False))
    jsonschema.validate(told, schema("reading"))
    at_ms, codes = 0, {(i, p): q for i, p, q in told.get("quality", [])}
    assert len(told["steps"]) == len(steps)
    for index, ((which, later_ms, *values), step) in enumerate(zip(told["steps"], steps, strict=True)):
        at_ms += later_ms
        assert at_ms == (step.stamp.mono_ns - steps[0].stamp.mono_ns) // 1_000_000, "rounding never adds up"
        assert [told["points"][p] for p in told["sets"][which]] == [names[s.point] for s in step.samples]
        for place, (value, sample) in enumerate(zip(values, step.samples, strict=True)):
            assert value == json.loads(number(sample.value))
            assert codes.get((index, place), 0) == sample.quality


@given(numbers)
def test_a_value_keeps_nine_digits_or_is_exact(value):
    told = json.loads(number(value))
    if not isfinite(value):
        assert told is None
    elif value.is_integer() and abs(value) < 2**53:
        assert told == value
    else:
        assert told == pytest.approx(value, rel=1e-8, abs=5e-324)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_32_bit_float_survives_exactly(value):
    told = float(json.loads(number(value)))
    assert struct.pack("f", told) == struct.pack("f", value) or told == value == 0


@given(st.dictionaries(st.text(), st.recursive(numbers | st.text() | st.none(), st.lists, max_leaves=5)))
def test_any_body_is_sent_as_valid_json(body):
    payload = record_message("demo", "e", 1, Record(Lane.EVENT, "test", TRUSTED, body), TRUSTED, replay=False)
    jsonschema.validate(json.loads(payload), schema("record"))
    assert b"NaN" not in payload or "NaN" in str(body)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_wall_time_is_a_time_or_none(wall_ns):
    told = iso(wall_ns)
    assert told is None or (told.endswith("Z") and "T" in told)


def test_the_nearest_anchor_of_the_same_boot_dates():
    stamp = Stamp("b", 1000, 5, "untrusted")
    anchors = [Stamp("b", 9000, 90_000, "trusted"), Stamp("b", 2000, 20_000, "trusted"), Stamp("c", 1000, 1, "trusted")]
    assert dated(stamp, anchors) == Stamp("b", 1000, 19_000, "redated")
    assert dated(stamp, anchors[2:]) is stamp
    assert dated(TRUSTED, anchors) is TRUSTED


def test_every_model_has_a_version():
    assert all("v" in model.model_fields for model in MODELS.values())
