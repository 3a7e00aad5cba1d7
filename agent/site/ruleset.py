"""Builds a site's rule set, and tells what is wrong with it where it stands: in the site's file or in a model's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.judge import Ruleset, build_ruleset
from rules.model import RuleErrors, RuleProblem
from rules.tree import Node, Span

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
    _warn_windows(document, ruleset, devices, alarms, telemetry_bytes)
    return ruleset


def _tell(document: Document, problem: RuleProblem, alarm: AlarmConfig | None) -> None:
    inside: Path = (*(("level", problem.level) if problem.level else ()), problem.key)
    if alarm is not None and alarm.model is not None and problem.level:
        hint = "; ".join(part for part in (problem.hint, bound_by(document, ("alarm", alarm.name))) if part)
        document.error(inside, problem.message, hint, problem.column, file=alarm.model.model.file)
    else:
        document.error(("alarm", problem.alarm, *inside), problem.message, problem.hint, problem.column)


def _follows(problem: RuleProblem, alarm: AlarmConfig | None, broken: Collection[str]) -> bool:
    """Whether a problem only follows from a device that is wrong itself, which is told already."""
    if problem.column is None or alarm is None:
        return False
    text = next((getattr(rule, problem.key, None) for rule in alarm.rule.levels if rule.level == problem.level), None)
    return isinstance(text, str) and any(text.startswith(f"{device}.", problem.column) for device in broken)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far back a part of a condition looks."""

    seconds: float
    span: Span


def _warn_windows(
    document: Document,
    ruleset: Ruleset,
    devices: Mapping[str, DeviceConfig],
    alarms: Sequence[AlarmConfig],
    telemetry_bytes: int,
) -> None:
    """Warn of conditions that look back further than the journal keeps readings: no replay could show them again."""
    rate = sum(len(device.points) / device.period_s for device in devices.values() if device.description.live)
    if not rate:
        return
    kept_s = telemetry_bytes / (rate * BYTES_A_READING)
    for alarm, pairs in zip(alarms, ruleset.trees, strict=True):
        for rule, trees in zip(alarm.rule.levels, pairs, strict=True):
            for key, tree in zip(("when", "clear"), trees, strict=True):
                longest = max(_reaches(tree) if tree else (), key=lambda reach: reach.seconds, default=None)
                if longest is None or longest.seconds <= kept_s:
                    continue
                message = (
                    f"looks back {_span(longest.seconds)}, and the journal keeps about {_span(kept_s)} of readings at "
                    f"this site's {rate:.3g} a second: replay can't show it whole"
                )
                path: Path = ("level", rule.level, key)
                hint = "give [storage] more telemetry"
                if alarm.model is not None:
                    hint = f"{hint}; {bound_by(document, ('alarm', alarm.name))}"
                    document.warn(path, message, hint, longest.span.column, file=alarm.model.model.file)
                else:
                    document.warn(("alarm", alarm.name, *path), message, hint, longest.span.column)


def _reaches(node: Node) -> Iterator[_Reach]:
    """Of each window in a tree, together with those that it looks through."""
    if node.window is not None:
        length_s = node.window.length_s * max(node.window.count, 1.0)
        behind = max((reach.seconds for reach in _reaches(node.window.source)), default=0.0)
        yield _Reach(length_s + behind, node.span)
    for child in node.args:
        yield from _reaches(child)


def _span(seconds: float) -> str:
    size, unit = next((pair for pair in _LONG if seconds >= pair[0]), _LONG[-1])
    return f"{seconds / size:.3g} {unit}"
