"""Containment of the edges: what a driver, a player or a device can do wrong never goes further than its own task.

The one place in guard that catches everything. The core is not contained: its bugs end the process, which is restarted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TypeVar

from drivers.api import DriverError

log = logging.getLogger("tocsin.supervise")
T = TypeVar("T")


class EdgeFault(DriverError):  # noqa: N818 - the seam's words
    """A driver broke its contract: it raised something else than DriverError, or took too long."""


async def contained(what: str, call: Awaitable[T], within_s: float) -> T:
    """The result of an edge's call, or DriverError whatever else it does. Cancellation passes through."""
    try:
        async with asyncio.timeout(within_s):
            return await call
    except DriverError:
        raise
    except TimeoutError:
        log.error("%s did not return within %g s", what, within_s)  # noqa: TRY400 - no traceback wanted
        raise EdgeFault(f"no return within {within_s:g} s") from None
    except Exception as error:  # the edge's own bug: told with its traceback, kept to its task
        log.exception("%s failed", what)
        raise EdgeFault(f"{type(error).__name__}: {error}") from error


class Backoff:
    """Waits between tries: doubled from `first_s` up to `longest_s`, back to the start after a success."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def success(self) -> None:
        """The next failure waits `first_s` again."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """The present wait; the one after it is twice as long."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, self._longest_s)
        return wait_s

    async def wait(self) -> None:
        """Sleep for the present wait."""
        await asyncio.sleep(self.next_s())


class Progress:
    """When something last showed that it is alive; judged by the watchdog."""

    def __init__(self, what: str, within_s: float) -> None:
        self.what, self.within_s = what, within_s
        self.last_mono_ns = time.monotonic_ns()

    def made(self) -> None:
        """It has just been shown."""
        self.last_mono_ns = time.monotonic_ns()

    def late(self, now_mono_ns: int) -> bool:
        """Whether it should have been shown again by now."""
        return now_mono_ns - self.last_mono_ns > self.within_s * 1e9
