"""Owns the tables of the site file: their keys, types, defaults and meanings. Knows no drivers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .quantities import (
    Baseline,
    Bindings,
    Figures,
    LongestOn,
    Period,
    Quantity,
    Rate,
    Reset,
    Seconds,
    Segment,
    Share,
    Size,
    Until,
)

SLOTS = ("place", "value", "level", "site")  # of a message's text

Texts = dict[str, str]


class Table(BaseModel):
    """A table of the site file. Unknown keys are errors, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteTable(Table):
    """The gateway itself."""

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="Name of this gateway on the platform: small letters, digits and `-`, at most 32; "
        "part of every topic.",
    )
    name: Texts = Field(default_factory=dict, description="What people call it, by language. Default: the id.")
    languages: list[str] = Field(
        default=["zh", "en"],
        min_length=1,
        description="Languages that are shown and spoken, in this order; every text must have each of them.",
    )
    admin_code: str | None = Field(
        default=None, pattern=r"^\d{6}$", description="Administrative division by GB/T 2260, six digits."
    )
    levels: list[str] = Field(
        default=["blue", "yellow", "orange", "red"], min_length=1, description="Warning levels from lowest to highest."
    )
    timezone: str = Field(
        default="Asia/Shanghai",
        description="IANA name of the local time, in which recordings are dated and running totals are reset.",
    )


class ZoneTable(Table):
    """A place that is warned as one. Zones need no table; once one has a table, all must have one."""

    title: Texts = Field(
        default_factory=dict, description="What is said and shown for it, by language. Default: its name."
    )


class PointTable(Table):
    """What this site says of one point beyond what the register map says."""

    title: Texts = Field(default_factory=dict, description="What people call it, by language. Default: its name.")
    low: Quantity = Field(default=None, description="Lowest value that is believed. Default: the register map's.")
    high: Quantity = Field(default=None, description="Highest value that is believed. Default: the register map's.")
    period: Period | None = Field(
        default=None, description="Time from one poll of it to the next, where it is not the device's."
    )
    stale_after: Period | None = Field(
        default=None,
        description="Older than that, its value is missing. Default: as its driver says, mostly three periods, "
        "at least a period and 2 s.",
    )
    flat_after: Period | None = Field(default=None, description="Unchanged for that long, it counts as stuck.")
    max_step: Quantity = Field(default=None, description="More than that between two readings counts as a jump.")
    wrap: Quantity = Field(
        default=None, description="Counters: the value at which they start again at 0. Default: the register map's."
    )
    reset: Reset = Field(
        default=None,
        description='Running totals: when they start again at 0, each hour (`"hh:51"`) or local day (`"08:00"`).',
    )
    baseline: Baseline = Field(
        default=None,
        description="What `baseline()` of it is until a person re-zeroes it: a value, or its first good reading.",
    )


class DeviceTable(Table):
    """An instrument. Keys not listed here are its driver's."""

    driver: str = Field(default="modbus", description="Name of its driver.")
    bus: str | None = Field(default=None, description="The bus it is on.")
    zone: str | None = Field(default=None, description="The zone it watches.")
    title: Texts = Field(default_factory=dict, description="What people call it, by language. Default: its name.")
    period: Period = Field(description="Time from one poll to the next.")
    stale_after: Period | None = Field(default=None, description="For all its points that don't say otherwise.")
    flat_after: Period | None = Field(default=None, description="For all its points that don't say otherwise.")


class ConfirmTable(Table):
    """Physical evidence that the output works: a current, a contact, a microphone."""

    point: str = Field(description="The point that shows it.")
    above: Quantity = Field(default=None, description="It works while the point is above this.")
    below: Quantity = Field(default=None, description="It works while the point is below this.")
    within: Period = Field(description="The evidence must be there that soon after switching on.")


class OutputTable(Table):
    """A siren, loudspeaker, lamp or barrier. Keys not listed here are its driver's."""

    # Limits have no default here so that what is missing can be told with the reason.
    model_config = ConfigDict(json_schema_extra={"required": ["driver", "max_on", "min_off", "max_starts_per_hour"]})

    driver: str = Field(description="Name of its driver.")
    bus: str | None = Field(default=None, description="The bus it is on; none for pins and sound cards.")
    zone: str | None = Field(default=None, description="The zone that hears or sees it; none: all of them.")
    title: Texts = Field(default_factory=dict, description="What people call it, by language. Default: its name.")
    max_on: LongestOn | None = Field(
        default=None,
        description='Longest time on without a break of `min_off`; `"unlimited"` only with `states`.',
    )
    min_off: Seconds | None = Field(default=None, description="Shortest rest between two activations.")
    max_starts_per_hour: int | None = Field(default=None, ge=1, description="Most activations in any hour.")
    confirm: ConfirmTable | None = Field(default=None, description="Evidence that it works.")
    alternate: str | None = Field(default=None, description="The output to use when this one does not work.")
    states: dict[str, bool] = Field(
        default_factory=dict,
        description="For what is moved or shown rather than sounded: words and whether they mean on, "
        "such as `{ closed = true, open = false }`.",
    )
    at_exit: Literal["off", "keep"] = Field(
        default="off", description="What becomes of it when the agent stops; `keep` only with `states`."
    )
    reassert: Period = Field(default=5.0, description="Its wanted state is written again that often.")


class PatternTable(Table):
    """What a siren does. Built in: see the list of patterns below."""

    title: Texts = Field(default_factory=dict, description="What people call it, by language. Default: its name.")
    segments: list[Segment] = Field(
        min_length=1, description='On and off times in turn: `["on 500 ms", "off 500 ms"]`.'
    )
    repeat: int = Field(default=1, ge=1, description="How often the segments are played.")
    locked: bool = Field(default=False, description="Reserved by law: no plan may use it.")
    source: str = Field(default="", description="Where it comes from: a standard, an order, an agreement.")


class MessageTable(Table):
    """What is said. Tone first, then who speaks, what, where, when, what to do."""

    text: Texts = Field(description="By language, with the slots " + ", ".join(f"`{{{slot}}}`" for slot in SLOTS) + ".")
    recording: Texts = Field(
        default_factory=dict, description="Sound files by language, played where one exists instead of the text."
    )
    volume: Share = Field(default=1.0, description="How loud.")


class ActionTable(Table):
    """One thing a plan does: exactly one of `pattern`, `message` and `state`."""

    output: str | None = Field(
        default=None,
        description="Which output. Only an `all_clear` may leave it out: then every output of the plan that can do it.",
    )
    pattern: str | None = Field(default=None, description="A pattern for a siren or lamp.")
    message: str | None = Field(default=None, description="A message for a loudspeaker.")
    state: str | None = Field(default=None, description="One of the output's states.")
    repeat: int = Field(default=1, ge=1, description="How often a pattern is played or a message is said.")
    every: Period | None = Field(
        default=None, description="From the start of one repetition to the next. Default: one after the other."
    )
    until: Until = Field(
        default="clear",
        description="When it ends at the latest: the alarm has cleared, was reset by a person, or a time.",
    )


def _several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class PlanTable(Table):
    """What is done when an alarm reaches a level, and when it is over."""

    level: dict[str, list[ActionTable]] = Field(default_factory=dict, description="Actions by level.")
    all_clear: Annotated[list[ActionTable], BeforeValidator(_several)] = Field(
        default_factory=list, description="Actions when the alarm has cleared; one table or an array of them."
    )


class LevelTable(Table):
    """One level of an alarm."""

    when: str = Field(description="The condition, in the rule language.")
    for_: Seconds = Field(default=0.0, alias="for", description="On-delay: how long it must hold without a break.")
    clear: str | None = Field(default=None, description="The condition to clear. Default: not `when`.")
    clear_for: Seconds = Field(default=0.0, description="Off-delay: how long that must hold without a break.")
    burst: Period | None = Field(
        default=None,
        description="While its on-delay runs or it is active, the points it depends on are polled that often.",
    )


class AlarmTable(Table):
    """An alarm: its own levels, or a model of the library with this site's points and figures."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["level"]}, {"required": ["model"]}]})

    title: Texts = Field(default_factory=dict, description="What people call it, by language. Default: its name.")
    zone: str | None = Field(default=None, description="The zone it is about; none: the whole site.")
    hazard: str | None = Field(
        default=None, description="The hazard it is about. Default: its model's, its plan's name, or its own."
    )
    plan: str | None = Field(default=None, description="What is done. Without one it is recorded and reported only.")
    shadow: bool = Field(default=False, description="Judged and recorded, never sounded: for a rule on trial.")
    on_missing: Literal["hold", "alarm", "clear"] | None = Field(
        default=None,
        description="What missing data means for an active level: it stays, is true, or is false. "
        "Default: its model's, or `hold`.",
    )
    latch: bool | None = Field(
        default=None, description="Stays until a person resets it. Default: its model's, or `false`."
    )
    level: dict[str, LevelTable] = Field(default_factory=dict, description="Its levels: some of the site's.")
    model: str | None = Field(
        default=None, description="Instead of levels: a model of the library, or a file whose name ends in `.toml`."
    )
    inputs: Bindings = Field(
        default_factory=dict, description="The points that the model's inputs stand for; an array where it takes many."
    )
    parameters: Figures = Field(
        default_factory=dict, description="This site's figures. Default: the model's, where it has one."
    )
    levels: list[str] | None = Field(
        default=None, min_length=1, description="Which of the model's levels are used. Default: all."
    )
    burst: Period | None = Field(
        default=None, description="`burst` of every level that does not say otherwise; also of a model's."
    )


class LookupTableTable(Table):
    """A limit that depends on another quantity, for `lookup(NAME, x)` in any rule: straight lines between its knots."""

    x: list[Quantity] = Field(description="Rising quantities, at least two.")
    y: list[Quantity] = Field(description="The limit at each of them; beyond the ends it stays.")


class UplinkTable(Table):
    """The city's platform."""

    broker: str = Field(description="`mqtts://host:port` or `mqtt://host:port`.")
    client_id: str | None = Field(default=None, description="MQTT client id. Default: the site's id.")
    username: str | None = Field(default=None, description="MQTT user name.")
    password_file: str | None = Field(default=None, description="File that holds the password and nothing else.")
    ca: str | None = Field(default=None, description="PEM file of the authority. Default: the system's.")
    cert: str | None = Field(default=None, description="PEM file of this gateway's certificate.")
    key: str | None = Field(default=None, description="PEM file of its private key.")
    acknowledge: Literal["platform", "puback"] = Field(
        default="platform", description="What counts as delivered: the platform's own word, or the broker's."
    )
    version: Literal["auto", "5", "3.1.1"] = Field(default="auto", description="MQTT version; `auto` tries 5 first.")
    keepalive: Period = Field(default=20.0, description="MQTT keep-alive.")
    batch: Period = Field(default=1.0, description="Readings wait that long for company.")
    batch_readings: int = Field(default=500, ge=1, le=10_000, description="And go when there are so many.")
    backlog: Rate = Field(
        default=20_000.0, description="Most readings a second of those from the time the platform was away."
    )


class StorageTable(Table):
    """The journal on this gateway's disk."""

    directory: str | None = Field(default=None, description="Where it lies. Default: as the command line says.")
    critical: Size = Field(default=64_000_000, description="Room for alarms, events and what must survive.")
    telemetry: Size = Field(default=512_000_000, description="Room for readings; the oldest are thinned first.")


TABLES: dict[str, Any] = {
    "site": SiteTable,
    "zone": ZoneTable,
    "device": DeviceTable,
    "output": OutputTable,
    "pattern": PatternTable,
    "message": MessageTable,
    "plan": PlanTable,
    "table": LookupTableTable,
    "alarm": AlarmTable,
    "uplink": UplinkTable,
    "storage": StorageTable,
}
