from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from agent.guard.control import Control
from agent.link.asks import AskDesk
from agent.link.session import Incoming
from agent.link.topics import answer_topic
from agent.records import Lane


async def _never():
    return False


@contextmanager
def _guard(path, **asks):
    """Guard's real control socket with answers of our own."""
    heard = []
    reports = {"link": lambda request, _who: heard.append(request["state"]) or "heard"}
    stop = threading.Event()

    async def serve():
        task = asyncio.create_task(Control(path, asks, {}, reports, durable=_never).run())
        await asyncio.to_thread(stop.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(5)


def _ask(rig, content, ear, **more):
    asker = Client(CallbackAPIVersion.VERSION2)
    asker.connect("127.0.0.1", rig.broker.port)
    asker.loop_start()
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    asker.publish("tocsin/v1/demo/ask", payload, qos=1, **more).wait_for_publish(5)
    asker.disconnect()
    asker.loop_stop()
    return ear.json()[1] if ear else None


def test_a_3_1_1_client_asks_and_is_answered_where_it_wished(rig):
    ear = rig.ear("tocsin/v1/demo/answer/#")
    with (
        _guard(rig.directory / "s", points=lambda _: {"a.x": 1.5}) as heard,
        rig.link(guard_socket=rig.directory / "s") as link,
    ):
        rig.wait(lambda: link.state()["connected"])
        assert _ask(rig, {"id": "1", "what": "points"}, ear)["result"] == {"a.x": 1.5}
        _ask(rig, {"id": "2", "what": "alarms", "reply_to": "tocsin/v1/demo/answer/desk-7"}, None)
        message = ear.next()
        assert message.topic == "tocsin/v1/demo/answer/desk-7"
        told = json.loads(message.payload)
        assert (told["id"], told["ok"]) == ("2", False)
        assert "'alarms' is not known" in told["error"]
        told = _ask(rig, {"id": "3", "what": "alarms", "reply_to": "tocsin/v1/other/alarm"}, ear)
        assert "answers go to tocsin/v1/demo/answer" in told["error"]
        rig.wait(lambda: any(state["connected"] for state in heard))


def test_mosquitto_rr_gets_its_answer_by_response_topic_and_correlation(rig):
    with rig.link() as link:
        rig.wait(lambda: link.state()["connected"])
        done = subprocess.run(
            [
                *f"mosquitto_rr -V 5 -h 127.0.0.1 -p {rig.broker.port} -W 8 -t tocsin/v1/demo/ask".split(),
                *["-e", "tocsin/v1/demo/answer/rr", "-m", '{"what": "status"}'],
            ],
            capture_output=True,
            timeout=15,
            check=True,
        )
        told = json.loads(done.stdout)
        assert told["ok"]
        assert told["result"]["guard"] is None, "an absent guard does not silence the link"
        assert told["result"]["link"]["connected"]


def test_the_catalogue_is_told_at_birth_and_when_it_changes(rig):
    ear = rig.ear("tocsin/v1/demo/birth")
    told = {"points": ["a.x"]}
    with (
        _guard(rig.directory / "s", catalogue=lambda _: dict(told)),
        rig.link(guard_socket=rig.directory / "s") as link,
    ):
        ear.until(lambda _, birth: birth["catalogue"] == {"points": ["a.x"]})
        told["points"] = ["a.x", "a.y"]
        link._guard.changed()
        ear.until(lambda _, birth: birth["catalogue"] == {"points": ["a.x", "a.y"]})


def test_records_are_sent_again_on_request(rig):
    ear = rig.ear("tocsin/v1/demo/#")
    for _ in range(10):
        rig.journal.write(Lane.EVENT)
    del rig.journal.rows[3]
    with rig.link() as link:
        rig.wait(lambda: rig.upto(link)["rec0"] == 10)
        _ask(rig, {"id": "again", "what": "records", "epoch": "rec0", "from": 3, "to": 6}, None)
        answer = ear.until(lambda name, told: name == "answer" and told["id"] == "again")
        assert answer["result"]["missing"] == [[4, 4]]
        assert answer["result"]["sending"] == [[3, 3], [5, 6]]
        again = [ear.until(lambda name, _: name == "event") for _ in range(3)]
        assert [(told["seq"], told["replay"]) for told in again] == [(3, True), (5, True), (6, True)]
        _ask(rig, {"id": "gone", "what": "records", "epoch": "older", "from": 3, "to": 6}, None)
        answer = ear.until(lambda name, told: name == "answer" and told["id"] == "gone")
        assert answer["result"]["missing"] == [[3, 6]]
        rig.wait(lambda: rig.upto(link)["rec0"] == 10)


def test_retained_questions_are_ignored(rig):
    _ask(rig, {"id": "old", "what": "status"}, None, retain=True)
    for version in ("5", "3.1.1"):
        ear = rig.ear("tocsin/v1/demo/answer")
        with rig.link(version=version, ledger=f"{version}.db") as link:
            rig.wait(lambda: link.state()["connected"])
            assert _ask(rig, {"id": "new", "what": "status"}, ear)["id"] == "new"
            assert link.state()["ignored_asks"] == (0 if version == "5" else 1)


def _desk():
    sent = []
    return AskDesk("demo", SimpleNamespace(), dict, lambda number, request: not sent.append((number, request))), sent


def _incoming(payload, response_topic=None):
    return Incoming("tocsin/v1/demo/ask", payload, False, response_topic, None)


def test_questions_are_rate_limited():
    desk, sent = _desk()
    for _ in range(100):
        desk.take(_incoming(b'{"what": "points"}'), 100.0)
    assert len(sent) == 20
    assert desk.ignored == 80
    desk.take(_incoming(b'{"what": "points"}'), 101.0)
    assert len(sent) == 21


def test_answers_are_bounded():
    desk, _ = _desk()
    desk.take(_incoming(b'{"id": "big", "what": "points"}'), 100.0)
    reply = desk.answered(1, {"ok": True, "result": "x" * 300_000})
    told = json.loads(reply.payload)
    assert not told["ok"]
    assert "300" in told["error"]
    assert "ask for less" in told["error"]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_give_an_answer_or_silence(payload):
    desk, sent = _desk()
    reply = desk.take(_incoming(payload), 100.0)
    assert not sent
    assert reply is None or json.loads(reply.payload)["ok"] is False


@given(st.text(max_size=80))
def test_answers_never_leave_the_sites_answer_topic(wanted):
    own = "tocsin/v1/demo/answer"
    for topic in (wanted, own + wanted, own + "/" + wanted):
        try:
            allowed = answer_topic("demo", topic)
        except ValueError:
            continue
        assert allowed == own or allowed.startswith(own + "/")
        assert not set(allowed) & set("+#\0 ")


@pytest.mark.parametrize("site", ["", "A", "a/b", "a+", "x" * 65, "a\0", "ä"])
def test_a_site_id_that_would_poison_a_topic_is_refused(site):
    with pytest.raises(ValueError, match=r"site\.id"):
        answer_topic(site, None)
