"""What is journalled and sent: records, their identity and their lanes. No files, no sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

ClockTrust = Literal["trusted", "untrusted", "redated"]

SCHEMA_VERSION = 1  # of every message to the platform


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened, on clocks that can be told apart later."""

    boot_id: str  # of the kernel's boot; monotonic times of different boots do not compare
    mono_ns: int
    wall_ns: int  # as the wall clock said it then, right or wrong
    clock: ClockTrust


class Lane(StrEnum):
    """Which records go first to the platform, and which are never dropped."""

    ALARM = "alarm"  # alarm transitions, output confirmations
    EVENT = "event"  # faults, commands, configuration, gaps, tests
    PROTECTION = "protection"  # the coverage map
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened. The journal adds `seq` within its file's `epoch`: (site, epoch, seq) is its identity."""

    lane: Lane  # never READING
    kind: str  # "alarm", "output", "equipment", "command", "config", "gap", "store", "start", "protection" ...
    stamp: Stamp
    body: dict[str, Any]  # JSON; finite numbers only


class SampleRow(NamedTuple):
    """One point's reading within a step: column in the catalogue, value in the point's unit, quality code."""

    point: int
    value: float
    quality: int


@dataclass(frozen=True, slots=True)
class Step:
    """The readings of one poll reply, as judged together. `time_s` is judgement time (see guard.clock)."""

    stamp: Stamp
    time_s: float
    samples: Sequence[SampleRow]


MarkKind = Literal["image", "reset", "rezero", "dated"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What decides besides readings, in its place between the steps; or an image of how judgement stood there.

    Acts say in `body` what was done. An image carries the judge's state and the rule set it is of, with its digest.
    """

    kind: MarkKind
    stamp: Stamp
    time_s: float  # judgement time
    body: dict[str, Any]  # JSON; finite numbers only
    rules: str = ""
    image: bytes = b""
    content: bytes = b""  # of the rule set, to judge by it again when the site has another one
