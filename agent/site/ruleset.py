"""Builds a site's rule set, and tells what is wrong with it where it stands: in the site's file or in a model's."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.judge import Ruleset, build_ruleset
from rules.language.tree import Node, Span
from rules.library.modelfile import names_in
from rules.model import PointInfo, RuleErrors, RuleProblem

from .alarms import bound_by, point_infos
from .document import Document
from .model import AlarmConfig, DeviceConfig
from .places import Path

BYTES_A_READING = 10  # of the journal, as measured
_LONG = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def site_ruleset(
    document: Document,
    devices: Mapping[str, DeviceConfig],
    alarms: Sequence[AlarmConfig],
    broken: Collection[str],
    telemetry_bytes: int,
) -> Ruleset | None:
    """The rule set of these alarms; None where it can't be, which is told.

    `broken` are names of devices that are wrong themselves: what only follows from that is not told.
    """
    points = {name: point for device in devices.values() for name, point in device.points.items()}
    try:
        ruleset = build_ruleset(point_infos(points), [alarm.rule for alarm in alarms])
    except RuleErrors as errors:
        by_name = {alarm.name: alarm for alarm in alarms}
        for problem in errors.problems:
            alarm = by_name.get(problem.alarm)
            if not _follows(problem, alarm, broken):
                _tell(document, problem, alarm)
        return None
    _warn(document, ruleset, devices, alarms, telemetry_bytes)
    return ruleset


def _tell(document: Document, problem: RuleProblem, alarm: AlarmConfig | None) -> None:
    inside: Path = (*(("level", problem.level) if problem.level else ()), problem.key)
    if alarm is None or alarm.model is None or not problem.level:
        document.error(("alarm", problem.alarm, *inside), problem.message, problem.hint, problem.column)
        return
    text = _text(alarm, problem.level, problem.key)
    used = names_in(text or "")
    figures = [f"{name} = {value}" for name, value in alarm.model.bound.names.quantities.items() if name in used]
    bound = bound_by(document, ("alarm", alarm.name)) + (f" with {', '.join(figures)}" if figures else "")
    hint = "; ".join(part for part in (problem.hint, bound) if part)
    document.error(inside, problem.message, hint, problem.column, file=alarm.model.model.file)


def _text(alarm: AlarmConfig, level: str, key: str) -> str | None:
    found = next((getattr(rule, key, None) for rule in alarm.rule.levels if rule.level == level), None)
    return found if isinstance(found, str) else None


def _follows(problem: RuleProblem, alarm: AlarmConfig | None, broken: Collection[str]) -> bool:
    """Whether a problem only follows from a device that is wrong itself, which is told already."""
    if problem.column is None or alarm is None:
        return False
    text = _text(alarm, problem.level, problem.key)
    return text is not None and any(text.startswith(f"{device}.", problem.column) for device in broken)


def _warn(
    document: Document,
    ruleset: Ruleset,
    devices: Mapping[str, DeviceConfig],
    alarms: Sequence[AlarmConfig],
    telemetry_bytes: int,
) -> None:
    """Warn of conditions that look back further than the journal keeps readings, and of baselines nobody has set."""
    rate = sum(len(device.points) / device.period_s for device in devices.values() if device.description.live)
    kept_s = telemetry_bytes / (rate * BYTES_A_READING) if rate else math.inf
    for alarm, pairs in zip(alarms, ruleset.trees, strict=True):
        for rule, trees in zip(alarm.rule.levels, pairs, strict=True):
            for key, tree in zip(("when", "clear"), trees, strict=True):
                if tree is not None:
                    place = _Place(document, alarm, (rule.level, key))
                    _warn_window(place, tree, rate, kept_s)
                    _warn_baselines(place, tree, ruleset.points)


@dataclass(frozen=True, slots=True)
class _Place:
    """A condition, in the site's file or in a model's."""

    document: Document
    alarm: AlarmConfig
    key: tuple[str, str]  # level, "when" or "clear"

    def warn(self, span: Span, message: str, hint: str) -> None:
        name, model = self.alarm.name, self.alarm.model
        if model is None:
            self.document.warn(("alarm", name, "level", *self.key), message, hint, span.column)
        else:
            hint = f"{hint}; {bound_by(self.document, ('alarm', name))}"
            self.document.warn(("level", *self.key), message, hint, span.column, file=model.model.file)


def _warn_window(place: _Place, tree: Node, rate: float, kept_s: float) -> None:
    seconds, node = max(_reaches(tree), key=lambda reach: reach[0], default=(0.0, tree))
    if seconds > kept_s:
        message = (
            f"looks back {_time(seconds)}, and the journal keeps about {_time(kept_s)} of readings at "
            f"this site's {rate:.3g} a second: replay can't show it whole"
        )
        place.warn(node.span, message, "give [storage] more telemetry")


def _reaches(node: Node) -> Iterator[tuple[float, Node]]:
    """How far back in seconds each window of a tree looks, together with those that it looks through."""
    if node.window is not None:
        length_s = node.window.length_s * max(node.window.count, 1.0)
        yield length_s + max((seconds for seconds, _ in _reaches(node.window.source)), default=0.0), node
    for child in node.args:
        yield from _reaches(child)


def _warn_baselines(place: _Place, tree: Node, points: Sequence[PointInfo]) -> None:
    unset = {node.point: node for node in _nodes(tree) if node.op == "baseline" and points[node.point].baseline is None}
    for point, node in unset.items():
        message = f"needs the baseline of {points[point].name}, and until a person re-zeroes it there is none"
        place.warn(node.span, message, 'give the point a baseline, such as "first"')


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in (*node.args, *((node.window.source,) if node.window else ())):
        yield from _nodes(child)


def _time(seconds: float) -> str:
    size, unit = next((pair for pair in _LONG if seconds >= pair[0]), _LONG[-1])
    return f"{seconds / size:.3g} {unit}"
