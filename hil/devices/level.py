"""Level and distance: submersible transmitters, ultrasonic and radar gauges, as their makers or public drivers tell."""

from __future__ import annotations

from collections.abc import Mapping

from hil.codec import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusFault
from hil.devices.base import Device, clip, float_words
from hil.devices.water import KellerPressure

SUBMERSIBLE_UNITS_M = {16: 1.0, 17: 0.01, 18: 0.001}  # code -> metres, as one sheet has it; others differ


class Submersible(Device):
    """QDY30A submersible transmitter, FC03/FC06 (public copies of its MODBUS.pdf): 9600 8N1, unit id 1.

    0 unit id, 1 speed code, 2 unit code, 3 decimals 0 to 4, 4 level (signed), 5 zero, 0F saves. The level is a whole
    number of units divided by 10 to the power of the decimals.
    """

    unit_id = 1
    max_count = 16

    def __init__(self, level_m: float = 0.0, *, unit_code: int = 17, decimals: int = 1) -> None:
        self.level_m = level_m
        self.unit_code = unit_code
        self.decimals = decimals
        self.zero = 0
        self.saved = 0

    def image(self, table: str) -> Mapping[int, int]:
        """Six holding registers."""
        if table != "holding":
            return {}
        counts = self.level_m / SUBMERSIBLE_UNITS_M[self.unit_code] * 10**self.decimals
        level = clip(counts, -32768, 32767) + self.zero
        return dict(enumerate((self.unit_id, 3, self.unit_code, self.decimals, level, self.zero)))

    def store(self, table: str, address: int, value: int) -> None:
        """Unit, decimals, zero; 0F = 0 saves."""
        if table != "holding":
            raise ModbusFault(ILLEGAL_ADDRESS)
        if address == 2 and value in SUBMERSIBLE_UNITS_M:
            self.unit_code = value
        elif address == 3 and value <= 4:
            self.decimals = value
        elif address == 5:
            self.zero = value
        elif address == 0x0F:
            self.saved += 1
        else:
            raise ModbusFault(ILLEGAL_VALUE)


class SeeedLevel(Submersible):
    """Seeed S-YW-01B (S-LLE-01), 0 to 5 m: the registers of the QDY30A, unit id 1A, two decimals."""

    default_unit_id = 0x1A
    unit_id = 0x1A

    def __init__(self, level_m: float = 0.0) -> None:
        super().__init__(level_m, unit_code=17, decimals=2)


class Ultrasonic14(Device):
    """DFRobot URM14 (example sketches of the maker), FC03/FC06, unit id 0C.

    0 product, 1 version, 2 unit id, 3 speed, 4 parity, 5 distance / 0.1 mm, 6 inner temperature / 0.1 degC, 7 outer
    temperature (written), 8 control: b0 source and b1 off-switch of the compensation, b2 passive mode, b3 measure once,
    which clears itself; 9 noise. In passive mode register 5 keeps the last distance until it is triggered, and shows
    the new one `measuring_s` later.
    """

    default_unit_id = 0x0C
    measuring_s = 0.030

    def __init__(self, distance_mm: float = 500.0, *, passive: bool = False) -> None:
        self.distance_mm = distance_mm
        self.temperature_c = 20.0
        self.noise = 0
        self.control = 0x04 if passive else 0x00
        self._held = 0xFFFF
        self._due_s: float | None = None

    def image(self, table: str) -> Mapping[int, int]:
        """Ten holding registers."""
        if table != "holding":
            return {}
        if not self.control & 0x04:
            self._held = self._measured()
        elif self._due_s is not None and self.now_s() >= self._due_s:
            self._held, self._due_s = self._measured(), None
        settings = (0x0358, 0x1000, self.own_id, 3, 0)
        measured = (self._held, clip(self.temperature_c * 10, -32768, 32767), 0, self.control, self.noise)
        return dict(enumerate(settings + measured))

    def _measured(self) -> int:
        return clip(self.distance_mm * 10, 0, 0xFFFF)

    def store(self, table: str, address: int, value: int) -> None:
        """Control, and the outer temperature."""
        if table != "holding" or address not in {7, 8}:
            raise ModbusFault(ILLEGAL_ADDRESS)
        if address == 8:
            self.control = value & 0x07
            if value & 0x08 and value & 0x04:
                self._due_s = self.now_s() + self.measuring_s


class Mxs485(Device):
    """MXS485 ultrasonic gauge (its published firmware), FC03/FC06: unit id by switches.

    0 distance and 1 distance on a ramp in mm, whole centimetres; 2 is 1 while the sensor has spoken within 3 s, and not
    in the first 5 s; 3 ramp in ms per cm, 5 switches: 1 to 6 unit id, 7 19200 baud, 8 even parity.
    """

    max_count = 6

    def __init__(self, distance_mm: float = 2000.0, *, switches: int = 1) -> None:
        self.distance_mm = distance_mm
        self.switches = switches
        self.silent = False  # its sensor says nothing: the registers keep what they had
        self.ramp_ms_per_cm = 100
        self._cm = self._ramp_cm = round(distance_mm / 10)

    def image(self, table: str) -> Mapping[int, int]:
        """Six holding registers. The ramp moves 1 cm at each look."""
        if table != "holding":
            return {}
        if not self.silent:
            self._cm = round(self.distance_mm / 10)
        self._ramp_cm += (self._cm > self._ramp_cm) - (self._cm < self._ramp_cm)
        words = (self._cm * 10, self._ramp_cm * 10, int(not self.silent), self.ramp_ms_per_cm, 0, self.switches)
        return dict(enumerate(words))

    def store(self, table: str, address: int, value: int) -> None:
        """The ramp."""
        if table != "holding" or address != 3:
            raise ModbusFault(ILLEGAL_ADDRESS)
        self.ramp_ms_per_cm = min(value, 10_000)


class ComplementRadar(Device):
    """Radar of unknown make met in a river station: FC03, register 1003 (decimal), 65535 less the mm, 4800 baud."""

    default_baudrate = 4800

    def __init__(self, level_mm: float = 0.0) -> None:
        self.level_mm = level_mm

    def image(self, table: str) -> Mapping[int, int]:
        """One holding register."""
        return {1003: 0xFFFF - clip(self.level_mm, 0, 0xFFFF)} if table == "holding" else {}


class KellerNanolevel(KellerPressure):
    """Keller Nanolevel (EnviroDIY KellerModbus): floats at 0002 (bar) and 0006 (degC), one in each request."""

    max_count = 2

    def image(self, table: str) -> Mapping[int, int]:
        """Only holding registers."""
        if table != "holding":
            return {}
        pressure, temperature = float_words(self.pressure_bar), float_words(self.temperature_c)
        return {2: pressure[0], 3: pressure[1], 6: temperature[0], 7: temperature[1]}


class LaserDistance(Device):
    """DFRobot SEN0492 (WitMotion WT53D) laser distance to 4 m, FC03/FC06, 115200 baud, unit id 50.

    34 distance in mm, 35 status (0 valid, 1 sigma, 2 signal, 3 too near, 4 phase, 5 hardware, 7 no update), 36 range
    (1 1.3 m, 2 3 m, 3 4 m); 04 speed code, 1A unit id. Without a valid measurement the last distance stays.
    """

    default_unit_id = 0x50
    default_baudrate = 115200

    def __init__(self, distance_mm: float = 1000.0) -> None:
        self.distance_mm = distance_mm
        self.status = 0
        self._held = clip(distance_mm, 0, 0xFFFF)

    def image(self, table: str) -> Mapping[int, int]:
        """Only holding registers; nearer than 40 mm is too near."""
        if table != "holding":
            return {}
        status = self.status or (3 if self.distance_mm < 40 else 0)
        if status == 0:
            self._held = clip(self.distance_mm, 0, 0xFFFF)
        return {0x04: 6, 0x1A: self.default_unit_id, 0x34: self._held, 0x35: status, 0x36: 3}
