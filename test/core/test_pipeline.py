"""The detector's three threads: order, what is dropped, and what an error costs."""

import threading

from edge_vision.core.detections import Detections
from edge_vision.core.frame import Frame
from edge_vision.core.pipeline import Pipeline
import numpy as np
import pytest

PATIENCE_S = 10.0  # for what takes a millisecond on an idle machine


class FakeDetector:
    """A detector whose steps fail where the frame's width says so, and wait where they must."""

    def __init__(self, name='a'):
        self.name = name
        self.free = {step: threading.Event() for step in ('prepare', 'infer', 'finish')}
        self.reached = {step: threading.Semaphore(0) for step in self.free}
        for event in self.free.values():
            event.set()

    def _step(self, step, width):
        self.reached[step].release()
        assert self.free[step].wait(PATIENCE_S)
        if width == {'prepare': 91, 'infer': 92, 'finish': 93}[step]:
            raise ValueError(f'{step} fails')

    def prepare(self, bgr):
        self._step('prepare', bgr.shape[1])
        return bgr.shape[1]

    def infer(self, prepared):
        self._step('infer', prepared)
        return prepared

    def finish(self, prepared, outputs):
        self._step('finish', prepared)
        return Detections.empty((f'{self.name}{outputs}',))


class Bench:
    def __init__(self):
        self.detector = FakeDetector()
        self.found, self.errors = [], []
        self._news = threading.Condition()
        self.pipeline = Pipeline(
            self.detector, lambda *answer: self._tell(self.found, answer),
            lambda error: self._tell(self.errors, str(error)))

    def _tell(self, what, item):
        with self._news:
            what.append(item)
            self._news.notify_all()

    def put(self, width):
        self.pipeline.put(Frame(np.zeros((4, width, 3), np.uint8), width))

    def put_and_wait(self, width):
        """Put a frame and wait until the last step has taken it, or an error came."""
        count = len(self.found) + len(self.errors)
        self.put(width)
        self.wait_for(lambda: len(self.found) + len(self.errors) > count)

    def wait_for(self, condition):
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S), (self.found, self.errors)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    for event in bench.detector.free.values():
        event.set()
    bench.pipeline.close(PATIENCE_S)
    assert not any(thread.is_alive() for thread in bench.pipeline._threads)


def test_nothing_comes_of_nothing(bench):
    assert bench.found == [] and bench.pipeline.dropped == 0


def test_each_frame_comes_with_its_own_detections_and_times(bench):
    for width in (5, 6, 7):
        bench.put_and_wait(width)
    for width, (frame, detections, stages_ms) in zip((5, 6, 7), bench.found):
        assert frame.stamp_ns == width and detections.labels == (f'a{width}',)
        assert set(stages_ms) == {'preprocess', 'inference', 'postprocess'}
        assert min(stages_ms.values()) >= 0
    assert bench.pipeline.dropped == 0


def test_while_the_network_works_the_newest_frame_wins(bench):
    bench.detector.free['infer'].clear()
    bench.put(5)
    assert bench.detector.reached['infer'].acquire(timeout=PATIENCE_S)
    for width in (6, 7, 8, 9):
        assert bench.detector.reached['prepare'].acquire(timeout=PATIENCE_S)
        bench.put(width)
    bench.detector.free['infer'].set()
    bench.wait_for(lambda: [frame.stamp_ns for frame, *_ in bench.found][-1:] == [9])
    stamps = [frame.stamp_ns for frame, *_ in bench.found]
    assert stamps[0] == 5 and stamps == sorted(stamps)
    assert len(stamps) + bench.pipeline.dropped == 5


def test_behind_the_network_nothing_is_lost(bench):
    bench.detector.free['finish'].clear()
    for width in (5, 6, 7):
        bench.put(width)
        assert bench.detector.reached['infer'].acquire(timeout=PATIENCE_S)
    bench.detector.free['finish'].set()
    bench.wait_for(lambda: len(bench.found) == 3)
    assert [frame.stamp_ns for frame, *_ in bench.found] == [5, 6, 7]


@pytest.mark.parametrize('width', [91, 92, 93], ids=['prepare', 'infer', 'finish'])
def test_an_error_costs_its_frame_only(bench, width):
    for number in (5, width, 6):
        bench.put_and_wait(number)
    assert [frame.stamp_ns for frame, *_ in bench.found] == [5, 6]
    assert len(bench.errors) == 1 and bench.errors[0].endswith(' fails')


def test_a_frame_is_finished_by_the_detector_that_began_it(bench):
    bench.detector.free['infer'].clear()
    bench.put(5)
    assert bench.detector.reached['infer'].acquire(timeout=PATIENCE_S)
    bench.pipeline.detector = FakeDetector('b')
    bench.detector.free['infer'].set()
    bench.wait_for(lambda: bench.found)
    bench.put_and_wait(6)
    assert [detections.labels for _, detections, _ in bench.found] == [('a5',), ('b6',)]


@pytest.mark.parametrize('step', ['prepare', 'infer', 'finish'])
def test_close_comes_back_while_a_step_hangs(bench, step):
    bench.detector.free[step].clear()
    bench.put(5)
    assert bench.detector.reached[step].acquire(timeout=PATIENCE_S)
    bench.pipeline.close(timeout_s=0.05)
    assert any(thread.is_alive() for thread in bench.pipeline._threads)
    assert all(thread.daemon for thread in bench.pipeline._threads)


def test_frames_after_close_are_forgotten(bench):
    bench.pipeline.close(PATIENCE_S)
    bench.put(5)
    assert bench.found == [] and bench.pipeline.dropped == 0
