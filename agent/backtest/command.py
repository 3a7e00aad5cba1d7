"""`tocsin backtest`: reads what it is given, has it judged once, shows and writes what came out."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from agent.backtest.document import document
from agent.backtest.judging import Extent, Judged, judge_all, stamp
from agent.backtest.outcome import Outcome, put_together
from agent.backtest.page import page
from agent.backtest.score import Terms
from agent.backtest.screen import show
from agent.backtest.vary import VaryError, extend, parse
from agent.history.history import open_history
from agent.history.labels import Label, read_labels
from agent.site.load import load_site
from agent.site.model import Site
from agent.site.problems import ConfigErrors, Problem, listed, nearest
from rules.engine.build import BuildResult, kernels_for
from rules.ruleset import Ruleset

OK, FAILED, BAD_INPUT = 0, 1, 2  # exit codes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, as the command line has it."""

    site: Path
    history: tuple[Path, ...]
    cache: Path  # compiled rules
    json: str | None = None  # a path, or "-" for stdout
    margin_s: float = 0.0
    tolerance_s: float = 0.0
    jit: bool = True
    mapping: Path | None = None
    labels: Path | None = None
    report: Path | None = None
    vary: tuple[str, ...] = ()
    start: str | None = None  # ISO 8601, without an offset in the site's zone
    end: str | None = None


class OptionError(ValueError):
    """What is wrong with an option, in words."""


Tell = Callable[[str], None]


def backtest(request: Request) -> int:
    """Returns 0, 1 when a file could not be written, 2 when something given can't be used; says why on stderr."""
    try:
        outcome = run(request, Console(stderr=True))
    except (ConfigErrors, OptionError, VaryError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    show(outcome, Console(stderr=request.json == "-"))
    return _write(request, outcome)


def run(request: Request, console: Console) -> Outcome:
    """Read, judge once, put together; progress goes to `console`.

    Raises ConfigErrors for the site, the mapping, the recordings and the labels; OptionError, VaryError for options.
    """
    if not request.history and request.mapping is None:
        raise OptionError("--history: got nothing, expected recordings, or a --mapping that names them")
    site = load_site(request.site)
    zone = ZoneInfo(site.timezone)
    varied = extend(site, parse(request.vary, site.ruleset.alarms)) if request.vary else None
    extent = Extent(_time("--from", request.start, zone, -math.inf), _time("--to", request.end, zone, math.inf))
    history = open_history(request.history, site.ruleset.points, mapping=request.mapping, zone=zone)
    labels = None if request.labels is None else read_labels(request.labels, zone=zone, mapping=request.mapping)
    if request.labels is not None:
        _check_labels(site, request.labels, labels or ())
    ruleset = varied.ruleset if varied else site.ruleset
    with _progress(console) as tell:
        built = _build(ruleset, request, tell)
        judged = judge_all(
            ruleset,
            len(site.alarms),
            history.stretches(),
            zone,
            kernels=built.kernels if built else None,
            extent=extent,
            told=lambda judged: tell(_how_far(judged, zone)),
        )
    if built is not None and built.kernels is None:
        console.print(f"judged with plain Python, which is slower: {built.reason}", style="yellow", markup=False)
    counts = history.counts.as_json()
    terms = Terms(request.margin_s, request.tolerance_s)
    name = "jit" if built and built.kernels else "twin"
    return put_together(
        site,
        zone,
        judged,
        judged_with=name,
        points=counts["points"],
        files=counts["files"],
        notes=counts["notes"],
        labels=labels,
        terms=terms,
        varied=varied,
    )


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Tell]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading")
        yield lambda text: progress.update(task, description=text)


def _build(ruleset: Ruleset, request: Request, tell: Tell) -> BuildResult | None:
    """The compiled rules, None where they are not wanted."""
    if not request.jit:
        return None
    return kernels_for(ruleset.tables, request.cache, lambda _: tell("compiling the rules, once for these shapes"))


def _how_far(judged: Judged, zone: tzinfo) -> str:
    day = (stamp(judged.last_s, zone) or "")[:10] if judged.last_s is not None else ""
    return f"judging {day}, {judged.readings:,} readings, {judged.moves:,} moves"


def _time(option: str, text: str | None, zone: tzinfo, otherwise: float) -> float:
    """Seconds since 1970-01-01 UTC of an ISO 8601 time. Raises OptionError."""
    if text is None:
        return otherwise
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        expected = "a time such as 2024-05-06 or 2024-05-06T07:08+08:00"
        raise OptionError(f'{option}: got "{text}", expected {expected}') from None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()


def _check_labels(site: Site, path: Path, labels: Sequence[Label]) -> None:
    """Labels ask for alarms and hazards that the site has. Raises ConfigErrors with all that do not."""
    problems = []
    hazards = {alarm.hazard for alarm in site.alarms.values()}
    for label in labels:
        for key, got, known in (("alarm", label.alarm, set(site.alarms)), ("hazard", label.hazard, hazards)):
            if got is not None and got not in known:
                message = f'got "{got}", expected one of the site: {listed(known)}'
                problems.append(Problem(path, label.line, None, key, message, nearest(got, known)))
    if problems:
        raise ConfigErrors(problems)


def _write(request: Request, outcome: Outcome) -> int:
    """The files that were asked for. Returns an exit code."""
    failed = []
    if request.report is not None:
        failed += _save(request.report, [page(outcome)])
    if request.json == "-":
        sys.stdout.writelines(document(outcome))
    elif request.json is not None:
        failed += _save(Path(request.json), document(outcome))
    for problem in failed:
        sys.stderr.write(f"{problem}\n")
    return FAILED if failed else OK


def _save(path: Path, pieces: Iterable[str]) -> list[str]:
    """Write a file whole or not at all; what went wrong."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        return [f"{path}: not written: {error.strerror}"]
    return []
