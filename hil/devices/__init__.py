"""The virtual devices by model name; each is written from its manual, independently of the agent's register maps."""

from __future__ import annotations

from hil.devices.air import KunpengTemperature, KunpengTemperatureHumidity
from hil.devices.analog import AnalogInput8, loop_ma
from hil.devices.base import Device
from hil.devices.gas import FukaiteGas, GasModule, Midas
from hil.devices.level import ComplementRadar, KellerNanolevel, Mxs485, SeeedLevel, Submersible, Ultrasonic14
from hil.devices.motion import Inclinometer, Vibration
from hil.devices.receiver import OtisReceiver
from hil.devices.relay import Siren, SoundAndLight, Switched, WaveshareRelay8
from hil.devices.structure import (
    BiaxialInclinometer,
    BolinWire,
    ChengtuoLaser,
    FeishangWire,
    KunpengDisplacement,
    KunpengLaser,
    SanzhiTilt,
    ShengdiLevel,
    VibratingWire,
    ZhichuanBox,
    ZhongdaLevel,
)
from hil.devices.water import KellerPressure, RadarLevel, TippingRain
from hil.devices.weather import (
    ComWinTopAir,
    ComWinTopStation,
    KunpengRain,
    OpticalRain,
    ZhixiangyuRain,
    ZhixiangyuWind,
)

CATALOGUE: dict[str, type[Device]] = {
    "hlk-ld8001h": RadarLevel,
    "keller-30": KellerPressure,
    "keller-nanolevel": KellerNanolevel,
    "qdy30a": Submersible,
    "seeed-s-yw-01b": SeeedLevel,
    "dfrobot-urm14": Ultrasonic14,
    "mxs485": Mxs485,
    "field-radar-1003": ComplementRadar,
    "dfrobot-sen0575": TippingRain,
    "l-rain-485": OpticalRain,
    "kunpeng-rain": KunpengRain,
    "zhixiangyu-rain": ZhixiangyuRain,
    "zhixiangyu-wind": ZhixiangyuWind,
    "cwt-th": ComWinTopAir,
    "cwt-weather-station": ComWinTopStation,
    "gas-6in1": GasModule,
    "honeywell-midas": Midas,
    "witmotion-inclinometer": Inclinometer,
    "wtvb01-485": Vibration,
    "fukaite-gas": FukaiteGas,
    "otis-oi7032": OtisReceiver,
    "kunpeng-temperature": KunpengTemperature,
    "kunpeng-temperature-humidity": KunpengTemperatureHumidity,
    "biaxial-inclinometer": BiaxialInclinometer,
    "sanzhi-yingke-tilt": SanzhiTilt,
    "zhichuan-box-inclinometer": ZhichuanBox,
    "shengdi-static-level": ShengdiLevel,
    "zhongda-static-level": ZhongdaLevel,
    "bolin-wire-displacement": BolinWire,
    "feishang-wire-displacement": FeishangWire,
    "kunpeng-displacement": KunpengDisplacement,
    "chengtuo-laser": ChengtuoLaser,
    "kunpeng-laser": KunpengLaser,
    "kunpeng-vibrating-wire": VibratingWire,
    "waveshare-relay-8ch": WaveshareRelay8,
    "waveshare-analog-8ch": AnalogInput8,
    "sound-and-light": SoundAndLight,
}

__all__ = [
    "CATALOGUE",
    "AnalogInput8",
    "BiaxialInclinometer",
    "BolinWire",
    "ChengtuoLaser",
    "ComWinTopAir",
    "ComWinTopStation",
    "ComplementRadar",
    "Device",
    "FeishangWire",
    "FukaiteGas",
    "GasModule",
    "Inclinometer",
    "KellerNanolevel",
    "KellerPressure",
    "KunpengDisplacement",
    "KunpengLaser",
    "KunpengRain",
    "KunpengTemperature",
    "KunpengTemperatureHumidity",
    "Midas",
    "Mxs485",
    "OpticalRain",
    "OtisReceiver",
    "RadarLevel",
    "SanzhiTilt",
    "SeeedLevel",
    "ShengdiLevel",
    "Siren",
    "SoundAndLight",
    "Submersible",
    "Switched",
    "TippingRain",
    "Ultrasonic14",
    "VibratingWire",
    "Vibration",
    "WaveshareRelay8",
    "ZhichuanBox",
    "ZhixiangyuRain",
    "ZhixiangyuWind",
    "ZhongdaLevel",
    "loop_ma",
]
