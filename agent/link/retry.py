"""When to connect again, and with which MQTT version: the lessons of how earlier connections ended. No sockets."""

from __future__ import annotations

import random

from paho.mqtt.enums import MQTTProtocolVersion

from agent.link.settings import Version

V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311

_UNSUPPORTED_VERSION = 132
_TAKEN_OVER = "(142)"
_FIRST_S, _MOST_S = 1.0, 60.0
_STABLE_S = 30.0  # a connection that held this long is not the cause of the next failure
_RECENT_S = 120.0
_TAKEOVERS = 3  # in _RECENT_S: another client uses our id
_SHORT_LIVES = 5  # connections in _RECENT_S that ended before they were stable: no accident
_SHORT_LIVES_WAIT_S = 5.0


class Retry:
    """Delays double from a second to a minute, with jitter, so that a city's gateways do not come all at once."""

    def __init__(self, version: Version) -> None:
        self.version = V311 if version == "3.1.1" else V5
        self.next_s = 0.0  # monotonic time of the next attempt
        self._auto = version == "auto"
        self._delay_s = _FIRST_S
        self._mute_ends = 0
        self._takeovers: list[float] = []
        self._short_lives: list[float] = []

    def refused(self, reason: int) -> None:
        """The broker refused the connection; a version it does not speak is not offered again by this process."""
        if reason == _UNSUPPORTED_VERSION and self._auto and self.version == V5:
            self.version = V311
            self._delay_s = 0.0

    def accepted(self) -> None:
        """The broker accepted the connection."""
        self._mute_ends = 0

    def useful(self) -> None:
        """The connection moved something: the next one may come soon, whatever ends this one."""
        self._delay_s = min(self._delay_s, _FIRST_S)

    def hung_up(self) -> None:
        """The broker ended an attempt without a word, as some do with a version that they do not know."""
        self._mute_ends += 1
        if self._auto and self._mute_ends % 2 == 0:
            self.version = V311 if self.version == V5 else V5

    def ended(self, now_s: float, held_s: float, reason: str) -> str:
        """An attempt, or a connection that held for `held_s`, is over. Gives back the reason with what is suspected."""
        if held_s >= _STABLE_S:
            self._delay_s = 0.0
        elif held_s > 0:
            self._short_lives = _recent(self._short_lives, now_s)
        if reason.endswith(_TAKEN_OVER):
            self._takeovers = _recent(self._takeovers, now_s)
        if len(self._takeovers) >= _TAKEOVERS:
            reason = "another client connects with our client id again and again"
            self._delay_s = _MOST_S
        elif held_s > 0 and len(self._short_lives) >= _SHORT_LIVES:
            # Not every broker says that another client took our id; one that hangs up on what it refuses looks alike.
            reason += "; connections keep ending soon: another client with our id, or a refused topic?"
            self._delay_s = max(self._delay_s, _SHORT_LIVES_WAIT_S)
        self.next_s = now_s + random.uniform(0.5, 1.0) * self._delay_s  # noqa: S311 - jitter
        self._delay_s = min(_MOST_S, max(_FIRST_S, 2 * self._delay_s))
        return reason


def _recent(times: list[float], now_s: float) -> list[float]:
    return [*(at for at in times if now_s - at < _RECENT_S), now_s]
