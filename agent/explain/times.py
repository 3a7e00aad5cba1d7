"""When something happened, for people: wall time in the site's time zone, with how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.records import Stamp


def zone_of(name: str | None) -> tzinfo:
    """The time zone of that IANA name; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def dated(stamp: Stamp, anchors: Iterable[Stamp]) -> Stamp:
    """The stamp, dated from a later moment of its boot at which the clock was right, if there was one."""
    if stamp.clock == "trusted":
        return stamp
    for anchor in anchors:
        if anchor.boot_id == stamp.boot_id:
            wall_ns = anchor.wall_ns + stamp.mono_ns - anchor.mono_ns
            return replace(stamp, wall_ns=wall_ns, clock="redated")
    return stamp


def iso(wall_ns: int, zone: tzinfo) -> str:
    """ISO 8601 with milliseconds and offset."""
    return datetime.fromtimestamp(wall_ns / 1e9, zone).isoformat(timespec="milliseconds")


def local(wall_ns: int, zone: tzinfo) -> str:
    """As a duty officer reads it: 2026-07-12 03:14:07.250 +08:00."""
    moment = datetime.fromtimestamp(wall_ns / 1e9, zone)
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} {offset[:3]}:{offset[3:]}"


def clock_time(wall_ns: int, zone: tzinfo) -> str:
    """Only the time of day: 03:14:07.250."""
    moment = datetime.fromtimestamp(wall_ns / 1e9, zone)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
