"""Tells systemd that guarding goes on, and only when every part of the alarm path has just proven it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence

from agent.guard.supervise import Progress

log = logging.getLogger("tocsin.watchdog")

FEED_EVERY_S = 1.0


def notify(message: str) -> None:
    """Send one message of the sd_notify(3) protocol; nothing where no systemd listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        try:
            sock.sendto(message.encode(), address)
        except OSError as error:  # systemd restarts us if it misses us; nothing better can be done here
            log.warning("systemd could not be told %r: %s", message, error)


async def watch(parts: Sequence[Progress]) -> None:
    """Feed the watchdog each second while no part is late. Says once when it starts or stops feeding."""
    feeding = True
    while True:
        now_mono_ns = time.monotonic_ns()
        late = [part.what for part in parts if part.late(now_mono_ns)]
        if not late:
            notify("WATCHDOG=1")
        if bool(late) == feeding:
            feeding = not late
            if late:
                log.error("no progress: %s; the watchdog is not fed", ", ".join(late))
                notify("STATUS=no progress: " + ", ".join(late))
            else:
                log.warning("progress everywhere again")
                notify("STATUS=guarding")
        await asyncio.sleep(FEED_EVERY_S)
