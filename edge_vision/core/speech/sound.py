"""Sound devices, through miniaudio: ALSA and PulseAudio."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Callable, List, NamedTuple, Optional

from edge_vision.core.errors import UserError
from edge_vision.core.speech.audio import decode, miniaudio, NO_LIBRARY, RATE_HZ, SoundError
import numpy as np

BUFFER_MS = 60  # what the device holds: short, as a line may have to end at once
TAIL_MS = 200  # of silence behind it: what the sound system holds back is heard to its end
LOOK_S = 0.02  # how often it is looked whether the line was cancelled
SLACK_S = 3.0  # a device that takes so much longer than the sound lasts has stopped
NULL = 'null'  # the device that plays to nowhere, in real time

_alsa_handler = None  # kept, as ALSA calls it as long as the process lives


class Device(NamedTuple):
    """A place to play to: the sound system it belongs to, its name, and miniaudio's id."""

    system: str
    name: str
    id: object


def _hush_alsa() -> None:
    """Keep ALSA from writing to stderr whatever it tries in vain."""
    global _alsa_handler
    if _alsa_handler is not None:
        return
    kind = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
                            ctypes.c_char_p)
    _alsa_handler = kind(lambda *_: None)
    try:
        ctypes.CDLL('libasound.so.2').snd_lib_error_set_handler(_alsa_handler)
    except (OSError, AttributeError):
        pass  # without ALSA there is nobody to hush


def _systems():
    if miniaudio is None:
        raise SoundError(NO_LIBRARY)
    _hush_alsa()
    return [miniaudio.Backend.PULSEAUDIO, miniaudio.Backend.ALSA]


def devices() -> List[Device]:
    """List where sound can go; SoundError without a library."""
    found = []
    for system in _systems():
        try:
            listed = miniaudio.Devices([system]).get_playbacks()
        except miniaudio.MiniaudioError:
            continue  # this sound system does not run here
        found += [Device(system.name.lower(), one['name'], one['id']) for one in listed]
    return found


def find_device(name: str) -> Optional[Device]:
    """
    Give the first device whose name has `name` in it; None for '', the default one.

    Raises UserError, with the names that there are.
    """
    if not name:
        return None
    if name == NULL:
        return Device(NULL, NULL, None)
    try:
        known = devices()
    except SoundError as error:
        raise UserError(f"the sound device '{name}' cannot be used: {error}") from error
    for device in known:
        if name.lower() in f'{device.system}:{device.name}'.lower():
            return device
    names = ', '.join(f"'{d.system}:{d.name}'" for d in known) or 'there is none'
    raise UserError(f"there is no sound device '{name}'; there are: {names}")


class Sound:
    """Plays one sound at a time on one device, which is taken only while something plays."""

    def __init__(self, device: str = ''):
        """Choose a device by a part of its name; '' is the default. UserError where none fits."""
        self._device = find_device(device)

    def _open(self):
        device = self._device
        systems = _systems()
        if device is not None:
            systems = [miniaudio.Backend[device.system.upper()]]
        try:
            return miniaudio.PlaybackDevice(
                output_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=RATE_HZ,
                buffersize_msec=BUFFER_MS, device_id=device.id if device else None,
                backends=systems, app_name='edge_vision')
        except miniaudio.MiniaudioError as error:
            if device is None:
                raise SoundError('there is no sound card') from error
            reason = error.args[0] if error.args else error
            raise SoundError(
                f"the sound device '{device.name}' does not open: {reason}") from error

    def probe(self) -> None:
        """Raise SoundError where nothing can be played."""
        self._open().close()

    def play(self, data: bytes, volume: float, cancelled: threading.Event,
             on_start: Callable[[], None]) -> bool:
        """
        Play a WAV or MP3 file to its end; False when it was cancelled.

        volume: 0.0 to 1.0. on_start() is called when the device takes the first samples. Raises
        SoundError.
        """
        samples = (decode(data) * np.float32(volume)).astype(np.int16)
        started, ended = threading.Event(), threading.Event()

        def feed():  # runs in the device's thread
            wanted = yield b''
            at = 0
            while True:
                started.set()
                part = samples[at:at + wanted]
                at += wanted
                if at >= len(samples) + RATE_HZ * TAIL_MS // 1000:
                    ended.set()
                wanted = yield part.tobytes() + bytes(2 * (wanted - len(part)))

        feeder = feed()
        next(feeder)
        device = self._open()
        try:
            device.start(feeder)
            end_s = time.monotonic() + len(samples) / RATE_HZ + SLACK_S
            told = False
            while not ended.wait(LOOK_S if told else 0.0) and not cancelled.is_set():
                if started.wait(0.0 if told else LOOK_S) and not told:
                    told = True
                    on_start()
                if time.monotonic() > end_s:
                    raise SoundError('the sound device has stopped')
            if not told and started.is_set():
                on_start()
        except miniaudio.MiniaudioError as error:
            raise SoundError(f'the sound device does not play ({error})') from error
        finally:
            device.close()
        return not cancelled.is_set()
