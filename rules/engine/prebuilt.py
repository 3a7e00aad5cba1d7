"""The library laid out for compiling it ahead, at install, so that a site that uses only its models compiles nothing.

A shape does not depend on a site's figures or points, but on the kind of an amount (counters are added up, intensities
integrated) and on whether an input that takes many has none, one, or several of them; a site that binds a point in
another unit than the model's may have a shape of its own, and compiles that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from rules.engine.build import BuildResult, kernels_for
from rules.engine.shapes import MANY, Plan
from rules.engine.tables import Tables, lay_out
from rules.language import parse
from rules.language.tree import Node
from rules.library import bind, load_model, own_inputs, own_points
from rules.library.modelfile import Model
from rules.model import AlarmRule, PointInfo

AT_ONCE = 8  # models compiled by one process: all of them would take half a gigabyte
_INTERVAL_S = 60.0


def prebuild(
    cache_dir: Path, models: Sequence[str], progress: Callable[[int, float], None] = lambda *_: None
) -> BuildResult:
    """Compile models ahead, waiting for it; `progress` is told how many are done, and the seconds of the present ones.

    Gives the last result: the first one that did not come about, if any.
    """
    for done in range(0, len(models), AT_ONCE):
        tables = library_tables(models[done : done + AT_ONCE])
        result = kernels_for(tables, cache_dir, partial(progress, done))
        if result.state != "ready":
            break
    return result


def library_tables(models: Iterable[str]) -> Tables:
    """These models of the library, bound in every way that gives another shape. Raises ModelErrors."""
    points: list[PointInfo] = []
    alarms: list[AlarmRule] = []
    for name in models:
        model = load_model(name)
        for number, own in enumerate(_bindings(model)):
            renamed = {point.name: f"{name}-{number}.{point.name}" for point in own}
            mine = [replace(point, name=renamed[point.name]) for point in own]
            counts = {key: sum(point.name.startswith(f"{key}.") for point in own) for key in model.inputs}
            inputs = {
                key: [renamed[one] for one in given] if isinstance(given, list) else renamed[str(given)]
                for key, given in own_inputs(model, counts).items()
            }
            bound = bind(model, inputs, _figures(model), mine)
            points += mine
            alarms.append(AlarmRule(f"{name}-{number}", bound.levels, bound.on_missing, bound.latch, bound.names))
    return lay_out(Plan(tuple(points)), alarms, [_trees(alarm, points) for alarm in alarms])


def _trees(alarm: AlarmRule, points: Sequence[PointInfo]) -> list[tuple[Node, Node | None]]:
    """Each level's conditions (when, clear)."""
    found = []
    for level in alarm.levels:
        clear = None if level.clear is None else parse(level.clear, points, alarm.names)
        found.append((parse(level.when, points, alarm.names), clear))
    return found


def _bindings(model: Model) -> Iterator[list[PointInfo]]:
    """Points of a model's own for every number of points and every kind of amount that makes a difference."""
    inputs = model.inputs.items()
    many = {name: range(wanted.least, max(MANY, wanted.least) + 1) for name, wanted in inputs if wanted.many}
    amounts = [name for name, wanted in inputs if "intensity" in wanted.kinds and "gauge" not in wanted.kinds]
    for counts in product(*many.values()):
        own = own_points(model, _INTERVAL_S, dict(zip(many, counts, strict=True)))
        for integrated in product((False, True), repeat=len(amounts)):
            kinds = dict(zip(amounts, integrated, strict=True))
            yield [_of_kind(point, kinds.get(point.name.partition(".")[0])) for point in own]


def _of_kind(point: PointInfo, integrated: bool | None) -> PointInfo:
    """As it is where the kind makes no difference; otherwise an intensity, or not one."""
    if integrated is None:
        return point
    if integrated:
        return replace(point, kind="intensity", unit=f"{point.unit}/h")
    return replace(point, kind="counter") if point.kind == "intensity" else point


def _figures(model: Model) -> dict[str, object]:
    """Figures for parameters without a default: any will do."""
    figures: dict[str, object] = {}
    for name, parameter in model.parameters.items():
        if parameter.default is None:
            bounds = [bound for bound in (parameter.low, parameter.high) if bound is not None]
            figures[name] = f"{bounds[0] if bounds else 1.0:g} {parameter.unit}".strip()
    return figures
