"""Shows a case that failed: its series, what was expected, what came, why, and a picture. Fits 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from agent.plot import is_plain
from agent.screens import COLOURS
from rules.cases import Case
from rules.cases.expects import NORMAL, Active, Expect, Never
from rules.judge import Judge
from rules.scenario import Failure, levels_at, run_case, span

from .picture import picture
from .why import move_words, why, why_not

if TYPE_CHECKING:
    from .run import Result

NARROWEST, WIDTH, WIDEST = 40, 80, 100
_FAILURES, _MOVES, _WORDS, _ALARMS = 3, 6, 4, 2  # so many of each are shown

Explained = Mapping[tuple[float, str], Sequence[Mapping[str, Any]]]  # (time, alarm) -> its levels


def show_failure(result: Result, console: Console) -> None:
    """Everything that helps to see why a case failed."""
    plain = is_plain(console.encoding)
    for line in failure_lines(result, width=min(max(console.width, NARROWEST), WIDEST), plain=plain):
        text = Text(line.encode(console.encoding, "replace").decode(console.encoding))
        if line.startswith("FAILED"):
            text.stylize("bold red", 0, 6)
        for level, style in COLOURS.items():
            text.highlight_regex(rf"\b{level}\b", style)
        console.print(text, soft_wrap=True)


def failure_lines(result: Result, *, width: int = WIDTH, plain: bool = False) -> list[str]:
    """The same as lines of text, none wider than `width`, but for the first, which an editor may jump to."""
    case, shown = result.case, result.failures[:_FAILURES]
    names = list(dict.fromkeys(name for failure in shown for name in failure.alarms))[:_ALARMS]
    explained = _explained(case, names, [failure.at_s for failure in shown])
    lines = [f"every {span(case.interval_s)} for {span(case.end_s)}"]
    lines += [f"  {name}  {' '.join(text.split())}" for name, text in case.texts.items()]
    for failure in shown:
        lines += _failure(result, failure, explained)
    if len(result.failures) > len(shown):
        lines.append(f"and {len(result.failures) - len(shown)} more of its expectations failed")
    lines += _moves(result, names, explained)
    cut = [_cut(f"  {line}", width, plain) for line in lines]
    marks = [failure.at_s for failure in shown]
    return [
        f"FAILED {result.file}:{result.line}: {case.name}",
        *cut,
        *picture(case, result.moves, names, marks, width=width, plain=plain),
        "",
    ]


def _explained(case: Case, names: Sequence[str], times: Sequence[float]) -> Explained:
    """Run the case again, asking why at each move and where an expectation failed: the same comes, at more cost."""
    found: dict[tuple[float, str], Sequence[Mapping[str, Any]]] = {}
    numbers = {alarm.name: number for number, alarm in enumerate(case.ruleset.alarms) if alarm.name in names}

    def look(judge: Judge, at_s: float) -> None:
        if len(found) <= 40 or at_s in times:
            found.update({(at_s, name): judge.explain(number) for name, number in numbers.items()})

    run_case(case, times, look)
    return found


def _failure(result: Result, failure: Failure, explained: Explained) -> Iterator[str]:
    yield f"line {result.lines[failure.number]}, at {span(failure.at_s)}"
    yield f"  expected  {failure.expected}"
    yield f"  came      {failure.came}"
    for name in failure.alarms:
        levels = explained.get((failure.at_s, name))
        if levels is None:
            continue
        ranks = [NORMAL, *(level["level"] for level in levels)]
        came = ranks.index(levels_at(result.moves, failure.at_s).get(name, NORMAL))
        wanted = ranks.index(_wanted(failure.expect, name))
        if came == wanted == 0:
            continue
        missing = came < wanted or (not isinstance(failure.expect, Active | Never) and wanted > 0 and came == 0)
        level = levels[(wanted if missing else max(came, wanted)) - 1]
        told, *words = why_not(level) if missing else why(level)
        yield f"  why       {name} {level['level']}: {told}"
        yield from (f"            {text}" for text in words[:_WORDS])
        if len(words) > _WORDS:
            yield f"            and {len(words) - _WORDS} more"


def _wanted(expect: Expect, name: str) -> str:
    if isinstance(expect, Active):
        return expect.alarms.get(name, NORMAL)
    return NORMAL if isinstance(expect, Never) else expect.level


def _moves(result: Result, names: Sequence[str], explained: Explained) -> Iterator[str]:
    moves = [move for move in result.moves if move.alarm in names]
    if not moves:
        yield f"moves  none of {', '.join(names)}"
    wide = max((len(span(move.at_s)) for move in moves[:_MOVES]), default=0)
    for k, move in enumerate(moves[:_MOVES]):
        levels = explained.get((move.at_s, move.alarm))
        words = f"  {move_words(levels, move.previous, move.level)}" if levels else ""
        name = f"{move.alarm} " if len(names) > 1 else ""
        head = "moves" if k == 0 else "     "
        yield f"{head}  {span(move.at_s):<{wide}}  {name}{move.previous} -> {move.level}{words}"
    if len(moves) > _MOVES:
        yield f"       and {len(moves) - _MOVES} more"


def _cut(text: str, width: int, plain: bool) -> str:
    """A line that fits; a longer one shows its beginning."""
    more = "..." if plain else "…"
    return text if cell_len(text) <= width else chop_cells(text, width - len(more))[0] + more
