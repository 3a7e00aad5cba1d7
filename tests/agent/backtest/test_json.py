"""What is written for machines: by its schema, the same however the history lies in files, wrong input told."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.backtest.command import Request, backtest

from .conftest import at, label, record

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "backtest.schema.json").read_text(encoding="utf-8"))


def test_moves_with_their_values(judge, flood, tmp_path):
    found = judge(record(tmp_path / "h.csv", flood))
    jsonschema.validate(found, SCHEMA)
    moves = [(move["alarm"], move["level"], move["previous"], move["at"][11:]) for move in found["alarms"]]
    assert moves == [
        ("river", "yellow", "normal", "00:32:00+00:00"),
        ("river", "normal", "yellow", "00:41:00+00:00"),
        ("rain", "blue", "normal", "01:40:00+00:00"),
        ("river", "yellow", "normal", "02:08:00+00:00"),
        ("rain", "normal", "blue", "02:10:00+00:00"),
        ("river", "red", "yellow", "02:16:00+00:00"),
        ("river", "yellow", "red", "02:51:00+00:00"),
        ("river", "normal", "yellow", "02:58:00+00:00"),
    ]
    assert found["alarms"][0]["values"] == {"gauge.stage": 2.2}
    assert found["alarms"][2]["values"] == {"gauge.rain": 6.5}
    assert found["points"]["gauge.stage"]["good"] == 210
    assert found["points"]["gauge.stage"]["gaps"] == 1
    assert found["span"] == {
        "first": found["alarms"][0]["at"][:11] + "00:00:00+00:00",
        "last": found["alarms"][0]["at"][:11] + "03:59:00+00:00",
        "steps": 210,
        "readings": 420,
    }
    assert found["score"] is None
    assert found["vary"] is None


def test_scores_and_variants_keep_to_the_schema(judge, flood, tmp_path):
    labels = label(
        tmp_path / "e.csv", [(125, 180, "flood", "", "flood"), (35, 36, "other", "rain", ""), (999, 1000, "", "", "")]
    )
    found = judge(record(tmp_path / "h.csv", flood), labels=labels, vary=("river.yellow.for=0 s..20 min/10 min",))
    jsonschema.validate(found, SCHEMA)
    assert found["score"]["outside"] == 1
    assert found["score"]["alarms"]["river"] == {
        "events": 1, "hits": 1, "misses": 0, "false_alarms": 1,
        "lead_s": {"median": -180.0, "least": -180.0, "most": -180.0},
    }  # fmt: skip
    assert found["score"]["alarms"]["rain"]["misses"] == 1
    assert found["score"]["all"]["events"] == 2
    assert [row["score"]["false_alarms"] for row in found["vary"]["rows"]] == [1, 1, 0, 0]


def test_part_of_a_history(judge, flood, tmp_path):
    history = record(tmp_path / "h.csv", flood)
    found = judge(history, start=at(90), end=at(170))
    assert found["span"]["first"].endswith("01:30:00+00:00")
    assert found["span"]["last"].endswith("02:49:00+00:00")
    assert [move["level"] for move in found["alarms"]] == ["blue", "yellow", "normal", "red"]
    assert judge(history, start="2030-01-01")["span"]["first"] is None


def test_nothing_to_judge(judge, tmp_path):
    found = judge(record(tmp_path / "h.csv", [(0, None, None)]))
    jsonschema.validate(found, SCHEMA)
    assert found["alarms"] == []


def test_a_history_without_one_of_the_points(judge, flood, tmp_path):
    found = judge(record(tmp_path / "h.csv", [row[:2] for row in flood], ["gauge.stage"]), vary=("rain.blue.for=1 s",))
    jsonschema.validate(found, SCHEMA)
    assert found["points"]["gauge.rain"]["good"] == 0
    assert {move["alarm"] for move in found["alarms"]} == {"river"}


stages = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from([1.0, 1.9, 2.1, 3.5, None]), st.sampled_from([0.0, 7.0, None])),
    min_size=1,
    max_size=40,
).map(lambda rows: [(sum(gap for gap, *_ in rows[: k + 1]), *rows[k][1:]) for k in range(len(rows))])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stages, st.lists(st.integers(1, 39), max_size=3), st.booleans(), st.randoms(use_true_random=False))
def test_how_a_history_lies_in_files_changes_nothing(  # noqa: PLR0917 - hypothesis gives them
    judge, tmp_path, rows, cuts, apart, chance
):
    """One file; or cut in time, columns swapped or in files of their own, given in any order."""
    shutil.rmtree(tmp_path / "parts", ignore_errors=True)
    (tmp_path / "parts").mkdir()
    whole = judge(record(tmp_path / "whole.csv", rows))
    places = sorted({0, *(cut for cut in cuts if cut < len(rows)), len(rows)})
    files = []
    for a, b in pairwise(places):
        if apart:
            for column, name in ((1, "gauge.stage"), (2, "gauge.rain")):
                part = [(row[0], row[column]) for row in rows[a:b]]
                files.append(record(tmp_path / "parts" / f"{name}-{a}.csv", part, [name]))
        else:
            part = [(minute, rain, stage) for minute, stage, rain in rows[a:b]]
            files.append(record(tmp_path / "parts" / f"both-{a}.csv", part, ["gauge.rain", "gauge.stage"]))
    chance.shuffle(files)
    cut = judge(*files)
    for found in (whole, cut):
        del found["files"], found["notes"]
    assert whole == cut


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"history": "missing.csv"}, "missing.csv"),
        ({"history": None}, "expected recordings"),
        ({"mapping": "missing.toml"}, "missing.toml"),
        ({"labels": "missing-labels.csv"}, "missing-labels.csv"),
        ({"start": "yesterday"}, "expected a time such as"),
        ({"vary": ("river.limit=1 m",)}, "there is no river.limit"),
        ({"site": "nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_what_can_not_be_used_is_told_and_nothing_is_written(site, capsys, change, told):
    tmp_path = site.parent
    given_ = {"site": site, "history": record(tmp_path / "h.csv", [(0, 1.0, 0.0)])}
    paths = {"history", "mapping", "labels", "site"}
    given_ |= {key: tmp_path / value if key in paths and value else value for key, value in change.items()}
    given_["history"] = (given_["history"],) if given_["history"] else ()
    out = tmp_path / "out.json"
    assert backtest(Request(cache=tmp_path / "cache", json=str(out), jit=False, **given_)) == 2
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_labels_for_alarms_that_are_not_there_are_told_with_the_nearest(judge, flood, tmp_path, capsys):
    labels = label(tmp_path / "e.csv", [(1, 2, "a", "rivr", ""), (1, 2, "b", "", "flod")])
    judge(record(tmp_path / "h.csv", flood), labels=labels, code=2)
    told = capsys.readouterr().err
    assert "e.csv:2" in told
    assert "did you mean river?" in told
    assert "did you mean flood?" in told


def test_a_file_that_can_not_be_written_is_a_failure(site, flood, tmp_path, capsys):
    history = record(tmp_path / "h.csv", flood)
    request = Request(
        site, (history,), tmp_path / "cache", json=str(tmp_path / "no" / "out.json"), report=tmp_path / "r", jit=False
    )
    assert backtest(request) == 1
    assert "not written" in capsys.readouterr().err
    assert (tmp_path / "r").exists()


def test_the_command_takes_several_files_after_one_flag_and_writes_to_stdout(site, flood, tmp_path):
    """As a user runs it: with compiled rules, JSON on stdout, tables on stderr."""
    parts = [record(tmp_path / f"{k}.csv", flood[k * 70 : k * 70 + 70]) for k in range(3)]
    command = [sys.executable, "-m", "agent.cli", "backtest", str(site), "--json", "-", "--margin", "10 min"]
    done = subprocess.run(
        [*command, "--history", *map(str, parts), "--no-jit"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    assert len(found["alarms"]) == 8
    assert "What would have sounded" in done.stderr
    wrong = subprocess.run([*command, "--margin", "10"], capture_output=True, text=True, check=False, timeout=60)
    assert wrong.returncode == 2
    assert "--margin" in wrong.stderr
