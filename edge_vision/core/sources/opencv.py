"""What the sources that OpenCV reads have in common."""

from __future__ import annotations

import time
from typing import Any

import cv2
from edge_vision.core.sources.base import Captured, Source, SourceLost


class OpenCvSource(Source):
    """
    A source behind a cv2.VideoCapture.

    A subclass opens it in `open` with `_take`, and names itself in `_name` for messages.
    """

    def __init__(self, name: str):
        """Remember what the source is called; nothing is opened yet."""
        self._name = name
        self._capture: Any = None  # cv2.VideoCapture while open

    def _take(self, where: tuple, why_not: str):
        """Open cv2.VideoCapture(*where); SourceLost with `why_not` where it does not open."""
        self._capture = cv2.VideoCapture(*where)
        if not self._capture.isOpened():
            raise SourceLost(why_not)
        return self._capture

    def read(self) -> Captured:
        """Wait for the next picture."""
        if not self._capture.grab():
            raise SourceLost(f'{self._name} stopped delivering pictures')
        stamp_ns = time.time_ns()
        ok, bgr = self._capture.retrieve()
        if not ok:
            raise SourceLost(f'{self._name} delivered a damaged picture')
        return Captured(bgr, stamp_ns)

    def close(self) -> None:
        """Let go of the device, file or connection."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
