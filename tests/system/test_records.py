"""Records under load while guard, link, broker and platform are killed: each arrives, and repeats are told apart."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Self

import pytest

from tests.system.town import Town

RECORDS = int(os.environ.get("TOCSIN_RECORDS", "20000"))


class Operator:
    """A busy operator on the agent's own socket, who shelves and brings back alarms; every act is a record.

    An act on a hazard is an alarm record and changes the coverage map; one on a device is an event.
    """

    def __init__(self, town: Town, acts_per_s: float) -> None:
        self._town, self._pause_s = town, 1 / acts_per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answered: list[str] = []  # reasons of acts that the agent said it had done

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        for number in count():
            if self._ended.is_set():
                return
            try:
                with socket.socket(socket.AF_UNIX) as line:
                    line.settimeout(5)
                    line.connect(str(self._town.socket))
                    with line.makefile("rb") as answers:
                        self._act(line, answers, number)
            except (OSError, ValueError):  # it was killed; the next one comes
                time.sleep(0.05)

    def _act(self, line: socket.socket, answers: object, life: int) -> None:
        for number in count():
            if self._ended.is_set():
                return
            began_s = time.monotonic()
            alarm = ("device.pit", "device.gas", "flood")[number % 3]
            why = f"{life}-{number}"
            for request in (
                {"do": "shelve", "alarm": alarm, "for_s": 600, "why": why},
                {"do": "unshelve", "alarm": alarm},
            ):
                line.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(answers.readline())  # type: ignore[attr-defined]
                if answer["ok"] and "why" in request:
                    self.answered.append(why)
            time.sleep(max(0.0, began_s + 2 * self._pause_s - time.monotonic()))


def compare(town: Town, operator: Operator) -> tuple[int, int]:
    """Journal and platform hold the same records under the same numbers; how many, and acts lost with killed guards."""
    journalled = town.journalled()
    stored = town.stored()
    assert sorted(journalled) == list(range(1, len(journalled) + 1)), "a number is missing in the journal"
    assert sorted(stored) == sorted(journalled), "a record is missing at the platform"
    for seq, record in journalled.items():
        told = stored[seq]
        assert (told["mono_ns"], told["kind"], told["body"]) == (record.stamp.mono_ns, record.kind, record.body)
    kept = {r.body["why"].split(" ")[0] for r in journalled.values() if r.body.get("event") == "shelved"}
    return len(journalled), len(set(operator.answered) - kept)


def repeats(town: Town, before: int) -> int:
    """Messages that the platform had already, over all its lives."""
    return before + town.platform_counts().get("duplicate", 0)


@pytest.mark.slow
def test_a_broker_that_dies_under_load_loses_nothing(figure: Callable[[str], None]) -> None:
    with Town() as town:
        with Operator(town, 250) as operator:
            for _ in range(3):
                time.sleep(1.5)
                town.kill(town.broker)
                time.sleep(0.7)
                town.start_broker()
            town.wait(lambda: len(operator.answered) > 600, 20, "enough records")
        town.wait(lambda: not town.missing(), 40, "every record at the platform")
        total, lost = compare(town, operator)
        assert lost == 0, "the agent was not killed"
        figure(f"broker killed 3 times under load: {total} records, none lost, {repeats(town, 0)} repeats")


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_nothing_is_lost_whoever_is_killed(figure: Callable[[str], None]) -> None:
    chance, kills = random.Random(11), dict.fromkeys(("guard", "link", "broker", "platform"), 0)
    again = 0
    with Town() as town:
        began_s = time.monotonic()
        with Operator(town, 2000) as operator:
            while town.recorded() < RECORDS:
                assert time.monotonic() - began_s < 100, f"{town.recorded()} records in 100 s"
                time.sleep(chance.uniform(0.5, 1.5))
                victim = chance.choice(list(kills))
                kills[victim] += 1
                if victim == "guard":
                    town.kill(town.agent)
                    town.start_agent()
                elif victim == "link":
                    town.kill_link()
                elif victim == "broker":
                    town.kill(town.broker)
                    time.sleep(chance.uniform(0.0, 0.3))
                    town.start_broker()
                else:
                    again = repeats(town, again)
                    town.kill(town.platform)
                    town.platform.__enter__()
        wrote_s = time.monotonic() - began_s
        town.wait(lambda: not town.missing(), 60, "every record at the platform")
        all_s = time.monotonic() - began_s
        total, lost = compare(town, operator)
        duplicates = repeats(town, again)
    assert total >= RECORDS
    told = ", ".join(f"{name} {times}" for name, times in kills.items())
    figure(
        f"{total} records in {wrote_s:.0f} s, all at the platform after {all_s:.0f} s; killed: {told} times; "
        f"none lost, {duplicates} repeats at least; {lost} acts died with the guard before its journal had them"
    )
