"""Turns tables of the site file into checked sections, and pydantic's complaints into words of the site file."""

from __future__ import annotations

import copy
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .document import Document
from .places import Path
from .problems import listed, nearest, shown

Model = TypeVar("Model", bound=BaseModel)

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "list_type": "an array",
    "tuple_type": "an array",
    "too_short": "at least one",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "finite_number": "a finite number",
}
_OTHER_ORDER = re.compile(r"(.*) is expected(.*); got .*")  # as drivers.api words it
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def checked(
    document: Document, model: type[Model], raw: object, path: Path, others: Mapping[str, Iterable[str]] | None = None
) -> Model | None:
    """`raw`, the table at `path`, as a section; what is wrong with it is told.

    Keys that are wrong are then left out, so that one mistake does not hide the next: any error refuses the site, so
    their defaults never run. None where nothing can be made of the rest. `others` are keys that may stand beside the
    model's though it does not have them: "" those of this table, else those of the tables below that key.
    """
    if not isinstance(raw, Mapping):
        document.error(path, f"got {shown(raw)}, expected a table")
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as errors:
        rest = copy.deepcopy(dict(raw))
        for error in errors.errors(include_url=False):
            location = tuple(part for part in error["loc"] if part != "[key]")
            message, hint = _explained(error, model, location, others or {})
            document.error((*path, *location), message, hint)
            _leave_out(rest, location[:-1] if error["type"] == "missing" else location)
    try:
        return model.model_validate(rest)
    except ValidationError:
        return None


def _leave_out(table: dict[str, Any], path: Path) -> None:
    """Take the key at `path` out; elements of arrays keep their numbers, so a wrong one takes its array with it."""
    held: Any = table
    keys: list[tuple[dict[str, Any], str]] = []  # the tables on the way, with the key that was followed
    for part in path:
        if isinstance(held, dict) and isinstance(part, str):
            keys.append((held, part))
            held = held.get(part)
        elif isinstance(held, list) and isinstance(part, int) and part < len(held):
            held = held[part]
    if keys:
        keys[-1][0].pop(keys[-1][1], None)


def named(document: Document, kind: str) -> dict[str, Any]:
    """The tables of a collection by name, those with an impossible name left out and told."""
    tables = document.collection(kind)
    if tables is None:
        document.error((kind,), f"got {shown(document.data[kind])}, expected tables [{kind}.NAME]")
        return {}
    found = {}
    for name, table in tables.items():
        if NAME.fullmatch(name):
            found[name] = table
        else:
            message = f"got {shown(name)} as a name, expected a letter, then letters, digits, - and _"
            document.error((kind, name), message)
    return found


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys a table may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _explained(
    error: ErrorDetails, model: type[BaseModel], path: Path, others: Mapping[str, Iterable[str]]
) -> tuple[str, str]:
    kind, got, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        table = model_at(model, path[:-1])
        keys = [*(keys_of(table) if table else ()), *others.get("" if len(path) == 1 else str(path[0]), ())]
        return f"got an unknown key, expected one of {listed(keys)}", nearest(str(path[-1]), keys)
    if kind == "missing":
        return f"got nothing, expected {_meaning(model, path)}", ""
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        hint = nearest(got, allowed) if isinstance(got, str) else ""
        return f"got {shown(got)}, expected {context['expected'].replace(chr(39), chr(34))}", hint
    if kind == "value_error":
        return _sentence(str(context["error"]), got)
    if kind in _EXPECTED:
        return f"got {shown(got)}, expected {_EXPECTED[kind]}", ""
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"got {shown(got)}, expected {words} {context[bound]}", ""
    if kind == "string_pattern_mismatch":
        return f"got {shown(got)}, expected {_meaning(model, path)}", ""
    return f"got {shown(got)}: {error['msg'][:1].lower()}{error['msg'][1:]}", ""


def _sentence(text: str, got: object) -> tuple[str, str]:
    """A validator's own words, in the order in which they are told here; a question at their end is the hint."""
    told, _, hint = text.rpartition("; did you mean ")
    if told:
        return told, f"did you mean {hint}"
    if found := _OTHER_ORDER.fullmatch(text):
        return f"got {shown(got)}, expected {found[1]}{found[2]}", ""
    return (text if "got " in text else f"got {shown(got)}: {text}"), ""


def _meaning(model: type[BaseModel], path: Path) -> str:
    table = model_at(model, path[:-1])
    for name, field in table.model_fields.items() if table else ():
        if path[-1] in (name, field.alias) and field.description:
            text = field.description.rstrip(".")
            return text[:1].lower() + text[1:] if not text[:2].isupper() else text
    return "a value"


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The section that holds the keys at `path`."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {field.alias or name: field for name, field in current.model_fields.items()}
            if part not in fields:
                return None
            current = fields[str(part)].annotation
        else:
            current = (typing.get_args(current) or (None,))[-1]
        current = _bare(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _bare(annotation: Any) -> Any:
    """Without `| None` and without `Annotated`."""
    while True:
        arguments = typing.get_args(annotation)
        if typing.get_origin(annotation) is typing.Annotated or type(None) in arguments:
            annotation = next(argument for argument in arguments if argument is not type(None))
        else:
            return annotation
