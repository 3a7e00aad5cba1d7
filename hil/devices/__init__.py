"""The virtual devices by model name; each is written from its manual, independently of the agent's register maps."""

from __future__ import annotations

from hil.devices.analog import AnalogInput8, loop_ma
from hil.devices.base import Device
from hil.devices.gas import GasModule, Midas
from hil.devices.motion import Inclinometer, Vibration
from hil.devices.relay import Siren, SoundAndLight, Switched, WaveshareRelay8
from hil.devices.water import KellerPressure, RadarLevel, TippingRain

CATALOGUE: dict[str, type[Device]] = {
    "hlk-ld8001h": RadarLevel,
    "keller-30": KellerPressure,
    "dfrobot-sen0575": TippingRain,
    "gas-6in1": GasModule,
    "honeywell-midas": Midas,
    "witmotion-inclinometer": Inclinometer,
    "wtvb01-485": Vibration,
    "waveshare-relay-8ch": WaveshareRelay8,
    "waveshare-analog-8ch": AnalogInput8,
    "sound-and-light": SoundAndLight,
}

__all__ = [
    "CATALOGUE",
    "AnalogInput8",
    "Device",
    "GasModule",
    "Inclinometer",
    "KellerPressure",
    "Midas",
    "RadarLevel",
    "Siren",
    "SoundAndLight",
    "Switched",
    "TippingRain",
    "Vibration",
    "WaveshareRelay8",
    "loop_ma",
]
