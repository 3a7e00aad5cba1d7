"""Speech is made by the real espeak-ng, kept, repaired, bounded, and never waited for."""

from __future__ import annotations

import array
import asyncio
import math
import os
import subprocess
import time
import wave

import pytest

from agent.guard.sound import check
from agent.guard.speech import VOICES, Speech, SpeechError, spoken

FLOOD = "{}请注意,下穿通道积水,水深0.45 m,红色预警,请立即远离河道。"
MESSAGES = {
    "zh": [
        "莲花三社区:下穿通道积水,水深0.45 m,红色预警,请立即撤离。",
        "B2层 CO 浓度120 ppm,请勿使用明火。",
        "燃气浓度25 %LEL,危险!",
        "演习,演习。这是一次演习。",
        "气温-3.5 degC,路面结冰。",
        "警报解除,谢谢配合。",
    ],
    "en": ["Lianhua community 3: underpass flooding, depth 0.45 m, level red. Leave now.", "All clear."],
}


@pytest.fixture
def speech(tmp_path):
    return Speech(tmp_path / "cache", memory_dir=tmp_path / "memory")


def heard(path) -> tuple[float, float]:
    """Seconds and root mean square."""
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 22050)
        samples = array.array("h", sound.readframes(sound.getnframes()))
    return len(samples) / 22050, math.sqrt(sum(sample**2 for sample in samples) / len(samples))


async def until(what):
    """The first true value of a call."""
    while not (found := what()):
        await asyncio.sleep(0.02)
    return found


def run(main):
    async def bounded():
        async with asyncio.timeout(18):
            await main

    asyncio.run(bounded())


def test_both_languages_are_speech_of_a_likely_length(speech):
    async def main():
        for language, texts in MESSAGES.items():
            for text in texts:
                seconds, loudness = heard(await speech.render(text, language))
                expected_s = len(text) / (4 if language == "zh" else 14)
                assert 0.4 * expected_s < seconds < 3 * expected_s, text
                assert loudness > 500

    run(main())


@pytest.mark.parametrize("text", MESSAGES["zh"])
def test_no_chinese_is_read_as_english(text):
    command = ["espeak-ng", "-q", "-x", "-v", VOICES["zh"], "--stdin"]
    phonemes = subprocess.run(command, input=spoken(text, "zh"), capture_output=True, text=True, check=True, timeout=5)
    assert "(en)" not in phonemes.stdout


def test_numbers_differ_and_are_longer_than_no_number(speech):
    async def main():
        none, small, large = [heard(await speech.render(f"水深{value}", "zh"))[0] for value in ("", "3 m", "1234.56 m")]
        assert none < small < large

    run(main())


def test_a_voice_that_reads_chinese_as_english_is_refused(tmp_path):
    async def main():
        wrong = Speech(tmp_path, {"zh": "cmn"}, memory_dir=tmp_path)
        with pytest.raises(SpeechError, match=r"'cmn' of .*1\.51 reads Chinese characters as English; use 'cmn-latn"):
            await wrong.render("红色", "zh")
        with pytest.raises(SpeechError, match="failed with code 1"):
            await wrong.render("hello", "xq")

    phonemes = subprocess.run(["espeak-ng", "-q", "-x", "-v", "cmn", "红"], check=True, capture_output=True, text=True)
    if "(en)" not in phonemes.stdout:
        pytest.skip("this espeak-ng has a good cmn voice")
    run(main())


def test_cache_hit_damage_and_restart(tmp_path, speech):
    async def main():
        path = await speech.render("警报", "zh")
        first = path.read_bytes()
        path.with_name("keep").hardlink_to(path)
        assert await speech.render("警报", "zh") == path
        assert path.samefile(path.with_name("keep"))
        again = Speech(tmp_path / "cache", memory_dir=tmp_path / "memory")
        for spoil in (
            lambda: path.write_bytes(first[: len(first) // 2]),
            lambda: path.write_bytes(b""),
            lambda: path.write_bytes(first[:5000] + bytes([first[5000] ^ 1]) + first[5001:]),
            lambda: path.write_bytes(bytes([first[0] ^ 1]) + first[1:]),
            path.unlink,
        ):
            spoil()
            assert await again.render("警报", "zh") == path
            check(path)
            assert path.read_bytes() == first

    run(main())


def test_prepared_is_ready_without_waiting_and_reported(tmp_path):
    async def main():
        reports = []
        speech = Speech(tmp_path / "cache", memory_dir=tmp_path / "memory", report=reports.append)
        wanted = [(text, language) for language, texts in MESSAGES.items() for text in texts]
        speech.prepare([*wanted, wanted[0]])
        assert speech.ready(*wanted[0]) is None
        await until(lambda: all(speech.ready(*wish) for wish in wanted))
        assert reports == []
        assert len(list((tmp_path / "cache").glob("*.wav"))) == len(wanted)
        speech.prepare(wanted[:1])
        assert speech.ready(*wanted[0]) is not None
        assert speech.ready(*wanted[1]) is None
        await speech.close()

    run(main())


def test_missing_engine_is_told_once_and_heals(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.guard.speech.RETRY_S", 0.05)
    program = tmp_path / "espeak"

    async def main():
        reports = []
        speech = Speech(tmp_path / "cache", memory_dir=tmp_path / "memory", program=str(program), report=reports.append)
        with pytest.raises(SpeechError, match="install it"):
            await speech.render("警报", "zh")
        speech.prepare([("警报", "zh"), ("alarm", "en")])
        await until(lambda: reports)
        await asyncio.sleep(0.3)
        assert len(reports) == 1
        assert "install it" in reports[0]
        heard(await speech.tone())  # the tone needs no engine
        program.write_text('#!/bin/sh\nexec espeak-ng "$@"\n')
        program.chmod(0o755)
        await until(lambda: not reports[-1])
        assert speech.ready("alarm", "en") is not None
        await speech.close()

    run(main())


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sleep 30", "took longer than 0.5 s"),
        ("echo bad data >&2; exit 3", "failed with code 3: bad data"),
        ('case "$*" in *stdout*) echo RIFF;; *) echo v1;; esac', "made no speech .*not a WAV"),
        ('case "$*" in *stdout*) ;; *) echo v1;; esac', "made no speech .*cut off"),
    ],
)
def test_an_engine_that_hangs_fails_or_talks_nonsense(tmp_path, monkeypatch, script, message):
    monkeypatch.setattr("agent.guard.speech.RENDER_S", 0.5)
    program = tmp_path / "espeak"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)

    async def main():
        speech = Speech(tmp_path / "cache", memory_dir=tmp_path / "memory", program=str(program))
        begun_s = time.monotonic()
        with pytest.raises(SpeechError, match=message):
            await speech.render("alarm", "en")
        assert time.monotonic() - begun_s < 3
        assert not list((tmp_path / "cache").glob("*"))

    run(main())


def test_only_silence_is_no_speech(tmp_path, speech):
    async def main():
        with pytest.raises(SpeechError, match="made no speech"):
            await speech.render("。。。", "zh")
        for text in ("", "  ", "x" * 2001):
            with pytest.raises(SpeechError, match="1 to 2000 characters"):
                await speech.render(text, "en")

    run(main())


def test_text_is_never_an_option_nor_a_command(tmp_path, speech):
    async def main():
        for text in ("-w pwned.wav", "--version", "$(touch pwned)", "'; touch pwned", "a\x01\x00b", "[[pwned"):
            seconds, loudness = heard(await speech.render(text, "en"))
            assert seconds > 0.3
            assert loudness > 100

    run(main())
    assert not list(tmp_path.rglob("pwned*"))


def test_quota_drops_the_oldest_but_not_tones_nor_what_is_prepared(tmp_path):
    async def main():
        speech = Speech(tmp_path, memory_dir=tmp_path, memory_bytes=400_000)
        tone = await speech.tone()
        speech.prepare([("stays for ever", "en")])
        prepared = await until(lambda: speech.ready("stays for ever", "en"))
        (tmp_path / ".dead.wav.1.ff").write_bytes(b"x")  # of a process that was killed
        for age in range(30):
            path = await speech.render(f"measured value {age}", "en")
            for old in (path, tone, prepared):
                os.utime(old, (1000 + age, 1000 + age))
        files = list(tmp_path.iterdir())
        assert {tone, prepared, path} <= set(files)
        assert sum(file.stat().st_size for file in files) < 400_000 + 2 * path.stat().st_size
        assert not (tmp_path / ".dead.wav.1.ff").exists()
        await speech.close()

    run(main())


def test_an_alarm_writes_no_card_and_each_directory_stands_in_for_the_other(tmp_path):
    card, memory = tmp_path / "card", tmp_path / "memory"

    async def main():
        speech = Speech(card, memory_dir=memory)
        speech.prepare([("警报", "zh")])
        prepared = await until(lambda: speech.ready("警报", "zh"))
        assert prepared.parent == card
        before = set(card.iterdir())
        value = await speech.render("水深0.45 m", "zh")
        whole = await speech.join([await speech.tone(), prepared, value])
        assert {value.parent, whole.parent} == {memory}
        assert set(card.iterdir()) == before
        await speech.close()

        spoiled = tmp_path / "spoiled"
        spoiled.write_text("a file where a directory should be")
        speech = Speech(spoiled, memory_dir=memory)
        speech.prepare([("解除", "zh")])
        assert (await until(lambda: speech.ready("解除", "zh"))).parent == memory
        await speech.close()
        assert (await Speech(card, memory_dir=spoiled).render("撤离", "zh")).parent == card
        with pytest.raises(SpeechError, match="no place to keep sound"):
            await Speech(spoiled, memory_dir=spoiled).tone()

    run(main())


def test_join_adds_up_scales_and_converts(tmp_path, speech):
    async def main():
        tone = await speech.tone()
        zh, en = await speech.render("警报", "zh"), await speech.render("Alarm", "en")
        whole = await speech.join([tone, zh, en])
        seconds, loudness = heard(whole)
        assert seconds == pytest.approx(sum(heard(part)[0] for part in (tone, zh, en)) + 0.8, abs=0.01)
        quiet = await speech.join([tone, zh, en], volume=0.5)
        assert heard(quiet)[1] == pytest.approx(loudness / 2, rel=0.01)
        assert await speech.join([tone, zh, en]) == whole

        stereo = tmp_path / "stereo.wav"
        with wave.open(str(stereo), "wb") as sound:
            sound.setparams((2, 2, 44100, 0, "NONE", ""))
            sound.writeframes(b"\x00\x10\x00\x10" * 44100)
        seconds, loudness = heard(await speech.join([stereo]))
        assert seconds == pytest.approx(1.0, abs=0.001)
        assert loudness == pytest.approx(4096, rel=0.01)

    run(main())


def test_join_refuses_what_is_no_whole_sound_and_forgets_it(tmp_path, speech):
    async def main():
        speech.prepare([("Alarm", "en")])
        ready = await until(lambda: speech.ready("Alarm", "en"))
        ready.write_bytes(ready.read_bytes()[:3000])
        tone = await speech.tone()
        with pytest.raises(SpeechError, match="cut off"):
            await speech.join([tone, ready])
        tone.unlink()
        assert await speech.tone() == tone
        assert tone.exists()
        assert speech.ready("Alarm", "en") is None
        await speech.join([await speech.render("Alarm", "en")])
        eight = tmp_path / "eight.wav"
        with wave.open(str(eight), "wb") as sound:
            sound.setparams((1, 1, 8000, 0, "NONE", ""))
            sound.writeframes(b"\x80" * 8000)
        for paths, message in (
            ([eight], "8-bit samples; make it 16-bit"),
            ([], "nothing to join"),
            ([tmp_path / "x"], "No such file"),
        ):
            with pytest.raises(SpeechError, match=message):
                await speech.join(paths)
        await speech.close()

    run(main())


def test_tones_differ_and_are_heard(speech):
    async def main():
        attention, notice = heard(await speech.tone()), heard(await speech.tone("notice"))
        assert attention != notice
        assert min(attention[1], notice[1]) > 3000
        assert 1 < notice[0] < attention[0] < 4

    run(main())
