"""The door to the site file: load it whole or not at all, keep a good copy. Everything behind it is in `agent.site`."""

from __future__ import annotations

from agent.site.keep import keep_good, load_good
from agent.site.load import load_site
from agent.site.model import (
    Action,
    AlarmConfig,
    BusConfig,
    Confirm,
    DeviceConfig,
    Message,
    OutputConfig,
    Pattern,
    Plan,
    PointConfig,
    Site,
    Storage,
    Uplink,
    Zone,
)
from agent.site.problems import ConfigErrors, Problem

__all__ = [
    "Action",
    "AlarmConfig",
    "BusConfig",
    "ConfigErrors",
    "Confirm",
    "DeviceConfig",
    "Message",
    "OutputConfig",
    "Pattern",
    "Plan",
    "PointConfig",
    "Problem",
    "Site",
    "Storage",
    "Uplink",
    "Zone",
    "keep_good",
    "load_good",
    "load_site",
]
