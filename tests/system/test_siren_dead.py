"""A siren that does not sound: it is noticed, something else sounds in its place, and everybody is told."""

from __future__ import annotations

import json
import subprocess
import time
import wave
from collections.abc import Callable

from tests.system.town import Town


def test_a_dead_siren_is_not_believed_and_the_alternate_sounds(town: Town, figure: Callable[[str], None]) -> None:
    town.siren.dead = True
    town.rig.device("gas").concentration = 40.0  # its plan has the siren only
    town.wait(town.sounded_s, 5, "the relay clicks")
    town.wait(lambda: town.status()["outputs"]["siren"]["confirmed"] is False, 5, "not confirmed")
    recording = town.wait(lambda: sorted(town.said.glob("[0-9]*.wav")), 10, "the loudspeaker stands in")[0]
    alternate_s = recording.stat().st_mtime - time.time() + time.monotonic() - town.sounded_s()[0]
    with wave.open(str(recording)) as sound:
        assert sound.getnframes() / sound.getframerate() > 20, "in a siren's place the tone lasts"
    status = town.status()
    assert "siren-current.current showed nothing" in status["outputs"]["siren"]["fault"]
    assert town.protection("gas") == "blind"
    assert town.protection("flood") == "degraded"

    fault = town.wait(lambda: town.at_platform("output", output="siren", event="fault"), 10, "told to the platform")[0]
    assert "not confirmed" in fault["body"]["reason"]
    assert town.wait(lambda: town.at_platform("equipment", alarm="output.siren", event="raised"), 5)
    kept = retained(town, "protection")
    coverage = {entry["alarm"]: entry for entry in kept["body"]["coverage"]}
    assert (coverage["gas"]["status"], coverage["flood"]["status"]) == ("blind", "degraded")
    assert "siren" in coverage["gas"]["why"][0]

    # It is believed again once it is seen to work.
    town.siren.dead = False
    town.wait(lambda: town.status()["outputs"]["siren"]["confirmed"], 10, "proven")
    town.wait(lambda: town.protection("gas") == "protected", 5)
    figure(f"siren dead: the alternate sounds {alternate_s:.1f} s after the relay clicked (evidence is due within 1 s)")


def retained(town: Town, topic: str) -> dict[str, object]:
    """What the broker keeps of a topic, as somebody new sees it."""
    argv = ["mosquitto_sub", "-p", str(town.port), "-t", f"tocsin/v1/town/{topic}", "-C", "1", "-W", "5", "-F", "%r %p"]
    flag, _, payload = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True).stdout.partition(
        " "
    )
    assert flag == "1", "retained"
    told: dict[str, object] = json.loads(payload)
    return told


def test_a_siren_that_nobody_can_write_to_is_told_and_stood_in_for(town: Town) -> None:
    town.rig.device("relay").refuses = True
    town.rig.device("gas").concentration = 40.0
    town.wait(lambda: list(town.said.glob("[0-9]*.wav")), 10, "the loudspeaker stands in")
    assert town.status()["outputs"]["siren"]["fault"]
    assert town.protection("gas") == "blind"
    town.rig.device("relay").refuses = False
    town.wait(lambda: town.siren.sounding, 5, "a lost write heals")
    town.wait(lambda: town.protection("gas") == "protected", 10)
