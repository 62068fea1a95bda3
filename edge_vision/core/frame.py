"""One picture of the camera on its way through the system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np


@dataclass(frozen=True)
class Frame:
    """
    An image with the moment of its capture.

    bgr: uint8 (H, W, 3); shared between threads, so nobody may write into it.
    stamp_ns: wall clock, nanoseconds since 1970, taken next to the capture.
    jpeg: the camera's own JPEG of this image, where it delivered one.
    """

    bgr: np.ndarray
    stamp_ns: int
    frame_id: str = 'camera'
    jpeg: Optional[bytes] = None

    @property
    def size_wh(self):
        """Width and height in pixels."""
        return self.bgr.shape[1], self.bgr.shape[0]
