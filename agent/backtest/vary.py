"""Owns `--vary`: which values of which setpoints are tried, and the one rule set that holds them all side by side.

Rules that differ only in numbers share their windows and their compiled code: a hundred values cost a little.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from agent.site.model import AlarmConfig, Site
from agent.site.problems import listed, nearest
from drivers.api import duration
from rules.library import BindErrors, bind
from rules.model import AlarmRule, RuleErrors
from rules.ruleset import Ruleset, build_ruleset
from rules.units import UnitError, convert, unit

MOST = 200  # combinations
_WHOLE = re.compile(r"\s*(?P<key>[^=\s]+)\s*=\s*(?P<values>.+?)\s*")
_RANGE = re.compile(r"(?P<first>.+?)\s*\.\.\s*(?P<last>.+?)\s*/\s*(?P<step>[-+.\d][^/]*(?:/[^/]*)?)")
_QUANTITY = re.compile(r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(.*)")
_DELAYS = ("for", "clear_for")


class VaryError(ValueError):
    """What is wrong with a `--vary`, all of it, in words."""


@dataclass(frozen=True, slots=True)
class Variation:
    """One setpoint and the values that are tried; `key` is "alarm.parameter" or "alarm.level.for"."""

    alarm: str
    name: str  # of the parameter, or "level.for"
    values: tuple[str, ...]  # "2.1 m"

    @property
    def key(self) -> str:
        """As it is written on the command line."""
        return f"{self.alarm}.{self.name}"

    @property
    def delay(self) -> tuple[str, str] | None:
        """(level, "for" or "clear_for") where it is one, None for a parameter."""
        level, dot, which = self.name.rpartition(".")
        return (level, which) if dot else None

    def now(self, rule: AlarmRule) -> str:
        """The value that the site has."""
        if self.delay is None:
            return rule.names.quantities[self.name]
        level, which = self.delay
        found = next(one for one in rule.levels if one.level == level)
        return f"{found.for_s if which == 'for' else found.clear_for_s:g} s"


@dataclass(frozen=True, slots=True)
class Combination:
    """One value of each variation; `alarms` says which alarm of the joint rule set stands for a varied one."""

    values: tuple[str, ...]
    alarms: Mapping[str, int]
    problem: str = ""  # why these values make no rule


@dataclass(frozen=True, slots=True)
class Varied:
    """A site's rules and all their variants as one rule set: the site's alarms first, with their own indexes."""

    variations: tuple[Variation, ...]
    ruleset: Ruleset
    combinations: tuple[Combination, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """The alarms that are varied, in the order of the variations."""
        return tuple(dict.fromkeys(variation.alarm for variation in self.variations))


def parse(texts: Sequence[str], rules: Sequence[AlarmRule]) -> tuple[Variation, ...]:
    """What `--vary` asks for. Raises VaryError with everything that is wrong."""
    found, wrong = [], []
    for text in texts:
        try:
            found.append(_variation(text, rules))
        except ValueError as error:
            wrong.append(f"{text!r}: {error}")
    keys = [variation.key for variation in found]
    wrong += [f"{key} is varied twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    count = math.prod(len(variation.values) for variation in found)
    if not wrong and count > MOST:
        sizes = " x ".join(str(len(variation.values)) for variation in found)
        wrong.append(f"{sizes} = {count} combinations, at most {MOST} are judged at once; take wider steps")
    if wrong:
        raise VaryError("\n".join(f"--vary {problem}" for problem in wrong))
    return tuple(found)


def extend(site: Site, variations: Sequence[Variation]) -> Varied:
    """The rule set with a variant of each varied alarm for each of its values. Raises nothing: bad values are told."""
    own = {name: [v for v in variations if v.alarm == name] for name in dict.fromkeys(v.alarm for v in variations)}
    variants: dict[tuple[str, tuple[str, ...]], AlarmRule] = {}
    problems: dict[str, str] = {}
    for name, its in own.items():
        for values in itertools.product(*(variation.values for variation in its)):
            label = f"{name} {', '.join(values)}"
            try:
                rule = _variant(site, site.alarms[name], dict(zip(its, values, strict=True)))
            except BindErrors as errors:
                rule, problems[label] = site.alarms[name].rule, "; ".join(map(str, errors.problems))
            variants[name, values] = replace(rule, name=label)
    built = _build(site, [rule for rule in variants.values() if rule.name not in problems], problems)
    index = {rule.name: number for number, rule in enumerate(built.alarms)}
    combinations = []
    for values in itertools.product(*(variation.values for variation in variations)):
        labels = {}
        for name in own:
            its_values = tuple(value for v, value in zip(variations, values, strict=True) if v.alarm == name)
            labels[name] = variants[name, its_values].name
        bad = [problems[label] for label in labels.values() if label in problems]
        places = {} if bad else {name: index[label] for name, label in labels.items()}
        combinations.append(Combination(values, places, "; ".join(bad)))
    return Varied(tuple(variations), built, tuple(combinations))


def _variant(site: Site, alarm: AlarmConfig, values: Mapping[Variation, str]) -> AlarmRule:
    """The alarm with these values. Raises BindErrors where its model does not allow them."""
    rule, use = alarm.rule, alarm.model
    figures = {variation.name: value for variation, value in values.items() if variation.delay is None}
    if figures and use is not None:
        inputs = {name: list(points) if isinstance(points, tuple) else points for name, points in use.inputs.items()}
        bound = bind(use.model, inputs, {**use.parameters, **figures}, site.ruleset.points, use.levels)
        by_name = {level.level: level for level in bound.levels}  # whose delays may be parameters
        rule = replace(rule, names=bound.names, levels=tuple(by_name[level.level] for level in rule.levels))
    delays = {variation.delay: duration(value) for variation, value in values.items() if variation.delay is not None}
    levels = [
        replace(
            level,
            for_s=delays.get((level.level, "for"), level.for_s),
            clear_for_s=delays.get((level.level, "clear_for"), level.clear_for_s),
        )
        for level in rule.levels
    ]
    return replace(rule, levels=tuple(levels))


def _build(site: Site, variants: Sequence[AlarmRule], problems: dict[str, str]) -> Ruleset:
    """The joint rule set, without the variants that make no rule, which are told in `problems`."""
    base = site.ruleset
    try:
        return build_ruleset(base.points, [*base.alarms, *variants])
    except RuleErrors as errors:
        for problem in errors.problems:
            problems.setdefault(problem.alarm, problem.message)
    return build_ruleset(base.points, [*base.alarms, *(rule for rule in variants if rule.name not in problems)])


def _variation(text: str, rules: Sequence[AlarmRule]) -> Variation:
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise ValueError('expected alarm.parameter=FROM..TO/STEP, such as "river.warning_stage=2.0 m..3.0 m/0.1 m"')
    alarm, name = _target(match["key"], rules)
    rule = next(rule for rule in rules if rule.name == alarm)
    values = _values(match["values"])
    wanted = _quantity(Variation(alarm, name, ()).now(rule))[1]
    for value in values:
        _in(value, wanted, difference=True)
        if "." in name:
            duration(value)
    return Variation(alarm, name, values)


def _target(key: str, rules: Sequence[AlarmRule]) -> tuple[str, str]:
    """(alarm, parameter) of a key; the alarm may be left out where only one has such a parameter."""
    known = {
        **{f"{rule.name}.{name}": (rule.name, name) for rule in rules for name in rule.names.quantities},
        **{
            f"{rule.name}.{level.level}.{delay}": (rule.name, f"{level.level}.{delay}")
            for rule in rules
            for level in rule.levels
            for delay in _DELAYS
        },
    }
    if key in known:
        return known[key]
    short = [target for full, target in known.items() if full.partition(".")[2] == key]
    if len(short) == 1:
        return short[0]
    if short:
        raise ValueError(f"several alarms have it; say which: {listed('.'.join(target) for target in short)}")
    raise ValueError(f"there is no {key}; there are {listed(known)}. {nearest(key, known)}".rstrip(". "))


def _values(text: str) -> tuple[str, ...]:
    match = _RANGE.fullmatch(text)
    if match is None:
        values = tuple(part.strip() for part in text.split(","))
        for value in values:
            _quantity(value)
        return values
    given = _quantity(match["last"])[1]
    first, last, step = (_in(match[part], given, difference=part == "step") for part in ("first", "last", "step"))
    if step == 0 or (last - first) / step < 0:
        raise ValueError(f"steps of {step} do not lead from {first} to {last}")
    count = int((last - first) / step + Decimal("1e-9")) + 1
    if count > MOST:
        raise ValueError(f"{count} values, at most {MOST} are judged at once; take wider steps")
    return tuple(f"{_plain(first + k * step)} {given}".rstrip() for k in range(count))


def _quantity(text: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'got {text.strip()!r}, expected a quantity with its unit, such as "2.5 m"')
    unit(match[2])
    return Decimal(match[1]), match[2]


def _in(text: str, target: str, *, difference: bool) -> Decimal:
    """A quantity in the unit `target`; exact when it is in that unit already."""
    value, given = _quantity(text)
    if given == target:
        return value
    if not given:
        raise UnitError(f"{text.strip()!r} has no unit", f'write it with one, such as "{value} {target}"')
    source, wanted = unit(given), unit(target)
    if difference:
        source, wanted = source.difference(), wanted.difference()
    return Decimal(f"{convert(float(value), source, wanted):.12g}")


def _plain(value: Decimal) -> str:
    return f"{value:f}"
