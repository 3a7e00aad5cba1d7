"""Log lines that machines can take apart, whatever the text holds."""

import json
import logging
import re

from hypothesis import given
from hypothesis import strategies as st

from agent.logs import Fields

FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def line_of(text: str, *, priorities: bool = False) -> str:
    record = logging.LogRecord("tocsin.output", logging.WARNING, "", 0, "%s", (text,), None)
    return Fields(priorities=priorities).format(record)


@given(st.text())
def test_any_text_is_one_line_and_comes_back(text: str) -> None:
    line = line_of(text)
    assert line.isprintable(), "nothing that breaks the line, nothing that a terminal obeys"
    fields = dict(FIELD.findall(line))
    value = fields["text"]
    assert (json.loads(value) if value.startswith('"') else value) == text
    assert fields["level"] == "warning"
    assert fields["part"] == "tocsin.output"


def test_under_systemd_a_line_has_its_priority() -> None:
    assert line_of("siren: no answer", priorities=True).startswith("<4>level=warning ")


def test_a_traceback_is_a_field_of_the_same_line() -> None:
    try:
        {}["oops"]
    except KeyError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), info)
    line = Fields(priorities=False).format(record)
    assert "KeyError" in line
    assert "\n" not in line
