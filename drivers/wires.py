"""What a line needs of its wire, and what all wires share; opens nothing."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from drivers.api import BadFrame, DriverError, Timeout
from drivers.frames import Request

BACK_OFF_S = 0.2  # first wait before a port or host is tried again; doubles
_REASONS = {
    errno.EAGAIN: "another program holds the port",
    errno.EBUSY: "another program holds the port",
    errno.EACCES: "permission denied; the user must be in the group that owns the port, often dialout",
}
MAX_BYTES = 1024  # of one reply with everything around it; more is babble


class Outcome(NamedTuple):
    """How an exchange ended: the checked reply PDU, or the error."""

    reply: bytes
    error: DriverError | None
    mono_ns: int  # when the last byte of the reply had arrived, or the failure was clear
    elapsed_s: float  # since the request was sent
    raw: bytes = b""  # what came, noise and all; of Modbus TCP unit id and PDU


@dataclass(frozen=True, slots=True)
class Timing:
    """What a wire must know of time, in seconds. `character_s` is 0 where bytes are not timed (TCP)."""

    character_s: float
    gap_s: float  # silence before each request


class Owner(Protocol):
    """Who gets a wire's news; always called in the event loop."""

    def replied(self, outcome: Outcome) -> None:
        """The one request that was sent is over."""

    def free(self) -> None:
        """The next request may be sent; after a failure later than `replied`, when the line was quiet long enough."""

    def opened(self) -> None:
        """The port or connection is there (again)."""

    def closed(self, reason: str) -> None:
        """The port or connection is not there (any more)."""

    def hung(self, reason: str) -> None:
        """The current request will not end; `free` is called should it end after all."""

    def heard(self, data: bytes, *, whole: bool) -> None:
        """Bytes nobody waited for; `whole`: a sound frame, so a late reply."""


class Wire(Protocol):
    """What `drivers.modbus` needs of a wire."""

    def send(self, request: Request, reply_s: float, quiet_s: float) -> None:
        """Begin the exchange. Never raises; answers through the owner. Only when free."""

    async def start(self) -> None:
        """Make ready; an absent port or host is no error."""

    async def stop(self) -> None:
        """Give back port, thread and connection."""


def needs_quiet(error: DriverError | None) -> bool:
    """Whether a reply to this request may still be under way. After a refusal none is: the unit has spoken."""
    return isinstance(error, Timeout | BadFrame)


def reason_of(error: Exception) -> str:
    """An error of the operating system in a few words."""
    if isinstance(error, OSError) and error.errno:
        return _REASONS.get(error.errno) or os.strerror(error.errno).lower()
    return str(error).lower() or type(error).__name__
