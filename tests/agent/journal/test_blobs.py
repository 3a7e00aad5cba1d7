"""Records and steps as bytes: nothing is lost, nothing damaged passes."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.journal.blobs import BlobError, pack_steps, record_line, record_of, row_crc, unpack_columns, unpack_steps
from agent.records import Lane, Record, SampleRow, Stamp, Step

any_double = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
int63 = st.integers(-(2**63), 2**63 - 1)
stamps = st.builds(
    Stamp,
    st.just("boot"),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.sampled_from(["trusted", "untrusted", "redated"]),
)
samples = st.lists(st.builds(SampleRow, st.integers(0, 70000), any_double, st.integers(0, 6)), max_size=6)
steps = st.builds(Step, stamps, any_double, samples.map(tuple))


def bits(step: Step) -> tuple[object, ...]:
    """A step with its floats as bits, so that NaN compares and -0.0 differs from 0.0."""
    rows = [(row.point, struct.pack("<d", row.value), row.quality) for row in step.samples]
    return step.stamp, struct.pack("<d", step.time_s), rows


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=8))
def test_steps_come_back_bit_by_bit(batch):
    back = unpack_steps(pack_steps(batch), "boot")
    assert [bits(step) for step in back] == [bits(step) for step in batch]


def test_steps_of_a_plant_are_small():
    second = 1_000_000_000
    batch = [
        Step(
            Stamp(
                "boot", 10**12 + t * second + t * 7919 % 90_000, 17 * 10**17 + t * second + t * 104729 % 400, "trusted"
            ),
            1000.0 + t + (t * 7919 % 90_000) / 1e9,
            tuple(SampleRow(point, round(20 + point + (t * point % 7) * 0.1, 1), 0) for point in range(50)),
        )
        for t in range(60)
    ]
    assert len(pack_steps(batch)) < 4 * 50 * 60
    columns = unpack_columns(pack_steps(batch))
    assert list(columns.series[3][0]) == [step.samples[3].value for step in batch]
    assert columns.shapes == (tuple(range(50)),)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=4), st.data())
def test_a_cut_blob_is_refused_and_a_flipped_one_fails_its_crc(batch, data):
    blob = pack_steps(batch)
    with pytest.raises(BlobError):
        unpack_steps(blob[: data.draw(st.integers(0, len(blob) - 1))], "boot")
    bit = data.draw(st.integers(0, 8 * len(blob) - 1))
    flipped = bytearray(blob)
    flipped[bit // 8] ^= 1 << bit % 8
    assert row_crc("e", 1, bytes(flipped)) != row_crc("e", 1, blob)
    assert row_crc("e", 1, blob) != row_crc("e", 2, blob) != row_crc("f", 2, blob)


json_values = st.recursive(
    st.none() | st.booleans() | int63 | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
records = st.builds(
    Record,
    st.sampled_from([Lane.ALARM, Lane.EVENT, Lane.PROTECTION]),
    st.text(max_size=12),
    stamps,
    st.dictionaries(st.text(), json_values, max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(records)
def test_records_come_back(record):
    line = record_line(record)
    assert record_of(line) == record
    assert record_line(record_of(line)) == line
    assert line.isascii()


def test_not_a_record():
    for line in (
        "",
        "[]",
        '{"lane":"alarm"}',
        '{"lane":"x","kind":"k","boot_id":"b","mono_ns":1,"wall_ns":1,"clock":"trusted","body":{}}',
    ):
        with pytest.raises(BlobError):
            record_of(line)
