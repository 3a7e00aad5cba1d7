from __future__ import annotations

import time

from agent.records import Lane, Stamp


def test_records_and_readings_reach_the_platform_and_are_acknowledged(rig):
    for n in range(40):
        rig.journal.write(Lane.ALARM if n % 4 == 0 else Lane.EVENT)
    for n in range(300):
        rig.journal.read([n * 0.5, 7.25, float("nan")])
    with rig.platform() as platform, rig.link(acknowledge="platform") as link:
        rig.wait(lambda: link.state()["delivered"] and rig.upto(link) == {"rec0": 40, "step0": 300})
        rig.journal.read([1.0, 2.0, 3.0])
        rig.journal.write(Lane.ALARM)
        rig.wait(lambda: rig.upto(link) == {"rec0": 41, "step0": 301})
        assert platform.counts["alarm"] == 11
        assert platform.counts["event"] == 30
        assert platform.counts["garbage"] == 0
        assert all(lane["unreceived"] == 0 == lane["in_flight"] for lane in link.state()["lanes"].values())


def test_without_a_broker_it_waits_and_then_delivers(rig):
    rig.broker = rig.make_broker()
    rig.journal.write(Lane.ALARM, body={"n": 1})
    with rig.link() as link:
        time.sleep(0.5)
        assert not link.state()["connected"]
        assert "refused" in link.state()["trouble"]
        rig.broker.start()
        ear = rig.ear()
        told = ear.until(lambda name, _: name == "alarm")
        assert (told["epoch"], told["seq"], told["body"]) == ("rec0", 1, {"n": 1})


def test_an_alarm_overtakes_the_backlog(rig):
    for n in range(20_000):
        rig.journal.read([float(n), 1.0, 2.0])
    for _ in range(3000):
        rig.journal.write(Lane.EVENT)
    rig.journal.write(Lane.ALARM)
    ear = rig.ear()
    with rig.link():
        names = []
        while "alarm" not in names:
            names.append(ear.json()[0])
        assert names.count("event") + names.count("reading") <= 1, "found at the first look, it goes first"
        ear.until(lambda name, _: name == "reading")
        began = time.monotonic()
        seq = rig.journal.write(Lane.ALARM)
        ear.until(lambda name, told: name == "alarm" and told["seq"] == seq)
        assert time.monotonic() - began < 1.0


def test_live_readings_are_told_from_the_backlog(rig):
    rig.journal.read([1.0, 2.0, 3.0])
    ear = rig.ear()
    with rig.link():
        old = ear.until(lambda name, _: name == "reading")
        assert (old["replay"], old["from"], old["to"]) == (True, 1, 1)
        rig.journal.read([4.0, 5.5, float("nan")], quality=5)
        live = ear.until(lambda name, _: name == "reading")
        assert live["replay"] is False
        assert live["points"] == ["a.x", "a.y", "b.z"]
        assert live["sets"] == [[0, 1, 2]]
        assert live["steps"] == [[0, 0, 4, 5.5, None]]
        assert live["quality"] == [[0, 0, 5], [0, 1, 5], [0, 2, 5]]


def test_records_from_before_the_clock_was_right_are_dated_later(rig):
    rig.journal.known.append(Stamp("boot-1", 5_000_000_000, 1_700_000_005_000_000_000, "trusted"))
    rig.journal.write(Lane.ALARM, stamp=Stamp("boot-1", 2_000_000_000, 17, "untrusted"))
    rig.journal.write(Lane.ALARM, stamp=Stamp("boot-0", 2_000_000_000, 17, "untrusted"))
    ear = rig.ear("tocsin/v1/demo/alarm")
    with rig.link():
        first, second = ear.json()[1], ear.json()[1]
        assert (first["clock"], first["wall"]) == ("redated", "2023-11-14T22:13:22.000000Z")
        assert (second["clock"], second["wall"]) == ("untrusted", "1970-01-01T00:00:00.000000Z")
