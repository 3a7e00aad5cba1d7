"""A survey reads what there is, learns what is refused, and leaves alone whom asking too soon makes silent."""

from __future__ import annotations

from drivers.find import survey as survey_room
from drivers.find.survey import Survey
from hil.devices import Device, GasModule

from .conftest import FAST


class Sparse(Device):
    """Registers with holes, at most five in one answer."""

    reply_s = 0.0
    max_count = 5

    def image(self, table: str) -> dict[int, int]:
        return {address: address for address in (*range(2, 14), 20)} if table == "holding" else {}


def test_holes_refusals_and_the_largest_answer(bench):
    _, port = bench({9: Sparse()})
    port.tune(FAST)
    survey = Survey(port, 9, wait_s=0.05)
    survey.explore("holding", 0, 24)
    assert {address for _, address in survey.cells} == {*range(2, 14), 20}
    assert all(word == address for (_, address), word in survey.cells.items())
    assert ("holding", 14) in survey.refused
    assert 5 <= survey.most < 12
    assert not survey.silent
    heard = len(survey.answers_s)
    assert survey.holds("holding", 2, 3)
    assert not survey.holds("holding", 13, 2)
    assert len(survey.answers_s) == heard, "what is known is not asked again"
    survey.again()
    assert survey.holds("holding", 20)
    assert len(survey.answers_s) == heard + 1


def test_a_unit_that_wants_rest_gets_it(bench, monkeypatch):
    monkeypatch.setattr(survey_room, "_REST_S", 0.15)
    gas = GasModule()
    gas.min_poll_s = 0.1
    _, port = bench({1: gas})
    port.tune(FAST)
    survey = Survey(port, 1, wait_s=0.03)
    assert survey.holds("holding", 0, 4)
    assert survey.holds("holding", 4, 6)
    assert survey.rest_s == 0.15
    unanswered = gas.unanswered
    assert not survey.holds("holding", 40)
    assert gas.unanswered == unanswered, "from then on it is never asked too soon"


def test_silence_is_remembered(bench, monkeypatch):
    monkeypatch.setattr(survey_room, "_REST_S", 0.01)
    line, port = bench({})
    port.tune(FAST)
    survey = Survey(port, 9, wait_s=0.01)
    assert not survey.holds("holding", 0)
    asked = len(line.heard)
    assert asked == 3
    assert not survey.holds("holding", 0)
    assert len(line.heard) == asked
