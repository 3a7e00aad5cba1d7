"""The link as a process: arguments, site file, signals, service notification. The work is done by `sender.Link`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agent import __version__
from agent.config import ConfigErrors, Site, load_good, load_site
from agent.journal.reader import JournalReader
from agent.link.ledger import Ledger
from agent.link.sender import Link
from agent.link.settings import settings_from
from agent.logs import set_up as set_up_logs

log = logging.getLogger(__name__)

_FEED_S = 1.0


class Service:
    """The service manager's side: told when ready and, by each turn of the loop, that it goes on. sd_notify(3)."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._fed_s = 0.0
        self._ready = False

    def alive(self) -> None:
        """Feed the watchdog, at most once a second."""
        now_s = time.monotonic()
        if not self._address or now_s - self._fed_s < _FEED_S:
            return
        self._fed_s = now_s
        words = b"WATCHDOG=1" if self._ready else b"READY=1\nWATCHDOG=1"
        self._ready = True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(words, self._address)


def _load(path: Path, state: Path) -> Site:
    # As guard does: a site file that broke under a running gateway does not take the uplink away.
    try:
        return load_site(path)
    except (ConfigErrors, OSError) as error:
        good = load_good(state / "site")
        if good is None:
            raise
        log.warning("the site file can't be used, going on with the last good copy: %s", error)
        return good


def main(argv: Sequence[str] | None = None) -> int:
    """Run the uplink of a site until SIGTERM. 0: ended in order or nothing to do; 2: the site file can't be used."""
    parser = argparse.ArgumentParser(prog="python -m agent.link", description="Keeps the city's platform in sync.")
    parser.add_argument("site", type=Path, help="site file")
    parser.add_argument("--state", type=Path, required=True, help="directory of the journal")
    parser.add_argument("--ledger", type=Path, help="file that says what was delivered; default: link.db beside it")
    parser.add_argument("--socket", type=Path, help="guard's control socket")
    parser.add_argument("--child-of", type=int, metavar="PID", help="end when this parent is gone, however it went")
    options = parser.parse_args(argv)
    set_up_logs()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # nothing was begun yet
    service = Service()
    try:
        site = _load(options.site, options.state)
        if site.uplink is None:
            log.info("the site has no [uplink]: nothing to do")
            service.alive()  # an end before being ready would be a failure
            return 0
        settings = settings_from(site.id, site.uplink)
    except (ConfigErrors, OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - for a person at a terminal
        return 2

    def alive() -> None:
        service.alive()
        # A guard that was killed could not end its link; the next guard starts one of its own.
        if options.child_of is not None and os.getppid() != options.child_of:
            link.stop()

    link = Link(
        settings,
        JournalReader(options.state),
        Ledger(options.ledger or options.state / "link.db"),
        boot_id=Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        versions={"tocsin-agent": __version__},
        guard_socket=options.socket,
        alive=alive,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: link.stop())
    link.run()
    return 0
