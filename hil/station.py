"""Who answers on a line, and what was heard there; it must not know whether the line is a wire or a socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from hil.codec import Framing
from hil.devices.base import Device
from hil.faults import Emission, FaultPlan, Reply


class Heard(NamedTuple):
    """One request with a good check sum. `mono_s`: monotonic time at which its first byte arrived."""

    mono_s: float
    unit_id: int
    pdu: bytes


class Station:
    """The units of one line by unit id, their faults, and counters for tests.

    heard            the last requests, newest last
    crc_errors       requests whose check failed
    gap_violations   requests that began less than 3.5 characters after the last byte on the line (timed serial lines)
    collisions       times the master spoke while a unit was speaking
    misread          requests sent at another baud rate or odd/even parity than the line has; units cannot read them
    """

    def __init__(self, units: Mapping[int, Device] | None = None) -> None:
        self.units: dict[int, Device] = dict(units or {})
        self.any_unit = False  # the first unit answers to every unit id but 0
        self.faults: dict[int, FaultPlan] = {}
        self.heard: deque[Heard] = deque(maxlen=100_000)
        self.crc_errors = 0
        self.gap_violations = 0
        self.collisions = 0
        self.misread = 0

    def times_s(self, unit_id: int) -> list[float]:
        """Monotonic times of the requests to one unit."""
        return [heard.mono_s for heard in list(self.heard) if heard.unit_id == unit_id]

    def answer(self, heard: Heard, frame: bytes, framing: Framing, now_s: float) -> tuple[float, list[Emission]]:
        """Seconds until the unit answers and what it sends; nothing for absent units and broadcasts."""
        self.heard.append(heard)
        key = next(iter(self.units), 0) if self.any_unit else heard.unit_id
        device = self.units.get(key)
        if device is None or heard.unit_id == 0:
            return 0.0, []
        device.unit_id = heard.unit_id
        answered = device.answer(heard.pdu, now_s)
        if answered is None:
            return 0.0, []
        reply = Reply(heard.unit_id, answered, frame, framing)
        plan = self.faults.get(key)
        emissions = plan.emit(plan.draw(), reply) if plan else [Emission(reply.frame)]
        return device.reply_s, emissions
