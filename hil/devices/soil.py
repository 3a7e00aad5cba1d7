"""Probes in the soil: water content and temperature, from the makers' manuals and frames that others exchanged."""

from __future__ import annotations

from collections.abc import Mapping

from hil.devices.base import Device, clip


class SeeedSoil(Device):
    """Seeed S-Temp&VWC&EC-02, FC04 (manual V1.1): 0 degC/100 signed, 1 percent/100, 2 uS/cm, 5 permittivity/100.

    FC03 reads the same registers, and settings from 0200 on: unit id, code of the speed.
    """

    def __init__(self, water_percent: float = 25.0, temperature_c: float = 20.0, us_cm: float = 300.0) -> None:
        self.water_percent = water_percent
        self.temperature_c = temperature_c
        self.us_cm = us_cm

    def image(self, table: str) -> Mapping[int, int]:
        """Six measured registers in both tables, settings among the holding ones."""
        if table not in {"input", "holding"}:
            return {}
        measured = [clip(self.temperature_c * 100, -4000, 8000), clip(self.water_percent * 100, 0, 10000)]
        measured += [clip(self.us_cm, 0, 20000), clip(self.us_cm * 0.55, 0, 20000), clip(self.us_cm * 0.5, 0, 20000)]
        words = dict(enumerate([*measured, clip(100 + self.water_percent * 80, 0, 8200)]))
        return words | {0x0200: self.own_id, 0x0201: 3} if table == "holding" else words


class EsSoil(Device):
    """ES-SM-TH-01S, FC03: 2 and 12 (hex) water content / 0.1 %, 3 temperature / 0.1 degC, 0100 unit id, 0101 speed."""

    def __init__(self, water_percent: float = 25.0, temperature_c: float = 20.0) -> None:
        self.water_percent = water_percent
        self.temperature_c = temperature_c

    def image(self, table: str) -> Mapping[int, int]:
        """Its holding registers."""
        if table != "holding":
            return {}
        water, temperature = clip(self.water_percent * 10, 0, 1000), clip(self.temperature_c * 10, -400, 800)
        return {2: water, 3: temperature, 0x12: water, 0x13: temperature, 0x0100: self.own_id, 0x0101: 2}


class Smt100(Device):
    """TRUEBNER SMT100, FC03: 0 (degC + 100) x 100, 1 percent x 100, 2 permittivity x 100, 3 counts, 4 unit id."""

    def __init__(self, water_percent: float = 25.0, temperature_c: float = 20.0, permittivity: float = 12.0) -> None:
        self.water_percent = water_percent
        self.temperature_c = temperature_c
        self.permittivity = permittivity

    def image(self, table: str) -> Mapping[int, int]:
        """Five holding registers."""
        if table != "holding":
            return {}
        measured = ((self.temperature_c + 100) * 100, self.water_percent * 100, self.permittivity * 100, 8000)
        return dict(enumerate([*(clip(value, 0, 0xFFFF) for value in measured), self.own_id]))
