"""From the last byte of a reading on its line to the first byte of the siren's write on its own line."""

from __future__ import annotations

import statistics
from typing import Any

from tests.system.stage import CONDITIONS, delays_under, possible


def run() -> list[dict[str, Any]]:
    """Rows of the bench: median and 99th percentile under every condition."""
    rows: list[dict[str, Any]] = []
    for name in CONDITIONS:
        if missing := possible(name):
            rows.append({"name": f"byte -> siren write, {name}", "value": None, "unit": missing, "target": ""})
            continue
        delays_ms = sorted(1000 * delay for delay in delays_under(name, 100))
        p99 = delays_ms[len(delays_ms) * 99 // 100 - 1]
        what = f"byte -> siren write, {name}"
        rows += [
            {"name": f"{what}, p50", "value": statistics.median(delays_ms), "unit": "ms", "target": "<= 3"},
            {"name": f"{what}, p99", "value": p99, "unit": "ms", "target": "<= 20"},
        ]
    return rows
