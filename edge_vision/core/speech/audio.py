"""Samples out of a file's bytes: MP3 and WAV, through miniaudio where it is installed."""

from __future__ import annotations

import numpy as np

try:
    import miniaudio
except (ImportError, OSError):  # an extra; the node runs on without a sound
    miniaudio = None

RATE_HZ = 22050  # espeak-ng's own; gTTS has 24000
NO_LIBRARY = 'there is no library for sound ("pip install miniaudio" does it)'


class SoundError(Exception):
    """No sound can be made; the text says why, in one sentence."""


def is_sound(data: bytes) -> bool:
    """Tell whether bytes are a WAV or MP3 file; without miniaudio by their first bytes."""
    if miniaudio is None:
        return data[:4] == b'RIFF' or data[:3] == b'ID3' or (
            len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0)
    try:
        return len(decode(data)) > 0
    except SoundError:
        return False


def decode(data: bytes) -> np.ndarray:
    """Give the samples of a WAV or MP3 file, int16 (N,), at RATE_HZ."""
    if miniaudio is None:
        raise SoundError(NO_LIBRARY)
    try:
        if data[:4] == b'RIFF' and data[8:12] == b'WAVE':
            data = _with_sizes(data)
        sound = miniaudio.decode(data, nchannels=1, sample_rate=RATE_HZ)
    except miniaudio.MiniaudioError as error:
        raise SoundError(f'the sound cannot be decoded: {error}') from error
    return np.frombuffer(sound.samples, np.int16)


def _with_sizes(wav: bytes) -> bytes:
    """Write the real sizes into a WAV file that came out of a pipe: espeak-ng cannot know them."""
    at = wav.find(b'data')
    if not 0 <= at <= len(wav) - 8:
        return wav
    whole, body = len(wav) - 8, len(wav) - at - 8
    return (wav[:4] + whole.to_bytes(4, 'little') + wav[8:at + 4]
            + body.to_bytes(4, 'little') + wav[at + 8:])
