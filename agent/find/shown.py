"""What a device shows on its display, as a technician types it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.find.decodings import Expected
from rules.units import split, unit


@dataclass(frozen=True, slots=True)
class Shown:
    """What a device shows, as text and as a number with its unit."""

    text: str
    expected: Expected
    unit: str

    @classmethod
    def of(cls, text: str) -> Shown:
        """From "1.25 m" or "17". Raises ValueError (UnitError names the nearest unit)."""
        number, unit_text = split(text)
        if unit_text:
            unit(unit_text)
        tolerance = 0.5 * 10.0 ** -len(number.partition(".")[2])
        return cls(text.strip(), Expected(float(number), tolerance), unit_text)
