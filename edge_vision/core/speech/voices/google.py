"""Google's voice through gTTS: each phrase is fetched once and kept."""

from __future__ import annotations

from queue import Empty, Queue
import threading
import time
from typing import Callable, Dict, Optional

from edge_vision.core.errors import UserError
from edge_vision.core.speech.audio import is_sound
from edge_vision.core.speech.pace import paced
from edge_vision.core.speech.voices.base import Voice, VoiceError, Wish
from edge_vision.core.speech.voices.cache import SoundCache

ANSWER_S = 10.0  # the engine `gtts` alone waits so long
REQUEST_S = 5.0  # between two bytes of an answer, before the connection is given up
MOST_BYTES = 2_000_000  # of one phrase: five minutes
LOOK_S = 0.02  # how often it is looked whether the line was cancelled

Fetch = Callable[[str, str], bytes]


def fetch(text: str, language: str) -> bytes:
    """Fetch the MP3 of a text from Google; VoiceError where it does not come."""
    try:
        from gtts import gTTS
    except ImportError as error:
        raise VoiceError('gTTS is not installed ("pip install gTTS" does it)') from error
    try:
        speech = gTTS(text, lang=language, lang_check=False, timeout=REQUEST_S)
        data = b''
        for part in speech.stream():
            data += part
            if len(data) > MOST_BYTES:
                raise VoiceError('gTTS answers without end')
    except VoiceError:
        raise
    except Exception as error:  # gTTS lets through whatever a strange answer causes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise VoiceError(f'gTTS does not answer: {reason[:200]}') from error
    if not is_sound(data):
        raise VoiceError('gTTS answers with something that is no sound')
    return data


class Google(Voice):
    """
    Fetches in a thread of its own, as a stalling server can be waited for but not hurried.

    An answer that comes too late for its line is kept for the next time. A phrase is kept as it
    came, whatever the pace.
    """

    name = 'gtts'

    def __init__(self, cache: SoundCache, get: Fetch = fetch):
        """Start the thread. get(text, language) fetches one phrase."""
        self._cache, self._get = cache, get
        self._wanted: Queue = Queue(1)
        self._answers: Queue = Queue()
        self._busy = threading.Event()
        self._asked = 0
        self._thread = threading.Thread(target=self._run, name='gtts', daemon=True)
        self._thread.start()

    def _key(self, text: str, wish: Wish) -> str:
        return f'{wish.languages.get(self.name, "en")}|{text}'

    def cached(self, text: str, wish: Wish) -> Optional[bytes]:
        """Give the phrase as it was kept; one that was corrupted is forgotten."""
        key = self._key(text, wish)
        data = self._cache.get(key)
        if data is not None and not is_sound(data):
            self._cache.remove(key)
            return None
        return data

    def ask(self, text: str, wish: Wish) -> bool:
        """Begin to fetch a phrase; False while another one is being fetched."""
        if self._busy.is_set():
            return False
        self._busy.set()
        self._asked += 1
        self._wanted.put((self._asked, text, wish))
        return True

    def answer(self, cancelled: threading.Event, limit_s: float) -> Optional[bytes]:
        """Wait for what was asked; None where it does not come in time. Raises VoiceError."""
        end_s = time.monotonic() + limit_s
        while True:
            left_s = max(0.0, end_s - time.monotonic())
            try:
                number, answer = self._answers.get(left_s > 0, min(LOOK_S, left_s))
            except Empty:
                if left_s == 0 or cancelled.is_set():
                    return None
                continue
            if number != self._asked:  # nobody waits for it any more
                continue
            if isinstance(answer, VoiceError):
                raise answer
            return answer

    def sound_of(self, text: str, wish: Wish, cancelled: threading.Event) -> Optional[bytes]:
        """Give an MP3 file, from the disk or from the network."""
        data = self.cached(text, wish)
        if data is None:
            if not self.ask(text, wish):
                raise VoiceError('gTTS does not answer in time')
            data = self.answer(cancelled, ANSWER_S)
            if data is None and not cancelled.is_set():
                raise VoiceError(f'gTTS does not answer within {ANSWER_S:g} s')
        return data and paced(data, wish.rate)

    def _run(self):
        while True:
            wanted = self._wanted.get()
            if wanted is None:
                return
            number, text, wish = wanted
            answer: object
            try:
                answer = self._get(text, wish.languages.get(self.name, 'en'))
                self._cache.put(self._key(text, wish), answer)
            except VoiceError as error:
                answer = error
            self._busy.clear()
            self._answers.put((number, answer))

    def check(self, wish: Wish) -> None:
        """Raise UserError for a language that gTTS does not know; asks no network."""
        try:
            from gtts.lang import tts_langs
        except ImportError:
            return
        language = wish.languages.get(self.name, 'en')
        if language not in tts_langs():
            raise UserError(f"gTTS does not speak '{language}' (\"gtts-cli --all\" lists what it "
                            f'speaks)')

    def figures(self) -> Dict[str, object]:
        """Tell what is wrong with the cache."""
        return {'cache': self._cache.problem or 'ok'}

    def close(self) -> None:
        """End the thread, unless it waits for the network: then it goes with the process."""
        try:
            self._wanted.put_nowait(None)
        except Exception:  # noqa: BLE001 S110 a request waits; the thread is a daemon
            pass
        self._thread.join(0.2)
