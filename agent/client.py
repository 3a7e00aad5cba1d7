"""A running agent, asked over its local socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WAIT_S = 10.0


class AgentError(RuntimeError):
    """No agent answered, or it refused; the text says which and what to do."""


def call(request: Mapping[str, Any], places: Iterable[Path]) -> Any:
    """The result of one request, from the first socket that is there. Raises AgentError."""
    tried = []
    for path in places:
        try:
            return _ask(request, path)
        except (FileNotFoundError, ConnectionRefusedError):
            tried.append(str(path))
        except PermissionError as error:
            raise AgentError(f"{path}: {error.strerror}; you may not talk to this agent") from error
        except (OSError, ValueError) as error:
            raise AgentError(f"{path}: the agent did not answer: {error}") from error
    raise AgentError(f"no agent is running here (looked at {', '.join(tried)}); name its socket with --socket")


def _ask(request: Mapping[str, Any], path: Path) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(WAIT_S)
        sock.connect(str(path))
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile("rb") as lines:
            answer = json.loads(lines.readline() or b"null")
    if not isinstance(answer, dict):
        raise AgentError(f"{path}: the agent closed the connection without an answer")
    if not answer.get("ok"):
        raise AgentError(str(answer.get("error")))
    result = answer["result"]
    return {**result, "durable": answer["durable"]} if "durable" in answer else result
