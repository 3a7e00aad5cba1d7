"""The telemetry drivers keep the contract of all drivers: shown with the one whose checksum is the weakest."""
# ruff: noqa: RUF012 - as short as an author would write it

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.contract import DriverContract


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
        section = self._driver.Section.model_validate({**self.section, "port": str(path)})
        async with self._driver.connect("bench", section, None, self._base) as instrument:
            yield instrument
