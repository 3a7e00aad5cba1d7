"""From the words of a device to values with a quality, by its register map; pure, and never a guess."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from drivers import currentloop
from drivers.api import Quality
from drivers.registers import Cell, MapPoint, RegisterMap
from drivers.vocabulary import Gate, GateWord, ScaleFrom, UnitFrom
from drivers.words import Formula, compile_formula, number_of, words_of

# Ratios of amounts, so exact; mg/m3 needs the gas's molar mass and is never converted.
_RATIOS = {"ppb": 1e-3, "ppm": 1.0, "%vol": 1e4, "percent": 1e4}
_STRICTNESS: dict[GateWord, int] = {"good": 0, "uncertain": 1, "over_range": 2, "inhibited": 3, "bad": 4}


class Decoded(NamedTuple):
    """A point's value in its unit, its quality, and why it is not GOOD."""

    value: float
    quality: Quality
    reason: str = ""


class Decoder:
    """Decodes all points of one map from whatever cells were read."""

    def __init__(self, register_map: RegisterMap) -> None:
        self._ready = {name: _Ready(point, register_map) for name, point in register_map.point.items()}
        self._shown = [name for name, point in register_map.point.items() if not point.hidden]

    def decode(self, cells: Mapping[Cell, int], failures: Mapping[str, Decoded]) -> dict[str, Decoded]:
        """Every point that is not hidden. `failures`: points whose cells could not be read, and what to say of them."""
        numbers = {name: ready.number(cells) for name, ready in self._ready.items() if name not in failures}
        return {
            name: failures[name] if name in failures else self._decode(name, numbers, failures) for name in self._shown
        }

    def _decode(self, name: str, numbers: Mapping[str, float], failures: Mapping[str, Decoded]) -> Decoded:
        ready, number = self._ready[name], numbers[name]
        point = ready.point
        if ready.is_plain and math.isfinite(number):
            return _in_range(point, number * point.scale + point.offset)
        for other in ready.needs if failures else ():
            if other in failures:
                return Decoded(math.nan, failures[other].quality, f"{other} could not be read")
        word, reason = self._gate(ready, numbers, failures)
        if word in ("inhibited", "bad"):
            return Decoded(math.nan, Quality.INHIBITED if word == "inhibited" else Quality.BAD, reason)
        others = {key: self._decode(other, numbers, failures) for key, other in point.uses.items()}
        for key, used in others.items():
            if not used.quality.usable:
                return Decoded(math.nan, used.quality, f"{point.uses[key]}: {used.reason}")
            if used.quality is not Quality.GOOD and word == "good":
                word, reason = "uncertain", f"{point.uses[key]}: {used.reason}"
        decoded = _special(point, number) or self._measured(ready, numbers, number, others)
        if word == "over_range":
            return self._beyond(point, decoded, numbers, reason)
        if word == "uncertain" and decoded.quality is Quality.GOOD:
            return Decoded(decoded.value, Quality.UNCERTAIN, reason)
        return decoded

    def _beyond(self, point: MapPoint, decoded: Decoded, numbers: Mapping[str, float], reason: str) -> Decoded:
        # Catalytic sensors read low in gas above the explosive range, so the number alone may look harmless.
        floors = [decoded.value, math.nan if point.high is None else point.high]
        scales = [gate.at_least for gate in point.valid_when if gate.at_least]
        floors += [self._measured(self._ready[name], numbers, numbers[name], {}).value for name in scales]
        known = [value for value in floors if math.isfinite(value)]
        return Decoded(max(known), Quality.OVER_RANGE, reason) if known else decoded

    def _measured(
        self, ready: _Ready, numbers: Mapping[str, float], number: float, others: Mapping[str, Decoded]
    ) -> Decoded:
        point, factor = ready.point, 1.0
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
        try:
            known = {key: other.value for key, other in others.items()}
            value = float(ready.function(number, known)) * factor * point.scale + point.offset
        except (ArithmeticError, ValueError, TypeError) as error:
            return Decoded(math.nan, Quality.BAD, f"{number:g} can't be decoded: {error}")
        if point.loop:
            current = currentloop.judged(value, point.loop)
            return _in_range(point, current.value) if current.quality is Quality.GOOD else Decoded(*current)
        return _in_range(point, value)

    def _gate(
        self, ready: _Ready, numbers: Mapping[str, float], failures: Mapping[str, Decoded]
    ) -> tuple[GateWord, str]:
        """The strictest word of all gates, and which state says so."""
        word: GateWord = "good"
        reason = ""
        for gate, bounds, words in ready.gates:
            if bounds:
                said, state = self._within(gate, bounds, numbers, failures)
            else:
                number = numbers[gate.point]
                code = int(number) if math.isfinite(number) else number
                said, state = words.get(code) or (gate.otherwise, f"code {code}")
            if _STRICTNESS[said] > _STRICTNESS[word]:
                word, reason = said, f"{gate.point}: {state}"
        return word, reason

    def _within(
        self, gate: Gate, bounds: tuple[float, float], numbers: Mapping[str, float], failures: Mapping[str, Decoded]
    ) -> tuple[GateWord, str]:
        decoded = self._decode(gate.point, numbers, failures)
        if decoded.quality.usable and bounds[0] <= decoded.value <= bounds[1]:
            return "good", ""
        unit = self._ready[gate.point].point.unit
        return gate.otherwise, decoded.reason or f"{decoded.value:g} {unit}".rstrip()


class _Ready:
    """A point with all that is looked up once and for all: decoding is done thousands of times a second."""

    def __init__(self, point: MapPoint, register_map: RegisterMap) -> None:
        self.point = point
        self.needs = tuple(point.needs)
        self.number = _number(point)
        self.function = _function(point, register_map.constants)
        self.gates = [_opened(gate, register_map) for gate in point.valid_when]
        between = (self.needs, point.decode, point.polynomial, point.loop, point.states)
        sentinels = (point.invalid, point.over_range, point.under_range)
        self.is_plain = not any(between) and not any(sentinels)  # nothing is between number and value but a scale


def _opened(
    gate: Gate, register_map: RegisterMap
) -> tuple[Gate, tuple[float, float] | None, dict[float, tuple[GateWord, str]]]:
    """A gate, its bounds as numbers, and what each code of the other point makes of this one."""
    words: dict[float, tuple[GateWord, str]] = {}
    for state, code in register_map.point[gate.point].states.items():
        words.setdefault(code, (gate.word(state), state))
    if not gate.within:
        return gate, None, words
    constants = register_map.constants
    low, high = (constants[bound] if isinstance(bound, str) else bound for bound in gate.within)
    return gate, (low, high), words


def encode(point: MapPoint, value: float) -> list[int]:
    """The words that make a device hold `value` (in the point's unit). Raises ValueError when it can't be told."""
    if point.decode or point.polynomial or point.loop or point.scale_from or point.unit_from or point.type == "bits":
        raise ValueError("this point can only be read: its map gives no way back from value to words")
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        raise ValueError(f"{value:g} {point.unit} is outside {point.low} to {point.high}")
    return words_of((value - point.offset) / point.scale, point.type, point.order or "ABCD")


def _number(point: MapPoint) -> Callable[[Mapping[Cell, int]], float]:
    """What takes the point's number out of the cells."""
    cells, order = tuple(point.cells), point.order or "ABCD"
    first, swapped = cells[0], order in ("BADC", "DCBA")
    if point.type in ("bit", "u16") and not swapped:
        return lambda known: known[first]
    if point.type == "i16" and not swapped:
        return lambda known: (known[first] ^ 0x8000) - 0x8000
    number_type = point.type
    if not point.bits:
        return lambda known: number_of([known[cell] for cell in cells], number_type, order)
    lowest, highest = point.bits
    mask = (1 << highest - lowest + 1) - 1
    return lambda known: int(number_of([known[first]], number_type, order)) >> lowest & mask


def _function(point: MapPoint, constants: Mapping[str, float]) -> Formula:
    if point.decode:
        return compile_formula(point.decode, constants, point.uses)
    if (coefficients := point.polynomial) is not None:
        return lambda raw, _=constants: sum(c * raw**power for power, c in enumerate(coefficients))
    return lambda raw, _=constants: raw


def _is_one_of(number: float, sentinels: tuple[float, ...]) -> bool:
    return bool(sentinels) and any(number == s or (math.isnan(number) and math.isnan(s)) for s in sentinels)


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
