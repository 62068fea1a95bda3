"""The engines that speak, behind one small interface."""

from __future__ import annotations

from edge_vision.core.errors import UserError
from edge_vision.core.speech.voices.auto import Auto
from edge_vision.core.speech.voices.base import Silent, Voice, VoiceError, Wish
from edge_vision.core.speech.voices.cache import SoundCache
from edge_vision.core.speech.voices.espeak import Espeak
from edge_vision.core.speech.voices.google import Google

ENGINES = ('auto', 'gtts', 'espeak', 'silent')


def check_engine(engine: str) -> None:
    """Raise UserError for an engine that there is not."""
    if engine not in ENGINES:
        raise UserError(f"engine '{engine}' is unknown; {', '.join(ENGINES)} would do")


def make_voice(engine: str, cache: SoundCache) -> Voice:
    """Give the engine of that name; UserError where there is none."""
    check_engine(engine)
    if engine == 'silent':
        return Silent()
    if engine == 'espeak':
        return Espeak()
    google = Google(cache)
    return google if engine == 'gtts' else Auto(google, Espeak())


__all__ = ['ENGINES', 'SoundCache', 'Voice', 'VoiceError', 'Wish', 'check_engine', 'make_voice']
