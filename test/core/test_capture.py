"""The capture thread: what it does with frames, losses, pauses and exchanges."""

import threading
import time

from edge_vision.core.capture import Capture
from edge_vision.core.sources import Captured, EndOfSource, Source, SourceLost
import numpy as np
import pytest

PATIENCE_S = 10.0  # for what takes a millisecond on an idle machine


class FakeSource(Source):
    """
    A source that does at each `read` what the next step of its script says.

    A number is a picture of that width; an exception is raised; 'hang' waits for `go_on`, also
    against `stop`. At the end of the script it waits to be stopped, as a silent camera does.
    """

    def __init__(self, *script, open_errors=(), close_error=None, name='fake'):
        self.script = list(script)
        self.open_errors = list(open_errors)
        self.close_error = close_error
        self.description = name
        self.go_on = threading.Event()
        self.hanging = threading.Event()
        self.opened = self.closed = 0

    def open(self, stop):
        self.opened += 1
        self._stop = stop
        if self.open_errors:
            raise self.open_errors.pop(0)

    def read(self):
        if not self.script:
            self._stop.wait()
            return Captured(np.zeros((4, 4, 3), np.uint8), 0)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if step == 'hang':
            self.hanging.set()
            assert self.go_on.wait(PATIENCE_S)
            step = 99
        return Captured(np.zeros((4 if step else 0, step, 3), np.uint8), time.time_ns(), b'jpeg')

    def close(self):
        self.closed += 1
        if self.close_error:
            raise self.close_error


class Bench:
    """A capture with what it said and gave, and a way to wait for that."""

    def __init__(self, source, reconnect_s=0.001, on_frame=None):
        self.frames, self.changes = [], []
        self._news = threading.Condition()
        self.source = source

        def keep_frame(frame):
            if on_frame:
                on_frame(frame)
            self._tell(self.frames, frame)
        self.capture = Capture(source, 'eye', reconnect_s, keep_frame,
                               lambda *change: self._tell(self.changes, change))

    def _tell(self, what, item):
        with self._news:
            what.append(item)
            self._news.notify_all()

    @property
    def widths(self):
        return [frame.size_wh[0] for frame in self.frames]

    @property
    def sentences(self):
        return [sentence for sentence, _ in self.changes]

    def wait_for(self, condition):
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S), (self.changes, self.widths)

    def wait_for_state(self, state):
        self.wait_for(lambda: self.capture.state == state)


@pytest.fixture
def bench_of():
    benches = []

    def make(*script, reconnect_s=0.001, on_frame=None, **more):
        bench = Bench(FakeSource(*script, **more), reconnect_s, on_frame)
        benches.append(bench)
        bench.capture.start()
        return bench
    yield make
    for bench in benches:
        bench.source.go_on.set()
        bench.capture.close(PATIENCE_S)
        assert not bench.capture._thread.is_alive()


def test_no_frame_yet(bench_of):
    bench = bench_of()
    assert bench.frames == [] and bench.capture.size_wh == (0, 0)
    assert bench.capture.rate.per_second() == 0.0 and bench.capture.skipped == 0


def test_frames_carry_the_stamp_of_the_source_and_the_frame_id(bench_of):
    before_ns = time.time_ns()
    bench = bench_of(5, 6, 7)
    bench.wait_for(lambda: len(bench.frames) == 3)
    assert bench.widths == [5, 6, 7]
    assert {frame.frame_id for frame in bench.frames} == {'eye'}
    assert {frame.jpeg for frame in bench.frames} == {b'jpeg'}
    stamps = [frame.stamp_ns for frame in bench.frames]
    assert before_ns <= stamps[0] <= stamps[1] <= stamps[2] <= time.time_ns()
    assert bench.capture.size_wh == (7, 4) and bench.capture.state == 'running'
    assert bench.changes == [('fake', True)]  # told once, not at each frame


def test_a_lost_source_is_opened_again_after_growing_pauses(bench_of):
    bench = bench_of(5, SourceLost('unplugged'), 6,
                     open_errors=[SourceLost('not there')] * 3)
    bench.wait_for(lambda: bench.widths == [5, 6])
    lost = 'not there; next try in {} s'
    assert bench.changes == [
        (lost.format(0.001), False), (lost.format(0.002), False), (lost.format(0.004), False),
        ('fake', True),
        ('unplugged; next try in 0.001 s', False),  # a picture came: from the first pause again
        ('fake', True)]
    assert bench.capture.reconnects == 4
    assert bench.source.opened == 5 and bench.source.closed == 4
    assert bench.capture.problem == ''


def test_a_lost_source_stays_lost_while_it_is_tried_again(bench_of):
    bench = bench_of(SourceLost('gone'), 'hang')
    assert bench.source.hanging.wait(PATIENCE_S)
    assert bench.capture.state == 'lost' and bench.capture.problem.startswith('gone')


@pytest.mark.parametrize(('error', 'sentence'), [
    pytest.param(RuntimeError('driver\n  tripped'), 'RuntimeError: driver tripped;',
                 id='a fault of a driver, on one line'),
    pytest.param(SourceLost(''), '; next try', id='a loss without words'),
    pytest.param(MemoryError(), 'MemoryError: ;', id='a fault without words')])
def test_an_error_does_not_end_the_thread(bench_of, error, sentence):
    bench = bench_of(5, error, 6)
    bench.wait_for(lambda: bench.widths == [5, 6])
    assert sentence in bench.changes[1][0] and not bench.changes[1][1]


def test_an_error_of_close_does_not_end_the_thread(bench_of, caplog):
    bench = bench_of(5, SourceLost('gone'), 6, close_error=OSError('busy'))
    bench.wait_for(lambda: bench.widths == [5, 6])
    assert 'fake cannot be closed: OSError: busy' in caplog.text


def test_an_error_of_the_receiver_does_not_end_the_thread(bench_of):
    def refuse_the_first(frame):
        if frame.size_wh[0] == 5:
            raise ValueError('no such topic')
    bench = bench_of(5, 6, on_frame=refuse_the_first)
    bench.wait_for(lambda: bench.widths == [6])


def test_a_picture_without_a_size_is_a_loss(bench_of):
    bench = bench_of(0, 6)
    bench.wait_for(lambda: bench.widths == [6])
    assert bench.sentences[0].startswith('the source delivered a picture without a size')


def test_pause_lets_go_of_the_device_and_resume_takes_it(bench_of):
    bench = bench_of(5)
    bench.wait_for_state('running')
    bench.capture.enable(False)
    bench.wait_for_state('paused')
    assert bench.source.opened == bench.source.closed == 1
    assert bench.capture.silent_s() == 0.0 and not bench.capture.enabled
    bench.source.script.append(6)
    bench.capture.enable(True)
    assert bench.capture.silent_s() < PATIENCE_S
    bench.wait_for(lambda: bench.widths == [5, 6])
    assert bench.source.opened == 2
    assert bench.sentences == ['fake', 'paused, the device is free', 'fake']


def test_silence_counts_from_the_resume(bench_of):
    bench = bench_of()
    bench.capture.enable(False)
    bench.wait_for_state('paused')
    bench.capture._last_s -= 1000.0  # as if the pause had been long
    bench.capture.enable(True)
    assert bench.capture.silent_s() < 100.0


def test_resume_of_what_runs_changes_nothing(bench_of):
    bench = bench_of(5)
    bench.wait_for_state('running')
    bench.capture.enable(True)
    bench.source.script.append(6)  # would be read after a second opening
    assert bench.source.opened == 1 and not bench.capture._wake.is_set()


def test_pause_before_the_device_answers(bench_of):
    bench = bench_of('hang', 6)
    assert bench.source.hanging.wait(PATIENCE_S)
    bench.capture.enable(False)
    bench.source.go_on.set()
    bench.wait_for_state('paused')
    assert bench.frames == []  # what was captured before the pause is not shown after it
    assert bench.source.closed == 1


def test_pause_and_resume_in_one_breath(bench_of):
    bench = bench_of('hang', 6)
    assert bench.source.hanging.wait(PATIENCE_S)
    bench.capture.enable(False)
    bench.capture.enable(True)
    bench.source.go_on.set()
    bench.wait_for(lambda: bench.widths == [6])


def test_a_loss_that_comes_of_the_pause_is_no_news(bench_of):
    class Broken(FakeSource):
        def read(self):
            self.hanging.set()
            self._stop.wait()
            raise SourceLost('interrupted')
    bench = Bench(Broken())
    bench.capture.start()
    assert bench.source.hanging.wait(PATIENCE_S)
    bench.capture.enable(False)
    bench.wait_for_state('paused')
    bench.capture.close(PATIENCE_S)
    assert bench.sentences == ['paused, the device is free']
    assert bench.capture.reconnects == 0


def test_exchange_while_it_runs(bench_of):
    bench = bench_of(5)
    bench.wait_for_state('running')
    bench.source.skipped = 3
    other = FakeSource(6, name='other')
    other.skipped = 4
    bench.capture.exchange(other)
    bench.wait_for(lambda: bench.widths == [5, 6])
    assert bench.source.closed == 1 and bench.capture.description == 'other'
    assert bench.capture.skipped == 7  # both are counted


@pytest.mark.parametrize('script', [
    pytest.param([EndOfSource('at its end')], id='after the end'),
    pytest.param([SourceLost('gone')], id='while it waits to try again')])
def test_exchange_ends_the_waiting(bench_of, script):
    bench = bench_of(*script, reconnect_s=30.0)
    bench.wait_for(lambda: bench.changes)
    bench.capture.exchange(FakeSource(6, name='other'))
    bench.wait_for(lambda: bench.widths == [6])
    assert bench.source.closed == 1 and bench.capture.problem == ''


def test_exchange_starts_again_from_the_first_pause(bench_of):
    bench = bench_of(open_errors=[SourceLost('old')] * 4, reconnect_s=0.001)
    bench.wait_for(lambda: len(bench.changes) == 4)
    bench.capture.exchange(FakeSource(open_errors=[SourceLost('new')], name='other'))
    bench.wait_for(lambda: any('new' in sentence for sentence in bench.sentences))
    assert 'new; next try in 0.001 s' in bench.sentences


def test_exchange_while_paused_opens_nothing_until_the_resume(bench_of):
    bench = bench_of()
    bench.capture.enable(False)
    bench.wait_for_state('paused')
    other = FakeSource(6, name='other')
    bench.capture.exchange(other)
    bench.wait_for(lambda: len(bench.changes) >= 1)
    assert other.opened == 0 and bench.capture.state == 'paused'
    bench.capture.enable(True)
    bench.wait_for(lambda: bench.widths == [6])


def test_the_end_is_told_once_and_resume_starts_again(bench_of):
    bench = bench_of(5, EndOfSource('the file is at its end'), 6)
    bench.wait_for_state('ended')
    assert bench.changes[-1] == ('the file is at its end', True)
    assert bench.source.closed == 1
    bench.capture.enable(True)
    bench.wait_for(lambda: bench.widths == [5, 6])
    assert bench.capture.reconnects == 0


@pytest.mark.parametrize('state', ['never started', 'running', 'paused', 'lost', 'ended'])
def test_close_from_every_state(state):
    script = {'running': [5], 'lost': [SourceLost('gone')], 'ended': [EndOfSource('end')]}
    bench = Bench(FakeSource(*script.get(state, [])), reconnect_s=30.0)
    if state != 'never started':
        bench.capture.start()
        bench.capture.enable(state != 'paused')
        bench.wait_for_state(state)
    bench.capture.close(PATIENCE_S)
    assert not bench.capture._thread.is_alive()
    assert bench.source.opened == bench.source.closed or state == 'paused'


def test_close_comes_back_while_a_driver_hangs(bench_of):
    bench = bench_of('hang')
    assert bench.source.hanging.wait(PATIENCE_S)
    start_s = time.monotonic()
    bench.capture.close(timeout_s=0.05)
    assert time.monotonic() - start_s < 2.0
    assert bench.capture._thread.is_alive() and bench.capture._thread.daemon
    bench.source.go_on.set()
    bench.capture.close(PATIENCE_S)
    assert bench.frames == []  # nothing is handed out after close


def test_many_commands_at_once_end_in_order(bench_of):
    bench = bench_of()
    sources = [FakeSource(*[7] * 50, name=str(number)) for number in range(40)]

    def command(numbers):
        for number in numbers:
            bench.capture.exchange(sources[number])
            bench.capture.enable(number % 3 != 0)
    threads = [threading.Thread(target=command, args=(range(first, 40, 2),)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    last = FakeSource(8, name='last')
    bench.capture.enable(True)
    bench.capture.exchange(last)
    bench.wait_for(lambda: bench.widths[-1:] == [8])
    assert all(source.opened == source.closed for source in [bench.source, *sources])
