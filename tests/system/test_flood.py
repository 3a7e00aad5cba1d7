"""From rising water to a proven siren, spoken words and a platform that knows; whatever else is broken."""

from __future__ import annotations

import array
import statistics
import time
import wave
from collections.abc import Callable

import pytest

from tests.system.stage import CONDITIONS, delays_under, possible
from tests.system.town import Town

LONGEST_S = 1.0  # L1: from the reading on the wire to the siren


def test_a_flood_is_sounded_proven_spoken_told_and_cleared(town: Town, figure: Callable[[str], None]) -> None:
    town.rig.device("pit").level_mm = 450
    rose_s = time.monotonic()
    town.wait(town.sounded_s, 5, "the contact closes")
    town.wait(lambda: town.status()["outputs"]["siren"]["confirmed"], 5, "its current proves it")
    assert town.siren.sounding
    recording = town.wait(lambda: sorted(town.said.glob("[0-9]*.wav")), 10, "words")[0]
    with wave.open(str(recording)) as sound:
        samples = array.array("h", sound.readframes(sound.getnframes()))
        assert sound.getnframes() / sound.getframerate() > 3, "a tone and a sentence last longer"
    assert max(samples) > 3000, "the recording has sound"
    told = town.wait(lambda: town.at_platform("alarm", alarm="flood", level_name="red"), 10, "red at the platform")[0]
    assert told["site"] == "town"
    assert told["epoch"] == town.epoch()
    assert told["seq"] in town.journalled()
    assert told["body"]["readings"]["pit.level"]["value"] == 450
    confirmed = town.wait(lambda: town.at_platform("output", output="siren", event="confirmed"), 5, "proof told")[0]
    assert confirmed["body"]["point"] == "siren-current.current"

    town.rig.device("pit").level_mm = 20
    town.wait(lambda: town.alarm("flood") == "normal" and not town.siren.sounding, 5, "all clear")
    town.wait(lambda: len(list(town.said.glob("[0-9]*.wav"))) > 1, 10, "the all-clear is spoken")
    town.wait(lambda: town.at_platform("alarm", alarm="flood", level_name="normal"), 10, "all clear at the platform")
    latency = (
        f"written after {confirmed['body']['written']:.1f} ms, proven after {confirmed['body']['confirmed']:.0f} ms"
    )
    figure(f"flood: contact closed {town.sounded_s()[0] - rose_s:.2f} s after the water rose (delay 0.2 s); {latency}")


@pytest.mark.parametrize("condition", list(CONDITIONS))
def test_the_siren_sounds_at_once_whatever_else_is_wrong(condition: str, figure: Callable[[str], None]) -> None:
    if missing := possible(condition):
        pytest.skip(missing)
    delays_ms = sorted(1000 * delay_s for delay_s in delays_under(condition, 15))
    assert len(delays_ms) == 15
    assert delays_ms[-1] < 1000 * LONGEST_S
    median_ms = statistics.median(delays_ms)
    figure(f"byte -> siren write, {condition:20} median {median_ms:5.1f} ms, worst {delays_ms[-1]:5.1f} ms of 15")
