"""The contract of outputs: those that pretend fail it; our relays keep it in test_guide.py."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from drivers.api import DriverError
from drivers.outputcontract import SwitchContract
from drivers.relay import CoilSwitch, ModbusCoilDriver
from drivers.watched import Misbehaved

SECTION = {"unit_id": 5, "coil": 2, "timeout": "60 ms"}


class Pretends(CoilSwitch):
    """Says that it switched whatever came of it."""

    async def set(self, *, on):
        try:
            await super().set(on=on)
        except DriverError:
            return


class Believes(CoilSwitch):
    """Reads back what it wrote."""

    written = False

    async def set(self, *, on):
        self.written = on
        await super().set(on=on)

    async def read_back(self):
        return self.written


class Idle(CoilSwitch):
    """Switches nothing."""

    async def set(self, *, on):
        return


class Deaf(CoilSwitch):
    """Takes its cancellation for a time-out."""

    async def set(self, *, on):
        try:
            await super().set(on=on)
        except asyncio.CancelledError:
            raise DriverError("no answer") from None


def failing(switch, test):
    class Driver(ModbusCoilDriver):
        @asynccontextmanager
        async def connect(self, name, section, bus, limits, base):
            yield switch(name, section, bus)

    words = {"driver": Driver, "section": SECTION, "captures": "relay.cap", "__module__": __name__}
    with pytest.raises(Misbehaved) as told:
        getattr(type("Contract", (SwitchContract,), words)(), test)()
    return str(told.value)


@pytest.mark.parametrize(
    ("switch", "test", "told"),
    [
        (Pretends, "test_silence_is_an_error", "the line is silent, yet set() says that it was switched"),
        (Believes, "test_silence_is_an_error", "yet read_back() knows the state"),
        (Believes, "test_what_is_written_is_read_back", "it went off by itself, read_back() says on"),
        (Idle, "test_it_is_off_at_both_ends", "nothing was switched off when it was opened"),
        (Deaf, "test_a_write_can_be_cancelled", "a write swallows its cancellation"),
    ],
)
def test_outputs_that_pretend(switch, test, told):
    assert told in failing(switch, test)
