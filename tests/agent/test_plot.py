"""Plots of text: goldens that a person has looked at, and what holds for any of them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from agent.plot import Band, Limit, Line, Panel, is_plain, plot, span

TIMES = [300.0 * k for k in range(24)]
RISE = [2.1 + 0.05 * min(k, 16) for k in range(18)] + [math.nan] + [2.2] * 5
PANEL = Panel("gauge.level", [Line(TIMES, RISE)], [Limit(2.4, "yellow"), Limit(2.8, "red"), Limit(2.35, "clear")], "m")
BAND = Band("river", [(2700.0, 4500.0, "yellow"), (4500.0, 5700.0, "red")])

BRAILLE = """\
            gauge.level (m)
       2.9 ┤                               ⣀⠤⠔⠉⠉⠉
   red 2.8 ┤⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁⡠⠥⠊⠉ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁ ⠁
           │                      ⢀⠤⠔⠊⠉
           │                  ⣀⠤⠔⠉⠁
yellow 2.4 ┤⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⣀⡠⡤⠒⡉⠉⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀
clear 2.35 ┤⠂ ⠂ ⠂ ⠂ ⢂⠤⠖⠊⠃ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂ ⠂
           │    ⣀⠤⠒⠉⠁                                ⣀⣀⣀⣀⣀⣀⣀⣀⣀
       2.1 ┤⡠⠤⠊⠉
           └┬────────────┬───▲────────┬────────────┬───────────┬
            0            30 min       1 h          1 h 30 min
     river  ···················▄▄▄▄▄▄▄▄▄▄▄▄▄█████████···········
            ▄ yellow  █ red
"""
PLAIN = """\
            gauge.level (m)
       2.9 |                          ******
   red 2.8 |- - - - - - - - - - - -***- - - - - - - - -
           |                   ****
           |                ***
yellow 2.4 |- - - - - ******- - - - - - - - - - - - - -
clear 2.35 |- - - -***- - - - - - - - - - - - - - - - -
           |  *****                           *********
       2.1 |**
           ++---------------------+--------------------+
            0                     1 h
     river  ................yyyyyyyyyyyrrrrrrr..........
            y yellow  r red
"""


def draw(**more):
    return plot([PANEL], [BAND], 0.0, 7200.0, **{"width": 64, "height": 8, **more})


def test_braille():
    assert draw(marks=[2400.0]) == BRAILLE.splitlines()


def test_ascii():
    assert draw(plain=True, width=56) == PLAIN.splitlines()
    assert all(line.isascii() for line in draw(plain=True, marks=[0.0]))


def test_a_series_without_readings_is_only_named():
    silent = Panel("rain.total", [Line([0.0, 60.0], [math.nan, math.nan])], [Limit(1.0, "red")], "mm")
    drawn = plot([silent], [], 0.0, 60.0, width=40)
    assert drawn[0].strip() == "rain.total (mm)  no readings"
    assert len(drawn) == 3


def test_limits_far_off_are_named_and_do_not_flatten_the_series():
    far = Panel("a", [Line([0.0, 60.0], [1.0, 2.0])], [Limit(100.0, "red")])
    drawn = plot([far], [], 0.0, 60.0, width=40, height=4)
    assert drawn[0].strip() == "a  far off: red 100"
    assert drawn[1].startswith("2 ┤")


def test_all_readings_of_a_column_show():
    noise = Line([float(k) for k in range(10_000)], [float(k % 2) for k in range(10_000)])
    rows = plot([Panel("a", [noise])], [], 0.0, 9_999.0, width=40, height=3)[1:4]
    assert all(set(row[3:]) == {"⣿"} for row in rows)


def test_several_series_have_marks_of_their_own_in_ascii():
    two = Panel("a", [Line([0.0, 60.0], [1.0, 1.0]), Line([0.0, 60.0], [2.0, 2.0])])
    rows = plot([two], [], 0.0, 60.0, width=20, height=3, plain=True)
    assert set(rows[1][3:]) == {"+"}
    assert set(rows[3][3:]) == {"*"}


def test_ticks_stand_at_round_times_of_the_day():
    drawn = plot(
        [], [], 0.0, 86400.0, width=60, origin_s=-28800.0, say_time=lambda t: f"{(t / 3600 + 8) % 24:02.0f}:00"
    )
    rule, words = drawn
    assert words.split() == ["09:00", "12:00", "15:00", "18:00", "21:00", "00:00", "03:00", "06:00"]
    assert rule.index("┬") == words.index("09:00")


def test_bands_without_a_level_of_their_own_have_its_letter():
    drawn = plot([], [Band("siren", [(10.0, 20.0, "on")])], 0.0, 30.0, width=40)
    assert set(drawn[2].split()[1]) == {"·", "o"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (90, "1 min 30 s"), (5400, "1 h 30 min"), (176400, "2 d 1 h"), (90061, "1 d 1 h"), (0.5, "0.5 s")],
)
def test_times_are_short(seconds, text):
    assert span(seconds) == text


def test_what_a_terminal_can_show(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    assert not is_plain("utf-8")
    assert is_plain("iso-8859-1")
    monkeypatch.setenv("TERM", "linux")
    assert is_plain("utf-8")


series = st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), max_size=40)


@settings(max_examples=80, deadline=None)
@given(series, st.lists(st.floats(-1e9, 1e9), max_size=4), st.floats(1.0, 1e9), st.data())
def test_any_plot_fits_its_width(values, limits, end_s, data):
    width, height, plain = data.draw(st.tuples(st.integers(20, 120), st.integers(0, 20), st.booleans()))
    line = Line([end_s * k / max(len(values), 1) for k in range(len(values))], values)
    panel = Panel("水位 gauge.level", [line], [Limit(value, "yellow") for value in limits], "m")
    bands = [Band("下穿通道积水", [(0.0, end_s / 2, "red")])]
    drawn = plot([panel, panel], bands, 0.0, end_s, width=width, height=height, plain=plain, marks=[0.0, end_s])
    assert all(cell_len(text) <= width for text in drawn)
    assert len(drawn) <= 2 * (1 + max(3, height // 2)) + 5
