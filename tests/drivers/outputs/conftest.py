"""A loop whose time jumps to the next timer, for limits that last minutes."""

from __future__ import annotations

import asyncio
import selectors
from types import SimpleNamespace

import pytest


class _Jumping(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.now_s = 1000.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.now_s += timeout
        elif not ready and timeout is None:
            raise AssertionError("the loop waits for nothing")
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.clock = _Jumping()
        super().__init__(self.clock)

    def time(self):
        return self.clock.now_s

    def run_on_own_clock(self, main):
        """Run a coroutine with drivers.limits on this loop's clock."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("drivers.limits.time", SimpleNamespace(monotonic_ns=lambda: round(self.time() * 1e9)))
            try:
                return self.run_until_complete(main)
            finally:
                self.close()


@pytest.fixture
def jumping_loop():
    return JumpingLoop
