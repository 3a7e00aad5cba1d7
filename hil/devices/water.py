"""Level, pressure and rain: 80 GHz radar, Keller transmitter, tipping-bucket gauge; each as its manual describes it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from hil.codec import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusFault
from hil.devices.base import Device, clip, float_words, long_words


class RadarLevel(Device):
    """HLK-LD8001H / DFRobot SEN0676 radar level, FC03 (domain notes D.2).

    0001 empty height mm (distance to the water), 0003 water level mm, 0005 installation height **cm** (RW),
    03F4 unit id, 03F6 baud/100, 07D4 range m. The level is 0 while no installation height is set.
    """

    default_unit_id = 1
    default_baudrate = 115200

    def __init__(self, level_mm: float = 0.0, install_cm: int = 500) -> None:
        self.level_mm = level_mm
        self.install_cm = install_cm
        self.range_m = 40

    def image(self, table: str) -> Mapping[int, int]:
        """Only holding registers; 0000 to 0005 can be read in one block."""
        if table != "holding":
            return {}
        height_mm = self.install_cm * 10
        empty_mm = max(150.0, height_mm - self.level_mm) if height_mm else 5000.0  # blind below 0.15 m
        level = clip(height_mm - empty_mm, 0, 0xFFFF) if height_mm else 0
        image = dict.fromkeys(range(6), 0)
        image |= {1: clip(empty_mm, 0, 0xFFFF), 3: level, 5: self.install_cm}
        return image | {0x03F4: self.own_id, 0x03F6: self.default_baudrate // 100, 0x07D4: self.range_m}

    def store(self, table: str, address: int, value: int) -> None:
        """Installation height and range."""
        if table == "holding" and address == 5:
            self.install_cm = value
        elif table == "holding" and address == 0x07D4:
            self.range_m = value
        else:
            raise ModbusFault(ILLEGAL_ADDRESS)


class KellerPressure(Device):
    """Keller series 30/40 transmitter, FC03 (its "Communication protocol 4.x/30", section Modbus).

    Floats at 0100 (P1, bar) and 0102 (TOB1, degC), i16 at 0011/0014 (1/100), i32 at 0022 (Pa) and 0028 (1/100 degC),
    serial number at 0202. NaN is an inactive channel, infinities over and under range; integers then hold 7FFF.
    """

    def __init__(self, pressure_bar: float = 0.1, temperature_c: float = 15.0) -> None:
        self.pressure_bar = pressure_bar
        self.temperature_c = temperature_c
        self.serial = 123_456

    def image(self, table: str) -> Mapping[int, int]:
        """Only holding registers."""
        if table != "holding":
            return {}
        image: dict[int, int] = {}
        pressure, temperature = self.pressure_bar, self.temperature_c
        _put(image, 0x0100, float_words(pressure))
        _put(image, 0x0102, float_words(temperature))
        image[0x0011] = _word(pressure * 100)
        image[0x0014] = _word(temperature * 100)
        _put(image, 0x0022, _long(pressure * 100_000))
        _put(image, 0x0028, _long(temperature * 100))
        _put(image, 0x0202, long_words(self.serial))
        return image


def _put(image: dict[int, int], address: int, words: tuple[int, int]) -> None:
    image[address], image[address + 1] = words


def _word(value: float) -> int:
    return clip(value, -32768, 32767) & 0xFFFF if math.isfinite(value) else 0x7FFF


def _long(value: float) -> tuple[int, int]:
    return long_words(clip(value, -(2**31), 2**31 - 1)) if math.isfinite(value) else long_words(0x7FFFFFFF)


class TippingRain(Device):
    """DFRobot SEN0575 tipping-bucket gauge, unit id C0, FC04/FC06 (its library).

    Inputs: 0 PID, 1 VID (its two highest bits belong to the PID), 2 unit id, 3 baud, 4 parity, 5 version, 6/7 rain in
    the window, 8/9 total, 10/11 tips, each **low word first** in 1/10000 mm, 12 minutes since start (wraps at 45.5 d).
    Holding 6: window in hours 1-24, 7: mm per tip x 10000. Rain comes in whole tips of 0.2794 mm.
    """

    default_unit_id = 0xC0

    def __init__(self) -> None:
        self.window_h = 1
        self.tip_x10000 = 2794
        self.tips = 0
        self._total_x10000 = 0
        self._poured_mm = 0.0
        self._fallen_mm = 0.0
        self._tipped: deque[float] = deque(maxlen=200_000)
        self._start_s = self.now_s()

    @property
    def fallen_mm(self) -> float:
        """All the rain that fell into it, counted or still in the bucket; setting it pours the difference."""
        return self._fallen_mm

    @fallen_mm.setter
    def fallen_mm(self, mm: float) -> None:
        self.pour(max(0.0, mm - self._fallen_mm))

    def pour(self, mm: float) -> None:
        """Rain falls; what does not fill the bucket waits for the next rain."""
        self._fallen_mm += mm
        self._poured_mm += mm
        while self._poured_mm >= self.tip_x10000 / 10_000:
            self._poured_mm -= self.tip_x10000 / 10_000
            self.tips += 1
            self._total_x10000 += self.tip_x10000
            self._tipped.append(self.now_s())

    def restart(self) -> None:
        """Power lost: counters start again at 0, the window is one hour; what fell before stays fallen."""
        fallen_mm = self._fallen_mm
        self.__init__()  # type: ignore[misc] # the device's RAM is gone
        self._fallen_mm = fallen_mm

    def image(self, table: str) -> Mapping[int, int]:
        """Inputs 0 to 12; holding 6 and 7."""
        if table == "holding":
            return {6: self.window_h, 7: self.tip_x10000}
        if table != "input":
            return {}
        now_s = self.now_s()
        recent = sum(1 for at_s in self._tipped if now_s - at_s < self.window_h * 3600)
        image = {0: 0x00C0, 1: 0x7343, 2: self.own_id, 3: 3, 4: 0, 5: 0x1000}
        _put(image, 6, long_words(recent * self.tip_x10000, low_word_first=True))
        _put(image, 8, long_words(self._total_x10000, low_word_first=True))
        _put(image, 10, long_words(self.tips, low_word_first=True))
        return image | {12: int((now_s - self._start_s) / 60) & 0xFFFF}

    def store(self, table: str, address: int, value: int) -> None:
        """The window and the size of a tip."""
        if table != "holding" or address not in {6, 7}:
            raise ModbusFault(ILLEGAL_ADDRESS)
        if address == 6:
            if not 1 <= value <= 24:
                raise ModbusFault(ILLEGAL_VALUE)
            self.window_h = value
        else:
            self.tip_x10000 = value
