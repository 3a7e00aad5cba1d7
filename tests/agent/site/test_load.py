"""A whole site becomes what it says, checked figures included, and can't be changed."""

import dataclasses
import time
from types import MappingProxyType

import pytest
from pydantic import BaseModel, ValidationError

from agent.config import ConfigErrors, Pattern, load_site
from agent.site.lines import load_of
from agent.site.response import activations
from drivers.api import Description, Exchange, Limits
from drivers.modbus import LineSection


@pytest.fixture(scope="module")
def site(data):
    return load_site(data / "whole" / "site.toml")


def test_the_whole_site_is_right_and_says_nothing(site, data):
    assert site.warnings == ()
    assert [file.relative_to(data / "whole").as_posix() for file in site.files] == [
        "site.toml", "rules.d/flood.toml", "rules.d/gas.toml", "maps/radar.toml", "maps/gas.toml", "maps/current.toml",
    ]  # fmt: skip
    assert (site.id, site.languages, site.levels[-1]) == ("lianhua-03", ("zh", "en"), "red")


def test_points_have_units_ranges_and_times(site):
    level = site.devices["underpass"].points["underpass.level"]
    assert site.points["underpass.level"] is level
    assert (level.unit, level.low, level.high, level.max_step) == ("m", 0.0, 5.0, 0.3)
    assert (level.stale_after_s, level.flat_after_s) == (10.0, 12 * 3600.0)
    gas = site.points["kitchen-gas.ch4"]
    assert (gas.stale_after_s, gas.flat_after_s, gas.unit) == (6.0, None, "%LEL")
    assert site.points["siren-current.current"].stale_after_s == 3.0  # a period and 2 s
    assert site.points["kitchen-gas.temperature"].max_step == 10.0  # kelvins of difference are degrees of difference
    assert site.points["kitchen-gas.state"].states == {"measuring": 1, "warm-up": 0}


def test_the_driver_is_told_the_sites_range(site):
    description = site.devices["underpass"].description
    assert [(p.name, p.low, p.high) for p in description.points if p.name == "level"] == [("level", 0.0, 5.0)]
    offset = site.devices["kitchen-gas"].section.point["temperature"].offset
    assert offset == -0.5


def test_outputs_have_limits_and_evidence(site):
    siren = site.outputs["roof-siren"]
    assert siren.limits == Limits(180.0, 10.0, 12)
    assert (siren.confirm.point, siren.confirm.above, siren.confirm.within_s) == ("siren-current.current", 0.5, 2.0)
    assert (siren.speaks, siren.audible, siren.reassert_s, siren.at_exit) == (False, True, 5.0, "off")
    barrier = site.outputs["barrier"]
    assert (dict(barrier.states), barrier.audible, barrier.at_exit) == ({"closed": True, "open": False}, False, "keep")
    assert site.outputs["loudspeaker"].speaks


def test_levels_are_in_rising_order_whatever_the_file_says(site):
    assert [level.level for level in site.alarms["underpass-flood"].rule.levels] == ["yellow", "red"]
    assert list(site.plans["flood"].levels) == ["yellow", "red"]
    assert [alarm.index for alarm in site.alarms.values()] == [0, 1, 2]
    assert site.ruleset.used_points(1) == {list(site.points).index("kitchen-gas.ch4")}


def test_an_all_clear_without_output_goes_to_those_that_can(site):
    (action,) = site.plans["flood"].all_clear
    assert (action.output, action.message) == ("loudspeaker", "flood-clear")
    (action,) = site.plans["gas"].all_clear
    assert (action.output, action.pattern, action.until) == ("roof-siren", "all-clear", 60.0)


def test_texts_are_there_in_each_language(site):
    assert site.messages["flood-clear"].volume == 0.6
    assert site.zones["underpass"].title["zh"] == "下穿通道"
    assert site.devices["siren-current"].title == {"zh": "siren-current", "en": "siren-current"}


def test_uplink_and_storage(site):
    assert (site.uplink.host, site.uplink.port, site.uplink.tls) == ("platform.example", 8883, True)
    assert (site.uplink.client_id, site.uplink.keepalive_s, site.uplink.backlog_rate) == ("lianhua-03", 30.0, 5000.0)
    assert (site.storage.critical_bytes, site.storage.directory) == (128_000_000, None)


def _walk(value, seen):
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, MappingProxyType):
        with pytest.raises(TypeError):
            value["new"] = 1
        for item in value.values():
            _walk(item, seen)
    elif isinstance(value, tuple):
        for item in value:
            _walk(item, seen)
    elif isinstance(value, BaseModel):
        with pytest.raises(ValidationError):
            setattr(value, next(iter(type(value).model_fields)), None)
    elif dataclasses.is_dataclass(value):
        name = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)
        if type(value).__module__ == "agent.site.model":
            for field in dataclasses.fields(value):
                held = getattr(value, field.name)
                assert not isinstance(held, (dict, list, set)), field.name
                _walk(held, seen)


def test_nothing_of_a_site_can_be_changed(site):
    seen = {}
    _walk(dataclasses.replace(site, ruleset=None), seen)
    assert len(seen) > 100


# --- figures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "wire_s", "slowest_s"),
    [
        # 8 + 25 bytes of 10 bits at 9600: 34.375 ms, and 3.5 characters of silence, 3.646 ms
        ({"port": "/dev/x"}, 0.034375 + 0.0036458333, 0.1),
        # parity adds a bit: 11 bits
        ({"port": "/dev/x", "parity": "E"}, 33 * 11 / 9600 + 3.5 * 11 / 9600, 0.1),
        # above 19200 the silence is 1.75 ms
        ({"port": "/dev/x", "baudrate": 115200}, 33 * 10 / 115200 + 0.00175, 0.1),
        # a device that needs 50 ms of silence
        ({"port": "/dev/x", "settle": "50 ms"}, 0.034375 + 0.05, 0.1),
        # Modbus TCP has no characters; behind a converter they are there
        ({"host": "h", "port": 502}, 0.0, 0.1),
        ({"host": "h", "port": 4196, "framing": "rtu"}, 0.034375 + 0.0036458333, 0.1),
    ],
)
def test_the_load_of_a_line_is_what_one_reckons_by_hand(section, wire_s, slowest_s):
    description = Description(points=(), exchanges=(Exchange(8, 25, slowest_s),))
    load = load_of("gauge", description, LineSection.model_validate(section), 0.5)
    assert load.wire == pytest.approx(wire_s / 0.5)
    assert load.slowest == pytest.approx((wire_s + slowest_s) / 0.5)


def test_the_loads_of_devices_and_outputs_add_up(site):
    # gas: 8 + 11 bytes every 2 s, current: 8 + 7 every 1 s, radar: 8 + 7 and 8 + 7 every 1 s, silence before each
    characters = (19 + 3.5) / 2 + (15 + 3.5) + 2 * (15 + 3.5)
    bus = site.buses["sensors"]
    exchanges = len(site.devices["underpass"].description.exchanges)
    assert exchanges == 2
    assert bus.load == pytest.approx(characters * 10 / 9600)
    assert bus.slowest_load == pytest.approx(characters * 10 / 9600 + 0.1 / 2 + 0.03 + 2 * 0.05)


def test_a_line_with_too_little_room_is_doubtful_and_one_with_none_is_refused(edited):
    path = edited(('map = "maps/radar.toml"\nperiod = "1 s"', 'map = "maps/radar.toml"\nperiod = "150 ms"'))
    site = load_site(path)
    (warning,) = [str(warning) for warning in site.warnings]
    assert "bus.sensors: polls take 103% of the line's time when every device answers at its slowest" in warning
    path.write_text(path.read_text(encoding="utf-8").replace('"150 ms"', '"30 ms"'), encoding="utf-8")
    with pytest.raises(ConfigErrors, match="got polls that take 132% of the line's time at 9600 baud") as refused:
        load_site(path)
    assert [problem.key for problem in refused.value.problems] == ["bus.sensors"]


def pattern(*segments, repeat=1):
    total_s = repeat * sum(abs(seconds) for seconds in segments)
    return Pattern("p", {}, tuple((seconds > 0, abs(seconds)) for seconds in segments), repeat, total_s, False, "")


@pytest.mark.parametrize(
    ("played", "repeat", "min_off_s", "longest_s", "starts"),
    [
        (pattern(180), 1, 10, 180, 1),
        (pattern(0.5, -0.5, 0.5, -1.5, repeat=45), 1, 10, 45 * 3 - 1.5, 1),  # pauses are segments; the last is silence
        (pattern(36, -24, repeat=3), 1, 10, 36, 3),  # pauses are rests
        (pattern(36, -24, repeat=3), 2, 10, 36, 6),
        (pattern(36, -24, repeat=3), 1, 30, 3 * 60 - 24, 1),
        (pattern(8), 3, 10, 24, 1),  # without a pause one follows the other
        (pattern(1, -5, 2, repeat=4), 1, 5, 3, 5),  # the end of one round joins the beginning of the next
        (pattern(-5, 1), 1, 5, 1, 1),
    ],
)
def test_activations_are_counted_as_the_limits_count_them(played, repeat, min_off_s, longest_s, starts):
    assert activations(played, repeat, min_off_s) == (pytest.approx(longest_s), starts)


def test_a_site_that_runs_is_loaded_quickly(data):
    begun_s = time.perf_counter()
    load_site(data / "whole" / "site.toml")
    assert time.perf_counter() - begun_s < 1.0
