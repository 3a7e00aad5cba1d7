"""Checks texts for people: each language of the site, known slots, no wording that is kept for exercises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType

from .document import Document
from .places import Path
from .problems import listed, nearest, shown
from .sections import SLOTS

# An exercise can't sound like the real thing: this wording is added at head and tail by machine, in exercises only.
# "This is not a drill" said in a drill is how Hawaii's false alarm of 2018 got out.
_EXERCISE = re.compile(r"演习|演练|测试|\bexercise\b|\bdrill\b|\bthis is a test\b", re.IGNORECASE)


def title_of(
    document: Document, path: Path, given: Mapping[str, str], name: str, languages: tuple[str, ...]
) -> Mapping[str, str]:
    """A title in each language; its name where the site gives none."""
    if not given:
        return MappingProxyType(dict.fromkeys(languages, name))
    key = "name" if path == ("site",) else "title"
    for language in languages:
        if not given.get(language, "").strip():
            message = f"got {listed(given)}, expected a text in each language of the site: {', '.join(languages)}"
            document.error((*path, key), message)
            break
    return MappingProxyType(dict(given))


def check_message(document: Document, path: Path, text: Mapping[str, str], languages: tuple[str, ...]) -> None:
    """Tell languages that are missing, slots nobody fills, and exercise wording in a message."""
    missing = [language for language in languages if not text.get(language, "").strip()]
    if missing:
        message = f"got {listed(text)}, expected a text in each language of the site: {', '.join(missing)} is missing"
        document.error(path, message)
    for language, words in text.items():
        try:
            pieces = list(Formatter().parse(words))
        except ValueError as error:
            document.error((*path, language), f"got {shown(words)}, expected slots such as {{place}}: {error}")
            continue
        for _, slot, form, conversion in pieces:
            if slot is not None and (slot not in SLOTS or form or conversion):
                allowed = listed(f"{{{known}}}" for known in SLOTS)
                message = f"got the slot {{{slot}}}, expected one of {allowed}"
                document.error((*path, language), message, nearest(slot, SLOTS))
        if found := _EXERCISE.search(words):
            message = f"got exercise wording {shown(found[0])}, expected a message for the real case only"
            document.error((*path, language), message, "exercises and tests get their wording added by machine")
