"""Loads a scenario file: its cases, bound to the site or the model that they are about. It runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.site.document import Document
from agent.site.load import load_site
from agent.site.problems import ConfigErrors, Problem, listed, nearest, shown
from rules.cases import Case, read_cases
from rules.cases.casetables import CaseErrors
from rules.library import LIBRARY, Model, ModelErrors, load_model, names
from rules.ruleset import Ruleset

KEYS = ("rules", "parameters", "case")


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """The cases of one file, and where they and their expectations stand in it."""

    path: Path
    cases: tuple[Case, ...]
    lines: tuple[int, ...]  # of each case
    expect_lines: tuple[tuple[int, ...], ...]  # of each case's expectations


def library_files() -> list[Path]:
    """The models that come with the software, which carry their own cases."""
    return [LIBRARY / f"{name}.toml" for name in names()]


def load_scenarios(path: Path) -> ScenarioFile:
    """The cases of a scenario file, or of a model's own file. Raises ConfigErrors with everything that is wrong."""
    if not path.exists():
        near = nearest(str(path), [*names(), *(str(file) for file in path.parent.glob("*.toml"))])
        message = "got neither a file nor the name of a model of the library"
        raise ConfigErrors([Problem(path, 1, None, "", message, near)])
    document = Document(path)
    others: list[Problem] = []  # of the files that it is about
    rules = _model(document, path) if "model" in document.data else _rules(document, others)
    parameters = document.data.get("parameters", {})
    if rules is not None:
        if not isinstance(parameters, dict):
            document.error(("parameters",), f"got {shown(parameters)}, expected a table")
            parameters = {}
        elif isinstance(rules, Ruleset) and parameters:
            document.error(("parameters",), "got it for a site, expected it for a model only")
        cases = _cases(document, rules, parameters, others)
    if document.errors or others:
        raise ConfigErrors([*document.in_order(document.errors), *others])
    lines = [_line(document, ("case", k)) for k in range(len(cases))]
    expect_lines = [
        tuple(_line(document, ("case", k, "expect", n)) for n in range(len(case.expects)))
        for k, case in enumerate(cases)
    ]
    return ScenarioFile(path, cases, tuple(lines), tuple(expect_lines))


def _line(document: Document, path: tuple[str | int, ...]) -> int:
    return int(document.place(path).rpartition(":")[2])


def _cases(
    document: Document, rules: Model | Ruleset, parameters: dict[str, object], others: list[Problem]
) -> tuple[Case, ...]:
    try:
        return read_cases(document.data.get("case"), rules, parameters)
    except CaseErrors as errors:
        about = document
        if isinstance(rules, Model) and rules.file != document.path:
            about = Document(rules.file)
        for problem in errors.problems:
            where = about if problem.of_rules else document
            where.error(problem.path, problem.message, problem.hint, problem.column)
        if about is not document:
            others += about.in_order(about.errors)
        return ()


def _model(document: Document, name: str | Path) -> Model | None:
    """A model whose file is `document`."""
    try:
        return load_model(name)
    except ModelErrors as errors:
        for problem in errors.problems:
            document.error(problem.path, problem.message, problem.hint)
        return None


def _rules(document: Document, others: list[Problem]) -> Model | Ruleset | None:
    """What a scenario file is about: `rules` names a site file, a model's file, or a model of the library."""
    if "site" in document.data:
        hint = f"write a file of cases that names it: rules = {shown(document.path.name)}"
        document.error((), "got a site file, expected a file of cases or a model", hint)
        return None
    for key in document.data:
        if key not in KEYS:
            document.error((key,), f"got an unknown key, expected one of {listed(KEYS)}", nearest(key, KEYS))
    name = document.data.get("rules")
    wish = "a site file, a model's file or one of the library's models"
    if not isinstance(name, str):
        document.error(("rules",), f"got {'nothing' if name is None else shown(name)}, expected {wish}")
        return None
    if name in names():
        return load_model(name)
    path = document.path.parent / name
    if not path.is_file():
        near = nearest(name, [*names(), *(file.name for file in document.path.parent.glob("*.toml"))])
        document.error(("rules",), f"got {shown(name)}, expected {wish}", near)
        return None
    try:
        about = Document(path)
        model = _model(about, path) if "model" in about.data else None
        others += about.in_order(about.errors)
        return model if "model" in about.data else load_site(path).ruleset
    except ConfigErrors as errors:
        others += errors.problems
        return None
