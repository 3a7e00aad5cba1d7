"""What a site file says of reporting stations and fire panels, and the drivers it names; opens nothing itself."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from drivers.api import Description, Duration, Kind, Point, Section
from drivers.telemetry import gb26875, hj212, sl651body
from drivers.telemetry.gb26875 import Gb26875
from drivers.telemetry.hj212 import Hj212
from drivers.telemetry.inlet import Endpoint, inlet_of
from drivers.telemetry.sl651 import Sl651
from drivers.telemetry.station import FirePanel, Station, Wanted

MAX_REPLY_S = Station.wait_s + 0.5  # of a poll


class StationSection(Section):
    """Where reports come in, and how much silence and lateness is usual. Several devices may share an endpoint."""

    listen: str | None = Field(None, description='"ADDRESS:PORT" or ":PORT": stations connect to the gateway.')
    port: str | int | None = Field(None, description="A serial port; with `host` the TCP port.")
    host: str | None = Field(None, description="A converter or station that the gateway connects to.")
    baudrate: int = Field(9600, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    silent_after: Duration = Field(
        600.0,
        gt=0,
        description="Nothing heard for longer than that: the station is lost. Also its points' `stale_after`.",
    )
    late_after: Duration = Field(600.0, description="Values older than that when they were sent are history.")
    ask: Duration | None = Field(None, description="Ask the station for its present values or states that often.")

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if self.listen is not None:
            if self.port is not None or self.host is not None:
                raise ValueError("listen needs neither port nor host: stations come to the gateway")
            number = self.listen.rpartition(":")[2]
            if not (":" in self.listen and number.isdecimal() and 0 < int(number) < 65536):
                raise ValueError(f'listen must be such as ":9001" or "10.0.0.1:9001"; got {self.listen!r}')
        elif self.host is not None:
            if not isinstance(self.port, int) or not 0 < self.port < 65536:
                raise ValueError(f"with a host, port is a TCP port number; got {self.port!r}")
        elif not isinstance(self.port, str) or not self.port:
            raise ValueError('a station needs listen = ":9001", port = "/dev/..." or host and port')
        return self

    @property
    def endpoint(self) -> Endpoint:
        """The same for all stations that share it."""
        if self.listen is not None:
            host, _, number = self.listen.rpartition(":")
            return Endpoint(int(number), host, listens=True)
        if self.host is not None and isinstance(self.port, int):
            return Endpoint(self.port, self.host)
        return Endpoint(str(self.port), "", False, self.baudrate, self.parity, self.stopbits)


def _known(what: str, name: str, names: Collection[str]) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, 3, 0.4) or sorted(names)
    raise ValueError(f"{what} {name!r} is not known; nearest: {', '.join(near)}")


def _description(points: list[Point], section: StationSection, *notes: str) -> Description:
    where = section.endpoint.where
    advice = "it speaks when it pleases: a period of 1 s, so that no report waits"
    return Description(
        tuple(points),
        max_reply_s=MAX_REPLY_S,
        notes=(f"reports at {where}", *notes, advice),
        framings=(),
        stale_after_s=section.silent_after,
    )


# --- SL 651 -------------------------------------------------------------------------------------------------------


class Sl651Point(Section):
    """One element of a station's reports."""

    element: str = Field(description='A name such as "stage", or an identifier such as "39" or "ff01".')
    bit: str | None = Field(None, description='Of element "condition": mains, battery, door ...')
    unit: str | None = Field(None, description="Of elements whose name is not known.")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        lead = self.lead
        if (lead == "45") != (self.bit is not None):
            raise ValueError('bit belongs to element = "condition", and must stand there')
        if self.bit is not None:
            _known("bit", self.bit, sl651body.BITS)
        if lead not in sl651body.ELEMENTS and self.unit is None:
            raise ValueError(f"element {self.element!r} needs a unit, since its meaning is not known")
        return self

    @property
    def lead(self) -> str:
        """The identifier as two or four hex digits."""
        text = self.element.lower()
        if text in sl651body.BY_NAME:
            return sl651body.BY_NAME[text]
        if len(text) in (2, 4) and all(c in "0123456789abcdef" for c in text):
            return text
        return sl651body.BY_NAME[_known("element", text, sl651body.BY_NAME)]


class Sl651Section(StationSection):
    """A hydrological station by SL 651-2014."""

    station: str = Field(pattern=r"^[0-9A-Fa-f]{10}$", description="Its 10 digits.")
    centre: int = Field(1, ge=0, le=255, description="The gateway's address, for questions.")
    password: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{4}$", description="Reports with another one are left.")
    stay_on_line: bool = Field(True, description="False: tell the station to hang up after each report.")
    point: dict[str, Sl651Point] = Field(min_length=1)


class Sl651Driver:
    """Stations by SL 651-2014, `driver = "sl651"`."""

    Section = Sl651Section

    def describe(self, section: Sl651Section, base: Path) -> Description:
        """Points with the kinds of their elements: rain comes as increments, totals or counters."""
        del base
        points = []
        for name, wanted in section.point.items():
            element = sl651body.ELEMENTS.get(wanted.lead, sl651body.Element(""))
            states = sl651body.BITS[wanted.bit][1] if wanted.bit else {}
            unit = element.unit if wanted.unit is None else wanted.unit
            points.append(Point(name, unit, kind=element.kind, states=states, wrap=element.wrap))
        return _description(points, section, f"SL 651 station {section.station}: beta")

    @asynccontextmanager
    async def connect(self, name: str, section: Sl651Section, bus: Any, base: Path) -> AsyncIterator[Station]:
        """The station's device. Raises Refused where the endpoint or station is taken."""
        del bus, base
        station = section.station.lower()
        wanted = {
            point: Wanted(
                w.lead,
                sl651body.ELEMENTS.get(w.lead, sl651body.Element("")).kind,
                sl651body.BITS[w.bit][0] if w.bit else None,
            )
            for point, w in section.point.items()
        }
        password = section.password.lower() if section.password else None
        device = Station(
            name,
            wanted,
            silent_after_s=section.silent_after,
            late_after_s=section.late_after,
            password=password,
        )
        stay = section.stay_on_line

        def question(now: datetime) -> bytes:
            return Sl651().query(station, password or "0000", section.centre, now)

        protocol = "SL 651" if stay else "SL 651, hanging up"
        async with inlet_of(section.endpoint, protocol, lambda: Sl651(stay=stay), station, device) as inlet:
            device.join(inlet, station, question, section.ask)
            yield device


# --- HJ 212 -------------------------------------------------------------------------------------------------------


class Hj212Point(Section):
    """One factor of a station's reports."""

    factor: str = Field(description='A name such as "pm10", or a code such as "a34002".')
    of: Literal["now", "minute", "hour", "day"] = Field("now", description="Real-time data, or means by the station.")
    field: str | None = Field(None, description='What of it: "Rtd" of real-time data, "Avg", "Max", "Min" of means.')
    unit: str | None = Field(None, description="Of factors whose code is not known.")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.code not in hj212.FACTORS and self.unit is None:
            names = difflib.get_close_matches(self.factor, hj212.BY_NAME, 3, 0.4)
            hint = f"; or did you mean {', '.join(names)}?" if names else ""
            raise ValueError(f"factor {self.factor!r} needs a unit, since its code is not known{hint}")
        return self

    @property
    def code(self) -> str:
        """The code as it stands in reports."""
        return hj212.BY_NAME.get(self.factor, self.factor)

    @property
    def key(self) -> str:
        """Of `report.Value`."""
        return f"{self.of}:{self.code}-{self.field or ('Rtd' if self.of == 'now' else 'Avg')}"


class Hj212Section(StationSection):
    """An environment station by HJ 212: dust and noise at building sites, air."""

    station: str = Field(pattern=r"^[0-9A-Za-z]{1,24}$", description="MN of its reports.")
    system: str = Field("39", pattern=r"^\d{2}$", description="ST for questions: 22 air, 23 noise, 39 dust.")
    password: str | None = Field(None, pattern=r"^[^;&=]{1,9}$", description="Reports with another PW are left.")
    point: dict[str, Hj212Point] = Field(min_length=1)


class Hj212Driver:
    """Stations by HJ 212-2017, `driver = "hj212"`."""

    Section = Hj212Section

    def describe(self, section: Hj212Section, base: Path) -> Description:
        """One point for each factor."""
        del base
        points = [
            Point(name, hj212.FACTORS[w.code].unit if w.unit is None else w.unit) for name, w in section.point.items()
        ]
        return _description(points, section, f"HJ 212 station {section.station}: beta")

    @asynccontextmanager
    async def connect(self, name: str, section: Hj212Section, bus: Any, base: Path) -> AsyncIterator[Station]:
        """The station's device. Raises Refused where the endpoint or station is taken."""
        del bus, base
        station = section.station
        wanted = {
            point: Wanted(w.key, mean_over="" if w.of == "now" else w.of) for point, w in section.point.items()
        }  # fmt: skip
        device = Station(
            name,
            wanted,
            silent_after_s=section.silent_after,
            late_after_s=section.late_after,
            password=section.password,
        )

        def question(now: datetime) -> bytes:
            return Hj212().query(station, section.system, section.password or "", now)

        async with inlet_of(section.endpoint, "HJ 212", Hj212, station, device) as inlet:
            device.join(inlet, station, question, section.ask)
            yield device


# --- GB/T 26875.3 -------------------------------------------------------------------------------------------------

_Address = Annotated[str, Field(pattern=r"^\d{1,3}\.\d{1,3}$")]


class FirePoint(Section):
    """One state or analog value: of everything, of a system, of a component, or of the transmission device itself."""

    of: Literal["any", "system", "component", "device"] = Field(
        "any", description="any: of all systems and components behind the device together."
    )
    state: str | None = Field(None, description='"fire", "fault", "disabled", "started", "test" ...')
    analog: str | None = Field(None, description='Of a component: "temperature", "height", "pressure-kpa", "gas" ...')
    system: _Address = Field("1.1", description='"TYPE.ADDRESS"; type 1 is the fire alarm system.')
    component: str | None = Field(None, pattern=r"^\d{1,5}-\d{1,5}$", description='"ZONE-PLACE".')

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.state is None) == (self.analog is None):
            raise ValueError("exactly one of state and analog must be given")
        if (self.component is not None) != (self.of == "component"):
            raise ValueError('component = "ZONE-PLACE" belongs to of = "component"')
        if any(int(number) > 255 for number in self.system.split(".")):
            raise ValueError(f"system {self.system!r} has a number above 255")
        if self.analog is not None:
            if self.of != "component":
                raise ValueError('analog values belong to of = "component"')
            _known("analog value", self.analog, gb26875.ANALOG_BY_NAME)
        if self.state is not None:
            _known("state", self.state, self._states())
        return self

    def _states(self) -> Mapping[str, int]:
        if self.of == "device":
            return gb26875.DEVICE_STATES
        if self.of == "component":
            return gb26875.COMPONENT_STATES
        return gb26875.STATES if self.of == "system" else gb26875.STATES | gb26875.COMPONENT_STATES

    @property
    def key(self) -> str:
        """Of `report.Value`."""
        what = self.state if self.analog is None else f"analog:{self.analog}"
        match self.of:
            case "system":
                return f"system:{self.system}:{what}"
            case "component":
                return f"component:{self.system}:{self.component}:{what}"
            case _:
                return f"{self.of}:{what}"


class FireSection(StationSection):
    """A user information transmission device with fire panels behind it, by GB/T 26875.3-2011."""

    station: str = Field(pattern=r"^\d{1,15}$", description="Its address, as a number.")
    centre: int = Field(0, ge=0, lt=2**48, description="The gateway's address, for questions.")
    systems: list[_Address] = Field(default=["1.1"], max_length=100, description="That `ask` asks for.")
    point: dict[str, FirePoint] = Field(min_length=1)


class FireDriver:
    """Fire panels by GB/T 26875.3-2011, `driver = "gb26875"`."""

    Section = FireSection

    def describe(self, section: FireSection, base: Path) -> Description:
        """States as points off and on; analog values with the standard's range."""
        del base
        points = []
        for name, wanted in section.point.items():
            if wanted.analog is None:
                points.append(Point(name, low=0.0, high=1.0, states={"off": 0, "on": 1}))
            else:
                analog = gb26875.ANALOGS[gb26875.ANALOG_BY_NAME[wanted.analog]]
                kind = Kind.COUNTER if analog.name == "events" else Kind.GAUGE
                points.append(Point(name, analog.unit, analog.low, analog.high, kind))
        note = "states come when they change: ask for them, or give their points a longer stale_after"
        notes = [] if section.ask else [note]
        return _description(points, section, f"GB/T 26875.3 device {section.station}: beta", *notes)

    @asynccontextmanager
    async def connect(self, name: str, section: FireSection, bus: Any, base: Path) -> AsyncIterator[FirePanel]:
        """The device. Raises Refused where the endpoint or station is taken."""
        del bus, base
        station = str(int(section.station))
        wanted = {point: Wanted(w.key) for point, w in section.point.items()}
        device = FirePanel(name, wanted, silent_after_s=section.silent_after, late_after_s=section.late_after)
        systems = [(int(kind), int(address)) for kind, address in (text.split(".") for text in section.systems)]
        asking = Gb26875()  # of its own: its serial numbers go on over all connections

        def question(now: datetime) -> bytes:
            return asking.query(station, section.centre, systems, now)

        async with inlet_of(section.endpoint, "GB/T 26875.3", Gb26875, station, device) as inlet:
            device.join(inlet, station, question, section.ask)
            yield device
