"""Owns the words for residents as sound: fills, renders offline, keeps, joins; never decides what is said or plays it.

Everything here may fail or be slow without harm: the alarm path asks `ready`, which never waits, and goes on without.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import errno
import hashlib
import logging
import os
import re
import signal
import string
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from agent.guard.sound import TONES, SoundError, Tone, check, joined, piped, silent, tone, write

log = logging.getLogger("tocsin.speech")
T = TypeVar("T")

ALARM_THREADS = 8

# espeak-ng 1.51 (Debian 12) with voice "cmn" reads most Chinese characters as English, "hao two" (espeak-ng#1236). The
# pinyin voices don't, and `spoken` spells Latin letters so that they are not read as pinyin.
VOICES: Mapping[str, str] = {"zh": "cmn-latn-pinyin", "yue": "yue-latn-jyutping", "en": "en"}
_HAN = frozenset({"zh", "yue"})
_HAN_PROBE = "红色危险请离开"
RENDER_S = 5.0  # longest time for one text
RETRY_S = 60.0  # between attempts to render ahead what failed
IN_USE_NS = 60 * 10**9  # what was asked for so lately may be playing now: no quota removes it
MOST_TEXT = 2000  # characters; four a second are eight minutes, which nobody listens to
_TONE = "tone-"  # file names of built-in tones begin so
_NICE_AHEAD, _NICE_NOW = "15", "5"

_NUMBER = r"[-\u2212]?\d+(?:\.\d+)?"
_UNITS = {  # as the site file writes them -> Chinese, English
    "%LEL": ("爆炸下限的百分之{}", "{} percent of the lower explosive limit"),
    "percent": ("百分之{}", "{} percent"),
    "%": ("百分之{}", "{} percent"),
    "ppm": ("百万分之{}", "{} parts per million"),
    "mm/h": ("每小时{}毫米", "{} millimetres an hour"),
    "m/s": ("每秒{}米", "{} metres a second"),
    "m/h": ("每小时{}米", "{} metres an hour"),
    "mm": ("{}毫米", "{} millimetres"),
    "cm": ("{}厘米", "{} centimetres"),
    "km": ("{}公里", "{} kilometres"),
    "m": ("{}米", "{} metres"),
    "degC": ("{}摄氏度", "{} degrees"),
    "°C": ("{}摄氏度", "{} degrees"),
    "℃": ("{}摄氏度", "{} degrees"),
    "deg": ("{}度", "{} degrees"),
    "kPa": ("{}千帕", "{} kilopascals"),
    "s": ("{}秒", "{} seconds"),
    "min": ("{}分钟", "{} minutes"),
    "h": ("{}小时", "{} hours"),
}
_QUANTITY = re.compile(
    rf"({_NUMBER})\s*({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?![A-Za-z/])"
)


class SpeechError(Exception):
    """A text could not be made into sound; the message says what to do."""


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Put texts into the `{slots}` of a template. Raises SpeechError for unknown ones and for stray braces."""
    filled: list[str] = []
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise SpeechError(f"{template!r}: {error}; write {{{{ and }}}} for braces that are meant") from error
    for text, slot, form, conversion in parts:
        filled.append(text)
        if slot is None:
            continue
        if slot not in slots or form or conversion:
            near = difflib.get_close_matches(slot, slots, 1)
            hint = f"; did you mean {{{near[0]}}}?" if near else ""
            raise SpeechError(f"{template!r}: no slot {{{slot}}} here, only {', '.join(sorted(slots)) or 'none'}{hint}")
        filled.append(slots[slot])
    return "".join(filled)


def spoken(text: str, language: str) -> str:
    """The text as the voice must be given it: units as words, minus as a word, letters spelled between Chinese."""
    # Control characters are commands to espeak-ng, and "[[" begins phonemes.
    text = "".join(c if c.isprintable() else " " for c in text).replace("[[", "[ [")
    han = language in _HAN
    if han or language == "en":
        text = _QUANTITY.sub(lambda found: _UNITS[found[2]][0 if han else 1].format(found[1]), text)
        text = re.sub(r"(?<![A-Za-z0-9.])[-\u2212](?=\d)", "负" if han else "minus ", text)
    if han:
        text = re.sub(r"[A-Za-z]+", lambda found: f" {' '.join(found[0].upper())} ", text)
    return " ".join(text.split())


def _own(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "belongs to another user", str(directory))


class Speech:
    """Renders texts with espeak-ng: ahead of need into `cache_dir`, in an alarm into memory at `memory_dir`.

    So a card that is slow, full or read-only delays no alarm; each directory stands in for the other, and each has its
    quota. `report` is called with a reason when rendering ahead begins to fail, and with "" when all of it is ready.
    """

    def __init__(
        self,
        cache_dir: Path,
        voices: Mapping[str, str] = VOICES,
        *,
        words_per_minute: int = 165,
        quota_bytes: int = 64_000_000,
        memory_dir: Path | None = None,
        memory_bytes: int = 16_000_000,
        program: str = "espeak-ng",
        report: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - only a directory of our own below it is used, see `_own`
        memory = memory if memory.is_dir() else Path(tempfile.gettempdir())
        self._card = cache_dir
        self._memory = memory_dir or memory / f"tocsin-speech-{os.getuid()}"
        self._voices = voices
        self._rate = str(words_per_minute)
        self._quotas = {self._card: quota_bytes, self._memory: memory_bytes}
        self._program = program
        self.report = report
        self._reported = ""
        self._engine = ""  # version, part of every key: another engine, another sound
        self._sound_voices: set[str] = set()  # probed and found to speak their language
        self._ready: dict[tuple[str, str], Path] = {}  # rendered ahead; no quota removes these
        self._tones: dict[Tone, Path] = {}
        self._preparing: asyncio.Task[None] | None = None
        # A card that hangs keeps the threads that wait for it: what is made ahead has one of its own to lose.
        self._threads = {
            True: ThreadPoolExecutor(1, "speech-ahead"),
            False: ThreadPoolExecutor(ALARM_THREADS, "speech-alarm"),
        }

    def ready(self, text: str, language: str) -> Path | None:
        """The rendered text if there is one. Touches no disk and never waits."""
        return self._ready.get((text, language))

    def prepare(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Render these (text, language) in the background, one by one, and never drop them. Replaces earlier wishes."""
        self._stop_preparing()
        wishes = list(dict.fromkeys(wanted))
        self._ready = {wish: self._ready[wish] for wish in wishes if wish in self._ready}
        self._preparing = asyncio.create_task(self._prepare(wishes), name="speech ahead of need")

    async def close(self) -> None:
        """Stop rendering; threads that a hung card keeps are left to it."""
        if preparing := self._stop_preparing():
            await asyncio.wait([preparing])
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def render(self, text: str, language: str) -> Path:
        """A WAV file of the text, from the cache or made now. Raises SpeechError; takes at most about `RENDER_S`."""
        return await self._render(text, language, ahead=False)

    async def tone(self, name: Tone = "attention") -> Path:
        """A WAV file of a built-in tone; needs no espeak-ng. Raises SpeechError when it can be kept nowhere."""
        if name not in self._tones:
            label = f"{_TONE}{name}-{hashlib.sha256(repr(TONES[name]).encode()).hexdigest()[:16]}.wav"
            self._tones[name] = await self._in_thread(lambda: self._stored(label, lambda: tone(name), ahead=False))
        return self._tones[name]

    async def join(self, paths: Sequence[Path], volume: float = 1.0) -> Path:
        """One WAV file of several (16-bit PCM), a short pause between them, at `volume` 0 to 1. Raises SpeechError."""

        def make() -> Path:
            digest = hashlib.sha256(repr(volume).encode())
            for path in paths:
                state = path.stat()
                digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
            label = f"joined-{digest.hexdigest()[:32]}.wav"
            return self._stored(label, lambda: joined(paths, volume), ahead=False)

        try:
            return await self._in_thread(make)
        except (OSError, SoundError, SpeechError) as error:
            # Whichever it was, it is looked for, and made, anew.
            self._ready = {wish: path for wish, path in self._ready.items() if path not in paths}
            self._tones = {name: path for name, path in self._tones.items() if path not in paths}
            raise SpeechError(f"sounds can't be joined: {error}") from error

    # -- rendering ----------------------------------------------------------------------------------------------

    async def _prepare(self, wanted: list[tuple[str, str]]) -> None:
        while wanted:
            failed, reason = [], ""
            for text, language in wanted:
                try:
                    self._ready[text, language] = await self._render(text, language, ahead=True)
                except SpeechError as error:
                    failed.append((text, language))
                    reason = reason or str(error)
            if reason != self._reported:
                self._reported = reason
                (log.warning if reason else log.info)("speech: %s", reason or "all messages are rendered")
                self.report(reason)
            wanted = failed
            if wanted:
                await asyncio.sleep(RETRY_S)

    def _stop_preparing(self) -> asyncio.Task[None] | None:
        preparing, self._preparing = self._preparing, None
        if preparing is not None:
            preparing.cancel()
        return preparing

    async def _render(self, text: str, language: str, *, ahead: bool) -> Path:
        if not text.strip() or len(text) > MOST_TEXT:
            raise SpeechError(f"a text of 1 to {MOST_TEXT} characters is expected, got {len(text)}")
        voice = self._voices.get(language, language)
        try:
            async with asyncio.timeout(RENDER_S):
                await self._probe(voice, language)
                words = spoken(text, language)
                key = hashlib.sha256(repr((self._engine, voice, self._rate, words)).encode()).hexdigest()
                label = f"{key[:32]}.wav"
                path = await self._in_thread(lambda: self._found(label, ahead=ahead), ahead=ahead)
                path = path or await self._speak(words, voice, label, ahead=ahead)
        except TimeoutError as error:
            raise SpeechError(f"{self._program} took longer than {RENDER_S:g} s for {text[:40]!r}") from error
        return path

    async def _probe(self, voice: str, language: str) -> None:
        if not self._engine:
            version = (await self._run(["--version"])).decode(errors="replace")
            self._engine = " ".join(version.split("Data at")[0].split())
        if voice in self._sound_voices:
            return
        probe = _HAN_PROBE if language in _HAN else "1"
        phonemes = await self._run(["-q", "-x", "-b", "1", "-v", voice, "--stdin"], probe)
        if language in _HAN and b"(en)" in phonemes:
            raise SpeechError(
                f"voice {voice!r} of {self._engine} reads Chinese characters as English; use {VOICES[language]!r}"
            )
        self._sound_voices.add(voice)

    async def _speak(self, words: str, voice: str, label: str, *, ahead: bool) -> Path:
        nice = _NICE_AHEAD if ahead else _NICE_NOW
        wav = await self._run(["-b", "1", "-s", self._rate, "-v", voice, "--stdout", "--stdin"], words, nice)

        def take() -> Path:
            samples = piped(wav)
            if silent(samples):
                raise SoundError("only silence")
            return self._stored(label, lambda: samples, ahead=ahead)

        try:
            return await self._in_thread(take, ahead=ahead)
        except SoundError as error:
            raise SpeechError(f"{self._program} made no speech of {words[:40]!r}: {error}") from error

    async def _run(self, arguments: list[str], text: str = "", nice: str = _NICE_NOW) -> bytes:
        try:
            child = await asyncio.create_subprocess_exec(
                "nice", "-n", nice, self._program, *arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise SpeechError(f"{self._program} can't be started: {error.strerror}") from error
        try:
            said, complaint = await child.communicate(text.encode())
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it ended in this very moment
                    os.killpg(child.pid, signal.SIGKILL)
                await child.wait()
        if child.returncode in {126, 127}:  # nice(1): the program is not there or can't be run
            raise SpeechError(f"{self._program} is not there: install it (Debian: apt-get install espeak-ng)")
        if child.returncode != 0:
            words = " ".join(complaint.decode(errors="replace").split())[:200]
            raise SpeechError(f"{self._program} failed with code {child.returncode}: {words or 'it said nothing'}")
        return said

    # -- keeping, in threads: the card may stall -------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[], T], *, ahead: bool = False) -> T:
        try:
            async with asyncio.timeout(RENDER_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads[ahead], work)
        except TimeoutError as error:
            raise SpeechError(f"files took longer than {RENDER_S:g} s") from error

    def _found(self, label: str, *, ahead: bool) -> Path | None:
        """A sound that is there and whole. In an alarm only memory is searched: the card may not answer."""
        for directory in (self._memory, self._card) if ahead else (self._memory,):
            path = directory / label
            try:
                if path.stat().st_uid != os.getuid():
                    continue  # planted by somebody else: these are words that people obey
                check(path)
            except SoundError as error:
                log.warning("speech: %s; made again", error)
            except OSError:
                continue
            else:
                with contextlib.suppress(OSError):  # a card that can't be written: what is readable is good enough
                    os.utime(path)  # last used
                return path
        return None

    def _stored(self, label: str, make: Callable[[], bytes], *, ahead: bool) -> Path:
        if found := self._found(label, ahead=ahead):
            return found
        samples, reasons = make(), []
        for directory in (self._card, self._memory) if ahead else (self._memory, self._card):
            try:
                _own(directory)
                self._prune(directory)
                write(directory / label, samples)
            except OSError as error:
                reasons.append(f"{directory}: {error.strerror}")
            else:
                return directory / label
        raise SpeechError(f"no place to keep sound: {'; '.join(reasons)}")

    def _prune(self, directory: Path) -> None:
        for half in directory.glob(".*.wav.*"):  # of a process that was killed
            if f".{os.getpid()}." not in half.name:
                half.unlink(missing_ok=True)
        files, kept = [], set(self._ready.values())
        for path in directory.glob("*.wav"):
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                files.append((state.st_mtime_ns, state.st_size, path))
        over = sum(size for _, size, _ in files) - self._quotas[directory]
        for mtime_ns, size, path in sorted(files):
            playing = abs(time.time_ns() - mtime_ns) < IN_USE_NS  # the clock may have been set back since
            if over > 0 and not (playing or path in kept or path.name.startswith(_TONE)):
                path.unlink(missing_ok=True)
                over -= size
