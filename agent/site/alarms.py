"""Builds alarms from their own levels or from models, and lookup tables. Parses no conditions itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from types import MappingProxyType
from typing import Any, cast

from rules.library import LIBRARY, BindErrors, bind, names
from rules.library.figures import lookup_table
from rules.library.modelfile import Model, ModelErrors, read_model
from rules.model import AlarmRule, LevelRule, LookupTable, Names, PointInfo

from .around import Around
from .document import Document
from .model import AlarmConfig, ModelUse, Plan, PointConfig
from .places import Path
from .problems import Problem, listed, nearest, shown
from .sections import AlarmTable, LookupTableTable
from .text import title_of
from .validate import checked, named


def point_infos(points: Mapping[str, PointConfig]) -> list[PointInfo]:
    """The site's points as rules see them, in the same order."""
    return [
        PointInfo(
            p.name, p.unit, p.stale_after_s, p.low, p.high, p.kind, p.states, p.wrap, p.reset, p.baseline
        )
        for p in points.values()
    ]  # fmt: skip


def read_tables(document: Document) -> dict[str, LookupTable]:
    """The site's lookup tables, those that are right."""
    tables = {}
    for name, raw in named(document, "table").items():
        path = ("table", name)
        if checked(document, LookupTableTable, raw, path) is None:
            continue
        found, problems = lookup_table(name, raw)
        for problem in problems:
            document.error((*path, *problem.path), problem.message, problem.hint)
        if found is not None:
            tables[name] = found
    return tables


def read_alarms(
    around: Around,
    plans: Mapping[str, Plan],
    points: Mapping[str, PointConfig],
    tables: Mapping[str, LookupTable],
    broken: Collection[str],
) -> list[AlarmConfig]:
    """Alarms that are right but for their conditions, which the rule set is built from.

    `broken` are names of devices that are wrong themselves, which is told already.
    """
    reader = _Alarms(around, plans, point_infos(points), tables, broken)
    alarms: list[AlarmConfig] = []
    for name, raw in named(around.document, "alarm").items():
        table = checked(around.document, AlarmTable, raw, ("alarm", name))
        if table is not None and (alarm := reader.alarm(name, table, len(alarms))) is not None:
            alarms.append(alarm)
    _warn_unused(around.document, tables, alarms)
    return alarms


def _warn_unused(document: Document, tables: Iterable[str], alarms: Iterable[AlarmConfig]) -> None:
    own = [rule for alarm in alarms if alarm.model is None for rule in alarm.rule.levels]
    for name in tables:
        if not any(name in rule.when or name in (rule.clear or "") for rule in own):
            document.warn(("table", name), "is used by no condition")


@dataclass(frozen=True, slots=True)
class _Alarms:
    """Reads alarms against what they may use."""

    around: Around
    plans: Mapping[str, Plan]
    points: Sequence[PointInfo]
    tables: Mapping[str, LookupTable]
    broken: Collection[str]

    def alarm(self, name: str, table: AlarmTable, index: int) -> AlarmConfig | None:
        document, path = self.around.document, ("alarm", name)
        self.around.check_zone(path, table.zone)
        use = None if table.model is None else self._use(path, table)
        rules = use.bound.levels if use else () if table.model else self._own_levels(path, table)
        levels = self.around.levels
        self._check_plan(path, table, [rule.level for rule in rules])
        known = {rule.level: rule for rule in rules if rule.level in levels}
        if not known:
            return None
        ordered = tuple(known[level] for level in levels if level in known)
        bound = use.bound if use else None
        rule = AlarmRule(
            name,
            ordered,
            table.on_missing or (bound.on_missing if bound else "hold"),
            table.latch if table.latch is not None else bound is not None and bound.latch,
            bound.names if bound else Names(tables=self.tables),
        )
        model = use.model if use else None
        hazard = table.hazard or (model.hazard if model else "") or table.plan or name
        title = title_of(document, path, table.title, name, self.around.languages)
        if model and not table.title:
            title = _title(model, self.around.languages)
        bursts = {level: own.burst for level, own in table.level.items()}
        burst = {rule.level: s for rule in ordered if (s := bursts.get(rule.level) or table.burst) is not None}
        return AlarmConfig(
            name, title, table.zone, hazard, table.plan, table.shadow, rule, index, use, MappingProxyType(burst)
        )  # fmt: skip

    def _own_levels(self, path: Path, table: AlarmTable) -> list[LevelRule]:
        document = self.around.document
        for key in ("inputs", "parameters", "levels"):
            if getattr(table, key):
                document.error((*path, key), f"got {key} without a model, expected a model beside them")
        if not table.level:
            got = "a table" if "level" in document.data["alarm"][path[1]] else "nothing"
            document.error((*path, "level"), f"got {got}, expected at least one level, or a model")
        for level in table.level:
            self._check_level((*path, "level", level), level)
        return [LevelRule(name, own.when, own.for_, own.clear, own.clear_for) for name, own in table.level.items()]

    def _check_level(self, path: Path, level: str) -> None:
        if level not in self.around.levels:
            message = f"got an unknown level, expected one of {', '.join(self.around.levels)}"
            self.around.document.error(path, message, nearest(level, self.around.levels))

    def _use(self, path: Path, table: AlarmTable) -> ModelUse | None:
        """The model bound to this site's points; None where it can't be, which is told."""
        document = self.around.document
        if table.level:
            message = "got levels beside a model, expected one of them"
            document.error((*path, "level"), message, 'to leave levels of the model out, write levels = ["red"]')
        model = self._model(path, str(table.model))
        if model is None:
            return None
        used = [level.level for level in model.levels if table.levels is None or level.level in table.levels]
        missing = [level for level in used if level not in self.around.levels]
        if missing:
            message = (
                f"got the levels {listed(missing)} of {model.name}, expected some of {', '.join(self.around.levels)}"
            )
            document.error(
                (*path, "levels" if table.levels else "model"), message, "levels = [...] says which are used"
            )
        try:
            bound = bind(model, table.inputs, table.parameters, self.points, table.levels)
        except BindErrors as errors:
            for problem in errors.problems:
                if problem.about.partition(".")[0] not in self.broken:
                    document.error((*path, *problem.path), problem.message, problem.hint)
            return None
        if bound.unset:
            kept = ", ".join(f"{name} = {shown(bound.names.quantities[name])}" for name in bound.unset)
            message = f"keeps the model's {kept}, which the local authority must set"
            document.warn((*path, "parameters" if table.parameters else "model"), message)
        inputs = {name: tuple(to) if isinstance(to, list) else to for name, to in table.inputs.items()}
        levels = tuple(table.levels) if table.levels is not None else None
        return ModelUse(model, MappingProxyType(inputs), MappingProxyType(dict(table.parameters)), levels, bound)

    def _model(self, path: Path, name: str) -> Model | None:
        """The model of that name or file; None where there is none or it is wrong, which is told once."""
        document = self.around.document
        own = name.endswith(".toml")
        if not own and name not in names():
            known = names()
            message = f"got {shown(name)}, expected a model of the library, or a file whose name ends in .toml"
            document.error((*path, "model"), message, nearest(name, known) or f"the library has {', '.join(known)}")
            return None
        if File(name).is_absolute():
            document.warn((*path, "model"), "has an absolute path: the kept copy of this site will not have it")
        file = document.file(path).parent / name if own else LIBRARY / f"{name}.toml"
        found: dict[tuple[str, str], Any] = self.around.found
        if ("model", str(file)) not in found:
            found["model", str(file)] = self._read(path, name, file)
        return cast("Model | None", found["model", str(file)])

    def _read(self, path: Path, name: str, file: File) -> Model | None:
        document = self.around.document
        try:
            return read_model(file, document.read_model(file))
        except ModelErrors as errors:
            for problem in errors.problems:
                hint = "; ".join(part for part in (problem.hint, bound_by(document, path)) if part)
                if errors.line is None:
                    document.error(problem.path, problem.message, hint, file=file)
                else:
                    document.errors.append(Problem(file, errors.line, None, "", problem.message, hint))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            document.error((*path, "model"), f"got {shown(name)}, which can't be read: {reason}")
        return None

    def _check_plan(self, path: Path, table: AlarmTable, used: Iterable[str]) -> None:
        document = self.around.document
        if table.plan is None:
            if not table.shadow:
                document.warn(path, "has no plan: it is recorded and reported, and nobody near hears it")
            return
        plan = self.plans.get(table.plan)
        if plan is None:
            known = list(document.collection("plan") or {})
            if table.plan not in known:
                message = f"got {shown(table.plan)}, expected one of the plans: {listed(known)}"
                document.error((*path, "plan"), message, nearest(table.plan, known))
            return
        levels = self.around.levels
        for level in used:
            below = levels[: levels.index(level) + 1] if level in levels else levels
            if not any(plan.levels.get(name) for name in below) and not document.errors:
                at = (*path, "model") if table.model else (*path, "level", level)
                document.warn(at, f"plan {plan.name} does nothing at {level} nor at a lower level")


def bound_by(document: Document, path: Path) -> str:
    """The clause that says which alarm a model's mistake was found for."""
    return f"bound by {path[0]}.{path[1]} at {document.place(path)}"


def _title(model: Model, languages: Iterable[str]) -> Mapping[str, str]:
    """The model's title in each language of the site, in English where it has no other."""
    other = model.title.get("en") or next(iter(model.title.values()))
    return MappingProxyType({language: model.title.get(language, other) for language in languages})
