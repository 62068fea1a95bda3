"""Sound on a null device and into a file through ALSA, and the one who speaks."""

import json
import logging
import os
from pathlib import Path
import shutil
import subprocess
import sys
import threading
import time

from edge_vision.core.errors import UserError
from edge_vision.core.speech import audio, sound
from edge_vision.core.speech.audio import decode, is_sound, RATE_HZ, SoundError
from edge_vision.core.speech.events import ARRIVED, Event
from edge_vision.core.speech.phrases import load_phrases
from edge_vision.core.speech.sound import find_device, Sound
from edge_vision.core.speech.speaker import Manner, Speaker
from edge_vision.core.speech.speech_queue import GESTURE, Line, PEOPLE, SAY, SpeechQueue, URGENT
from edge_vision.core.speech.voices import VoiceError, Wish
from edge_vision.core.speech.voices.base import Silent, Voice
import numpy as np
import pytest
from stand_in_gtts import tone

needs_sound = pytest.mark.skipif(sound.miniaudio is None, reason='miniaudio is not installed')
GO_ON = threading.Event()
# An MP3 frame (MPEG 1 layer III, 128 kbit/s, 44.1 kHz, mono) of silence: header and zeros.
MP3 = (b'\xff\xfb\x90\xc4' + bytes(413)) * 20


@needs_sound
@pytest.mark.parametrize('rate_hz', [8000, 22050, 48000])
def test_wav_files_are_decoded_at_any_rate(rate_hz):
    samples = decode(tone(0.5, rate_hz))
    assert samples.dtype == np.int16 and abs(len(samples) - RATE_HZ / 2) < RATE_HZ / 50
    assert 8000 < np.abs(samples).max() < 12100


@needs_sound
def test_mp3_files_are_decoded():
    assert is_sound(MP3) and abs(len(decode(MP3)) / RATE_HZ - 20 * 1152 / 44100) < 0.1


@needs_sound
@pytest.mark.parametrize('data', [b'', b'RIFF', b'RIFF\0\0\0\0WAVE', b'ID3', bytes(999),
                                  tone()[:40], b'\xff\xfb\x90\xc4'])
def test_what_is_no_sound_is_told(data):
    assert not is_sound(data)


@needs_sound
def test_a_sound_takes_its_time_on_the_null_device():
    begun, start_s = [], time.monotonic()
    assert Sound('null').play(tone(0.4), 1.0, GO_ON, lambda: begun.append(time.monotonic()))
    assert begun[0] - start_s < 0.3
    assert 0.3 < time.monotonic() - start_s < 2.0


@needs_sound
def test_an_urgent_line_ends_a_sound_at_once():
    cancelled, start_s = threading.Event(), time.monotonic()
    threading.Timer(0.3, cancelled.set).start()
    assert not Sound('null').play(tone(20.0), 1.0, cancelled, lambda: None)
    assert time.monotonic() - start_s < 1.5


@needs_sound
def test_a_device_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(UserError, match=r'no sound device .gramophone.; there are:'):
        find_device('gramophone')
    assert find_device('') is None and find_device('null').name == 'null'


def test_without_the_library(monkeypatch):
    for module in (audio, sound):
        monkeypatch.setattr(module, 'miniaudio', None)
    with pytest.raises(SoundError, match='pip install miniaudio'):
        Sound('').probe()
    with pytest.raises(UserError, match='pip install miniaudio'):
        Sound('speakers')
    assert is_sound(tone()) and not is_sound(b'<html>')


ALSA = """
import json, sys, threading
sys.path.insert(0, {tests!r})
from edge_vision.core.speech.sound import devices, Sound
from stand_in_gtts import tone
Sound('').play(tone(0.5), float(sys.argv[1]), threading.Event(), lambda: None)
print(json.dumps([f'{{d.system}}:{{d.name}}' for d in devices()]))
"""


@needs_sound
@pytest.mark.skipif(not Path('/usr/share/alsa/alsa.conf').exists(), reason='ALSA is not here')
@pytest.mark.parametrize(('volume', 'peak'), [(1.0, 12000), (0.25, 3000)])
def test_through_alsa_into_a_file(tmp_path, volume, peak):
    """ALSA itself writes what it is given into a WAV file instead of a sound card."""
    out = tmp_path / 'heard.wav'
    (tmp_path / 'asound.conf').write_text(
        f'pcm.!default {{ type file slave.pcm "nowhere" file "{out}" format "wav" }}\n'
        'pcm.nowhere { type null }\n'
        'pcm.kitchen { type null  hint { show on description "Kitchen speaker" } }\n')
    done = subprocess.run(
        [sys.executable, '-c', ALSA.format(tests=str(Path(__file__).parent)), str(volume)],
        env={**os.environ, 'PULSE_SERVER': '/nowhere',
             'ALSA_CONFIG_PATH': f'/usr/share/alsa/alsa.conf:{tmp_path}/asound.conf'},
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'ALSA lib' not in done.stderr
    assert 'alsa:Kitchen speaker' in json.loads(done.stdout)
    with out.open('rb') as file:  # behind the sound ALSA writes silence as fast as it can
        heard = decode_head(file.read(4_000_000))
    loud = np.flatnonzero(np.abs(heard) > peak / 4)
    assert peak * 0.8 < np.abs(heard).max() < peak * 1.1
    assert 0.3 < (loud[-1] - loud[0]) / RATE_HZ < 0.7


def decode_head(wav: bytes) -> np.ndarray:
    """Give the samples of a WAV file that was cut: its sizes are wrong, its format is not."""
    channels, rate_hz = wav[22], int.from_bytes(wav[24:28], 'little')
    body = wav[44:]
    samples = np.frombuffer(body[:len(body) // (2 * channels) * 2 * channels], np.int16)
    step = max(1, round(rate_hz / RATE_HZ))
    return samples.reshape(-1, channels)[::step, 0].astype(int)


# ---- the one who speaks

class FakeVoice(Voice):
    """Gives a short tone, or fails as it is told."""

    name = 'fake'

    def __init__(self):
        self.asked, self.problem, self.seconds = [], '', 0.05

    def sound_of(self, text, wish, cancelled):
        self.asked.append(text)
        if self.problem == 'bug':
            raise ZeroDivisionError('a bug')
        if self.problem:
            raise VoiceError(self.problem)
        return tone(self.seconds)


class FakeSound:
    """Plays in real time to nowhere, or is not there."""

    def __init__(self):
        self.problem, self.played = '', 0

    def probe(self):
        if self.problem:
            raise SoundError(self.problem)

    def play(self, data, volume, cancelled, on_start):
        self.probe()
        on_start()
        self.played += 1
        return not cancelled.wait(len(data) / 44100)


class Stage:
    """A speaker with fakes."""

    def __init__(self, **manner):
        self.voice, self.sound, self.spoken = FakeVoice(), FakeSound(), []
        self.queue = SpeechQueue()
        self.manner = Manner(**{**{
            'voice': self.voice, 'sound': self.sound, 'phrases': load_phrases('en'),
            'wish': Wish({})}, **manner})
        self.speaker = Speaker(self.queue, self.manner, self.spoken.append)

    def say(self, text, kind=SAY):
        self.queue.put(Line(kind, time.monotonic(), text))

    def until(self, condition, limit_s=10.0):
        end_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end_s, (self.spoken, self.speaker.problem)
            time.sleep(0.005)


@pytest.fixture
def stage():
    made = []

    def make(**manner):
        made.append(Stage(**manner))
        return made[-1]
    yield make
    for one in made:
        one.speaker.close()
        assert not one.speaker._thread.is_alive()


def test_lines_are_said_one_after_the_other_and_told(stage):
    one = stage()
    for text in 'abc':
        one.say(text)
    one.until(lambda: one.sound.played == 3)
    assert one.spoken == ['a', 'b', 'c'] and one.speaker.problem == ''
    assert one.speaker.figures()['spoken'] == 3


def test_people_who_come_together_are_one_sentence(stage):
    one = stage()
    for total, where in ((1, 'left'), (2, 'right')):
        one.queue.put(Line(PEOPLE, time.monotonic(), event=Event(
            ARRIVED, 'person', total, 0.0, where, 'near')))
    one.until(lambda: one.spoken)
    assert one.spoken == ['A person on the left, close and a person on the right, close.']


def test_an_urgent_line_interrupts_and_comes_next(stage):
    one = stage()
    one.voice.seconds = 30.0
    one.say('a long story')
    one.until(lambda: one.spoken)
    one.voice.seconds = 0.05
    for text in ('later', 'soon'):
        one.say(text)
    start_s = time.monotonic()
    one.say('stop', URGENT)
    one.until(lambda: len(one.spoken) == 4)
    assert one.spoken == ['a long story', 'stop', 'later', 'soon']
    assert time.monotonic() - start_s < 5


@pytest.mark.parametrize('problem', ['espeak-ng does not speak', 'bug'])
def test_a_voice_that_fails_is_told_once_and_the_line_is_published(stage, caplog, problem):
    one = stage()
    one.voice.problem = problem
    with caplog.at_level(logging.WARNING):
        for text in 'abc':
            one.say(text)
        one.until(lambda: len(one.voice.asked) == 3)
        one.voice.problem = ''
        one.say('d')
        one.until(lambda: one.sound.played)
    assert one.spoken[-1] == 'd' and len(caplog.records) == 1 and one.speaker.problem == ''
    assert problem == 'bug' or one.spoken == ['a', 'b', 'c', 'd']


def test_without_a_sound_card_lines_are_published_and_no_voice_is_asked(stage, caplog):
    with caplog.at_level(logging.WARNING):
        one = stage(sound=missing())
        one.until(lambda: one.speaker.problem)
        for text in 'abc':
            one.say(text)
        one.until(lambda: len(one.spoken) == 3)
    assert one.voice.asked == [] and len(caplog.records) == 1
    assert 'no card: lines come on the topic spoken only' == one.speaker.problem


def missing():
    gone = FakeSound()
    gone.problem = 'no card'
    return gone


def test_a_sound_card_that_comes_back_is_found(stage, monkeypatch):
    monkeypatch.setattr('edge_vision.core.speech.speaker.DEVICE_S', (0.2, 0.2))
    card = missing()
    one = stage(sound=card)
    one.until(lambda: one.speaker.problem)
    card.problem = ''
    time.sleep(0.25)
    one.say('hello')
    one.until(lambda: card.played)
    assert one.speaker.problem == '' and one.spoken == ['hello']


@pytest.mark.parametrize('manner', [{'muted': True}, {'volume': 0.0}, {'voice': Silent()}],
                         ids=['muted', 'volume', 'silent'])
def test_silence_still_publishes_what_would_be_said(stage, manner):
    one = stage(**manner)
    one.say('hello')
    one.until(lambda: one.spoken)
    assert one.sound.played == 0 and one.voice.asked == [] and one.spoken == ['hello']


def test_a_long_text_is_cut_and_told(stage, caplog):
    with caplog.at_level(logging.WARNING):
        one = stage()
        one.say('word ' * 2000)
        one.until(lambda: one.spoken)
    assert len(one.spoken[0]) <= 300 and 'too long and was cut' in caplog.text


@pytest.mark.parametrize('text', ['', ' ', '\x00\x01', '<b></b>'])
def test_nothing_to_say_is_not_said(stage, text):
    one = stage()
    one.say(text)
    one.say('end', GESTURE)
    one.until(lambda: one.spoken)
    assert one.spoken == ['end']


def test_closing_ends_what_is_being_said(stage):
    one = stage()
    one.voice.seconds = 60.0
    one.say('a long story')
    one.until(lambda: one.spoken)
    start_s = time.monotonic()
    one.speaker.close()
    assert time.monotonic() - start_s < 1.5


@needs_sound
@pytest.mark.skipif(not shutil.which('espeak-ng'), reason='espeak-ng is not installed')
def test_from_the_news_to_the_start_of_its_sound(stage):
    """At most 300 ms; processor time of others is not ours, so the best of some counts here."""
    from edge_vision.core.speech.voices.espeak import Espeak
    one = stage(voice=Espeak(), sound=Sound('null'), wish=Wish({'espeak': 'en-us'}))
    for number in range(5):
        one.queue.put(Line(PEOPLE, time.monotonic(), event=Event(
            ARRIVED, 'person', 1, 0.0, 'left', 'near')))
        one.until(lambda number=number: len(one.spoken) > number)
        one.speaker.hush()
    assert one.speaker.latency_ms.at(1)['p1'] < 300
