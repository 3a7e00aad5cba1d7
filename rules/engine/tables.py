"""A plan's tables, empty state and generated source, which together are all that the kernel needs."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rules.engine import agenda, asked, families, kernel, memories, reads, trends, windows
from rules.engine.dispatch import register
from rules.engine.families import FAMILIES, NO_RING
from rules.engine.links import lay_links
from rules.engine.shapes import Lifted, Plan, ages, used_points, used_windows
from rules.language.tree import Node, Window
from rules.model import AlarmRule, PointInfo

ENGINE = 2  # counts up when the same rules would judge differently
KINDS = {
    "counter": windows.COUNTER,
    "increment": windows.INCREMENT,
    "running_total": windows.RUNNING_TOTAL,
    "intensity": windows.INTENSITY,
}
ON_MISSING = {"hold": kernel.HOLD, "alarm": kernel.ALARM, "clear": kernel.CLEAR}
_MARK = "# --- copied into the generated module from here on"


@dataclass(slots=True)
class Tables:
    """The constant tables, and the empty state that goes with them."""

    tab: list[int]
    par: list[float]
    num: list[float]
    ints: list[int]
    shapes: dict[int, str]  # by number, the bodies of the generated functions
    places: list[int]  # where in `tab` their numbers stand


def adopt(tables: Tables) -> None:
    """Make shapes of tables that were laid out by another process known to this one's twin."""
    for body in tables.shapes.values():
        register(body, _NAMES)


def lay_out(plan: Plan, alarms: Sequence[AlarmRule], levels: Sequence[Sequence[tuple[Node, Node | None]]]) -> Tables:
    """Tables for the kernel: alarms' levels as trees (when, clear) in the order of `alarms`."""
    numbers = [
        [(plan.condition(when), -1 if clear is None else plan.condition(clear)) for when, clear in pairs]
        for pairs in levels
    ]
    num_head = [windows.NAN, 0.0, 0.0]  # windows.LOCAL_OFFSET, RESULT
    tables = Tables([0] * windows.HEADER, [p.stale_after_s for p in plan.points], num_head, [0] * kernel.G_SIZE, {}, [])
    tab, num, ints = tables.tab, tables.num, tables.ints
    numbers_of = {body: register(body, _NAMES) for body in plan.shapes}
    tables.shapes = {number: body for body, number in numbers_of.items()}
    counts = (len(plan.points), len(plan.windows), len(alarms))
    tab[windows.H_POINT_COUNT], tab[windows.H_WINDOW_COUNT], tab[windows.H_ALARM_COUNT] = counts
    tab[windows.H_POINTS] = len(num)
    for point in plan.points:
        num.extend([windows.NAN, windows.NAN, 0.0, 0.0, 0.0, -1.0, declared_baseline(point), windows.INF, windows.INF])
    tallies: list[int] = []
    for numbers_of_parts in plan.tallies:
        tallies.append(len(tab))
        tab.extend([len(numbers_of_parts), *numbers_of_parts])
    _lay_windows(plan, tables, tallies, numbers_of)
    for header, rows in ((windows.H_CONDITIONS, plan.conditions), (windows.H_PARTS, plan.parts)):
        tab[header] = len(tab)
        tab.extend([0] * len(rows))
        for c, lifted in enumerate(rows):
            tab[tab[header] + c] = len(tab)
            tables.places.append(len(tab))
            tab.extend([numbers_of[lifted.shape], len(tables.par), *_columns(tab, lifted, tallies)])
            tables.par.extend(lifted.constants)
    _lay_alarms(tables, alarms, levels, numbers)
    lay_links(plan, tables.tab, tables.par, tables.ints, levels)
    tab[windows.H_BOUNDS] = len(num)
    num.extend([windows.INF] * len(counts))
    for group, count in enumerate(counts):
        tab[windows.H_DUES + group] = len(num)
        num.extend([windows.INF] * count)
    tab[windows.H_INBOX_VALUES], tab[windows.H_INBOX] = len(num), len(ints)
    num.extend([0.0] * max(counts[0], 1))
    ints.extend([0] * (2 * max(counts[0], 1)))
    for header, count in ((windows.H_WINDOW_LIST, counts[1]), (windows.H_ALARM_LIST, counts[2])):
        tab[header] = len(ints)
        ints.extend([0] * (2 * count))
    tab[windows.H_OUT], tab[windows.H_OUT_SIZE] = len(ints), counts[2]
    ints.extend([0] * (3 * (2 * counts[2] + 2)))
    return tables


def declared_baseline(point: PointInfo) -> float:
    """What a point's baseline is before it is re-zeroed: NaN none, inf its first reading."""
    if point.baseline is None:
        return windows.NAN
    return windows.INF if point.baseline == "first" else float(point.baseline)


def _columns(tab: Sequence[int], lifted: Lifted, tallies: Sequence[int]) -> list[int]:
    """Points as places in the state, windows as rows, tallies as places of their lists."""
    places: Mapping[str, Callable[[int], int]] = {
        "point": lambda number: tab[windows.H_POINTS] + number * asked.POINT_ROW,
        "window": lambda number: tab[windows.H_WINDOWS] + number * windows.W_ROW,
        "tally": lambda number: tallies[number],
    }
    return [places[kind](number) for kind, number in lifted.columns]


def _lay_windows(plan: Plan, tables: Tables, tallies: Sequence[int], numbers_of: Mapping[str, int]) -> None:
    tab, par = tables.tab, tables.par
    tab[windows.H_WINDOWS] = len(tab)
    tab.extend([0] * (windows.W_ROW * len(plan.windows)))
    for w, (window, lifted) in enumerate(zip(plan.windows, plan.fed, strict=True)):
        family, stride = FAMILIES[window.family]
        timed = bool(used_windows(window.source)) or ages(window.source)
        row = [0] * windows.W_ROW
        row[windows.W_FAMILY], row[windows.W_STRIDE] = family, stride
        row[windows.W_TIMED] = kernel.PLAIN if window.source.op == "point" else int(timed)
        row[windows.W_NUM], row[windows.W_INT], row[windows.W_PAR] = len(tables.num), len(tables.ints), len(par)
        row[windows.W_SHAPE] = numbers_of[lifted.shape]
        par.extend(_parameters(window, plan.points))
        row[windows.W_CONSTANTS], row[windows.W_ARGUMENTS] = len(par), len(tab)
        par.extend(lifted.constants)
        tab.extend(_columns(tab, lifted, tallies))
        if stride:
            row[windows.W_RING] = row[windows.W_NUM] + windows.N_BACK + 2 * stride
            row[windows.W_SUFFIX] = row[windows.W_RING] + windows.CAPACITY * stride
            tables.num.extend([windows.NAN, windows.NAN, 0.0, windows.NAN, windows.NAN])
            empty = windows.NAN if family in (windows.EXTREME, windows.ORDER) else 0.0
            tables.num.extend([0.0, 0.0, *[empty] * (stride - 2)] * 2)
            tables.num.extend([0.0] * (2 * windows.CAPACITY * stride))
            tables.num.extend([0.0] * (2 * windows.CAPACITY if family == windows.ORDER else 0))
        else:
            tables.num.extend(NO_RING[family])
        at = tab[windows.H_WINDOWS] + w * windows.W_ROW
        tab[at : at + windows.W_ROW] = row
        tables.places.append(at + windows.W_SHAPE)
        tables.ints.extend([0] * windows.I_SIZE)


def _parameters(window: Window, points: Sequence[PointInfo]) -> list[float]:
    """A window's numbers in the order of windows.P_LENGTH and so on."""
    point = points[window.point] if window.point >= 0 else None
    whole = 1.0 if window.family == "decay" else window.length_s  # of what coverage is a share
    kind, wrap = (float(KINDS[point.kind]), point.wrap or 0.0) if point else (0.0, 0.0)
    period, phase = (point and point.reset) or (0.0, 0.0)
    cover = window.coverage * whole * (1 - 1e-9)
    return [window.length_s, window.length_s / windows.SLOTS, cover, kind, wrap, period, phase, window.count]


def _lay_alarms(
    tables: Tables,
    alarms: Sequence[AlarmRule],
    levels: Sequence[Sequence[tuple[Node, Node | None]]],
    numbers: Sequence[Sequence[tuple[int, int]]],
) -> None:
    tab = tables.tab
    tab[windows.H_ALARMS] = len(tab)
    first = 0
    for alarm in alarms:
        tab.extend([first, len(alarm.levels), int(alarm.latch), ON_MISSING[alarm.on_missing], len(tables.ints)])
        tables.ints.append(0)
        first += len(alarm.levels)
    tab[windows.H_LEVELS] = len(tab)
    tab.extend([0] * (kernel.L_ROW * first))
    at = tab[windows.H_LEVELS]
    for alarm, pairs, trees in zip(alarms, numbers, levels, strict=True):
        for level, (when, clear), (tree, _) in zip(alarm.levels, pairs, trees, strict=True):
            used = sorted(used_points(tree))
            row = [when, clear, len(tables.par), len(tables.num), len(tables.ints), len(tab)]
            tab[at : at + kernel.L_ROW] = row
            tab.extend([len(used), *used])
            tables.par.extend([level.for_s, level.clear_for_s])
            tables.num.extend([0.0] * kernel.LEVEL_NUM)
            tables.ints.extend([0] * kernel.LEVEL_INT)
            at += kernel.L_ROW


# --- what judges --------------------------------------------------------------------------------------------------

_FIXED = (windows, memories, reads, trends, asked, agenda, families, kernel)
_NAMES = {name: value for module in _FIXED[:5] for name, value in vars(module).items()}  # that shapes may call


@cache
def fixed_source() -> str:
    """The fixed modules below their marks: the text that a build compiles, and that the twin runs as it stands."""
    texts = (Path(module.__file__ or "").read_text(encoding="utf-8") for module in _FIXED)
    return "\n\n".join(text.partition(_MARK)[2].partition("\n")[2] for text in texts)


@dataclass(frozen=True, slots=True)
class Kernels:
    """What judges: the entries `run` and `history` of rules.engine.kernel. `arrays` turns state into what they take."""

    run: Callable[[Any, Any, Any, Any, float, int], int]
    history: Callable[..., int]
    arrays: Callable[[array[Any]], Any]
    name: str
    tables: Callable[[array[int]], array[int]] = lambda tab: tab  # as they want shapes to be named


TWIN = Kernels(kernel.run, kernel.history, lambda state: state, "twin")
