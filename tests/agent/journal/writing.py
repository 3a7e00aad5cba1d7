"""A process that journals alarms and steps, and prints the number of each once it is durable, until killed."""

import sys
import time
from pathlib import Path

from agent.guard.journal import Journal
from agent.records import Lane, Record, SampleRow, Stamp, Step


def main() -> None:
    directory, first = Path(sys.argv[1]), int(sys.argv[2])
    journal = Journal(directory, site="s", boot_id="kills", ballast_bytes=1 << 16, commit_every_s=0.05)
    journal.start()
    journal.catalogue(["a"])
    for n in range(first, first + 100_000):
        stamp = Stamp("kills", time.monotonic_ns(), time.time_ns(), "untrusted")
        journal.step(Step(stamp, float(n), (SampleRow(0, float(n), 0),)))
        journal.record(Record(Lane.ALARM, "alarm", stamp, {"n": n}))
        journal.durable().result(10)
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()


main()
