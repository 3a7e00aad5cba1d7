"""A running agent as seen through its control socket: asked for its status, and followed record by record."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TIMEOUT_S = 5.0


class NoAnswer(RuntimeError):  # noqa: N818 - reads as what it is
    """The agent is not there, refused, or closed the connection."""


def ask(path: Path, request: dict[str, Any]) -> Any:
    """The result of one request. Raises NoAnswer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(_TIMEOUT_S)
            line.connect(str(path))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as replies:
                reply = json.loads(replies.readline() or b"null")
    except (OSError, ValueError) as error:
        raise NoAnswer(f"{path.name}: {error}") from error
    if not isinstance(reply, dict) or not reply.get("ok"):
        raise NoAnswer(str(reply.get("error") if isinstance(reply, dict) else reply))
    return reply["result"]


class Follower:
    """Every record of a running agent, in `records`, from now on. Context manager with a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.records: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._path = path
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._line.settimeout(_TIMEOUT_S)
            self._line.connect(str(self._path))
            self._line.sendall(b'{"do": "follow"}\n')
            self._line.settimeout(None)
        except OSError as error:
            self._line.close()
            raise NoAnswer(f"{self._path.name}: {error}") from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # the agent may have gone first
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._line.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError), self._line.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                if "record" in told:
                    self.records.put(told["record"])
