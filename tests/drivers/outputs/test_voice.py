"""A loudspeaker is a real player process: played whole, failed, ended early, hung, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import wave
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.api import DriverError, Limits, NotPresent, Refused, Timeout
from drivers.voice import SpeakerDriver, seconds_of

DRIVER = SpeakerDriver()
LIMITS = Limits(max_on_s=60.0, min_off_s=0.0, max_starts_per_hour=100)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "one second.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x10" * 8000)
    return path


def play(tmp_path, recording, *, fault=None, limits=LIMITS, cancel_after_s=None, options=(), **section):
    heard = tmp_path / "heard"
    heard.mkdir(exist_ok=True)
    if fault:
        (heard / "fault").write_text(json.dumps(fault))
    section = {"player": [sys.executable, "-m", "hil.speaker", *options, str(heard), "{wav}"], **section}

    async def main():
        async with DRIVER.connect("speaker", DRIVER.Section.model_validate(section), None, limits, Path()) as voice:
            playing = asyncio.create_task(voice.play(recording))
            if cancel_after_s is not None:
                await asyncio.sleep(cancel_after_s)
                playing.cancel()
            await playing

    begun_s = time.monotonic()
    try:
        asyncio.run(main())
    finally:
        play.took_s = time.monotonic() - begun_s
        log = heard / "played.jsonl"
        play.events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return heard


def test_plays_whole_and_in_order(tmp_path, recording):
    play(tmp_path, recording)
    assert 1.0 <= play.took_s < 5
    heard = play(tmp_path, recording)
    assert [path.name for path in sorted(heard.glob("*.wav"))] == ["0001.wav", "0002.wav"]
    assert (heard / "0002.wav").read_bytes() == recording.read_bytes()
    assert [event["event"] for event in play.events] == ["begin", "end"] * 2


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ({"code": 1, "after_s": 0.1, "says": "no such card"}, DriverError, r"failed with code 1: no such card"),
        ({"after_s": 0.0}, DriverError, r"ended after 0\.\d s of 1\.0 s: it said nothing"),
        ({"after_s": 30}, Timeout, r"still ran 0\.5 s after the end"),
    ],
)
def test_a_player_that_fails_is_an_error(tmp_path, recording, fault, error, message):
    with pytest.raises(error, match=message):
        play(tmp_path, recording, fault=fault, slack="500 ms")
    assert play.took_s < 6


def test_a_player_that_only_queues_is_believed_where_declared(tmp_path, recording):
    play(tmp_path, recording, fault={"after_s": 0.0}, whole=False)
    play(tmp_path, recording, options=("--speed", "50"), whole=False)
    assert play.events[-1]["event"] == "end"


@pytest.mark.parametrize("deaf", [False, True])
def test_cancelling_stops_the_sound_within_a_second(tmp_path, recording, deaf):
    begun_s = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        play(tmp_path, recording, fault={"after_s": 30, "deaf": deaf}, cancel_after_s=1.5)
    assert time.monotonic() - begun_s < 1.5 + 1.2
    assert [event["event"] for event in play.events] == (["begin"] if deaf else ["begin", "stopped"])


def test_cancelling_ends_the_whole_process_group(tmp_path, recording):
    pid_file = tmp_path / "pid"
    script = tmp_path / "player.py"
    script.write_text(
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '30'])\n"
        "pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
        "time.sleep(30)\n"
    )
    with pytest.raises(asyncio.CancelledError):
        play(tmp_path, recording, cancel_after_s=1.5, player=[sys.executable, str(script), str(pid_file), "{wav}"])
    pid = int(pid_file.read_text())
    for _ in range(20):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # dead, and nobody's child to reap here
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    pytest.fail("a grandchild of the player goes on")


def test_max_on_cuts_off(tmp_path, recording):
    with pytest.raises(Refused, match=r"max_on: cut off after 0\.6 s"):
        play(tmp_path, recording, limits=Limits(0.6, 1.0, 10))
    assert play.took_s < 3


def test_missing_player_says_what_to_install(tmp_path, recording):
    with pytest.raises(NotPresent, match=r"'no-such-player' can't be started .*alsa-utils"):
        play(tmp_path, recording, player=["no-such-player", "{wav}"])


def test_nothing_goes_through_a_shell(tmp_path, recording):
    odd = recording.rename(tmp_path / "a; touch pwned $(id) 'x'.wav")
    heard = play(tmp_path, odd)
    assert len(list(heard.glob("*.wav"))) == 1


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"not a sound at all" * 10])
def test_damaged_recordings_are_errors(tmp_path, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(DriverError, match=r"x\.wav is not a sound file"):
        seconds_of(path)
    with pytest.raises(DriverError):
        play(tmp_path, path)
    with pytest.raises(DriverError):
        seconds_of(tmp_path / "absent.wav")


@pytest.mark.parametrize("player", [[], ["aplay"], ["{wav}"], "aplay {wav}"])
def test_player_needs_its_slot(player):
    with pytest.raises(ValidationError, match="player"):
        DRIVER.Section.model_validate({"player": player})
