"""A mapping is taken whole or not at all, with every mistake told at its line."""

import re
import subprocess
import sys

import pytest

from agent.history.mapping import load_mapping
from agent.site.problems import ConfigErrors
from rules.model import PointInfo

POINTS = [PointInfo("gauge.level", "m", 600.0), PointInfo("rain.total", "mm", 600.0)]


def lines(error) -> list[str]:
    return [f"{problem.line}: {problem.key}: {problem.message} | {problem.hint}" for problem in error.value.problems]


MISTAKES = (
    (2, "encodng", "unknown key"),
    (3, "encoding", "did you mean"),
    (4, "delimiter", "one character"),
    (5, "decimal", '"." or ","'),
    (6, "zone", "did you mean Asia/Shanghai"),
    (7, "skip", "at least 0"),
    (8, "missing", "one meaning"),
    (11, "time.format", "got %q in a pattern"),
    (13, "column.WL.point", "did you mean gauge.level"),
    (16, "column.W2.unit", "does not compare with"),
    (19, "column.W3.scale", "other than 0"),
    (20, "column.W3.quality.otherwise", '"good", "uncertain"'),
)


def test_every_mistake_at_once(written):
    path = written.file(
        "m.toml",
        """files = ["a.csv"]
encodng = "gb18030"
encoding = "gb1803"
delimiter = ";;"
decimal = "comma"
zone = "Asia/Shanghia"
skip = -1
missing = ["M", -200, "M"]
[time]
column = "t"
format = "%Y-%q"
[column.WL]
point = "gauge.levle"
[column.W2]
point = "gauge.level"
unit = "mm/h"
[column.W3]
point = "gauge.level"
scale = 0
quality = { column = "q", good = [0], bad = ["0"], otherwise = "fine" }
""",
    )
    with pytest.raises(ConfigErrors) as error:
        load_mapping(path, POINTS)
    told = lines(error)
    for line, key, words in MISTAKES:
        assert any(re.match(rf"{line}: {re.escape(key)}: .*(?:{words})", each) for each in told), (line, key, told)


def test_columns_that_are_not_there(written):
    written.file("a.csv", "time,WL,flag\n2024-05-06 07:08,1,0\n")
    path = written.file(
        "m.toml",
        'files = ["a.csv"]\ntime = { column = "tme" }\nquality = { column = "flags", good = [0] }\n'
        '[column.WL]\npoint = "gauge.level"\n',
    )
    with pytest.raises(ConfigErrors) as error:
        written.read(path, POINTS)
    assert lines(error) == [
        '1: : has no column "tme", which time.column of the mapping names | did you mean time?',
        '1: : has no column "flags", which quality.column of the mapping names | did you mean flag?',
    ]


def test_a_column_may_be_in_one_of_many_files_but_must_be_in_one(written):
    written.file("x/level.csv", "time,WL\n2024-05-06 07:08,1\n")
    written.file("x/rain.csv", "time,P\n2024-05-06 07:08,2\n")
    text = 'files = ["x/*.csv"]\n[column.WL]\npoint = "gauge.level"\n[column.P]\npoint = "rain.total"\n'
    found, history = written.read(written.file("m.toml", text), POINTS)
    assert [(name, value) for _, name, value, _ in found] == [("gauge.level", 1.0), ("rain.total", 2.0)]
    assert history.counts.joined == 1
    with pytest.raises(ConfigErrors, match=r"m.toml:4: column.Q: .* none of the recordings has"):
        written.read(written.file("m.toml", text.replace("column.P", "column.Q")), POINTS[:2])


def test_files_that_are_not_there(written):
    written.file("level.csv", "time,gauge.level\n")
    with pytest.raises(ConfigErrors, match=r"m.toml:1: files\[0\]: .*fits no file; did you mean level.csv"):
        written.read(written.file("m.toml", 'files = ["levle.csv"]\n'), POINTS)
    with pytest.raises(ConfigErrors, match=r"nope.csv:1: the file can't be read"):
        written.read(written.directory / "nope.csv", POINTS)
    with pytest.raises(ConfigErrors, match="expected the recordings"):
        written.read(written.file("m.toml", "skip = 1\n"), POINTS)


def test_files_without_names_of_columns(written):
    written.file("a.csv", "2024-05-06 07:08,x,15\n2024-05-06 07:09,x,20\n")
    text = 'files = ["a.csv"]\nheader = false\n[time]\ncolumn = "1"\n'
    text += '[column.3]\npoint = "gauge.level"\nunit = "cm"\noffset = 5\n'
    found, _ = written.read(written.file("m.toml", text), POINTS)
    assert [value for *_, value, _ in found] == [0.2, 0.25]


def test_a_column_may_have_another_name_in_another_file(written):
    text = 'files = ["*.csv"]\n[column.WL]\npoint = "gauge.level"\n[column.Stage]\npoint = "gauge.level"\nunit = "cm"\n'
    path = written.file("m.toml", text)
    written.file("2023.csv", "time,WL\n2024-05-06 07:08,1\n")
    written.file("2024.csv", "time,Stage\n2024-05-06 07:09,110\n")
    found, _ = written.read(path, POINTS)
    assert [value for *_, value, _ in found] == [1.0, 1.1]
    written.file("2025.csv", "time,Stage,WL\n2024-05-06 07:09,110,1\n")
    with pytest.raises(ConfigErrors, match=r'2025.csv:1: columns "Stage" and "WL" are both gauge.level'):
        written.read(path, POINTS)


def test_two_columns_of_one_name(written):
    path = written.file("a.csv", "time,gauge.level,gauge.level\n2024-05-06 07:08,1,2\n")
    with pytest.raises(ConfigErrors, match=r'two columns are called "gauge.level"'):
        written.read(path, POINTS)


def test_without_pyarrow_it_is_said_what_to_do(written, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = written.file("a.csv", "time,gauge.level\n")
    with pytest.raises(ConfigErrors, match=r"a.csv:1: reading recordings needs pyarrow, .*; pip install pyarrow"):
        written.read(path, POINTS)


def test_pyarrow_is_loaded_only_when_it_is_needed():
    code = "import agent.history, agent.history.history, sys; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
