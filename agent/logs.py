"""Log lines: one for each change of state, as fields for machines and as plain words for people at a terminal."""

from __future__ import annotations

import json
import logging
import os
import sys

# sd-daemon(3): a line that begins so has this priority in the system's journal.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Fields(logging.Formatter):
    """`level=warning part=output text="..."`, one line whatever the text holds; a traceback is a field of its own."""

    def __init__(self, *, priorities: bool) -> None:
        super().__init__()
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields = {"level": record.levelname.lower(), "part": record.name, "text": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        line = " ".join(f"{key}={_value(value)}" for key, value in fields.items())
        return f"<{_PRIORITIES.get(record.levelno, 6)}>{line}" if self._priorities else line


def _value(text: str) -> str:
    """As it is when it is one plain word, else quoted with everything unprintable escaped."""
    return (
        text
        if text and all(c.isalnum() or c in "._-/:" for c in text)
        else json.dumps(text, ensure_ascii=not text.isprintable())
    )


def set_up() -> None:
    """Log to standard error: fields with priorities under systemd, fields to a file or pipe, words to a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    else:
        handler.setFormatter(Fields(priorities="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
