"""Virtual lines and the commands that search them, run in this process as click runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from drivers.find import sweep
from hil.devices import Device
from hil.line import VirtualLine


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Callable[..., VirtualLine]]:
    with ExitStack() as stack:

        def up(units: dict[int, Device], **settings: object) -> VirtualLine:
            for device in units.values():
                device.reply_s = 0.001
            keys = {"baudrate": 115200, **settings}
            return stack.enter_context(VirtualLine(tmp_path / "line", units, **keys))  # type: ignore[arg-type]

        yield up


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(sweep, "_LINGER_S", 0.02)  # nobody is late on these lines
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    def run(*words: object, **more: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], **more)  # type: ignore[arg-type]

    return run
