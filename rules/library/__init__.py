"""The library of models: finds them by name and binds one to a site's points and figures. Checks no conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rules.library.figures import ModelProblem, lookup_table, measure, near, outside, shown
from rules.library.modelfile import Input, Keys, Model, ModelErrors, ModelLevel, Parameter, read_model
from rules.model import LevelRule, Names, OnMissing, PointInfo
from rules.units import SECOND, Unit, UnitError, factors, unit

__all__ = [
    "BindErrors",
    "Bound",
    "Input",
    "Model",
    "ModelErrors",
    "ModelLevel",
    "ModelProblem",
    "Parameter",
    "bind",
    "load_model",
    "lookup_table",
    "names",
    "own_inputs",
    "own_points",
    "read_model",
]

LIBRARY = Path(__file__).parent


class BindErrors(ValueError):  # noqa: N818 - all of them at once
    """Everything wrong with a binding; paths of problems begin with "inputs", "parameters" or "levels"."""

    def __init__(self, problems: Sequence[ModelProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Bound:
    """A model with a site's points and figures: what an `AlarmRule` is made of."""

    levels: tuple[LevelRule, ...]
    names: Names
    on_missing: OnMissing
    latch: bool
    defaults: tuple[str, ...]  # parameters that keep the model's default
    unset: tuple[str, ...]  # those of them that the local authority must set


def names() -> list[str]:
    """Names of the models that come with the software."""
    return sorted(file.stem for file in LIBRARY.glob("*.toml"))


def load_model(name: str | Path) -> Model:
    """The model of that name, or of that file where it is a path or ends in ".toml". Raises ModelErrors."""
    own = isinstance(name, Path) or name.endswith(".toml")
    if not own and name not in names():
        known = names()
        message = f"got {shown(str(name))}, expected one of {', '.join(known) or 'none'}"
        raise ModelErrors(LIBRARY, [ModelProblem((), message, near(str(name), known) or "a file is given with .toml")])
    file = Path(name) if own else LIBRARY / f"{name}.toml"
    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ModelErrors(file, [ModelProblem((), f"the file can't be read: {reason}")]) from None
    return read_model(file, content)


def bind(
    model: Model,
    inputs: Mapping[str, object],
    parameters: Mapping[str, object],
    points: Iterable[PointInfo],
    levels: Sequence[str] | None = None,
) -> Bound:
    """The model's levels (all, or those named) over a site's points and figures.

    `inputs` gives each input a point's name, or a list of names where it takes many; `parameters` gives quantities.
    What only left-out levels use need not be given. Raises BindErrors with everything that is wrong.
    """
    problems: list[ModelProblem] = []
    chosen = _chosen(model, levels, problems)
    used: frozenset[str] = frozenset().union(*(level.uses() for level in chosen))
    for kind, given, known in (("inputs", inputs, model.inputs), ("parameters", parameters, model.parameters)):
        problems += [
            ModelProblem((kind, name), f"got an unknown name, expected {_one_of(known)}", near(name, known))
            for name in given
            if name not in known
        ]
    by_name = {point.name: point for point in points}
    bound = {}
    for name, wanted in model.inputs.items():
        if name in inputs or name in used:
            bound[name] = _bound_points(wanted, inputs.get(name), by_name, problems)
    quantities = {}
    for name, parameter in model.parameters.items():
        if name in parameters or name in used:
            quantities[name] = _quantity(parameter, parameters.get(name), problems)
    if problems:
        raise BindErrors(problems)
    many = frozenset(name for name in bound if model.inputs[name].many)
    defaults = tuple(name for name in quantities if name not in parameters)
    return Bound(
        tuple(
            LevelRule(
                level.level,
                level.when,
                measure(quantities.get(level.for_, level.for_), "s"),
                level.clear,
                measure(quantities.get(level.clear_for, level.clear_for), "s"),
            )
            for level in chosen
        ),
        Names(bound, many, quantities, model.tables),
        model.on_missing,
        model.latch,
        defaults,
        tuple(name for name in defaults if model.parameters[name].authority),
    )


def own_inputs(model: Model, counts: Mapping[str, int]) -> dict[str, object]:
    """Inputs of a model's own scenarios: points called by the input's name, "sensor.1" and so on where it takes many.

    `counts` says how many; default: as few as the input allows.
    """
    return {
        name: [f"{name}.{number + 1}" for number in range(counts.get(name, wanted.least))] if wanted.many else name
        for name, wanted in model.inputs.items()
    }


def own_points(model: Model, interval_s: float, counts: Mapping[str, int]) -> tuple[PointInfo, ...]:
    """The points of `own_inputs`, in the inputs' units; missing after three intervals, based on their first reading."""
    found = []
    for name, given in own_inputs(model, counts).items():
        wanted = model.inputs[name]
        kind = "gauge" if "gauge" in wanted.kinds else wanted.kinds[0]
        point = PointInfo(
            name, wanted.unit, 3.0 * interval_s, wanted.low, wanted.high, kind,
            {word: code for code, word in enumerate(wanted.states)}, wanted.wrap, baseline="first",
        )  # fmt: skip
        found += [replace(point, name=own) for own in given] if isinstance(given, list) else [point]
    return tuple(found)


def _chosen(model: Model, levels: Sequence[str] | None, problems: list[ModelProblem]) -> list[ModelLevel]:
    known = {level.level: level for level in model.levels}
    if levels is None:
        return list(model.levels)
    if not levels:
        problems.append(ModelProblem(("levels",), f"got none, expected {_one_of(known)}"))
    for at, level in enumerate(levels):
        if level not in known:
            message = f"got {shown(level)}, which {model.name} does not have, expected {_one_of(known)}"
            problems.append(ModelProblem(("levels", at), message, near(level, known)))
    return [level for level in model.levels if level.level in levels]


def _bound_points(
    wanted: Input, given: object, points: Mapping[str, PointInfo], problems: list[ModelProblem]
) -> tuple[str, ...]:
    path: Keys = ("inputs", wanted.name)
    if given is None:
        if not wanted.many or wanted.least:
            problems.append(ModelProblem(path, f"got nothing, expected {_wish(wanted)}"))
        return ()
    several = list(given) if isinstance(given, list | tuple) else [given]
    if isinstance(given, list | tuple) and not wanted.many:
        problems.append(ModelProblem(path, f"got an array, expected {_wish(wanted)}"))
        return ()
    if len(several) < wanted.least:
        problems.append(ModelProblem(path, f"got {len(several)} of them, expected {_wish(wanted)}"))
    for at, name in enumerate(several):
        place = path if given is name else (*path, at)
        point = points.get(name) if isinstance(name, str) else None
        if not isinstance(name, str):
            problems.append(ModelProblem(place, f"got {shown(name)}, expected {_wish(wanted, one=True)}"))
        elif point is None:
            fit = [other for other, candidate in points.items() if not _unfit(wanted, candidate)]
            message = f"got {shown(name)}, expected {_wish(wanted, one=True)}"
            problems.append(ModelProblem(place, message, near(name, fit) or near(name, points), name))
        elif name in several[:at]:
            problems.append(ModelProblem(place, f"got {shown(name)} twice, expected each point once"))
        elif message := _unfit(wanted, point):
            problems.append(ModelProblem(place, message))
    return tuple(str(name) for name in several)


def _unfit(wanted: Input, point: PointInfo) -> str:
    """In words, why a point can't be this input; empty when it can."""
    if point.kind not in wanted.kinds:
        return f"got {point.name}, which is of kind {point.kind}, expected one of {', '.join(wanted.kinds)}"
    if missing := [word for word in wanted.states if word not in point.states]:
        has = f"the states {', '.join(point.states)}" if point.states else "no states"
        return f"got {point.name}, which has {has}, expected {', '.join(missing)} among them"
    own, target = unit(point.unit), unit(wanted.unit)
    if point.kind == "intensity" and not _compare(own, target):  # increase() makes an amount of it
        own = own.times(SECOND, point.unit)
    if not _compare(own, target):
        return f"got {point.name} in {point.unit or 'no unit'}, expected {_wish(wanted, one=True)}"
    return ""


def _compare(own: Unit, target: Unit) -> bool:
    try:
        factors(own, target)
    except UnitError:
        return False
    return True


def _quantity(parameter: Parameter, given: object, problems: list[ModelProblem]) -> str:
    path: Keys = ("parameters", parameter.name)
    if given is None:
        if parameter.default is None:
            such = f" in {parameter.unit}" if parameter.unit else " without a unit"
            message = f"got nothing, expected a quantity{such}: the model has no default for it"
            problems.append(ModelProblem(path, message))
        return parameter.default or ""
    try:
        message = outside(given, measure(given, parameter.unit), parameter.low, parameter.high, parameter.unit)
    except ValueError as error:
        message = str(error)
    if message:
        problems.append(ModelProblem(path, message))
    return str(given)


def _wish(wanted: Input, *, one: bool = False) -> str:
    """What an input takes, or each of its points, in words."""
    several = wanted.many and wanted.least > 1 and not one
    count = f"at least {wanted.least} points" if several else "a point (device.point)"
    return f"{count} in {wanted.unit}" if wanted.unit else f"{count} without a unit"


def _one_of(names_: Iterable[str]) -> str:
    listed = ", ".join(names_)
    return f"one of {listed}" if listed else "none"
