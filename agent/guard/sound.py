"""Owns WAV files of this agent: tones, joining, check sums. Blocking, for threads; knows neither words nor outputs."""

from __future__ import annotations

import array
import io
import math
import os
import struct
import sys
import wave
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

RATE = 22_050  # samples a second, mono, 16 bit: what espeak-ng makes
PAUSE_S = 0.4  # between joined sounds
_EDGE_S = 0.010  # tones rise and fall over this, so that loudspeakers don't click
_CRC = b"crc "  # chunk after the data: CRC-32 of the samples; players skip it
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_TRAILER = struct.Struct("<4sII")

Tone = Literal["attention", "notice"]
# (Hz, seconds), 0 Hz is silence. None may be like a siren pattern, a fire pattern or a civil-defence signal.
TONES: dict[Tone, tuple[tuple[float, float], ...]] = {
    "attention": ((784.0, 0.25), (988.0, 0.25)) * 4 + ((0.0, 0.5),),
    "notice": ((659.0, 0.35), (523.0, 0.65), (0.0, 0.5)),
}


class SoundError(Exception):
    """A file that is not usable sound: damaged, or of a format not known here."""


def tone(name: Tone, level: float = 0.6) -> bytes:
    """Samples of a built-in tone at `level` of full scale."""
    samples = array.array("h")
    for hertz, seconds in TONES[name]:
        count = round(seconds * RATE)
        for index in range(count):
            edge = min(1.0, index / (_EDGE_S * RATE), (count - index) / (_EDGE_S * RATE))
            samples.append(round(32_767 * level * edge * math.sin(2 * math.pi * hertz * index / RATE)))
    return _little(samples)


def silent(samples: bytes) -> bool:
    """Whether nobody would hear it: root mean square below 0.1 % of full scale."""
    import numpy as np  # noqa: PLC0415 - not before it is needed: a small box starts guarding first

    heard = np.frombuffer(samples, "<i2").astype(np.float64)
    return heard.size == 0 or float(np.sqrt(np.mean(heard**2))) < 33


def joined(paths: Sequence[Path], volume: float) -> bytes:
    """Samples of WAV files one after the other. Raises SoundError for anything but whole 16-bit PCM, OSError."""
    import numpy as np  # noqa: PLC0415

    pause = np.zeros(round(PAUSE_S * RATE))
    parts: list[Any] = []
    for path in paths:
        heard = _mono(path, path.name, whole=True)
        parts += [pause, heard] if parts else [heard]
    if not parts:
        raise SoundError("there is nothing to join")
    return _pcm(np.concatenate(parts) * min(1.0, max(0.0, volume)))


def piped(wav: bytes) -> bytes:
    """Samples of a WAV that a program wrote to a pipe, so that its header can't know its length. Raises SoundError."""
    return _pcm(_mono(io.BytesIO(wav), "its output", whole=False))


def write(path: Path, samples: bytes) -> None:
    """Write a mono WAV with its check sum; after a power cut it is there whole or not at all. Raises OSError."""
    half = path.with_name(f".{path.name}.{os.getpid()}.{id(samples):x}")
    try:
        with half.open("wb") as file:
            file.write(_whole(samples))
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def check(path: Path) -> None:
    """See that a file that `write` made is whole. Raises SoundError, OSError."""
    content = path.read_bytes()
    if content != _whole(content[_HEADER.size : -_TRAILER.size]):
        raise SoundError(f"{path.name} is damaged")


def _whole(samples: bytes) -> bytes:
    size = len(samples)
    riff = _HEADER.size - 8 + size + _TRAILER.size
    header = _HEADER.pack(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16, b"data", size)
    return header + samples + _TRAILER.pack(_CRC, 4, zlib.crc32(samples))


def _mono(source: Path | io.BytesIO, name: str, *, whole: bool) -> Any:
    import numpy as np  # noqa: PLC0415

    try:
        with wave.open(str(source) if isinstance(source, Path) else source, "rb") as sound:
            shape = sound.getparams()
            frames = sound.readframes(shape.nframes)
    except (EOFError, wave.Error) as error:
        raise SoundError(f"{name} is not a WAV file: {str(error) or 'it is cut off'}") from error
    if shape.sampwidth != 2:
        raise SoundError(f"{name} has {8 * shape.sampwidth}-bit samples; make it 16-bit PCM")
    if (
        not frames
        or len(frames) % (2 * shape.nchannels)
        or (whole and len(frames) != 2 * shape.nchannels * shape.nframes)
    ):
        raise SoundError(f"{name} is cut off")
    heard = np.frombuffer(frames, "<i2").reshape(-1, shape.nchannels).mean(axis=1)
    if shape.framerate != RATE:
        heard = np.interp(np.arange(0, heard.size, shape.framerate / RATE), np.arange(heard.size), heard)
    return heard


def _pcm(heard: Any) -> bytes:
    return bytes(heard.round().astype("<i2").tobytes())


def _little(samples: array.array[int]) -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
