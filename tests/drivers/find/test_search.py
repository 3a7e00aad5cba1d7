"""A search finds whoever is there: at any id and speed, slow, late, garbled for a while; and who can't be made out."""

from __future__ import annotations

import time

import pytest

from drivers.find import order as order_room
from drivers.find import port as port_room
from drivers.find import sweep as sweep_room
from drivers.find.order import BAUDRATES, EVERYBODY, UNIT_IDS, Ask, likely, settings_of, sweep
from drivers.find.port import Settings
from drivers.find.sweep import Found, Tried, Unclear, search
from drivers.frames import read_request
from drivers.registers import load_map, map_names
from hil.devices import GasModule, KellerPressure, RadarLevel, TippingRain, Vibration, WaveshareRelay8
from hil.faults import Fault, FaultPlan

from .conftest import FAST

MAPS = {name: load_map(name) for name in map_names()}


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(sweep_room, "PATIENCE_S", 0.12)
    monkeypatch.setattr(sweep_room, "_LINGER_S", 0.15)


def asks_of(unit_ids, wait_s=0.03, settings=FAST):
    return sweep([settings], unit_ids, ["holding"], wait_s)


def found_in(events):
    return {event.unit_id: event for event in events if isinstance(event, Found)}


def test_five_unknown_units_among_247_ids(bench, monkeypatch):
    for room in (port_room, order_room):  # a pty holds no bytes back as USB adapters do
        monkeypatch.setattr(room, "_SLACK_S", 0.008)
    units = {3: RadarLevel(), 17: KellerPressure(), 119: GasModule(), 192: TippingRain(), 247: WaveshareRelay8()}
    line, port = bench(units)
    asks = list(asks_of(UNIT_IDS, 0.002))
    started_s = time.monotonic()
    events = list(search(port, asks))
    took_s = time.monotonic() - started_s
    assert set(found_in(events)) == set(units)
    assert sum(isinstance(event, Tried) for event in events) == 247
    assert not [event for event in events if isinstance(event, Unclear)]
    assert took_s < 2 * sum(ask.cost_s for ask in asks) + 2  # the estimate that a technician is shown
    assert {heard.pdu[0] for heard in line.heard} == {3}


def test_late_answers_are_taken_for_their_senders(bench):
    line, port = bench({5: RadarLevel(), 9: RadarLevel()})
    for unit_id in (5, 9):
        line.faults[unit_id] = FaultPlan.always(Fault.LATE, late_s=0.08)
    events = list(search(port, asks_of(range(1, 15))))
    assert set(found_in(events)) == {5, 9}
    assert all(event.late for event in found_in(events).values())
    assert not [event for event in events if isinstance(event, Unclear)]


def test_a_late_answer_to_the_last_ask_and_one_between_two_asks(bench):
    line, port = bench({5: RadarLevel(), 6: RadarLevel()})
    line.faults[6] = FaultPlan.always(Fault.LATE, late_s=0.1)
    assert set(found_in(search(port, asks_of([5, 6], 0.02)))) == {5, 6}
    line.faults[5] = FaultPlan.always(Fault.LATE, late_s=0.06)
    events = search(port, asks_of([5, 7, 8], 0.02))
    first = next(events)
    assert isinstance(first, Tried)
    time.sleep(0.1)  # the program that searches is held up: the answer waits in the port
    assert set(found_in(events)) == {5}


def test_a_garbled_answer_is_asked_again(bench):
    line, port = bench({5: RadarLevel()})
    line.faults[5] = FaultPlan(script=[Fault.WRONG_CRC, Fault.GARBAGE])
    events = list(search(port, asks_of([5])))
    assert set(found_in(events)) == {5}


def test_two_units_with_one_id_are_told_as_unclear(bench):
    line, port = bench({5: RadarLevel(), 8: RadarLevel()})
    line.faults[5] = FaultPlan.always(Fault.GARBAGE)
    events = list(search(port, asks_of([5, 8])))
    assert set(found_in(events)) == {8}
    assert [event.unit_id for event in events if isinstance(event, Unclear)] == [5]


def test_a_refusal_is_an_answer_too(bench):
    _, port = bench({17: KellerPressure()})
    (found,) = found_in(search(port, asks_of([17]))).values()
    assert "illegal data address" in found.refused


def test_known_models_are_asked_first_where_the_factory_puts_them(bench):
    _, port = bench({80: Vibration()}, baudrate=9600)
    settings = settings_of([9600], ["N"])
    asks = list(likely(settings, UNIT_IDS, MAPS, 0.05))
    assert len(asks) < 40
    assert {80, 192, *EVERYBODY} <= {ask.request.unit_id for ask in asks}
    assert all(ask.request.is_read for ask in asks)
    only = [ask for ask in asks if ask.request.unit_id == 80]
    assert set(found_in(search(port, only))) == {80}


def test_the_usual_settings_come_first():
    order = settings_of(BAUDRATES, ["N", "E", "O"])
    assert len(order) == 24
    assert order[:2] == [Settings(9600), Settings(115200)]
    assert order.index(Settings(19200, "E")) < order.index(Settings(1200))
    assert {one.parity for one in order[-8:]} == {"O"}


@pytest.mark.parametrize(
    ("settings", "least_s"), [(Settings(9600), 0.1), (Settings(1200, "E"), 0.16), (Settings(0), 0.1)]
)
def test_the_cost_of_an_ask(settings, least_s):
    ask = Ask(settings, read_request("holding", 1, 0, 1), 0.1)
    assert least_s <= ask.cost_s < least_s + 0.1
