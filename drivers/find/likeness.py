"""How like a unit is to the models that have a register map: evidence in bits, with the reasons. Pure but for reading.

A unit of an unknown maker answers many maps by chance, so what counts is how improbable an answer would be for another
device: a product number, its own unit id where the map has it, a state that is one of three out of 65536 codes, a
register at 0x07D4 that exists. Zeros prove little, whatever the map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.find.port import Settings
from drivers.find.survey import Survey
from drivers.registers import Block, MapPoint, RegisterMap, plan
from drivers.words import number_of

SURE_BITS, LIKELY_BITS = 14.0, 7.0
AHEAD_BITS = 2.0  # of the next likest, to be named alone
_STRANGE = (0x6A35, 0xB771)  # addresses that no map uses: who answers them answers everything
_MOST_BITS = 2.5  # that one point may add
_ZERO_BITS = 0.2  # that a zero may add
_VALUE_BITS = 8.0  # that all points together may add
_AGAINST = -5.0
_COMMON, _FREQUENT = 16, 256  # registers below the first exist in most devices, below the second in many


@dataclass(frozen=True, slots=True)
class Likeness:
    """One model, how much speaks for it, and what."""

    model: str
    title: str
    bits: float
    reasons: tuple[str, ...]

    @property
    def word(self) -> str:
        """In a technician's words."""
        if self.bits >= SURE_BITS:
            return "is"
        return "is probably" if self.bits >= LIKELY_BITS else "may be"


def recognise(survey: Survey, settings: Settings, maps: Mapping[str, RegisterMap]) -> list[Likeness]:
    """The models that the unit may be, likest first; none when nothing speaks for any. Raises NotPresent."""
    picky = not any(survey.holds("holding", address) or survey.holds("input", address) for address in _STRANGE)
    likenesses = []
    for name in sorted(
        maps, key=lambda name: (not maps[name].device.signature, maps[name].device.unit_id != survey.unit_id)
    ):
        likeness = compare(survey, settings, name, maps[name], picky=picky)
        if likeness is not None and likeness.bits > 1.0:
            likenesses.append(likeness)
        if survey.rest_s and likenesses and likenesses[-1].bits > SURE_BITS:
            break  # it must be left alone between reads, and there is nothing more to learn
    return sorted(likenesses, key=lambda one: -one.bits)


def named(likenesses: Sequence[Likeness]) -> Likeness | None:
    """The one that can be named: likely, and ahead of the next."""
    if not likenesses or likenesses[0].bits < LIKELY_BITS:
        return None
    ahead = likenesses[0].bits - (likenesses[1].bits if len(likenesses) > 1 else 0.0)
    return likenesses[0] if ahead >= AHEAD_BITS else None


def compare(
    survey: Survey, settings: Settings, name: str, register_map: RegisterMap, *, picky: bool
) -> Likeness | None:
    """What speaks for one model, None when it can't be: a sign that is wrong, or not one block that answers."""
    device, bits, reasons = register_map.device, 0.0, []
    for sign in device.signature:
        if not survey.holds(sign.table, sign.address):
            return None
        word = survey.cells[sign.table, sign.address]
        if not sign.fits(word, survey.unit_id):
            return None
        bits += sign.mask.bit_count() - math.log2(max(1, len(sign.values)))
        what = "its own unit id" if sign.unit_id else f"{word:#06x}, as that model has it,"
        reasons.append(f"{what} at {sign.table} {sign.address:#06x}")
    if settings.baudrate and device.baudrates:
        bits += (
            1.5 if settings.baudrate == device.baudrates[0] else 0.5 if settings.baudrate in device.baudrates else -4
        )
    if settings.baudrate and device.parity not in {"", settings.parity}:
        bits -= 4
    if device.unit_id == survey.unit_id:
        bits += 3 if device.unit_id > 1 else 1
        reasons.append(f"factory unit id {device.unit_id}")
    blocks = _blocks(survey, plan(register_map))
    if not any(blocks.values()):
        return None
    for block, held in blocks.items():
        bits += _block_bits(block, picky=picky) if held else -8.0
    reasons.append(f"{sum(blocks.values())} of {len(blocks)} blocks of registers answered")
    points = [register_map.point[name] for block, held in blocks.items() if held for name in block.points]
    evidence = [_point_bits(point, survey) for point in points]
    bits += min(_VALUE_BITS, sum(evidence))
    if wrong := sum(one < 0 for one in evidence):
        reasons.append(f"{wrong} of {len(evidence)} values make no sense")
    elif points:
        reasons.append(f"{len(evidence)} values make sense")
    return Likeness(name, device.title, bits, tuple(reasons))


def _blocks(survey: Survey, blocks: list[Block]) -> dict[Block, bool]:
    held = {}
    for block in blocks:
        answered = survey.holds(block.table, block.address, block.count)
        if answered or not block.parts:
            held[block] = answered
        else:
            held |= {part: survey.holds(part.table, part.address, part.count) for part in block.parts}
    return held


def _block_bits(block: Block, *, picky: bool) -> float:
    if not picky:
        return 0.0
    if block.address < _COMMON:
        return 0.5 if block.table == "holding" else 2.0
    return 1.5 if block.address < _FREQUENT else 4.0


def _point_bits(point: MapPoint, survey: Survey) -> float:
    """How much the number that is there speaks for the point; below 0: against it."""
    words = [survey.cells[cell] for cell in point.cells]
    number = number_of(words, point.type, point.order or "ABCD")
    if number in (*point.invalid, *point.over_range, *point.under_range):
        return 0.0
    if point.states:
        if number not in point.states.values():
            return _AGAINST if len(point.states) > 1 else 0.0  # a single state is told apart from any other number
        return _ZERO_BITS if number == 0 else min(_MOST_BITS, math.log2(256 / len(point.states)))
    if not math.isfinite(number):
        return -1.0
    if point.decode or point.polynomial or point.scale_from or point.unit_from:
        return 0.0
    value = number * point.scale + point.offset
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        return _AGAINST
    if not any(words):
        return _ZERO_BITS
    if point.type in {"f32", "f64"}:
        # Two registers of small numbers, the other thing they could be, make a float far below all that is measured.
        return _MOST_BITS if 1e-6 <= abs(value) <= 1e7 else _AGAINST
    return min(_MOST_BITS, max(0.0, 16 - _span_bits(point)))


def _span_bits(point: MapPoint) -> float:
    """How many bits wide the range of the point is, in numbers as they come; 16 where it has none."""
    if point.low is None or point.high is None or point.type == "bit":
        return 16.0
    return math.log2(max(1.0, (point.high - point.low) / abs(point.scale)))
