"""The three steps of a detector (prepare, infer, finish) in threads, the newest frame first."""

from __future__ import annotations

from queue import Full, Queue
import threading
import time
from typing import Callable, Dict

from edge_vision.core.detections import Detections
from edge_vision.core.frame import Frame
from edge_vision.core.mailbox import Mailbox

MOST_UNFINISHED = 2  # answers of the network that may wait for the last step

OnFound = Callable[[Frame, Detections, Dict[str, float]], None]


class Pipeline:
    """
    Runs the network on the newest frame and finishes in order.

    In front of the network the newest frame wins and the others are counted in `dropped`; behind
    it nothing is lost. on_found(frame, detections, stages_ms) is called in the last thread,
    on_error(exception) in any of them; an error costs its frame only.

    prepare_ahead: prepare every frame in a thread of its own while the network is busy. That pays
    where the network runs on a GPU; on the CPU it would take the cores from it.
    """

    def __init__(self, detector, on_found: OnFound, on_error: Callable[[Exception], None],
                 prepare_ahead: bool = False):
        """Start the threads; `detector` may be exchanged at any time."""
        self.detector = detector
        self._on_found, self._on_error = on_found, on_error
        self._frames, self._prepared = Mailbox(), Mailbox()
        self._answers: Queue = Queue(MOST_UNFINISHED)
        self._closing = threading.Event()
        steps = {'infer': self._infer_prepared, 'prepare': self._prepare_ahead} if (
            prepare_ahead) else {'infer': self._infer_newest}
        steps['finish'] = self._finish
        self._threads = [threading.Thread(target=target, name=name, daemon=True)
                         for name, target in steps.items()]
        for thread in self._threads:
            thread.start()

    @property
    def dropped(self) -> int:
        """Count the frames that a newer one replaced before the network looked at them."""
        return self._frames.dropped + self._prepared.dropped

    def put(self, frame: Frame) -> None:
        """Hand over a frame; never blocks."""
        self._frames.put(frame)

    def _each(self, take: Callable, work: Callable) -> None:
        while not self._closing.is_set():
            item = take()
            if item is None:
                continue
            try:
                work(item)
            except Exception as error:  # noqa: BLE001 one frame's fault: told, and on
                self._on_error(error)

    def _prepare(self, frame: Frame):
        detector, start_s = self.detector, time.perf_counter()
        prepared = detector.prepare(frame.bgr)
        return detector, frame, prepared, {'preprocess': _ms_since(start_s)}

    def _infer(self, item) -> None:
        detector, frame, prepared, stages_ms = item
        start_s = time.perf_counter()
        outputs = detector.infer(prepared)
        stages_ms['inference'] = _ms_since(start_s)
        self._hand_on((detector, frame, prepared, outputs, stages_ms))

    def _prepare_ahead(self):
        self._each(self._frames.take, lambda frame: self._prepared.put(self._prepare(frame)))

    def _infer_prepared(self):
        self._each(self._prepared.take, self._infer)

    def _infer_newest(self):
        self._each(self._frames.take, lambda frame: self._infer(self._prepare(frame)))

    def _hand_on(self, answer) -> None:
        while not self._closing.is_set():
            try:
                self._answers.put(answer, timeout=0.5)
                return
            except Full:
                continue

    def _finish(self):
        def work(item):
            detector, frame, prepared, outputs, stages_ms = item
            start_s = time.perf_counter()
            detections = detector.finish(prepared, outputs)
            stages_ms['postprocess'] = _ms_since(start_s)
            self._on_found(frame, detections, stages_ms)
        self._each(self._answers.get, work)

    def close(self, timeout_s: float = 2.0) -> None:
        """End the threads; what is under work is finished, if that takes less than timeout_s."""
        self._closing.set()
        self._frames.close()
        self._prepared.close()
        try:
            self._answers.put_nowait(None)  # wakes up the last step, if it waits
        except Full:
            pass
        end_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))


def _ms_since(start_s: float) -> float:
    return 1000 * (time.perf_counter() - start_s)
