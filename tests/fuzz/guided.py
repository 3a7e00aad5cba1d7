"""`python -m tests.fuzz.guided NAME [libFuzzer's options]`: a target, or "all" in one, guided by coverage (atheris).

A process of its own, since atheris instruments what is imported and never returns. Exit code 0: nothing was found.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["drivers", "rules.language"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, options: list[str]) -> None:
    """Fuzz until the options say enough."""
    names = list(TARGETS) if name == "all" else [name]

    def run(data: bytes) -> None:
        if len(names) == 1:
            TARGETS[name].run(data)
        elif data:
            TARGETS[names[data[0] % len(names)]].run(data[1:])

    with tempfile.TemporaryDirectory() as corpus:
        for number, which in enumerate(names):
            for place, seed in enumerate(TARGETS[which].seeds):
                prefix = b"" if len(names) == 1 else bytes((number,))
                (Path(corpus) / f"{which}-{place}").write_bytes(prefix + seed)
        atheris.Setup([sys.argv[0], corpus, "-timeout=5", "-rss_limit_mb=1024", *options], run)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
