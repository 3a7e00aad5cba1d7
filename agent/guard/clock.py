"""The clocks: boot id, monotonic time, wall time and how far it can be trusted. Decides nothing by wall time."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.records import ClockTrust, Stamp

# A wall clock before this day has not been set: the software did not exist yet (2026-01-01T00:00:00Z).
FLOOR_WALL_NS = 1_767_225_600 * 10**9

_STA_UNSYNC = 0x0040  # adjtimex(2): the kernel was not told by NTP or PTP that the clock is right


class _Timex(ctypes.Structure):
    # Only `status` is read; the rest is room for the largest layout of struct timex (208 bytes on 64-bit Linux).
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


def boot_id() -> str:
    """The kernel's id of this boot; monotonic times compare only within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def kernel_says_synchronised() -> bool:
    """Whether something (NTP, PTP, chrony) disciplines the wall clock, by adjtimex(2) in its read-only mode."""
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.adjtimex(ctypes.byref(timex)) >= 0 and not timex.status & _STA_UNSYNC


@dataclass(slots=True)
class Clock:
    """Stamps for records, and judgement time: monotonic seconds that go on across restarts.

    `shift_ns` is added to the monotonic clock of this boot so that judgement time never runs backwards.
    """

    boot: str = field(default_factory=boot_id)
    shift_ns: int = 0
    trust: ClockTrust = "untrusted"

    def look(self) -> bool:
        """Ask the kernel anew whether wall time is right. Returns True when it has just become trusted."""
        before = self.trust
        right = time.time_ns() >= FLOOR_WALL_NS and kernel_says_synchronised()
        self.trust = "trusted" if right else "untrusted"
        return right and before == "untrusted"

    def stamp(self, mono_ns: int) -> Stamp:
        """The stamp of something that happened at `mono_ns` of this boot."""
        return Stamp(self.boot, mono_ns, time.time_ns() - (time.monotonic_ns() - mono_ns), self.trust)

    def judgement_s(self, mono_ns: int) -> float:
        """Judgement time of a monotonic time of this boot."""
        return (mono_ns + self.shift_ns) * 1e-9

    def mono_s(self, judgement_s: float) -> float:
        """Monotonic seconds of a judgement time, for timers of the event loop."""
        return judgement_s - self.shift_ns * 1e-9

    def resume(self, boot: str, saved_mono_ns: int, saved_judgement_s: float, mono_ns: int) -> None:
        """Go on from a saved state at `mono_ns`: within one boot the outage counts, across boots it has no length."""
        then_ns = saved_mono_ns if boot == self.boot else mono_ns
        self.shift_ns = round(saved_judgement_s * 1e9) - then_ns
