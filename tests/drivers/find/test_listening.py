"""What a line says unasked: another master is known by its requests, whatever else it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.find.listening import judge
from drivers.find.port import Heard
from hil.codec import RTU, Request


def said(*frames, every_s=0.5):
    return [Heard(i * every_s, frame) for i, frame in enumerate(frames)]


def frames_of(unit_id, values):
    request = Request(3, 3, len(values))
    return RTU.frame(unit_id, request.encode()), RTU.frame(unit_id, request.reply(values))


def test_silence():
    assert judge([]).verdict == "silent"
    assert not judge([]).is_foreign


def test_another_master_with_its_period():
    ask, reply = frames_of(3, [350])
    other, _ = frames_of(7, [1, 2])
    traffic = judge(said(ask, reply, other, ask, reply, other, ask, reply))
    assert traffic.verdict == "master"
    assert traffic.asked == {(3, 3): 3, (7, 3): 2}
    assert traffic.answered == {3}
    assert traffic.period_s == 1.5


def test_a_master_is_heard_through_noise_and_in_pieces():
    ask, reply = frames_of(3, [350])
    traffic = judge(said(b"\x00\xff", ask[:3], ask[3:] + reply[:2], reply[2:] + b"\x81"))
    assert traffic.verdict == "master"
    assert traffic.answered == {3}


def test_answers_text_and_what_can_not_be_read():
    assert judge(said(frames_of(3, [350, 2])[1])).verdict == "units"
    text = judge(said(b"R1234\r", b"R1235\r"))
    assert text.verdict == "text"
    assert text.sample.startswith(b"R1234")
    assert judge(said(b"\xfd\x00\x13\x88\x91")).verdict == "unreadable"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6))
def test_any_bytes_get_a_verdict(pieces):
    traffic = judge(said(*pieces))
    assert traffic.is_foreign == bool(pieces)
    assert traffic.size == sum(map(len, pieces))
