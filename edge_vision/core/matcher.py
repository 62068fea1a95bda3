"""Puts each frame together with the detections that belong to it."""

from __future__ import annotations

from collections import OrderedDict
import threading
from typing import Optional, Tuple

from edge_vision.core.detections import Detections
from edge_vision.core.found import Found
from edge_vision.core.frame import Frame

MOST_WAITING = 30  # frames, of one second at 30 frames/s: 27 MB at 640x480
PATIENCE_S = 1.0  # without detections for so long, frames are shown as they are

Pair = Tuple[Frame, Optional[Detections]]


class Matcher:
    """
    Matches by the stamp alone, whichever of the two comes first.

    Boxes are never drawn on a frame that they were not found in. Frames that have waited in vain
    are shown bare: all when no detections come for PATIENCE_S, the oldest when MOST_WAITING
    others wait behind it (a detector that takes longer than that shows no boxes). Safe to call
    from several threads. The clock is the caller's: `now_s` in seconds, always growing.
    """

    def __init__(self):
        """Start with nothing waiting."""
        self._lock = threading.Lock()
        self._frames = OrderedDict()
        self._found = OrderedDict()
        self._last_found_s = None

    def add_frame(self, frame: Frame, now_s: float) -> Optional[Pair]:
        """Take a frame; gives the pair if it is complete, or the bare frame if nobody detects."""
        with self._lock:
            found = self._found.pop(frame.stamp_ns, None)
            if found is not None:
                return frame, found.detections
            if self._last_found_s is None:
                self._last_found_s = now_s
            if now_s - self._last_found_s > PATIENCE_S:
                self._frames.clear()
                return frame, None
            self._frames[frame.stamp_ns] = frame
            if len(self._frames) > MOST_WAITING:
                return self._frames.popitem(last=False)[1], None
            return None

    def add_found(self, found: Found, now_s: float) -> Optional[Pair]:
        """Take the detections of a frame; gives the pair if the frame is there."""
        with self._lock:
            self._last_found_s = now_s
            frame = self._frames.pop(found.stamp_ns, None)
            if frame is None:
                self._found[found.stamp_ns] = found
                while len(self._found) > MOST_WAITING:
                    self._found.popitem(last=False)
                return None
            # older frames have been passed over by the detector and will find no partner
            for stamp_ns in [s for s in self._frames if s < found.stamp_ns]:
                del self._frames[stamp_ns]
            return frame, found.detections

    def clear(self) -> None:
        """Forget what waits, and how long detections have been missing."""
        with self._lock:
            self._frames.clear()
            self._found.clear()
            self._last_found_s = None
