"""What a scan found, as data: for the screen, for the site file, for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drivers.find.likeness import Likeness
from drivers.find.listening import Traffic
from drivers.find.port import Settings
from drivers.find.sweep import Unclear


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit that answered, and what it may be."""

    unit_id: int
    settings: Settings
    elapsed_s: float
    late: bool  # it takes longer than the search waited
    likenesses: tuple[Likeness, ...] = ()  # likest first
    model: Likeness | None = None  # the one that can be named
    readings: tuple[str, ...] = ()  # what it reads by that model

    def plain(self) -> dict[str, Any]:
        """For machines."""
        return {
            "unit_id": self.unit_id,
            "baudrate": self.settings.baudrate or None,
            "parity": self.settings.parity if self.settings.baudrate else None,
            "answers_in_s": round(self.elapsed_s, 4),
            "late": self.late,
            "model": self.model.model if self.model else None,
            "readings": list(self.readings),
            "likenesses": [
                {"model": one.model, "bits": round(one.bits, 1), "reasons": list(one.reasons)}
                for one in self.likenesses
            ],
        }


@dataclass(slots=True)
class Result:
    """Everything a scan brought. `ended` is False when it was broken off."""

    port: str
    traffic: Traffic = field(default_factory=lambda: Traffic("silent"))
    heard_at: Settings | None = None  # at which traffic was understood
    units: list[Unit] = field(default_factory=list)
    unclear: list[Unclear] = field(default_factory=list)
    asked: int = 0
    took_s: float = 0.0
    ended: bool = True

    def plain(self) -> dict[str, Any]:
        """For machines."""
        traffic = self.traffic
        return {
            "port": self.port,
            "heard": traffic.verdict,
            "master_asks": [[*key, count] for key, count in sorted((traffic.asked or {}).items())],
            "units": [unit.plain() for unit in self.units],
            "unclear": [
                {"unit_id": one.unit_id, "baudrate": one.settings.baudrate, "raw": one.raw.hex()}
                for one in self.unclear
            ],
            "asked": self.asked,
            "took_s": round(self.took_s, 1),
            "ended": self.ended,
        }
