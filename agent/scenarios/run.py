"""`tocsin test`: runs the cases of scenario files one after another and tells how they went. Exit codes 0, 1 and 2."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from agent.site.problems import ConfigErrors, Problem
from rules.cases import Case
from rules.library import names
from rules.scenario import Failure, Move, compare, run_case

from .load import ScenarioFile, library_files, load_scenarios
from .show import show_failure

OK, FAILED, BAD_INPUT = 0, 1, 2  # exit codes


@dataclass(frozen=True, slots=True)
class Result:
    """One case that was run."""

    file: Path
    line: int
    case: Case
    moves: Sequence[Move]
    failures: Sequence[Failure]
    lines: Sequence[int]  # of the expectations


def run_files(files: Sequence[Path], console: Console, errors: Console, *, json: bool) -> int:
    """Run the cases of `files`, or of the whole library when there are none; a library's model may go by its name.

    What failed goes to `console`, what could not be read to `errors`. Returns 0, 1 when a case failed, 2 when a file
    can't be used.
    """
    wanted = [_found(file) for file in files] or library_files()
    problems: list[Problem] = []
    loaded: list[ScenarioFile] = []
    results: list[Result] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("", total=None)
        for file in wanted:
            progress.update(task, description=f"reading {file.name}")
            try:
                loaded.append(load_scenarios(file))
            except ConfigErrors as wrong:
                problems += wrong.problems
        progress.update(task, total=sum(len(file.cases) for file in loaded))
        for result in _results(loaded):
            progress.update(task, advance=1, description=result.file.name)
            results.append(result)
    if json:
        console.file.write(json_text.dumps(_document(results, problems), ensure_ascii=False, indent=2) + "\n")
    else:
        for result in results:
            if result.failures:
                show_failure(result, console)
        for problem in problems:
            errors.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        console.print(_summary(results, len(loaded), problems), highlight=False, markup=False)
    failed = any(result.failures for result in results)
    return BAD_INPUT if problems else FAILED if failed else OK


def _found(file: Path) -> Path:
    """The file itself, or the library's model of that name."""
    if not file.exists() and str(file) in names():
        return next(path for path in library_files() if path.stem == str(file))
    return file


def _results(loaded: Sequence[ScenarioFile]) -> Iterator[Result]:
    for file in loaded:
        for case, line, lines in zip(file.cases, file.lines, file.expect_lines, strict=True):
            moves = run_case(case)
            yield Result(file.path, line, case, moves, compare(case, moves), lines)


def _summary(results: Sequence[Result], files: int, problems: Sequence[Problem]) -> str:
    failed = sum(bool(result.failures) for result in results)
    text = f"{_count(len(results), 'case')} in {_count(files, 'file')}"
    text += f": {failed} failed" if failed else ": all as expected" if results else ""
    if problems:
        bad = len({problem.file for problem in problems})
        text += f"; {_count(bad, 'file')} can't be used, {_count(len(problems), 'error')}"
    return text


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


# --- for machines -----------------------------------------------------------------------------------------------


def _document(results: Sequence[Result], problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "ok": not problems and not any(result.failures for result in results),
        "cases": [_case(result) for result in results],
        "errors": [
            {
                "file": str(p.file),
                "line": p.line,
                "column": p.column,
                "key": p.key,
                "message": p.message,
                "hint": p.hint,
            }
            for p in problems
        ],
    }


def _case(result: Result) -> dict[str, Any]:
    return {
        "file": str(result.file),
        "line": result.line,
        "name": result.case.name,
        "kind": result.case.kind,
        "ok": not result.failures,
        "moves": [move._asdict() for move in result.moves],
        "failures": [
            {"line": result.lines[f.number], "at_s": f.at_s, "expected": f.expected, "came": f.came}
            for f in result.failures
        ],
    }
