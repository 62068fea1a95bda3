"""Real espeak-ng, gTTS against a server on this machine, the cache, and what auto chooses."""

import logging
import os
from pathlib import Path
import shutil
import socket
import threading
import time

from edge_vision.core.errors import UserError
from edge_vision.core.speech.audio import decode, miniaudio, RATE_HZ
from edge_vision.core.speech.pace import stretch
from edge_vision.core.speech.voices import ENGINES, make_voice, SoundCache, VoiceError, Wish
from edge_vision.core.speech.voices.auto import ANSWER_S, Auto, RETRY_S
from edge_vision.core.speech.voices.base import Voice
from edge_vision.core.speech.voices.espeak import Espeak
from edge_vision.core.speech.voices.google import Google
import numpy as np
import pytest
from stand_in_gtts import instead_of_google, tone

needs_espeak = pytest.mark.skipif(not shutil.which('espeak-ng'),
                                  reason='espeak-ng is not installed')
needs_sound = pytest.mark.skipif(miniaudio is None, reason='miniaudio is not installed')
ENGLISH = Wish({'gtts': 'en', 'espeak': 'en-us'})
GO_ON = threading.Event()


@pytest.fixture
def cache(tmp_path):
    return SoundCache(tmp_path / 'cache', 1_000_000)


@pytest.fixture
def google(cache):
    voice = Google(cache)
    yield voice
    voice.close()


@pytest.fixture
def stand_in():
    pytest.importorskip('gtts', reason='gTTS is not installed')
    with instead_of_google() as server:
        yield server


# ---- espeak-ng

@needs_espeak
@needs_sound
@pytest.mark.parametrize(('language', 'text', 'seconds'), [
    ('en-us', 'A person on the left, close.', (1.0, 4.0)),
    ('de', 'Eine Person links, ganz nah.', (1.0, 4.0)), ('cmn', '左边有一个人', (0.8, 4.0)),
    ('en-us', 'Stop', (0.2, 1.2))])
def test_espeak_speaks_as_long_and_as_loud_as_a_voice(tmp_path, language, text, seconds):
    wav = Espeak().sound_of(text, Wish({'espeak': language}), GO_ON)
    (tmp_path / 'line.wav').write_bytes(wav)
    samples = decode((tmp_path / 'line.wav').read_bytes()) / 32768
    assert seconds[0] < len(samples) / RATE_HZ < seconds[1]
    assert 0.01 < np.sqrt(np.mean(samples ** 2)) < 0.5 and 0.1 < np.abs(samples).max() < 1.0


@needs_espeak
@needs_sound
def test_the_rate_makes_it_faster():
    text = 'A person ahead, a few steps away.'
    lengths = [len(decode(Espeak().sound_of(text, Wish({'espeak': 'en'}, rate), GO_ON)))
               for rate in (0.5, 1.0, 2.0)]
    assert lengths[0] > 1.3 * lengths[1] > 1.3 * 1.3 * lengths[2]


@needs_espeak
def test_a_language_that_espeak_does_not_know():
    with pytest.raises(UserError, match="espeak-ng does not speak 'qq'"):
        Espeak().check(Wish({'espeak': 'qq'}))
    with pytest.raises(VoiceError, match='voice does not exist'):
        Espeak().sound_of('hi', Wish({'espeak': 'qq'}), GO_ON)


@pytest.mark.parametrize('language', ['', '-w', 'en; reboot', '../x', 'en us', 'a' * 99])
def test_a_language_that_is_no_name_reaches_no_command(language):
    with pytest.raises(UserError, match='is no language of espeak-ng'):
        Espeak().command(Wish({'espeak': language}))


@pytest.mark.parametrize('text', ['$(touch SEEN)', '; touch SEEN', '`touch SEEN`',
                                  '--path=/ -w SEEN', '\n-w SEEN\n', '|touch SEEN'])
def test_a_text_reaches_no_shell_and_no_option(tmp_path, monkeypatch, text):
    """A program in place of espeak-ng tells what it was given."""
    program = tmp_path / 'espeak-ng'
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > args\ncat > text\n'
                       'head -c 100 /dev/zero\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    monkeypatch.chdir(tmp_path)
    Espeak().sound_of(text, ENGLISH, GO_ON)
    assert (tmp_path / 'text').read_text() == text
    assert text.strip() not in (tmp_path / 'args').read_text()
    assert not (tmp_path / 'SEEN').exists()


def test_without_the_program(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    Espeak().check(ENGLISH)
    with pytest.raises(VoiceError, match='sudo apt install espeak-ng'):
        Espeak().sound_of('hi', ENGLISH, GO_ON)


# ---- gTTS

def test_each_phrase_is_fetched_once_and_then_works_offline(stand_in, google, tmp_path):
    assert google.sound_of('hello', ENGLISH, GO_ON) == tone()
    stand_in.manner = 'fails'
    assert google.sound_of('hello', ENGLISH, GO_ON) == tone() and len(stand_in.asked) == 1
    again = Google(SoundCache(tmp_path / 'cache', 1_000_000))
    assert again.sound_of('hello', ENGLISH, GO_ON) == tone() and len(stand_in.asked) == 1
    again.close()
    with pytest.raises(VoiceError):
        google.sound_of('another', ENGLISH, GO_ON)


def test_languages_are_kept_apart(stand_in, google):
    for wish in (ENGLISH, Wish({'gtts': 'de'})):
        google.sound_of('hello', wish, GO_ON)
    assert len(stand_in.asked) == 2


@needs_sound
@pytest.mark.parametrize('rate', [0.5, 2.0])
def test_one_answer_serves_all_paces(stand_in, google, rate):
    plain = decode(google.sound_of('hello', ENGLISH, GO_ON))
    other = decode(google.sound_of('hello', Wish({'gtts': 'en'}, rate), GO_ON))
    assert len(stand_in.asked) == 1
    assert len(other) == pytest.approx(len(plain) / rate, rel=0.1)


@pytest.mark.parametrize('rate', [0.5, 0.8, 1.0, 1.5, 3.0])
def test_another_pace_leaves_the_pitch_and_the_loudness(rate):
    hz = 200.0
    samples = (8000 * np.sin(2 * np.pi * hz * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    other = stretch(samples, rate)
    assert len(other) == pytest.approx(len(samples) / rate, rel=0.02)
    middle = other[len(other) // 4:-len(other) // 4].astype(float)
    peak = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))))
    assert peak * RATE_HZ / len(middle) == pytest.approx(hz, rel=0.03)
    assert np.sqrt(np.mean(middle ** 2)) == pytest.approx(8000 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize('count', [0, 1, 500])
def test_a_sound_that_is_too_short_for_another_pace_stays(count):
    assert len(stretch(np.ones(count, np.int16), 2.0)) == count


@needs_sound
@pytest.mark.parametrize(('manner', 'sentence'), [
    ('fails', 'gTTS does not answer: 503'), ('rubbish', 'no sound'), ('empty', 'no sound')])
def test_an_answer_that_is_no_sound_is_told_and_not_kept(stand_in, google, manner, sentence):
    stand_in.manner = manner
    with pytest.raises(VoiceError, match=sentence):
        google.sound_of('hello', ENGLISH, GO_ON)
    stand_in.manner = 'answers'
    assert google.sound_of('hello', ENGLISH, GO_ON) == tone()


def test_an_interruption_ends_the_wait(stand_in, google):
    stand_in.manner = 'stalls'
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    start_s = time.monotonic()
    assert google.sound_of('hello', ENGLISH, cancelled) is None
    assert time.monotonic() - start_s < 1.5


def test_a_language_that_gtts_does_not_know(google):
    pytest.importorskip('gtts', reason='gTTS is not installed')
    google.check(Wish({'gtts': 'zh-CN'}))
    with pytest.raises(UserError, match="gTTS does not speak 'klingon'"):
        google.check(Wish({'gtts': 'klingon'}))


# ---- the cache

def test_the_cache_keeps_to_its_size_and_forgets_what_was_not_used(tmp_path):
    cache = SoundCache(tmp_path, 1000)
    for number, key in enumerate('abc'):
        cache.put(key, bytes(300))
        os.utime(cache._path(key), (number, number))
    assert cache.get('a')  # used: now b is the oldest
    cache.put('d', bytes(300))
    assert [bool(cache.get(key)) for key in 'abcd'] == [True, False, True, True]
    cache.put('e', bytes(1001))
    assert cache.get('e') is None
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1000


@pytest.mark.parametrize('harm', ['cut', 'empty', 'rubbish', 'folder'])
def test_what_was_corrupted_is_fetched_anew(stand_in, google, cache, harm):
    google.sound_of('hello', ENGLISH, GO_ON)
    path, = (file for file in cache._folder.iterdir())
    if harm == 'folder':
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({'cut': tone()[:20], 'empty': b'', 'rubbish': os.urandom(999)}[harm])
    assert google.sound_of('hello', ENGLISH, GO_ON) == tone() and len(stand_in.asked) == 2


def unusable(kind: str, tmp_path) -> Path:
    if kind == 'no folder':
        (tmp_path / 'file').write_text('')
        return tmp_path / 'file'
    if kind == 'full':
        if not Path('/dev/full').exists():
            pytest.skip('/dev/full is not here')
        return tmp_path / 'full'
    return Path('/proc/edge_vision')  # read-only for everybody, root too


@pytest.mark.parametrize('kind', ['no folder', 'read-only', 'full'])
def test_a_cache_that_cannot_be_costs_one_line_and_no_speech(stand_in, tmp_path, caplog,
                                                             monkeypatch, kind):
    voice = Google(SoundCache(unusable(kind, tmp_path), 1_000_000))
    if kind == 'full':
        def full(*_):
            raise OSError(28, 'No space left on device')
        monkeypatch.setattr('edge_vision.core.speech.voices.cache.os.replace', full)
    with caplog.at_level(logging.WARNING):
        for text in ('one', 'two', 'three'):
            assert voice.sound_of(text, ENGLISH, GO_ON) == tone()
    voice.close()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1 and 'phrases cannot be kept in' in lines[0]
    assert voice.figures()['cache'] == lines[0]
    assert not list(tmp_path.rglob('*.part'))


# ---- auto

class Told(Voice):
    """An espeak that only tells that it was asked."""

    def sound_of(self, text, wish, cancelled):
        return b'espeak'


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def auto(google):
    clock = Clock()
    voice = Auto(google, Told(), clock)
    voice.clock = clock
    return voice


def say(auto, text='hello'):
    start_s = time.monotonic()
    sound = auto.sound_of(text, ENGLISH, GO_ON)
    return ('espeak' if sound == b'espeak' else 'gtts'), time.monotonic() - start_s


def test_auto_takes_gtts_while_it_answers_and_then_what_it_kept(stand_in, auto):
    assert say(auto)[0] == 'gtts' and auto.used == 'gtts'
    stand_in.manner = 'fails'
    assert say(auto)[0] == 'gtts' and auto.used == 'cache' and len(stand_in.asked) == 1


def test_auto_waits_once_for_a_server_that_stalls_and_then_no_more(stand_in, auto):
    stand_in.manner = 'stalls'
    who, took_s = say(auto)
    assert who == 'espeak' and ANSWER_S - 0.1 < took_s < ANSWER_S + 1
    assert 'within 1.5 s' in auto.figures()['network']
    for text in ('two', 'three'):
        who, took_s = say(auto, text)
        assert who == 'espeak' and took_s < 0.5


@pytest.mark.parametrize('manner', ['fails', 'rubbish', 'empty'])
def test_auto_tries_the_network_again_later_behind_a_line_of_espeak(stand_in, auto, manner):
    stand_in.manner = manner
    assert say(auto)[0] == 'espeak'
    asked = len(stand_in.asked)
    assert say(auto)[0] == 'espeak' and len(stand_in.asked) == asked
    stand_in.manner = 'answers'
    auto.clock.now_s += RETRY_S[0] + 1
    assert say(auto)[0] == 'espeak'  # does not wait for the answer, and keeps it
    end_s = time.monotonic() + 10
    while say(auto)[0] == 'espeak' and time.monotonic() < end_s:
        time.sleep(0.02)
    assert say(auto, 'new')[0] == 'gtts' and auto.figures()['network'] == 'ok'


@needs_espeak
def test_without_a_network_espeak_speaks(cache, monkeypatch):
    pytest.importorskip('gtts', reason='gTTS is not installed')
    from gtts import tts
    with socket.socket() as free:  # a port at which nobody answers
        free.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{free.getsockname()[1]}/'
        monkeypatch.setattr(tts, '_translate_url', lambda tld='com', path='': url)
        voice = make_voice('auto', cache)
        assert voice.sound_of('hello', ENGLISH, GO_ON)[:4] == b'RIFF'
        assert voice.used == 'espeak' and 'gTTS does not answer' in voice.network
    voice.close()


def test_with_neither_there_is_one_sentence(google, monkeypatch, tmp_path):
    monkeypatch.setattr(google, '_get', lambda *_: (_ for _ in ()).throw(VoiceError('no gTTS')))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(VoiceError, match=r'espeak-ng is not installed .*; and no gTTS'):
        Auto(google, Espeak()).sound_of('hello', ENGLISH, GO_ON)


@pytest.mark.parametrize('engine', ENGINES)
def test_engines_by_name(engine, cache):
    voice = make_voice(engine, cache)
    assert voice.name == engine
    voice.close()


def test_an_engine_that_is_not_there(cache):
    with pytest.raises(UserError, match="engine 'siri' is unknown; auto, gtts, espeak, silent"):
        make_voice('siri', cache)
