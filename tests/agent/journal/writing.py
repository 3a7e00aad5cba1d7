"""A process that journals records and steps and prints the number of each once it is durable: some, or until killed.

Every second record is an alarm, the others are events.
"""

import sys
import time
from pathlib import Path

from agent.journal import store
from agent.journal.journal import Journal
from agent.records import Lane, Record, SampleRow, Stamp, Step


def main() -> None:
    directory, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    store._RETRY_OTHERS_S = (0.05, 0.1)
    journal = Journal(directory, site="s", boot_id="kills", ballast_bytes=1 << 16, commit_every_s=0.05)
    journal.start()
    journal.catalogue(["a"])
    for n in range(first, first + count):
        stamp = Stamp("kills", time.monotonic_ns(), time.time_ns(), "untrusted")
        journal.step(Step(stamp, float(n), (SampleRow(0, float(n), 0),)))
        journal.record(Record(Lane.EVENT if n % 2 else Lane.ALARM, "alarm", stamp, {"n": n}))
        journal.durable().result(10)
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()
    journal.close(10)


main()
