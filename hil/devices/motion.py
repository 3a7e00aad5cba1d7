"""Inclination and vibration: WitMotion Modbus instruments with their unlock-write-save ritual."""

from __future__ import annotations

from collections.abc import Mapping

from hil.codec import ILLEGAL_VALUE, ModbusFault
from hil.devices.base import Device, clip

_UNLOCK, _KEY, _SAVE, _OPEN_S = 0x69, 0xB588, 0x00, 10.0


class _WitMotion(Device):
    """Registers 00 to 7F can all be read; writes need FC06 0069 = B588 within the last ten seconds."""

    default_unit_id = 0x50

    def __init__(self) -> None:
        self.acceleration_g = [0.0, 0.0, 1.0]
        self.temperature_c = 20.0
        self._stored: dict[int, int] = {0x04: 0x02}
        self._unlocked_s = float("-inf")

    def measured(self) -> Mapping[int, int]:
        """Address -> word of what is measured now."""
        return {0x34 + axis: _raw(g, 16) for axis, g in enumerate(self.acceleration_g)}

    def image(self, table: str) -> Mapping[int, int]:
        """All registers; those without a meaning hold 0."""
        if table != "holding":
            return {}
        return dict.fromkeys(range(0x80), 0) | {0x1A: self.own_id} | self._stored | dict(self.measured())

    def store(self, table: str, address: int, value: int) -> None:
        """Locked without the key; a save takes what was written."""
        if table != "holding" or address >= 0x80:
            raise ModbusFault(ILLEGAL_VALUE)
        if address == _UNLOCK and value == _KEY:
            self._unlocked_s = self.now_s()
        elif self.now_s() - self._unlocked_s > _OPEN_S:
            raise ModbusFault(ILLEGAL_VALUE)
        elif address != _SAVE:
            self._stored[address] = value


class Inclinometer(_WitMotion):
    """WitMotion inclinometer, FC03, unit id 50: 34-36 acceleration, 3D-3F roll, pitch, yaw as i16 / 32768 x 180 deg."""

    def __init__(self, roll_deg: float = 0.0, pitch_deg: float = 0.0, yaw_deg: float = 0.0) -> None:
        super().__init__()
        self.roll_deg = roll_deg
        self.pitch_deg = pitch_deg
        self.yaw_deg = yaw_deg

    def measured(self) -> Mapping[int, int]:
        """Acceleration, angles, temperature."""
        angles = (self.roll_deg, self.pitch_deg, self.yaw_deg)
        found = dict(super().measured()) | {0x3D + axis: _raw(deg, 180) for axis, deg in enumerate(angles)}
        return found | {0x40: clip(self.temperature_c * 100, -32768, 32767)}


class Vibration(_WitMotion):
    """WTVB01-485, FC03, unit id 50 (manual v2.5): 3A-3C velocity in whole mm/s, 40 degC/100, 41-43 um, 44-46 Hz/10.

    Below 5 Hz it measures nothing: velocity and displacement are 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.velocity_mm_s = [0.0, 0.0, 0.0]
        self.displacement_um = [0.0, 0.0, 0.0]
        self.frequency_hz = [10.0, 10.0, 10.0]

    def measured(self) -> Mapping[int, int]:
        """Acceleration, velocity, temperature, displacement, frequency."""
        found = dict(super().measured())
        for axis, hz in enumerate(self.frequency_hz):
            heard = hz >= 5
            found[0x3A + axis] = clip(self.velocity_mm_s[axis], 0, 0x7FFF) if heard else 0
            found[0x41 + axis] = clip(self.displacement_um[axis], 0, 0x7FFF) if heard else 0
            found[0x44 + axis] = clip(hz * 10, 0, 0x7FFF)
        return found | {0x40: clip(self.temperature_c * 100, -32768, 32767)}


def _raw(value: float, full_scale: float) -> int:
    return clip(value / full_scale * 32768, -32768, 32767)
