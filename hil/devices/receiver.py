"""Otis OI-7032: a receiver that gathers up to 32 radio gas heads, and says how old each of their readings is."""

from __future__ import annotations

from collections.abc import Mapping

from hil.devices.base import Device, clip, float_words

CHANNELS = 32
HEAD_GASES = {"H2S": 0, "SO2": 1, "O2": 2, "CO": 3, "CL2": 4, "CO2": 5, "LEL": 6, "VOC": 7, "CH4": 24}
MODES = {"off": 0, "normal": 1, "inhibit": 2, "maintenance": 3, "calibration": 4, "null": 5}
NEVER_S = 0xFFFF


class OtisReceiver(Device):
    """OI-7032, FC03; its papers count registers from 1, here they are as on the wire.

    Channel n from 0: 0000+n radio address, 0020+2n reading (single), 0060+n mode, 0080+2n battery (single), 00C0+n
    seconds since the last message, 00E0+n sensor type, 0100+n gas, 0120+n fault; 1770 its own unit id.
    A head that falls silent leaves its last reading standing: only `age_s` tells. Channels without a head read 0.0.
    """

    def __init__(self) -> None:
        self.reading = [0.0] * CHANNELS
        self.battery_v = [0.0] * CHANNELS
        self.age_s = [NEVER_S] * CHANNELS
        self.mode = ["off"] * CHANNELS
        self.gas = ["LEL"] * CHANNELS
        self.fault = [0] * CHANNELS

    def hear(self, channel: int, reading: float, *, gas: str = "LEL", battery_v: float = 3.6, age_s: int = 5) -> None:
        """A message of the head on `channel` (from 1), `age_s` seconds ago."""
        n = channel - 1
        self.reading[n], self.gas[n], self.battery_v[n], self.age_s[n] = reading, gas, battery_v, age_s
        self.mode[n] = "normal"

    def image(self, table: str) -> Mapping[int, int]:
        """Holding registers 0000 to 013F, and 1770."""
        if table != "holding":
            return {}
        words = dict.fromkeys(range(0x140), 0) | {0x1770: self.own_id}
        for n in range(CHANNELS):
            high, low = float_words(self.reading[n])
            words |= {n: n + 1, 0x20 + 2 * n: high, 0x21 + 2 * n: low}
            high, low = float_words(self.battery_v[n])
            words |= {0x80 + 2 * n: high, 0x81 + 2 * n: low}
            words |= {0x60 + n: MODES[self.mode[n]], 0xC0 + n: clip(self.age_s[n], 0, NEVER_S), 0xE0 + n: 2}
            words |= {0x100 + n: HEAD_GASES[self.gas[n]], 0x120 + n: self.fault[n]}
        return words
