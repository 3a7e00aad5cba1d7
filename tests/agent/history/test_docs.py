"""docs/history.md does what it says: its examples are read, its tables have every key."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.history import Label, open_history, read_labels
from agent.history.mapping import ColumnTable, LabelsTable, MappingTable, QualityTable, TimeTable
from agent.history.plan import _TIME_NAMES
from agent.history.stamps import _DIRECTIVES, _SHORT, NUMBERS
from drivers.api import Quality, duration
from rules.model import PointInfo
from tests.agent.history.conftest import readings_of

PAGE = (Path(__file__).parents[3] / "docs" / "history.md").read_text(encoding="utf-8")
BLOCKS = {
    (kind, name): text
    for kind, name, text in re.findall(r"^```(\w+) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def points() -> list[PointInfo]:
    found = []
    for row in re.findall(r"^\| [a-z]+\.[a-z]+ \|.*$", PAGE, re.MULTILINE):
        name, unit, low, high, stale_after = (cell.strip() for cell in row.strip("|").split("|"))
        low, high = (float(text) if text else None for text in (low, high))
        found.append(PointInfo(name, unit, duration(stale_after), low, high))
    return found


@pytest.mark.parametrize("name", [name for kind, name in BLOCKS if kind == "text"])
def test_examples(tmp_path, name):
    for (kind, file), text in BLOCKS.items():
        if kind in ("csv", "toml"):
            (tmp_path / file).write_text(text, encoding="utf-8")
    history = open_history([tmp_path / name], points(), zone="Asia/Shanghai")
    lines = []
    for at_s, point, value, quality in readings_of(history, points()):
        word = Quality(quality).name.lower().replace("_", "-")
        number = f"{value:g}" if quality <= Quality.OVER_RANGE else "-"
        lines.append(f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%SZ} {point} {number} {word}")
    assert "\n".join(lines) + "\n" == BLOCKS["text", name]
    assert len(lines) >= 2


def test_the_example_of_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(BLOCKS["csv", "labels.csv"], encoding="utf-8")
    assert read_labels(path, zone="Asia/Shanghai") == [
        Label(1714978800.0, 1714991400.0, None, "flood", "storm of 6 May", 2)
    ]


def test_every_key_is_there():
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert set(MappingTable.model_fields) | set(ColumnTable.model_fields) <= told
    words = set(re.findall(r"`\"?(\w+)\"?`", PAGE))
    assert set(TimeTable.model_fields) | set(QualityTable.model_fields) | set(LabelsTable.model_fields) <= words
    assert set(NUMBERS) <= words
    assert set(_TIME_NAMES[:3]) <= words
    pattern = re.search(r"a pattern of `(.*?)`", PAGE)
    assert pattern
    assert {f"%{name}" for name in (*_DIRECTIVES, *_SHORT)} == set(pattern[1].split())
