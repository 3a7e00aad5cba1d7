"""Power cuts, simulated from a trace: synced bytes stay, of later writes any part may be there, in any order.

strace lists every write and sync of a process that journals, and the acknowledgements between them. At random places
the files are built as a disk could have them after a cut there: what was synced, plus nothing, a beginning, random
pages or torn sectors of what was written since. Creating, renaming and deleting are taken as durable at once.
"""

import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.journal.journal import Journal
from agent.journal.reader import JournalReader
from agent.records import Lane, Record, Stamp

WRITER = Path(__file__).parent / "writing.py"
CALL = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?:( resumed>)|\()(.*)")
DATA = re.compile(r"(\d+)<([^>]*)>, \"((?:\\x[0-9a-f]{2})*)\"(?:, (\d+))?(?:, (\d+))?")
WHERE = re.compile(r"\d+<([^>]*)>(?:, (\d+))?")
NAMES = re.compile(r"\"((?:\\x[0-9a-f]{2})+)\"")
SYNCS = ("fsync", "fdatasync")


@dataclass
class Disk:
    """Files as they are for sure, and what was done to them since they were synced."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[tuple[int, bytes | None]]] = field(default_factory=dict)

    def after_a_cut(self, rng: random.Random) -> dict[str, bytes]:
        files = {}
        for path in self.durable.keys() | self.pending.keys():
            content = bytearray(self.durable.get(path, b""))
            pending = self.pending.get(path, [])
            mode = rng.choice(["nothing", "beginning", "pages", "torn", "all"])
            upto = {"nothing": 0, "beginning": rng.randint(0, len(pending))}.get(mode, len(pending))
            for at, data in pending[:upto]:
                if mode == "pages" and rng.random() < 0.5:
                    continue
                if mode == "torn" and data is not None:
                    data = data[: rng.randint(0, len(data) // 512) * 512]  # noqa: PLW2901
                _apply(content, at, data)
            files[path] = bytes(content)
        return files


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:  # truncated, or made longer
        content[at:] = b"\0" * max(0, at - len(content)) if at > len(content) else b""
        return
    content.extend(b"\0" * max(0, at - len(content)))
    content[at : at + len(data)] = data


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(name: str) -> str:
    return _bytes(name).decode()


def replay(trace: list[str], rng: random.Random, cuts: int, directory: str):
    """Yields (files, acknowledged) at random places of a trace."""
    places = set(rng.sample(range(len(trace) // 20, len(trace)), cuts))
    disk, acknowledged, syncing = Disk(), [], {}
    for number, line in enumerate(trace):
        if number in places:
            yield disk.after_a_cut(rng), list(acknowledged)
        if not (found := CALL.match(line)) or " = -1 " in line:
            continue
        thread, call, resumed, rest = found.groups()
        if call in SYNCS:  # done when it returns
            if not resumed:
                syncing[thread] = _text(WHERE.match(rest)[1])
            if "<unfinished" not in line:
                path = syncing[thread]
                content = disk.durable.setdefault(path, bytearray())
                for at, data in disk.pending.pop(path, []):
                    _apply(content, at, data)
        elif resumed:
            continue
        elif call in ("pwrite64", "write") and (written := DATA.match(rest)):
            descriptor, path, data, _, at = written.groups()
            if _text(path).startswith(directory):
                disk.pending.setdefault(_text(path), []).append((int(at or 0), _bytes(data)))
            elif descriptor == "1":
                acknowledged += [int(n) for n in _bytes(data).split()]
        elif call == "ftruncate" and (where := WHERE.match(rest)):
            disk.pending.setdefault(_text(where[1]), []).append((int(where[2]), None))
        elif call in ("unlink", "rename"):
            names = [_text(name) for name in NAMES.findall(rest)]
            for files in (disk.durable, disk.pending):
                content = files.pop(names[0], None)
                if call == "rename" and content is not None:
                    files[names[1]] = content


def test_no_acknowledged_alarm_is_lost_and_no_number_comes_twice(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    source, log = tmp_path / "source", tmp_path / "trace"
    calls = "trace=pwrite64,write,ftruncate,fsync,fdatasync,unlink,rename"
    done = subprocess.run(
        [
            *("strace", "-f", "-y", "-xx", "-s", "1000000", "-e", calls, "-e", "signal=none", "-o", log),
            *(sys.executable, WRITER, source, "0", "150"),
        ],
        capture_output=True,
        text=True,
        timeout=18,
        check=False,
    )
    if "PTRACE" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.stdout.split() == [str(n) for n in range(150)]
    trace = log.read_text(encoding="ascii", errors="replace").splitlines()
    cut_off, losses = 0, 0
    for number, (files, acknowledged) in enumerate(replay(trace, random.Random(11), 40, str(source))):
        target = tmp_path / f"cut-{number}"
        target.mkdir()
        for path, content in files.items():
            if not path.endswith("-shm"):
                (target / Path(path).name).write_bytes(content)
        faults = []
        journal = Journal(
            target, site="s", boot_id="next", ballast_bytes=0, on_fault=lambda *fault, to=faults: to.append(fault)
        )
        journal.start()
        journal.record(Record(Lane.ALARM, "next", Stamp("next", 1, 1, "untrusted"), {}))
        journal.durable().result(10)
        reader = JournalReader(target)
        found = reader.records(reader.epoch("records"), 0, 10_000)
        stored = [record.body["n"] for _, record in found if record.kind == "alarm"]
        assert set(acknowledged) <= set(stored), f"cut {number}: {set(acknowledged) - set(stored)} lost"
        assert len(stored) == len(set(stored))
        if acknowledged:
            assert not faults, f"cut {number}: {faults}"
            (mine,) = [seq for seq, record in found if record.kind == "next"]
            assert mine > 10_000  # beyond whatever was seen before the cut
            cut_off += 1
            steps = {row.step.time_s for row in reader.steps(reader.epoch("steps"), 0, 10_000)}
            alarms = {n for n in acknowledged if n % 2 == 0}
            assert alarms <= steps, f"cut {number}: {alarms - steps} can't be proven"
            losses += not set(acknowledged) <= steps
        assert not reader.damaged
        assert journal.close(10)
    assert cut_off > 25
    assert losses > 0  # readings that decided no alarm may be lost; that they were shows that the cuts do cut
