"""A hydrological station by SL 651-2014; it owns what is measured there and borrows nothing from the agent's parser.

station = HydroStation("0012345678")
station.stage_m = 2.35
mouth.send(station.event(when))          # 33: extra report; also keep_alive, test, hourly, even, picture (M3)
station.answered(mouth.receive(1.0))     # what the centre answered: "stay", "leave", "again"; None: not for us
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

KEEP_ALIVE, TEST, EVEN, TIMED, EVENT, HOURLY, PICTURE, NOW = 0x2F, 0x30, 0x31, 0x32, 0x33, 0x34, 0x36, 0x37
_ANSWERS = {0x1B: "stay", 0x04: "leave", 0x06: "go on", 0x15: "again", 0x05: "asked"}


def checksum(data: bytes) -> bytes:
    """CRC-16 (polynomial 8005 reflected, begun with FFFF), bit by bit, high byte first."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            low, register = register & 1, register >> 1
            register ^= 0xA001 * low
    return bytes(divmod(register, 256))


def decimal(value: float, size: int, decimals: int) -> bytes:
    """A number in BCD; a negative one begins with FF, which takes one of the bytes."""
    figure = round(abs(value) * 10**decimals)
    if value < 0:
        return b"\xff" + bytes.fromhex(f"{figure:0{2 * (size - 1)}d}")
    return bytes.fromhex(f"{figure:0{2 * size}d}")


def element(lead: int, value: float | None, size: int, decimals: int) -> bytes:
    """Identifier, definition, value; None: the station has none, so all bytes are FF."""
    data = b"\xff" * size if value is None else decimal(value, size, decimals)
    return bytes((lead, size << 3 | decimals)) + data


class HydroStation:
    """A river gauge with rain. Set what it measures; every method gives one frame."""

    def __init__(self, station: str = "0012345678", *, centre: int = 1, password: int = 0x1234) -> None:
        self.station, self.centre, self.password = station, centre, password
        self.stage_m: float | None = 1.0
        self.rain_today_mm, self.rain_total_mm, self.rain_5min_mm = 0.0, 0.0, 0.0
        self.supply_v = 12.6
        self.condition = 0x80  # bit 7: the door is closed
        self.serial = 0
        self.letter = 0x48  # "H": a river station

    def frame(self, function: int, text: bytes, *, start: int = 0x02, end: int = 0x03) -> bytes:
        """Any frame upwards."""
        head = b"\x7e\x7e" + bytes((self.centre,)) + bytes.fromhex(self.station) + self.password.to_bytes(2, "big")
        frame = head + bytes((function, len(text) >> 8, len(text) & 255, start)) + text + bytes((end,))
        return frame + checksum(frame)

    def _begin(self, when: datetime) -> bytes:
        self.serial = self.serial % 65535 + 1
        return self.serial.to_bytes(2, "big") + bytes.fromhex(when.strftime("%y%m%d%H%M%S"))

    def _place(self) -> bytes:
        return b"\xf1\xf1" + bytes.fromhex(self.station) + bytes((self.letter,))

    @staticmethod
    def _observed(when: datetime) -> bytes:
        return b"\xf0\xf0" + bytes.fromhex(when.strftime("%y%m%d%H%M"))

    def _measured(self) -> bytes:
        return (
            element(0x20, self.rain_today_mm, 3, 1)
            + element(0x26, self.rain_total_mm, 3, 1)
            + element(0x39, self.stage_m, 4 if (self.stage_m or 0) >= 0 else 5, 3)
            + element(0x38, self.supply_v, 2, 2)
        )

    def keep_alive(self, when: datetime) -> bytes:
        """2F: the line is up."""
        return self.frame(KEEP_ALIVE, self._begin(when))

    def report(self, when: datetime, function: int = EVENT, observed: datetime | None = None) -> bytes:
        """Rain, stage and supply as they are; `observed` when they were."""
        text = self._begin(when) + self._place() + self._observed(observed or when) + self._measured()
        text += element(0x22, self.rain_5min_mm, 3, 1) + b"\x45\x20" + self.condition.to_bytes(4, "big")
        return self.frame(function, text)

    event = report

    def hourly(self, when: datetime, rains_mm: Sequence[float | None], stages_m: Sequence[float | None]) -> bytes:
        """34: twelve rains and twelve stages of five minutes; the time before them is that of the first."""
        first = when.replace(second=0) - timedelta(minutes=55)
        rains = bytes(255 if rain is None else round(rain * 10) for rain in rains_mm)
        stages = b"".join((65535 if s is None else round(s * 100)).to_bytes(2, "big") for s in stages_m)
        text = self._begin(when) + self._place() + self._observed(first) + b"\xf4\x60" + rains + b"\xf5\xc0" + stages
        return self.frame(HOURLY, text + self._observed(when) + self._measured())

    def even(self, when: datetime, step: timedelta, stages_m: Sequence[float]) -> bytes:
        """31: stages at even steps, the last one now."""
        first = when - step * (len(stages_m) - 1)
        minutes = round(step / timedelta(minutes=1))
        days, rest = divmod(minutes, 1440)
        code = bytes.fromhex(f"{days:02d}{rest // 60:02d}{rest % 60:02d}")
        text = self._begin(when) + self._place() + self._observed(first) + b"\x04\x18" + code + b"\x39\x23"
        return self.frame(EVEN, text + b"".join(decimal(stage, 4, 3) for stage in stages_m))

    def packets(self, function: int, text: bytes, size: int) -> list[bytes]:
        """M3: one text in packets of at most `size` bytes."""
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        return [
            self.frame(
                function,
                (len(pieces) << 12 | number).to_bytes(3, "big") + piece,
                start=0x16,
                end=0x03 if number == len(pieces) else 0x17,
            )
            for number, piece in enumerate(pieces, start=1)
        ]

    def report_text(self, when: datetime) -> bytes:
        """The text of a report alone, to be sent in packets."""
        return self._begin(when) + self._place() + self._observed(when) + self._measured()

    def answered(self, data: bytes) -> tuple[int, int, str] | None:
        """Function, serial number and word of the centre's frame; None for anything that is not one for us."""
        if len(data) < 17 or data[:2] != b"\x7e\x7e" or checksum(data[:-2]) != data[-2:]:
            return None
        if data[2:7].hex() != self.station or data[11] >> 4 != 8:
            return None
        length = int.from_bytes(data[11:13], "big") & 0xFFF
        if len(data) != 14 + length + 3:
            return None
        return data[10], int.from_bytes(data[14:16], "big"), _ANSWERS.get(data[-3], f"{data[-3]:02x}")
