"""A platform that asks a running agent, with MQTT 5 and with 3.1.1."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.system.town import Town


def online(town: Town) -> None:
    town.wait(lambda: town.status()["uplink"]["connected"], 15, "the link is connected")


def test_status_is_pulled_with_mosquitto_rr(town: Town) -> None:
    online(town)
    root = "tocsin/v1/town"
    argv = ["mosquitto_rr", "-V", "5", "-h", "127.0.0.1", "-p", str(town.port), "-W", "8"]
    argv += ["-t", f"{root}/ask", "-e", f"{root}/answer/me", "-m", '{"what":"status"}']
    asked = subprocess.run(argv, capture_output=True, text=True, timeout=12, check=True)
    answer = json.loads(asked.stdout)
    assert answer["ok"] is True
    assert answer["site"] == "town"
    guard = json.dumps(answer["result"])
    for word in ("pit.level", "siren", "protected"):
        assert word in guard


@pytest.mark.parametrize("what", ["status", "alarms", "points", "nonsense"])
def test_a_pull_by_a_311_client_names_its_topic_in_the_message(what: str, shared_town: Town) -> None:
    online(shared_town)
    root = "tocsin/v1/town"
    answers: list[dict[str, Any]] = []
    answered, ready = threading.Event(), threading.Event()

    def heard(_client: Client, _data: object, message: MQTTMessage) -> None:
        answers.append(json.loads(message.payload))
        answered.set()

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.on_message = heard
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", shared_town.port)
    client.loop_start()
    try:
        client.subscribe(f"{root}/answer/old", qos=1)
        assert ready.wait(5)
        question = {"id": f"q-{what}", "what": what, "reply_to": f"{root}/answer/old"}
        client.publish(f"{root}/ask", json.dumps(question), qos=1)
        assert answered.wait(10), "an answer"
    finally:
        client.disconnect()
        client.loop_stop()
    assert len(answers) == 1
    assert answers[0]["id"] == f"q-{what}"
    if what == "nonsense":
        assert answers[0]["ok"] is False
        assert "status" in json.dumps(answers[0]), "it says what may be asked"
    else:
        assert answers[0]["ok"] is True
        assert ("flood" if what != "points" else "pit.level") in json.dumps(answers[0]["result"])


def test_birth_and_death_are_kept_by_the_broker(town: Town) -> None:
    online(town)

    def kept(topic: str) -> dict[str, Any]:
        argv = ["mosquitto_sub", "-p", str(town.port), "-t", f"tocsin/v1/town/{topic}", "-C", "1", "-W", "5"]
        told: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, timeout=10, check=True).stdout)
        return told

    town.wait(lambda: "pit.level" in json.dumps(kept("birth")), 10, "the catalogue is born")
    assert kept("state")["state"] == "online"
    town.kill_link()
    town.wait(lambda: kept("state")["state"] == "offline", 10, "the last will")
    town.wait(lambda: kept("state")["state"] == "online", 15, "the guard starts a new link")
    town.agent.stop()
    assert kept("state")["state"] == "offline"
