from __future__ import annotations

import time

from agent.records import Lane, Stamp


def test_records_and_readings_reach_the_platform_and_are_acknowledged(
    journal, broker, run_link, run_platform, wait_for
):
    for n in range(40):
        journal.write(Lane.ALARM if n % 4 == 0 else Lane.EVENT)
    for n in range(300):
        journal.read([n * 0.5, 7.25, float("nan")])
    with run_platform(broker.port) as platform, run_link(journal, broker.port, acknowledge="platform") as link:
        wait_for(lambda: link.state()["delivered"] and _upto(link) == {"rec0": 40, "step0": 300})
        journal.read([1.0, 2.0, 3.0])
        journal.write(Lane.ALARM)
        wait_for(lambda: _upto(link) == {"rec0": 41, "step0": 301})
        assert platform.counts["alarm"] == 11
        assert platform.counts["event"] == 30
        assert platform.counts["garbage"] == 0
        assert all(lane["unreceived"] == 0 == lane["in_flight"] for lane in link.state()["lanes"].values())


def _upto(link):
    return {mark["epoch"]: mark["upto"] for mark in link.state()["delivered"]}


def test_without_a_broker_it_waits_and_then_delivers(journal, brokers, run_link, ears):
    broker = brokers()
    journal.write(Lane.ALARM, body={"n": 1})
    with run_link(journal, broker.port) as link:
        time.sleep(0.5)
        assert not link.state()["connected"]
        assert "refused" in link.state()["trouble"]
        broker.start()
        ear = ears(broker.port)
        told = ear.until(lambda name, _: name == "alarm")
        assert (told["epoch"], told["seq"], told["body"]) == ("rec0", 1, {"n": 1})


def test_an_alarm_overtakes_the_backlog(journal, broker, run_link, ears):
    for n in range(20_000):
        journal.read([float(n), 1.0, 2.0])
    for _ in range(3000):
        journal.write(Lane.EVENT)
    journal.write(Lane.ALARM)
    ear = ears(broker.port)
    with run_link(journal, broker.port):
        names = []
        while "alarm" not in names:
            names.append(ear.json()[0])
        assert names.count("event") + names.count("reading") <= 1, "found at the first look, it goes first"
        ear.until(lambda name, _: name == "reading")
        began = time.monotonic()
        seq = journal.write(Lane.ALARM)
        ear.until(lambda name, told: name == "alarm" and told["seq"] == seq)
        assert time.monotonic() - began < 1.0


def test_live_readings_are_told_from_the_backlog(journal, broker, run_link, ears):
    journal.read([1.0, 2.0, 3.0])
    ear = ears(broker.port)
    with run_link(journal, broker.port):
        old = ear.until(lambda name, _: name == "reading")
        assert (old["replay"], old["from"], old["to"]) == (True, 1, 1)
        journal.read([4.0, 5.5, float("nan")], quality=5)
        live = ear.until(lambda name, _: name == "reading")
        assert live["replay"] is False
        assert live["points"] == ["a.x", "a.y", "b.z"]
        assert live["sets"] == [[0, 1, 2]]
        assert live["steps"] == [[0, 0, 4, 5.5, None]]
        assert live["quality"] == [[0, 0, 5], [0, 1, 5], [0, 2, 5]]


def test_records_from_before_the_clock_was_right_are_dated_later(journal, broker, run_link, ears):
    journal.known.append(Stamp("boot-1", 5_000_000_000, 1_700_000_005_000_000_000, "trusted"))
    journal.write(Lane.ALARM, stamp=Stamp("boot-1", 2_000_000_000, 17, "untrusted"))
    journal.write(Lane.ALARM, stamp=Stamp("boot-0", 2_000_000_000, 17, "untrusted"))
    ear = ears(broker.port, "tocsin/v1/demo/alarm")
    with run_link(journal, broker.port):
        first, second = ear.json()[1], ear.json()[1]
        assert (first["clock"], first["wall"]) == ("redated", "2023-11-14T22:13:22.000000Z")
        assert (second["clock"], second["wall"]) == ("untrusted", "1970-01-01T00:00:00.000000Z")
