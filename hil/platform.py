"""A reference platform: stores what gateways send once each, tells them what it has, asks for what is missing.

It is what a city's consumer must do at least: remove duplicates by (site, epoch, seq), see holes by number, ask for
them, acknowledge only what is committed. Knows MQTT and docs/uplink.md, nothing of the agent.
`python -m hil.platform --host HOST --port PORT --site SITE --db FILE`; `--site +` takes every site.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import sqlite3
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

Span = tuple[int, int]
Key = tuple[str, str]  # site, epoch

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message(site TEXT, epoch TEXT, first INTEGER, last INTEGER, topic TEXT, payload TEXT,
  PRIMARY KEY(site, epoch, first, last)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone(site TEXT, epoch TEXT, first INTEGER, last INTEGER);
"""
_ACK_S = 0.1  # acknowledgements are gathered for so long
_ACK_MESSAGES = 50  # or so many messages
_ASK_S = 5.0  # a hole this old is asked for
_IN_ORDER = ("alarm", "event", "protection", "reading")


class Runs:
    """Numbers as runs that neither overlap nor touch, in two sorted columns. Cheap for thousands of runs."""

    def __init__(self) -> None:
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, first: int, last: int) -> None:
        """Take in first..last."""
        begin, end = bisect_left(self._last, first - 1), bisect_right(self._first, last + 1)
        if begin < end:
            first, last = min(first, self._first[begin]), max(last, self._last[end - 1])
        self._first[begin:end], self._last[begin:end] = [first], [last]

    def around(self, first: int, last: int) -> Span | None:
        """The run that holds all of first..last."""
        at = bisect_left(self._last, last)
        if at < len(self._last) and self._first[at] <= first:
            return self._first[at], self._last[at]
        return None

    def all(self) -> list[Span]:
        """Every run, in order."""
        return list(zip(self._first, self._last, strict=True))

    def holes(self, most: int) -> list[Span]:
        """The first runs of numbers that are missing below the highest."""
        ends = chain([0], self._last)
        missing = ((end + 1, first - 1) for end, first in zip(ends, self._first, strict=False) if first > end + 1)
        return list(islice(missing, most))


class Store:
    """What has arrived, of all sites. One thread uses it."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")  # acknowledged means: survives a power cut
        self._db.executescript(_SCHEMA)
        self.counts: Counter[str] = Counter()
        self._have: defaultdict[Key, Runs] = defaultdict(Runs)
        for site, epoch, first, last in self._db.execute(
            "SELECT site, epoch, first, last FROM message UNION ALL SELECT * FROM gone ORDER BY 3"
        ):
            self._have[site, epoch].add(first, last)

    def take(self, topic: str, payload: bytes) -> tuple[Key, Span] | None:
        """Store one message unless it is there already; what it is, or None when it is not one of ours."""
        try:
            told = json.loads(payload)
            first, last = (told["from"], told["to"]) if "from" in told else (told["seq"], told["seq"])
            site, epoch = str(told["site"]), str(told["epoch"])
            absent = [(int(a), int(b)) for a, b in told.get("absent", [])]
            fits = topic.split("/")[2] == site and 1 <= int(first) <= int(last)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            fits = False
        if not fits:
            self.counts["garbage"] += 1
            return None
        if "seq" in told:  # of a reading, they lie within from..to
            for span in absent:
                self.give_up(site, epoch, *span)
        taken = (site, epoch), (int(first), int(last))
        runs = self._have[site, epoch]
        if runs.around(first, last):
            self.counts["duplicate"] += 1
            return taken
        row = (site, epoch, first, last, topic, payload.decode())
        self._db.execute("INSERT OR IGNORE INTO message VALUES(?,?,?,?,?,?)", row)
        runs.add(first, last)
        self.counts[topic.rsplit("/", 1)[-1]] += 1
        return taken

    def give_up(self, site: str, epoch: str, first: int, last: int) -> None:
        """The gateway says that these do not exist (any more)."""
        if self._have[site, epoch].around(first, last):
            return
        self._db.execute("INSERT INTO gone VALUES(?,?,?,?)", (site, epoch, first, last))
        self._have[site, epoch].add(first, last)
        self.counts["gone"] += last - first + 1

    def commit(self) -> None:
        """Make durable what was taken; only then it may be acknowledged."""
        self._db.commit()

    def received(self, site: str, epoch: str, lately: Iterable[Span] | None = None) -> dict[str, Any]:
        """The acknowledgement of all that is stored of an epoch; or of what came `lately`, and up to the first hole."""
        runs = self._have[site, epoch]
        upto = (runs.around(1, 1) or (0, 0))[1]
        spans = runs.all() if lately is None else sorted({run for span in lately if (run := runs.around(*span))})
        return {"v": 1, "epoch": epoch, "upto": upto, "also": [list(run) for run in spans if run[0] > upto][:5000]}

    def holes(self, site: str, epoch: str, most: int = 1000) -> list[Span]:
        """The first numbers that are missing below the highest one seen."""
        return self._have[site, epoch].holes(most)

    def epochs(self) -> list[Key]:
        """Sites and epochs of which something arrived."""
        return list(self._have)

    def numbers(self, site: str, epoch: str) -> list[Span]:
        """Runs of what is stored or given up."""
        return self._have[site, epoch].all()


class Platform:
    """The consumer: `run` takes messages until `stop`. Answers of gateways are kept in `answers`, by id."""

    def __init__(
        self,
        host: str,
        port: int,
        site: str,
        store: Path | str,
        *,
        client_id: str = "platform",
        report: Callable[[dict[str, int]], None] | None = None,
    ) -> None:
        self._path = store
        self._site = site
        self._inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=False,  # the broker keeps what comes while we are away
        )
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._subscribe
        self._client.on_message = self._put
        self._client.connect_async(host, port, keepalive=10)
        self._stopping = False
        self._new_session = False  # what was acknowledged in the old one may have died with the broker
        self._next_hunt = 0.0
        self._due: dict[tuple[Key, Span], float] = {}
        self._report = report
        self._reported: Counter[str] = Counter()
        self.answers: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()

    def _subscribe(self, client: Client, *_: Any) -> None:
        self._new_session = True
        client.subscribe([(f"tocsin/v1/{self._site}/{what}", 1) for what in (*_IN_ORDER, "answer")])

    def _put(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._inbox.put((message.topic, bytes(message.payload)))

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping = True

    def run(self, *, for_s: float = float("inf")) -> None:
        """Take, store, acknowledge, ask."""
        until = time.monotonic() + for_s
        store = Store(self._path)
        self.counts = store.counts
        self._client.loop_start()
        try:
            while not self._stopping and time.monotonic() < until:
                self._round(store)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _round(self, store: Store) -> None:
        until = time.monotonic() + _ACK_S
        lately: defaultdict[Key, list[Span]] = defaultdict(list)
        for _ in range(_ACK_MESSAGES):
            try:
                topic, payload = self._inbox.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            taken = self._on_answer(store, payload) if topic.endswith("/answer") else store.take(topic, payload)
            if taken is not None:
                lately[taken[0]].append(taken[1])
        if self._new_session:
            self._new_session = False
            for site, epoch in store.epochs():
                self._publish(site, "received", store.received(site, epoch))
        if lately:
            store.commit()
            for (site, epoch), spans in lately.items():
                self._publish(site, "received", store.received(site, epoch, spans))
        now = time.monotonic()
        if now >= self._next_hunt:
            self._next_hunt = now + 1.0
            self._hunt(store, now)
            if self._report is not None and self._reported != store.counts:
                self._reported = store.counts.copy()
                self._report(dict(store.counts))

    def _hunt(self, store: Store, now: float) -> None:
        # A hole is normal for a while: alarms overtake. It is asked for when it stays.
        holes = [(key, hole) for key in store.epochs() for hole in store.holes(*key, 10)]
        standing = set(holes)
        self._due = {hole: due for hole, due in self._due.items() if hole in standing}
        for (site, epoch), (first, last) in holes:
            due = self._due.setdefault(((site, epoch), (first, last)), now + _ASK_S)
            if now >= due:
                self._due[(site, epoch), (first, last)] = now + 2 * _ASK_S
                ask = {"v": 1, "id": f"{epoch}:{first}", "what": "records", "epoch": epoch, "from": first, "to": last}
                self._publish(site, "ask", ask)

    def _on_answer(self, store: Store, payload: bytes) -> tuple[Key, Span] | None:
        try:
            told = json.loads(payload)
            self.answers[str(told["id"])] = told
            result = told.get("result")
            if not isinstance(result, dict) or "missing" not in result:
                return None
            key = (str(told["site"]), str(result["epoch"]))
            for first, last in result["missing"]:
                store.give_up(*key, int(first), int(last))
        except (ValueError, KeyError, TypeError, RecursionError):
            store.counts["garbage"] += 1
            return None
        return key, (1, 1)

    def _publish(self, site: str, what: str, content: dict[str, Any]) -> None:
        if self._client.is_connected():
            self._client.publish(f"tocsin/v1/{site}/{what}", json.dumps(content), qos=1)


def _print(counts: dict[str, int]) -> None:
    print(json.dumps(counts), flush=True)  # noqa: T201 - what the command is for


def main(argv: list[str] | None = None) -> int:
    """Run until interrupted; prints counts each second that they changed, as JSON lines."""
    parser = argparse.ArgumentParser(prog="python -m hil.platform", description="Reference platform of Tocsin.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--site", default="+", help="site id; + for all")
    parser.add_argument("--db", type=Path, required=True, help="SQLite file; made when missing")
    options = parser.parse_args(argv)
    platform = Platform(options.host, options.port, options.site, options.db, report=_print)
    signal.signal(signal.SIGTERM, lambda *_: platform.stop())
    signal.signal(signal.SIGINT, lambda *_: platform.stop())
    platform.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
