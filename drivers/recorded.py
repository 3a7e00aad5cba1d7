"""Instruments that a site does not have yet, only recordings of them: points are declared, nothing is ever read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

from pydantic import Field

from drivers import api
from drivers.api import Description, Kind, NotPresent, Point


class RecordedPoint(api.Section):
    """A point of a recording."""

    unit: str = ""  # of its values; "" for a plain number
    kind: Kind = Kind.GAUGE
    states: dict[str, int] = Field(default_factory=dict)  # word -> code, where the recording has codes
    low: float | None = None  # numbers in `unit`: the site file writes quantities
    high: float | None = None


class RecordedSection(api.Section):
    """Points of an instrument that is not there: `backtest` judges its recordings; live it never gives a reading."""

    point: dict[str, RecordedPoint] = Field(min_length=1, description="The points that the recordings have.")


class RecordedDriver:
    """Instruments known from recordings only, `driver = "recorded"`."""

    Section = RecordedSection

    def describe(self, section: RecordedSection, base: Path) -> Description:
        """The declared points. Units are the site's to check."""
        del base
        points = (Point(name, p.unit, p.low, p.high, p.kind, p.states) for name, p in section.point.items())
        return Description(points=tuple(points), live=False, notes=("known from recordings only",))

    @asynccontextmanager
    async def connect(
        self, name: str, section: RecordedSection, bus: Any, base: Path
    ) -> AsyncIterator[RecordedInstrument]:
        """An instrument that says at each poll that it is not there."""
        del section, bus, base
        yield RecordedInstrument(name)


class RecordedInstrument:
    """What stands in for the instrument."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def poll(self) -> Sequence[NoReturn]:
        """Raises NotPresent, always."""
        raise NotPresent("there are recordings of it only")
