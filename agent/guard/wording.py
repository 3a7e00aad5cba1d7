"""The words that fill a message's slots, in every language of the site. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.site.model import AlarmConfig, Site, Texts

# Level names of the default set as they are spoken; a site's own level names are spoken as written.
LEVELS: Mapping[str, Texts] = {
    "blue": {"zh": "蓝色", "en": "blue"},
    "yellow": {"zh": "黄色", "en": "yellow"},
    "orange": {"zh": "橙色", "en": "orange"},
    "red": {"zh": "红色", "en": "red"},
}
UNKNOWN_VALUE: Texts = {"zh": "超过警戒值", "en": "above the limit"}


def slots_of(
    site: Site, alarm: AlarmConfig, level: int, readings: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, str]]:
    """Language -> slot -> text for an alarm that has just reached `level`; `readings` are those that decided it."""
    level_name = alarm.rule.levels[level - 1].level
    return {language: _slots(site, alarm, level_name, readings, language) for language in site.languages}


def prepared_slots(site: Site, alarm: AlarmConfig, level_name: str, language: str) -> dict[str, str]:
    """The slots with no measured value in them: what can be rendered long before an alarm."""
    return _slots(site, alarm, level_name, {}, language)


def _slots(
    site: Site, alarm: AlarmConfig, level_name: str, readings: Mapping[str, Mapping[str, Any]], language: str
) -> dict[str, str]:
    place = site.zones[alarm.zone].title if alarm.zone else site.name
    return {
        "place": _text(place, language, alarm.zone or site.id),
        "value": _value(readings, language),
        "level": _text(LEVELS.get(level_name, {}), language, level_name),
        "site": _text(site.name, language, site.id),
    }


def _value(readings: Mapping[str, Mapping[str, Any]], language: str) -> str:
    """The first measured value, rounded to three digits: what a listener can take in."""
    for reading in readings.values():
        if reading["value"] is not None:
            value, unit = float(reading["value"]), str(reading["unit"])
            if unit == "mm" and abs(value) >= 10:
                value, unit = value / 10, "cm"
            return f"{float(f'{value:.3g}'):g} {unit}".strip()
    return _text(UNKNOWN_VALUE, language, UNKNOWN_VALUE["en"])


def _text(texts: Texts, language: str, otherwise: str) -> str:
    return texts.get(language) or otherwise
