"""The settings of a line, `[bus.x]` in the site file: port or host, speed, framing, patience. Opens nothing."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.api import Duration, Section

Parity = Literal["N", "E", "O"]


class LineSection(Section):
    """A `[bus.x]` table: a serial port, or a host for Modbus TCP (`framing = "rtu"`: RTU frames over TCP).

    `framing = "raw"`: no Modbus, see `drivers.rawline`; with a host, a converter that passes bytes on.
    """

    port: str | int | None = None  # "/dev/serial/by-id/..."; with `host` the TCP port, 502 unless given
    host: str | None = None
    framing: Literal["rtu", "tcp", "raw"] | None = None  # "rtu" on serial ports, "tcp" with a host; "raw": no Modbus
    baudrate: int = Field(9600, ge=300, le=4_000_000)
    parity: Parity = "N"
    stopbits: Literal[1, 2] = 1
    bytesize: Literal[7, 8] = 8
    timeout: Duration = 1.0  # until the first byte of a reply, for units whose map does not say
    settle: Duration = 0.0  # silence before each request, where 3.5 characters are too short for a device
    echo: bool = False  # the RS-485 adapter hands back what is sent
    retries: int = Field(1, ge=0, le=3)  # of reads whose reply failed a check; silence and writes are not repeated
    connect_timeout: Duration = 2.0  # TCP

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.host is None:
            if not isinstance(self.port, str) or not self.port:
                raise ValueError('a bus needs port = "/dev/..." or host = "..."')
            if self.framing == "tcp":
                raise ValueError('framing = "tcp" needs a host; a serial port carries "rtu"')
        elif isinstance(self.port, str):
            raise ValueError(f"with a host, port is a TCP port number such as 502; got {self.port!r}")
        elif self.framing == "raw" and self.port is None:
            raise ValueError('framing = "raw" with a host needs its port, such as port = 4001')
        elif self.echo:
            raise ValueError("echo is for serial ports, not for a host")
        return self

    @property
    def carries(self) -> str:
        """The framing in effect: "rtu", "tcp" or "raw"."""
        return self.framing or ("rtu" if self.host is None else "tcp")

    @property
    def is_serial(self) -> bool:
        """Whether bytes are timed by a baud rate that we set."""
        return self.host is None

    @property
    def character_s(self) -> float:
        """Seconds one byte takes on the serial line: start, data, parity and stop bits. 0 on TCP."""
        if not self.is_serial:
            return 0.0
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    @property
    def gap_s(self) -> float:
        """Silence before each request: 3.5 characters, 1.75 ms above 19200 (Modbus over serial line 1.02, 2.5.1.1)."""
        if not self.is_serial:
            return self.settle
        silence_s = 0.00175 if self.baudrate > 19200 else 3.5 * self.character_s
        return max(silence_s, self.settle)
