"""One task per loudspeaker: tone first, then the words in every language of the site, as often as the plan says.

Words come from recordings or are rendered offline; what can't be rendered in time is spoken without its measured value,
and where no voice exists at all the tone sounds alone, which is a fault but never silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from agent.guard.annunciate import LIMITED, UNPROVEN, WRITE, Annunciator, Report
from agent.guard.respond import Want
from agent.guard.speech import Speech, SpeechError, fill
from agent.guard.supervise import Backoff, contained
from agent.guard.wording import prepared_slots
from agent.site.model import Message, OutputConfig, Site
from drivers.api import DriverError, Voice
from drivers.limits import LimitReached

RENDER_WITHIN_S = 3.0  # an alarm waits no longer for words with its measured value
PLAY_SLACK_S = 30.0  # beyond an output's own longest time
TONE_S = 2.9  # of one attention tone and the pause after it
MOST_TONES = 40
LOOK_S = 1.0  # how often the task shows that it lives
WORDS = "words"  # kind of fault: no voice, only the tone


def texts_to_prepare(site: Site) -> Iterator[tuple[str, str]]:
    """Every (text, language) that an alarm of this site can need, as far as it is known ahead."""
    for alarm in site.alarms.values():
        if alarm.plan is None:
            continue
        plan = site.plans[alarm.plan]
        for rule in alarm.rule.levels:
            for action in (*plan.levels.get(rule.level, ()), *plan.all_clear):
                if action.message is not None:
                    message = site.messages[action.message]
                    for language in _to_render(message, site):
                        slots = prepared_slots(site, alarm, rule.level, language)
                        yield fill(message.text[language], slots), language


def _to_render(message: Message, site: Site) -> Iterator[str]:
    return (lang for lang in site.languages if lang in message.text and lang not in message.recording)


class VoiceAnnunciator(Annunciator):
    """Speaks what is wanted, whole and as often as wanted; a new want interrupts an old one."""

    def __init__(
        self,
        config: OutputConfig,
        connect: Callable[[], AbstractAsyncContextManager[Voice]],
        report: Report,
        speech: Speech,
        site: Site,
    ) -> None:
        super().__init__(config, report, 10 * LOOK_S)
        self._connect, self._speech, self._site = connect, speech, site
        self._finish_play = False  # what is being played ends first, then the new want begins

    def want(self, want: Want | None, mono_ns: int) -> None:
        """As of every output, but what is being said is not begun again because another output failed or healed.

        Nor is it cut short for another alarm that is no more urgent: both are heard, one after the other.
        """
        before = self._want
        if want is not None and before is not None and self.state.on:
            if replace(want, stands_in_for="") == replace(before, stands_in_for=""):
                self._want = want
                return
            self._finish_play = want.alarm != before.alarm and want.rank == before.rank
        else:
            self._finish_play = False
        super().want(want, mono_ns)

    def observe(self, value: float, mono_ns: int) -> None:
        """A usable reading of the microphone or current that is this loudspeaker's evidence."""
        confirm = self.config.confirm
        if confirm is None or not self.state.on or self.state.confirmed:
            return
        if (confirm.above is not None and value > confirm.above) or (
            confirm.below is not None and value < confirm.below
        ):
            self._confirm(mono_ns, {"point": confirm.point, "value": value})

    async def run(self) -> None:
        """Until cancelled: announce what is wanted, and anew when that changes."""
        async with self._connected(self._connect) as voice:
            while True:
                self._stirred.clear()
                self._finish_play = False
                want = self._want
                announcing = asyncio.create_task(self._announce(voice, want), name=f"{self.config.name} announces")
                try:
                    await self._until_stirred(announcing)
                    while self._finish_play and self.state.on and not announcing.done():
                        await asyncio.wait([announcing], timeout=0.1)
                        self.progress.made()
                finally:
                    announcing.cancel()
                    await asyncio.wait([announcing])
                    self.state.on = False

    async def _until_stirred(self, announcing: asyncio.Task[None]) -> None:
        stirred = asyncio.create_task(self._stirred.wait())
        try:
            while not stirred.done():
                waited_for = {stirred} if announcing.done() else {stirred, announcing}
                await asyncio.wait(waited_for, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                if announcing.done():
                    announcing.result()
                self.progress.made()
        finally:
            stirred.cancel()

    async def _announce(self, voice: Voice, want: Want | None) -> None:
        if want is None:
            return
        backoff, done = Backoff(0.5, 10.0), 0
        while done < want.repeat and not self._finish_play:
            began_s = time.monotonic()
            try:
                recording = await self._recording(want)
                await self._play(voice, recording)
            except LimitReached as error:
                self._fail(LIMITED, error.reason)
                done += error.limit == "max_on"  # it was heard, as far as its limit lets it
                await asyncio.sleep(max(0.5, error.again_s or 0.5))
                continue
            except (DriverError, SpeechError) as error:
                self._fail(WRITE, str(error))
                await backoff.wait()
                continue
            done += 1
            self._mend(WRITE)
            self._mend(LIMITED)
            self._weigh_evidence(want, recording)
            if want.every_s is not None and done < want.repeat:
                await asyncio.sleep(max(0.0, began_s + want.every_s - time.monotonic()))

    async def _play(self, voice: Voice, recording: Path) -> None:
        self.state.on = True
        if "written" not in self.state.latency_ms:
            self.state.latency_ms["written"] = (time.monotonic_ns() - self._want_mono_ns) * 1e-6
            self._report(self.config.name, "written", {"cause": self.state.wanted, **self.state.latency_ms})
        try:
            longest_s = min(self.config.limits.max_on_s, 3600.0) + PLAY_SLACK_S
            await contained(f"output {self.config.name}", voice.play(recording), longest_s)
        finally:
            self.state.on = False
        self.state.asserted = True

    def _weigh_evidence(self, want: Want, recording: Path) -> None:
        """What a whole play proves: that it was heard, unless a microphone should have heard it and did not."""
        heard = {"played": recording.name}
        if self._want is None or replace(self._want, stands_in_for="") != replace(want, stands_in_for=""):
            # It ended after something else was wanted: this proves the old words, not the new ones.
            self._report(self.config.name, "confirmed", {**heard, "cause": want.cause})
        elif self.state.confirmed is not True and self.config.confirm is None:
            self._confirm(time.monotonic_ns(), heard)
        elif self.state.confirmed is not True and self.config.confirm is not None:
            self.state.confirmed = False
            self._fail(UNPROVEN, f"not confirmed: {self.config.confirm.point} heard nothing of it")

    # --- what is played -------------------------------------------------------------------------------------------

    async def _recording(self, want: Want) -> Path:
        """Tone and words as one recording; if they can't be joined, the tone. Raises SpeechError without a tone."""
        tone = await self._speech.tone()
        words = await self._words(want) if want.message is not None else []
        parts = [tone] * self._tones(want, len(words)) if want.stands_in_for or want.message is None else [tone]
        volume = want.message.volume if want.message is not None else 1.0
        try:
            return await self._speech.join([*parts, *words], volume)
        except SpeechError as error:
            self._fail(WORDS, str(error))
            return tone

    def _tones(self, want: Want, languages: int) -> int:
        """How often the tone sounds in a siren's place: as long as its pattern, but words must fit before `max_on`."""
        room_s = self.config.limits.max_on_s / 2 if languages else self.config.limits.max_on_s - TONE_S
        seconds = min(want.pattern.total_s if want.pattern else 10.0, room_s)
        return max(2, min(int(seconds / TONE_S), MOST_TONES))

    async def _words(self, want: Want) -> list[Path]:
        message, words, missing = want.message, [], []
        assert message is not None  # noqa: S101 - asked for by _recording
        for language in self._site.languages:
            if language in message.recording:
                words.append(message.recording[language])
            elif language in message.text:
                try:
                    words.append(await self._spoken(want, message.text[language], language))
                except SpeechError as error:
                    missing.append(f"{language}: {error}")
        if missing:
            self._fail(WORDS, "; ".join(missing))
        else:
            self._mend(WORDS)
        return words

    async def _spoken(self, want: Want, template: str, language: str) -> Path:
        alarm = self._site.alarms[want.alarm]
        prepared = prepared_slots(self._site, alarm, want.level or alarm.rule.levels[0].level, language)
        plain = fill(template, prepared)
        text = fill(template, {**prepared, **want.slots.get(language, {})})
        if (ready := self._speech.ready(text, language)) is not None:
            return ready
        try:
            async with asyncio.timeout(RENDER_WITHIN_S):
                return await self._speech.render(text, language)
        except (TimeoutError, SpeechError) as error:
            if (ready := self._speech.ready(plain, language)) is not None:
                return ready
            raise SpeechError(str(error) or f"no voice within {RENDER_WITHIN_S:g} s") from error
