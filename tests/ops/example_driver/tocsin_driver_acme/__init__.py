"""Acme level gauges: "#07?" on the line, "#07 L0350 T+215*F5" comes back, the sum of its characters at the end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import Field

from drivers.api import Description, Duration, Exchange, Instrument, Point, Quality, RawBus, Reading, Section

_ANSWER = re.compile(rb"#(\d\d) L(\d{4}) T([+-]\d{3})\*([0-9A-F]{2})\r\n")
_NO_ECHO = 9999  # the gauge sees no surface (Acme manual, page 12)


class GaugeSection(Section):
    """The driver's part of a `[device.x]` table."""

    address: int = Field(ge=0, le=99)
    max_reply: Duration = 0.1  # slowest answer


class GaugeDriver:
    """Acme level gauges, `driver = "acme-gauge"`."""

    Section = GaugeSection

    def describe(self, section: GaugeSection, base: Path) -> Description:
        """Level and temperature."""
        del base
        return Description(
            points=(Point("level", "mm", low=0.0, high=6000.0), Point("temperature", "degC")),
            exchanges=(Exchange(6, 20, section.max_reply),),
            baudrates=(9600,),
            unit_id=section.address,
            max_reply_s=section.max_reply,
            framings=("raw",),
        )

    @asynccontextmanager
    async def connect(self, name: str, section: GaugeSection, bus: RawBus, base: Path) -> AsyncIterator[Instrument]:
        """The gauge on its open line. Nothing is sent until the first poll."""
        del base
        yield Gauge(name, section, bus)


class Answers:
    """Finds the answers of one gauge among whatever comes."""

    def __init__(self, address: int) -> None:
        self._address = address
        self._heard = b""

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """Level in mm and temperature in 0.1 degC of each whole answer with a right sum."""
        self._heard = (self._heard + data)[-200:]
        found = [m for m in _ANSWER.finditer(self._heard) if int(m[1]) == self._address and _sum_is_right(m)]
        return [(int(m[2]), int(m[3])) for m in found]

    def clear(self) -> None:
        """Forget an answer that has begun."""
        self._heard = b""

    def why_not(self) -> str:
        """What is wrong with what came; "" when nothing came."""
        return f"no answer of gauge {self._address}: {self._heard[:20]!r}" if self._heard else ""


def _sum_is_right(answer: re.Match[bytes]) -> bool:
    return sum(answer[0][:-5]) & 0xFF == int(answer[4], 16)


class Gauge:
    """One gauge."""

    def __init__(self, name: str, section: GaugeSection, bus: RawBus) -> None:
        self.name = name
        self._section, self._bus = section, bus
        self._answers = Answers(section.address)

    async def poll(self) -> Sequence[Reading]:
        """Ask once. What goes wrong on the wire is a DriverError already, and passes."""
        question = b"#%02d?\r\n" % self._section.address
        async with self._bus.turn:
            found, mono_ns = await self._bus.ask(
                question, self._answers, reply_s=self._section.max_reply, unit=self._section.address
            )
        level_mm, tenths = found[-1]
        if level_mm == _NO_ECHO:
            level = Reading("level", float("nan"), Quality.BAD, mono_ns, "no echo from the surface")
        elif level_mm > 6000:
            level = Reading("level", float(level_mm), Quality.OVER_RANGE, mono_ns, "above 6000 mm")
        else:
            level = Reading("level", float(level_mm), Quality.GOOD, mono_ns)
        return [level, Reading("temperature", tenths / 10, Quality.GOOD, mono_ns)]
