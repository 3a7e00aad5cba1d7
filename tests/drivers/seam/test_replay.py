"""Captures as contracts read them: the same as the bench does, or a plain word why not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.replay import Capture, CaptureError, Mood, Replay
from hil.capture import Capture as BenchCapture

FILES = sorted((Path(__file__).parents[1] / "captures").glob("*.cap"))
TEXT = [
    "# Device: a thermometer",
    "# Line: 1200 7E1",
    "< 0.01 41 42",
    "> 3F",
    "< 0.005 43",
    "< 0.01 44",
    "= t 4 degC good",
    "> 3F",
    "= t - degC under_range",
    "= u* - - bad",
]


def test_scenes_pieces_and_goldens():
    capture = Capture.parse(TEXT)
    assert capture.settings == {"baudrate": 1200, "bytesize": 7, "parity": "E", "stopbits": 1}
    first, second = capture.scenes
    assert [piece.data for piece in first.spoken] == [b"AB"]
    assert [(said.request, [piece.data for piece in said.pieces]) for said in first.exchanges] == [(b"?", [b"C", b"D"])]
    assert (second.exchanges[0].pieces, second.golden("t").value, second.golden("u7").quality) == ([], None, "bad")
    assert second.golden("t").quality == "under-range"
    assert second.golden("v") is None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_contracts_read_captures_as_the_bench_does(path):
    bench = BenchCapture.load(path)
    if bench.baudrate == 0:
        with pytest.raises(CaptureError, match="expected a heading"):
            Capture.load(path)
        return
    ours = Capture.load(path)
    assert (ours.settings["baudrate"], ours.settings["parity"]) == (bench.baudrate, bench.parity)
    assert [[(said.request, len(said.pieces)) for said in scene.exchanges] for scene in ours.scenes] == [
        [(said.request, len(said.pieces)) for said in scene.exchanges] for scene in bench.scenes
    ]
    assert [[g[:3] for g in scene.goldens] for scene in ours.scenes] == [
        [g[:3] for g in scene.goldens] for scene in bench.scenes
    ]


@given(st.lists(st.text(alphabet="<>=# 0123456789AFx.-\n", max_size=20), max_size=8))
def test_any_text_is_a_capture_or_told(lines):
    told = "x.cap:"
    try:
        capture = Capture.parse(["# line: 9600 8N1", *lines], "x.cap")
    except CaptureError as error:
        told = str(error)
    else:
        assert len(capture.scenes) >= 1
    assert told.startswith("x.cap:")


def heard(replay, question=b"?", within_s=0.15):
    port = os.open(replay.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(port, question)
        end_s, data = time.monotonic() + within_s, b""
        while time.monotonic() < end_s:
            try:
                data += os.read(port, 100)
            except BlockingIOError:
                time.sleep(0.005)
        return data
    finally:
        os.close(port)


def test_moods(tmp_path):
    scene = Capture.parse(["# line: 9600 8N1", "> 3F", "< 0.005 43 44 45 46", "= t 4 degC good"]).scenes[0]
    with Replay(tmp_path / "line", scene) as replay:
        assert heard(replay) == b"CDEF"
        replay.mood = Mood.SILENT
        assert heard(replay) == b""
        replay.mood = Mood.BIT_TURNED
        said = heard(replay)
        assert sum((a ^ b).bit_count() for a, b in zip(said, b"CDEF", strict=True)) == 1
        replay.mood = Mood.CUT
        assert b"CDEF".startswith(cut := heard(replay))
        assert len(cut) < 4
        replay.mood = Mood.AS_RECORDED
        assert heard(replay, b"!") == b""
    assert replay.unknown == [b"!"]
    assert not (tmp_path / "line").exists()
