"""The three steps of a detector in three threads: the network waits for no other step."""

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
    Prepares every frame as it comes, runs the network on the newest, and finishes in order.

    In front of the network the newest frame wins and the others are counted in `dropped`; behind
    it nothing is lost. on_found(frame, detections, stages_ms) is called in the last thread,
    on_error(exception) in any of them; an error costs its frame only.
    """

    def __init__(self, detector, on_found: OnFound, on_error: Callable[[Exception], None]):
        """Start the threads; `detector` may be exchanged at any time."""
        self.detector = detector
        self._on_found, self._on_error = on_found, on_error
        self._frames, self._prepared = Mailbox(), Mailbox()
        self._answers: Queue = Queue(MOST_UNFINISHED)
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=target, name=name, daemon=True)
                         for name, target in (('prepare', self._prepare), ('infer', self._infer),
                                              ('finish', self._finish))]
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

    def _prepare(self):
        def work(frame):
            detector, start_s = self.detector, time.perf_counter()
            prepared = detector.prepare(frame.bgr)
            self._prepared.put((detector, frame, prepared, _ms_since(start_s)))
        self._each(self._frames.take, work)

    def _infer(self):
        def work(item):
            detector, frame, prepared, prepare_ms = item
            start_s = time.perf_counter()
            outputs = detector.infer(prepared)
            stages_ms = {'preprocess': prepare_ms, 'inference': _ms_since(start_s)}
            self._hand_on((detector, frame, prepared, outputs, stages_ms))
        self._each(self._prepared.take, work)

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
