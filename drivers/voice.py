"""Owns the loudspeaker: one player process per recording, proven to have played it whole; not what is said or when."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from drivers.api import Description, DriverError, Duration, Limits, NotPresent, Section, Timeout
from drivers.limits import LimitedVoice

SLOT = "{wav}"
STOP_S = 0.5  # a player is asked to stop, and killed this much later
TAIL_BYTES = 400  # of what a player complained
EARLY_S = 0.3  # a player may end so much before the recording does, and a tenth of its length


class SpeakerSection(Section):
    """A loudspeaker behind a player program."""

    player: list[str] = Field(
        ["aplay", "-q", SLOT], description="the player program and its arguments; {wav} stands for the recording"
    )
    slack: Duration = Field(
        5.0, description="how much longer than the recording the player may take before it is stopped"
    )
    whole: bool = Field(
        True, description="false for players that return before the sound has ended, e.g. through a sound server"
    )

    @field_validator("player")
    @classmethod
    def _has_slot(cls, player: list[str]) -> list[str]:
        if not player or SLOT in player[0] or not any(SLOT in part for part in player):
            raise ValueError(f'a program and its arguments are expected, with {SLOT}, as in ["aplay", "-q", "{SLOT}"]')
        return player


def seconds_of(recording: Path) -> float:
    """Length of a WAV file by its header. Raises DriverError when it is not one."""
    try:
        with wave.open(str(recording), "rb") as sound:
            return sound.getnframes() / sound.getframerate()
    except (OSError, EOFError, wave.Error, ZeroDivisionError) as error:
        raise DriverError(f"{recording.name} is not a sound file: {str(error) or type(error).__name__}") from error


class Speaker:
    """Plays through a program of its own process group, never through a shell."""

    def __init__(self, name: str, section: SpeakerSection) -> None:
        self.name = name
        self._section = section

    async def play(self, recording: Path) -> None:
        """Play a WAV file to its end; cancelling stops the sound within 2 x `STOP_S`.

        Raises NotPresent without the player program, Timeout when it takes `slack` too long, DriverError with its
        last words when it failed or ended early.
        """
        section = self._section
        # The card may stall for seconds; the loop may not.
        length_s = await asyncio.to_thread(seconds_of, recording)
        argv = [part.replace(SLOT, str(recording)) for part in section.player]
        try:
            player = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise NotPresent(
                f"the player {argv[0]!r} can't be started ({error.strerror}): install it (aplay: package alsa-utils) "
                "or name another in `player`"
            ) from error
        begun_s = time.monotonic()
        words = asyncio.create_task(_last_words(player))
        try:
            async with asyncio.timeout(length_s + section.slack):
                code = await player.wait()
        except TimeoutError as error:
            raise Timeout(f"{argv[0]} still ran {section.slack:g} s after the end of {length_s:.1f} s sound") from error
        finally:
            await _stop(player)
            words.cancel()
            await asyncio.wait([words])
        played_s = time.monotonic() - begun_s
        if code != 0:
            raise DriverError(f"{argv[0]} failed with code {code}: {_said(words)}")
        if section.whole and played_s < 0.9 * length_s - EARLY_S:
            raise DriverError(f"{argv[0]} ended after {played_s:.1f} s of {length_s:.1f} s: {_said(words)}")


async def _last_words(player: asyncio.subprocess.Process) -> bytes:
    tail = b""
    assert player.stderr is not None  # noqa: S101 - asked for as a pipe
    with suppress(asyncio.CancelledError):  # what was heard until then is the answer
        while said := await player.stderr.read(4096):
            tail = (tail + said)[-TAIL_BYTES:]
    return tail


def _said(words: asyncio.Task[bytes]) -> str:
    text = b"" if words.cancelled() else words.result()
    return " ".join(text.decode(errors="replace").split()) or "it said nothing"


async def _stop(player: asyncio.subprocess.Process) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if player.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(player.pid, sent)
        try:
            async with asyncio.timeout(STOP_S):
                await player.wait()
        except TimeoutError:
            continue
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(player.pid, signal.SIGKILL)
            raise


class SpeakerDriver:
    """A loudspeaker on the gateway's sound card."""

    Section = SpeakerSection
    speaks = True

    def describe(self, section: SpeakerSection, base: Path) -> Description:
        """Nothing: no wire, no points."""
        del section, base
        return Description(points=())

    @asynccontextmanager
    async def connect(
        self, name: str, section: SpeakerSection, bus: Any, limits: Limits, base: Path
    ) -> AsyncIterator[LimitedVoice]:
        """Silent until it is told to play. A missing player is NotPresent at each `play`."""
        del bus, base
        yield LimitedVoice(Speaker(name, section), limits)
