"""Maps of instruments without Modbus: loads and checks them, and makes readings of records; opens nothing but files.

A record's fields are laid out as if they were registers, so that every key of a register map's point (gates, scales,
sentinels, states, formulas) means the same here and is decoded by the same code.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from drivers.api import Duration, Quality
from drivers.decode import Decoded, Decoder
from drivers.patterns import Pattern, Record, compile_pattern
from drivers.registers import DeviceModel, MapError, MapPoint, RegisterMap, problems_of
from drivers.templates import Template, compile_template
from drivers.vocabulary import Constant, Part
from drivers.words import words_of

Speech = Literal["text", "frames", "sdi-12"]
Combine = Literal["latest", "median", "sum"]

_OURS = ("field", "message", "where", "texts", "combine")  # keys of a point that registers do not have
_REGISTERS = ("table", "address", "type", "order", "together")  # and the other way round
_CELLS = 4  # words laid out for each point
_UNKNOWN_TEXT = -1  # code of a text the map does not list
_NOT_THERE = Decoded(math.nan, Quality.COMM_FAULT, "not in this message")


class LineDevice(Part):
    """What a map says of the instrument as a whole. The first of `baudrates` and `address` are the factory's."""

    title: str
    maturity: Literal["experimental", "beta", "stable"]
    source: tuple[str, ...]  # where the facts come from
    speaks: Speech
    request: str = ""  # what it is asked: text, or a template of bytes; none: it talks on its own
    every: Duration | None = None  # instruments that talk: longest time between two messages
    command: str = Field("M", pattern=r"(M|C)C?[1-9]?")  # SDI-12: the measurement
    measures: Duration = 30.0  # SDI-12: longest measurement; the sensor's own word for it carries no checksum
    address: int | str | None = None
    baudrates: tuple[int, ...] = ()
    parity: Literal["N", "E", "O", ""] = ""
    max_reply: Duration = 1.0  # slowest answer
    gap: Duration = 0.0  # it must be left alone between two questions
    notes: tuple[str, ...] = ()  # quirks worth telling a technician
    unverified: tuple[str, ...] = ()  # facts nobody has confirmed yet

    def problems(self) -> Iterable[str]:
        """What is wrong with it, as "key: text"."""
        if self.speaks == "sdi-12":
            if self.request or self.every:
                yield "device: SDI-12 sensors have neither request nor every, but a command"
        elif bool(self.request) == (self.every is not None):
            yield "device: request (it is asked) or every (it talks on its own), one of the two"


class Message(Part):
    """One kind of message: `pattern` for lines of text, `template` for frames of bytes."""

    pattern: str = ""
    template: str = ""
    checksum: Literal["", "nmea"] = ""  # of lines; templates have theirs in them
    each: str = ""  # pattern of the entries of a list
    between: str = ","


class Parameter(Part):
    """A field of the request that is the single instrument's own: the site gives it, answers must carry it too."""

    note: str
    value: int | str | None = None


class LinePoint(Part):
    """Where a point is found: in which field of which records, and how many samples of one poll become one."""

    field: str
    message: str = ""  # any that has the field
    where: dict[str, str] = Field(default_factory=dict)  # only where these fields of text are so
    texts: dict[str, int] = Field(default_factory=dict)  # text -> code, for fields of text
    combine: Combine = "latest"


class _Head(Part):
    device: LineDevice
    message: dict[str, Message] = Field(default_factory=dict)
    parameter: dict[str, Parameter] = Field(default_factory=dict)
    constant: dict[str, Constant] = Field(default_factory=dict)
    point: dict[str, dict[str, Any]] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class LineMap:
    """A checked map."""

    device: LineDevice
    messages: Mapping[str, Pattern | Template]
    request: Template | None
    parameters: Mapping[str, Parameter]
    found: Mapping[str, LinePoint]
    registers: RegisterMap  # the points as laid out


def line_map_names() -> list[str]:
    """Names of the maps that come with Tocsin."""
    return sorted(entry.name.removesuffix(".toml") for entry in _built_in().iterdir() if entry.name.endswith(".toml"))


def load_line_map(name_or_path: str, base: Path | None = None) -> LineMap:
    """The map of that name, or in the file (ends in ".toml"; relative to `base`). Raises MapError with all problems."""
    if name_or_path.endswith(".toml"):
        path = (base or Path()) / name_or_path
        try:
            return parse_line_map(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise MapError([f"{path}: can't be read: {error}"]) from None
    if name_or_path not in line_map_names():
        known = ", ".join(line_map_names())
        raise MapError([f"no line map {name_or_path!r}; there are {known}; a file is given with .toml"])
    file = f"{name_or_path}.toml"
    return parse_line_map((_built_in() / file).read_text(encoding="utf-8"), file)


def _built_in() -> Any:
    return resources.files("drivers") / "lines"


def parse_line_map(text: str, file: str) -> LineMap:
    """A map from TOML text. Raises MapError; `file` is what its lines begin with."""
    try:
        head = _Head.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise MapError([f"{file}: {error}"]) from None
    except ValidationError as error:
        raise MapError([f"{file}: {line}" for line in problems_of(error)]) from None
    problems = list(head.device.problems())
    messages, request = _messages(head, problems)
    fields = _fields(head.device.speaks, messages)
    found: dict[str, LinePoint] = {}
    laid: dict[str, MapPoint] = {}
    for place, (name, raw) in enumerate(head.point.items()):
        try:
            own = {key: raw[key] for key in _OURS if key in raw}
            found[name] = LinePoint.model_validate({"field": name.replace("-", "_"), **own})
            problems += _wrong_fields(name, found[name], messages, fields)
            laid[name] = _laid_out(raw, place, fields.get(found[name].field, "number"))
        except ValidationError as error:
            problems += [f"point.{name}.{line}" for line in problems_of(error)]
        except ValueError as error:
            problems.append(f"point.{name}: {error}")
    if not problems:
        told = head.device.model_dump(include={"title", "maturity", "source"})
        device = DeviceModel.model_validate(told)
        registers = RegisterMap(device=device, point=laid, constant=head.constant)
        problems += registers.problems()
    if problems:
        raise MapError([f"{file}: {problem}" for problem in problems])
    return LineMap(head.device, messages, request, head.parameter, found, registers)


def _messages(head: _Head, problems: list[str]) -> tuple[dict[str, Pattern | Template], Template | None]:
    speaks = head.device.speaks
    compiled: dict[str, Pattern | Template] = {}
    request: Template | None = None
    if speaks == "sdi-12" and head.message:
        problems.append("message: SDI-12 sensors have none; their points have fields v1, v2 ...")
    if speaks != "sdi-12" and not head.message:
        problems.append("message: at least one is needed, such as [message.reading]")
    for name, message in head.message.items() if speaks != "sdi-12" else ():
        try:
            compiled[name] = _compiled(speaks, message)
        except ValueError as error:
            problems.append(f"message.{name}: {error}")
    if speaks == "frames" and head.device.request:
        try:
            request = compile_template(head.device.request)
        except ValueError as error:
            problems.append(f"device.request: {error}")
        else:
            told = {*head.parameter, "address", "now"}
            problems += [
                f"device.request: {{{field}}} is neither address, now nor a [parameter.{field}]"
                for field in request.fields
                if field not in told
            ]
    return compiled, request


def _compiled(speaks: Speech, message: Message) -> Pattern | Template:
    if speaks == "frames":
        if not message.template or message.pattern:
            raise ValueError("frames have a template, and no pattern")
        template = compile_template(message.template)
        if not template.is_sure:
            raise ValueError("neither checksum nor three fixed bytes: noise would pass as a frame")
        return template
    if not message.pattern or message.template:
        raise ValueError("lines of text have a pattern, and no template")
    return compile_pattern(message.pattern, check=message.checksum, each=message.each, between=message.between)


def _fields(speaks: Speech, messages: Mapping[str, Pattern | Template]) -> dict[str, str]:
    if speaks == "sdi-12":
        return {f"v{number}": "number" for number in range(1, 100)}  # its answer's values by number
    return {name: kind for message in messages.values() for name, kind in message.fields.items()}


def _wrong_fields(
    name: str, point: LinePoint, messages: Mapping[str, Pattern | Template], fields: Mapping[str, str]
) -> Iterable[str]:
    if point.field not in fields:
        known = ", ".join(fields) if len(fields) < 99 else "v1, v2 ..."
        yield f"point.{name}.field: no message has a field {point.field!r}; there are {known}"
    elif (fields[point.field] == "text") != bool(point.texts):
        yield f"point.{name}.texts: fields of text need texts = {{ WORD = code }}, others have none"
    if point.message and point.message not in messages:
        yield f"point.{name}.message: no such message; there are {', '.join(messages)}"
    for other in point.where:
        if fields.get(other) != "text":
            yield f"point.{name}.where: {other!r} is no field of text"


def _laid_out(raw: Mapping[str, Any], place: int, kind: str) -> MapPoint:
    for key in _REGISTERS:
        if key in raw:
            raise ValueError(f"{key} is for registers; here a point has a field of a message")
    own = {key: value for key, value in raw.items() if key not in _OURS}
    number_type = "bits" if "bits" in own else "f64" if kind == "number" else "i64"
    return MapPoint.model_validate({**own, "address": _CELLS * place, "type": number_type, "order": "ABCD"})


class RecordDecoder:
    """Makes samples of records by a map."""

    def __init__(self, line_map: LineMap, registers: RegisterMap) -> None:
        """`registers`: the map's points with the site's own words on them."""
        self._found = line_map.found
        self._messages = line_map.messages
        self._points = registers.point
        self._decoder = Decoder(registers)
        self.kinds = {point.name: point.kind for point in registers.points}

    def decode(self, record: Record) -> dict[str, Decoded]:
        """The points that this record has, decoded; hidden ones and those of other messages are left out."""
        cells: dict[Any, int] = {}
        failures: dict[str, Decoded] = {}
        for name, place in self._found.items():
            if not self._is_in(place, record):
                failures[name] = _NOT_THERE
                continue
            value = record[place.field]
            if isinstance(value, str):
                value = float(place.texts.get(value, _UNKNOWN_TEXT))
            point = self._points[name]
            try:
                cells.update(zip(point.cells, words_of(value, point.type), strict=True))
            except ValueError as error:
                failures[name] = Decoded(math.nan, Quality.BAD, str(error))
        decoded = self._decoder.decode(cells, failures)
        return {name: told for name, told in decoded.items() if failures.get(name) is not _NOT_THERE}

    def _is_in(self, place: LinePoint, record: Record) -> bool:
        if place.field not in record or any(record.get(field) != text for field, text in place.where.items()):
            return False
        return not place.message or self._messages[place.message].fields.keys() == record.keys()


def combined(samples: Sequence[tuple[Decoded, int]], how: Combine) -> tuple[Decoded, int]:
    """One sample of several of a point, oldest first, each with its time; the time of the newest stays.

    "median" of an odd number of the good ones, so that it is one that was measured; "sum" of amounts since the last
    message, GOOD only if all are: an amount that is missing must be seen.
    """
    newest, mono_ns = samples[-1]
    good = [decoded for decoded, _ in samples if decoded.quality is Quality.GOOD]
    if how == "median" and len(good) > len(samples) / 2:
        ranked = sorted(good, key=lambda decoded: decoded.value)
        return ranked[len(ranked) // 2], mono_ns
    if how == "sum" and len(samples) > 1:
        usable = [decoded for decoded, _ in samples if decoded.quality.usable]
        if not usable:
            return newest, mono_ns
        total = sum(decoded.value for decoded in usable)
        worst = max(decoded.quality for decoded in usable)
        if len(usable) < len(samples):
            worst = Quality.UNCERTAIN
        reason = "" if worst is Quality.GOOD else f"{len(good)} of {len(samples)} amounts are good"
        return Decoded(total, worst, reason), mono_ns
    return newest, mono_ns
