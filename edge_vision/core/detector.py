"""The one door to all detectors: `load_detector`."""

from __future__ import annotations

import time
from typing import Dict, Sequence, Tuple, Union

from edge_vision.core.detections import Detections
from edge_vision.core.errors import UserError
from edge_vision.core.hog import HogDetector
from edge_vision.core.onnx_detector import OnnxDetector
from edge_vision.core.onnx_model import find_model
from edge_vision.core.options import Options
import numpy as np

__all__ = ['Options', 'check_classes', 'load_detector', 'timed_detect']


def timed_detect(detector, bgr: np.ndarray) -> Tuple[Detections, Dict[str, float]]:
    """Find what is in a picture, with the milliseconds of each stage."""
    times = [time.perf_counter()]
    prepared = detector.prepare(bgr)
    times.append(time.perf_counter())
    outputs = detector.infer(prepared)
    times.append(time.perf_counter())
    found = detector.finish(prepared, outputs)
    times.append(time.perf_counter())
    stages = ('preprocess', 'inference', 'postprocess')
    return found, {stage: 1000 * (b - a) for stage, a, b in zip(stages, times, times[1:])}


def load_detector(model: str, options: Options = Options()):
    """
    Load the detector that a path, a shipped model's name, or `hog` names.

    Raises UserError in one sentence for a model that is missing, broken, or fits no family, and
    for a class name that the model does not know.
    """
    detector: Union[HogDetector, OnnxDetector]
    if model.strip() == 'hog':
        detector = HogDetector(options)
    else:
        detector = OnnxDetector(find_model(model), options)
    check_classes(options.classes, detector.labels)
    return detector


def check_classes(classes: Sequence[str], labels: Sequence[str]) -> None:
    """Raise UserError where a class is wanted that the model does not know."""
    unknown = [name for name in classes if name not in labels]
    if unknown:
        some = ', '.join(labels[:12]) + (', ...' if len(labels) > 12 else '')
        raise UserError(f"class '{unknown[0]}' is unknown to this model, which knows {some}")
