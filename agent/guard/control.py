"""The local socket: a running agent asked and told by the command line, link and console. JSON, one object a line.

Who may do what follows from the peer's credentials (SO_PEERCRED): everybody who can open the socket may ask; acting
needs root, the agent's own user, or membership in the group `tocsin-operators`; reporting (what the platform has) needs
root, the agent's own user, or the group that agent and link share.
"""

from __future__ import annotations

import asyncio
import grp
import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.journal.blobs import record_line
from agent.records import Record
from rules.alarm import NotPossible

log = logging.getLogger("tocsin.control")

OPERATORS = "tocsin-operators"
LONGEST_LINE = 64 * 1024
MOST_CONNECTIONS = 16
IDLE_S = 60.0
FOLLOW_BACKLOG = 1000  # records a slow follower may lag behind before it is dropped

Request = Mapping[str, Any]
Ask = Callable[[Request], Any]
Act = Callable[[Request, str], Any]  # request, who


class Refusal(ValueError):  # noqa: N818 - an answer
    """A request that can't be served; the text goes back to who asked."""


class Control:
    """Serves the socket. `asks` change nothing; `acts` need an operator; `reports` come from the agent's own parts."""

    def __init__(
        self,
        path: Path,
        asks: Mapping[str, Ask],
        acts: Mapping[str, Act],
        reports: Mapping[str, Act],
        *,
        durable: Callable[[], Awaitable[bool]],
    ) -> None:
        self._path, self._asks, self._acts, self._reports = path, asks, acts, reports
        self._durable = durable  # whether what was done so far would survive a power cut; waits a moment for it
        self._followers: set[asyncio.Queue[Record]] = set()
        self._connections = 0

    def publish(self, record: Record) -> None:
        """Give a record to everybody who follows. A plain call; a follower that lags too far is dropped."""
        for queue in list(self._followers):
            if queue.full():
                self._followers.discard(queue)
                continue
            queue.put_nowait(record)

    async def run(self) -> None:
        """Serve until cancelled. A socket left by a dead agent is replaced."""
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._path, limit=LONGEST_LINE)
        self._path.chmod(0o666)  # who may act is decided by credentials, who may connect by the directory
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > MOST_CONNECTIONS:
                await _answer(writer, {"ok": False, "error": f"more than {MOST_CONNECTIONS} connections"})
                return
            peer = _peer(writer.get_extra_info("socket"))
            while True:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
                if not line:
                    return
                request = _parse(line)
                if request.get("do") == "follow":
                    await self._follow(reader, writer)
                    return
                await _answer(writer, await self._respond(request, peer))
        except Refusal as error:
            await _answer(writer, {"ok": False, "error": str(error)})
        except (TimeoutError, ConnectionError, ValueError, asyncio.IncompleteReadError):
            pass  # an idle, broken or flooding peer: closing it is all there is to do
        finally:
            self._connections -= 1
            writer.close()

    async def _respond(self, request: Request, peer: Peer) -> dict[str, Any]:
        do = str(request.get("do"))
        try:
            if do in self._asks:
                return {"ok": True, "result": self._asks[do](request)}
            if do in self._reports and peer.reports:
                return {"ok": True, "result": self._reports[do](request, peer.name)}
            if do in self._acts and peer.operates:
                result = self._acts[do](request, peer.name)
                return {"ok": True, "result": result, "durable": await self._durable()}
        except (Refusal, NotPossible) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": self._refusal(do, peer)}

    def _refusal(self, do: str, peer: Peer) -> str:
        if do in self._acts:
            return f"{peer.name} may ask but not act; acting needs root or the group {OPERATORS}"
        if do in self._reports:
            return f"{peer.name} is no part of this agent and can't report for it"
        known = ", ".join(sorted({*self._asks, *self._acts, *self._reports, "follow"}))
        return f"{do!r} is not known; known are: {known}"

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[Record] = asyncio.Queue(FOLLOW_BACKLOG)
        self._followers.add(queue)
        gone = asyncio.create_task(reader.read())  # a follower says nothing more: anything but its end is its end
        try:
            await _answer(writer, {"ok": True, "result": "following"})
            while not gone.done() and queue in self._followers:
                taking = asyncio.create_task(queue.get())
                await asyncio.wait({taking, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not taking.done():
                    taking.cancel()
                    return
                await _send(writer, f'{{"record": {record_line(taking.result())}}}')
        finally:
            gone.cancel()
            self._followers.discard(queue)


def text_of(request: Request, key: str) -> str:
    """A text of the request. Raises Refusal when it is missing or not a text."""
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise Refusal(f"{key!r} must be a text; got {value!r}")
    return value


def seconds_of(request: Request, key: str) -> float:
    """Seconds of the request. Raises Refusal when it is missing or not a number above nothing."""
    value = request.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise Refusal(f"{key!r} must be a number of seconds above 0; got {value!r}")
    return float(value)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"not one JSON object a line: {error}") from error
    if not isinstance(request, dict):
        raise Refusal(f"not a JSON object: {line[:40]!r}")
    return request


async def _answer(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    await _send(writer, json.dumps(answer, ensure_ascii=False))


async def _send(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode() + b"\n")
    async with asyncio.timeout(IDLE_S):
        await writer.drain()


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, and what they may do."""

    name: str
    operates: bool
    reports: bool


def _peer(sock: socket.socket) -> Peer:
    _, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    try:
        name = pwd.getpwuid(uid).pw_name
        groups = os.getgrouplist(name, gid)
    except KeyError:
        name, groups = f"uid {uid}", [gid]
    if uid in {0, os.geteuid()}:
        return Peer(name, operates=True, reports=True)
    try:
        operates = grp.getgrnam(OPERATORS).gr_gid in groups
    except KeyError:
        operates = False
    return Peer(name, operates, reports=os.getegid() in groups)
