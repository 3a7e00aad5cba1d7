"""Owns the plot of `--vary` in the report, as inline SVG in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from agent.backtest.outcome import Outcome, Row

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP = 720, 96, 56, 16, 24


def vary_plot(outcome: Outcome) -> str:
    """One setpoint: a panel for each figure over its values. Several: false alarms against misses."""
    rows = [row for row in outcome.rows if row.values is not None and not row.problem]
    if outcome.varied is None or not rows:
        return ""
    if len(outcome.varied.variations) == 1 or outcome.events is None:
        return _panels(rows, ", ".join(variation.key for variation in outcome.varied.variations))
    return _trade(rows)


def _panels(rows: Sequence[Row], key: str) -> str:
    scores = [row.score for row in rows]
    panels: list[tuple[str, str, list[float | None]]] = [
        ("count", "times 次数", [float(row.activations) for row in rows])
    ]
    if all(score is not None for score in scores):
        leads = [score.median_lead_s if score else None for score in scores]
        panels = [
            ("false", "false alarms 误报", [float(score.false_alarms) for score in scores if score]),
            ("missed", "missed 漏报", [float(score.misses) for score in scores if score]),
            ("lead", "median lead 提前量, min", [None if lead is None else lead / 60 for lead in leads]),
        ]
    labels = [", ".join(row.values or ()) for row in rows]
    height = len(panels) * (_PANEL + _TOP) + 30
    parts = [_panel(k * (_PANEL + _TOP), *panel) for k, panel in enumerate(panels)]
    every = max(1, -(-len(labels) // 8))
    bottom = height - 14
    for k, label in enumerate(labels):
        if k % every == 0:
            parts.append(f'<text x="{_x(k, len(labels)):.1f}" y="{bottom}" text-anchor="middle">{escape(label)}</text>')
    return _svg(height, parts, key)


def _x(place: int, count: int) -> float:
    return _LEFT + 12 + (place / max(count - 1, 1)) * (_WIDTH - _LEFT - _RIGHT - 40)


def _panel(top: int, style: str, name: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    high = high if high > low else low + 1.0
    bottom = top + _TOP + _PANEL - 14

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (_PANEL - 24)

    parts = [f'<text class="name" x="{_LEFT}" y="{top + 14}">{name}</text>']
    for value in dict.fromkeys((low, 0.0, high)):
        parts.append(
            f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    line: list[str] = []
    for k, number in enumerate([*values, None]):
        if number is not None:
            line.append(f"{_x(k, len(values)):.1f},{y(number):.1f}")
            parts.append(
                f'<circle class="{style}" cx="{_x(k, len(values)):.1f}" cy="{y(number):.1f}" r="3">'
                f"<title>{number:.4g}</title></circle>"
            )
        elif line:
            parts.append(f'<polyline class="{style}" points="{" ".join(line)}"/>')
            line = []
    return "".join(parts)


def _trade(rows: Sequence[Row]) -> str:
    """Each combination as a dot; those that no other one beats in both are named."""
    found = [(row.score.false_alarms, row.score.misses, ", ".join(row.values or ())) for row in rows if row.score]
    height, bottom, top = 320, 270, 20
    most_false, most_missed = max(1, *(false for false, _, _ in found)), max(1, *(missed for _, missed, _ in found))

    def place(false: int, missed: int) -> tuple[float, float]:
        width = _WIDTH - _LEFT - _RIGHT - 150
        return _LEFT + false / most_false * width, bottom - missed / most_missed * (bottom - top)

    best = frontier([(false, missed) for false, missed, _ in found])
    parts = [
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>',
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="{top}" y2="{bottom}"/>',
        f'<text x="{_WIDTH - _RIGHT}" y="{bottom + 34}" text-anchor="end">false alarms 误报 →</text>',
        f'<text x="{_LEFT - 44}" y="{top - 8}">missed 漏报 ↑</text>',
        f'<text x="{_LEFT}" y="{bottom + 16}" text-anchor="middle">0</text>',
        f'<text x="{place(most_false, 0)[0]:.1f}" y="{bottom + 16}" text-anchor="middle">{most_false}</text>',
        f'<text x="{_LEFT - 8}" y="{top + 4}" text-anchor="end">{most_missed}</text>',
    ]
    named: set[tuple[int, int]] = set()
    for false, missed, label in found:
        x, y = place(false, missed)
        good = (false, missed) in best
        parts.append(
            f'<circle class="{"lead" if good else "missed"}" cx="{x:.1f}" cy="{y:.1f}" r="{5 if good else 3}" '
            f'fill-opacity="{1 if good else 0.45}"><title>{escape(label)}: {false} / {missed}</title></circle>'
        )
        if good and (false, missed) not in named:
            named.add((false, missed))
            parts.append(f'<text x="{x + 9:.1f}" y="{y - 7:.1f}">{escape(label)}</text>')
    return _svg(height, parts, "")


def frontier(figures: Sequence[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """Those that no other one beats: as few false alarms with fewer misses, or the other way round."""
    return frozenset(
        one
        for one in figures
        if not any(other != one and other[0] <= one[0] and other[1] <= one[1] for other in figures)
    )


def _svg(height: int, parts: Sequence[str], key: str) -> str:
    told = f'<text x="{_WIDTH - _RIGHT}" y="14" text-anchor="end">{escape(key)}</text>' if key else ""
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(key)}">{"".join(parts)}{told}</svg>'
