"""Words spoken by a real voice through a real player: whole, in turn, and never silence where a tone can sound."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config import Site, load_site
from agent.guard.respond import Want
from agent.guard.speak import VoiceAnnunciator, texts_to_prepare
from agent.guard.speech import Speech
from agent.site.model import Pattern

SITE = """
[site]
id = "talking"
name = {{ zh = "莲花社区", en = "Lianhua" }}
languages = ["zh", "en"]
[bus.wire]
port = "/dev/serial/by-id/none"
[device.pit]
bus = "wire"
unit_id = 3
map = "hlk-ld8001h"
period = "10 s"
[output.speaker]
driver = "speaker"
player = {player}
whole = false
max_on = "1 min"
min_off = "100 ms"
max_starts_per_hour = 100
[alarm.flood]
plan = "words"
[alarm.flood.level.yellow]
when = "pit.level > 15 cm"
[alarm.flood.level.red]
when = "pit.level > 40 cm"
[alarm.gas]
plan = "words"
[alarm.gas.level.red]
when = "pit.level > 60 cm"
[plan.words]
[[plan.words.level.yellow]]
output = "speaker"
message = "warn"
[[plan.words.level.red]]
output = "speaker"
message = "flee"
repeat = 2
[message.warn.text]
zh = "{{place}}积水{{value}}，请绕行。"
en = "Water in {{place}}: {{value}}. Take another road."
[message.flee.text]
zh = "请立刻离开。"
en = "Leave now."
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    player = [sys.executable, "-m", "hil.speaker", "--speed", "20", str(tmp_path / "said"), "{wav}"]
    (tmp_path / "site.toml").write_text(SITE.format(player=json.dumps(player)), encoding="utf-8")
    return load_site(tmp_path / "site.toml")


def want(alarm: str, level: str, rank: int, message: str | None, site: Site, **others: Any) -> Want:
    return Want(alarm, level, rank, 1, message=site.messages[message] if message else None, **others)


@asynccontextmanager
async def speaking(
    site: Site, tmp_path: Path, told: list[tuple[str, dict[str, Any]]], program: str = "espeak-ng"
) -> AsyncIterator[VoiceAnnunciator]:
    config = site.outputs["speaker"]
    speech = Speech(tmp_path / "speech", memory_dir=tmp_path / "memory", program=program)
    voice = VoiceAnnunciator(
        config,
        lambda: config.driver.connect("speaker", config.section, None, config.limits, config.base),
        lambda _, event, details: told.append((event, details)),
        speech,
        site,
    )
    task = asyncio.create_task(voice.run())
    try:
        yield voice
    finally:
        task.cancel()
        await asyncio.wait([task])
        await speech.close()


async def until(met: Callable[[], bool], within_s: float = 10.0) -> None:
    end_s = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < end_s, "it did not come about in time"
        await asyncio.sleep(0.02)


def said(tmp_path: Path) -> list[dict[str, Any]]:
    """The recordings that were played to their end."""
    log = tmp_path / "said" / "played.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [line for line in lines if line["event"] == "end"]


def confirmed(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [details["cause"] for event, details in told if event == "confirmed"]


def test_words_are_said_whole_as_often_as_wanted(site: Site, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with speaking(site, tmp_path, told) as voice:
            voice.want(want("flood", "red", 4, "flee", site, repeat=2), time.monotonic_ns())
            await until(lambda: len(said(tmp_path)) == 2)
            await until(lambda: voice.state.confirmed is True)
            await asyncio.sleep(0.5)
            assert len(said(tmp_path)) == 2, "and no more often"

    asyncio.run(play())
    assert confirmed(told) == ["flood red"]
    recording = next((tmp_path / "said").glob("*.wav"))
    assert recording.stat().st_size > 5 * 44_100, "tone, Chinese and English: some seconds of sound"


def test_of_two_alarms_that_are_as_urgent_both_are_heard_and_each_is_proven_for_itself(
    site: Site, tmp_path: Path
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with speaking(site, tmp_path, told) as voice:
            voice.want(want("flood", "red", 4, "flee", site), time.monotonic_ns())
            await until(lambda: voice.state.on)
            voice.want(want("gas", "red", 4, "warn", site), time.monotonic_ns())
            await until(lambda: len(confirmed(told)) == 2)

    asyncio.run(play())
    assert confirmed(told) == ["flood red", "gas red"]


def test_a_more_urgent_alarm_waits_for_nobody(site: Site, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with speaking(site, tmp_path, told) as voice:
            voice.want(want("flood", "yellow", 2, "warn", site, repeat=50), time.monotonic_ns())
            await until(lambda: voice.state.on)
            voice.want(want("flood", "red", 4, "flee", site), time.monotonic_ns())
            await until(lambda: "flood red" in confirmed(told))
            voice.want(None, time.monotonic_ns())
            await asyncio.sleep(0.3)
            assert not voice.state.on

    asyncio.run(play())


def test_without_a_voice_the_tone_sounds_and_the_missing_words_are_a_fault(site: Site, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    async def play() -> None:
        async with speaking(site, tmp_path, told, program="no-such-voice") as voice:
            voice.want(want("flood", "red", 4, "flee", site), time.monotonic_ns())
            await until(lambda: len(said(tmp_path)) == 1)
            assert "install it" in voice.state.fault

    asyncio.run(play())


def test_in_a_sirens_place_the_tone_lasts_and_stays_within_its_limits(site: Site, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    siren = Pattern("long", {}, ((True, 180.0),), 1, 180.0, locked=False, source="")

    async def play() -> None:
        async with speaking(site, tmp_path, told) as voice:
            voice.want(want("flood", "red", 4, None, site, pattern=siren, stands_in_for="siren"), time.monotonic_ns())
            await until(lambda: len(said(tmp_path)) == 1)

    asyncio.run(play())
    seconds = next((tmp_path / "said").glob("*.wav")).stat().st_size / 44_100
    assert 20 < seconds <= 60, "as long as max_on lets it"


def test_a_player_that_is_missing_is_a_fault_and_not_an_end(site: Site, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    config = site.outputs["speaker"]
    broken = config.section.model_copy(update={"player": ["/no/such/player", "{wav}"]})
    site = replace(site, outputs={"speaker": replace(config, section=broken)})

    async def play() -> None:
        async with speaking(site, tmp_path, told) as voice:
            voice.want(want("flood", "red", 4, "flee", site), time.monotonic_ns())
            await until(lambda: "can't be started" in voice.state.fault)
            assert voice.state.confirmed is None

    asyncio.run(play())
    assert told[-1][0] == "fault"


def test_all_that_can_be_said_ahead_of_need_is_known(site: Site) -> None:
    texts = dict.fromkeys(texts_to_prepare(site))
    assert ("莲花社区积水超过警戒值，请绕行。", "zh") in texts
    assert ("Leave now.", "en") in texts
    assert len(texts) == 4
