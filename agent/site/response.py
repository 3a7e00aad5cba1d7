"""Builds patterns, messages and plans, and checks that an alarm can be heard. Knows no conditions."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path as File
from types import MappingProxyType

from .around import Around
from .document import Document
from .model import Action, AlarmConfig, Message, OutputConfig, Pattern, Plan
from .places import Path
from .problems import listed, nearest, shown
from .sections import ActionTable, MessageTable, PatternTable, PlanTable
from .text import check_message, title_of
from .validate import checked, named

BUILT_IN = File(__file__).parents[1] / "patterns.toml"


def read_patterns(around: Around) -> dict[str, Pattern]:
    """The built-in patterns and the site's own."""
    document, languages = around.document, around.languages
    patterns = {
        name: _pattern(name, table, MappingProxyType({**dict.fromkeys(languages, name), **table.title}))
        for name, table in built_in_patterns().items()
    }
    for name, raw in named(document, "pattern").items():
        path = ("pattern", name)
        if name in patterns:
            document.error(path, f"got a pattern named {name}, which is built in, expected a name of its own")
            continue
        table = checked(document, PatternTable, raw, path)
        if table is None:
            continue
        if not any(on for on, _ in table.segments):
            document.error((*path, "segments"), "got nothing but off, expected at least one on")
        patterns[name] = _pattern(name, table, title_of(document, path, table.title, name, languages))
    return patterns


def read_messages(around: Around) -> dict[str, Message]:
    """The site's messages. A recording that is not there is doubtful, not fatal: the text is spoken instead."""
    document, messages = around.document, {}
    for name, raw in named(document, "message").items():
        path = ("message", name)
        table = checked(document, MessageTable, raw, path)
        if table is None:
            continue
        check_message(document, (*path, "text"), table.text, around.languages)
        base = around.base(path)
        recording = {}
        for language, name_of_file in table.recording.items():
            if _is_file(base / name_of_file):
                recording[language] = base / name_of_file
            else:
                message = f"got {shown(name_of_file)}, which is not there: the text is spoken instead"
                document.warn((*path, "recording", language), message)
        text = {language: table.text.get(language, "") for language in around.languages}
        messages[name] = Message(name, MappingProxyType(text), MappingProxyType(recording), table.volume)
    return messages


def read_response(
    around: Around, outputs: Mapping[str, OutputConfig], wrong: Collection[str]
) -> tuple[dict[str, Plan], dict[str, Pattern], dict[str, Message]]:
    """Plans, and the patterns and messages they use. `wrong` are names of outputs that are wrong themselves."""
    patterns, messages = read_patterns(around), read_messages(around)
    return _Plans(around, outputs, wrong, patterns, messages).plans, patterns, messages


class _Plans:
    """Reads plans against what they may use; what refers to a wrong output is not told twice."""

    def __init__(
        self,
        around: Around,
        outputs: Mapping[str, OutputConfig],
        wrong: Collection[str],
        patterns: Mapping[str, Pattern],
        messages: Mapping[str, Message],
    ) -> None:
        self._document = around.document
        self._levels = around.levels
        self._outputs = outputs
        self._patterns = patterns
        self._messages = messages
        self._wrong = wrong
        self.plans: dict[str, Plan] = {}
        for name, raw in named(around.document, "plan").items():
            table = checked(around.document, PlanTable, raw, ("plan", name))
            if table is not None:
                self.plans[name] = self._plan(name, table)

    def _plan(self, name: str, table: PlanTable) -> Plan:
        path = ("plan", name)
        levels = {}
        for level, actions in table.level.items():
            if level not in self._levels:
                message = f"got an unknown level, expected one of {', '.join(self._levels)}"
                self._document.error((*path, "level", level), message, nearest(level, self._levels))
                continue
            made = (self._action((*path, "level", level, n), action) for n, action in enumerate(actions))
            levels[level] = tuple(action for action in made if action is not None)
            self._check_once((*path, "level", level), levels[level])
        used = [self._outputs[action.output] for actions in levels.values() for action in actions]
        all_clear: list[Action] = []
        for number, action in enumerate(table.all_clear):
            all_clear += self._all_clear((*path, "all_clear", number), action, used)
        ordered = {level: levels[level] for level in self._levels if level in levels}
        return Plan(name, MappingProxyType(ordered), tuple(all_clear))

    def _check_once(self, path: Path, actions: Sequence[Action]) -> None:
        """An output does one thing at a time: a second action for it would never be done."""
        for number, action in enumerate(actions):
            if any(earlier.output == action.output for earlier in actions[:number]):
                message = f"got a second action for {shown(action.output)} at this level, expected one for each output"
                self._document.error((*path, number), message)

    def _all_clear(self, path: Path, table: ActionTable, used: Iterable[OutputConfig]) -> list[Action]:
        """An all-clear without an output goes to every output of the plan that can do it."""
        if table.output is None:
            names = dict.fromkeys(output.name for output in used if _can(output, table))
            if not names and not self._wrong:
                self._document.error(path, "got no output, and no output of the plan can do this, expected an output")
            actions = [self._action(path, table.model_copy(update={"output": name})) for name in names]
        else:
            actions = [self._action(path, table)]
        return [action for action in actions if action is not None]

    def _action(self, path: Path, table: ActionTable) -> Action | None:
        document = self._document
        given = [key for key in ("pattern", "message", "state") if getattr(table, key) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "nothing to do"
            document.error(path, f"got {got}, expected exactly one of pattern, message, state")
            return None
        if table.output is None:
            document.error(path, f"got no output, expected one of {listed(self._outputs)}")
            return None
        output = self._outputs.get(table.output)
        if output is None:
            if table.output not in self._wrong:
                message = f"got {shown(table.output)}, expected one of the outputs: {listed(self._outputs)}"
                document.error((*path, "output"), message, nearest(table.output, self._outputs))
            return None
        key = given[0]
        if not self._suits(path, key, output) or not self._exists(path, table, output, key):
            return None
        return Action(
            table.output, table.pattern, table.message, table.state, table.repeat, table.every, table.until
        )  # fmt: skip

    def _suits(self, path: Path, key: str, output: OutputConfig) -> bool:
        """Whether the kind of output can do the kind of thing."""
        expected = "message" if output.speaks else "state" if output.states else "pattern"
        if key == expected:
            return True
        kind = {"message": "speaks", "state": "has states", "pattern": "is switched on and off"}[expected]
        hint = "" if expected != "pattern" or key != "state" else "give the output its states"
        self._document.error((*path, key), f"got a {key} for {output.name}, which {kind}, expected a {expected}", hint)
        return False

    def _exists(self, path: Path, table: ActionTable, output: OutputConfig, key: str) -> bool:
        known: Mapping[str, object] = {"pattern": self._patterns, "message": self._messages, "state": output.states}[
            key
        ]
        name = getattr(table, key)
        if name not in known:
            if name in (self._document.collection(key) or {}):
                return False  # told where it stands
            usable = [n for n in known if key != "pattern" or not self._patterns[n].locked]
            message = f"got {shown(name)}, expected one of {listed(usable)}"
            self._document.error((*path, key), message, nearest(name, usable))
            return False
        return key != "pattern" or self._may_sound((*path, key), self._patterns[name], table.repeat, output)

    def _may_sound(self, path: Path, pattern: Pattern, repeat: int, output: OutputConfig) -> bool:
        if pattern.locked:
            message = f'got "{pattern.name}", which is reserved by law ({pattern.source}), expected another pattern'
            self._document.error(path, message, "only the civil-defence authority may order it")
            return False
        longest_s, starts = activations(pattern, repeat, output.limits.min_off_s)
        if longest_s > output.limits.max_on_s:
            times = f" played {repeat} times" if repeat > 1 else ""
            message = (
                f'got "{pattern.name}"{times}, which sounds for {longest_s:g} s, '
                f"expected at most the {output.limits.max_on_s:g} s of max_on of {output.name}"
            )
            self._document.error(path, message)
            return False
        if starts > output.limits.max_starts_per_hour:
            message = (
                f'got "{pattern.name}", which starts {output.name} {starts} times: its pauses last min_off or longer, '
                f"expected at most the {output.limits.max_starts_per_hour} of max_starts_per_hour"
            )
            self._document.error(path, message, "with a longer min_off it counts as one start")
            return False
        return True


def activations(pattern: Pattern, repeat: int, min_off_s: float) -> tuple[float, int]:
    """The longest activation in seconds and their number, as the output's limits count them (`drivers.api.Limits`)."""
    longest_s, starts, begun_s, end_s, at_s, off_s = 0.0, 0, 0.0, 0.0, 0.0, float("inf")
    # Two rounds show every pause of the pattern, the one at its end included; the rest repeats them.
    rounds = pattern.repeat * repeat
    shown_rounds = min(rounds, 2)
    first_starts = 0
    for number in range(shown_rounds):
        for on, seconds in pattern.segments:
            if on and off_s >= min_off_s and off_s > 0:
                begun_s, starts = at_s, starts + 1
            at_s += seconds
            if on:
                off_s, end_s = 0.0, at_s
            else:
                off_s += seconds
            longest_s = max(longest_s, end_s - begun_s)
        if number == 0:
            first_starts = starts
    if starts == 1:  # no pause is long enough to count as off
        cycle_s = sum(seconds for _, seconds in pattern.segments)
        return longest_s + (rounds - shown_rounds) * cycle_s, 1
    return longest_s, starts + (rounds - shown_rounds) * (starts - first_starts)


def warn_unheard(
    document: Document,
    alarms: Iterable[AlarmConfig],
    plans: Mapping[str, Plan],
    outputs: Mapping[str, OutputConfig],
) -> None:
    """Warn of zones with alarms that nobody there can hear, and of plans no alarm uses."""
    alarms = list(alarms)
    for alarm in alarms:
        if alarm.zone is None:
            continue
        mates = [a for a in alarms if a.zone == alarm.zone]
        if mates[0] is not alarm:
            continue
        named_outputs = {
            action.output
            for mate in mates
            if mate.plan is not None and mate.plan in plans
            for actions in plans[mate.plan].levels.values()
            for action in actions
        }
        if not any(
            output.audible and (output.name in named_outputs or output.zone in (None, alarm.zone))
            for output in outputs.values()
        ):
            message = f"got zone {alarm.zone}, where no siren or loudspeaker can be heard"
            document.warn(("alarm", alarm.name, "zone"), message)
    used = {alarm.plan for alarm in alarms}
    for name in plans:
        if name not in used:
            document.warn(("plan", name), "is used by no alarm")


def _can(output: OutputConfig, table: ActionTable) -> bool:
    if table.message is not None:
        return output.speaks
    if table.state is not None:
        return table.state in output.states
    return output.audible and not output.speaks


def _is_file(file: File) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False


def _pattern(name: str, table: PatternTable, title: Mapping[str, str]) -> Pattern:
    total_s = table.repeat * sum(seconds for _, seconds in table.segments)
    return Pattern(name, title, tuple(table.segments), table.repeat, total_s, table.locked, table.source)


@cache
def built_in_patterns() -> Mapping[str, PatternTable]:
    """Tables of the patterns that every site has."""
    tables = tomllib.loads(BUILT_IN.read_text(encoding="utf-8"))["pattern"]
    return {name: PatternTable.model_validate(table) for name, table in tables.items()}
