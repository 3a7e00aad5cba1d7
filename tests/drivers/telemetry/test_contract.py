"""The telemetry drivers keep the contract of all drivers: shown with the one whose checksum is the weakest."""
# ruff: noqa: RUF012 - as short as an author would write it

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.contract import DriverContract
from drivers.registry import instrument_driver


class TestGb26875(DriverContract):
    driver = "gb26875"
    section = {
        "port": "/dev/none",
        "silent_after": "300 ms",
        "station": "889",
        "point": {"fire": {"state": "fire"}, "smoke": {"of": "component", "component": "10-2", "state": "fire"}},
    }
    captures = "contract/gb26875.cap"
    spoilings = 1

    @asynccontextmanager
    async def _open(self, path: Path) -> AsyncIterator[Any]:
        driver = instrument_driver(self.driver)  # it is on no bus: its section names the port
        section = driver.Section.model_validate({**self.section, "port": str(path)})
        async with driver.connect("bench", section, None, path.parent) as instrument:
            yield instrument
