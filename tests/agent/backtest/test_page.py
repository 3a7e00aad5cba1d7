"""The report: one page that needs nothing else, that escapes what it shows, and that a real browser draws."""

import json
import re
import shutil
import subprocess

import pytest

from .conftest import label, record

OUTSIDE = re.compile(r"""<[^>]*\b(?:src|href)\s*=\s*(?!["']?data:,)|https?://|@import|url\(""")


@pytest.fixture
def report(judge, flood, tmp_path):
    """A report with everything in it."""
    labels = label(
        tmp_path / "e.csv", [(125, 180, "<img src=x onerror=throw>", "", "flood"), (5, 9, "quiet", "rain", "")]
    )
    out = tmp_path / "report.html"
    judge(
        record(tmp_path / "h.csv", [*flood[:50], (55, "bad", 0), *flood[55:]]),
        labels=labels,
        report=out,
        vary=("river.yellow.for=0 s..20 min/5 min",),
        margin_s=300.0,
    )
    return out


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_it_needs_nothing_else(report):
    page = report.read_text(encoding="utf-8")
    assert OUTSIDE.findall(page) == []
    assert not re.search(r"\[\[\w+\]\]|\{\{", page), "every slot is filled"


def test_everything_is_escaped(report):
    page = report.read_text(encoding="utf-8")
    assert "<img" not in page
    assert "throw new Error('escaped?')</script>" not in page
    assert page.count("<script") == page.count("</script>") == 2
    assert "河道 &amp; 水位" in page
    assert "River &lt;stage&gt;" in page


def test_it_says_what_would_have_sounded_and_what_was_hit(report):
    page = report.read_text(encoding="utf-8")
    for words in ("What would have sounded", "当时会响的警报", "false", "missed", "river.yellow.for", "gauge.rain"):
        assert words in page
    found = data_of(page)
    stage = next(point for point in found["points"] if point["name"] == "gauge.stage")
    assert [limit["value"] for limit in stage["limits"]] == [2.0, 3.0]
    assert len(stage["gaps"]) == 1, "the half hour without readings"
    assert found["alarms"][0]["bands"][0][2] == 1
    assert [event["hit"] for event in found["events"]] == [False, True]


def test_long_histories_make_no_long_pages(judge, tmp_path):
    def size(count):
        out = tmp_path / f"{count}.html"
        judge(record(tmp_path / "h.csv", [(k, k % 17 / 10, 0.0) for k in range(count)]), report=out)
        return out.stat().st_size

    small, large = size(5_000), size(10_000)
    assert large < 200_000
    assert large < small + 40_000, "columns get wider, not more"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium: `make programs` installs it")
@pytest.mark.parametrize(("language", "width"), [("zh", 1280), ("en", 500)])
def test_a_browser_draws_it(report, tmp_path, language, width):
    """Asks Chromium for the page as it is after its script ran, and for what the script complained about."""
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", *quiet.split(), "--disable-sync", "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},3000", "--virtual-time-budget=2000",
            "--enable-logging=stderr", "--dump-dom", f"{report.as_uri()}#{language}",
        ],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    assert 'data-drawn="yes"' in done.stdout
    assert f'data-lang="{language}"' in done.stdout
    sizes = re.findall(r'<canvas[^>]*\bwidth="(\d+)" height="(\d+)"', done.stdout)
    assert len(sizes) == 3
    assert all(int(found_width) > width / 2 for found_width, _ in sizes)
    assert re.search(r'<output id="range">\d{4}-\d\d-\d\d 00:00', done.stdout)
