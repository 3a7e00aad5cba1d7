"""From the names in a site file to drivers, our own and those of other distributions; loads only what is named."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, cast

from drivers.api import Description, InstrumentDriver, Limits, OutputDriver, Section, Switch, Voice
from drivers.limits import LimitedSwitch, LimitedVoice, limited

Group = Literal["tocsin.drivers", "tocsin.outputs"]
_WORDS: dict[Group, str] = {"tocsin.drivers": "instrument driver", "tocsin.outputs": "output driver"}


class UnknownDriver(LookupError):  # noqa: N818 - reads as what it is
    """No installed distribution has a driver of that name, or the one that has can't be loaded."""


def names(group: Group) -> list[str]:
    """Names of all installed drivers of a group, without loading one."""
    return sorted({entry.name for entry in metadata.entry_points(group=group)})


def instrument_driver(name: str) -> InstrumentDriver:
    """The instrument driver of that name. Raises UnknownDriver with the nearest names."""
    return cast("InstrumentDriver", _load("tocsin.drivers", name))


def output_driver(name: str) -> OutputDriver:
    """The output driver of that name, within the limits of `drivers.limits` whoever wrote it. Raises UnknownDriver."""
    return within_limits(cast("OutputDriver", _load("tocsin.outputs", name)))


def within_limits(driver: OutputDriver) -> OutputDriver:
    """The driver with the limits of `drivers.limits` around whatever it connects."""
    return _LimitedDriver(driver)


def _load(group: Group, name: str) -> object:
    found = [entry for entry in metadata.entry_points(group=group) if entry.name == name]
    if not found:
        near = difflib.get_close_matches(name, names(group), 3, 0.4)
        hint = f"nearest: {', '.join(near)}" if near else f"installed: {', '.join(names(group)) or 'none'}"
        raise UnknownDriver(f"no {_WORDS[group]} {name!r}; {hint}")
    if len({entry.value for entry in found}) > 1:
        owners = ", ".join(sorted(entry.value for entry in found))
        raise UnknownDriver(f"{_WORDS[group]} {name!r} is offered twice: {owners}; uninstall one")
    try:
        driver = found[0].load()
    except (ImportError, AttributeError) as error:
        raise UnknownDriver(f"{_WORDS[group]} {name!r} ({found[0].value}) can't be loaded: {error}") from error
    return driver() if isinstance(driver, type) else driver


class _LimitedDriver:
    """An output driver whose switches can't be had without their limits."""

    def __init__(self, driver: OutputDriver) -> None:
        self._driver = driver
        self.Section: type[Section] = driver.Section
        self.speaks = driver.speaks

    def describe(self, section: Any, base: Path) -> Description:
        return self._driver.describe(section, base)

    @asynccontextmanager
    async def connect(
        self, name: str, section: Any, bus: Any, limits: Limits, base: Path
    ) -> AsyncIterator[Switch | Voice]:
        async with self._driver.connect(name, section, bus, limits, base) as output:
            if isinstance(output, LimitedSwitch | LimitedVoice):
                yield output
            elif self._driver.speaks:
                yield LimitedVoice(cast("Voice", output), limits)
            else:
                async with limited(cast("Switch", output), limits) as held:
                    yield held
