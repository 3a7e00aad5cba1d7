"""Why an alarm moved, or why it does not sound, as lines of text in one language. Only words: looks nothing up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from agent.explain.again import MOVES
from agent.explain.parts import amount, lines_of, quality_of, span_of
from agent.explain.phrases import CLOCKS, EVENTS, LEVELS, MARKS, SENTENCES, WITHHELD
from agent.explain.times import clock_time, local
from agent.records import Stamp

Body = Mapping[str, Any]
JUST_NOW_S = 0.05


@dataclass(frozen=True, slots=True)
class Teller:
    """One language, and the time zone of the site."""

    language: str
    zone: tzinfo

    # --- a record ---------------------------------------------------------------------------------------------------

    def record(self, number: int, kind: str, body: Body, stamp: Stamp) -> Iterator[str]:
        """A record of the journal; of an alarm with all that decided it."""
        if kind == "alarm" and "decided_by" in body:
            yield from self._alarm(number, body, stamp)
            return
        if kind == "equipment":
            yield self._say("equipment", alarm=body["alarm"], event=self._word(EVENTS, body["event"]))
        elif kind == "rezero":
            before, after = (
                self._say("no-baseline") if body[key] is None else amount(body[key], body["unit"], self.language)
                for key in ("before", "baseline")
            )
            told = {"before": before, "after": after}
            yield self._say("rezero", point=body["point"], who=body["who"], why=body["why"], **told)
        else:
            yield self._say("other", kind=kind, body=json.dumps(body, ensure_ascii=False))
        yield "  " + self._say("when-now", **self._time(stamp)) + f" #{number}"
        if kind == "equipment" and body["why"]:
            yield "  " + self._say("why", why=body["why"])

    def _alarm(self, number: int, body: Body, stamp: Stamp) -> Iterator[str]:
        after, before = self._level(body["level_name"]), self._level(body["previous_level_name"])
        title, event = self._title(body), self._word(EVENTS, body["event"])
        heading = "heading" if body["event"] in MOVES else "heading-act"
        yield self._say(heading, title=title, alarm=body["alarm"], before=before, after=after, event=event)
        yield "  " + self._say("when", number=number, occurrence=body["occurrence"], **self._time(stamp))
        yield from (f"  {line}" for line in self._notes(body))
        if body["event"] in MOVES:
            yield from (f"  {line}" for line in self._move(body, stamp, event))
        else:
            words = "act-why" if body["why"] and body["who"] else "act" if body["who"] else "why"
            yield "  " + self._say(words, event=event, who=body["who"], why=body["why"])
        yield from (f"  {line}" for line in self._readings(body))
        yield "  " + self._say("rules", rules=body["rules"][:12])

    def _notes(self, body: Body) -> Iterator[str]:
        if body.get("model"):
            yield self._say("model", model=body["model"])
        if body.get("withheld"):
            yield self._word(WITHHELD, body["withheld"])
        for note in ("chattering", "flood"):
            if body.get(note):
                yield self._say(note)

    def _move(self, body: Body, stamp: Stamp, event: str) -> Iterator[str]:
        """Which condition held, for how long, and its parts; then what kept it from going further."""
        levels, up = body["decided_by"], body["level"] > body["previous_level"]
        place = body["level"] if up else body["previous_level"]
        if not 1 <= place <= len(levels):
            yield self._say("by-start", why=body["why"])
            return
        level = levels[place - 1]
        name = self._level(level["level"])
        delay_s = body.get("delays", {}).get(level["level"], {}).get("on_s" if up else "off_s", 0.0)
        words = ("raised" if up else "cleared" if "clear" in level else "ended") + ("-delay" if delay_s else "")
        since = clock_time(stamp.wall_ns - round(delay_s * 1e9), self.zone)
        if body["why"]:
            yield self._say("by-start", why=body["why"])
        elif body["who"]:
            yield self._say("by-reset", level=name, who=body["who"])
        else:
            yield self._say(words, level=name, event=event, delay=span_of(delay_s, self.language), since=since)
        yield from self._condition(level, clear=not up and "clear" in level)
        if up and place < len(levels):
            higher = levels[place]
            yield self._say("not-higher", level=self._level(higher["level"]))
            yield from self._condition(higher)

    # --- now --------------------------------------------------------------------------------------------------------

    def now(self, answer: Body, stamp: Stamp) -> Iterator[str]:
        """Why a running agent's alarm is where it is: normal, waiting, withheld, active."""
        after = self._level(answer["level_name"])
        yield self._say("heading-now", title=self._title(answer), alarm=answer["alarm"], after=after)
        yield "  " + self._say("when-now", **self._time(stamp))
        yield from (f"  {line}" for line in self._notes(answer))
        if answer.get("reason"):
            yield "  " + self._say(
                "why", why=f"{answer['reason']} ({answer['who']})" if answer["who"] else answer["reason"]
            )
        for level in answer["decided_by"]:
            yield "  " + self._state(level)
            yield from (f"  {line}" for line in self._condition(level, clear=level["active"] and "clear" in level))
        yield from (f"  {line}" for line in self._readings(answer))

    def _state(self, level: Body) -> str:
        delay, name = level["delay"], self._level(level["level"])
        spans = {"passed": delay["passed_s"], "delay": delay["of_s"], "rest": delay["of_s"] - delay["passed_s"]}
        told = {key: span_of(max(0.0, seconds), self.language) for key, seconds in spans.items()}
        if level["active"]:
            words = "latched" if delay["done"] else "clearing" if delay["running"] else "is-active"
        elif level["truth"] == "true":
            words = "not-yet"
        else:
            words = "not-true" if level["truth"] == "false" else "not-known"
        return self._say(words, level=name, **told)

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _condition(self, level: Body, *, clear: bool = False) -> Iterator[str]:
        text, node = (level["clear"], level["clear_parts"]) if clear else (level["when"], level["parts"])
        readings = {reading["point"]: reading for reading in level["readings"]}
        for line in lines_of(text, node, readings, self.language):
            details = ("，" if self.language == "zh" else ", ").join(line.details)
            yield "  " + "  " * line.depth + f"{MARKS[line.truth]} {line.text}" + (f"   {details}" if details else "")

    def _readings(self, body: Body) -> Iterator[str]:
        """Every reading that was looked at, once, with its age at the judgement."""
        found: dict[str, Body] = {}
        for level in body["decided_by"]:
            found |= {reading["point"]: reading for reading in level["readings"]}
        if found:
            yield self._say("readings")
        for point, reading in found.items():
            age_s, reason = reading["age_s"], body["readings"].get(point, {}).get("reason", "")
            words = "age-never" if age_s is None else "age-now" if age_s < JUST_NOW_S else "age"
            age = self._say(words, span=span_of(age_s or 0.0, self.language))
            value = amount(reading["value"], reading["unit"], self.language)
            words = "reading-reason" if reason else "reading"
            quality = quality_of(reading, self.language)
            yield "  " + self._say(words, point=point, value=value, quality=quality, reason=reason, age=age)

    def _time(self, stamp: Stamp) -> dict[str, str]:
        return {"time": local(stamp.wall_ns, self.zone), "clock": self._word(CLOCKS, stamp.clock)}

    def _title(self, body: Body) -> str:
        titles: Mapping[str, str] = body["title"]
        return titles.get(self.language) or next(iter(titles.values()), body["alarm"])

    def _level(self, name: str) -> str:
        return self._word(LEVELS, name)

    def _word(self, words: Mapping[str, Mapping[str, str]], key: str) -> str:
        return words[key][self.language] if key in words else key

    def _say(self, sentence: str, **slots: Any) -> str:
        return SENTENCES[sentence][self.language].format(**slots)
