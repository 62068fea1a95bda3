"""What an engine is to the rest: text in, an encoded sound out."""

from __future__ import annotations

from dataclasses import dataclass
import threading
from typing import Dict, Optional


class VoiceError(Exception):
    """An engine cannot speak; the text says why, in one sentence."""


@dataclass(frozen=True)
class Wish:
    """
    How a line is to be spoken.

    languages: name of the language for each engine. rate: 1.0 is the engine's own pace.
    """

    languages: Dict[str, str]
    rate: float = 1.0


class Voice:
    """One engine; used by the thread of the speaker alone."""

    name = ''

    def sound_of(self, text: str, wish: Wish, cancelled: threading.Event) -> Optional[bytes]:
        """
        Give a WAV or MP3 file of the text; None where there is nothing to hear.

        May take long, but gives up when `cancelled` is set. Raises VoiceError.
        """
        raise NotImplementedError

    def check(self, wish: Wish) -> None:
        """Raise UserError for a language that the engine does not speak."""

    def figures(self) -> Dict[str, object]:
        """Give what diagnostics should tell of the engine."""
        return {}

    def close(self) -> None:
        """Let go of threads."""


class Silent(Voice):
    """Says nothing aloud."""

    name = 'silent'

    def sound_of(self, text: str, wish: Wish, cancelled: threading.Event) -> Optional[bytes]:
        """Give no sound."""
        return None
