"""Slopes and structures: tilt, settlement, displacement, distance, vibrating wires, each from its collector's parser.

Registers that the sources do not mention are refused, and what a unit sends when it measures nothing is not imitated.
"""

from __future__ import annotations

from collections.abc import Mapping

from hil.devices.base import Device, clip, float_words, long_words


class BiaxialInclinometer(Device):
    """Inclinometer of unnamed make, FC03: signed longs at 0 (X) and 2 (Y), thousandths of a degree, high word first."""

    default_baudrate = 38400

    def __init__(self, x_deg: float = 0.0, y_deg: float = 0.0) -> None:
        self.x_deg = x_deg
        self.y_deg = y_deg

    def image(self, table: str) -> Mapping[int, int]:
        """Four holding registers."""
        if table != "holding":
            return {}
        return dict(enumerate((*long_words(round(self.x_deg * 1000)), *long_words(round(self.y_deg * 1000)))))


class SanzhiTilt(Device):
    """Sanzhi Yingke (三智盈科), FC04: 18 registers; 0 number, 1 model, 2 degC/10, 3 X and 4 Y in deg/100."""

    def __init__(self, x_deg: float = 0.0, y_deg: float = 0.0, temperature_c: float = 20.0) -> None:
        self.x_deg = x_deg
        self.y_deg = y_deg
        self.temperature_c = temperature_c

    def image(self, table: str) -> Mapping[int, int]:
        """Eighteen input registers; those after Y hold 0."""
        if table != "input":
            return {}
        measured = (self.temperature_c * 10, self.x_deg * 100, self.y_deg * 100)
        words = [1, 2, *(clip(value, -32768, 32767) for value in measured)]
        return dict.fromkeys(range(18), 0) | dict(enumerate(words))


class ZhichuanBox(Device):
    """Zhichuan (直川) box inclinometer, FC03: six registers, X in 0-1 and Y in 2-3, four bytes each.

    The first byte has the sign in its upper half (1: negative) and the hundreds in its lower one; then come units,
    hundredths and ten-thousandths, a byte from 0 to 99 each. What registers 4 and 5 hold is not known; here 0.
    """

    def __init__(self, x_deg: float = 0.0, y_deg: float = 0.0) -> None:
        self.x_deg = x_deg
        self.y_deg = y_deg

    def image(self, table: str) -> Mapping[int, int]:
        """Six holding registers."""
        if table != "holding":
            return {}
        return dict(enumerate((*_pairs_of_digits(self.x_deg), *_pairs_of_digits(self.y_deg), 0, 0)))


def _pairs_of_digits(value: float) -> tuple[int, int]:
    rest = round(abs(value) * 10000)
    pairs = []
    for _ in range(3):
        rest, pair = divmod(rest, 100)
        pairs.append(pair)
    ten_thousandths, hundredths, units = pairs
    return (value < 0) << 12 | rest << 8 | units, hundredths << 8 | ten_thousandths


class ShengdiLevel(Device):
    """Shengdi (盛迪) hydrostatic level, FC04: single precision at 0, high word first."""

    def __init__(self, level_mm: float = 500.0) -> None:
        self.level_mm = level_mm

    def image(self, table: str) -> Mapping[int, int]:
        """Two input registers."""
        return dict(enumerate(float_words(self.level_mm))) if table == "input" else {}


class ZhongdaLevel(Device):
    """Zhongda (中大) hydrostatic level, FC03: register 4 holds the pressure of the water in Pa, signed."""

    def __init__(self, level_mm: float = 500.0) -> None:
        self.level_mm = level_mm

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register."""
        return {4: clip(self.level_mm * 9.80665, -32768, 32767)} if table == "holding" else {}


class BolinWire(Device):
    """Bolin (博林) draw-wire sensor, FC03: register 0, hundredths of a millimetre, never negative."""

    def __init__(self, displacement_mm: float = 100.0) -> None:
        self.displacement_mm = displacement_mm

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register."""
        return {0: clip(self.displacement_mm * 100, 0, 0xFFFF)} if table == "holding" else {}


class FeishangWire(Device):
    """Feishang (飞尚) draw-wire sensor, FC03: register 0, tenths of a millimetre, negative as two's complement."""

    def __init__(self, displacement_mm: float = 100.0) -> None:
        self.displacement_mm = displacement_mm

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register."""
        return {0: clip(self.displacement_mm * 10, -32768, 32767)} if table == "holding" else {}


class KunpengDisplacement(Device):
    """Kunpeng (鲲鹏) displacement sensor, FC03: register 1, hundredths of a millimetre, never negative."""

    def __init__(self, displacement_mm: float = 100.0) -> None:
        self.displacement_mm = displacement_mm

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register."""
        return {1: clip(self.displacement_mm * 100, 0, 0xFFFF)} if table == "holding" else {}


class ChengtuoLaser(Device):
    """Chengtuo (承拓) laser distance meter, FC03: unsigned long at 2001 (hex), tenths of a millimetre."""

    def __init__(self, distance_mm: float = 5000.0) -> None:
        self.distance_mm = distance_mm

    def image(self, table: str) -> Mapping[int, int]:
        """Two holding registers."""
        return _from(0x2001, long_words(round(self.distance_mm * 10))) if table == "holding" else {}


class KunpengLaser(Device):
    """Kunpeng (鲲鹏) laser distance meter, FC03: unsigned long at 000F (hex), tenths of a millimetre."""

    def __init__(self, distance_mm: float = 5000.0) -> None:
        self.distance_mm = distance_mm

    def image(self, table: str) -> Mapping[int, int]:
        """Two holding registers."""
        return _from(0x000F, long_words(round(self.distance_mm * 10))) if table == "holding" else {}


class VibratingWire(Device):
    """Kunpeng (鲲鹏) vibrating wire to Modbus converter, FC03: 1 frequency / 0.1 Hz, 2 temperature / 0.1 degC.

    It knows nothing of what the wire measures: strain, pressure and force are worked out from the frequency with the
    figures of the instrument's calibration sheet. A wire that does not ring gives 0 (an assumption).
    """

    def __init__(self, frequency_hz: float = 900.0, temperature_c: float = 20.0) -> None:
        self.frequency_hz = frequency_hz
        self.temperature_c = temperature_c

    def image(self, table: str) -> Mapping[int, int]:
        """Two holding registers."""
        if table != "holding":
            return {}
        return _from(1, (clip(self.frequency_hz * 10, 0, 0xFFFF), clip(self.temperature_c * 10, -32768, 32767)))


def _from(address: int, words: tuple[int, ...]) -> dict[int, int]:
    return {address + i: word for i, word in enumerate(words)}
