"""`make bench`: every bench of this folder as one table, and bench.json. See each for what it measures."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

BENCHES = ("path", "start", "judgement", "windows", "recorded", "backtest", "lines", "journal", "link")


def main(names: list[str]) -> int:
    """Run the named benches, or all. Exit code 1 when one could not run."""
    console, rows, failed = Console(), [], []
    for name in names or BENCHES:
        console.print(f"[dim]{name} ...[/]")
        try:
            rows += [{"bench": name, **row} for row in importlib.import_module(f"tests.bench.{name}").run()]
        except Exception:  # noqa: BLE001 - one bench that fails must not hide the others
            traceback.print_exc()
            failed.append(name)
    table = Table(box=None, header_style="dim")
    for column in ("bench", "what", "value", "unit", "target"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for row in rows:
        value = row["value"]
        shown = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        table.add_row(row["bench"], row["name"], shown, row["unit"], str(row.get("target", "")))
    console.print(table)
    Path("bench.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    if failed:
        console.print(f"[red]could not run: {', '.join(failed)}[/]")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
