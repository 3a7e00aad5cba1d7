"""Relay modules and what hangs on them: Waveshare 8-channel, sound-and-light alarm, a siren that draws current."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from hil.codec import (
    COIL_OFF,
    COIL_ON,
    DEVICE_FAILURE,
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    WRITE_COIL,
    WRITE_REGISTER,
    ModbusFault,
    Request,
)
from hil.devices.base import Device

NORMAL, LINKED, TOGGLE = 0, 1, 2
_CHANNELS = 8
_ALL = 0x00FF
_FLIP = 0x5500
_PULSE_ON, _PULSE_OFF = 0x0200, 0x0400
_MODE, _UART, _ADDRESS, _VERSION = 0x1000, 0x2000, 0x4000, 0x8000


class Switched(NamedTuple):
    """One change of a contact. `mono_s`: when it happened; a pulse's end is exact even if seen later."""

    mono_s: float
    channel: int
    on: bool


class WaveshareRelay8(Device):
    """Waveshare Modbus RTU / POE-ETH relay, 8 channels (domain notes D.1; its wiki page).

    FC01 reads exactly what is asked within 8 coils; FC05 FF00/0000, 5500 toggles, address 00FF all; 0200+ch and 0400+ch
    with n x 100 ms are pulses timed by the module (sent by FC05 or FC06), a new pulse restarts the time; FC0F; FC02
    inputs; modes at 1000+ch, where LINKED lets an input drive its relay.
    """

    def __init__(self) -> None:
        self.inputs = [False] * _CHANNELS
        self.modes = [NORMAL] * _CHANNELS
        self.refuses = False  # answers writes with exception 4, as a module in trouble does
        self.history: deque[Switched] = deque(maxlen=100_000)
        self._coils = [False] * _CHANNELS
        self._lock = threading.RLock()  # the line's thread and whoever watches the contacts
        self._pulse_end_s: list[float | None] = [None] * _CHANNELS

    @property
    def coils(self) -> list[bool]:
        """The contacts as they are now."""
        return [self.coil(channel) for channel in range(_CHANNELS)]

    def coil(self, channel: int) -> bool:
        """One contact as it is now: pulses that have run out are over, linked channels follow their input."""
        with self._lock:
            end_s = self._pulse_end_s[channel]
            if end_s is not None and self.now_s() >= end_s:
                self._pulse_end_s[channel] = None
                self._switch(channel, not self._coils[channel], end_s)
            if self.modes[channel] == LINKED and self.inputs[channel] != self._coils[channel]:
                self._switch(channel, self.inputs[channel], self.now_s())
            return self._coils[channel]

    def on_since_s(self, channel: int) -> float | None:
        """Monotonic time since which the contact is closed; None: it is open."""
        with self._lock:
            if not self.coil(channel):
                return None
            return next((s.mono_s for s in reversed(self.history) if s.channel == channel), None)

    def operate(self, channel: int, *, on: bool) -> None:
        """Move a contact as a hand would: by the module's own button, or a power cut."""
        with self._lock:
            self.coil(channel)
            self._pulse_end_s[channel] = None
            self._switch(channel, on, self.now_s())

    def power_cycle(self) -> None:
        """All contacts drop out, modes stay."""
        for channel in range(_CHANNELS):
            self.operate(channel, on=False)

    def _switch(self, channel: int, on: bool, mono_s: float) -> None:
        if self._coils[channel] != on:
            self._coils[channel] = on
            self.history.append(Switched(mono_s, channel, on))

    def image(self, table: str) -> Mapping[int, int]:
        """Coils, inputs, modes; UART word 0x0001 is 9600 8N1."""
        if table == "coil":
            return dict(enumerate(map(int, self.coils)))
        if table == "discrete":
            return dict(enumerate(map(int, self.inputs)))
        if table == "holding":
            modes = {_MODE + channel: mode for channel, mode in enumerate(self.modes)}
            return modes | {_UART: 0x0001, _ADDRESS: self.own_id, _VERSION: 0x0064}
        return {}

    def _answer(self, request: Request) -> bytes:
        if request.reads:
            return super()._answer(request)
        if self.refuses:
            raise ModbusFault(DEVICE_FAILURE)
        kind, channel = request.address & 0xFF00, request.address & 0xFF
        pulse = kind in {_PULSE_ON, _PULSE_OFF} and request.function in {WRITE_COIL, WRITE_REGISTER}
        if pulse:
            self._pulse(channel, on=kind == _PULSE_ON, tenths=request.written[0])
        elif request.function == WRITE_COIL:
            self._command(request.address, request.written[0])
        else:
            return super()._answer(request)
        return request.reply()

    def _pulse(self, channel: int, *, on: bool, tenths: int) -> None:
        if channel >= _CHANNELS:
            raise ModbusFault(ILLEGAL_ADDRESS)
        if not 1 <= tenths <= 0x7FFF:
            raise ModbusFault(ILLEGAL_VALUE)
        with self._lock:
            self.operate(channel, on=on)
            self._pulse_end_s[channel] = self.now_s() + tenths / 10

    def _command(self, address: int, word: int) -> None:
        if address != _ALL and address >= _CHANNELS:
            raise ModbusFault(ILLEGAL_ADDRESS)
        if word not in {COIL_ON, COIL_OFF, _FLIP}:
            raise ModbusFault(ILLEGAL_VALUE)
        for channel in range(_CHANNELS) if address == _ALL else (address,):
            self.operate(channel, on=not self.coil(channel) if word == _FLIP else word == COIL_ON)

    def store(self, table: str, address: int, value: int) -> None:
        """FC0F coils, and modes 0 to 2."""
        if table == "coil" and address < _CHANNELS:
            self.operate(address, on=bool(value))
        elif table == "holding" and _MODE <= address < _MODE + _CHANNELS and value in {NORMAL, LINKED, TOGGLE}:
            self.modes[address - _MODE] = value
        else:
            raise ModbusFault(ILLEGAL_ADDRESS)


class SoundAndLight(Device):
    """RS-485 sound-and-light alarm: 9600 **8E1**, unit id 1; coil 0 is all off (domain notes D.1).

    Commands less than 50 ms after the last one are lost without an answer. The coils beyond 0 are not published: here
    coil 1 is the lamp and coil 2 the sounder.
    """

    gap_s = 0.050

    def __init__(self) -> None:
        self.lamp = False
        self.sounder = False
        self.lost = 0
        self._last_s = float("-inf")

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """As any unit, but deaf for 50 ms after each command."""
        too_soon = now_s - self._last_s < self.gap_s
        self._last_s = now_s
        if too_soon:
            self.lost += 1
            return None
        return super().answer(pdu, now_s)

    def image(self, table: str) -> Mapping[int, int]:
        """Coils: 0 anything on, 1 lamp, 2 sounder."""
        if table != "coil":
            return {}
        return {0: int(self.lamp or self.sounder), 1: int(self.lamp), 2: int(self.sounder)}

    def store(self, table: str, address: int, value: int) -> None:
        """Coil 0 is all off whatever is written to it."""
        if table != "coil" or address > 2:
            raise ModbusFault(ILLEGAL_ADDRESS)
        if address == 0:
            self.lamp = self.sounder = False
        elif address == 1:
            self.lamp = bool(value)
        else:
            self.sounder = bool(value)


class Siren:
    """A siren on one contact of a relay module. It sounds `after_s` after the contact closes and draws `rated_a`.

    `dead`: the relay clicks, no sound, no current. `stuck`: it sounds and draws current whatever the relay does.
    """

    def __init__(self, relay: WaveshareRelay8, channel: int, *, rated_a: float = 2.0, after_s: float = 0.050) -> None:
        self.relay = relay
        self.channel = channel
        self.rated_a = rated_a
        self.after_s = after_s
        self.dead = False
        self.stuck = False

    @property
    def sounding(self) -> bool:
        """Whether people hear it now."""
        if self.stuck:
            return True
        since_s = self.relay.on_since_s(self.channel)
        return not self.dead and since_s is not None and self.relay.now_s() - since_s >= self.after_s

    def current_a(self) -> float:
        """Amperes through its supply, for a current transducer."""
        return self.rated_a if self.sounding else 0.0
