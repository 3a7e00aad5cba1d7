"""Waveshare 8-channel analog input, and the transducers in front of it; it must not know what they measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hil.codec import ILLEGAL_ADDRESS, ModbusFault
from hil.devices.base import Device, clip

VOLTS, VOLTS_2_10, CURRENT_0_20, CURRENT_4_20, RAW = 0, 1, 2, 3, 4
_MODE, _UART, _ADDRESS, _VERSION = 0x1000, 0x2000, 0x4000, 0x8000


class AnalogInput8(Device):
    """Waveshare analog input, 8 channels: FC04 0000+ch, modes at 1000+ch (emgardner/waveshare-modbus).

    `signal[ch]` is what the terminals see: volts or milliamperes by mode, a number or a function of no arguments.
    Mode 3 gives uA as measured: below 3.6 mA means a broken wire, above 21 mA over range (NAMUR NE 43).
    """

    def __init__(self) -> None:
        self.signal: list[float | Callable[[], float]] = [4.0] * 8
        self.modes = [CURRENT_4_20] * 8

    def image(self, table: str) -> Mapping[int, int]:
        """Inputs by mode: 0-10 V as 0..5000, mA as uA, raw 0..4096."""
        if table == "holding":
            modes = {_MODE + channel: mode for channel, mode in enumerate(self.modes)}
            return modes | {_UART: 0x0001, _ADDRESS: self.own_id, _VERSION: 0x0064}
        return {channel: self._word(channel) for channel in range(8)} if table == "input" else {}

    def _word(self, channel: int) -> int:
        signal = self.signal[channel]
        value = signal() if callable(signal) else signal
        match self.modes[channel]:
            case 0 | 1:  # 0 to 5000 stand for 0 to 10 V
                return clip(value * 500, 0, 5000)
            case 4:
                return clip(value / 20 * 4096, 0, 4096)
            case _:
                return clip(value * 1000, 0, 0xFFFF)

    def store(self, table: str, address: int, value: int) -> None:
        """Only modes can be written."""
        if table != "holding" or not _MODE <= address < _MODE + 8 or not VOLTS <= value <= RAW:
            raise ModbusFault(ILLEGAL_ADDRESS)
        self.modes[address - _MODE] = value


def loop_ma(measure: Callable[[], float], *, low: float, high: float) -> Callable[[], float]:
    """A 4-20 mA transducer: `measure` from `low` to `high`, saturating at 3.8 and 20.5 mA (NAMUR NE 43)."""

    def current_ma() -> float:
        return max(3.8, min(20.5, 4 + 16 * (measure() - low) / (high - low)))

    return current_ma
