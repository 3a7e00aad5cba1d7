"""How a broker is written in the site file."""

from __future__ import annotations

from urllib.parse import urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def broker_address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is on, of `mqtt://host[:port]` or `mqtts://host[:port]`. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.username:
        raise ValueError(
            f"a broker is written mqtts://host:port or mqtt://host:port; got {url!r}"
            + (": name and password go into `username` and `password_file`" if parts.username else "")
        )
    return parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "mqtts"
