"""What a device, output, message or alarm may refer to, and how its driver is asked what it knows. Opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, TypeVar

from drivers.api import Description, Section
from drivers.registry import UnknownDriver, names
from rules.units import UnitError
from rules.units import quantity as convert

from .document import Document
from .places import Path
from .problems import listed, nearest, shown
from .sections import PointTable, Table
from .validate import checked, keys_of

Driver = TypeVar("Driver")


@dataclass(frozen=True, slots=True)
class Around:
    """The site around one of its things."""

    document: Document
    languages: tuple[str, ...]
    levels: tuple[str, ...]
    buses: Collection[str]  # that are right
    bad_buses: Collection[str]  # that exist, but are wrong themselves, which is told already
    zones: Collection[str]  # with tables; empty: zones need none
    home: File | None  # where recordings and keys lie when the site is loaded from a copy of its files
    found: dict[tuple[str, str], Any] = field(default_factory=dict)  # drivers, as looking for one reads all metadata

    def base(self, path: Path) -> File:
        """What paths of recordings and keys in the table at `path` are relative to."""
        return self.home or self.document.file(path).parent

    def joined(self, path: Path, bus: str | None, zone: str | None, known: Description) -> bool:
        """Whether the thing at `path` is on a bus that exists and is right; what is wrong is told."""
        self.check_zone(path, zone)
        buses = [*self.buses, *self.bad_buses]
        if bus is None:
            if known.unit_id is not None:
                self.document.error((*path, "bus"), f"got nothing, expected one of the buses: {listed(buses)}")
                return False
            return True
        if bus not in buses:
            message = f"got {shown(bus)}, expected one of the buses: {listed(buses)}"
            self.document.error((*path, "bus"), message, nearest(bus, buses))
        return bus in self.buses

    def check_zone(self, path: Path, zone: str | None) -> None:
        """Tell a zone that has no table where zones have tables."""
        if zone is not None and self.zones and zone not in self.zones:
            message = f"got {shown(zone)}, expected one of the zones: {listed(self.zones)}"
            self.document.error((*path, "zone"), message, nearest(zone, self.zones))

    def driver(self, path: Path, name: object, find: Callable[[str], Driver], kind: Any) -> Driver | None:
        """The driver of that name, None where there is none, which is told unless `name` is no name at all."""
        if not isinstance(name, str):
            return None
        try:
            if (kind, name) not in self.found:
                self.found[kind, name] = find(name)
            driver: Driver = self.found[kind, name]
        except UnknownDriver as error:
            known = names(kind)
            message = f"got {shown(name)}, " + (str(error) if name in known else f"expected one of {listed(known)}")
            self.document.error((*path, "driver"), message, nearest(name, known))
            return None
        return driver

    def described(
        self, path: Path, driver: Any, own: dict[str, Any], common: type[Table]
    ) -> tuple[Section, Description] | None:
        """The driver's section of the table at `path`, and what the driver knows from it."""
        others = {"": keys_of(common), "point": keys_of(PointTable)}
        section: Section | None = checked(self.document, driver.Section, own, path, others)
        if section is None:
            return None
        try:
            return section, driver.describe(section, self.document.file(path).parent)
        except (ValueError, OSError) as error:
            key = "map" if "map" in own else "driver"
            for line in str(error).splitlines():
                where, _, said = line.partition(": ")
                place = where.split(".")
                if said and place[0] in driver.Section.model_fields:  # the driver says which key: "constants.k: ..."
                    self.document.error((*path, *place), said)
                else:
                    self.document.error((*path, key), line if "got " in line else f"got {shown(own.get(key))}: {line}")
            return None

    def quantity(self, path: Path, text: str | float | None, unit: str, *, step: bool = False) -> float | None:
        """A quantity as a number in `unit`, or a difference of two with `step`. Told where it is none."""
        if text is None:
            return None
        if not isinstance(text, str):
            if unit:
                self.document.error(path, f'got {text}, expected a quantity with its unit, such as "{text} {unit}"')
                return None
            return float(text)
        try:
            return convert(text, unit, difference=step)
        except UnitError as error:
            expected = f"expected a quantity in {unit}" if unit else "expected a plain number"
            self.document.error(path, f"got {shown(text)}, {expected}: {error.message}", error.hint)
            return None


def split(raw: Mapping[str, Any], model: type[Table]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys every device or output has, and those of its driver."""
    common = keys_of(model)
    return {k: v for k, v in raw.items() if k in common}, {k: v for k, v in raw.items() if k not in common}
