"""Shows a case that failed: its series, what was expected, what came, why, and a picture. Plain text of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from rules.scenario import span

if TYPE_CHECKING:
    from .run import Result


def show_failure(result: Result, console: Console) -> None:
    """Everything that helps to see why a case failed."""
    out = lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)  # noqa: E731
    out(f"FAILED {result.file}:{result.line}: {result.case.name}")
    for name, text in result.case.texts.items():
        out(f"  {name}  {' '.join(text.split())}")
    for f in result.failures:
        out(f"  line {result.lines[f.number]}: expected {f.expected}; at {span(f.at_s)} came {f.came}")
    for move in result.moves:
        out(f"  {span(move.at_s)}: {move.alarm} {move.previous} -> {move.level}")
