"""Writes what a probe learnt as the draft of a register map, which loads as it is and says what nobody has verified."""

from __future__ import annotations

import math
from datetime import date

from agent.find.shown import Shown
from drivers.find.decodings import Candidate
from drivers.find.port import Settings
from drivers.find.survey import Survey
from drivers.registers import parse_map
from drivers.words import word_count

_MOST_POINTS = 32


def draft(survey: Survey, settings: Settings, candidate: Candidate | None, shown: Shown | None, day: date) -> str:
    """TOML of a map: the candidate as its point, or every register that holds something.

    `shown` is what the device showed when the candidate was found. Raises ValueError when nothing at all could be read.
    """
    if not survey.cells:
        raise ValueError("nothing could be read, so there is nothing to write a map of")
    points = _value(candidate, shown) if candidate and shown else _registers(survey)
    slowest_s = max(survey.answers_s, default=0.1)
    reply_ms = max(200, math.ceil(slowest_s * 3 * 20) * 50)
    lines = [
        "# A draft, made by probing: give the device its name, hold its values against what it shows, read its manual.",
        "",
        "[device]",
        f'title = "Unknown device (unit {survey.unit_id})"',
        'maturity = "experimental"',
        f'source = ["probed on {day.isoformat()}, no manual seen"]',
        f"unit_id = {survey.unit_id}",
    ]
    if settings.baudrate:
        lines += [f"baudrates = [{settings.baudrate}]", f'parity = "{settings.parity}"']
    lines += [f'max_reply = "{reply_ms} ms"', f"max_block = {survey.most}"]
    lines += [f'gap = "{round(1000 * survey.rest_s)} ms"'] if survey.rest_s else []
    lines += ['unverified = ["everything: it was found by probing"]']
    text = "\n".join([*lines, *points, ""])
    parse_map(text, "draft")  # what we offer must load
    return text


def _value(candidate: Candidate, shown: Shown) -> list[str]:
    scale = candidate.scale
    lines = ["", "[point.value]", f'table = "{candidate.table}"', f"address = {candidate.address:#06x}"]
    lines += [f'type = "{candidate.type}"']
    lines += [f'order = "{candidate.order}"'] if word_count(candidate.type) > 1 or candidate.order != "ABCD" else []
    lines += ['decode = "65535 - raw"'] if scale.complement else []
    lines += [f"scale = {scale.factor!r}"] if scale.factor != 1 else []
    lines += [f"offset = {scale.offset!r}"] if scale.offset else []
    lines += [f'unit = "{shown.unit}"'] if shown.unit else []
    return [*lines, f'note = "gave {candidate.value:.6g} when the device showed {shown.text}"']


def _registers(survey: Survey) -> list[str]:
    words = [(table, address) for (table, address), word in sorted(survey.cells.items()) if word]
    lines: list[str] = []
    for table, address in (words or sorted(survey.cells))[:_MOST_POINTS]:
        lines += ["", f"[point.{table}-{address}]", f'table = "{table}"', f"address = {address:#06x}"]
        lines += ['type = "u16"'] if table in {"holding", "input"} else []
    return lines
