"""The detector: finds what is in each image and publishes `detections`."""

from __future__ import annotations

from dataclasses import dataclass, replace
import time
from typing import Tuple

from edge_vision.core.detections import Detections
from edge_vision.core.detector import check_classes, load_detector, Options
from edge_vision.core.found import Found
from edge_vision.core.frame import Frame
from edge_vision.core.pipeline import Pipeline
from edge_vision.core.stats import Percentiles, RateMeter, time_figures
from edge_vision.core.tracker import LOW_SCORE, Tracker
from edge_vision.nodes import channels, qos
from edge_vision.nodes.edge_node import EdgeNode, Health
from edge_vision.nodes.messages import labels_to_message
from edge_vision.nodes.parameters import parameter
from edge_vision.nodes.process import parser, run
from vision_msgs.msg import LabelInfo


@dataclass(frozen=True)
class DetectorParameters:
    """Parameters of the node `detector`."""

    model: str = parameter('person', "an ONNX file, a shipped model's name, or hog", live=True)
    score_threshold: float = parameter(0.4, 'lowest score of a detection', 0.0, 1.0, live=True)
    iou_threshold: float = parameter(0.5, 'of two boxes of one class that overlap more (IoU), '
                                     'the worse goes', 0.0, 1.0, live=True)
    max_detections: int = parameter(100, 'most detections in one image', 1, 1000, live=True)
    classes: Tuple[str, ...] = parameter((), 'class names to publish; empty: all', live=True)
    providers: Tuple[str, ...] = parameter(
        ('auto',), 'of ONNX Runtime, in this order: tensorrt, cuda, cpu; auto: '
        'cuda where there is one, else cpu (tensorrt only when named)')
    threads: int = parameter(0, 'threads for the network on the CPU; 0: all cores', 0, 256)
    spin: bool = parameter(True, 'threads on the CPU stay awake between images: sooner answers, '
                           'but a core is kept busy; false saves power')
    model_family: str = parameter('auto', 'how to read a foreign model where its shapes do not '
                                  'tell: yolox, yolov5, yolov8, end_to_end, torchvision, '
                                  'fastestdet', live=True)
    input_size: int = parameter(640, 'side of the input of models that leave it open, pixels',
                                32, 4096, live=True)
    labels: Tuple[str, ...] = parameter((), 'class names of a model that carries none', live=True)
    track: bool = parameter(True, 'number what is found, the same from frame to frame', live=True)


RELOADING = ('model', 'model_family', 'input_size', 'labels')


def options_of(p: DetectorParameters) -> Options:
    """Give what the parameters ask of a detector; the tracker wants to see weak boxes too."""
    return Options(lowest_score(p), p.iou_threshold, p.max_detections, p.classes, p.providers,
                   p.threads, p.model_family, p.input_size, p.labels, p.spin)


def lowest_score(p: DetectorParameters) -> float:
    """Lowest score that the detector has to give; what is published is score_threshold's."""
    return min(p.score_threshold, LOW_SCORE) if p.track else p.score_threshold


class DetectorNode(EdgeNode):
    """Looks at the newest frame only, in threads of its own."""

    def __init__(self, bus=None, known_elsewhere=()):
        """Load the model; UserError where it cannot be."""
        super().__init__('detector', DetectorParameters, bus, known_elsewhere)
        detector = load_detector(self.settings.model, options_of(self.settings))
        self._rate = RateMeter()
        self._latency_ms = Percentiles()
        self._stages_ms = {}
        self._count = 0
        self._tracker = Tracker()
        self._found = self.sender(channels.DETECTIONS)
        self._labels = self.create_publisher(LabelInfo, 'label_info', qos.LATCHED)
        self._tell_model(detector, self.settings.score_threshold)
        self._pipeline = Pipeline(detector, self._on_found, self.complain)
        self._images = self.receiver(channels.IMAGE, self._on_frame)
        self.begin()

    def _tell_model(self, detector, score_threshold: float):
        count = len(detector.labels)
        self.get_logger().info(f'model {detector.name} on {detector.provider}, '
                               f'{count} class{"" if count == 1 else "es"}')
        self._labels.publish(labels_to_message(detector.labels, score_threshold, time.time_ns()))

    def _on_frame(self, frame: Frame) -> None:
        if self.enabled:
            self._pipeline.put(frame)

    def _on_found(self, frame: Frame, detections: Detections, stages_ms) -> None:
        settings, start_s = self.settings, time.perf_counter()
        if settings.track:
            detections = self._tracker.update(detections, frame.stamp_ns / 1e9,
                                              settings.score_threshold)
            stages_ms['track'] = 1000 * (time.perf_counter() - start_s)
        else:  # weak boxes may still be on their way after tracking was turned off
            detections = detections.select(detections.scores >= settings.score_threshold)
        self._found.send(Found(frame.stamp_ns, frame.frame_id, detections))
        self._latency_ms.add((time.time_ns() - frame.stamp_ns) / 1e6)
        for stage, ms in stages_ms.items():
            self._stages_ms.setdefault(stage, Percentiles()).add(ms)
        self._rate.tick()
        self._count = len(detections)

    def on_enable(self, enabled: bool) -> None:
        """Pause gives the subscription up, so that images are not even received."""
        self._images.want(enabled)

    def on_parameters(self, old, new) -> None:
        """Exchange thresholds, or load another model; one that does not load is refused."""
        if any(getattr(old, name) != getattr(new, name) for name in RELOADING):
            self._pipeline.detector = load_detector(new.model, options_of(new))
            self._tell_model(self._pipeline.detector, new.score_threshold)
            return
        detector = self._pipeline.detector
        check_classes(new.classes, detector.labels)
        detector.options = replace(
            detector.options, score_threshold=lowest_score(new),
            iou_threshold=new.iou_threshold, max_detections=new.max_detections,
            classes=new.classes)

    def health(self) -> Health:
        """Rate, latency by stage, drops, errors and provider."""
        detector = self._pipeline.detector
        figures = {'enabled': self.enabled, 'model': detector.name,
                   'provider': detector.provider, 'fps': self._rate.per_second(),
                   'count': self._count, 'dropped': self._pipeline.dropped,
                   'errors': self.errors,
                   **time_figures(self._latency_ms, self._stages_ms)}
        if not self.enabled:
            return Health('ok', 'paused', figures)
        if self._rate.per_second() == 0:
            wrong = self.recent_error()
            return Health('warn', f'no images arrive{wrong and ": "}{wrong}', figures)
        return Health('ok', f'on {detector.provider}', figures)

    def close(self) -> None:
        """End the threads."""
        self._pipeline.close()


def main(args=None) -> int:
    """Run the node alone in its process."""
    return run(parser('detector_node'), lambda own: [DetectorNode()], args)


if __name__ == '__main__':
    raise SystemExit(main())
