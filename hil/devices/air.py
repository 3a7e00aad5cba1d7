"""Temperature and humidity: Kunpeng (鲲鹏) transmitters, as a public collector's parser reads them."""

from __future__ import annotations

from collections.abc import Mapping

from hil.devices.base import Device, clip


class KunpengTemperature(Device):
    """Kunpeng temperature probe, FC03: register 0, tenths of a degree, negative as two's complement."""

    def __init__(self, temperature_c: float = 20.0) -> None:
        self.temperature_c = temperature_c

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register."""
        return {0: clip(self.temperature_c * 10, -32768, 32767)} if table == "holding" else {}


class KunpengTemperatureHumidity(Device):
    """Kunpeng temperature and humidity transmitter, FC03: 0 humidity / 0.1 %, 1 temperature / 0.1 degC, signed."""

    max_count = 2

    def __init__(self, temperature_c: float = 20.0, humidity: float = 60.0) -> None:
        self.temperature_c = temperature_c
        self.humidity = humidity

    def image(self, table: str) -> Mapping[int, int]:
        """Two holding registers."""
        if table != "holding":
            return {}
        return {0: clip(self.humidity * 10, 0, 1000), 1: clip(self.temperature_c * 10, -32768, 32767)}
