"""What a model of a hazard is, and how its file is read: all its mistakes at once. It binds and judges nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rules.library.figures import ModelProblem, lookup_table, measure, near, outside, shown
from rules.model import LookupTable, OnMissing
from rules.units import SECOND, UnitError, unit

KINDS = ("gauge", "counter", "increment", "running_total", "intensity")
MISSING = ("hold", "alarm", "clear")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = ("and", "or", "not", "coverage")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_WORD = re.compile(r"(?<![\w.])[^\W\d]\w*(?![\w.])")

Keys = tuple[str | int, ...]


class ModelErrors(ValueError):  # noqa: N818 - all of them at once
    """Everything wrong with a model's file. `line` is known only where it is no TOML."""

    def __init__(self, file: Path, problems: Sequence[ModelProblem], line: int | None = None) -> None:
        super().__init__("\n".join(f"{file}:{f'{line}:' if line else ''} {problem}" for problem in problems))
        self.file = file
        self.problems = tuple(problems)
        self.line = line


@dataclass(frozen=True, slots=True)
class Input:
    """What a model reads: any point of the unit's dimension and of one of the kinds may be bound."""

    name: str
    title: Mapping[str, str]
    unit: str
    kinds: tuple[str, ...] = KINDS
    many: bool = False  # any number of points, at least `least`
    least: int = 1
    states: tuple[str, ...] = ()  # words that the point must have
    low: float | None = None  # range of the points of its scenarios
    high: float | None = None
    wrap: float | None = None  # and where their counters start again


@dataclass(frozen=True, slots=True)
class Parameter:
    """A figure that a site may set. `low` and `high` are in `unit`, the texts as written."""

    name: str
    title: Mapping[str, str]
    unit: str
    default: str | None  # None: the site must give it
    low: float | None
    high: float | None
    authority: bool  # the local authority must set it: its default is only a beginning
    source: str  # of the default: a standard, or "example"


def names_in(text: str) -> frozenset[str]:
    """Names without a dot that a condition mentions; names of units and functions are among them."""
    return frozenset(_WORD.findall(_QUOTED.sub('""', text)))


@dataclass(frozen=True, slots=True)
class ModelLevel:
    """One level. `for_` and `clear_for` are durations or names of parameters."""

    level: str
    when: str
    for_: str
    clear: str | None
    clear_for: str

    def uses(self) -> frozenset[str]:
        """What `names_in` finds in its texts."""
        return frozenset().union(*map(names_in, (self.when, self.clear or "", self.for_, self.clear_for)))


@dataclass(frozen=True, slots=True)
class Model:
    """An alarm made once and used by many sites."""

    name: str
    file: Path
    title: Mapping[str, str]
    text: Mapping[str, str]
    hazard: str
    sources: tuple[str, ...]
    on_missing: OnMissing
    latch: bool
    inputs: Mapping[str, Input]
    parameters: Mapping[str, Parameter]
    tables: Mapping[str, LookupTable]
    levels: tuple[ModelLevel, ...]  # in the file's order, which is from lowest to highest
    cases: tuple[Mapping[str, Any], ...] = ()  # scenarios as written
    case_parameters: Mapping[str, Any] = field(default_factory=dict)  # of all its scenarios


def read_model(file: Path, content: bytes) -> Model:
    """The model of a file's content. Raises ModelErrors with everything that is wrong with it."""
    try:
        tree = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"got byte 0x{content[error.start]:02x}, expected UTF-8 text"
        raise ModelErrors(file, [ModelProblem((), message)], line) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        text, at = str(error), re.search(r"(?s) \(at line (\d+), column \d+\)$", str(error))
        text = text[: at.start()] if at else text
        line = int(at[1]) if at else content.count(b"\n") + 1
        raise ModelErrors(file, [ModelProblem((), f"not TOML: {text[:1].lower()}{text[1:]}")], line) from None
    problems: list[ModelProblem] = []
    model = _Reader(problems).model(file, tree)
    if problems:
        raise ModelErrors(file, problems)
    return model


class _Reader:
    """Walks a model's tree once and collects problems."""

    def __init__(self, problems: list[ModelProblem]) -> None:
        self.problems = problems

    def wrong(self, path: Keys, message: str, hint: str = "") -> None:
        self.problems.append(ModelProblem(path, message, hint))

    def model(self, file: Path, tree: dict[str, Any]) -> Model:
        known = ("model", "input", "parameter", "table", "level", "case", "parameters")
        self.known((), tree, known)
        head = self.table(("model",), tree.get("model"))
        there = bool(head)  # or told as a whole
        self.known(("model",), head, ("title", "text", "hazard", "sources", "on_missing", "latch"))
        inputs = {name: self.input(name, raw) for name, raw in self.named(tree, "input").items()}
        parameters = {name: self.parameter(name, raw) for name, raw in self.named(tree, "parameter").items()}
        tables = {}
        for name, raw in self.named(tree, "table").items():
            table, wrong = lookup_table(name, raw)
            self.problems += [ModelProblem(("table", name, *p.path), p.message, p.hint) for p in wrong]
            if table is not None:
                tables[name] = table
        levels = tuple(
            self.level(name, raw, parameters) for name, raw in self.table(("level",), tree.get("level")).items()
        )
        if not levels:
            self.wrong(("level",), "got none, expected at least one level")
        self.unique_and_used(tree, levels)
        cases = tree.get("case", [])
        if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
            self.wrong(("case",), f"got {shown(cases)}, expected tables [[case]]")
            cases = []
        return Model(
            name=file.stem,
            file=file,
            title=self.texts(("model", "title"), head.get("title", {}), needed=there),
            text=self.texts(("model", "text"), head.get("text", {}), needed=there),
            hazard=self.text(("model", "hazard"), head.get("hazard", None if there else "")) or "",
            sources=tuple(self.words(("model", "sources"), head.get("sources", []))),
            on_missing=cast("OnMissing", self.choice(("model", "on_missing"), head.get("on_missing", "hold"), MISSING)),
            latch=self.flag(("model", "latch"), head.get("latch", False)),
            inputs=inputs,
            parameters=parameters,
            tables=tables,
            levels=levels,
            cases=tuple(cases),
            case_parameters=self.table(("parameters",), tree.get("parameters", {})),
        )

    def input(self, name: str, raw: object) -> Input:
        path: Keys = ("input", name)
        table = self.table(path, raw)
        self.known(path, table, ("title", "unit", "kinds", "many", "least", "states", "low", "high", "wrap"))
        kinds = self.words((*path, "kinds"), table.get("kinds", list(KINDS)))
        for at, kind in enumerate(kinds):
            self.choice((*path, "kinds", at), kind, KINDS)
        many = self.flag((*path, "many"), table.get("many", False))
        least = table.get("least", 1)
        if not isinstance(least, int) or isinstance(least, bool) or least < 0:
            self.wrong((*path, "least"), f"got {shown(least)}, expected a whole number from 0 on")
        elif "least" in table and not many:
            self.wrong((*path, "least"), "got it for one point, expected many = true beside it")
        found = self.unit(path, table)
        limits = [self.measure((*path, key), table.get(key), found) for key in ("low", "high", "wrap")]
        states = self.words((*path, "states"), table.get("states", []))
        titles = self.texts((*path, "title"), table.get("title", {}), needed=False)
        return Input(name, titles, found, tuple(kinds), many, least, tuple(states), *limits)

    def parameter(self, name: str, raw: object) -> Parameter:
        path: Keys = ("parameter", name)
        table = self.table(path, raw)
        self.known(path, table, ("title", "unit", "default", "low", "high", "authority", "source"))
        found = self.unit(path, table)
        default = table.get("default")
        low, high, value = (self.measure((*path, key), table.get(key), found) for key in ("low", "high", "default"))
        if low is not None and high is not None and low > high:
            self.wrong((*path, "low"), f"got {shown(table['low'])}, expected at most {shown(table['high'])}")
        elif value is not None and (message := outside(default, value, low, high, found)):
            self.wrong((*path, "default"), message)
        return Parameter(
            name,
            self.texts((*path, "title"), table.get("title", {}), needed=False),
            found,
            None if default is None else str(default),
            low,
            high,
            self.flag((*path, "authority"), table.get("authority", False)),
            self.text((*path, "source"), table.get("source", "" if default is None else None)) or "",
        )

    def level(self, name: str, raw: object, parameters: Mapping[str, Parameter]) -> ModelLevel:
        path: Keys = ("level", name)
        table = self.table(path, raw)
        self.known(path, table, ("when", "for", "clear", "clear_for"))
        when = self.text((*path, "when"), table.get("when")) or ""
        clear = self.text((*path, "clear"), table["clear"]) if "clear" in table else None
        delays = [self.delay((*path, key), table.get(key, "0 s"), parameters) for key in ("for", "clear_for")]
        return ModelLevel(name, when, delays[0], clear, delays[1])

    def delay(self, path: Keys, value: object, parameters: Mapping[str, Parameter]) -> str:
        """A duration, or the name of a parameter that is one."""
        times = [name for name, p in parameters.items() if unit(p.unit).dimension == SECOND.dimension]
        if isinstance(value, str) and value in times:
            return value
        try:
            if measure(value, "s") >= 0:
                return str(value)
            hint = ""
        except ValueError:
            hint = near(value, times) if isinstance(value, str) else ""
        self.wrong(path, f'got {shown(value)}, expected a duration such as "10 min", or a parameter that is one', hint)
        return "0 s"

    def unique_and_used(self, tree: Mapping[str, Any], levels: Sequence[ModelLevel]) -> None:
        used: frozenset[str] = frozenset().union(*(level.uses() for level in levels))
        seen: dict[str, str] = {}
        for kind in ("input", "parameter", "table"):
            for name in tree.get(kind, {}) if isinstance(tree.get(kind), dict) else ():
                if name in seen:
                    self.wrong((kind, name), f"got the name of the {seen[name]} {name}, expected one of its own")
                elif name not in used:
                    self.wrong((kind, name), "is used by no level, expected it in a condition")
                seen.setdefault(name, kind)

    # --- kinds of values ----------------------------------------------------------------------------------------

    def known(self, path: Keys, table: Mapping[str, object], keys: Sequence[str]) -> None:
        for key in table:
            if key not in keys:
                expected = f"expected one of {', '.join(sorted(keys))}"
                self.wrong((*path, key), f"got an unknown key, {expected}", near(key, keys))

    def table(self, path: Keys, raw: object) -> dict[str, Any]:
        if isinstance(raw, dict):
            return raw
        self.wrong(path, f"got {'nothing' if raw is None else shown(raw)}, expected a table")
        return {}

    def named(self, tree: Mapping[str, object], kind: str) -> dict[str, Any]:
        tables = self.table((kind,), tree.get(kind, {}))
        for name in tables:
            if not _NAME.fullmatch(name) or name in _RESERVED:
                message = f"got {shown(name)} as a name, expected a letter, then letters, digits and _"
                self.wrong((kind, name), message)
        return tables

    def unit(self, path: Keys, table: Mapping[str, object]) -> str:
        text = table.get("unit")
        if not isinstance(text, str):
            got = "nothing" if text is None else shown(text)
            self.wrong((*path, "unit"), f'got {got}, expected a unit such as "m", or "" for a plain number')
            return ""
        try:
            unit(text)
        except UnitError as error:
            self.wrong((*path, "unit"), f"got {shown(text)}, expected a unit: {error.message}", error.hint)
            return ""
        return text

    def measure(self, path: Keys, value: object, found: str) -> float | None:
        try:
            return None if value is None else measure(value, found)
        except ValueError as error:
            self.wrong(path, str(error))
            return None

    def texts(self, path: Keys, raw: object, *, needed: bool = True) -> dict[str, str]:
        if isinstance(raw, dict) and (raw or not needed) and all(isinstance(text, str) for text in raw.values()):
            return raw
        got = shown(raw) if raw else "nothing"
        self.wrong(path, f'got {got}, expected a text by language, such as {{ zh = "...", en = "..." }}')
        return {}

    def text(self, path: Keys, raw: object) -> str | None:
        if isinstance(raw, str):
            return raw
        self.wrong(path, f"got {'nothing' if raw is None else shown(raw)}, expected text in quotes")
        return None

    def words(self, path: Keys, raw: object) -> list[str]:
        if isinstance(raw, list) and all(isinstance(word, str) for word in raw):
            return raw
        odd = next((word for word in raw if not isinstance(word, str)), raw) if isinstance(raw, list) else raw
        self.wrong(path, f"got {shown(odd)}, expected an array of texts and nothing else")
        return []

    def flag(self, path: Keys, raw: object) -> bool:
        if not isinstance(raw, bool):
            self.wrong(path, f"got {shown(raw)}, expected true or false")
        return raw is True

    def choice(self, path: Keys, raw: object, words: Sequence[str]) -> str:
        if raw not in words:
            expected = ", ".join(f'"{word}"' for word in words)
            self.wrong(path, f"got {shown(raw)}, expected one of {expected}", near(str(raw), words))
        return str(raw)
