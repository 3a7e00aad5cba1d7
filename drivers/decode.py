"""From the words of a device to values with a quality, by its register map; pure, and never a guess."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from drivers import currentloop
from drivers.api import Quality
from drivers.registers import Cell, MapPoint, RegisterMap
from drivers.vocabulary import Gate, GateWord, ScaleFrom, UnitFrom
from drivers.words import Formula, compile_formula, number_of, words_of

# Ratios of amounts, so exact; mg/m3 needs the gas's molar mass and is never converted.
_RATIOS = {"ppb": 1e-3, "ppm": 1.0, "%vol": 1e4, "percent": 1e4}
_STRICTNESS: tuple[GateWord, ...] = ("good", "uncertain", "over_range", "inhibited", "bad")


class Decoded(NamedTuple):
    """A point's value in its unit, its quality, and why it is not GOOD."""

    value: float
    quality: Quality
    reason: str = ""


class Decoder:
    """Decodes all points of one map from whatever cells were read."""

    def __init__(self, register_map: RegisterMap) -> None:
        self._points = register_map.point
        self._constants = register_map.constants
        self._functions = {name: _function(point, self._constants) for name, point in self._points.items()}

    def decode(self, cells: Mapping[Cell, int], failures: Mapping[str, Decoded]) -> dict[str, Decoded]:
        """Every point that is not hidden. `failures`: points whose cells could not be read, and what to say of them."""
        numbers = {
            name: _number(point, cells) for name, point in self._points.items() if name not in failures
        }  # fmt: skip
        return {
            name: failures[name] if name in failures else self._decode(name, point, numbers, failures)
            for name, point in self._points.items()
            if not point.hidden
        }

    def _decode(
        self, name: str, point: MapPoint, numbers: Mapping[str, float], failures: Mapping[str, Decoded]
    ) -> Decoded:
        for other in point.needs:
            if other in failures:
                return Decoded(math.nan, failures[other].quality, f"{other} could not be read")
        number = numbers[name]
        word, reason = self._gate(point, numbers, failures)
        if word in ("inhibited", "bad"):
            return Decoded(math.nan, Quality.INHIBITED if word == "inhibited" else Quality.BAD, reason)
        others = {key: self._decode(other, self._points[other], numbers, failures) for key, other in point.uses.items()}
        for key, used in others.items():
            if not used.quality.usable:
                return Decoded(math.nan, used.quality, f"{point.uses[key]}: {used.reason}")
            if used.quality is not Quality.GOOD and word == "good":
                word, reason = "uncertain", f"{point.uses[key]}: {used.reason}"
        decoded = _special(point, number) or self._measured(name, point, numbers, others)
        if word == "over_range":
            return self._beyond(point, decoded, numbers, reason)
        if word == "uncertain" and decoded.quality is Quality.GOOD:
            return Decoded(decoded.value, Quality.UNCERTAIN, reason)
        return decoded

    def _beyond(self, point: MapPoint, decoded: Decoded, numbers: Mapping[str, float], reason: str) -> Decoded:
        # Catalytic sensors read low in gas above the explosive range, so the number alone may look harmless.
        floors = [decoded.value, math.nan if point.high is None else point.high]
        scales = [gate.at_least for gate in point.valid_when if gate.at_least]
        floors += [self._measured(name, self._points[name], numbers, {}).value for name in scales]
        known = [value for value in floors if math.isfinite(value)]
        return Decoded(max(known), Quality.OVER_RANGE, reason) if known else decoded

    def _measured(
        self, name: str, point: MapPoint, numbers: Mapping[str, float], others: Mapping[str, Decoded]
    ) -> Decoded:
        factor = 1.0
        if point.scale_from:
            code = numbers[point.scale_from.point]
            if (told := point.scale_from.factors.get(int(code))) is None:
                return _unknown_code(point.scale_from, code)
            factor *= told
        if point.unit_from:
            code = numbers[point.unit_from.point]
            if (unit := point.unit_from.units.get(int(code))) is None:
                return _unknown_code(point.unit_from, code)
            if (ratio := _ratio(unit, point.unit)) is None:
                return Decoded(math.nan, Quality.BAD, f"the device measures in {unit}, the map says {point.unit}")
            factor *= ratio
        number = numbers[name]
        try:
            known = {key: other.value for key, other in others.items()}
            value = float(self._functions[name](number, known)) * factor * point.scale + point.offset
        except (ArithmeticError, ValueError, TypeError) as error:
            return Decoded(math.nan, Quality.BAD, f"{number:g} can't be decoded: {error}")
        if point.loop:
            current = currentloop.judged(value, point.loop)
            return _in_range(point, current.value) if current.quality is Quality.GOOD else Decoded(*current)
        return _in_range(point, value)

    def _gate(
        self, point: MapPoint, numbers: Mapping[str, float], failures: Mapping[str, Decoded]
    ) -> tuple[GateWord, str]:
        """The strictest word of all gates, and which state says so."""
        word: GateWord = "good"
        reason = ""
        for gate in point.valid_when:
            if gate.within:
                said, state = self._within(gate, gate.within, numbers, failures)
            else:
                state = _state(self._points[gate.point], numbers[gate.point])
                said = gate.word(state)
            if _STRICTNESS.index(said) > _STRICTNESS.index(word):
                word, reason = said, f"{gate.point}: {state}"
        return word, reason

    def _within(
        self,
        gate: Gate,
        bounds: tuple[float | str, float | str],
        numbers: Mapping[str, float],
        failures: Mapping[str, Decoded],
    ) -> tuple[GateWord, str]:
        other = self._points[gate.point]
        decoded = self._decode(gate.point, other, numbers, failures)
        low, high = (self._constants[bound] if isinstance(bound, str) else bound for bound in bounds)
        good = decoded.quality.usable and low <= decoded.value <= high
        return "good" if good else gate.otherwise, decoded.reason or f"{decoded.value:g} {other.unit}".rstrip()


def encode(point: MapPoint, value: float) -> list[int]:
    """The words that make a device hold `value` (in the point's unit). Raises ValueError when it can't be told."""
    if point.decode or point.polynomial or point.loop or point.scale_from or point.unit_from or point.type == "bits":
        raise ValueError("this point can only be read: its map gives no way back from value to words")
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        raise ValueError(f"{value:g} {point.unit} is outside {point.low} to {point.high}")
    return words_of((value - point.offset) / point.scale, point.type, point.order or "ABCD")


def _number(point: MapPoint, cells: Mapping[Cell, int]) -> float:
    words = [cells[cell] for cell in point.cells]
    number = number_of(words, point.type, point.order or "ABCD")
    if point.bits and isinstance(number, int):
        lowest, highest = point.bits
        return number >> lowest & (1 << highest - lowest + 1) - 1
    return number


def _function(point: MapPoint, constants: Mapping[str, float]) -> Formula:
    if point.decode:
        return compile_formula(point.decode, constants, point.uses)
    if (coefficients := point.polynomial) is not None:
        return lambda raw, _=constants: sum(c * raw**power for power, c in enumerate(coefficients))
    return lambda raw, _=constants: raw


def _state(point: MapPoint, number: float) -> str:
    if not math.isfinite(number):
        return f"code {number}"
    code = int(number)
    return next((name for name, known in point.states.items() if known == code), f"code {code}")


def _is_one_of(number: float, sentinels: tuple[float, ...]) -> bool:
    return any(number == s or (math.isnan(number) and math.isnan(s)) for s in sentinels)


def _special(point: MapPoint, number: float) -> Decoded | None:
    """What the number means when it is no measurement, or one beyond what the device can tell."""
    if _is_one_of(number, point.over_range):
        return Decoded(float(point.high or 0.0), Quality.OVER_RANGE, "the device says: above its range")
    if _is_one_of(number, point.under_range):
        return Decoded(math.nan, Quality.UNDER_RANGE, "the device says: below its range")
    if _is_one_of(number, point.invalid):
        return Decoded(math.nan, Quality.BAD, f"the device sent {number:g}, which means no value")
    if not math.isfinite(number):
        return Decoded(math.nan, Quality.BAD, f"the device sent {number}")
    if point.states and number not in point.states.values():
        return Decoded(number, Quality.BAD, f"code {number:g} is none of its states")
    return None


def _in_range(point: MapPoint, value: float) -> Decoded:
    if not math.isfinite(value):
        return Decoded(math.nan, Quality.BAD, "the value is beyond all numbers")
    if point.high is not None and value > point.high:
        return Decoded(value, Quality.OVER_RANGE, f"above {point.high:g} {point.unit}".rstrip())
    if point.low is not None and value < point.low:
        return Decoded(value, Quality.UNDER_RANGE, f"below {point.low:g} {point.unit}".rstrip())
    return Decoded(value, Quality.GOOD)


def _ratio(device_unit: str, unit: str) -> float | None:
    if device_unit == unit:
        return 1.0
    if device_unit in _RATIOS and unit in _RATIOS:
        return _RATIOS[device_unit] / _RATIOS[unit]
    return None


def _unknown_code(part: ScaleFrom | UnitFrom, code: float) -> Decoded:
    return Decoded(math.nan, Quality.BAD, f"{part.point}: code {code:g} is not known")
