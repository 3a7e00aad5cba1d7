"""Random recordings: as a slow, obvious reader has them, whatever the blocks, the columns' and the files' order."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.history import csvfile, open_history
from rules.model import BAD, GOOD, OVER_RANGE, UNDER_RANGE, PointInfo
from tests.agent.history.conftest import Written, adds_up, readings_of

POINTS = [
    PointInfo("a.x", "m", 200.0, 0.0, 5.0),
    PointInfo("b.y", "m", 200.0),
    PointInfo("c.z", "mm", 200.0, None, 8.0),
]
NAMES = [point.name for point in POINTS]
MAPPING = 'time = { column = "time" }\nmissing = ["-200", "M"]\n[column."c.z"]\npoint = "c.z"\nunit = "cm"\n'

cells = st.sampled_from(
    ["1", "1.25", "2.5", "3", "", "", "-200", "-200.0", "M", "x", "nan", "inf", " 4 ", "+2", "9", "-1"]
)
stamps = st.one_of(st.integers(0, 40), st.integers(0, 40), st.just(None))
table = st.lists(st.tuples(stamps, st.tuples(cells, cells, cells)), max_size=25)
growing = st.lists(st.tuples(st.integers(0, 2), st.tuples(cells, cells, cells)), max_size=25)


def meaning(cell: str, point: PointInfo) -> tuple[float, int] | None:
    """A cell, the slow way."""
    cell = cell.strip()
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        return math.nan, BAD
    if not math.isfinite(number) or number == -200:
        return math.nan, BAD
    value = number * 10 if point.name == "c.z" else number
    if point.high is not None and value > point.high:
        return value, OVER_RANGE
    return (math.nan, UNDER_RANGE) if point.low is not None and value < point.low else (value, GOOD)


def in_order(times: list[int]) -> list[int]:
    """Which of distinct times are kept, looking two ahead, the slow way."""
    kept, top = [], -math.inf
    for i, here in enumerate(times):
        following = times[i + 1 : i + 3]
        leaps = (
            following and top <= following[0] < here and (len(following) == 1 or following[0] <= following[1] < here)
        )
        if here <= top or leaps:
            continue
        kept.append(i)
        top = here
    return kept


def expected(rows) -> list[tuple[float, str, float, int]]:
    """All readings of a file, the slow way."""
    runs: list[tuple[int, list]] = []
    for stamp, cells_ in rows:
        if stamp is None:
            continue
        if runs and runs[-1][0] == stamp:
            runs[-1][1].append(cells_)
        else:
            runs.append((stamp, [cells_]))
    found = []
    for i in in_order([stamp for stamp, _ in runs]):
        stamp, rows_ = runs[i]
        for k, point in enumerate(POINTS):
            readings = [reading for row in rows_ if (reading := meaning(row[k], point))]
            usable = [reading for reading in readings if reading[1] <= OVER_RANGE]
            if readings:
                found.append((60.0 * stamp, point.name, *(usable or readings)[0]))
    return found


def same(a, b) -> bool:
    return repr(a) == repr(b)  # NaN equals NaN


def text(rows, order=(0, 1, 2)) -> str:
    lines = ["time," + ",".join(NAMES[k] for k in order)]
    for stamp, cells_ in rows:
        when = "?" if stamp is None else f"1970-01-01 {stamp // 60:02}:{stamp % 60:02}:00"
        lines.append(f"{when}," + ",".join(cells_[k] for k in order))
    return "\n".join(lines) + "\n"


def read(paths, block_bytes=csvfile.BLOCK_BYTES):
    before, csvfile.BLOCK_BYTES = csvfile.BLOCK_BYTES, block_bytes
    try:
        mapping = paths[0].parent / "m.toml"
        mapping.write_text(MAPPING)
        history = open_history(paths, POINTS, mapping=mapping, zone="UTC")
        return readings_of(history, POINTS), history
    finally:
        csvfile.BLOCK_BYTES = before


@settings(max_examples=150, deadline=None)
@given(rows=table, block_bytes=st.sampled_from([30, 90, 400, 1 << 20]), order=st.permutations(range(3)))
@example(rows=[(5, ("1", "", "")), (7, ("2", "", "")), (5, ("3", "", ""))], block_bytes=30, order=(0, 1, 2))
def test_reads_as_the_slow_reader_does(rows, block_bytes, order):
    with TemporaryDirectory() as directory:
        written = Written(Path(directory))
        found, history = read([written.file("a.csv", text(rows, order))], block_bytes)
    assert same(found, expected(rows))
    (file,) = history.counts.files.values()
    assert file.rows == len(rows)


@settings(max_examples=60, deadline=None)
@given(steps=growing, split=st.integers(0, 25), data=st.data())
def test_the_order_of_columns_and_files_changes_nothing(steps, split, data):
    at, rows = 0, []
    for pause, cells_ in steps:
        at += pause
        rows.append((at, cells_))
    whole = expected(rows)
    with TemporaryDirectory() as directory:
        written = Written(Path(directory))
        paths = []
        for number, k in enumerate(data.draw(st.permutations(range(3)))):  # a file for each column, cut in two
            for part, some in enumerate((rows[:split], rows[split:])):
                name = f"{number}-{part}-{NAMES[k]}.csv"
                paths.append(written.file(name, text([(stamp, cells_) for stamp, cells_ in some], (k,))))
        before, csvfile.BLOCK_BYTES = csvfile.BLOCK_BYTES, 60
        try:
            found, history = read(data.draw(st.permutations(paths)), 60)
        finally:
            csvfile.BLOCK_BYTES = before
        adds_up(history)
    if split in (0, 25) or split >= len(rows) or rows[split - 1][0] != rows[split][0]:
        assert same(found, whole)
    else:  # rows of one time in two files: the same points and times, and of the readings one of those recorded
        assert [row[:2] for row in found] == [row[:2] for row in whole]
