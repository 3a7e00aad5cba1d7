"""The link's side of guard's control socket: tells guard its state, fetches the catalogue, passes questions on.

A thread of its own, since guard may be absent or slow; the sender never waits for it. JSON lines, one request each.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

from agent.link.session import Event, Inbox

log = logging.getLogger(__name__)

_EVERY_S = 5.0
_TIMEOUT_S = 2.0
_REPLY_LIMIT = 4 * 1024 * 1024
_QUESTIONS = 20  # waiting at once


class GuardLine(threading.Thread):
    """Asks guard and puts what it says on the inbox: `catalogue` when it changed, `guard` for each question."""

    def __init__(self, path: Path, inbox: Inbox, state: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name="link-guard", daemon=True)
        self._path = path
        self._inbox = inbox
        self._state = state
        self._questions: Queue[tuple[int, dict[str, Any]] | None] = Queue(_QUESTIONS)
        self._catalogue: Any = None
        self._stopping = False

    def ask(self, number: int, request: dict[str, Any]) -> bool:
        """Pass a question on; its reply comes as an event of this number. False: too many wait already."""
        try:
            self._questions.put_nowait((number, request))
        except Full:
            return False
        return True

    def changed(self) -> None:
        """The link's state changed: tell guard now."""
        with suppress(Full):
            self._questions.put_nowait(None)

    def stop(self) -> None:
        """Let the thread end; it is not waited for."""
        self._stopping = True
        self.changed()

    def run(self) -> None:
        """Until stopped: questions as they come, state and catalogue every few seconds."""
        while not self._stopping:
            try:
                asked = self._questions.get(timeout=_EVERY_S)
            except Empty:
                asked = None
            if asked is not None:
                number, request = asked
                self._inbox.put(Event(0, "guard", number, content=self._call(request)))
                continue
            self._call({"do": "link", "state": self._state()})
            reply = self._call({"do": "catalogue"})
            if reply is not None and reply.get("ok") and reply.get("result") != self._catalogue:
                self._catalogue = reply.get("result")
                self._inbox.put(Event(0, "catalogue", content=self._catalogue))

    def _call(self, request: dict[str, Any]) -> dict[str, Any] | None:
        # None: guard is not there, did not answer in time, or answered something else than an object.
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(_TIMEOUT_S)
                line.connect(str(self._path))
                line.sendall(json.dumps(request, separators=(",", ":")).encode() + b"\n")
                reply = b""
                while not reply.endswith(b"\n") and (part := line.recv(65536)):
                    reply += part
                    if len(reply) > _REPLY_LIMIT:
                        return None
            found = json.loads(reply)
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None
