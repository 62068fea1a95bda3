"""The best voice that can be had now: kept, fetched, or made on the spot."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, Optional

from edge_vision.core.backoff import Backoff
from edge_vision.core.errors import UserError
from edge_vision.core.speech.pace import paced
from edge_vision.core.speech.voices.base import Voice, VoiceError, Wish
from edge_vision.core.speech.voices.espeak import Espeak
from edge_vision.core.speech.voices.google import Google

ANSWER_S = 1.5  # later, the news is old
RETRY_S = (60.0, 900.0)  # pauses before the network is tried again, the first and the longest


class Auto(Voice):
    """
    What is kept on disk, else gtts while it answers in ANSWER_S, else espeak.

    After a failure no line waits for the network: it is tried again behind a line that espeak
    speaks, and what comes is kept.
    """

    name = 'auto'

    def __init__(self, google: Google, espeak: Espeak,
                 clock: Callable[[], float] = time.monotonic):
        """Choose between two engines; clock gives growing seconds."""
        self._google, self._espeak, self._clock = google, espeak, clock
        self._backoff = Backoff(*RETRY_S)
        self._retry_s: Optional[float] = None  # None while the network is good
        self._trying = False
        self.used = ''
        self.network = 'not tried'

    def sound_of(self, text: str, wish: Wish, cancelled: threading.Event) -> Optional[bytes]:
        """Give the sound from whichever engine has it first."""
        data = self._google.cached(text, wish)
        if data is not None:
            self.used = 'cache'
            return paced(data, wish.rate)
        if self._retry_s is not None:
            self._try_again(text, wish, cancelled)
        if self._retry_s is None:
            data = self._fetch(text, wish, cancelled)
        if data is not None or cancelled.is_set():
            self.used = 'gtts'
            return data and paced(data, wish.rate)
        self.used = 'espeak'
        try:
            return self._espeak.sound_of(text, wish, cancelled)
        except VoiceError as error:
            raise VoiceError(f'{error}; and {self.network}') from error

    def _fetch(self, text: str, wish: Wish, cancelled: threading.Event) -> Optional[bytes]:
        try:
            if not self._google.ask(text, wish):
                raise VoiceError('gTTS is still busy')
            data = self._google.answer(cancelled, ANSWER_S)
            if data is None and not cancelled.is_set():
                raise VoiceError(f'gTTS does not answer within {ANSWER_S:g} s')
        except VoiceError as error:
            self.network = str(error)
            self._retry_s = self._clock() + self._backoff.next_s()
            return None
        self.network = 'ok' if data is not None else self.network
        return data

    def _try_again(self, text: str, wish: Wish, cancelled: threading.Event) -> None:
        """Look for the answer of the last try, or begin one; never waits."""
        if self._trying:
            try:
                if self._google.answer(cancelled, 0.0) is None:
                    return
            except VoiceError as error:
                self.network = str(error)
                self._retry_s = self._clock() + self._backoff.next_s()
            else:
                self.network, self._retry_s = 'ok', None
                self._backoff.reset()
            self._trying = False
        elif self._retry_s is not None and self._clock() >= self._retry_s:
            self._trying = self._google.ask(text, wish)

    def check(self, wish: Wish) -> None:
        """Raise UserError for a language that neither engine speaks."""
        try:
            self._google.check(wish)
        except UserError:
            self._espeak.check(wish)

    def figures(self) -> Dict[str, object]:
        """Tell which engine spoke last, and how the network is."""
        return {**self._google.figures(), 'voice': self.used, 'network': self.network}

    def close(self) -> None:
        """Close both engines."""
        self._google.close()
        self._espeak.close()
