"""Owns what a scenario expects: the kinds of expectations, and how their tables are read. It compares nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.cases.casetables import CaseProblem, Keys, TableReader, tidy
from rules.library.figures import near, shown
from rules.model import AlarmRule

NORMAL = "normal"  # an alarm's level while none is active
_EXPECT = ("at", "from", "to", "alarms", "never", "alarm", "level", "between")


@dataclass(frozen=True, slots=True)
class Active:
    """From `from_s` to `to_s` exactly these alarms are active, each at its level."""

    from_s: float
    to_s: float  # the same: at that time
    alarms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Never:
    """From `from_s` to `to_s` no alarm of these reaches the level."""

    from_s: float
    to_s: float
    alarms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reaches:
    """The alarm reaches the level (or one above) for the first time then; NORMAL: is over for the first time."""

    from_s: float
    to_s: float
    alarm: str
    level: str


Expect = Active | Never | Reaches


class ExpectReader(TableReader):
    """Reads the expectations of a case that lasts `end_s` and is about `alarms`, of all those that are `known`."""

    def __init__(
        self, problems: list[CaseProblem], end_s: float, alarms: Sequence[AlarmRule], known: Sequence[str]
    ) -> None:
        super().__init__(problems)
        self.end_s, self.known = end_s, known
        self.alarms = {alarm.name: [rule.level for rule in alarm.levels] for alarm in alarms}

    def expects(self, table: Mapping[str, Any], path: Keys) -> Iterator[Expect]:
        """The expectations of the case whose table stands at `path`."""
        raw = table.get("expect")
        if not isinstance(raw, list) or not raw:
            got = "nothing" if raw is None else shown(raw)
            message = f"got {got}, expected tables [[case.expect]]: a case without them proves nothing"
            self.wrong((*path, "expect"), message)
            return
        for number, one in enumerate(raw):
            place = (*path, "expect", number)
            if (expect := self._expect(self.table(one, place, _EXPECT), place)) is not None:
                yield expect

    def _expect(self, table: Mapping[str, Any], path: Keys) -> Expect | None:
        kinds = [key for key in ("alarms", "never", "alarm") if key in table]
        if len(kinds) != 1:
            got = " and ".join(kinds) or "none"
            self.wrong(path, f"got {got}, expected one of alarms, never and alarm")
            return None
        allowed = {
            "alarms": ("alarms", "at", "from", "to"),
            "never": ("never", "from", "to"),
            "alarm": ("alarm", "level", "between"),
        }[kinds[0]]
        for key in table:
            if key in _EXPECT and key not in allowed:
                self.wrong((*path, key), f"got it beside {kinds[0]}, expected one of {', '.join(allowed)}")
        if kinds == ["alarm"]:
            return self._reaches(table, path)
        span = self._span(table, path)
        raw = table[kinds[0]]
        if kinds == ["never"] and isinstance(raw, list) and all(isinstance(name, str) for name in raw):
            raw = {name: self.alarms.get(name, [""])[0] for name in raw}
        elif not isinstance(raw, dict):
            wish = '{ name = "level" }' if kinds == ["alarms"] else '["name"] or { name = "level" }'
            self.wrong((*path, kinds[0]), f"got {shown(raw)}, expected {wish}")
            return None
        right = [self._alarm_level(name, level, (*path, kinds[0], name)) for name, level in raw.items()]
        if span is None or not all(right):
            return None
        return Active(*span, raw) if kinds == ["alarms"] else Never(*span, raw)

    def _reaches(self, table: Mapping[str, Any], path: Keys) -> Reaches | None:
        level = table.get("level")
        right = self._alarm_level(table["alarm"], level, (*path, "alarm"), over=True)
        between = table.get("between")
        if not isinstance(between, list) or len(between) != 2:
            got = "nothing" if between is None else shown(between)
            self.wrong((*path, "between"), f'got {got}, expected two times such as ["50 min", "70 min"]')
            return None
        times = [self._time(text, (*path, "between")) for text in between]
        if times[0] is None or times[1] is None or not right or not self._in_order(times, (*path, "between")):
            return None
        return Reaches(times[0], times[1], str(table["alarm"]), str(level))

    def _span(self, table: Mapping[str, Any], path: Keys) -> tuple[float, float] | None:
        if "at" in table:
            for key in ("from", "to"):
                if key in table:
                    self.wrong((*path, key), "got it beside at, expected either at, or from and to")
            at = self._time(table["at"], (*path, "at"))
            return None if at is None else (at, at)
        start = self._time(table["from"], (*path, "from")) if "from" in table else 0.0
        end = self._time(table["to"], (*path, "to")) if "to" in table else self.end_s
        if "alarms" in table and not {"from", "to"} & table.keys():
            self.wrong(path, 'got no time, expected at = "1 h", or from and to')
            return None
        if start is None or end is None or not self._in_order([start, end], (*path, "to")):
            return None
        return start, end

    def _in_order(self, times: Sequence[float | None], path: Keys) -> bool:
        right = times[0] is not None and times[1] is not None and times[0] <= times[1]
        if not right:
            self.wrong(path, "got an end before its start, expected the earlier time first")
        return right

    def _time(self, text: object, path: Keys) -> float | None:
        seconds = self.seconds(text, path)
        if seconds is not None and not 0.0 <= seconds <= self.end_s:
            message = f"got {shown(text)}, expected a time from 0 s to {self.end_s:g} s, where the series end"
            self.wrong(path, message, "add _ for slots without readings" if seconds > 0 else "")
            return None
        return None if seconds is None else tidy(seconds)

    def _alarm_level(self, name: object, level: object, path: Keys, *, over: bool = False) -> bool:
        """Whether there is such an alarm with such a level."""
        if not isinstance(name, str) or name not in self.alarms:
            expected = f"expected one of {', '.join(self.known)}"
            self.wrong(path, f"there is no alarm {name}, {expected}", near(str(name), self.known))
            return False
        levels = [*self.alarms[name], *([NORMAL] if over else [])]
        if level not in levels:
            place = (*path[:-1], "level") if over else path
            got = "nothing" if level is None else shown(level)
            self.wrong(place, f"got {got}, expected one of {', '.join(levels)}", near(str(level), levels))
            return False
        return True
