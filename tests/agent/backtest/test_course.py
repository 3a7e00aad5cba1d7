"""How an alarm went: activations and bands from its moves."""

import math

from agent.backtest.course import Band, Course


def course(*moves):
    found = Course()
    for at, level in moves:
        found.move(float(at), level)
    return found


def test_an_activation_lasts_from_normal_to_normal():
    found = course((10, 1), (12, 2), (15, 1), (20, 0), (30, 2)).activations()
    assert found.start_s.tolist() == [10, 30]
    assert found.end_s.tolist() == [20, math.inf]
    assert found.highest.tolist() == [2, 2]


def test_activations_of_a_higher_level():
    found = course((10, 1), (12, 2), (15, 1), (20, 0), (30, 2)).activations(least=2)
    assert found.start_s.tolist() == [12, 30]
    assert found.end_s.tolist() == [15, math.inf]


def test_nothing_happened():
    assert course().activations().start_s.tolist() == []
    assert course().bands() == []


def test_bands_are_the_times_above_normal():
    assert course((10, 1), (12, 2), (20, 0), (30, 1)).bands() == [
        Band(10, 12, 1), Band(12, 20, 2), Band(30, math.inf, 1),
    ]  # fmt: skip


def test_clocks_that_were_set_back_do_not_turn_time_round():
    found = course((100, 1), (50, 0), (math.nan, 1), (120, 0)).activations()
    assert (found.end_s >= found.start_s).all()
    assert found.start_s.tolist() == [100, 100]
