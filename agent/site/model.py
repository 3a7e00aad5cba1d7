"""Owns what a checked site is made of: frozen objects that the rest of the agent is built from. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from drivers.api import Description, InstrumentDriver, Limits, OutputDriver, Section
from drivers.modbus import LineSection
from rules.judge import Ruleset
from rules.library import Bound, Model
from rules.model import AlarmRule, LookupTable

from .problems import Problem

Texts = Mapping[str, str]  # language -> text


@dataclass(frozen=True, slots=True)
class Zone:
    """A place that is warned as one. `title` is what is said for it."""

    name: str
    title: Texts


@dataclass(frozen=True, slots=True)
class BusConfig:
    """A line with one owner. Loads are shares of its time taken by polls and re-asserted outputs; 1.0 is all of it."""

    name: str
    section: LineSection
    load: float  # bytes and silences: what no device can do without
    slowest_load: float  # and every reply as late as it may be


@dataclass(frozen=True, slots=True)
class PointConfig:
    """A measured thing under its site-wide name "device.point"; range, step and wrap are in `unit`."""

    name: str
    device: str
    zone: str | None
    title: Texts
    unit: str
    low: float | None
    high: float | None
    kind: str
    states: Mapping[str, int]
    wrap: float | None
    reset: tuple[float, float] | None  # running totals: (period, phase) in seconds of local time, where it is known
    baseline: float | Literal["first"] | None  # until it is re-zeroed
    period_s: float  # from one poll to the next
    stale_after_s: float
    flat_after_s: float | None  # unchanged for that long: stuck
    max_step: float | None  # more than that between two readings: a jump


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """An instrument: its driver, the driver's own section, and its points by full name."""

    name: str
    title: Texts
    driver_name: str
    driver: InstrumentDriver
    section: Section
    base: Path  # what the section's paths are relative to
    bus: str | None
    zone: str | None
    period_s: float
    description: Description
    points: Mapping[str, PointConfig]


@dataclass(frozen=True, slots=True)
class Confirm:
    """The physical evidence that an output works: `point` above or below a value, in the point's unit, in time."""

    point: str
    above: float | None
    below: float | None
    within_s: float


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Something that is heard, seen or moved. Its limits belong to it, not to who switches it."""

    name: str
    title: Texts
    driver_name: str
    driver: OutputDriver
    section: Section
    base: Path
    bus: str | None
    zone: str | None
    description: Description
    speaks: bool
    limits: Limits
    confirm: Confirm | None
    alternate: str | None  # output to use when this one does not work
    states: Mapping[str, bool]  # word -> on: a barrier's "closed"; empty for what sounds
    at_exit: Literal["off", "keep"]
    reassert_s: float

    @property
    def audible(self) -> bool:
        """Whether it warns people by sound or light, rather than moving something."""
        return not self.states


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a siren does: (on, seconds) segments, played `repeat` times in `total_s`."""

    name: str
    title: Texts
    segments: tuple[tuple[bool, float], ...]
    repeat: int
    total_s: float
    locked: bool  # legally reserved: no plan may use it
    source: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is said, by language in the site's order. Slots: see `agent.site.sections.SLOTS`."""

    name: str
    text: Texts
    recording: Mapping[str, Path]  # pre-rendered, by language
    volume: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a plan does: exactly one of `pattern`, `message` and `state` is given."""

    output: str
    pattern: str | None
    message: str | None
    state: str | None
    repeat: int
    every_s: float | None  # from start to start of repetitions; None: one after the other
    until: Literal["clear", "reset"] | float  # seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done at each level of an alarm and when it is over."""

    name: str
    levels: Mapping[str, tuple[Action, ...]]
    all_clear: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class ModelUse:
    """The model an alarm is made of, and all that it takes to bind it again with other figures."""

    model: Model
    inputs: Mapping[str, str | tuple[str, ...]]
    parameters: Mapping[str, str | float]  # that the site gives
    levels: tuple[str, ...] | None  # that the site names; None: all
    bound: Bound


@dataclass(frozen=True, slots=True)
class AlarmConfig:
    """An alarm: `index` is its place in the rule set."""

    name: str
    title: Texts
    zone: str | None
    hazard: str
    plan: str | None
    shadow: bool  # judged and recorded, never sounded
    rule: AlarmRule
    index: int
    model: ModelUse | None = None
    burst: Mapping[str, float] = field(default_factory=dict)  # level -> period of its points meanwhile


@dataclass(frozen=True, slots=True)
class Uplink:
    """The city platform's broker and how to talk with it."""

    broker: str  # as written
    host: str
    port: int
    tls: bool
    client_id: str
    username: str | None
    password_file: Path | None
    ca: Path | None
    cert: Path | None
    key: Path | None
    acknowledge: Literal["platform", "puback"]
    version: Literal["auto", "5", "3.1.1"]
    keepalive_s: float
    batch_s: float  # readings wait at most that long for company
    batch_readings: int  # and go when there are so many
    backlog_rate: float  # readings a second of what was recorded while the platform was away


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the journal lies and how large it may grow."""

    directory: Path | None  # None: as the command line says
    critical_bytes: int
    telemetry_bytes: int


@dataclass(frozen=True, slots=True)
class Site:
    """One gateway, checked as a whole. Mappings keep the order of the site file and can't be changed."""

    id: str
    name: Texts
    languages: tuple[str, ...]
    admin_code: str | None  # GB/T 2260
    levels: tuple[str, ...]  # lowest to highest
    timezone: str  # IANA
    zones: Mapping[str, Zone]
    buses: Mapping[str, BusConfig]
    devices: Mapping[str, DeviceConfig]
    points: Mapping[str, PointConfig]  # of all devices, in the order of the rule set's points
    outputs: Mapping[str, OutputConfig]
    patterns: Mapping[str, Pattern]
    messages: Mapping[str, Message]
    plans: Mapping[str, Plan]
    tables: Mapping[str, LookupTable]
    alarms: Mapping[str, AlarmConfig]  # in the order of the rule set's alarms
    uplink: Uplink | None
    storage: Storage
    ruleset: Ruleset
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]  # the site file first, what it includes, the register maps and models that came with it
    digest: str  # sha256 of these and of the built-in maps and models they use; the same wherever they lie
