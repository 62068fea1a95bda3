"""The voice: says who comes and goes, which gesture was made, and what others ask it to say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import sys
import time
from typing import Callable, List, Optional, Tuple

from edge_vision.core.errors import UserError
from edge_vision.core.found import Found
from edge_vision.core.frame import Frame
from edge_vision.core.speech.announcer import Announcer
from edge_vision.core.speech.audio import SoundError
from edge_vision.core.speech.phrases import load_phrases
from edge_vision.core.speech.sound import devices, Sound
from edge_vision.core.speech.speakable import MOST_READ
from edge_vision.core.speech.speaker import Manner, Speaker
from edge_vision.core.speech.speech_queue import GESTURE, Line, PEOPLE, SAY, SpeechQueue, URGENT
from edge_vision.core.speech.voices import make_voice, SoundCache, Wish
from edge_vision.core.speech.voices.cache import default_folder
from edge_vision.core.tracker import Tracker
from edge_vision.nodes import channels
from edge_vision.nodes.edge_node import EdgeNode, Health
from edge_vision.nodes.parameters import parameter
from edge_vision.nodes.process import parser, run

URGENT_MARK = '!'  # a text on `say` that begins with it interrupts
SIZE_S = 10.0  # how often the size of the images is looked up
LANGUAGE = 'en'  # spoken where the language that was asked for cannot be


@dataclass(frozen=True)
class SpeechParameters:
    """Parameters of the node `speech`."""

    engine: str = parameter('auto', 'auto, gtts, espeak or silent', live=True)
    language: str = parameter('en', 'en, de or zh; a phrases file of your own says it itself',
                              live=True)
    rate: float = parameter(1.0, "pace; 1: the engine's own", 0.5, 3.0, live=True)
    volume: float = parameter(1.0, 'loudness', 0.0, 1.0, live=True)
    muted: bool = parameter(False, 'lines are published on spoken and not heard', live=True)
    cooldown_s: float = parameter(5.0, 'pause before the same news is told again, seconds', 0.0,
                                  3600.0, live=True)
    device: str = parameter('', 'a part of the name of the sound device; null: nowhere; empty: '
                            "the system's", live=True)
    phrases: str = parameter('', 'YAML file with the sentences; empty: those of the language',
                             live=True)
    announce: Tuple[str, ...] = parameter(('person',), 'class names to tell of; empty: all',
                                          live=True)
    cache_dir: str = parameter('', 'folder for fetched phrases; empty: ~/.cache/edge_vision')
    cache_mb: int = parameter(50, 'most that they take, megabytes', 1, 10000)


class SpeechNode(EdgeNode):
    """Its callbacks put lines into a queue; one thread speaks them."""

    def __init__(self, bus=None, known_elsewhere=()):
        """Start the speaker; UserError for an engine that there is not."""
        super().__init__('speech', SpeechParameters, bus, known_elsewhere)
        p = self.settings
        self._mistakes: List[str] = []
        folder = Path(p.cache_dir).expanduser() if p.cache_dir else default_folder()
        self._cache = SoundCache(folder, p.cache_mb * 1_000_000)
        self._announcer = Announcer(p.cooldown_s, p.announce)
        self._tracker: Optional[Tracker] = Tracker()  # until detections come with tracks
        self._size_wh: Optional[Tuple[int, int]] = None
        self._spoken = self.sender(channels.SPOKEN)
        self._gesture_said = ('', float('-inf'))
        self._queue = SpeechQueue()
        self._speaker = Speaker(self._queue, self._first_manner(p), self._spoken.send)
        self.receiver(channels.SAY, self._on_say)
        self.receiver(channels.DETECTIONS, self._on_found)
        self.receiver(channels.GESTURE_EVENT, self._on_gesture)
        self._images: Optional[channels.Receiver] = None  # frames may come while it is made
        self._images = self.receiver(channels.IMAGE, self._on_frame)
        self.create_timer(SIZE_S, self._look)
        self.begin()

    def _first_manner(self, p: SpeechParameters) -> Manner:
        """Give the manner asked for; what cannot be of it is told, and the rest is kept."""
        voice = make_voice(p.engine, self._cache)
        sound = self._or_else(lambda: Sound(p.device), lambda: Sound(''))
        phrases = self._or_else(lambda: load_phrases(p.language, p.phrases),
                                lambda: load_phrases(LANGUAGE))
        wish = Wish(phrases.voices, p.rate)
        try:
            voice.check(wish)
        except UserError as error:
            self._regret(error)
        return Manner(voice, sound, phrases, wish, p.volume, p.muted)

    def _or_else(self, make: Callable, make_other: Callable):
        try:
            return make()
        except UserError as error:
            self._regret(error)
            return make_other()

    def _regret(self, error: UserError) -> None:
        self._mistakes.append(str(error))
        self.get_logger().error(str(error))

    def on_parameters(self, old, new) -> None:
        """Speak in another manner; one that cannot be is refused."""
        manner = self._speaker.manner
        voice = manner.voice
        phrases = manner.phrases
        if (old.language, old.phrases) != (new.language, new.phrases):
            phrases = load_phrases(new.language, new.phrases)
        wish = Wish(phrases.voices, new.rate)
        sound = manner.sound if old.device == new.device else Sound(new.device)
        if old.engine != new.engine:
            voice = make_voice(new.engine, self._cache)
        if voice is not manner.voice or wish.languages != manner.wish.languages:
            try:
                voice.check(wish)
            except UserError:
                if voice is not manner.voice:
                    voice.close()
                raise
        self._announcer.cooldown_s, self._announcer.names = new.cooldown_s, new.announce
        self._speaker.exchange(Manner(voice, sound, phrases, wish, new.volume, new.muted))
        if new.muted and not old.muted:
            self._speaker.hush()
        if voice is not manner.voice:
            manner.voice.close()
        self._mistakes.clear()
        self.poke()

    def _on_say(self, text: str) -> None:
        if not self.enabled:
            return
        text = text[:MOST_READ + 1].lstrip()  # the rest would never be said
        kind = URGENT if text.startswith(URGENT_MARK) else SAY
        self._queue.put(Line(kind, time.monotonic(), text.lstrip(URGENT_MARK)))

    def _on_gesture(self, label: str) -> None:
        now_s = time.monotonic()
        text = self._speaker.manner.phrases.gesture(label[:100])
        said, said_s = self._gesture_said
        if not self.enabled or not text or (
                text == said and now_s - said_s < self.settings.cooldown_s):
            return
        self._gesture_said = (text, now_s)
        self._queue.put(Line(GESTURE, now_s, text))

    def _look(self) -> None:
        if self._images is not None:
            self._images.want(self.enabled)

    def _on_frame(self, frame: Frame) -> None:
        self._size_wh = frame.size_wh
        if self._images is not None:
            self._images.want(False)  # from another process, one image in SIZE_S is enough

    def _on_found(self, found: Found) -> None:
        if not self.enabled:
            return
        detections, now_s = found.detections, time.monotonic()
        if detections.track_ids is not None:
            self._tracker = None
        elif self._tracker is not None:
            detections = self._tracker.update(detections, found.stamp_ns / 1e9, 0.0)
        for event in self._announcer.update(detections, now_s, self._size_wh):
            self._queue.put(Line(PEOPLE, now_s, event=event))

    def on_enable(self, enabled: bool) -> None:
        """Pause ends what is being said, and forgets what waits."""
        if not enabled:
            self._queue.clear()

    def health(self) -> Health:
        """Tell what was spoken, dropped and lost, the latency, and why nothing is heard."""
        p, manner = self.settings, self._speaker.manner
        figures = {'enabled': self.enabled, 'engine': p.engine,
                   'language': manner.phrases.language, 'muted': manner.muted,
                   **self._speaker.figures()}
        if not self.enabled:
            return Health('ok', 'paused', figures)
        problem = '; '.join([*self._mistakes, self._speaker.problem]).strip('; ')
        if problem:
            return Health('warn', problem, figures)
        return Health('ok', 'muted' if manner.muted else f'engine {p.engine}', figures)

    def close(self) -> None:
        """Stop speaking."""
        self._speaker.close()


def list_devices() -> int:
    """Print the sound devices, as the parameter `device` takes them."""
    try:
        names = [f'{device.system}:{device.name}' for device in devices()]
    except SoundError as error:
        print(error, file=sys.stderr)
        return 1
    print('\n'.join(names) or 'there is no sound device')
    return 0


def main(args=None) -> int:
    """Run the node alone in its process."""
    words = parser('speech_node')
    words.add_argument('--devices', action='store_true', help='list the sound devices and end')
    if '--devices' in (sys.argv if args is None else args):
        return list_devices()
    return run(words, lambda own: [SpeechNode()], args)


if __name__ == '__main__':
    raise SystemExit(main())
