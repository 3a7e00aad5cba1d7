"""The library as shipped against real recordings, through the real command. Skipped where the recordings are not.

They stand in `shared/data` beside the checkout, or where TOCSIN_RECORDINGS says. The figures are floors: what was
reached without tuning to single events. Both false leak alarms are of one night, in which every sensor saw methane
and no release is listed.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

SITES = Path(__file__).parent / "recordings"
FOLDER = Path(os.environ.get("TOCSIN_RECORDINGS", Path(__file__).parents[3] / "shared" / "data"))


def recording(name):
    """A recording, or the test is skipped."""
    file = FOLDER / name
    if not file.is_file():
        pytest.skip(f"there is no {name} in {FOLDER}; TOCSIN_RECORDINGS may name another folder")
    return file


def labels(path, events):
    """A file of labelled events."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("start", "end", "name"), *events])
    return path


def backtest(site, history, events):
    """What `tocsin backtest` writes about a recording."""
    argv = [sys.executable, "-m", "agent.cli", "backtest", str(SITES / f"{site}.toml"), "--no-jit"]
    argv += ["--history", str(history), "--mapping", str(SITES / f"{site}-columns.toml")]
    argv += ["--labels", str(events), "--json", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def leaks(tmp_path_factory):
    history = recording("metec_aded2022_methane_1min.csv")
    with recording("metec_aded2022_releases.csv").open(newline="", encoding="utf-8") as file:
        rows = [(r["tc_ExpStartDatetime"], r["tc_ExpEndDatetime"], r["tc_EPID"]) for r in csv.DictReader(file)]
    return backtest("methane", history, labels(tmp_path_factory.mktemp("leaks") / "releases.csv", rows))


def test_releases_of_methane_are_found(leaks):
    score = leaks["score"]["all"]
    assert score["events"] == 17
    assert score["hits"] >= 17
    assert score["false_alarms"] <= 2


def test_half_of_the_releases_are_found_within_twenty_minutes(leaks):
    assert median(-event["lead_s"] for event in leaks["score"]["events"] if event["hit"]) <= 20 * 60


def test_a_quiet_fence_line_stays_quiet(leaks):
    """No alarm outside of the labels but in the night of 11 May, whose methane nobody listed."""
    releases = [(event["start"], event["end"]) for event in leaks["score"]["events"]]
    starts = [move["at"] for move in leaks["alarms"] if move["previous"] == "normal"]
    outside = [at for at in starts if not any(start <= at <= end for start, end in releases)]
    assert starts
    assert len([at for at in outside if not at.startswith("2022-05-11")]) <= 1


def test_every_reading_of_the_fence_line_is_accounted_for(leaks):
    counts = leaks["points"]
    assert counts["fence.N"]["good"] == 10_070
    assert counts["fence.SE"]["good"] == 9_498


def test_failures_of_a_machine_are_found(tmp_path):
    history = recording("nab_machine_temperature_system_failure.csv")
    windows = json.loads(recording("nab_label_windows.json").read_text(encoding="utf-8"))
    events = [(start[:19], end[:19], "failure") for start, end in windows[history.name.removeprefix("nab_")]]
    report = backtest("machine", history, labels(tmp_path / "failures.csv", events))
    score = report["score"]["all"]
    assert (score["events"], score["hits"]) == (4, 4)
    assert score["false_alarms"] <= 2
    middles = 23.5 * 3600.0  # a window's middle is the failure; the alarm comes before it
    assert all(-event["lead_s"] < middles for event in report["score"]["events"])
    assert report["points"]["machine.temperature"]["good"] == 22_683
