"""A user information transmission device with fire panels by GB/T 26875.3-2011; written from the standard's tables."""

from __future__ import annotations

import struct
from datetime import datetime

SEND, CONFIRM, REQUEST, ANSWER, DENY = 2, 3, 4, 5, 6
NORMAL, FIRE, FAULT, DISABLED = 1, 2, 4, 8  # bits; NORMAL absent: test


def label(when: datetime) -> bytes:
    """Second, minute, hour, day, month, year of the century."""
    return struct.pack("6B", when.second, when.minute, when.hour, when.day, when.month, when.year - 2000)


class FireTransmitter:
    """One device at `address`, which reports to the centre at `centre`."""

    def __init__(self, address: int = 889, centre: int = 88888) -> None:
        self.address, self.centre = address, centre
        self.serial = 0
        self.system_state = NORMAL
        self.device_state = NORMAL

    def frame(self, when: datetime, command: int, unit: bytes, serial: int | None = None) -> bytes:
        """Any frame upwards; a new serial number unless one is given."""
        if serial is None:
            self.serial = serial = (self.serial + 1) % 65536
        control = struct.pack("<HBB", serial, 1, 1) + label(when)
        control += struct.pack("<Q", self.address)[:6] + struct.pack("<Q", self.centre)[:6]
        body = control + struct.pack("<HB", len(unit), command) + unit
        return b"\x40\x40" + body + struct.pack("B", sum(body) % 256) + b"\x23\x23"

    def heartbeat(self, when: datetime) -> bytes:
        """An empty report, every 20 to 30 s."""
        return self.frame(when, SEND, b"", 0)

    def system(self, when: datetime, state: int, system: tuple[int, int] = (1, 1)) -> bytes:
        """Type 1: the state of a system."""
        return self.frame(when, SEND, struct.pack("<BBBBH", 1, 1, *system, state) + label(when))

    def component(
        self, when: datetime, place: tuple[int, int], state: int, *, text: str = "", happened: datetime | None = None
    ) -> bytes:
        """Type 2: the state of the smoke detector at (zone, place), which it has had since it `happened`."""
        name = text.encode("gb18030").ljust(31, b" ")[:31]
        unit = struct.pack("<BBBBBHHH", 2, 1, 1, 1, 40, *place, state)
        return self.frame(when, SEND, unit + name + label(happened or when))

    def analog(self, when: datetime, place: tuple[int, int], kind: int, count: int) -> bytes:
        """Type 3: an analog value in counts of its kind."""
        return self.frame(when, SEND, struct.pack("<BBBBBHHBh", 3, 1, 1, 1, 31, *place, kind, count) + label(when))

    def reset(self, when: datetime) -> bytes:
        """Type 4: somebody reset the panel."""
        return self.frame(when, SEND, struct.pack("<BBBBBB", 4, 1, 1, 1, 1, 1) + label(when))

    def own(self, when: datetime) -> bytes:
        """Type 21: its own state."""
        return self.frame(when, SEND, struct.pack("<BBB", 21, 1, self.device_state) + label(when))

    def answer(self, when: datetime, question: bytes) -> bytes | None:
        """What it says to a question of the centre; None for what it does not know."""
        if len(question) < 32 or question[26] != REQUEST or question[27] not in {61, 81}:
            return None
        serial = struct.unpack_from("<H", question, 2)[0]
        if question[27] == 61:
            unit = struct.pack("<BBBBH", 1, 1, 1, 1, self.system_state) + label(when)
        else:
            unit = struct.pack("<BBB", 21, 1, self.device_state) + label(when)
        return self.frame(when, ANSWER, unit, serial)

    def answered(self, data: bytes) -> tuple[int, int] | None:
        """Command and serial number of the centre's frame; None for anything that is not one for us."""
        if len(data) < 30 or data[:2] != b"@@" or data[-2:] != b"##" or sum(data[2:-3]) % 256 != data[-3]:
            return None
        if struct.unpack("<Q", data[18:24] + b"\0\0")[0] != self.address:
            return None
        return data[26], struct.unpack_from("<H", data, 2)[0]
