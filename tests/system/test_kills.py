"""The agent is killed without warning, again and again: what was pending, sounding or recorded goes on."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

import pytest

from tests.system.town import Town

AGAIN_S = 5.0  # crash -> siren asserted again
DELAY_S = 2.0
KEPT_EVERY_S = 1.0  # progress of a delay is kept so often; the rest of it may be waited for again


def assert_nothing_lost(town: Town) -> str:
    """Numbers in the journal have no holes, and the platform has each of them once. Returns what was counted."""
    journalled = town.journalled()
    assert sorted(journalled) == list(range(1, max(journalled) + 1)), "a number is missing without a gap record"
    town.wait(lambda: len(town.journalled()) == len(town.stored()), 30, "all records at the platform")
    stored = town.stored()
    assert set(stored) == set(town.journalled())
    for seq, record in journalled.items():
        told = stored[seq]
        identity = (told["boot"], told["mono_ns"], told["kind"], told["body"])
        assert identity == (record.stamp.boot_id, record.stamp.mono_ns, record.kind, record.body)
    counts = town.platform_counts()
    return f"{len(stored)} records, none lost, {counts.get('duplicate', 0)} repeats with the same identity"


@pytest.mark.slow
def test_an_on_delay_is_taken_up_again_and_never_runs_out_early(figure: Callable[[str], None]) -> None:
    chance, beyond_s = random.Random(3), []
    with Town(delay=f"{DELAY_S:g} s") as town:
        pit = town.rig.device("pit")
        for _ in range(10):
            sounded = len(town.sounded_s())
            pit.level_mm = 450
            rose_s = time.monotonic()
            time.sleep(chance.uniform(0.2, DELAY_S - 0.2))
            killed_s = town.kill(town.agent)
            assert len(town.sounded_s()) == sounded, "the delay was not over"
            time.sleep(chance.uniform(0.0, 0.5))
            down_s = time.monotonic()
            town.start_agent()
            guarding_s = time.monotonic()
            town.wait(lambda before=sounded: len(town.sounded_s()) > before, DELAY_S + 5, "it sounds in the end")
            first_s = town.sounded_s()[sounded]
            assert first_s - rose_s >= DELAY_S, "earlier than without the outage"
            assert first_s - rose_s >= DELAY_S + (down_s - killed_s), "the outage itself does not count"
            beyond_s.append((killed_s - rose_s) + (first_s - guarding_s) - DELAY_S)
            pit.level_mm = 20
            town.wait(lambda: town.alarm("flood") == "normal" and not town.siren.sounding, 10, "it clears")
        told = assert_nothing_lost(town)
    assert max(beyond_s) < KEPT_EVERY_S + 1.0
    figure(
        f"kill -9 in an on-delay of {DELAY_S:g} s, 10 times: waited beyond it while up "
        f"median {statistics.median(beyond_s):.2f} s, most {max(beyond_s):.2f} s; {told}"
    )


@pytest.mark.slow
def test_a_siren_is_asserted_again_after_a_kill(figure: Callable[[str], None]) -> None:
    chance, again_s, up_s = random.Random(4), [], []
    with Town() as town:
        town.rig.device("pit").level_mm = 450
        town.wait(lambda: town.status()["outputs"]["siren"]["confirmed"], 10, "it sounds")
        for _ in range(10):
            time.sleep(chance.uniform(0.0, 0.6))
            killed_s = town.kill(town.agent)
            if chance.random() < 0.3:  # long enough for the relay's pulse to end
                town.wait(lambda: not town.siren.sounding, 3, "a dead gateway falls silent")
            writes = len(town.rig.lines["actuators"].heard)
            began_s = time.monotonic()
            town.agent.__enter__()
            town.wait(
                lambda n=writes: any(
                    h.unit_id == 1 and h.pdu[0] == 5 and h.pdu[1] == 2
                    for h in list(town.rig.lines["actuators"].heard)[n:]
                ),
                10,
                "written again",
            )
            again_s.append(time.monotonic() - began_s)
            town.wait(lambda: town.siren.sounding, 2)
            town.wait(lambda: town.status()["outputs"]["siren"]["confirmed"], 5, "proven again")
            up_s.append(time.monotonic() - killed_s)
            assert town.alarm("flood") == "red"
        town.wait(lambda: len(town.links()) == 1, 5, "links of killed guards end")
        raised = [r for r in town.journalled().values() if r.kind == "alarm" and r.body["event"] == "raised"]
        assert len(raised) == 1, "the same alarm, not a new one each time"
        town.rig.device("pit").level_mm = 20
        town.wait(lambda: town.alarm("flood") == "normal" and not town.siren.sounding, 5, "it clears")
        told = assert_nothing_lost(town)
    assert max(again_s) < AGAIN_S
    figure(
        f"kill -9 in an alarm, 10 times: start -> siren written again median {statistics.median(again_s):.2f} s, "
        f"most {max(again_s):.2f} s; kill -> proven again at most {max(up_s):.2f} s; {told}"
    )


def test_equipment_that_failed_before_a_restart_fails_until_it_is_seen_to_work() -> None:
    with Town(uplink=False) as town:
        line, relay = town.rig.lines["sensors"], town.rig.device("relay")
        pulled = line.units.pop(3)
        town.siren.dead = True
        town.rig.device("gas").concentration = 40.0
        town.wait(lambda: town.status()["outputs"]["siren"]["confirmed"] is False, 10, "the siren is not proven")
        town.wait(lambda: town.ask("alarms").get("device.pit", {}).get("level") == "fault", 10, "the sensor is lost")
        town.wait(lambda: any(r.body.get("alarm") == "device.pit" for r in town.journalled().values()), 10, "kept")
        town.kill(town.agent)
        town.agent.__enter__()
        town.wait(lambda: town.status()["points"]["gas.concentration"]["value"] == 40, 20, "it runs again")
        assert town.protection("gas") == "blind"
        assert town.protection("flood") == "blind"
        assert town.alarm("device.pit") == town.alarm("output.siren") == "fault"

        town.kill(town.agent)
        line.units[3] = pulled
        town.siren.dead = False
        town.wait(lambda: not relay.coil(0), 5, "silent without its gateway")
        town.start_agent()
        town.wait(lambda: town.ask("alarms")["device.pit"]["level"] == "normal", 10, "the sensor is seen again")
        town.wait(lambda: town.ask("alarms")["output.siren"]["level"] == "normal", 10, "the siren is proven")
        assert town.status()["outputs"]["siren"]["fault"] == ""
        town.wait(lambda: town.protection("flood") == town.protection("gas") == "protected", 5)
        raised = [r.body["alarm"] for r in town.journalled().values() if r.body.get("event") == "raised"]
        assert sorted(raised) == ["device.pit", "gas", "output.siren"], "each once"
