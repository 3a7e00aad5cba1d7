"""What is let pass, but told."""

import pytest

from agent.config import load_site


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("/dev/serial/by-id/usb-FTDI_rs485a", "/dev/ttyUSB0", 'bus.sensors.port: got "/dev/ttyUSB0", a name that may'),
        ('max_on = "12 h"', 'max_on = "unlimited"', "output.barrier.max_on: has no limit"),
        ('"mqtts://platform', '"mqtt://platform', "uplink.broker: has no TLS"),
        ("keepalive", 'ca = "absent.pem"\nkeepalive', 'uplink.ca: got "absent.pem", which is not there'),
        ('volume = "60 %"', 'recording.zh = "absent.wav"', "message.flood-clear.recording.zh: got"),
        (
            'bus = "sensors"\nunit_id = 5',
            'bus = "actuators"\nunit_id = 1',
            "output.roof-siren.unit_id: got 1, which device siren-current has too",
        ),
    ],
)
def test_doubtful_things_are_told_with_their_place(edited, old, new, words):
    site = load_site(edited((old, new)))
    lines = [str(warning) for warning in site.warnings]
    assert any(words in line for line in lines), lines
    assert all(warning.severity == "warning" and warning.line > 1 for warning in site.warnings)


def test_a_recording_that_is_not_there_is_left_out_so_that_the_text_is_spoken(edited):
    site = load_site(edited(('volume = "60 %"', 'recording.zh = "absent.wav"')))
    assert dict(site.messages["flood-clear"].recording) == {}


def test_an_alarm_without_plan_and_a_plan_without_alarm(edited):
    path = edited(('plan = "gas"', 'hazard = "gas"'), file="rules.d/gas.toml")
    lines = [str(warning) for warning in load_site(path).warnings]
    assert any("gas.toml:1: plan.gas: is used by no alarm" in line for line in lines), lines
    assert any("alarm.kitchen-gas: has no plan" in line for line in lines), lines


def test_a_zone_where_nobody_hears_anything(edited):
    path = edited(
        ("coil = 0\n", 'coil = 0\nzone = "kitchens"\n'),
        ('driver = "speaker"\n', 'driver = "speaker"\nzone = "kitchens"\n'),
    )
    flood = path.parent / "rules.d/flood.toml"
    text = flood.read_text(encoding="utf-8")
    flood.write_text(text.replace('hazard = "flood"\nplan = "flood"\n', 'hazard = "flood"\n'), encoding="utf-8")
    lines = [str(warning) for warning in load_site(path).warnings]
    assert any("alarm.underpass-flood.zone: got zone underpass, where no siren" in line for line in lines), lines
