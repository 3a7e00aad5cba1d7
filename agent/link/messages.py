"""The messages between gateway and platform: their models, their JSON Schema, how records are written. No sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from agent.link.source import StepRow, iso
from agent.records import SCHEMA_VERSION, ClockTrust, Record, Stamp

LIMIT_BYTES = 256 * 1024  # of anything that comes in, and of an answer

Epoch = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z-]{1,64}$")]
Number = Annotated[int, Field(ge=1, lt=2**63)]
SiteId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
Pair = tuple[Number, Number]


class Message(BaseModel):
    """Every message: the version of its schema, and no key that the schema does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    v: Literal[1] = Field(1, description="Version of the schema; only a breaking change raises it.")


class FromSite(Message):
    """Every message of a gateway."""

    site: SiteId


class Dated(FromSite):
    """When it happened: monotonic time within a boot is always right, wall time as far as `clock` says."""

    boot: str = Field(description="The kernel's boot id. Monotonic times of different boots do not compare.")
    mono_ns: int = Field(description="Monotonic clock of that boot, ns.")
    wall: str | None = Field(description="UTC, ISO 8601. Null: it was no time at all.")
    clock: ClockTrust = Field(
        description="trusted; untrusted: the wall clock had not been set; redated: found later from boot, mono_ns."
    )


class RecordMessage(Dated):
    """On `alarm`, `event`, `protection`: one record of the journal. (site, epoch, seq) is its identity."""

    epoch: Epoch
    seq: Number
    absent: list[Pair] = Field([], description="Numbers before this one that do not exist: nothing to ask for.")
    replay: bool = Field(description="Not fresh: it had been sent before, or was recorded before this connection.")
    lane: Literal["alarm", "event", "protection"]
    kind: str = Field(description="alarm, output, equipment, command, config, gap, store, start, protection ...")
    body: dict[str, Any]


class ReadingMessage(Dated):
    """On `reading`: steps `from`..`to` of the journal; `mono_ns` and `wall` are of the first one.

    A step holds the readings of one poll reply. Devices answer with the same points each time, so `sets` names each
    combination once: `steps[i]` is `[set, ms since the previous step, value, value ...]`, values in the set's order.
    Values are in the point's unit, whole numbers exact, others with nine significant digits; a value that is no number
    is null. Readings are good unless `quality` says otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    epoch: Epoch
    first: Number = Field(alias="from")
    last: Number = Field(alias="to")
    absent: list[Pair] = Field(
        [], description="Numbers within from..to that do not exist (thinned; a gap record tells)"
    )
    replay: bool = Field(description="True for the backlog: never mistake it for the present.")
    points: list[str] = Field(description="Names of the points, as in the catalogue.")
    sets: list[list[int]] = Field(description="Combinations of points: indexes into `points`.")
    steps: list[list[float | int | None]]
    quality: list[tuple[int, int, int]] = Field(
        [], description="[index into steps, position within its set, quality code], for every reading that is not good."
    )


class StateMessage(FromSite):
    """On `state`, retained; `offline` is also the last will, so it tells no time."""

    state: Literal["online", "offline"]
    session: Number = Field(
        description="Rises with every attempt to connect: a death belongs to the birth of its number"
    )
    reason: Literal["connected", "closed", "lost"]
    boot: str | None = None
    mono_ns: int | None = None
    wall: str | None = None
    clock: ClockTrust | None = None


class BirthMessage(FromSite):
    """On `birth`, retained: what this gateway is. `catalogue` is null while guard has not told it yet."""

    session: Number
    versions: dict[str, str]
    epochs: dict[str, Epoch] = Field(description="Epochs of the journal's files as they are now: records, steps.")
    acknowledge: Literal["platform", "puback"]
    clock: dict[str, Any] | None = Field(description="Latest moment of this boot at which the wall clock was right.")
    catalogue: dict[str, Any] | None


class AnswerMessage(FromSite):
    """On `answer` (or where the asker wished): the reply to an `ask`."""

    id: str | None
    ok: bool
    result: Any = None
    error: str | None = None


class Received(Message):
    """On `received`: what the platform has stored. Anything else is sent again, so a lost one does no harm."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    v: Literal[1] = 1
    epoch: Epoch
    upto: Annotated[int, Field(ge=0, lt=2**63)] = Field(description="All numbers of the epoch up to this one.")
    also: list[Number | list[Number]] = Field(
        [], description="Beyond it: single numbers, or [first, last].", max_length=20_000
    )

    @model_validator(mode="after")
    def _pairs_in_order(self) -> Received:
        for entry in self.also:
            if isinstance(entry, list) and (len(entry) != 2 or entry[0] > entry[1]):
                raise ValueError(f"a range is [first, last]; got {entry!r}")
        return self

    def ranges(self) -> list[tuple[int, int]]:
        """Everything it covers."""
        beyond = [(e[0], e[1]) if isinstance(e, list) else (e, e) for e in self.also]
        return [(1, self.upto), *beyond] if self.upto else beyond


class Ask(Message):
    """On `ask`: a question. It needs no signature, changes nothing, and is rate-limited."""

    v: Literal[1] = 1
    id: Annotated[str, StringConstraints(max_length=100)] | None = None
    what: Annotated[
        str, StringConstraints(pattern=r"^(status|alarms|points|rules|history|records|device/[a-z0-9_-]{1,64})$")
    ]
    reply_to: Annotated[str, StringConstraints(max_length=400)] | None = Field(
        None, description="`tocsin/v1/<site>/answer` or below it. MQTT 5's response topic wins."
    )
    epoch: Epoch | None = Field(None, description="records: whose numbers")
    first: Number | None = Field(None, alias="from", description="records: first number to send again")
    last: Number | None = Field(None, alias="to", description="records: last number to send again")
    args: dict[str, Any] = Field({}, description="history: passed on to guard.")


MODELS: Mapping[str, type[Message]] = {
    "record": RecordMessage,
    "reading": ReadingMessage,
    "state": StateMessage,
    "birth": BirthMessage,
    "answer": AnswerMessage,
    "received": Received,
    "ask": Ask,
}


def dump(content: Mapping[str, Any]) -> bytes:
    """Compact JSON. Raises ValueError for a number that JSON does not have."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def when(stamp: Stamp) -> dict[str, Any]:
    """The dating fields of a message."""
    return {"boot": stamp.boot_id, "mono_ns": stamp.mono_ns, "wall": iso(stamp.wall_ns), "clock": stamp.clock}


def record_message(
    site: str,
    epoch: str,
    seq: int,
    record: Record,
    stamp: Stamp,
    *,
    replay: bool,
    absent: tuple[int, int] | None = None,
) -> bytes:
    """One record as sent; `stamp` is the record's own or the one found later."""
    return dump(
        {
            "v": SCHEMA_VERSION,
            "site": site,
            "epoch": epoch,
            "seq": seq,
            **({"absent": [absent]} if absent else {}),
            **when(stamp),
            "replay": replay,
            "lane": record.lane.value,
            "kind": record.kind,
            "body": finite(record.body),
        }
    )


def finite(value: Any) -> Any:
    """The value with every NaN and infinity replaced by None: JSON has no such numbers."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return value


def reading_message(
    site: str,
    numbers: tuple[str, int, int],
    rows: Sequence[StepRow],
    stamp: Stamp,
    *,
    replay: bool,
    absent: Sequence[tuple[int, int]] = (),
) -> bytes:
    """A batch of steps of one boot and one catalogue. `numbers`: epoch, from, to; `stamp` dates the first step.

    Written by hand: it is the bulk.
    """
    points: dict[int, int] = {}  # column of the catalogue -> index into this message's points
    sets: dict[tuple[int, ...], int] = {}
    lines: list[str] = []
    quality: list[tuple[int, int, int]] = []
    base_ns, before_ms = rows[0].stamp.mono_ns, 0
    for index, row in enumerate(rows):
        which = sets.setdefault(row.columns, len(sets))
        now_ms = (row.stamp.mono_ns - base_ns) // 1_000_000
        lines.append(f"[{','.join([str(which), str(now_ms - before_ms), *row.values])}]")
        before_ms = now_ms
        quality += [(index, place, code) for place, code in row.qualities]
    for columns in sets:
        for column in columns:
            points.setdefault(column, len(points))
    names = rows[0].points
    head = {
        "v": SCHEMA_VERSION,
        "site": site,
        "epoch": numbers[0],
        "from": numbers[1],
        "to": numbers[2],
        **when(stamp),
        "replay": replay,
        "points": [names[column] if column < len(names) else f"#{column}" for column in points],
        "sets": [[points[column] for column in columns] for columns in sets],
    }
    if absent:
        head["absent"] = list(absent)
    if quality:
        head["quality"] = quality
    return dump(head)[:-1] + b',"steps":[' + ",".join(lines).encode() + b"]}"


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one kind of message."""
    made = MODELS[name].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"tocsin/v1/{name}", **made}
