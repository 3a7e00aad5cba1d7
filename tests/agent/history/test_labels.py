"""Labelled events from a CSV of intervals."""

import pytest

from agent.history import Label, read_labels
from agent.site.problems import ConfigErrors


def test_columns_are_found_by_name(written):
    path = written.file(
        "labels.csv",
        "Name;Start;End;hazard;Alarm\nlater;2024-05-07 08:00;2024-05-07 09:00;flood;\n"
        "first;2024-05-06T08:00Z;2024-05-06T09:30+00:00;;river\n",
    )
    assert read_labels(path, zone="Asia/Shanghai") == [
        Label(1714982400.0, 1714987800.0, "river", None, "first", 3),
        Label(1715040000.0, 1715043600.0, None, "flood", "later", 2),
    ]


def test_a_mapping_names_them(written):
    path = written.file("labels.csv", "a|b|c\n06.05.2024 08:00|06.05.2024 09:00|x\n".encode("utf-16"))
    mapping = written.file(
        "m.toml",
        'encoding = "gbk"\n[labels]\nstart = "a"\nend = "b"\ntext = "c"\nis_hazard = "gas"\nencoding = "utf-16"\n'
        'format = "%d.%m.%Y %H:%M"\nzone = "+08:00"\n',
    )
    assert read_labels(path, zone="UTC", mapping=mapping) == [Label(1714953600.0, 1714957200.0, None, "gas", "x", 2)]


def test_every_mistake_at_once(written):
    path = written.file("l.csv", "start,end\n2024-05-06,2024-05-07\nx,2024-05-07\n2024-05-09,2024-05-07\n2024-05-09,\n")
    with pytest.raises(ConfigErrors) as error:
        read_labels(path, zone="UTC")
    assert [(problem.line, problem.key) for problem in error.value.problems] == [(3, "start"), (4, "end"), (5, "end")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("begin,Weekend\n", r"no column for the end of events.*\[labels\] of a mapping can name it: end = .Weekend"),
        ("\xff\xfe", "not written in utf-8"),
    ],
)
def test_files_that_can_not_be_labels(written, text, told):
    with pytest.raises(ConfigErrors, match=told):
        read_labels(written.file("l.csv", text.encode("latin-1")), zone="UTC")
    with pytest.raises(ConfigErrors, match="can't be read"):
        read_labels(written.directory / "none.csv", zone="UTC")
