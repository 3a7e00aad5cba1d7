"""Relay and analog modules: states of the virtual devices and the readings that follow from them."""

from __future__ import annotations

from hil.devices.analog import CURRENT_0_20, CURRENT_4_20, RAW, VOLTS, VOLTS_2_10, AnalogInput8
from hil.devices.relay import LINKED, SoundAndLight, WaveshareRelay8
from tests.drivers.captures.made import Recording, State

WAVESHARE = "the Waveshare protocol page and public clients"


def relay_in_use(module: WaveshareRelay8) -> None:
    module.operate(1, on=True)
    module.inputs[7] = True
    module.modes[7] = LINKED


def analog(mode: int, *signals: float, odd_mode: int):
    """All channels in `mode` but the last one."""

    def become(module: AnalogInput8) -> None:
        module.signal = [*signals, *[signals[0]] * (8 - len(signals))]
        module.modes = [mode] * 7 + [odd_mode]

    return become


def analog_recording(name: str, mode: int, odd_mode: int, signals: tuple[float, ...], expect: str) -> Recording:
    return Recording(
        f"waveshare-analog-8ch-{name}",
        AnalogInput8(),
        "emgardner/waveshare-modbus",
        (State(analog(mode, *signals, odd_mode=odd_mode), expect),),
        notes="Channel 8 is in another mode: its number means something else.",
    )


RECORDINGS = [
    Recording(
        "waveshare-relay-8ch",
        WaveshareRelay8(),
        WAVESHARE,
        (
            State(lambda _: None, "relay-* 0 - good\ninput-* 0 - good\nmode-* 0 - good"),
            State(
                relay_in_use,
                "relay-2 1 - good\nrelay-8 1 - good\ninput-8 1 - good\nmode-8 1 - good\n"
                "relay-* 0 - good\ninput-* 0 - good\nmode-* 0 - good",
            ),
        ),
        notes="In the second state relay 2 is on, and input 8 drives relay 8 behind our back.",
    ),
    analog_recording(
        "4-20ma", CURRENT_4_20, CURRENT_0_20, (12.0, 3.5, 21.5, 4.0, 3.6),
        "channel-2 - mA under_range\nchannel-3 21.5 mA over_range\nchannel-4 4 mA good\nchannel-5 3.6 mA good\n"
        "channel-8 - mA bad\nchannel-* 12 mA good",
    ),
    analog_recording(
        "0-20ma", CURRENT_0_20, CURRENT_4_20, (12.0, 0.0, 20.6),
        "channel-2 0 mA good\nchannel-3 20.6 mA over_range\nchannel-8 - mA bad\nchannel-* 12 mA good",
    ),
    analog_recording(
        "0-10v", VOLTS, RAW, (5.5, 0.0, 10.0),
        "channel-2 0 V good\nchannel-3 10 V good\nchannel-8 - V bad\nchannel-* 5.5 V good",
    ),
    analog_recording(
        "2-10v", VOLTS_2_10, VOLTS, (6.0, 1.7, 2.0),
        "channel-2 - V under_range\nchannel-3 2 V good\nchannel-8 - V bad\nchannel-* 6 V good",
    ),
    Recording(
        "sound-light-alarm",
        SoundAndLight(),
        "a seller's page",
        (State(lambda _: None, "all-off 0 - good"),),
        parity="E",
    ),
]  # fmt: skip
