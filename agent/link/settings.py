"""What the link needs to know of the site, checked. Reads no files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.site.broker import broker_address

Acknowledge = Literal["platform", "puback"]
Version = Literal["auto", "5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """The `[uplink]` table of a site. Durations in seconds."""

    site: str
    host: str
    port: int
    tls: bool = False
    client_id: str = ""  # empty: the site id
    username: str | None = None
    password_file: Path | None = None
    ca: Path | None = None  # None: the system's certificates
    cert: Path | None = None
    key: Path | None = None
    acknowledge: Acknowledge = "platform"
    version: Version = "auto"
    keepalive_s: int = 20
    connect_timeout_s: float = 10.0
    resend_s: float = 30.0  # without the platform's acknowledgement, a record is sent again
    batch_readings: int = 500
    batch_s: float = 1.0
    live_s: float = 30.0  # readings that waited longer join the backlog
    backlog_rate: float = 20_000.0  # readings a second, so that a city's gateways do not all pour at once; 0: no limit
    poll_s: float = 0.1  # how often the journal is looked at


def settings_from(site: str, uplink: Any) -> UplinkSettings:
    """The settings of a loaded site's `uplink`; what it does not say keeps its default. Raises ValueError."""
    host, port, tls = broker_address(uplink.broker)
    given: dict[str, Any] = {}
    for name in UplinkSettings.__dataclass_fields__:
        value = getattr(uplink, name, None)
        if value is not None:
            given[name] = value
    given.update(site=site, host=host, port=port, tls=tls)
    given["keepalive_s"] = max(1, round(given.get("keepalive_s", 20)))
    return UplinkSettings(**given)
