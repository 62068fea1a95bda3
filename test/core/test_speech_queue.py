"""The queue in front of the voice, and text from strangers."""

import threading
import time

from edge_vision.core.speech.events import ARRIVED, Event
from edge_vision.core.speech.speakable import MOST_CHARACTERS, speakable
from edge_vision.core.speech.speech_queue import (
    BREATH_S,
    GESTURE,
    Line,
    MOST_WAITING,
    NEWS_S,
    PEOPLE,
    SAY,
    SpeechQueue,
    URGENT,
)
import pytest


class Clock:
    """A clock that stands still until it is moved."""

    now_s = 50.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return SpeechQueue(clock)


def fill(queue, clock, *lines):
    for kind, text in lines:
        event = Event(ARRIVED, text, 1, clock.now_s) if kind == PEOPLE else None
        queue.put(Line(kind, clock.now_s, text, event))
        clock.now_s += 0.001


def drain(queue, clock):
    clock.now_s += BREATH_S
    taken = []
    while len(queue):
        taken.append('+'.join(line.text for line in queue.take(0)))
    return taken


@pytest.mark.parametrize(('lines', 'order'), [
    ([(PEOPLE, 'p'), (GESTURE, 'g'), (SAY, 's'), (URGENT, 'u')], ['u', 's', 'g', 'p']),
    ([(SAY, '1'), (SAY, '2'), (SAY, '3')], ['1', '2', '3']),
    ([(URGENT, '1'), (URGENT, '2'), (SAY, 's')], ['2', '1', 's']),
    ([(PEOPLE, '1'), (SAY, 's'), (PEOPLE, '2')], ['s', '1+2']),
    ([(GESTURE, '1'), (GESTURE, '2'), (PEOPLE, 'p')], ['1', '2', 'p']), ([], [])])
def test_order(queue, clock, lines, order):
    fill(queue, clock, *lines)
    assert drain(queue, clock) == order


@pytest.mark.parametrize(('first', 'then', 'dropped'), [
    (PEOPLE, SAY, 'people'), (GESTURE, PEOPLE, 'people'), (SAY, SAY, 'say'),
    (URGENT, SAY, 'say'), (SAY, URGENT, 'say')])
def test_a_full_queue_drops_the_least_important_and_counts_it(queue, clock, first, then, dropped):
    fill(queue, clock, *[(first, str(n)) for n in range(MOST_WAITING)], (then, 'last'))
    assert len(queue) == MOST_WAITING and queue.dropped == {dropped: 1}


def test_of_equals_the_oldest_goes(queue, clock):
    fill(queue, clock, *[(SAY, str(n)) for n in range(MOST_WAITING + 5)])
    assert drain(queue, clock) == [str(n) for n in range(5, MOST_WAITING + 5)]


@pytest.mark.parametrize(('kind', 'is_said'), [
    (URGENT, True), (SAY, True), (GESTURE, False), (PEOPLE, False)])
def test_old_news_is_dropped_unsaid(queue, clock, kind, is_said):
    fill(queue, clock, (kind, 'old'))
    clock.now_s += NEWS_S + 0.1
    assert bool(queue.take(0)) == is_said and queue.stale == (not is_said)


def test_people_wait_for_a_breath(clock):
    queue = SpeechQueue()
    queue.put(Line(PEOPLE, time.monotonic(), 'a', Event(ARRIVED, 'a', 1, 0)))
    start_s = time.monotonic()
    assert queue.take(0) == []
    assert len(queue.take(5.0)) == 1 and time.monotonic() - start_s >= 0.9 * BREATH_S


def test_only_an_urgent_line_interrupts_and_taking_it_obeys(queue, clock):
    fill(queue, clock, (SAY, 's'), (GESTURE, 'g'), (PEOPLE, 'p'))
    assert not queue.interrupted.is_set()
    fill(queue, clock, (URGENT, 'u'))
    assert queue.interrupted.is_set()
    assert queue.take(0)[0].text == 'u' and not queue.interrupted.is_set()


def test_closing_wakes_up_who_waits(queue):
    waiting = threading.Thread(target=queue.take, args=(60.0,))
    waiting.start()
    queue.close()
    waiting.join(5)
    assert not waiting.is_alive()
    queue.put(Line(SAY, 0.0, 'late'))
    assert len(queue) == 0


@pytest.mark.parametrize(('text', 'clean'), [
    ('hello', 'hello'), ('  a \t\r\n b  ', 'a b'), ('', ''), (' \x00\x07\x1b[31mred', '31mred'),
    ('<speak><break time="9s"/>hi</speak>', 'hi'), ('[[h@l"oU]] x', 'h@l"oU x'),
    ('a < b > c', 'a c'), ('$(reboot); `ls` | cat', '$(reboot); ls cat'),
    ('\u202eabc\u200b', 'abc'),
    ('x\ud800y', 'x y'), ('grün 中文 ok', 'grün 中文 ok'),
    ("don't stop, it's 3.5!", "don't stop, it's 3.5!"),
    ('--stdout', '--stdout'), ('&lt;b&gt;', 'lt;b gt;')])
def test_control_characters_and_mark_up_are_not_spoken(text, clean):
    assert speakable(text) == (clean, False)


@pytest.mark.parametrize('text', ['word ' * 2000, 'x' * 10000, '中' * 10000, '<' * 10000 + 'end'])
def test_long_texts_are_cut(text):
    clean, was_cut = speakable(text)
    assert was_cut and len(clean) <= MOST_CHARACTERS and not clean.endswith(' ')
