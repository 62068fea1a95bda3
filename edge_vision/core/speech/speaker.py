"""The one thread that speaks."""

from __future__ import annotations

from dataclasses import dataclass
import logging
import threading
import time
from typing import Callable, Dict, List, Optional

from edge_vision.core.backoff import Backoff
from edge_vision.core.speech.audio import SoundError
from edge_vision.core.speech.phrases import Phrases
from edge_vision.core.speech.sound import Sound
from edge_vision.core.speech.speakable import speakable
from edge_vision.core.speech.speech_queue import Line, PEOPLE, SpeechQueue
from edge_vision.core.speech.voices import Voice, VoiceError, Wish
from edge_vision.core.stats import Percentiles

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often an idle speaker looks whether it shall end
DEVICE_S = (5.0, 300.0)  # pauses before a missing sound card is looked for again


@dataclass(frozen=True)
class Manner:
    """How to speak; exchanged as a whole while the speaker runs. volume: 0.0 to 1.0."""

    voice: Voice
    sound: Sound
    phrases: Phrases
    wish: Wish
    volume: float = 1.0
    muted: bool = False


class Speaker:
    """
    Takes lines from a queue, one after the other, and says them.

    on_spoken(text) is called, in the speaker's thread, when a line begins to be heard, or would
    begin if there were a voice and a sound card. `problem` is why nothing is heard, '' if all is
    well; a problem is logged when it begins, not at each line.
    """

    def __init__(self, queue: SpeechQueue, manner: Manner, on_spoken: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic):
        """Start the thread."""
        self.queue, self.manner = queue, manner
        self._on_spoken, self._clock = on_spoken, clock
        self._backoff = Backoff(*DEVICE_S)
        self._device_s: Optional[float] = None  # when to look for a device that failed
        self.problem = ''
        self.spoken = self.errors = 0
        self.latency_ms = Percentiles()  # from the news to the start of its sound
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name='speak', daemon=True)
        self._thread.start()

    def exchange(self, manner: Manner) -> None:
        """Speak in another manner from the next line on; a new device is tried at once."""
        if manner.sound is not self.manner.sound:
            self._device_s = None
        self.manner = manner

    def hush(self) -> None:
        """End what is being said now."""
        self.queue.interrupted.set()

    def _run(self):
        self._probe()
        while not self._closing.is_set():
            lines = self.queue.take(LOOK_S)
            if not lines:
                continue
            try:
                self._say(lines)
            except Exception as error:  # noqa: BLE001 the fault of one line ends no voice
                self._tell(f'a line cannot be said: {error}')

    def _probe(self) -> None:
        manner = self.manner
        if manner.voice.name == 'silent':
            return
        try:
            manner.sound.probe()
        except SoundError as error:
            self._lose_device(error)

    def _text_of(self, lines: List[Line]) -> str:
        if lines[0].kind == PEOPLE:
            return self.manner.phrases.announcement([one.event for one in lines if one.event])
        text, was_cut = speakable(lines[0].text)
        if was_cut:
            log.warning('a text of %d characters is too long and was cut to "%s ..."',
                        len(lines[0].text), text[:40])
        return text

    def _say(self, lines: List[Line]) -> None:
        text, manner, before = self._text_of(lines), self.manner, self.spoken
        if not text:
            return

        def begin():
            self.latency_ms.add(1000 * (self._clock() - lines[0].born_s))
            self.spoken += 1
            self._on_spoken(text)

        sound = self._sound_of(text, manner)
        if self.queue.interrupted.is_set():
            return
        if sound is None:
            begin()
            return

        def begin_aloud():
            self._device_s = None
            self._backoff.reset()
            self._tell('')
            begin()

        try:
            manner.sound.play(sound, manner.volume, self.queue.interrupted, begin_aloud)
        except SoundError as error:
            self._lose_device(error)
            if self.spoken == before:
                begin()

    def _sound_of(self, text: str, manner: Manner) -> Optional[bytes]:
        """Give the sound of a line; None, and nothing is made, where nothing would be heard."""
        if manner.muted or manner.volume == 0:
            return None
        if self._device_s is not None and self._clock() < self._device_s:
            return None
        try:
            if self._device_s is not None:
                manner.sound.probe()  # before a voice is fetched for nobody to hear
            return manner.voice.sound_of(text, manner.wish, self.queue.interrupted)
        except SoundError as error:
            self._lose_device(error)
        except VoiceError as error:
            self._tell(str(error))
        return None

    def _lose_device(self, error: SoundError) -> None:
        self._device_s = self._clock() + self._backoff.next_s()
        self._tell(f'{error}: lines come on the topic spoken only')

    def _tell(self, problem: str) -> None:
        if problem:
            self.errors += 1
        if problem and problem != self.problem:
            log.warning(problem)
        self.problem = problem

    def figures(self) -> Dict[str, object]:
        """Give what diagnostics should tell."""
        queue = self.queue
        figures: Dict[str, object] = {
            'spoken': self.spoken, 'waiting': len(queue), 'stale': queue.stale,
            'dropped': sum(queue.dropped.values()), 'errors': self.errors}
        figures.update({f'dropped_{name}': count for name, count in list(queue.dropped.items())})
        for percent, ms in self.latency_ms.at(50, 95).items():
            figures[f'latency_ms_{percent}'] = ms
        return {**figures, **self.manner.voice.figures()}

    def close(self, timeout_s: float = 2.0) -> None:
        """End what is being said, and the thread."""
        self._closing.set()
        self.queue.close()
        self._thread.join(timeout_s)
        self.manner.voice.close()
