"""Gas: the 6-in-1 module that describes its own unit and decimals, and the Honeywell Midas."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from hil.codec import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusFault, Request
from hil.devices.base import Device, clip, float_words

UNIT_CODES = {"ppm": 0, "%LEL": 2, "vol%": 4, "mg/m3": 6, "ppb": 8}
GASES = {"CO": 5, "CO2": 6, "CH4": 11, "H2S": 52}
STATES = {
    "warm-up": 0,
    "normal": 1,
    "data-error": 2,
    "sensor-fault": 3,
    "pre-alarm": 4,
    "low-alarm": 5,
    "high-alarm": 6,
}
STATES |= {
    "high-alarm": 6,
    "access-fault": 7,
    "over-range": 8,
    "needs-calibration": 9,
    "time-out": 10,
    "communication-fault": 15,
}
_DECIMALS = (0x0, 0x4, 0x8, 0xC)


class GasModule(Device):
    """6-in-1 gas module, FC03 0..9 (domain notes D.3, its PROTOCOL.md).

    Register 0 says in which unit (b15-12) and with how many decimals (b11-8) registers 1 to 4 are to be read, and it
    may change between two reads. 5 state, 6 ADC, 7 = 500 + 10 x degC, 8 gas in the high byte, 9 = 10 x RH.
    `state` is one of STATES, or "" for what follows from the concentration. The document advises at least 500 ms
    between polls; here sooner ones are not answered (an assumption), and `min_poll_s = 0` takes that away.
    """

    min_poll_s = 0.5

    def __init__(self, gas: str = "CH4", unit: str = "%LEL", decimals: int = 1, full_scale: float = 100.0) -> None:
        self.gas = gas
        self.unit = unit
        self.decimals = decimals
        self.full_scale = full_scale
        self.concentration = 0.0
        self.low_set = full_scale * 0.25
        self.high_set = full_scale * 0.50
        self.state = ""
        self.temperature_c = 25.0
        self.humidity = 60.0
        self.unanswered = 0
        self._last_s = float("-inf")

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """As any unit, but not twice within 500 ms."""
        too_soon = now_s - self._last_s < self.min_poll_s
        if too_soon:
            self.unanswered += 1
            return None
        self._last_s = now_s
        return super().answer(pdu, now_s)

    def image(self, table: str) -> Mapping[int, int]:
        """Ten holding registers."""
        if table != "holding":
            return {}
        scale = 10**self.decimals
        measured = [min(self.concentration, self.full_scale), self.low_set, self.high_set, self.full_scale]
        words = [UNIT_CODES[self.unit] << 12 | _DECIMALS[self.decimals] << 8]
        words += [clip(value * scale, 0, 0xFFFF) for value in measured]
        words += [
            STATES[self.state or self._follows()],
            clip(400 + self.concentration * 10, 0, 4095),
            clip(500 + self.temperature_c * 10, 0, 0xFFFF),
        ]
        words += [GASES[self.gas] << 8, clip(self.humidity * 10, 0, 1000)]
        return dict(enumerate(words))

    def _follows(self) -> str:
        limits = (("over-range", self.full_scale), ("high-alarm", self.high_set), ("low-alarm", self.low_set))
        return next((state for state, limit in limits if self.concentration >= limit), "normal")


WARM_UP, MONITORING, ALARMS_INHIBITED, ALL_INHIBITED, SIMULATION, BUMP_TEST = 0, 1, 2, 3, 5, 6
MIDAS_UNITS = ("ppm", "ppb", "%vol", "%LEL", "mA")
_COMMAND_TAIL = 0x3626


class Midas(Device):
    """Honeywell Midas, Modbus TCP, FC03 0..15 (its technical handbook; numat/midas).

    Register 0: b0-3 state, b4-5 fault, b6 low and b7 high alarm, b8-10 relays, b11 heartbeat of 2 s. 2-3 concentration,
    single, **low word first**; 5 fault number; 6 unit as the position of one bit; 7 degC; 8 cell hours; 10 flow cc/min;
    12-15 alarm limits in ppm. Commands: FC16 at 20, first word 015E/025E/035E/055E, second always 3626.
    """

    def __init__(self) -> None:
        self.state = MONITORING
        self.fault = 0  # 0 none, 1 maintenance, 2 instrument, 3 both
        self.fault_number = 0
        self.concentration = 0.0
        self.unit = "ppm"
        self.low_limit_ppm = 25.0
        self.high_limit_ppm = 50.0
        self.temperature_c = 21
        self.cell_hours = 8000
        self.flow = 500
        self.latched = [False, False]

    def image(self, table: str) -> Mapping[int, int]:
        """Sixteen holding registers."""
        if table != "holding":
            return {}
        inhibited = self.state != MONITORING
        ppm = self.concentration / 1000 if self.unit == "ppb" else self.concentration
        for i, limit in enumerate((self.low_limit_ppm, self.high_limit_ppm)):
            self.latched[i] = self.latched[i] or (not inhibited and ppm >= limit)
        low, high = self.latched
        heartbeat = int(self.now_s() / 2) % 2
        relays = low << 8 | high << 9 | (self.fault != 0) << 10
        status = self.state | self.fault << 4 | low << 6 | high << 7 | relays | heartbeat << 11
        words = [
            status,
            0x0101,
            *float_words(self.concentration, low_word_first=True),
            clip(self.concentration, 0, 0xFFFF),
        ]
        words += [self.fault_number, 1 << MIDAS_UNITS.index(self.unit), self.temperature_c & 0xFFFF, self.cell_hours]
        words += [int(self.now_s() / 2) & 0xFFFF, self.flow, 0]
        words += float_words(self.low_limit_ppm, low_word_first=True)
        words += float_words(self.high_limit_ppm, low_word_first=True)
        return dict(enumerate(words))

    def _answer(self, request: Request) -> bytes:
        if request.reads:
            return super()._answer(request)
        if request.address != 20 or request.count != 2:
            raise ModbusFault(ILLEGAL_ADDRESS)
        command, tail = request.written
        if tail != _COMMAND_TAIL or command not in {0x015E, 0x025E, 0x035E, 0x055E}:
            raise ModbusFault(ILLEGAL_VALUE)
        if command == 0x015E:
            self.latched = [False, False]
            self.fault = self.fault_number = 0
        else:
            self.state = {0x025E: ALARMS_INHIBITED, 0x035E: ALL_INHIBITED, 0x055E: MONITORING}[command]
        return request.reply()


def single(low_word: int, high_word: int) -> float:
    """The float of two Midas registers, for tests and technicians."""
    return float(struct.unpack(">f", struct.pack(">HH", high_word, low_word))[0])


class FukaiteGas(Device):
    """Fukaite (富凯特) gas sensor, FC03: 0000 value, 001E resolution n, concentration = value / 10^n ppm.

    Oxygen (`oxygen = True`) is in hundredths of a percent whatever the resolution. The unit id is register 0013, which
    takes a write only after 0011 = 0018. One register a request, as its source asks.
    """

    max_count = 1

    def __init__(self, concentration: float = 0.0, resolution: int = 1, *, oxygen: bool = False) -> None:
        self.concentration = concentration
        self.resolution = resolution
        self.oxygen = oxygen
        self.unit_id = 1
        self.unlocked = False

    def image(self, table: str) -> Mapping[int, int]:
        """Two holding registers."""
        if table != "holding":
            return {}
        steps = 100 if self.oxygen else 10**self.resolution
        return {0x00: clip(self.concentration * steps, 0, 0xFFFF), 0x1E: self.resolution}

    def store(self, table: str, address: int, value: int) -> None:
        """The lock, and behind it the unit id."""
        if table == "holding" and address == 0x11 and value == 0x18:
            self.unlocked = True
        elif table == "holding" and address == 0x13 and self.unlocked and 1 <= value <= 247:
            self.unit_id = value
        else:
            raise ModbusFault(ILLEGAL_VALUE)
