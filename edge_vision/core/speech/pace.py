"""Speech made faster or slower at the same pitch."""

from __future__ import annotations

import io
import wave

from edge_vision.core.speech.audio import decode, RATE_HZ
import numpy as np

WINDOW = 2 * (RATE_HZ // 50)  # samples, 40 ms: some periods of a voice, less than a sound
HOP = WINDOW // 2
SEARCH = RATE_HZ // 100  # samples, 10 ms: one period of the deepest voice


def stretch(samples: np.ndarray, rate: float) -> np.ndarray:
    """
    Give int16 (N,) samples that last 1 / rate as long.

    Waveform-similarity overlap-add (Verhelst and Roelands 1993): windows are taken from where
    they go on best from the one before, and faded into each other.
    """
    if abs(rate - 1) < 0.01 or len(samples) < 4 * WINDOW:
        return samples
    source = np.pad(samples.astype(np.float32), (0, 2 * WINDOW + SEARCH))
    count = int(len(samples) / rate / HOP)
    out = np.zeros((count + 1) * HOP, np.float32)
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    at = 0
    for number in range(count):
        out[number * HOP:number * HOP + WINDOW] += window * source[at:at + WINDOW]
        goes_on = source[at + HOP:at + HOP + WINDOW]
        low = max(0, int((number + 1) * HOP * rate) - SEARCH)
        region = source[low:low + WINDOW + 2 * SEARCH]
        if len(region) < WINDOW or len(goes_on) < WINDOW:
            break
        at = low + int(np.argmax(np.correlate(region, goes_on, 'valid')))
    return np.clip(out, -32768, 32767).astype(np.int16)


def paced(data: bytes, rate: float) -> bytes:
    """Give a WAV or MP3 file at another pace, as a WAV file; raises SoundError."""
    if abs(rate - 1) < 0.01:
        return data
    buffer = io.BytesIO()
    with wave.open(buffer, 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(stretch(decode(data), rate).astype('<i2').tobytes())
    return buffer.getvalue()
