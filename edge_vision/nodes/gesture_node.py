"""The gesture node: tells what a hand does and where its fingertip is, some times a second."""

from __future__ import annotations

from dataclasses import dataclass
import threading
import time
from typing import Dict, Optional, Tuple

from edge_vision.core.frame import Frame
from edge_vision.core.gesture import GestureModel, REGRESSION
from edge_vision.core.gesture_models import GestureModels, TASKS
from edge_vision.core.pace import Pace
from edge_vision.core.stats import Percentiles, RateMeter, time_figures
from edge_vision.core.steady import silence_s_at, Steady
from edge_vision.core.worker import Worker
from edge_vision.nodes import channels
from edge_vision.nodes.edge_node import EdgeNode, Health
from edge_vision.nodes.parameters import parameter
from edge_vision.nodes.process import parser, run
import numpy as np

FILES_S = 1.0  # how often it is looked whether a model's file has changed
LISTEN_S = 0.25  # how often it is looked whether pictures have ended


@dataclass(frozen=True)
class GestureParameters:
    """Parameters of the node `gesture`."""

    model: str = parameter('gesture', 'an ONNX file that tells gestures, gesture (shipped), or '
                           'empty: none', live=True, again=True)
    fingertip_model: str = parameter('fingertip', 'an ONNX file that tells where the fingertip '
                                     'is, fingertip (shipped), or empty: none', live=True,
                                     again=True)
    rate_hz: float = parameter(5.0, 'most frames a second that are looked at', 0.1, 60.0,
                               live=True)
    score_threshold: float = parameter(0.7, 'lowest score with which a gesture counts for '
                                       'gesture/event', 0.0, 1.0, live=True)
    stable_s: float = parameter(0.5, 'how long a gesture has to stay before gesture/event tells '
                                'it, seconds', 0.0, 60.0, live=True)
    providers: Tuple[str, ...] = parameter(
        ('auto',), 'of ONNX Runtime, in this order: tensorrt, cuda, cpu; auto: '
        'cuda where there is one, else cpu (tensorrt only when named)')
    threads: int = parameter(0, 'threads for each network on the CPU; 0: all cores, in turn with '
                             "the detector's network in the same process", 0, 256)


class GestureNode(EdgeNode):
    """Looks at the newest frame when one is due, in a thread of its own."""

    def __init__(self, bus=None, known_elsewhere=()):
        """Load the models; UserError where one cannot be, but a shipped one may come later."""
        super().__init__('gesture', GestureParameters, bus, known_elsewhere)
        p = self.settings
        self._pace, self._steady, self._settling = Pace(), Steady(), threading.Lock()
        self._rate, self._latency_ms = _meter(p.rate_hz), Percentiles()
        self._stages_ms: Dict[str, Percentiles] = {}
        self._best = ''
        self._frame_s = float('-inf')  # when the last frame came
        self._gesture = self.sender(channels.GESTURE)
        self._event = self.sender(channels.GESTURE_EVENT)
        self._fingertip = self.sender(channels.FINGERTIP)
        self._models = GestureModels(_names(p), p.providers, p.threads,
                                     lambda sentence: self.get_logger().info(sentence))
        self._worker = Worker('gesture', self._look_at, self.complain)
        self._loader = Worker('gesture_load', lambda _: self._begin_anew(self._models.look()),
                              self.complain)
        self._images = self.receiver(channels.IMAGE, self._on_frame)
        self.create_timer(FILES_S, lambda: self._loader.put(True))
        self.create_timer(LISTEN_S, self._look_for_silence)
        self.begin()

    def _on_frame(self, frame: Frame) -> None:
        # not by the stamps: the clock of a robot is often set while it runs, and bags start anew
        self._frame_s = now_s = time.monotonic()
        if (self.enabled and self._models.at_work()
                and self._pace.due(now_s, self.settings.rate_hz)):
            self._worker.put((frame, now_s))

    def _look_at(self, item: Tuple[Frame, float]) -> None:
        """Score one frame with all models; each result is sent as soon as it is there."""
        frame, arrived_s = item
        blobs: Dict[Tuple[int, int], np.ndarray] = {}
        for name, model in self._models.at_work().items():
            if model.input_wh not in blobs:
                start_s = time.perf_counter()
                blobs[model.input_wh] = model.prepare(frame.bgr)
                self._add_stage('preprocess', start_s)
            start_s = time.perf_counter()
            numbers = model.infer(blobs[model.input_wh])
            self._add_stage('inference' if name == 'model' else 'fingertip', start_s)
            if not self.enabled:
                return
            self._send(model, numbers, frame, arrived_s)
        self._latency_ms.add((time.time_ns() - frame.stamp_ns) / 1e6)
        self._rate.tick()

    def _add_stage(self, stage: str, start_s: float) -> None:
        self._stages_ms.setdefault(stage, Percentiles()).add(
            1000 * (time.perf_counter() - start_s))

    def _send(self, model: GestureModel, numbers, frame: Frame, arrived_s: float) -> None:
        if model.task == REGRESSION:
            self._fingertip.send(model.fingertip(numbers, frame.size_wh, frame.stamp_ns,
                                                 frame.frame_id))
            return
        gestures = model.gestures(numbers, frame.stamp_ns, frame.frame_id)
        self._gesture.send(gestures)
        p, (self._best, score) = self.settings, gestures.best
        with self._settling:
            self._tell(self._steady.update(self._best, score >= p.score_threshold, arrived_s,
                                           p.stable_s))

    def _tell(self, settled: Optional[str]) -> None:
        if settled is not None:
            self._event.send(settled)

    def _forget(self) -> None:
        """End the settled gesture, as nobody looks any more."""
        with self._settling:
            self._best = ''
            self._tell(self._steady.forget())

    def _look_for_silence(self) -> None:
        if time.monotonic() - self._frame_s > silence_s_at(self.settings.rate_hz):
            self._forget()

    def _begin_anew(self, changed) -> None:
        if 'model' in changed:
            self._forget()
        if changed:
            self._stages_ms = {}
            self.poke()

    def on_enable(self, enabled: bool) -> None:
        """Pause gives the subscription up, so that images are not even received."""
        self._images.want(enabled)
        if not enabled:
            self._forget()

    def on_parameters(self, old, new) -> None:
        """Load other models, or a file anew that was set again; a bad one is refused."""
        self._begin_anew(self._models.change(_names(new)))
        if old.rate_hz != new.rate_hz:
            self._rate = _meter(new.rate_hz)

    def health(self) -> Health:
        """Rate, latency by stage, drops, errors, models and provider."""
        models = self._models.at_work()
        figures = {'enabled': self.enabled,
                   **{name: models[name].path if name in models else '' for name in TASKS},
                   'provider': next((m.provider for m in models.values()), ''),
                   'fps': self._rate.per_second(), 'gesture': self._best,
                   'settled': self._steady.settled, 'dropped': self._worker.dropped,
                   'errors': self.errors,
                   **time_figures(self._latency_ms, self._stages_ms)}
        if not self.enabled:
            return Health('ok', 'paused', figures)
        wrong = self._models.problem()
        if not wrong and not models:
            wrong = 'model and fingertip_model are empty: there is nothing to look with'
        if not wrong and self._rate.per_second() == 0:
            wrong = ': '.join(filter(None, ['no images arrive', self.recent_error()]))
        return Health('warn' if wrong else 'ok', wrong or f'on {figures["provider"]}', figures)

    def close(self) -> None:
        """End the threads."""
        self._worker.close()
        self._loader.close()


def _names(p: GestureParameters) -> Dict[str, str]:
    return {name: getattr(p, name) for name in TASKS}


def _meter(rate_hz: float) -> RateMeter:
    """Give a meter that sees some looks also where they are rare."""
    return RateMeter(max(2.0, 4 / rate_hz))


def main(args=None) -> int:
    """Run the node alone in its process."""
    return run(parser('gesture_node'), lambda own: [GestureNode()], args)


if __name__ == '__main__':
    raise SystemExit(main())
