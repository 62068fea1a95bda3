"""Detections together with the image that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from edge_vision.core.detections import Detections


@dataclass(frozen=True)
class Found:
    """
    The answer of the detector to one frame; also sent when nothing was found.

    stamp_ns and frame_id are those of the frame, so that the two can be put together again.
    """

    stamp_ns: int
    frame_id: str
    detections: Detections
