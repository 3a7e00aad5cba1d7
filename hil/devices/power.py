"""What feeds and watches sirens: power meters, a loudspeaker supply, a network loudspeaker, as their makers tell."""

from __future__ import annotations

from collections.abc import Mapping

from hil.codec import ILLEGAL_ADDRESS, ModbusFault
from hil.devices.base import Device, clip, long_words


class DcMeter(Device):
    """Peacefair PZEM-017 DC meter on a shunt, FC04 0..7 (its manual): 9600 8N2, unit id 1.

    0 voltage 0.01 V, 1 current 0.01 A, 2-3 power 0.1 W and 4-5 energy 1 Wh low word first, 6 high and 7 low voltage
    alarm, FFFF while there is one. It measures one direction only.
    """

    def __init__(self, voltage_v: float = 0.0, current_a: float = 0.0, energy_wh: int = 0) -> None:
        self.voltage_v = voltage_v
        self.current_a = current_a
        self.energy_wh = energy_wh
        self.high_limit_v, self.low_limit_v = 300.0, 7.0

    def image(self, table: str) -> Mapping[int, int]:
        """Eight input registers."""
        if table == "holding":
            return {0: clip(self.high_limit_v * 100, 0, 0xFFFF), 1: clip(self.low_limit_v * 100, 0, 0xFFFF), 2: 1, 3: 0}
        if table != "input":
            return {}
        power_dw = clip(self.voltage_v * self.current_a * 10, 0, 0xFFFFFFFF)
        words = (
            clip(self.voltage_v * 100, 0, 0xFFFF),
            clip(max(0.0, self.current_a) * 100, 0, 0xFFFF),
            *long_words(power_dw, low_word_first=True),
            *long_words(self.energy_wh, low_word_first=True),
            0xFFFF * (self.voltage_v > self.high_limit_v),
            0xFFFF * (self.voltage_v < self.low_limit_v),
        )
        return dict(enumerate(words))


class AcMeter(Device):
    """Peacefair PZEM-016 mains meter, FC04 0..9 (its manual): 9600 8N1, unit id 1.

    0 voltage 0.1 V, 1-2 current 0.001 A, 3-4 power 0.1 W, 5-6 energy 1 Wh, low words first, 7 frequency 0.1 Hz,
    8 power factor 0.01, 9 power alarm FFFF. Fed by the mains it measures: it is silent while they are gone.
    """

    def __init__(self, voltage_v: float = 230.0, current_a: float = 0.0, frequency_hz: float = 50.0) -> None:
        self.voltage_v = voltage_v
        self.current_a = current_a
        self.frequency_hz = frequency_hz
        self.factor = 1.0
        self.energy_wh = 0

    def image(self, table: str) -> Mapping[int, int]:
        """Ten input registers."""
        if table != "input":
            return {}
        power_dw = clip(self.voltage_v * self.current_a * self.factor * 10, 0, 0xFFFFFFFF)
        words = (
            clip(self.voltage_v * 10, 0, 0xFFFF),
            *long_words(clip(self.current_a * 1000, 0, 0xFFFFFFFF), low_word_first=True),
            *long_words(power_dw, low_word_first=True),
            *long_words(self.energy_wh, low_word_first=True),
            clip(self.frequency_hz * 10, 0, 0xFFFF),
            clip(self.factor * 100, 0, 100),
            0,
        )
        return dict(enumerate(words))

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """Nothing without mains."""
        return super().answer(pdu, now_s) if self.voltage_v >= 80 else None


class En54Supply(Device):
    """Pulsar EN54C-LCD supply for sounders and loudspeakers, FC04 3100..3125 (its Modbus protocol 1.1): 9600 8E1.

    3100 kind of panel, 3107 kind of supply, 3114 fault flags, 3116 output and 3119 battery in mV, 3120 charging and
    3121 battery current in mA, 3122 resistance of the battery's circuit in mOhm (-1: none), 3123 battery temperature
    in degC, 3124 signals, 3125 inputs.
    """

    def __init__(self) -> None:
        self.mains = True
        self.faults: set[int] = set()  # bits of 3114
        self.output_mv, self.battery_mv = 27_300, 27_100
        self.charging_ma, self.battery_ma = 150, 0
        self.resistance_mohm, self.temperature_c = 62, 24
        self.opened = False

    def image(self, table: str) -> Mapping[int, int]:
        """Input registers only."""
        if table != "input":
            return {}
        flags = sum(1 << bit for bit in self.faults | (set() if self.mains else {0}))
        signals = self.mains << 6 | (self.charging_ma > 0) << 7
        measured = (self.output_mv, self.output_mv, 0, self.battery_mv, self.charging_ma, self.battery_ma)
        words = (flags, 0, *measured, self.resistance_mohm & 0xFFFF, self.temperature_c & 0xFFFF, signals, self.opened)
        known = dict.fromkeys(range(3100, 3114), 0) | {3100: 2, 3107: 5}
        return known | {3114 + offset: int(word) for offset, word in enumerate(words)}


class NetworkSpeaker(Device):
    """Federal Signal Informer-IP loudspeaker, Modbus TCP coils 0..5 (its manual, table of coils).

    0 the last activation was detected (heard in its own amplifier), 1..4 inputs, 1 open, 5 clock not synchronised.
    Coils from 16 on activate it, and reading them does nothing.
    """

    def __init__(self) -> None:
        self.detected = False
        self.inputs_open = [True] * 4
        self.clock_failed = False
        self.activations: list[int] = []

    def image(self, table: str) -> Mapping[int, int]:
        """Coils only."""
        if table != "coil":
            return {}
        states = dict(enumerate((self.detected, *self.inputs_open, self.clock_failed)))
        return {address: int(state) for address, state in states.items()} | dict.fromkeys(range(16, 48), 0)

    def store(self, table: str, address: int, value: int) -> None:
        """An activation; it is detected at once."""
        if table != "coil" or not 16 <= address < 48:
            raise ModbusFault(ILLEGAL_ADDRESS)
        if value:
            self.activations.append(address - 15)
            self.detected = True
