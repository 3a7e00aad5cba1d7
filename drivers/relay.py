"""Owns relays on Modbus lines: coils written, read back, and pulses that the module times; not when to switch them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from drivers.api import Description, DriverError, Duration, Exchange, Limits, Refused, Section
from drivers.limits import LimitedSwitch, limited
from drivers.registers import load_map
from drivers.vocabulary import Locked


class Line(Protocol):
    """What relays need of a Modbus line; `drivers.modbus.ModbusLine` is one."""

    def expect(self, unit_id: int, max_reply_s: float, gap_s: float = 0.0) -> None:
        """Longest answer of a unit, and how long to leave it alone between two requests."""
        ...

    def forbid(self, unit_id: int, locked: Sequence[Locked]) -> None:
        """Registers of a unit that nobody writes through this line."""
        ...

    async def read(
        self, table: Literal["coil", "holding"], unit_id: int, address: int, count: int, *, urgent: bool = False
    ) -> list[int]:
        """Words, or 0/1 for coils. Raises DriverError."""
        ...

    async def write(
        self,
        table: Literal["coil", "holding"],
        unit_id: int,
        address: int,
        values: Sequence[int],
        *,
        urgent: bool = True,
    ) -> None:
        """Write and check the echo. Raises DriverError."""
        ...

    async def exchange(
        self, unit_id: int, pdu: bytes, expect: bytes | int | None = None, *, urgent: bool = True
    ) -> bytes:
        """A raw PDU and its reply, which is `expect` or an error. Raises DriverError."""
        ...


REPLY_S = 0.5  # relay modules answer within 100 ms; a siren can't wait longer for its next try
ReplyTime = Annotated[Duration, Field(gt=0, le=5.0, description="longest time the unit takes to answer")]
UnitId = Annotated[int, Field(ge=1, le=247, description="the module's Modbus unit id")]
_WRITE = Exchange(request_bytes=8, reply_bytes=8)  # FC05, Modbus application protocol 1.1b3, 6.5


class CoilSection(Section):
    """A relay behind one coil."""

    unit_id: UnitId
    coil: Annotated[int, Field(ge=0, le=65535, description="0-based address of the coil")]
    inverted: bool = Field(False, description="true: the output is on while the coil is 0")
    timeout: ReplyTime = REPLY_S
    settle: Duration = Field(
        0.0, description='least time between two commands, e.g. "50 ms" for RS-485 sound-and-light alarms'
    )
    off_coil: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        None, description="a coil that stops everything when 1 is written to it; used instead of writing `coil` to 0"
    )
    read_back: bool = Field(True, description="false for devices whose coils can't be read")
    read_block: Annotated[int, Field(ge=1, le=2000)] = Field(
        1, description="how many coils are read at once; 8 for modules that answer only to whole blocks"
    )

    @model_validator(mode="after")
    def _one_way_off(self) -> Self:
        if self.inverted and self.off_coil is not None:
            raise ValueError("inverted and off_coil exclude each other: an inverted output is off while its coil is 1")
        return self


class CoilSwitch:
    """One coil of a unit."""

    refresh_s: float | None = None

    def __init__(self, name: str, section: CoilSection, line: Line) -> None:
        self.name = name
        self._section = section
        self._line = line
        line.expect(section.unit_id, section.timeout, section.settle)

    async def set(self, *, on: bool) -> None:
        """Write the coil and check the echo. Raises DriverError."""
        section = self._section
        coil, value = section.coil, on != section.inverted
        if not on and section.off_coil is not None:
            coil, value = section.off_coil, True
        await self._line.write("coil", section.unit_id, coil, [int(value)], urgent=True)

    async def read_back(self) -> bool | None:
        """The coil as the unit reports it, or None with `read_back = false`. Raises DriverError."""
        section = self._section
        if not section.read_back:
            return None
        place = section.coil % section.read_block
        coils = await self._line.read("coil", section.unit_id, section.coil - place, section.read_block, urgent=True)
        return bool(coils[place]) != section.inverted


class ModbusCoilDriver:
    """Any relay, lamp or sounder that a Modbus coil switches."""

    Section = CoilSection
    speaks = False

    def describe(self, section: CoilSection, base: Path) -> Description:
        """One write and its read-back."""
        del base
        check = Exchange(request_bytes=8, reply_bytes=5 + (section.read_block + 7) // 8)
        return Description(
            points=(),
            exchanges=(_WRITE, check) if section.read_back else (_WRITE,),
            unit_id=section.unit_id,
            max_reply_s=section.timeout,
        )

    @asynccontextmanager
    async def connect(
        self, name: str, section: CoilSection, bus: Line, limits: Limits, base: Path
    ) -> AsyncIterator[LimitedSwitch]:
        """Switched off at both ends. An absent line is no error here: the state is asserted when it is back."""
        del base
        async with limited(CoilSwitch(name, section, bus), limits) as switch:
            yield switch


class WaveshareSection(Section):
    """A channel of a Waveshare Modbus RTU or Modbus POE ETH relay module."""

    unit_id: UnitId = 1
    channel: Annotated[int, Field(ge=1, le=8, description="as printed on the module")]
    timeout: ReplyTime = REPLY_S
    pulse: Annotated[Duration, Field(ge=1.0, le=3276.7)] | None = Field(
        None,
        description="the module itself switches off after this time unless told again (a dead-man); none: stays on",
    )


class WaveshareSwitch:
    """One channel; with `pulse` each on lasts only so long, so a dead gateway falls silent.

    Registers and the non-standard FC05 at 0x0200 (pulse-on, value in 100 ms): Waveshare wiki, "Modbus RTU Relay",
    development protocol V2. Firmware before V2 (2021) answers otherwise and is refused by the echo check.
    """

    def __init__(self, name: str, section: WaveshareSection, line: Line) -> None:
        self.name = name
        self.refresh_s = None if section.pulse is None else section.pulse / 3
        self._unit_id = section.unit_id
        self._channel = section.channel - 1
        self._line = line
        self._normal = False  # whether the channel is known to obey only us
        command, value = (0x0000, 0xFF00) if section.pulse is None else (0x0200, round(section.pulse * 10))
        self._on_pdu = _fc05(command + self._channel, value)
        line.expect(section.unit_id, section.timeout)
        line.forbid(section.unit_id, load_map("waveshare-relay-8ch").device.locked)

    async def set(self, *, on: bool) -> None:
        """Switch and check the echo. Raises DriverError."""
        pdu = self._on_pdu if on else _fc05(self._channel, 0x0000)
        await self._line.exchange(self._unit_id, pdu, pdu, urgent=True)

    async def read_back(self) -> bool | None:
        """The relay as the module reports it. Raises Refused while something else may switch it, else DriverError."""
        # A channel in another mode still sounds when told to: only the proof is withheld, never the alarm.
        await self.check_mode()
        coils = await self._line.read("coil", self._unit_id, 0, 8, urgent=True)
        return bool(coils[self._channel])

    async def check_mode(self) -> None:
        """See once that the channel is in mode 0 (normal). Raises Refused with what to do, else DriverError."""
        if self._normal:
            return
        register = 0x1000 + self._channel
        try:
            mode = (await self._line.read("holding", self._unit_id, register, 1))[0]
        except Refused:
            mode = 0  # modules without inputs have no such register
        if mode != 0:
            word = {1: "linked", 2: "toggle"}.get(mode, "unknown")
            raise Refused(
                f"channel {self._channel + 1} of unit {self._unit_id} is in {word} mode ({mode}): its input switches "
                f"it behind our back; write 0 to holding register 0x{register:04X}"
            )
        self._normal = True


def _fc05(address: int, value: int) -> bytes:
    return b"\x05" + address.to_bytes(2, "big") + value.to_bytes(2, "big")


class WaveshareRelayDriver:
    """Waveshare Modbus RTU Relay and Modbus POE ETH Relay, 8 channels."""

    Section = WaveshareSection
    speaks = False

    def describe(self, section: WaveshareSection, base: Path) -> Description:
        """One write and its read-back of eight coils."""
        del base
        notes = () if section.pulse else ("no pulse: if the gateway dies, the relay stays as it is",)
        return Description(
            points=(),
            exchanges=(_WRITE, Exchange(request_bytes=8, reply_bytes=6)),
            baudrates=(4800, 9600, 19200, 38400, 57600, 115200, 128000, 256000),
            unit_id=section.unit_id,
            max_reply_s=section.timeout,
            notes=notes,
        )

    @asynccontextmanager
    async def connect(
        self, name: str, section: WaveshareSection, bus: Line, limits: Limits, base: Path
    ) -> AsyncIterator[LimitedSwitch]:
        """Switched off at both ends. An absent line is no error here: the state is asserted when it is back.

        A channel in linked or toggle mode is handed over too; its read-back raises Refused until that is put right.
        """
        del base
        switch = WaveshareSwitch(name, section, bus)
        async with limited(switch, limits) as held:
            with suppress(DriverError):
                await switch.check_mode()
            yield held
