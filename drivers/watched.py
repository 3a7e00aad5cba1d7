"""Runs a coroutine as the agent would and sees what the agent would suffer from: a blocked loop, what is left behind.

For contract tests only. A loop is blocked while its thread neither waits for events nor comes back to them; where that
thread stands then is told. One that blocks for ever is interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

BLOCKED_S = 0.1  # the longest that one step of a driver may hold up everything else
_LOOK_S = 0.01
_HANGS_S = 0.8  # blocked for so long it is interrupted
_LEAVE_S = 1.0  # so long threads and tasks may take to end after they were told


class Misbehaved(AssertionError):  # noqa: N818 - reads as what it is
    """What a driver must not do, and where it did."""


class _Interrupted(BaseException):
    """Ends what blocks the loop."""


class _Watch:
    """A thread that looks at the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.blocked_s = 0.0
        self.where = ""
        self._loop = loop
        self._ident = threading.get_ident()
        self._beat = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def _tick(self) -> None:
        self._beat += 1
        self._loop.call_later(_LOOK_S, self._tick)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._tick()
        in_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGUSR1, self._interrupt) if in_main else None
        self._can_interrupt = in_main
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            if in_main:
                signal.signal(signal.SIGUSR1, before)

    @staticmethod
    def _interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Interrupted

    def _computed_s(self) -> float:
        return time.clock_gettime(time.pthread_getcpuclockid(self._ident))

    def _run(self) -> None:
        beat, looks, since_s = self._beat, 0, self._computed_s()
        stack: list[str] = []
        while not self._stop.wait(_LOOK_S):
            frame = sys._current_frames().get(self._ident)  # noqa: SLF001 - the documented way to see another thread
            if self._beat != beat or frame is None or _waits(frame):
                beat, looks, since_s = self._beat, 0, self._computed_s()
                continue
            looks += 1  # not wall time: a machine that starves us both is nobody's fault
            held_s = max(looks * _LOOK_S, self._computed_s() - since_s)
            if looks == 1:
                stack = traceback.format_stack(frame)[-4:]
            if held_s > self.blocked_s:
                self.blocked_s, self.where = held_s, "".join(stack)
            if held_s >= _HANGS_S and self._can_interrupt:
                signal.pthread_kill(self._ident, signal.SIGUSR1)
                looks, since_s = 1, self._computed_s()


def _waits(frame: FrameType) -> bool:
    return Path(frame.f_code.co_filename).name in ("selectors.py", "base_events.py")


def run_watched(main: Coroutine[Any, Any, Result], limit_s: float) -> Result:
    """The coroutine's result. Raises what it raises; Misbehaved when it took too long, blocked or left something."""
    threads, files = set(threading.enumerate()), _open_files()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    watch = _Watch(loop)
    task = loop.create_task(main)
    problems: list[str] = []
    try:
        with watch.watching():
            try:
                loop.run_until_complete(asyncio.wait({task}, timeout=limit_s))
            except _Interrupted:
                problems.append("it was interrupted")
            if not task.done() and not problems:
                problems.append(f"it was not done within {limit_s:g} s")
            problems += _end_tasks(loop, task)
    finally:
        _close(loop)
    if watch.blocked_s >= BLOCKED_S:
        problems.insert(
            0, f"the loop was blocked for {watch.blocked_s:.2f} s; everything else waits meanwhile:\n{watch.where}"
        )
    if left := _left(threads):
        problems.append(f"threads are left behind: {', '.join(sorted(left))}")
    if more := _open_files() - files:
        problems.append(f"{len(more)} files or sockets are left open: {', '.join(sorted(more))}")
    told = None if task.cancelled() or not task.done() else task.exception()
    if problems:
        raise Misbehaved("; ".join([*([str(told)] if told else []), *problems])) from told
    return task.result()


def _end_tasks(loop: asyncio.AbstractEventLoop, main: asyncio.Task[Any]) -> list[str]:
    left = asyncio.all_tasks(loop) - {main}
    problems = [f"a task is left behind: {task.get_name()}" for task in left]
    waiting = [task for task in (*left, main) if not task.done()]
    for task in waiting:
        task.cancel()
    if waiting:
        loop.run_until_complete(asyncio.wait(waiting, timeout=_LEAVE_S))
    return problems + [f"{task.get_name()} goes on after it was cancelled" for task in waiting if not task.done()]


def _close(loop: asyncio.AbstractEventLoop) -> None:
    ending = [loop.create_task(part) for part in (loop.shutdown_asyncgens(), loop.shutdown_default_executor())]
    loop.run_until_complete(asyncio.wait(ending, timeout=_LEAVE_S))
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - it was told as a problem
    loop.close()


def _left(before: set[threading.Thread]) -> set[str]:
    end_s = time.monotonic() + _LEAVE_S
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end_s:
        time.sleep(_LOOK_S)
    return {thread.name for thread in left}


def _open_files() -> set[str]:
    """Descriptors with what they are; empty where the system does not say."""
    found = set()
    directory = Path("/proc/self/fd")
    for entry in directory.iterdir() if directory.exists() else ():
        with contextlib.suppress(OSError):  # the one that lists the directory
            found.add(f"{entry.name} {entry.readlink()}")
    return found
