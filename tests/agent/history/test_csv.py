"""CSV as it comes: every oddity is read rightly or counted, none is silent."""

import gzip
import math

import pytest

from agent.site.problems import ConfigErrors
from rules.model import BAD, GOOD, INHIBITED, OVER_RANGE, UNCERTAIN, UNDER_RANGE, PointInfo

LEVEL = PointInfo("gauge.level", "m", 600.0, low=0.0, high=5.0)
RAIN = PointInfo("rain.total", "mm", 600.0)
T0 = 1_714_979_280.0  # 2024-05-06T07:08:00Z


def file(path, history):
    return history.counts.files[str(path)]


def test_columns_named_like_points_need_no_mapping(written):
    path = written.file(
        "a.csv", "time,rain.total,gauge.level,note\n2024-05-06 07:08,1.5,2.25,x\n2024-05-06T07:09,,2.5,\n"
    )
    found, history = written.read(path, [LEVEL, RAIN])
    assert found == [
        (T0, "gauge.level", 2.25, GOOD),
        (T0, "rain.total", 1.5, GOOD),
        (T0 + 60, "gauge.level", 2.5, GOOD),
    ]
    assert history.counts.points["rain.total"].empty == 1
    assert history.span == (T0, T0 + 60)
    assert "a.csv: columns not used: note" in history.notes
    assert "a.csv: time: column time, ISO 8601" in history.notes


@pytest.mark.parametrize(
    ("stamp", "zone"),
    [
        ("2024-05-06T15:08:00", "Asia/Shanghai"), ("2024-05-06 09:08", "Europe/Berlin"), ("2024-05-06 15:08", "+08:00"),
        ("2024-05-06T07:08:00Z", "Asia/Shanghai"), ("2024-05-06T02:08:00-05:00", "Asia/Shanghai"),
        ("1714979280", "Asia/Shanghai"), ("1714979280.0", "UTC"), ("1714979280000", "Asia/Shanghai"),
    ],
)  # fmt: skip
def test_stamps_are_recognised(written, stamp, zone):
    path = written.file("a.csv", f"ts,gauge.level\n{stamp},1\n")
    found, _ = written.read(path, [LEVEL], zone)
    assert found == [(T0, "gauge.level", 1.0, GOOD)]


def test_what_is_no_measurement_has_its_reason(written):
    cells = ["1.5", "-200", "M", "T", "", " 2 ", "abc", "nan", "inf", "-1", "9", "+3", '"4"', "1e400", "0x10", "1_0"]
    lines = "".join(f"2024-05-06 07:{minute:02},{cell}\n" for minute, cell in enumerate(cells, start=8))
    path = written.file("a.csv", "time,gauge.level\n" + lines)
    mapping = written.file("m.toml", 'missing = [-200, "M"]\nvalues = { T = 0.05 }\n')
    found, history = written.read(path, [LEVEL], mapping=mapping)
    usable = {cells[round(at_s - T0) // 60]: value for at_s, _, value, quality in found if quality <= OVER_RANGE}
    assert usable == {"1.5": 1.5, "T": 0.05, " 2 ": 2.0, "9": 9.0, "+3": 3.0, '"4"': 4.0}
    assert all(math.isnan(value) for _, _, value, quality in found if quality > OVER_RANGE)
    counts = history.counts.points["gauge.level"]
    assert (counts.good, counts.over_range, counts.empty) == (5, 1, 1)
    assert counts.bad == {
        "missing code": 2, "not readable": 3, "not a number (NaN)": 1, "infinite": 2, "under range": 1,
    }  # fmt: skip
    qualities = {cells[round(at_s - T0) // 60]: quality for at_s, _, _, quality in found}
    assert (qualities["9"], qualities["-1"], qualities["M"]) == (OVER_RANGE, UNDER_RANGE, BAD)
    assert "" not in qualities


def test_empty_cells_can_be_failed_readings(written):
    path = written.file("a.csv", "time,gauge.level,rain.total\n2024-05-06 07:08,,-\n2024-05-06 07:09,  ,1\n")
    mapping = written.file(
        "m.toml", 'no_reading = ["-"]\n[column."gauge.level"]\npoint = "gauge.level"\nmissing = [""]\n'
    )
    found, history = written.read(path, [LEVEL, RAIN], mapping=mapping)
    assert [(name, quality) for _, name, _, quality in found] == [
        ("gauge.level", BAD), ("gauge.level", BAD), ("rain.total", GOOD),
    ]  # fmt: skip
    assert history.counts.points["rain.total"].empty == 1


def test_a_foreign_file_with_everything(written):
    text = (
        "Messstelle 7\r\nKanal ä\r\n\r\nDatum;Uhrzeit;Pegel [cm];Güte\r\n;;cm;-\r\n# gewartet\r\n"
        "06.05.2024;09:08:00;123,5;0\r\n06.05.2024;09:09:00;35;1\r\n# noch mal\r\n06.05.2024;09:10:00;200;7\r\n"
        "06.05.2024;09:11:00;1.000,5;0\r\n06.05.2024;09:12:00;210;W\r\n"
    )
    path = written.file("pegel.csv", text.encode("latin-1"))
    written.file(
        "m.toml",
        'files = ["peg*.csv"]\nencoding = "latin-1"\ndelimiter = ";"\ndecimal = ","\nskip = 2\nafter_header = 1\n'
        'comment = "#"\nzone = "Europe/Berlin"\n'
        'time = { column = ["Datum", "Uhrzeit"], format = "%d.%m.%Y %H:%M:%S" }\n'
        'quality = { column = "Güte", good = [0], uncertain = [1], inhibited = ["W"] }\n'
        '[column."Pegel [cm]"]\npoint = "gauge.level"\nunit = "cm"\n',
    )
    found, history = written.read(path.with_name("m.toml"), [LEVEL])
    assert [(at_s - T0, value, quality) for at_s, _, value, quality in found if quality <= UNCERTAIN] == [
        (0.0, 1.235, GOOD),
        (60.0, 0.35, UNCERTAIN),
    ]
    assert [quality for *_, quality in found] == [GOOD, UNCERTAIN, BAD, BAD, INHIBITED]
    assert file(path, history).blank == 2
    assert file(path, history).head == 5


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig", "big5"])
def test_encodings(written, encoding):
    path = written.file("a.csv", "時間,水位\n2024年05月06日07時08分,1.5\n".encode(encoding))
    mapping = written.file(
        "m.toml",
        f'encoding = "{encoding}"\ntime = {{ column = "時間", format = "%Y年%m月%d日%H時%M分" }}\n'
        '[column."水位"]\npoint = "gauge.level"\n',
    )
    found, _ = written.read(path, [LEVEL], mapping=mapping)
    assert found == [(T0, "gauge.level", 1.5, GOOD)]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_another_encoding_without_a_mapping_is_told(written, encoding):
    path = written.file("a.csv", "时间,水位\n".encode(encoding))
    with pytest.raises(ConfigErrors, match=rf'not written in utf-8-sig; a mapping can say what it is.*"{encoding}"'):
        written.read(path, [LEVEL])


def test_ragged_lines_are_counted(written):
    path = written.file(
        "a.csv",
        "time,gauge.level,rain.total\n2024-05-06 07:08,1,2\n2024-05-06 07:09,1\n\n2024-05-06 07:10,1,2,3\n"
        "2024-05-06 07:11,1,2",
    )
    found, history = written.read(path, [LEVEL, RAIN])
    assert [at_s - T0 for at_s, *_ in found] == [0, 0, 180, 180]
    assert file(path, history).dropped == {"too few or too many cells": 2}
    assert file(path, history).blank == 1
    assert file(path, history).rows == 4


def test_rows_that_end_with_a_delimiter(written):
    path = written.file("a.csv", "time;gauge.level\n2024-05-06 07:08;1.5;\n2024-05-06 07:09;1.6;\n")
    found, _ = written.read(path, [LEVEL])
    assert [value for *_, value, _ in found] == [1.5, 1.6]


def test_a_quote_that_is_never_closed_costs_its_line_only(written):
    rows = [f"2024-05-06 07:{minute:02},{minute},x\n" for minute in range(8, 50)]
    rows[3] = '2024-05-06 07:11,11,"left open\n'
    rows[5] = '2024-05-06 07:13,13,2" pipe\n'
    path = written.file("a.csv", "time,gauge.level,note\n" + "".join(rows))
    found, history = written.read(path, [PointInfo("gauge.level", "m", 600.0)])
    assert [value for *_, value, _ in found] == [float(minute) for minute in range(8, 50) if minute != 11]
    assert file(path, history).dropped == {"too few or too many cells": 1}


def test_quoted_line_breaks_are_part_of_a_cell(written):
    path = written.file(
        "a.csv", 'time,note,gauge.level\n2024-05-06 07:08,"two\nlines, ""both""",1\n2024-05-06 07:09,one,2\n'
    )
    found, history = written.read(path, [LEVEL])
    assert [value for *_, value, _ in found] == [1.0, 2.0]
    assert file(path, history).continued == 1


def test_old_line_ends_and_compression(written):
    text = "time,gauge.level\r2024-05-06 07:08,1\r2024-05-06 07:09,2\r"
    path = written.file("mac.csv", text)
    found, _ = written.read(path, [LEVEL])
    zipped = written.file("a.csv.gz", gzip.compress(text.replace("\r", "\n").encode()))
    assert written.read(zipped, [LEVEL])[0] == found
    assert len(found) == 2


def test_time_that_goes_the_wrong_way(written):
    minutes = [0, 1, 2, 500, 3, 4, 1, 2, 3, 4, 5, 6]
    path = written.file("a.csv", "time,gauge.level\n" + "".join(f"{T0 + 60 * m:.0f},1\n" for m in minutes))
    found, history = written.read(path, [LEVEL])
    assert [(at_s - T0) / 60 for at_s, *_ in found] == [0, 1, 2, 3, 4, 5, 6]
    assert file(path, history).dropped == {"time leapt ahead": 1, "time went backward": 4}
    assert file(path, history).backward_jumps == 1
    assert history.counts.points["gauge.level"].dropped == {"time leapt ahead": 1, "time went backward": 4}


def test_rows_of_one_time(written):
    rows = ["07:08,1,", "07:08,,5", "07:09,2,6", "07:09,2,6", "07:10,3,7", "07:10,4,7", "07:11,x,8", "07:11,2,8"]
    path = written.file("a.csv", "time,gauge.level,rain.total\n" + "".join(f"2024-05-06 {row}\n" for row in rows))
    found, history = written.read(path, [LEVEL, RAIN])
    assert [(at_s - T0, value) for at_s, _, value, _ in found] == [
        (0, 1), (0, 5), (60, 2), (60, 6), (120, 3), (120, 7), (180, 2), (180, 8),
    ]  # fmt: skip
    assert file(path, history).dropped == {"same time, same values": 1, "same time, other values": 1}
    assert file(path, history).merged == 2
    level = history.counts.points["gauge.level"]
    assert level.dropped == {"same time, same value": 1, "same time, another value": 2}
    assert history.counts.points["rain.total"].dropped == {"same time, same value": 3}


def test_daylight_saving(written):
    times = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    rows = "".join(f"2024-10-27 {time},{k}\n" for k, time in enumerate(times))
    path = written.file("a.csv", f"time,gauge.level\n2024-03-31 02:30,9\n{rows}")
    found, history = written.read(path, [LEVEL], "Europe/Berlin")
    begin = found[0][0]
    assert [(at_s - begin) / 60 for at_s, *_ in found] == [0, 30, 60, 90, 120, 150]
    assert file(path, history).dropped == {"no such local time": 1}
    assert file(path, history).repeated_hour == 4


def test_unreadable_stamps_are_counted(written):
    path = written.file(
        "a.csv", "time,gauge.level\n2024-05-06 07:08,1\n2024-02-30 07:09,1\n,1\nx,1\n2024-05-06 07:10,2\n"
    )
    found, history = written.read(path, [LEVEL])
    assert len(found) == 2
    assert file(path, history).dropped == {"time not readable": 3}


@pytest.mark.parametrize("more", ["", "2024-05-06 07:10,nobody,ERR,G\n", "2024-05-06 07:10,no\xffbody,ERR,G\n"])
def test_long_recordings(written, more):
    text = (
        "time,tag,val,flag\n2024-05-06 07:08,WL,35,G\n2024-05-06 07:08,P1,1.5,G\n2024-05-06 07:08,other,1,G\n"
        "2024-05-06 07:09,WL,36,B\n2024-05-06 07:09,WL,37,G\n2024-05-06 07:09,rain.total,,G\n"
    )
    path = written.file("a.csv", text.encode() + more.encode("latin-1"))
    mapping = written.file(
        "m.toml",
        'long = { point = "tag", value = "val" }\nquality = { column = "flag", good = ["G"] }\n'
        '[column.WL]\npoint = "gauge.level"\nunit = "cm"\n[column.P1]\npoint = "rain.total"\n',
    )
    found, history = written.read(path, [LEVEL, RAIN], mapping=mapping)
    assert [(at_s - T0, name, value) for at_s, name, value, _ in found] == [
        (0, "gauge.level", 0.35),
        (0, "rain.total", 1.5),
        (60, "gauge.level", 0.37),
    ]
    dropped = {"another point": 1 + bool(more), "no reading": 1, "same time, other values": 1}
    assert file(path, history).dropped == dropped


def test_states_are_told_by_word_or_code(written):
    pump = PointInfo("pump.state", "", 600.0, states={"off": 0, "on": 1})
    path = written.file(
        "a.csv",
        "time,pump.state\n"
        + "".join(f"2024-05-06 07:{8 + k:02},{c}\n" for k, c in enumerate(["on", "0", "1.0", "7", "off"])),
    )
    found, history = written.read(path, [pump])
    assert [value for *_, value, quality in found if quality == GOOD] == [1, 0, 1, 0]
    assert history.counts.points["pump.state"].bad == {"no such state": 1}


def test_gaps_are_told(written):
    path = written.file(
        "a.csv",
        "time,gauge.level,rain.total\n"
        + "".join(f"{T0 + 60 * m:.0f},1,{'' if 5 < m < 40 else 2}\n" for m in [*range(50), 90]),
    )
    _, history = written.read(path, [LEVEL, RAIN])
    level, rain = history.counts.points["gauge.level"], history.counts.points["rain.total"]
    assert (level.gaps, level.longest_gap_s) == (1, 2460)
    assert (rain.gaps, rain.longest_gap_s) == (2, 2460)


def test_a_file_of_nothing(written):
    with pytest.raises(ConfigErrors, match="no line with column names"):
        written.read(written.file("a.csv", ""), [LEVEL])
    found, history = written.read(written.file("b.csv", "time,gauge.level\n"), [LEVEL])
    assert found == []
    assert history.span is None


def test_nothing_that_matches_names_the_nearest(written):
    path = written.file("a.csv", "time,gauge.levle,rain_total\n2024-05-06 07:08,1,2\n")
    with pytest.raises(
        ConfigErrors, match=r"a\.csv:1: no column is a point.*did you mean gauge\.levle as gauge\.level"
    ):
        written.read(path, [LEVEL, RAIN])


def test_blocks_are_cut_anywhere(written, monkeypatch):
    rows = [f'2024-05-06 07:{m:02}:{s:02},{m}.{s},"note ""{s}""\nmore"\n' for m in range(8, 12) for s in range(60)]
    path = written.file("a.csv", "time,gauge.level,note\n" + "".join(rows))
    whole, _ = written.read(path, [RAIN, PointInfo("gauge.level", "m", 600.0)])
    for size in (97, 1000, 4096):
        monkeypatch.setattr("agent.history.csvfile.BLOCK_BYTES", size)
        cut, history = written.read(path, [RAIN, PointInfo("gauge.level", "m", 600.0)])
        assert cut == whole
        assert file(path, history).continued == len(rows)
    assert len(whole) == 240
