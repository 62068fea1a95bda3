"""What is asked of a detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Options:
    """
    What is asked of a detector.

    The first four may be exchanged while it runs (`detector.options = ...`). classes: names to
    keep, all where empty. input_size: side in pixels for models that leave it open.
    spin: see OnnxModel.
    """

    score_threshold: float = 0.4
    iou_threshold: float = 0.5
    max_detections: int = 100
    classes: Tuple[str, ...] = ()
    providers: Tuple[str, ...] = ('auto',)
    threads: int = 0
    model_family: str = 'auto'
    input_size: int = 640
    labels: Tuple[str, ...] = ()
    spin: bool = True
