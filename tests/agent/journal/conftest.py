"""A journal in a directory of its own, steps and records to put in, and what came of them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.journal.journal import Journal
from agent.journal.reader import JournalReader
from agent.records import Lane, Record, SampleRow, Stamp, Step


class Bench:
    """Opens journals on one directory, and closes them all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.faults: list[tuple[str, dict[str, Any]]] = []
        self._opened: list[Journal] = []

    def journal(self, **settings: Any) -> Journal:
        settings = {"site": "s", "boot_id": "boot-1", "ballast_bytes": 1 << 16, "commit_every_s": 0.2, **settings}
        journal = Journal(self.directory, on_fault=lambda kind, detail: self.faults.append((kind, detail)), **settings)
        journal.start()
        self._opened.append(journal)
        return journal

    def reader(self) -> JournalReader:
        return JournalReader(self.directory)

    def bodies(self, kind: str = "alarm") -> list[dict[str, Any]]:
        reader = self.reader()
        epoch = reader.epoch("records")
        assert epoch, reader.error
        found = [record.body for _, record in reader.records(epoch, 0, 100_000) if record.kind == kind]
        assert not reader.error
        reader.close()
        return found

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.faults]

    def close(self) -> None:
        for journal in self._opened:
            assert journal.close(10)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    opened = Bench(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def alarm() -> Callable[..., Record]:
    def make(number: int, lane: Lane = Lane.ALARM, kind: str = "alarm", boot: str = "boot-1", **body: Any) -> Record:
        return Record(lane, kind, Stamp(boot, time.monotonic_ns(), time.time_ns(), "untrusted"), {"n": number, **body})

    return make


@pytest.fixture
def step() -> Callable[..., Step]:
    def make(number: int, samples: int = 5, boot: str = "boot-1") -> Step:
        rows = tuple(
            SampleRow(point, ((number * 7919 + point * 104729) % 100_003) ** 0.5, 0) for point in range(samples)
        )
        return Step(Stamp(boot, 10**12 + number * 10**9, 17 * 10**17 + number * 10**9, "trusted"), float(number), rows)

    return make


@pytest.fixture
def eventually() -> Callable[..., None]:
    def wait(truth: Callable[[], Any], within_s: float = 10.0) -> None:
        until = time.monotonic() + within_s
        while not truth():
            assert time.monotonic() < until, f"did not come true within {within_s} s"
            time.sleep(0.02)

    return wait
