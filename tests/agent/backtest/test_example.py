"""The worked example of docs/backtest.md is what really comes out."""

import os
import re
import subprocess
import sys
from pathlib import Path

from agent.cli import main

DOC = (Path(__file__).parents[3] / "docs" / "backtest.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says(tmp_path):
    for name, text in re.findall(r"`([\w-]+\.\w+)`:\n\n```\w+\n(.*?)```", DOC, re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    command, printed = re.search(r"```sh\ntocsin (.*?)```\n\n```text\n(.*?)```", DOC, re.DOTALL).groups()
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|[^\s\\]+', command)]
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *words, "--no-jit"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
    assert (tmp_path / "out.html").stat().st_size > 10_000


def test_the_page_knows_every_option():
    for option in main.commands["backtest"].params:
        for name in option.opts:
            assert not name.startswith("--") or name in DOC, name
