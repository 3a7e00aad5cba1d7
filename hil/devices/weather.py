"""Rain, wind and air: gauges and stations of several makers, each as its document or a public driver tells."""

from __future__ import annotations

from collections.abc import Mapping

from hil.codec import ILLEGAL_ADDRESS, ModbusFault
from hil.devices.base import Device, clip, float_words, long_words


class OpticalRain(Device):
    """L-RAIN-485 optical rain and light (summation2009/Modbus-sensor): FC03, 0 mm of 24 h, 3 lux, 9600 8N1."""

    max_count = 4

    def __init__(self, rain_24h_mm: float = 0.0, lux: float = 0.0) -> None:
        self.rain_24h_mm = rain_24h_mm
        self.lux = lux

    def image(self, table: str) -> Mapping[int, int]:
        """Four holding registers, two of them unknown."""
        if table != "holding":
            return {}
        return {0: clip(self.rain_24h_mm, 0, 0xFFFF), 1: 0, 2: 0, 3: clip(self.lux, 0, 0xFFFF)}


class KunpengRain(Device):
    """Kunpeng tipping-bucket gauge (Glink KpRainfall.js): FC03 register 1, tips of 0.2 mm."""

    max_count = 1

    def __init__(self, tips: int = 0) -> None:
        self.tips = tips

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register, which wraps."""
        return {1: self.tips & 0xFFFF} if table == "holding" else {}


class ZhixiangyuRain(Device):
    """Zhixiangyu rain sensor (Glink ZxyRain.js): FC03, 000A to 0011, singles at +2 and +6, low word first."""

    def __init__(self, first_mm: float = 0.0, second_mm: float = 0.0) -> None:
        self.first_mm = first_mm
        self.second_mm = second_mm

    def image(self, table: str) -> Mapping[int, int]:
        """Holding registers 000A to 0011."""
        if table != "holding":
            return {}
        numbers = (0.0, self.first_mm, 0.0, self.second_mm)
        words = [word for number in numbers for word in float_words(number, low_word_first=True)]
        return {0x000A + offset: word for offset, word in enumerate(words)}


class ZhixiangyuWind(Device):
    """Zhixiangyu anemometer (Glink ZxyWind.js): FC03 0 to 3, speed and direction as singles, low word first."""

    max_count = 4

    def __init__(self, speed_m_s: float = 0.0, direction_deg: float = 0.0) -> None:
        self.speed_m_s = speed_m_s
        self.direction_deg = direction_deg

    def image(self, table: str) -> Mapping[int, int]:
        """Four holding registers."""
        if table != "holding":
            return {}
        words = float_words(self.speed_m_s, low_word_first=True) + float_words(self.direction_deg, low_word_first=True)
        return dict(enumerate(words))


class _ComWinTop(Device):
    """ComWinTop: FC03/FC06, unit id at 07D0, speed code at 07D1 (0 2400, 1 4800, 2 9600), 4800 baud as delivered."""

    default_baudrate = 4800

    def __init__(self) -> None:
        self.settings = {0x07D1: 1}

    def store(self, table: str, address: int, value: int) -> None:
        """The two settings."""
        if table != "holding" or address not in {0x07D0, 0x07D1}:
            raise ModbusFault(ILLEGAL_ADDRESS)
        self.settings[address] = value


class ComWinTopAir(_ComWinTop):
    """CWT-TH temperature and humidity (the maker's tool, which counts from one): 0 humidity, 1 temperature, tenths."""

    def __init__(self, temperature_c: float = 20.0, humidity: float = 60.0) -> None:
        super().__init__()
        self.temperature_c = temperature_c
        self.humidity = humidity

    def image(self, table: str) -> Mapping[int, int]:
        """Two measured registers and the settings."""
        if table != "holding":
            return {}
        measured = {0: clip(self.humidity * 10, 0, 1000), 1: clip(self.temperature_c * 10, -32768, 32767)}
        return measured | {0x07D0: self.own_id} | self.settings


class ComWinTopStation(_ComWinTop):
    """CWT-UWD small weather station (the maker's tool; a public ESP32 driver): fourteen registers from 01F4.

    01F4 wind in steps of `wind_step`, 01F5 Beaufort, 01F6 octant, 01F7 degrees, 01F8 humidity and 01F9 temperature in
    tenths, 01FA noise in tenths, 01FB PM2.5, 01FC PM10, 01FD pressure in 0.1 kPa, 01FE/01FF lux high word first, 0200
    hundreds of lux, 0201 rain in steps of `rain_step`; 6002 = 5A sets the rain to 0.
    """

    def __init__(self, *, wind_step: float = 0.01, rain_step: float = 0.1) -> None:
        super().__init__()
        self.wind_step = wind_step
        self.rain_step = rain_step
        self.wind_m_s = 0.0
        self.wind_deg = 0.0
        self.beaufort = 0
        self.humidity = 60.0
        self.temperature_c = 20.0
        self.noise_db = 45.0
        self.pm2_5 = 20
        self.pm10 = 40
        self.pressure_kpa = 101.3
        self.lux = 0
        self.rain_mm = 0.0

    def image(self, table: str) -> Mapping[int, int]:
        """Fourteen measured registers and the settings."""
        if table != "holding":
            return {}
        octant = round(self.wind_deg / 45) % 8
        words = [clip(self.wind_m_s / self.wind_step, 0, 0xFFFF), self.beaufort, octant, clip(self.wind_deg, 0, 359)]
        words += [clip(self.humidity * 10, 0, 1000), clip(self.temperature_c * 10, -32768, 32767)]
        words += [clip(self.noise_db * 10, 0, 1300), self.pm2_5, self.pm10, clip(self.pressure_kpa * 10, 0, 1200)]
        words += [*long_words(self.lux), self.lux // 100, round(self.rain_mm / self.rain_step) & 0xFFFF]
        return {0x01F4 + offset: word for offset, word in enumerate(words)} | {0x07D0: self.own_id} | self.settings

    def store(self, table: str, address: int, value: int) -> None:
        """The settings, and the rain's zero."""
        if table == "holding" and address == 0x6002 and value == 0x5A:
            self.rain_mm = 0.0
        else:
            super().store(table, address, value)
